"""What loops and pools have in common: limits, attempts, what happened to each task.

Every decision is taken from what is on record, so a loop that was killed is simply started
again: sessions that died are ended first, and nothing finished or paid for is counted twice.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.git import head_commit
from mosaic.machine.clock import CLOCK
from mosaic.model import EndReason, Status, total_usage
from mosaic.plan.gates import parse_gates
from mosaic.plan.pace import LastEnd, Limits, Move, decide_move, limit_met, parse_budget, why_person
from mosaic.plan.questions import question_of
from mosaic.plan.rules import changed_settings
from mosaic.records import NamedTuple, dataclass, replace
from mosaic.review.verdict import review_task
from mosaic.runs.folders import run_of
from mosaic.sessions.alarm import Need, need_for
from mosaic.sessions.attempt import forgive_attempts, sessions_since
from mosaic.sessions.dead_sessions import read_recovered
from mosaic.sessions.rules import changed_since_agreed, settings_of, standing_changes
from mosaic.sessions.whose import standing_outside
from mosaic.settings import Landing
from mosaic.store.draft import changing
from mosaic.store.reading import read_mission
from mosaic.workers.queue import Outcome, land_apart
from mosaic.workers.report import LoopReport
from mosaic.workspaces.landed import find_unlanded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.machine.clock import Clock
    from mosaic.model import Session, Task
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.store.tasks import Snapshot
    from mosaic.workers import Face
    from mosaic.workers.queue import Queued

LONGEST_JITTER_SECONDS = 30.0
FINISHED = (Status.REVIEW.value, Status.DONE.value, Status.CANCELLED.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a session ended."""

    session: Session
    last: LastEnd
    status: str
    """The task's status now."""
    person: str | None = None
    """Why a person is needed before anything goes on; None when nobody is."""

    @property
    def is_finished(self) -> bool:
        """Whether the task needs no further session for now."""
        return self.status in FINISHED

    @property
    def was_stopped(self) -> bool:
        """Whether it was stopped before it was finished."""
        return self.session.ended_reason is EndReason.STOPPED and not self.is_finished


class Looked(NamedTuple):
    """What a look at pull requests came to."""

    said: tuple[str, ...]
    pending: tuple[str, ...]
    """Tasks of which checks still run."""


