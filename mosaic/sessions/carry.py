"""Carrying one run from spawn to recorded end.

The steps, in order: start the agent; stay until it and everything it started has ended; look
what finished work would still lack; record the end in the mission; write result.json; write
the end of state.json, last of all.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.machine.outlet import find_gaps
from mosaic.model import Usage
from mosaic.ports import Started
from mosaic.records import replace
from mosaic.runs.checkpoint import Trigger
from mosaic.runs.record import Run
from mosaic.runs.report import read_report
from mosaic.runs.result import lost_output_words, write_result
from mosaic.runs.snapshots import (
    Source,
    keep_begin_tree,
    take_begin_tree,
    take_checkpoint,
)
from mosaic.sessions.outcome import decide_step_outcome
from mosaic.sessions.output import reader_of
from mosaic.sessions.settle import (
    EndFacts,
    earlier_usage,
    settle_session,
    step_end,
    usage_of_turns,
)
from mosaic.sessions.supervisor import Supervisor
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from collections.abc import Callable

    from mosaic.machine.snapshot import TakenTree
    from mosaic.ports import Order
    from mosaic.runs.checkpoint import Checkpoint
    from mosaic.sessions.outcome import Outcome
    from mosaic.sessions.output import Progress
    from mosaic.sessions.settle import Settled
    from mosaic.sessions.supervisor import RunEnd


class RunCarrier:
    """Carries one prepared run in this process: an agent's, or a recorded command's."""

    def __init__(
        self,
        run_dir: Path,
        order: Order,
        *,
        watch: Callable[[Progress], None] | None = None,
        examine: Callable[[RunEnd, Run, Order], tuple[str, ...]] | None = None,
        heeds_interrupt: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take up a prepared run.

        Args:
            run_dir: its record.
            order: how it is started.
            watch: told now and then how it gets on.
            examine: says, when it has ended, what finished work would still lack.
            heeds_interrupt: asked at Ctrl-C whether the run is to be stopped.

        Raises:
            RecordError: the record cannot be read.
            MissionFileError: the mission cannot be read.
        """
        self._examine = examine
        self._begin: TakenTree | None = None
        self.run = Run(dir=run_dir)
        self.meta = self.run.meta()
        self._mission_file = Path(self.meta.mission_file)
        document = load_mission(self._mission_file)
        self._source = Source(
            run=self.run,
            meta=self.meta,
            runs_dir=document.layout.runs_dir,
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
        self.facts: EndFacts | None = None

    def start(self) -> Started:
        """Start the agent.

        Raises:
            ProgramNotFoundError: its program cannot be started; nothing is left behind.
            HeldError: the run was started already.
        """
        is_session = self.meta.session_id is not None
        self._begin = take_begin_tree(self._source) if is_session else None
        try:
            agent = self._supervisor.spawn(self._begin.tree if self._begin else None)
        except BaseException:
            self._supervisor.close()
            raise
        return Started(agent=agent, supervisor_pid=os.getpid(), place=self._order.place)

    def complete(self) -> None:
        """Stay to the end and record it.

        Raises:
            LockTimeoutError: the mission could not be locked to record the end; the next
                command that looks records it.
        """
        try:
            self._keep_begin()
            self.end = end = self._supervisor.carry()
            facts = self._facts(end)
            if self._examine is not None:
                facts = replace(facts, lacks=self._examine(end, self.run, self._order))
            self.facts = facts
            self.outcome = outcome = self._settle(facts)
            done = step_end(self.meta, facts, outcome, events=self._supervisor.event_count + 1)
            write_result(self.run, self.meta, done)
            self._supervisor.finish(
                outcome.run_status, outcome.reason, outcome.summary, end.exit_code
            )
        finally:
            self._supervisor.close()

    def _keep_begin(self) -> None:
        if self._begin is not None:
            with contextlib.suppress(
                MissionError
            ):  # a full disk: the tree is on record all the same
                keep_begin_tree(self._source, self._begin)

    def _settle(self, facts: EndFacts) -> Outcome:
        """Record the end in the mission, where it is a session's."""
        if self.meta.session_id is None:
            return decide_step_outcome(
                ended=facts.ended, words=facts.ending.message, report=facts.report
            )
        lock_file = Path(self._order.heartbeat_file or "")
        self.settled = settle_session(self._mission_file, self.meta, facts, lock_file)
        return self.settled.outcome

    def _save(self, trigger: Trigger) -> Checkpoint | None:
        return take_checkpoint(self._source, trigger, only_if_changed=trigger is Trigger.INTERVAL)

    def _facts(self, end: RunEnd) -> EndFacts:
        before = Usage(cost_usd=0.0)
        if self.meta.session_id is not None:
            sessions = load_mission(self._mission_file).mission.sessions
            before = earlier_usage(sessions, self.meta.session_id, end.conversation)
        elif self.meta.panel_id is not None:
            before = usage_of_turns(self.run, end.conversation)
        return EndFacts(
            ended=end.reason,
            ending=end.ending,
            ended_at=utc_now(),
            duration_seconds=end.duration_seconds,
            exit_code=end.exit_code,
            conversation=end.conversation,
            usage=self._reader.usage(before),
            answer=self._reader.answer,
            started_at=self._supervisor.started_at,
            lost_output=lost_output_words(find_gaps(self.run.dir)),
            unread=end.unread,
            report=read_report(self.run),
        )
