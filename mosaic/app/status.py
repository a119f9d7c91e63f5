"""Where a mission stands, and its sessions."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from mosaic.app.host_view import view_hosts
from mosaic.app.tasks import list_to_merge
from mosaic.errors import MissionError, SessionNotFoundError
from mosaic.machine.clock import utc_now
from mosaic.model import Status, total_usage
from mosaic.plan.names import closest_names
from mosaic.plan.progress import measure_progress, milestone_progress
from mosaic.plan.questions import question_of
from mosaic.plan.ready import Reason
from mosaic.plan.session_ids import sessions_called
from mosaic.plan.waiting import summarize_waiting
from mosaic.records import NamedTuple, dataclass, replace
from mosaic.sessions.choice import select_from
from mosaic.sessions.dead_sessions import read_recovered
from mosaic.sessions.session_lock import list_locks
from mosaic.sessions.unrecorded import live_or_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mosaic.app.host_view import HostView
    from mosaic.app.tasks import ToMerge
    from mosaic.model import MissionStatus, Session, Sessions, Task, Usage
    from mosaic.plan.progress import MilestoneProgress, Progress
    from mosaic.plan.ready import Selection
    from mosaic.sessions.liveness import FoundLock
    from mosaic.sessions.output import Progress as RunProgress
    from mosaic.sessions.record_end import Settled
    from mosaic.sessions.restoring import Restoring
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Problem, Snapshot
    from mosaic.workspaces.record import SeenRequest


class Named(NamedTuple):
    """Something by its id and name, and where it stands."""

    id: str
    name: str
    status: MissionStatus


class SessionElsewhere(NamedTuple):
    """A session of the project that this one was copied from."""

    session_id: str
    task_id: str
    project: str


class LivePanel(NamedTuple):
    """A panel that still has worktrees."""

    panel_id: str
    status: str


class SeenPullRequest(NamedTuple):
    """A task's pull request as it was seen last; nothing is asked of its host."""

    task_id: str
    request: SeenRequest
    age_seconds: float


class UnfinishedRestore(NamedTuple):
    """A restore of a checkpoint that has begun and not ended."""

    task_id: str
    seq: int
    place: str
    is_live: bool
    message: str
    hint: str