class Ledger:
    """Keeps account of the sessions of one loop or pool, which are made of it."""

    def __init__(
        self,
        mission_file: Path,
        request: HandOffRequest,
        limits: Limits,
        face: Face,
        *,
        alert: Callable[[Need, str, str], None],
        follow: Callable[[], Looked],
        clock: Clock = CLOCK,
    ) -> None:
        """Begin with no sessions.

        `alert` says that a person is needed: what for, for which task or, where that is empty,
        for all, and why. `follow` opens pull requests, and looks at those that are open.
        """
        self._mission_file = mission_file
        self._request = request
        self._limits = limits
        self._face = face
        self._alert = alert
        self._clock = clock
        self._began = clock.seconds()
        self._failures = 0
        document = read_mission(mission_file).document
        self._rules = settings_of(document)
        self._lands = document.mission.landing is Landing.GREEN
        self._tried_on: tuple[str | None, ...] = ()
        """What was to be landed, and on what, when that was tried last."""
        self._by_requests = document.mission.landing is Landing.PULL_REQUEST
        self._follow = follow
        self._looked = Looked((), ())
        self._looked_at: tuple[str, ...] = ()
        """The tasks whose work waited in a branch then."""
        self._look_after = self._pending_since = clock.seconds()
        self.report = LoopReport()

    def read_mission(self) -> Snapshot:
        """Return the mission as it stands, with the end of every dead session recorded."""
        return read_recovered(self._mission_file)[0]

    def land_done(self, snapshot: Snapshot) -> None:
        """Land the branches of done tasks, where the mission wants that; say what does not.

        It is tried again when other work waits, or something else is checked out. An agent that
        turns this on while the loop runs does not reach it; a person may turn it off.
        """
        if not self._lands or snapshot.document.mission.landing is not Landing.GREEN:
            return
        if not find_unlanded(snapshot.layout, snapshot.tasks):
            return
        if self._tried_on == self._standing(snapshot):
            return
        try:
            land_apart(self._mission_file, self._note_landing)
        except MissionError as error:
            self._face.say(f"nothing is merged: {error.summary}")
        self._tried_on = self._standing(self.read_mission())

    def _standing(self, snapshot: Snapshot) -> tuple[str | None, ...]:
        layout = snapshot.layout
        return (*find_unlanded(layout, snapshot.tasks), head_commit(layout.project))

    def _note_landing(self, found: Queued) -> None:
        name, report = found.task_id, self.report
        if found.outcome is Outcome.NOTHING:
            return
        report.not_landed.pop(name, None)
        if found.commit is not None:
            report.landed[name] = found.commit
            self._face.say(f"{name} is merged")
            return
        report.not_landed[name] = found.why
        back = ", and goes back to its agent" if found.handed_back else ""
        self._face.say(f"{name} is not merged: {found.why}{back}")
        if found.handed_back:
            self._note_move(name, Status.DONE.value, Status.IN_PROGRESS.value)

    def follow_requests(self) -> bool:
        """Open and look at pull requests, where the mission wants that and it is time.

        True while checks run that are waited for.
        """
        if not self._by_requests:
            return False
        snapshot, now = self.read_mission(), self._clock.seconds()
        mission = snapshot.document.mission
        if mission.landing is not Landing.PULL_REQUEST:
            return False  # a person turned it off
        settings = mission.pull_request
        # A new attempt of the same task has something new to push.
        waiting = (*find_unlanded(snapshot.layout, snapshot.tasks), str(len(mission.sessions)))
        if now >= self._look_after or waiting != self._looked_at:
            before = self._looked
            try:
                self._looked = self._follow()
            except MissionError as error:
                self._looked = Looked((f"pull requests: {error.summary}",), before.pending)
            for words in self._looked.said:
                if words not in before.said:
                    self._face.say(words)
            if self._looked.pending != before.pending:
                self._pending_since = now
            self._looked_at, self._look_after = waiting, now + settings.every_seconds
        is_late = now - self._pending_since > settings.wait_seconds
        return bool(self._looked.pending) and not is_late

    def met_limit(self, snapshot: Snapshot, running: int = 0, starting: int = 0) -> str | None:
        """Return which limit is met.

        `running` sessions of this loop have not ended yet; `starting` are not on record either.
        """
        sessions = snapshot.document.mission.sessions
        own = [session for session in sessions if session.id in self.report.sessions]
        budget, seconds = parse_budget(snapshot.document.mission.budget), self._clock.seconds()
        met = limit_met(self._limits, own, seconds - self._began, running + starting)
        of_mission = limit_met(budget, sessions, _spent_seconds(snapshot), starting)
        return met or (f"{of_mission}, the mission's budget" if of_mission else None)

    def plan(self, snapshot: Snapshot, task: Task) -> tuple[HandOffRequest, float] | None:
        """Return how a task is handed off, and after how many seconds.

        None when the ledger gave up on the task instead.
        """
        request = replace(self._request, task_id=task.id, timeout_seconds=self._time_left(snapshot))
        history = sessions_since(snapshot, task.id)
        if task.status is not Status.IN_PROGRESS or not history:
            return request, 0.0
        budget = parse_budget(snapshot.document.mission.budget)
        limits = replace(
            self._limits, max_attempts=budget.max_attempts, retry_seconds=budget.retry_seconds
        )
        ends = [last_end(snapshot, session) for session in history]
        decision = decide_move(ends, limits, self._clock.now())
        if decision.move is Move.GIVE_UP:
            unlanded = self.report.not_landed.get(task.id)
            why = f"{decision.why}; it did not land: {unlanded}" if unlanded else decision.why
            self._give_up(task, why)
            return None
        request = replace(request, resuming=True, fresh=decision.move is Move.RESTART)
        # Not all loops that a server turned away come back in one moment.
        jitter = random.uniform(0.0, min(decision.wait_seconds / 4, LONGEST_JITTER_SECONDS))  # noqa: S311
        return request, decision.wait_seconds + jitter

    def note_end(self, task: Task, before: str, session_id: str) -> Ended:
        """Take the end of a session into account; `before` is the task's status at hand-off."""
        snapshot = self.read_mission()
        session = next(s for s in snapshot.document.mission.sessions if s.id == session_id)
        self.report.sessions.append(session_id)
        last = last_end(snapshot, session)
        if last.warnings:
            self.report.warnings[session_id] = last.warnings
        status = self._accept_green(snapshot, task, session)
        self._note_move(task.id, before, status)
        is_blocked = status == Status.BLOCKED.value
        if need := need_for(status, session.ended_cause):
            self._alert(need, task.id, last.summary)
        goes_on = status in FINISHED or is_blocked
        self._failures = 0 if goes_on else self._failures + last.is_attempt
        person = None
        if not goes_on and session.ended_reason is not EndReason.STOPPED:
            person = why_person(last, self._failures)
        return Ended(session=session, last=last, status=status, person=person)

    def end(self, why: str, *, need: Need | None = None, interrupted: bool = False) -> None:
        """Note why it all ends, and call a person where one is needed."""
        if need is not None:
            self._alert(need, "", why)
        self.report.why = why
        self.report.needs_person = need is Need.FAILED
        self.report.was_interrupted = interrupted

    def idle_need(self, snapshot: Snapshot) -> Need | None:
        """Return what a person is needed for where nothing is ready."""
        waits = any(task.status in (Status.REVIEW, Status.BLOCKED) for task in snapshot.tasks)
        waits = waits or bool(find_unlanded(snapshot.layout, snapshot.tasks))
        return Need.WAITING if waits else None

    def sum_up(self) -> LoopReport:
        """Return what was done in all."""
        report = self.report
        report.elapsed_seconds = self._clock.seconds() - self._began
        snapshot = read_mission(self._mission_file)
        sessions = snapshot.document.mission.sessions
        report.usage = total_usage(s for s in sessions if s.id in report.sessions)
        tasks = snapshot.tasks
        report.in_review = [task.id for task in tasks if task.status is Status.REVIEW]
        report.to_merge = [*find_unlanded(snapshot.layout, tasks)]
        report.blocked = [task.id for task in tasks if task.status is Status.BLOCKED]
        asked = ((task.id, question_of(task, sessions.of_task(task.id))) for task in tasks)
        report.questions = {name: question.words for name, question in asked if question}
        return report

    def _give_up(self, task: Task, why: str) -> None:
        self._set_status(task.id, Status.IN_PROGRESS, Status.BLOCKED, why)
        self._note_move(task.id, task.status.value, Status.BLOCKED.value)
        self.report.gave_up.append(task.id)
        self._face.say(f"{task.id} is blocked: {why}")
        self._alert(Need.FAILED, task.id, why)

    def _accept_green(self, snapshot: Snapshot, task: Task, session: Session) -> str:
        """Set a task done that came to review with green gates, where the mission wants that."""
        entry = snapshot.find(task.id)
        status = entry.task.status if entry else None
        mission = snapshot.document.mission
        wanted = mission.review.green_is_done and parse_gates(mission.quality_gates)
        if status is not Status.REVIEW or not wanted:
            return status.value if status else "gone"
        if moved := self._moved_rules(snapshot, task, session):
            self._face.say(f"{task.id} waits for review: {moved}")
            return status.value
        if objections := review_task(snapshot, snapshot.get(task.id).task).objections:
            self._face.say(f"{task.id} waits for review: {'; '.join(objections)}")
            return status.value
        self._set_status(task.id, status, Status.DONE, f"green gates after {session.id}")
        return Status.DONE.value

    def _set_status(self, task_id: str, before: Status, after: Status, why: str) -> None:
        with changing(self._mission_file, doing=f"setting {task_id} {after.value}") as draft:
            if draft.snapshot.get(task_id).task.status is not before:
                return
            now = self._clock.now().astimezone()
            draft.edit_task(task_id, {"status": after.value}, now)
            draft.note(task_id, f"{now:%Y-%m-%d} {after.value}: {why}")
            draft.save()
            # One that is handed back because it does not land is not begun anew.
            if after is Status.DONE and not self._lands:
                forgive_attempts(draft.snapshot, task_id)

    def _moved_rules(self, snapshot: Snapshot, task: Task, session: Session) -> str | None:
        run = run_of(snapshot.layout.runs_dir, task.id, session.run_id or "")
        if run.find_meta() is None:
            return f"the record of `{session.id}` is gone"
        now = settings_of(snapshot.document)
        moved = [each.words for each in standing_changes(snapshot, snapshot.get(task.id).task)]
        moved += [each.words for each in standing_outside(snapshot, task)]
        moved += [each.words for each in changed_since_agreed(snapshot.document)]
        moved += [each.words for each in changed_settings(self._rules, now)]
        return "; ".join(dict.fromkeys(moved)) or None

    def is_time_up_within(self, snapshot: Snapshot, seconds: float) -> bool:
        """Tell whether the time of the loop, or of the mission, ends before that."""
        return any(left <= seconds for left in self._times_left(snapshot))

    def _time_left(self, snapshot: Snapshot) -> float | None:
        left = self._times_left(snapshot)
        if self._request.timeout_seconds:
            left.append(self._request.timeout_seconds)
        return max(1.0, min(left)) if left else None

    def _times_left(self, snapshot: Snapshot) -> list[float]:
        left = []
        if self._limits.max_seconds is not None:
            left.append(self._limits.max_seconds - (self._clock.seconds() - self._began))
        budget = parse_budget(snapshot.document.mission.budget)
        if budget.max_seconds is not None:
            left.append(budget.max_seconds - _spent_seconds(snapshot))
        return left

    def _note_move(self, task_id: str, before: str, after: str) -> None:
        first = self.report.moved.get(task_id, (before, before))[0]
        self.report.moved[task_id] = (first, after)


def _spent_seconds(snapshot: Snapshot) -> float:
    return sum(each.duration_seconds or 0 for each in snapshot.document.mission.sessions)


def last_end(snapshot: Snapshot, session: Session) -> LastEnd:
    """Return how a session ended, from its run's record."""
    run = run_of(snapshot.layout.runs_dir, session.last_task_id or "", session.run_id or "")
    result = run.find_result()
    reason = session.ended_reason.value if session.ended_reason else ""
    return LastEnd(
        cause=result.cause,
        retryable=result.retryable,
        summary=result.summary or reason,
        words=result.words,
        was_stopped=session.ended_reason is EndReason.STOPPED,
        retry_at=result.retry_at,
        warnings=result.warnings,
    )
