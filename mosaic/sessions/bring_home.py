"""The end of a session that was carried on another machine, recorded here as that of any other.

How it ended was judged there, by the same code, from the same evidence: it is taken over. Its work
comes into the worktree here, its handoff and its task's status into the mission; then the lock
goes. Each step can be taken again after a crash; what has lost its lock is not brought home.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.codec import load_record
from mosaic.errors import GitError, MissionError
from mosaic.git.git import answer_of, head_commit, run_git
from mosaic.git.snapshot import take_tree
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import write_private
from mosaic.model import EndReason, Session, Status
from mosaic.records import replace
from mosaic.remote.sent import Sent, write_sent
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.record import RunState
from mosaic.sessions.alarm import Alarm, need_of
from mosaic.sessions.collect import collect_in
from mosaic.sessions.liveness import find_locks
from mosaic.sessions.record_end import note_session
from mosaic.sessions.recovery import as_recorded, end_session
from mosaic.sessions.session_lock import remove_lock
from mosaic.store.draft import changing
from mosaic.store.mission_file import load_mission
from mosaic.workspaces.record import workspace_at

if TYPE_CHECKING:
    from mosaic.runs.record import Run, RunMeta
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.draft import Draft
    from mosaic.workspaces.record import Workspace

LOCK_SECONDS = 120.0


def bring_home(run: Run, sent: Sent) -> None:
    """Record the end of a run that `sent` has; does nothing where it was brought home, or lost."""
    meta = run.meta()
    mission_file = Path(meta.mission_file)
    document = load_mission(mission_file)
    found = _find_lock(run, meta, document.layout)
    if found is None:
        write_sent(run, sent, is_home=True)
        return
    if not sent.end.get("session"):
        _end_unbegun(run, sent, mission_file, found)
        return
    workspace = workspace_at(meta.cwd, document.layout)
    if workspace is not None and workspace.is_there:
        _bring_work(run, meta, sent, workspace)
    if left_out := sent.end.get("left_out"):
        words = f"left on `{sent.host}`, since only their owner may read them: {left_out}"
        words += f"; `mission hosts clean {sent.host}` removes them there"
        EventLog(run).append(EventType.WORKTREE_SETTLED, words, level="warn")
    doing = f"recording the end of {meta.session_id} on {sent.host}"
    with changing(mission_file, doing=doing, timeout_seconds=LOCK_SECONDS, fenced=False) as draft:
        if _find_lock(run, meta, draft.layout) is None:
            return  # a person gave it up just now
        session = _session_of(run, sent)
        if workspace is not None and workspace.is_there:
            _lay_task_file(draft, meta, sent, workspace)
        _record(draft, meta, sent, session)
        collect_in(draft, run, meta)
    state = _state_of(run, sent)
    run.write_state(state)
    write_sent(run, sent, is_home=True)
    remove_lock(found.path, run.id)
    if sent.calls_person:
        _call(meta, session, mission_file)


def state_from(run: Run, sent: Sent, values: dict[str, Any]) -> RunState:
    """Return where a run stands as its machine says it, with that machine's name."""
    state = load_record(RunState, values, run.dir / "state.json")
    agent = replace(state.agent, host=sent.host) if state.agent else None
    place = {"executor": sent.executor, "host": sent.host}
    return replace(state, agent=agent, supervisor_pid=None, place=place)


def _find_lock(run: Run, meta: RunMeta, layout: Any) -> FoundLock | None:
    """Return the session's lock as long as it is this run's."""
    locks = (each for each in find_locks(layout) if each.lock.session_id == meta.session_id)
    return next((each for each in locks if each.lock.run_id == run.id), None)


def _end_unbegun(run: Run, sent: Sent, mission_file: Path, found: FoundLock) -> None:
    """Record the end of a session that never began on its machine, and never will."""
    why, unseen = sent.end.get("problem"), EndReason.CRASHED
    words = f"it never began on `{sent.host}`" + (f": {why}" if why else "")
    if sent.end.get("stopped"):
        unseen, words = EndReason.STOPPED, f"it was stopped before it began on `{sent.host}`"
    EventLog(run).append(EventType.WORKER_EXITED, words)
    with changing(
        mission_file, doing=f"recording that {found.lock.session_id} never began", fenced=False
    ) as draft:
        write_sent(run, sent, is_home=True)
        end_session(draft, found, unseen=unseen)


