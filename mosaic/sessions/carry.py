"""Carrying one run from spawn to recorded end; also the background supervisor's program.

    python -c '… main()' RUN_DIR      the order by stdin, readiness by stdout

The steps, in order: start the agent; stay until it and everything it started has ended;
record the end in the mission; write result.json; write the end of state.json, last of all.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.executors.background import dump_failure, dump_started, parse_order
from mosaic.machine.clock import utc_now
from mosaic.machine.outlet import find_gaps
from mosaic.model import Usage
from mosaic.ports import Started
from mosaic.runs.checkpoint import Trigger
from mosaic.runs.events import EventType
from mosaic.runs.record import Run
from mosaic.runs.report import read_report
from mosaic.runs.result import lost_output_words, write_result
from mosaic.runs.snapshots import Source, take_checkpoint
from mosaic.sessions.outcome import decide_step_outcome
from mosaic.sessions.output import reader_of
from mosaic.sessions.settle import EndFacts, earlier_usage, settle_session, step_end
from mosaic.sessions.supervisor import Supervisor
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from collections.abc import Callable

    from mosaic.ports import Order
    from mosaic.runs.checkpoint import Checkpoint
    from mosaic.sessions.outcome import Outcome
    from mosaic.sessions.output import Progress
    from mosaic.sessions.settle import Settled
    from mosaic.sessions.supervisor import RunEnd


class RunCarrier:
    """Carries one prepared run in this process: an agent's, or a recorded command's."""

    def __init__(
        self, run_dir: Path, order: Order, *, watch: Callable[[Progress], None] | None = None
    ) -> None:
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
        try:
            agent = self._supervisor.spawn()
        except BaseException:
            self._supervisor.close()
            raise
        return Started(agent=agent, supervisor_pid=os.getpid())

    def complete(self) -> None:
        """Stay to the end and record it.

        Raises:
            LockTimeoutError: the mission could not be locked to record the end; the next
                command that looks records it.
        """
        try:
            self.end = end = self._supervisor.carry()
            self.facts = facts = self._facts(end)
            self.outcome = outcome = self._settle(facts)
            done = step_end(self.meta, facts, outcome, events=self._supervisor.event_count + 1)
            write_result(self.run, self.meta, done)
            self._supervisor.finish(
                outcome.run_status, outcome.reason, outcome.summary, end.exit_code
            )
        finally:
            self._supervisor.close()

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
            report=read_report(self.run),
        )


def main() -> None:
    """Be the background supervisor of the run that the last argument names."""
    run_dir = Path(sys.argv[-1])
    answers = os.dup(1)
    try:
        order = parse_order(sys.stdin.buffer.readline())
        carrier = RunCarrier(run_dir, order)
        started = carrier.start()
    except (MissionError, OSError, ValueError) as error:
        os.write(answers, dump_failure(error))
        sys.exit(1)
    _leave_terminal()
    os.write(answers, dump_started(started))
    os.close(answers)
    try:
        carrier.complete()
    except MissionError as error:
        print(f"{EventType.WORKER_EXITED}: not recorded: {error}", file=sys.stderr)
        sys.exit(1)


def _leave_terminal() -> None:
    """Let go of stdin and stdout, so that nobody waits for this process to end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)


if __name__ == "__main__":
    main()
