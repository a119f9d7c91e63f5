"""The loop: hand off, look how it ended, hand off again, until something says stop.

Each turn is decided from what is on record, so a loop that was killed is simply started
again: sessions that died are ended first, an agent that outlived its supervisor is waited
for, and nothing that is finished or paid for is counted twice.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mosaic.errors import NothingReadyError, TaskNotReadyError
from mosaic.machine.clock import utc_now
from mosaic.machine.identity import host_name
from mosaic.machine.lock import is_folder_held
from mosaic.model import EndReason, Status
from mosaic.plan.budget import parse_budget
from mosaic.plan.gates import parse_gates
from mosaic.plan.pace import LastEnd, Limits, Move, decide_move, limit_met, why_person
from mosaic.plan.ready import summarize_waiting
from mosaic.plan.spend import total_usage
from mosaic.runs.folders import run_of
from mosaic.sessions.attempts import forgive_attempts, sessions_since
from mosaic.sessions.recover import recover_if_needed
from mosaic.sessions.selection import select_from
from mosaic.sessions.session_lock import find_locks
from mosaic.sessions.stop import stop_session
from mosaic.store.draft import changing
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.model import Session, Task, Usage
    from mosaic.plan.pace import Decision
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.sessions.session_lock import FoundLock
    from mosaic.store.tasks import Snapshot

POLL_SECONDS = 0.2
MOST_REFUSALS = 3
NOBODYS_FAULT = ("auth", "quota", "usage")
"""Ends that say nothing of the task, and so are no attempt at it."""
FINISHED = (Status.REVIEW, Status.DONE, Status.CANCELLED)


@dataclass(kw_only=True, slots=True)
class LoopReport:
    """What a loop did, and why it ended."""

    why: str = ""
    needs_person: bool = False
    was_interrupted: bool = False
    sessions: list[str] = field(default_factory=list)
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Tasks whose status changed: from what to what."""
    gave_up: list[str] = field(default_factory=list)
    """Tasks that the loop itself set blocked."""
    elapsed_seconds: float = 0.0
    usage: Usage | None = None
    in_review: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoopHooks:
    """What a loop needs of whoever started it."""

    hand_over: Callable[[HandOffRequest], str]
    """Hand off and stay to the end; returns the session's id."""
    say: Callable[[str], None]
    """Tell the user one line."""
    alert: Callable[[str, str], None]
    """A person is needed: the task, or nothing, and why."""
    wants_stop: Callable[[], bool]
    """Whether the user asked to stop after this session."""