def _bring_work(run: Run, meta: RunMeta, sent: Sent, workspace: Workspace) -> None:
    """Bring what was changed into the worktree, as it was left: commits, and what is not."""
    tip = sent.commits.get("branch")
    if tip is None or sent.work is None:
        return
    top = workspace.path
    begin, end = sent.tree or sent.work, sent.commits.get("end", tip)
    try:
        _refuse_changed(top, sent, tip)
        run_git(["read-tree", begin], top)
        run_git(["update-ref", "-m", f"{run.id} on {sent.host}", "HEAD", tip], top)
        run_git(["read-tree", "--reset", "-u", end], top, timeout_seconds=300)
        run_git(["reset", "--quiet"], top)
    except GitError as error:
        name = f"{meta.branch or 'mission'}-{run.id}"
        run_git(["branch", "--force", name, end], top)
        words = f"its work is on branch `{name}` alone: {error.message}"
        data = {"branch": name}
        EventLog(run).append(EventType.WORKTREE_SETTLED, words, level="warn", data=data)


def _refuse_changed(top: Path, sent: Sent, tip: str) -> None:
    """Make sure that the worktree is as it was sent, or that this was begun before."""
    head = head_commit(top)
    if head == tip != sent.work:
        return
    now = take_tree(top, scratch=top.parent, keep_private=False).tree
    was = answer_of(["rev-parse", f"{sent.tree or sent.work}^{{tree}}"], top)
    if head != sent.work or now != was:
        raise GitError("the worktree here was changed meanwhile")


def _lay_task_file(draft: Draft, meta: RunMeta, sent: Sent, workspace: Workspace) -> None:
    """Put the task's file as it was left there where a worker here would have written it."""
    entry, text = draft.snapshot.find(meta.task_id), sent.end.get("text")
    if entry is None or entry.task.file is None or not isinstance(text, str):
        return
    path = workspace.project / entry.task.file
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, text.encode(), root=workspace.path)


def _session_of(run: Run, sent: Sent) -> Session:
    values: Any = sent.end["session"]
    session = load_record(Session, dict(values), run.dir / "host.json")
    return replace(session, host=sent.host)


def _state_of(run: Run, sent: Sent) -> RunState:
    values: Any = sent.end.get("state") or {}
    return state_from(run, sent, dict(values))


def _record(draft: Draft, meta: RunMeta, sent: Sent, session: Session) -> None:
    """Draft the session's end and what became of its task, unless somebody changed that here."""
    known = draft.snapshot.document.mission.sessions.find(session.id)
    if known is not None and known.ended_at is not None:
        return
    if known is not None:
        session = replace(session, started_at=known.started_at, milestone_id=known.milestone_id)
    entry = draft.snapshot.find(meta.task_id)
    draft.put_session(session)
    status = Status(str(sent.end.get("status") or Status.IN_PROGRESS.value))
    if entry is not None and entry.task.status is Status.IN_PROGRESS is not status:
        with contextlib.suppress(MissionError):  # the session's end is recorded all the same
            draft.edit_task(meta.task_id, {"status": status.value}, utc_now())
            if status is Status.BLOCKED and not entry.file:
                draft.note(meta.task_id, session.ended_detail or "")
    outcome = as_recorded(session, entry).outcome
    note_session(draft, session, outcome, status)
    draft.save()


def _call(meta: RunMeta, session: Session, mission_file: Path) -> None:
    """Call a person where one is needed; what comes of that does not matter to the run."""
    from mosaic.store.reading import read_mission

    with contextlib.suppress(MissionError):
        entry = read_mission(mission_file).find(meta.task_id)
        settled = as_recorded(session, entry)
        need = need_of(settled.outcome, settled.task_status)
        if need is not None:
            alarm = Alarm(load_mission(mission_file))
            alarm.call(need, settled.outcome.summary, session_id=session.id, task_id=meta.task_id)