class TaskLine(NamedTuple):
    """A task by its title, with a reason where there is one."""

    id: str
    title: str
    why: str = ""
    question: str = ""
    """What it waits for where it is blocked, as far as that is known."""
    needs_human: bool = False
    """Whether it is blocked by a question or a decision that a person owes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusPage:
    """Where a mission stands."""

    mission: Named
    progress: Progress
    milestones: tuple[MilestoneProgress, ...]
    live_sessions: tuple[FoundLock, ...]
    sessions_elsewhere: tuple[SessionElsewhere, ...]
    hosts: tuple[HostView, ...]
    """Other machines: those that are set up, or that something of this mission is on."""
    panels: tuple[LivePanel, ...]
    pull_requests: tuple[SeenPullRequest, ...]
    """Those that were not seen merged."""
    unfinished_restores: tuple[UnfinishedRestore, ...]
    recovered_sessions: tuple[Session, ...]
    """Sessions whose end was found just now."""
    waiting: tuple[TaskLine, ...]
    """Tasks in progress on which no session works."""
    in_review: tuple[str, ...]
    review: tuple[TaskLine, ...]
    """The same with their titles."""
    to_merge: tuple[ToMerge, ...]
    blocked: tuple[TaskLine, ...]
    next_task: Task | None
    ready_total: int
    why_nothing: str | None
    """Why no task is ready."""
    usage: Usage | None
    sessions_total: int
    problems: tuple[Problem, ...]
    left_out: str | None
    """What looks like a task in the table and is none, in a line."""


def show_status(mission_file: Path) -> StatusPage:
    """Return where a mission stands; ends of sessions that nobody recorded are recorded."""
    snapshot, recovered = read_recovered(mission_file)
    live = live_or_unknown(snapshot)
    return status_of(snapshot, recovered, live=live, selection=select_from(snapshot, live=live))


def status_of(
    snapshot: Snapshot,
    recovered: Sequence[Settled],
    *,
    live: Sequence[FoundLock],
    selection: Selection,
) -> StatusPage:
    """Return where a mission stands that was read, with sessions that live and what is ready."""
    mission = snapshot.document.mission
    review, unlanded = _lines(snapshot, Status.REVIEW), selection.unlanded
    return StatusPage(
        mission=Named(mission.id, mission.name, mission.status),
        progress=measure_progress(snapshot.tasks, unlanded),
        milestones=tuple(milestone_progress(snapshot.tasks, mission.milestones, unlanded)),
        live_sessions=tuple(live),
        sessions_elsewhere=tuple(
            SessionElsewhere(lock.session_id, lock.task_id, lock.project_path)
            for _, lock in list_locks(snapshot.layout, copied=True)
        ),
        hosts=view_hosts(snapshot, live),
        panels=tuple(_live_panels(snapshot)),
        pull_requests=tuple(_pull_requests(snapshot)),
        unfinished_restores=tuple(_restores(snapshot.layout)),
        recovered_sessions=tuple(settled.session for settled in recovered),
        waiting=tuple(_waiting(snapshot, selection)),
        in_review=tuple(line.id for line in review),
        review=review,
        to_merge=list_to_merge(snapshot, unlanded),
        blocked=tuple(_blocked(snapshot)),
        next_task=selection.chosen,
        ready_total=len(selection.ready),
        why_nothing=None if selection.chosen else summarize_waiting(selection),
        usage=total_usage(mission.sessions),
        sessions_total=len(mission.sessions),
        problems=(*snapshot.problems, *snapshot.session_problems),
        left_out=snapshot.left_out_words,
    )


def _lines(snapshot: Snapshot, status: Status) -> tuple[TaskLine, ...]:
    return tuple(TaskLine(t.id, t.title) for t in snapshot.tasks if t.status is status)


def _blocked(snapshot: Snapshot) -> Iterator[TaskLine]:
    sessions = snapshot.document.mission.sessions
    for task in snapshot.tasks:
        if task.status is Status.BLOCKED:
            question = question_of(task, sessions.of_task(task.id))
            text, asks = (question.text, question.needs_human) if question else ("", False)
            yield TaskLine(task.id, task.title, task.why or "no reason is noted", text, asks)


def _waiting(snapshot: Snapshot, selection: Selection) -> Iterator[TaskLine]:
    for line in _lines(snapshot, Status.IN_PROGRESS):
        verdict = selection.of(line.id)
        if verdict and verdict.reason is not Reason.LIVE_SESSION:
            yield line


def _live_panels(snapshot: Snapshot) -> Iterator[LivePanel]:
    if not snapshot.layout.worktrees_dir.is_dir():
        return
    from mosaic.panels.record import find_panel
    from mosaic.panels.refresh import refresh_panel
    from mosaic.workspaces.record import list_workspaces

    for owner in dict.fromkeys(each.owner for each in list_workspaces(snapshot.layout)):
        if snapshot.find_task(owner) is None:
            # `mission panel show` says what is wrong with one that cannot be read.
            with contextlib.suppress(MissionError):
                panel = find_panel(snapshot.layout, owner)
                state = refresh_panel(panel, snapshot.document.mission)
                yield LivePanel(panel.id, state.status.value)


def _pull_requests(snapshot: Snapshot) -> Iterator[SeenPullRequest]:
    if not snapshot.layout.worktrees_dir.is_dir():
        return
    from mosaic.workspaces.record import list_workspaces  # start-up: few missions have any

    for each in list_workspaces(snapshot.layout):
        if each.request is not None and each.request.state != "merged":
            age = (utc_now() - each.request.seen_at).total_seconds()
            yield SeenPullRequest(each.owner, each.request, round(max(0.0, age), 3))


def _restores(layout: Layout) -> Iterator[UnfinishedRestore]:
    if not any(layout.state_dir.glob("restore*.json")):
        return
    from mosaic.sessions.restoring import list_restoring  # start-up: hardly ever needed

    notes: Sequence[Restoring] = ()
    with contextlib.suppress(MissionError):  # `mission check` says what is wrong with it
        notes = list_restoring(layout)
    for note in notes:
        error = note.error()
        yield UnfinishedRestore(
            note.task_id, note.seq, note.place, note.is_live, error.message, error.hint or ""
        )


class SessionView(NamedTuple):
    """A session, and how it gets on while it is live."""

    session: Session
    found: FoundLock | None
    progress: RunProgress | None
    host: str = ""
    """The machine that it was handed to; empty: it was worked on here."""

    def json_values(self) -> dict[str, Any]:
        """Return the session's own fields with the others beside them."""
        session, live = self.session, self.found is not None
        values = {name: getattr(session, name) for name in session.__dataclass_fields__}
        return {**values, "live": live, "life": self.found, "progress": self.progress}


