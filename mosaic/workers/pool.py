"""The pool: several ready tasks at once, each in a worktree, until nothing is left to do.

Supervisors run by themselves, so a pool that is killed loses nothing: the next one counts
the sessions that still live among its own.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from mosaic.errors import (
    ConsentNeededError,
    HeldError,
    HostsFullError,
    MissionError,
    NotReadyError,
    ProgramNotFoundError,
    UnreachableError,
)
from mosaic.executors import executor_of
from mosaic.git.git import find_repository
from mosaic.machine.clock import CLOCK
from mosaic.machine.identity import host_name
from mosaic.plan.durations import format_duration
from mosaic.plan.ready import Reason
from mosaic.plan.waiting import summarize_waiting
from mosaic.records import dataclass, replace
from mosaic.runs.folders import run_of
from mosaic.runs.record import Run
from mosaic.sessions.alarm import Need
from mosaic.sessions.choice import select_from
from mosaic.sessions.output import observe_session
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.mission_file import load_mission
from mosaic.store.reading import read_mission
from mosaic.workers.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.machine.clock import Clock
    from mosaic.model import Task
    from mosaic.plan.pace import Limits
    from mosaic.plan.ready import Selection
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.tasks import Snapshot
    from mosaic.workers import Face
    from mosaic.workers.ledger import Looked
    from mosaic.workers.report import LoopReport

POLL_SECONDS = 0.25
WAITS_FOR_A_WORKER = (Reason.BRANCH_IN_USE, Reason.SCOPE_OVERLAP)
MOST_REFUSALS = 20
"""How often a start may be refused because the plan changed, one after the other."""
MOST_SILENCES = 12
LONGEST_SILENCE_SECONDS = 30.0
"""How often machines may not answer, one after the other, and the longest pause in between."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """One session of the pool."""

    task: Task
    before: str
    """The task's status before it was handed off."""
    session_id: str
    run_dir: Path


