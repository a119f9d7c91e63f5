"""Carrying one run from spawn to recorded end.

Start the agent; stay until it and everything it started has ended; look what finished work
would still lack; record the end in the mission; write result.json; write the end of state.json,
last of all. What is needed of the mission's files is read before the agent starts, and an end
that they cannot take is kept until they can.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError, RecordError
from mosaic.machine.disk import create_private_dir
from mosaic.model import RunStatus, Usage, sum_usage
from mosaic.ports import Started
from mosaic.records import replace
from mosaic.runs.checkpoint import Trigger
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.folders import runs_in
from mosaic.runs.record import Run
from mosaic.runs.report import AgentReport, read_report
from mosaic.runs.result import lost_output_words
from mosaic.runs.snapshots import Source, keep_begin_tree, take_begin_tree, take_checkpoint
from mosaic.sessions.alarm import Alarm, Need, need_of
from mosaic.sessions.decide import decide_step_outcome
from mosaic.sessions.following import count_usage, follow_output
from mosaic.sessions.record_end import (
    Settled,
    earlier_usage,
    ended_session,
    finish_record,
    record_end,
)
from mosaic.sessions.recovery import keep_end
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
    from mosaic.sessions.decide import Outcome
    from mosaic.sessions.output import Progress


class RunCarrier:
    """Carries one prepared run in this process: an agent's, or a recorded command's.

    Args:
        run_dir: its record.
        order: how it is started.
        watch: called now and then with how it gets on.
        heeds_interrupt: asked at Ctrl-C whether the run is to be stopped.
    """

    def __init__(
        self,
        run_dir: Path,
        order: Order,
        *,
        watch: Callable[[Progress], None] | None = None,
        heeds_interrupt: Callable[[], bool] = lambda: True,
    ) -> None:
        self.order = order
        self._begin: TakenTree | None = None
        self.run = Run(dir=run_dir)
        self.meta = self.run.meta()
        self._mission_file = Path(self.meta.mission_file)
        self.rules = read_rules(self.run, self.meta)
        document = load_mission(self._mission_file)
        self._layout = document.layout
        self._mission = document.mission
        self._sessions = document.mission.sessions.every()
        self._source = Source(
            run=self.run,
            meta=self.meta,
            state_dir=document.layout.state_dir,
            settings=document.mission.runs,
        )
        self._follower = follow_output(self.run, self.meta, document.mission, order.conversation)
        self._reader = self._follower.reader
        self._supervisor = Supervisor(
            self.run,
            order,
            self._follower,
            settings=document.mission.runs,
            save=self._save,
            watch=watch,
            heeds_interrupt=heeds_interrupt,
        )
        self.settled: Settled | None = None
        self.outcome: Outcome | None = None
        self.end: RunEnd | None = None
        self._alarm = Alarm(document)
        self.uncalled: str | None = None
        """Why a person who is needed could not be called."""

    @property
    def begin_tree(self) -> str | None:
        """The work tree when the agent was started."""
        return self._begin.tree if self._begin else None

    def examine(self, end: RunEnd) -> tuple[str, ...]:  # noqa: ARG002 - for those that do
        """Return what finished work would still lack, when it has ended."""
        return ()

    def start(self) -> Started:
        """Start the agent."""
        is_session = self.meta.session_id is not None
        self._begin = take_begin_tree(self._source) if is_session else None
        try:
            agent = self._supervisor.spawn(self.begin_tree)
        except BaseException:
            self._supervisor.close()
            raise
        return Started(agent=agent, supervisor_pid=os.getpid(), place=self.order.place)

    def complete(self) -> None:
        """Stay to the end and record it; where that cannot be done, keep it: see `settled`."""
        try:
            if self._begin is not None:
                with contextlib.suppress(MissionError):  # the tree is on record all the same
                    keep_begin_tree(self._source, self._begin)
            end = self._supervisor.carry()
            self._restore_record(at_end=True)
            self.end = end = self._complete_end(end)
            self.outcome = outcome = self._record(end)
            state, log = self._supervisor.state, self._supervisor.log
            try:
                finish_record(self.run, self.meta, end, outcome, state=state, log=log)
            except (MissionError, OSError):
                if self.run.dir.is_dir():
                    raise
        finally:
            self._supervisor.close()
        if self.order.calls_person:
            self.conclude(outcome)

    def conclude(self, outcome: Outcome) -> None:
        """Call a person where one is needed, when the end is on record."""
        if self.settled is not None:
            need = need_of(outcome, self.settled.task_status)
        else:  # a recorded command: who ran it sees how it went, but not what it asks
            is_asking = outcome.run_status is RunStatus.BLOCKED
            need = need_of(outcome, None) if is_asking else None
        if need is not None:
            self.call(need, outcome.summary)

    def call(self, need: Need, why: str) -> None:
        """Call a person; what comes of that never matters to the run."""
        about = {"task_id": None if self.meta.panel_id else self.meta.task_id}
        with contextlib.suppress(MissionError):
            self.uncalled = self._alarm.call(need, why, session_id=self.meta.session_id, **about)

    def _restore_record(self, *, at_end: bool = False) -> None:
        """Put the run's own record right where the agent removed or changed it."""
        if self.meta.session_id is None or not self._layout.project.is_dir():
            return  # one that was moved goes on with its record where that is now
        with contextlib.suppress(MissionError, OSError):
            if not self.run.dir.is_dir():
                ensure_state_dir(self._layout)
                create_private_dir(self.run.dir)
                self._supervisor.hold_again()
            elif not at_end:
                return
            if self.rules is None:
                return
            with contextlib.suppress(RecordError):
                meta = self.run.meta()
                if meta == self.meta and read_rules(self.run, meta) is not None:
                    return
            write_rules(self.run, self.rules)
            self.run.write_meta(self.meta)

    def _record(self, end: RunEnd) -> Outcome:
        if self.meta.session_id is None:
            return decide_step_outcome(
                ended=end.ended,
                words=end.ending.message,
                report=end.report,
                cause=end.ending.cause,
            )
        end = replace(end, rules=self.rules, run=self.run)
        lock_file = Path(self.order.heartbeat_file or "")
        try:
            self.settled = record_end(self._mission_file, self.meta, end, lock_file)
        except MissionError as error:
            self.settled = self._keep(end, error)
        return self.settled.outcome

    def _keep(self, end: RunEnd, problem: MissionError) -> Settled:
        """Keep an end that cannot be recorded now."""
        kept = keep_end(self._layout, self.meta, end)
        after = "and it could be kept nowhere"
        if kept:
            after = "it is kept, and the next command records it once the mission is back"
        words = f"its end could not be recorded: {problem.message}; {after}"
        data = {"path": str(kept) if kept else None}
        EventLog(self.run).append(EventType.END_KEPT, words, data=data)
        summary = f"{end.ending.message}; {words}"
        outcome = decide_step_outcome(
            ended=end.ended, words=summary, report=AgentReport(), cause=end.ending.cause
        )
        session = ended_session(None, self.meta, end, outcome)
        return Settled(session, outcome, None, problem)

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
        before = before or Usage(cost_usd=0.0)
        end = replace(
            end,
            usage=count_usage(
                self._reader,
                self.run,
                self.meta,
                self._mission,
                conversation=end.conversation,
                before=before,
            ),
            answer=self._reader.answer,
            lost_output=(*lost_output_words(self.run), *self._follower.unknown_words()),
            report=read_report(self.run),
        )
        try:
            return replace(end, lacks=self.examine(end))
        except OSError as error:
            return replace(end, lacks=(f"its work could not be looked at: {error}",))


def _usage_of_turns(run: Run, conversation: str | None) -> Usage | None:
    """Return what a panel worker's other runs of the same conversation were recorded with."""
    earlier = (other.find_result() for other in runs_in(run.dir.parent) if other.id != run.id)
    return sum_usage(
        result.usage
        for result in earlier
        if conversation and result.runtime_session_id == conversation and result.usage
    )