class SessionList(NamedTuple):
    """Sessions, the oldest first."""

    sessions: tuple[SessionView, ...]
    problems: tuple[Problem, ...]
    """What is wrong with their entries in mission.json."""
    hidden: int = 0
    """How many older ones there are."""


def list_sessions(
    mission_file: Path, *, live: bool = False, named: str | None = None, last: int | None = None
) -> SessionList:
    """Return all sessions, those that are in no list too; ended ones are recorded first.

    With `live`, only those that are live, or may be; `named` is a session, or the task that they
    worked on; with `last`, so many of them.
    """
    from mosaic.sessions.at_work import hosts_of
    from mosaic.sessions.claim import session_of

    snapshot, _ = read_recovered(mission_file)
    alive = {found.lock.session_id: found for found in live_or_unknown(snapshot)}
    listed = [*snapshot.document.mission.sessions]
    known = {session.id for session in listed}
    listed += [session_of(found.lock) for name, found in alive.items() if name not in known]
    if named is not None:
        listed = _named_sessions(snapshot, listed, named)
    if live:
        listed = [session for session in listed if session.id in alive]
    hidden = max(0, len(listed) - last) if last else 0
    views = []
    hosts = hosts_of(snapshot, listed[hidden:])
    for session in listed[hidden:]:
        found = alive.get(session.id)
        if found is not None:
            host = found.judgement.host
            views.append(SessionView(session, found, progress_of(found, snapshot.layout), host))
        else:
            views.append(SessionView(session, None, None, hosts.get(session.id, "")))
    return SessionList(tuple(views), snapshot.session_problems, hidden)


def _named_sessions(snapshot: Snapshot, listed: Sequence[Session], named: str) -> list[Session]:
    """Return the sessions of a task, or those that a name means."""
    ids = [each.id for each in listed]
    if called := sessions_called(named, ids):
        return [each for each in listed if each.id in called]
    if not named.casefold().startswith("sess"):
        task_id = snapshot.get_task(named).id
        return [each for each in listed if each.last_task_id == task_id]
    raise SessionNotFoundError(f"no session is called `{named}`", closest_names(named, ids[::-1]))


def view_live(found: FoundLock, sessions: Sessions, layout: Layout) -> SessionView:
    """Return a session that lives, or may, and how it gets on."""
    from mosaic.sessions.claim import session_of

    session = sessions.find(found.lock.session_id) or session_of(found.lock)
    return SessionView(session, found, progress_of(found, layout), found.judgement.host)


def progress_of(found: FoundLock, layout: Layout) -> RunProgress:
    """Return how a live session gets on, in whole milliseconds."""
    from mosaic.sessions.output import observe_session

    seen = observe_session(found, layout).progress
    elapsed, silent = round(seen.elapsed_seconds, 3), round(seen.silent_seconds, 3)
    return replace(seen, elapsed_seconds=elapsed, silent_seconds=silent)
