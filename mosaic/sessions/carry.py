"""Carrying one run from spawn to recorded end.

The steps, in order: start the agent; stay until it and everything it started has ended; look
what finished work would still lack; record the end in the mission; write result.json; write
the end of state.json, last of all.

Nothing that becomes of the mission's files meanwhile ends this: what is needed of them is read
before the agent starts, and an end that they cannot take is kept until they can.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError, RecordError
from mosaic.machine.disk import create_private_dir
from mosaic.model import EndReason, RunStatus, Usage, sum_usage
from mosaic.ports import Started
from mosaic.records import replace
from mosaic.runs.checkpoint import Trigger
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.folders import runs_in
from mosaic.runs.record import Run
from mosaic.runs.report import read_report
from mosaic.runs.result import lost_output_words
from mosaic.runs.snapshots import (
    Source,
    keep_begin_tree,
    take_begin_tree,
    take_checkpoint,
)
from mosaic.sessions.decide import Outcome, decide_step_outcome
from mosaic.sessions.kept_ends import keep_end
from mosaic.sessions.output import reader_of
from mosaic.sessions.record_end import (
    EndedWork,
    Settled,
    earlier_usage,
    ended_session,
    finish_record,
    record_end,
)
from mosaic.sessions.rules import read_rules, write_rules
from mosaic.sessions.supervisor import Supervisor
from mosaic.store.mission_file import load_mission
from mosaic.store.state import ensure_state_dir

if TYPE_CHECKING:
    from collections.abc import Callable

    from mosaic.git.snapshot import TakenTree
    from mosaic.ports import Order
    from mosaic.runs.checkpoint import Checkpoint
    from mosaic.runs.result import RunEnd
    from mosaic.sessions.output import Progress


class RunCarrier:
    """Carries one prepared run in this process: an agent's, or a recorded command's."""

    def __init__(
        self,
        run_dir: Path,
        order: Order,
        *,
        watch: Callable[[Progress], None] | None = None,
        examine: Callable[[EndedWork], tuple[str, ...]] | None = None,
        heeds_interrupt: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take up a prepared run.

        Args:
            watch: told now and then how it gets on.
            examine: says, when it has ended, what finished work would still lack.
            heeds_interrupt: asked at Ctrl-C whether the run is to be stopped.
        """
        self._examine = examine
        self._begin: TakenTree | None = None
        self.run = Run(dir=run_dir)
        self.meta = self.run.meta()
        self._mission_file = Path(self.meta.mission_file)
        self.rules = read_rules(self.run, self.meta)
        document = load_mission(self._mission_file)
        self._layout = document.layout
        self._sessions = document.mission.sessions.every()
        self._source = Source(
            run=self.run,
            meta=self.meta,
            state_dir=document.layout.state_dir,
            settings=document.mission.runs,
        )
        self._reader = reader_of(self.meta, document.mission, order.mode)
        self._order = order
        self._supervisor = Supervisor(
            self.run,
            order,
            self._reader,
            settings=document.mission.runs,
            save=self._save,
            watch=watch,
            heeds_interrupt=heeds_interrupt,
        )
        self.settled: Settled | None = None
        self.outcome: Outcome | None = None
        self.end: RunEnd | None = None

    def start(self) -> Started:
        """Start the agent."""
        is_session = self.meta.session_id is not None
        self._begin = take_begin_tree(self._source) if is_session else None
        try:
            agent = self._supervisor.spawn(self._begin.tree if self._begin else None)
        except BaseException:
            self._supervisor.close()
            raise
        return Started(agent=agent, supervisor_pid=os.getpid(), place=self._order.place)

    def complete(self) -> None:
        """Stay to the end and record it; where that cannot be done, keep it: see `settled`."""
        try:
            self._keep_begin()
            end = self._supervisor.carry()
            self._restore_record(at_end=True)
            self.end = end = self._complete_end(end)
            self.outcome = outcome = self._record(end)
            self._finish(end, outcome)
        finally:
            self._supervisor.close()

    def _finish(self, end: RunEnd, outcome: Outcome) -> None:
        """Write the end into the run's record, if the record is still there."""
        state, log = self._supervisor.record()
        try:
            finish_record(self.run, self.meta, end, outcome, state=state, log=log)
        except (MissionError, OSError):
            if self.run.dir.is_dir():
                raise

    def _keep_begin(self) -> None:
        if self._begin is not None:
            with contextlib.suppress(
                MissionError
            ):  # a full disk: the tree is on record all the same
                keep_begin_tree(self._source, self._begin)

    def _lacks(self, end: RunEnd) -> tuple[str, ...]:
        """Return what finished work would still lack."""
        if self._examine is None:
            return ()
        work = EndedWork(
            end=end,
            run=self.run,
            meta=self.meta,
            rules=self.rules,
            order=self._order,
            begin_tree=self._begin.tree if self._begin else None,
        )
        try:
            return self._examine(work)
        except OSError as error:
            return (f"its work could not be looked at: {error}",)

    def _restore_record(self, *, at_end: bool = False) -> None:
        """Put the run's own record right where the agent removed or changed it."""
        if self.meta.session_id is None:
            return
        with contextlib.suppress(MissionError, OSError):
            if not self.run.dir.is_dir():
                ensure_state_dir(self._layout)
                create_private_dir(self.run.dir)
                self._supervisor.hold_again()
            elif not at_end:
                return
            if self.rules is not None and not self._is_on_record():
                write_rules(self.run, self.rules)
                self.run.write_meta(self.meta)

    def _is_on_record(self) -> bool:
        try:
            meta = self.run.meta()
            return meta == self.meta and read_rules(self.run, meta) is not None
        except RecordError:
            return False

    def _record(self, end: RunEnd) -> Outcome:
        if self.meta.session_id is None:
            return decide_step_outcome(ended=end.ended, words=end.ending.message, report=end.report)
        end = replace(end, rules=self.rules, run=self.run)
        lock_file = Path(self._order.heartbeat_file or "")
        try:
            self.settled = record_end(self._mission_file, self.meta, end, lock_file)
        except MissionError as error:
            self.settled = self._keep(end, error)
        return self.settled.outcome

    def _keep(self, end: RunEnd, problem: MissionError) -> Settled:
        """Keep an end that cannot be recorded now."""
        kept = keep_end(self._layout, self.meta, end)
        after = (
            "it is kept, and the next command records it once the mission is back"
            if kept
            else "and it could be kept nowhere"
        )
        words = f"its end could not be recorded: {problem.message}; {after}"
        data = {"path": str(kept) if kept else None}
        EventLog(self.run).append(EventType.END_KEPT, words, data=data)
        ok = end.ended is EndReason.COMPLETED
        outcome = Outcome(
            reason=end.ended,
            run_status=RunStatus.COMPLETED if ok else RunStatus.FAILED,
            task_status=None,
            summary=f"{end.ending.message}; {words}",
        )
        session = ended_session(None, self.meta, end, end.ended)
        return Settled(session=session, outcome=outcome, task_status=None, problem=problem)

    def _save(self, trigger: Trigger) -> Checkpoint | None:
        self._restore_record()
        if trigger is not Trigger.END and not self._source.settings.checkpoints:
            return None  # that at the end shows what was changed
        return take_checkpoint(self._source, trigger, only_if_changed=trigger is Trigger.INTERVAL)

    def _complete_end(self, end: RunEnd) -> RunEnd:
        """Add what the agent's output and report tell, and what its work lacks."""
        before: Usage | None = None
        if self.meta.session_id is not None:
            before = earlier_usage(self._sessions, self.meta.session_id, end.conversation)
        elif self.meta.panel_id is not None:
            before = _usage_of_turns(self.run, end.conversation)
        end = replace(
            end,
            usage=self._reader.usage(before or Usage(cost_usd=0.0)),
            answer=self._reader.answer,
            lost_output=lost_output_words(self.run),
            report=read_report(self.run),
        )
        return replace(end, lacks=self._lacks(end))


def _usage_of_turns(run: Run, conversation: str | None) -> Usage | None:
    """Return what a panel worker's other runs of the same conversation were recorded with."""
    earlier = (other.find_result() for other in runs_in(run.dir.parent) if other.id != run.id)
    return sum_usage(
        result.usage
        for result in earlier
        if conversation and result.runtime_session_id == conversation and result.usage
    )
