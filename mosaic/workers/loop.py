"""The loop: hand off, look how it ended, hand off again, until something says stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import ConsentNeededError, NothingReadyError, TaskNotReadyError
from mosaic.executors import executor_of
from mosaic.machine.clock import CLOCK
from mosaic.machine.identity import host_name
from mosaic.plan.durations import format_duration
from mosaic.plan.ready import summarize_waiting
from mosaic.runs.folders import run_of
from mosaic.sessions.alarm import Need
from mosaic.sessions.choice import select_from
from mosaic.sessions.liveness import Life
from mosaic.sessions.stop import stop_session
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.reading import read_mission
from mosaic.workers.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.machine.clock import Clock
    from mosaic.model import SessionLock, Task
    from mosaic.plan.pace import Limits
    from mosaic.runs.record import Run
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.workers import Face
    from mosaic.workers.ledger import Looked, LoopReport

POLL_SECONDS = 0.2
MOST_REFUSALS = 3


class Loop(Ledger):
    """One loop over a mission. `run` once."""

    def __init__(
        self,
        mission_file: Path,
        request: HandOffRequest,
        limits: Limits,
        face: Face,
        *,
        start: Callable[[HandOffRequest], str],
        alert: Callable[[Need, str, str], None],
        follow: Callable[[], Looked],
        clock: Clock = CLOCK,
    ) -> None:
        """Make a loop; `start` hands off, stays to the end and returns the session's id."""
        super().__init__(
            mission_file, request, limits, face, alert=alert, follow=follow, clock=clock
        )
        self._start = start
        self._refusals = 0
        self._last_task: str | None = None

    def run(self) -> LoopReport:
        """Work until nothing is ready, a limit is met, a person is needed, or it is stopped."""
        try:
            while self._turn():
                continue
        except KeyboardInterrupt:
            self.end("interrupted", interrupted=True)
        finally:
            self.sum_up()
        return self.report

    def _turn(self) -> bool:
        self._wait_for_survivor()
        waits = self.follow_requests()
        snapshot = self.read_mission()  # what was said on a request may have opened a task again
        met = self.met_limit(snapshot)
        if self._face.stops_wanted():
            return self._end("stopped after the session", interrupted=True)
        if met is not None:
            return self._end(f"limit met: {met}", need=Need.BUDGET)
        selection = select_from(snapshot, milestone=self._request.milestone)
        if selection.chosen is None and waits:
            self._clock.sleep(POLL_SECONDS)
            return True
        if selection.chosen is None:
            snapshot.raise_problems()
            reasons = filter(None, (summarize_waiting(selection), snapshot.left_out_words))
            why = f"nothing is ready: {'; '.join(reasons)}"
            return self._end(why, need=self.idle_need(snapshot))
        task = selection.chosen
        plan = self.plan(snapshot, task)
        if plan is None:
            return True
        request, wait_seconds = plan
        if self._last_task == task.id:
            if wait_seconds > POLL_SECONDS * 10:
                words = f"trying {task.id} again in {format_duration(wait_seconds)}"
                if self.is_time_up_within(snapshot, wait_seconds):
                    why = f"limit met: the time is up before {words}"
                    return self._end(why, need=Need.BUDGET)
                self._face.say(words)
            if not self._pause(wait_seconds):
                return self._end("stopped while it waited", interrupted=True)
        return self._hand_over(task, request)

    def _hand_over(self, task: Task, request: HandOffRequest) -> bool:
        try:
            session_id = self._start(request)
        except (TaskNotReadyError, NothingReadyError):
            self._refusals += 1
            if self._refusals > MOST_REFUSALS:
                raise
            return True  # the plan changed meanwhile: look again
        except ConsentNeededError as error:  # commands changed since the loop began
            return self._end(error.whole, need=Need.FAILED)
        self._refusals = 0
        self._last_task = task.id
        ended = self.note_end(task, task.status.value, session_id)
        if ended.was_stopped:
            return self._end("the session was stopped", interrupted=True)
        if ended.person is not None:
            return self._end(ended.person, need=Need.FAILED)
        return True

    def _wait_for_survivor(self) -> None:
        """Wait for an agent that outlived its supervisor, as after a loop was killed."""
        is_announced = False
        while (survivor := self._survivor()) is not None:
            lock, run = survivor
            if not is_announced:
                self._face.say(f"waiting for {lock.session_id}, which has lost its supervisor")
                is_announced = True
            meta = run.find_meta()
            limit = meta.timeout_seconds if meta else None
            if limit is not None and (self._clock.now() - lock.started_at).total_seconds() > limit:
                stop_session(self._mission_file, lock.session_id, now=False)
            self._clock.sleep(POLL_SECONDS)

    def _survivor(self) -> tuple[SessionLock, Run] | None:
        snapshot = read_mission(self._mission_file)
        layout = snapshot.layout
        for found in live_or_unknown(snapshot):
            lock = found.lock
            run = run_of(layout.runs_dir, lock.task_id, lock.run_id)
            orphaned = lock.process.pid and not executor_of(run).is_alive()
            mine = found.path == layout.session_lock and lock.process.host == host_name()
            may_end = found.is_on_record or found.judgement.life is Life.ALIVE
            if mine and orphaned and may_end:
                return lock, run
        return None

    def _pause(self, seconds: float) -> bool:
        """Wait; False when stopped."""
        until = self._clock.seconds() + seconds
        while (left := until - self._clock.seconds()) > 0:
            if self._face.stops_wanted():
                return False
            self._clock.sleep(min(POLL_SECONDS, left))
        return True

    def _end(self, why: str, *, need: Need | None = None, interrupted: bool = False) -> bool:
        self.end(why, need=need, interrupted=interrupted)
        return False