class Loop:
    """One loop over a mission. `run` once."""

    def __init__(
        self, mission_file: Path, request: HandOffRequest, limits: Limits, hooks: LoopHooks
    ) -> None:
        self._mission_file = mission_file
        self._request = request
        self._limits = limits
        """Those of this loop; the mission's own hold besides."""
        self._hooks = hooks
        self._started = time.monotonic()
        self._failures = 0
        self._refusals = 0
        self._last_task: str | None = None
        self.report = LoopReport()

    def run(self) -> LoopReport:
        """Work until nothing is ready, a limit is met, a person is needed, or it is stopped.

        Raises:
            SessionLiveError: another session works in this work tree.
            ProgramNotFoundError: the agent is not there.
            BrokenFileError: the mission's files are broken.
        """
        try:
            while self._turn():
                continue
        except KeyboardInterrupt:
            self._end("interrupted", interrupted=True)
        finally:
            self._sum_up()
        return self.report

    def _turn(self) -> bool:
        """Do one session's worth; tell whether to go on."""
        self._wait_for_survivor()
        snapshot = self._settled()
        met = self._met_limit(snapshot)
        if self._hooks.wants_stop():
            return self._end("stopped after the session", interrupted=True)
        if met is not None:
            return self._end(f"limit met: {met}")
        selection = select_from(snapshot, milestone=self._request.milestone)
        if selection.chosen is None:
            snapshot.raise_problems()
            waiting = summarize_waiting(selection)
            if any(task.status in (Status.REVIEW, Status.BLOCKED) for task in snapshot.tasks):
                self._hooks.alert("", f"nothing is ready: {waiting}")
            return self._end(f"nothing is ready: {waiting}")
        return self._work_on(snapshot, selection.chosen)

    def _work_on(self, snapshot: Snapshot, task: Task) -> bool:
        limits = self._both_limits(snapshot)
        request = replace(self._request, task_id=task.id, timeout_seconds=self._time_left(snapshot))
        history = sessions_since(snapshot, task.id)
        if task.status is Status.IN_PROGRESS and history:
            last = _last_end(snapshot, history[-1])
            decision = decide_move(last, _attempts(snapshot, history), limits)
            if decision.move is Move.GIVE_UP:
                return self._give_up(task, decision)
            request = replace(request, resuming=True, fresh=decision.move is Move.RESTART)
            if self._last_task == task.id and not self._pause(decision.wait_seconds):
                return self._end("stopped while it waited", interrupted=True)
        return self._hand_over(task, request)

    def _hand_over(self, task: Task, request: HandOffRequest) -> bool:
        before = task.status.value
        try:
            session_id = self._hooks.hand_over(request)
        except (TaskNotReadyError, NothingReadyError):
            self._refusals += 1
            if self._refusals > MOST_REFUSALS:
                raise
            return True  # somebody changed the plan meanwhile: look again
        self._refusals = 0
        self._last_task = task.id
        snapshot = self._settled()
        session = next(s for s in snapshot.document.mission.sessions if s.id == session_id)
        self.report.sessions.append(session_id)
        last = _last_end(snapshot, session)
        status = self._accept_green(snapshot, task, session)
        self._note_move(task.id, before, status)
        finished = status in {each.value for each in FINISHED}
        asked = status == Status.BLOCKED.value
        self._failures = 0 if finished or asked else self._failures + 1
        if asked:
            self._hooks.alert(task.id, last.summary)
        if session.ended_reason is EndReason.STOPPED and not finished:
            return self._end("the session was stopped", interrupted=True)
        person = None if finished or asked else why_person(last, self._failures)
        if person is not None:
            self._hooks.alert("", person)
            return self._end(person, needs_person=True)
        return True

    def _give_up(self, task: Task, decision: Decision) -> bool:
        with changing(self._mission_file, doing=f"giving up on {task.id}") as draft:
            now = utc_now().astimezone()
            if draft.snapshot.get(task.id).task.status is Status.IN_PROGRESS:
                draft.edit_task(task.id, {"status": Status.BLOCKED.value}, now)
                draft.note(task.id, f"{now:%Y-%m-%d} blocked: {decision.why}")
                draft.save()
        self._note_move(task.id, task.status.value, Status.BLOCKED.value)
        self.report.gave_up.append(task.id)
        self._hooks.say(f"{task.id} is blocked: {decision.why}")
        self._hooks.alert(task.id, decision.why)
        return True

    def _accept_green(self, snapshot: Snapshot, task: Task, session: Session) -> str:
        """Set a task done that came to review with green gates, where the mission wants that."""
        entry = snapshot.find(task.id)
        status = entry.task.status if entry else None
        mission = snapshot.document.mission
        wanted = mission.review.green_is_done and parse_gates(mission.quality_gates)
        if status is not Status.REVIEW or not wanted:
            return status.value if status else "gone"
        with changing(self._mission_file, doing=f"accepting {task.id}") as draft:
            now = utc_now().astimezone()
            if draft.snapshot.get(task.id).task.status is Status.REVIEW:
                draft.edit_task(task.id, {"status": Status.DONE.value}, now)
                draft.note(task.id, f"{now:%Y-%m-%d} done: green gates after {session.id}")
                draft.save()
                forgive_attempts(draft.snapshot, task.id)
        return Status.DONE.value

    def _wait_for_survivor(self) -> None:
        """Wait for an agent that outlived its supervisor, as after a loop was killed."""
        told = False
        while (found := self._survivor()) is not None:
            if not told:
                name = found.lock.session_id
                self._hooks.say(f"waiting for {name}, which works on without its supervisor")
                told = True
            if self._is_overdue(found):
                stop_session(self._mission_file, found.lock.session_id, now=False)
            time.sleep(POLL_SECONDS)

    def _survivor(self) -> FoundLock | None:
        layout = read_mission(self._mission_file).layout
        for found in find_locks(layout):
            lock = found.lock
            run = run_of(layout.runs_dir, lock.task_id, lock.run_id)
            orphaned = lock.process.pid and not is_folder_held(run.dir)
            mine = found.path == layout.session_lock and lock.process.host == host_name()
            if mine and orphaned and not found.is_dead:
                return found
        return None

    def _is_overdue(self, found: FoundLock) -> bool:
        lock = found.lock
        layout = read_mission(self._mission_file).layout
        meta = run_of(layout.runs_dir, lock.task_id, lock.run_id).find_meta()
        limit = meta.timeout_seconds if meta else None
        return limit is not None and (utc_now() - lock.started_at).total_seconds() > limit

    def _settled(self) -> Snapshot:
        snapshot = read_mission(self._mission_file)
        recovered = recover_if_needed(snapshot)
        return read_mission(self._mission_file) if recovered else snapshot

    def _both_limits(self, snapshot: Snapshot) -> Limits:
        own = parse_budget(snapshot.document.mission.budget)
        return replace(self._limits, max_attempts=own.max_attempts, retry_seconds=own.retry_seconds)

    def _met_limit(self, snapshot: Snapshot) -> str | None:
        """Return which limit is met: of this loop, or of the mission over all its sessions."""
        sessions = snapshot.document.mission.sessions
        own = [session for session in sessions if session.id in self.report.sessions]
        budget = parse_budget(snapshot.document.mission.budget)
        spent = sum(session.duration_seconds or 0 for session in sessions)
        met = limit_met(self._limits, own, time.monotonic() - self._started)
        of_mission = limit_met(budget, sessions, spent)
        return met or (f"{of_mission}, the mission's budget" if of_mission else None)

    def _time_left(self, snapshot: Snapshot) -> float | None:
        """Return how long the next session may take."""
        left = [self._request.timeout_seconds] if self._request.timeout_seconds else []
        if self._limits.max_seconds is not None:
            left.append(self._limits.max_seconds - (time.monotonic() - self._started))
        budget = parse_budget(snapshot.document.mission.budget)
        if budget.max_seconds is not None:
            spent = sum(s.duration_seconds or 0 for s in snapshot.document.mission.sessions)
            left.append(budget.max_seconds - spent)
        return max(1.0, min(left)) if left else None

    def _pause(self, seconds: float) -> bool:
        """Wait, with jitter, so that many loops do not come back at once; False when stopped."""
        seconds *= random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        if seconds > POLL_SECONDS * 10:
            self._hooks.say(f"trying again in {seconds:.0f} s")
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._hooks.wants_stop():
                return False
            time.sleep(min(POLL_SECONDS, left))
        return True

    def _note_move(self, task_id: str, before: str, after: str) -> None:
        first = self.report.moved.get(task_id, (before, before))[0]
        self.report.moved[task_id] = (first, after)

    def _end(self, why: str, *, needs_person: bool = False, interrupted: bool = False) -> bool:
        self.report.why = why
        self.report.needs_person = needs_person
        self.report.was_interrupted = interrupted
        return False

    def _sum_up(self) -> None:
        report = self.report
        report.elapsed_seconds = time.monotonic() - self._started
        snapshot = read_mission(self._mission_file)
        sessions = snapshot.document.mission.sessions
        report.usage = total_usage(s for s in sessions if s.id in report.sessions)
        tasks = snapshot.tasks
        report.in_review = [task.id for task in tasks if task.status is Status.REVIEW]
        report.blocked = [task.id for task in tasks if task.status is Status.BLOCKED]


def _last_end(snapshot: Snapshot, session: Session) -> LastEnd:
    """Return how a session ended, from its run's record."""
    run = run_of(snapshot.layout.runs_dir, session.last_task_id or "", session.run_id or "")
    result = run.find_result()
    reason = session.ended_reason.value if session.ended_reason else ""
    return LastEnd(
        cause=str(result.get("cause") or ""),
        retryable=result.get("retryable") is True,
        summary=str(result.get("summary") or reason),
    )


def _attempts(snapshot: Snapshot, history: list[Session]) -> int:
    return sum(_last_end(snapshot, session).cause not in NOBODYS_FAULT for session in history)