class Pool(Ledger):
    """One pool over a mission. `run` once."""

    def __init__(
        self,
        mission_file: Path,
        request: HandOffRequest,
        limits: Limits,
        face: Face,
        *,
        start: Callable[[HandOffRequest], Worker],
        alert: Callable[[Need, str, str], None],
        follow: Callable[[], Looked],
        size: int,
        keeps_full: bool,
        clock: Clock = CLOCK,
    ) -> None:
        """Make a pool of `size` workers.

        `start` hands off to a supervisor that lives on by itself, and is called from several
        threads. With `keeps_full` a task that is ready takes the place of one that ended.
        """
        request = replace(request, worktree=True)
        super().__init__(
            mission_file, request, limits, face, alert=alert, follow=follow, clock=clock
        )
        self._waits = False
        self._start = start
        self._size = size
        self._keeps_full = keeps_full
        self.workers: dict[str, Worker] = {}
        """Those that run now, by session."""
        self._starting: dict[str, Future[Worker]] = {}
        self._left_out: set[str] = set()
        """Tasks that this pool does not try again."""
        self._told_waiting: set[str] = set()
        self._told_beside: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._now = self._clock.seconds()
        """The moment by which it is decided what may be started and what is waited for.

        One for both: what comes due between two readings would be neither.
        """
        self._started = 0
        self._refusals = 0
        self._silences = 0
        """How often in a row a machine did not answer that a task was to go to."""
        self._silent: set[str] = set()
        """The machines of which that was said."""
        self._stops_sent = 1
        self._has_said_unscoped = False
        self._why: str | None = None
        """Why no more are started."""

    def run(self) -> LoopReport:
        """Work until nothing is ready and nobody works, a limit is met, or it is stopped."""
        find_repository(load_mission(self._mission_file).layout.project)
        with ThreadPoolExecutor(max_workers=self._size, thread_name_prefix="start") as threads:
            try:
                self._adopt()
                while self._turn(threads):
                    self._clock.sleep(POLL_SECONDS)
            finally:
                self.sum_up()
        return self.report

    def fill(self) -> LoopReport:
        """Start as many as there is room for, and do not wait for them."""
        find_repository(load_mission(self._mission_file).layout.project)
        with ThreadPoolExecutor(max_workers=self._size, thread_name_prefix="start") as threads:
            self._fill(threads)
            while self._starting:
                self._take_started()
                self._fill(threads)
                self._clock.sleep(POLL_SECONDS)
        return self.sum_up()

    def _adopt(self) -> None:
        """Count the sessions that live in worktrees already: of a pool that was killed, perhaps."""
        if not self._keeps_full:
            return
        snapshot = self.read_mission()
        for found in self._live(snapshot).values():
            lock = found.lock
            entry = snapshot.find(lock.task_id)
            if found.path == snapshot.layout.session_lock or entry is None:
                continue
            is_followed = lock.process.host == host_name() or found.judgement.host
            if found.is_on_record and lock.process.pid and is_followed:
                self._face.say(f"{lock.session_id} works on {lock.task_id} already")
                self.workers[lock.session_id] = Worker(
                    task=entry.task,
                    before=entry.task.status.value,
                    session_id=lock.session_id,
                    run_dir=run_of(snapshot.layout.runs_dir, lock.task_id, lock.run_id).dir,
                )

    def _turn(self, threads: ThreadPoolExecutor) -> bool:
        self._take_started()
        snapshot = self.read_mission()
        self._take_ended(snapshot)
        self.land_done(self.read_mission())
        self._waits = self.follow_requests()
        self._obey_stops()
        self._fill(threads)
        live = self._live(snapshot)
        own = [live[name] for name in self.workers if name in live]
        seen = [observe_session(found, snapshot.layout) for found in own]
        self._face.show(seen, sorted(self._starting))
        if self.workers or self._starting or (self._why is None and self._is_waiting()):
            return True
        self._close("every session has ended")
        return False

    def _is_waiting(self) -> bool:
        is_later = any(until > self._now for until in self._not_before.values())
        return self._waits or is_later

    def _fill(self, threads: ThreadPoolExecutor) -> None:
        self._now = self._clock.seconds()
        while self._why is None and len(self.workers) + len(self._starting) < self._size:
            if not self._keeps_full and self._started >= self._size:
                return
            snapshot = self.read_mission()
            if self._is_crowded(snapshot):
                return
            met = self.met_limit(snapshot, len(self.workers), len(self._starting))
            if met is not None:
                if not self._starting:  # else one may be refused, and another take its place
                    self._close(f"limit met: {met}", need=Need.BUDGET)
                return
            task = self._next_task(snapshot)
            if task is None:
                return
            plan = self.plan(snapshot, task)
            if plan is None:
                continue
            request, wait_seconds = plan
            if wait_seconds and task.id not in self._not_before:
                self._not_before[task.id] = self._clock.seconds() + wait_seconds
                self._face.say(f"trying {task.id} again in {format_duration(wait_seconds)}")
                continue
            self._not_before.pop(task.id, None)
            self._started += 1
            self._starting[task.id] = threads.submit(self._start, request)

    def _is_crowded(self, snapshot: Snapshot) -> bool:
        """Tell whether the mission allows no further session now, of this pool or others."""
        allowed = snapshot.document.mission.max_parallel
        if allowed is None or len(self._live(snapshot)) + len(self._starting) < allowed:
            return False
        if not (self.workers or self._starting):
            self._close(f"`maxParallel` allows {allowed}, and others work")
        return True

    def _next_task(self, snapshot: Snapshot) -> Task | None:
        reserved = dict.fromkeys(self._starting, "a new session")
        selection = select_from(
            snapshot, milestone=self._request.milestone, reserved=reserved, at_once=True
        )
        self._tell_waiting(selection)
        # The end of a session is on record before its supervisor has ended, and is judged after.
        passed_by = self._left_out | {worker.task.id for worker in self.workers.values()}
        for verdict in selection.ready:
            name = verdict.task.id
            if name not in passed_by and self._not_before.get(name, 0.0) <= self._now:
                return verdict.task
        if not (self.workers or self._starting or self._is_waiting()):
            snapshot.raise_problems()
            reasons = filter(None, (summarize_waiting(selection), snapshot.left_out_words))
            why = f"nothing is ready: {'; '.join(reasons)}"
            self._close(why, need=self.idle_need(snapshot))
        self._say_unscoped(selection)
        return None

    def _say_unscoped(self, selection: Selection) -> None:
        """Say once why there are fewer workers than were asked for."""
        waits = (each for each in selection.verdicts if each.reason is Reason.NO_SCOPE)
        if not self._has_said_unscoped and (verdict := next(waits, None)):
            self._has_said_unscoped = True
            hint = "`parallelWithoutScope` in mission.json lets such tasks run at once"
            self._face.say(f"{verdict.task.id} {verdict.detail} ({hint})")

    def _tell_waiting(self, selection: Selection) -> None:
        """Say once of each task that waits only for another's end what it waits for."""
        beside = {*self.workers, *self._starting}
        if self._told_beside == beside:
            return  # as at the last look
        self._told_beside = beside
        for verdict in selection.verdicts:
            name = verdict.task.id
            if verdict.reason in WAITS_FOR_A_WORKER and name not in self._told_waiting:
                self._told_waiting.add(name)
                self._face.say(f"{name} waits: {verdict.detail}")

    def _take_started(self) -> None:
        for name, future in list(self._starting.items()):
            if not future.done():
                continue
            del self._starting[name]
            try:
                worker = future.result()
            except HostsFullError:
                self._started -= 1
                self._not_before[name] = self._clock.seconds() + 1.0
            except UnreachableError as error:
                self._note_unreachable(name, error)
            except (NotReadyError, HeldError) as error:
                self._refusals += 1  # the plan changed meanwhile: look again
                self._started -= 1
                self._not_before[name] = self._clock.seconds() + 1.0
                if self._refusals > MOST_REFUSALS:
                    self._close(error.message)
            except MissionError as error:
                self._note_unstarted(name, error)
            else:
                self._refusals = self._silences = 0
                self._silent.clear()
                self.report.not_started.pop(name, None)
                self.workers[worker.session_id] = worker
                if self._stops_sent > 1:  # asked for while its worktree was being made
                    self._stop(worker)

    def _note_unreachable(self, name: str, error: UnreachableError) -> None:
        """Have a task wait that was to go to a machine that does not answer; it has not begun."""
        self._started -= 1
        self._silences += 1
        self.report.not_started[name] = error.summary
        # At once the first time: another machine may have room.
        pause = min(2.0 ** (self._silences - 2), LONGEST_SILENCE_SECONDS)
        self._not_before[name] = self._clock.seconds() + (pause if self._silences > 1 else 0.0)
        if error.host not in self._silent:
            self._silent.add(error.host)
            self._face.say(f"{error.summary}; another machine is taken, or it is tried again")
        if self._silences > MOST_SILENCES and not (self.workers or self._starting):
            self._close(error.summary, need=Need.FAILED)

    def _note_unstarted(self, name: str, error: MissionError) -> None:
        self._left_out.add(name)
        self.report.not_started[name] = error.summary
        self._face.say(f"{name} could not be started: {error.summary}")
        if isinstance(error, ProgramNotFoundError):
            self._close(error.message, need=Need.FAILED)
        elif isinstance(error, ConsentNeededError):  # commands changed since the pool began
            self._close(error.whole, need=Need.FAILED)

    def _take_ended(self, snapshot: Snapshot) -> None:
        live = self._live(snapshot)
        for worker in list(self.workers.values()):
            found = live.get(worker.session_id)
            if found is not None or executor_of(Run(dir=worker.run_dir)).is_alive():
                continue
            del self.workers[worker.session_id]
            ended = self.note_end(worker.task, worker.before, worker.session_id)
            self._face.worker_ended(worker, ended)
            if not (self._keeps_full or ended.is_finished):
                self._left_out.add(worker.task.id)
            if ended.was_stopped:
                self._close("a session was stopped", interrupted=True)
            elif ended.person is not None:
                self._close(ended.person, need=Need.FAILED)

    def _live(self, snapshot: Snapshot) -> dict[str, FoundLock]:
        return {found.lock.session_id: found for found in live_or_unknown(snapshot)}

    def _obey_stops(self) -> None:
        wanted = self._face.stops_wanted()
        if wanted:
            self._close("interrupted", interrupted=True)
        if wanted > self._stops_sent:
            self._stops_sent = wanted
            for worker in self.workers.values():
                self._stop(worker)

    def _stop(self, worker: Worker) -> None:
        is_third = self._stops_sent > 2  # noqa: PLR2004
        executor_of(Run(dir=worker.run_dir)).stop(now=is_third)

    def _close(self, why: str, *, need: Need | None = None, interrupted: bool = False) -> None:
        """Start no more; what works now is waited for."""
        if self._why is None:
            self._why = why
            self.end(why, need=need, interrupted=interrupted)


def room_in(mission_file: Path, wanted: int) -> int:
    """Return how many sessions may work at once: as asked for, and as the mission allows."""
    allowed = read_mission(mission_file).document.mission.max_parallel
    return wanted if allowed is None else min(wanted, allowed)
