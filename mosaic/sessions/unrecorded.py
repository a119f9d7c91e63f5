"""Sessions that live though their record is gone, and what cannot be known of one.

`.state` may go while agents work (by `git clean`, a script, by hand), and git sets mission.json
back. What is left then: the marks that all processes of an agent were started with
(`MISSION_FILE`, `MISSION_SESSION`, `MISSION_TASK`, `MISSION_RUN_DIR`), the kernel lock of a
supervisor on a run's folder, which outlives the folder, and the pid in mission.json.

A session without a lock is alive where any of these shows it, dead where all show nothing on
the machine that it ran on, and unknown otherwise. One that is unknown keeps its task until a
person reopens it, and is never signalled. One whose processes carry the mark of another
project's mission lives there, and does not count in a copy of that project.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.machine.clock import utc_now
from mosaic.machine.identity import (
    DELETED,
    find_entry,
    find_environment,
    find_folder,
    host_name,
    is_same_process,
    sees_every_process,
    started_moment,
    unseen_identity,
)
from mosaic.machine.process import list_marked
from mosaic.model import Session, SessionLock, Status
from mosaic.records import NamedTuple, replace
from mosaic.sessions.liveness import (
    EARLY_SECONDS,
    LATE_SECONDS,
    FoundLock,
    Judgement,
    Life,
    alive,
    dead,
    find_locks,
    is_run_held,
    unknown,
)
from mosaic.sessions.session_lock import list_locks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mosaic.model import ProcessIdentity
    from mosaic.runs.record import Run
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot


class Marked(NamedTuple):
    """A living process that an agent of this mission is, or started."""

    identity: ProcessIdentity
    environ: Mapping[str, str]

    @property
    def run_id(self) -> str:
        """The run that it works for."""
        return Path(self.environ.get("MISSION_RUN_DIR", "")).name


def find_sessions(snapshot: Snapshot) -> list[FoundLock]:
    """Return every session that has a lock, and those that live, or may live, without one."""
    found = find_locks(snapshot.layout)
    locked = {each.lock.session_id for each in found}
    marked = _find_marked_sessions(snapshot.layout)
    for session_id, processes in marked.items():
        session = snapshot.document.mission.sessions.find(session_id)
        if session_id not in locked and _still_counts(processes, session):
            found.append(_found_by_mark(session_id, processes, session, snapshot.layout))
    unseen = _judge_unseen(snapshot, {*locked, *marked})
    return [*found, *(each for each in unseen if _keeps_its_task(each, snapshot))]


def live_or_unknown(snapshot: Snapshot) -> list[FoundLock]:
    """Return those of them that are not surely dead."""
    return [found for found in find_sessions(snapshot) if not found.is_dead]


def find_lost(snapshot: Snapshot) -> list[FoundLock]:
    """Return sessions of this machine without an end, a lock or anything that lives of them."""
    seen = {lock.session_id for _, lock in list_locks(snapshot.layout)}
    if all(each.id in seen for each in snapshot.document.mission.sessions.without_end()):
        return []  # as a rule: no process is looked at
    seen |= _find_marked_sessions(snapshot.layout).keys()
    return [found for found in _judge_unseen(snapshot, seen) if found.is_dead]


def _judge_unseen(snapshot: Snapshot, seen: Collection[str]) -> list[FoundLock]:
    """Judge the listed sessions without an end of which neither lock nor process was seen."""
    layout = snapshot.layout
    known = {*seen, *(lock.session_id for _, lock in list_locks(layout, copied=True))}
    waiting = (s for s in snapshot.document.mission.sessions.without_end() if s.id not in known)
    judged = ((session, _judge_unlocked(session, layout)) for session in waiting)
    return [
        _found_by_list(session, judgement, layout) for session, judgement in judged if judgement
    ]


def _find_marked_sessions(layout: Layout) -> dict[str, list[Marked]]:
    """Return the living processes of this mission's agents by session, the oldest first."""
    mission_file = os.path.realpath(layout.mission_file)
    found: dict[str, list[Marked]] = {}
    for identity, session_id in list_marked("MISSION_SESSION", under=""):
        environ = find_environment(identity.pid, "MISSION_")
        if session_id and os.path.realpath(environ.get("MISSION_FILE", "")) == mission_file:
            found.setdefault(session_id, []).append(Marked(identity, environ))
    for processes in found.values():
        processes.sort(key=lambda each: (len(each.identity.started_at), each.identity.started_at))
    own = os.environ.get("MISSION_SESSION")
    if own and own not in found and os.environ.get("MISSION_FILE") == str(layout.mission_file):
        # The agent that started this command is hidden from it, as in a sandbox.
        found[own] = [Marked(unseen_identity(0), dict(os.environ))]
    return found


def _judge_unlocked(session: Session, layout: Layout) -> Judgement | None:
    """Judge a listed session without end, lock and marked processes; None: it lives elsewhere."""
    run = _run_of(session, layout)
    host = _host_of(session, run)
    if host != host_name():
        where = f"`{host}`" if host else "another machine"
        return unknown(f"it ran on {where}, and has no lock here")
    if session.run_id and is_run_held(run.dir):
        return alive("its supervisor still runs; its lock is gone")
    if not sees_every_process() and find_environment(1, "MISSION_SESSION="):
        # This pid namespace was made by an agent: others are hidden.
        return unknown("it ran outside of the sandbox that this command runs in")
    state = run.find_state()
    if state is None:
        return _judge_by_number(session, layout)
    if state.agent is None:
        return dead("its agent never ran")
    lives = is_same_process(state.agent)
    if lives is None:
        return unknown("its process cannot be looked at from here")
    if not lives:
        return dead("its process is gone")
    if _is_marked_elsewhere(state.agent.pid, layout):
        return None
    return alive(f"its agent still runs as pid {state.agent.pid}; its lock is gone")


def is_of_another_run(process: ProcessIdentity, run: Run) -> bool:
    """Tell whether a process is seen to work for another run, such as the one copied from."""
    place = find_environment(process.pid, "MISSION_RUN_DIR").get("MISSION_RUN_DIR", "")
    try:
        return os.path.exists(place) and not os.path.samefile(place, run.dir)
    except OSError:
        return True  # the run's folder is gone, and the one that it works for is not


def _is_marked_elsewhere(pid: int, layout: Layout) -> bool:
    """Tell whether a process is seen to belong to the agent of another mission than this."""
    mission_file = find_environment(pid, "MISSION_FILE").get("MISSION_FILE")
    if not mission_file or not os.path.exists(mission_file):
        return False  # nothing is seen, or that project is not there any more: it was moved
    return not os.path.samefile(mission_file, layout.mission_file)


def _judge_by_number(session: Session, layout: Layout) -> Judgement | None:
    """Judge a session of which nothing is left but its pid in mission.json."""
    entry = find_entry(session.pid)
    is_hidden = entry is None and session.pid > 0
    if is_hidden and is_same_process(unseen_identity(session.pid)) is None:
        return unknown(f"pid {session.pid} is hidden from this user")
    if entry is None or entry.is_zombie:
        return dead("its process is gone")
    if _is_marked_elsewhere(session.pid, layout):
        return None
    moment, listed = started_moment(entry), session.started_at.timestamp()
    if moment is not None and not -EARLY_SECONDS <= moment - listed <= LATE_SECONDS:
        return dead("its pid is another process's by now")
    return unknown(f"pid {session.pid} may be its agent, and its record is gone")


def _still_counts(processes: list[Marked], session: Session | None) -> bool:
    """Tell whether marked processes are a live session's, and not what an ended one left."""
    if session is None or session.ended_at is None:
        return True
    if session.run_id and all(each.run_id != session.run_id for each in processes):
        return True  # the list was set back, and another session was given its id
    return any(each.identity.pid == session.pid for each in processes)


def _keeps_its_task(found: FoundLock, snapshot: Snapshot) -> bool:
    if found.judgement.life is not Life.UNKNOWN:
        return found.judgement.life is Life.ALIVE
    entry = snapshot.find(found.lock.task_id)
    # A person who reopens the task says by that that the session has ended.
    return entry is not None and entry.task.status is Status.IN_PROGRESS


def _found_by_mark(
    session_id: str, processes: list[Marked], session: Session | None, layout: Layout
) -> FoundLock:
    agent = next((p for p in processes if session and p.identity.pid == session.pid), processes[0])
    pid = agent.identity.pid
    entry = find_entry(pid)
    because = f"it still runs as pid {pid}" if pid else "this command was started by its agent"
    if session is not None and session.ended_at is not None:
        because += f", though it is listed as {session.ended_reason or 'ended'}"
    else:
        has_record = os.path.isdir(agent.environ.get("MISSION_RUN_DIR", ""))
        because += "; its lock is gone" if has_record else "; its record is gone"
    is_stopped = entry is not None and entry.is_stopped
    if is_stopped:
        because += f"; it is stopped, `kill -CONT {pid}` lets it go on"
    folders = [find_folder(each.identity.pid) or "" for each in processes]
    in_worktree = any(is_in_worktree(each.removesuffix(DELETED), layout) for each in folders)
    known = session or Session(id=session_id, runtime="", started_at=utc_now())
    task_id = agent.environ.get("MISSION_TASK", "")
    lock = replace(_lock_of(known, agent.identity, layout), task_id=task_id, run_id=agent.run_id)
    judgement = Judgement(Life.ALIVE, because, is_stopped)
    return _found(lock, judgement, layout, in_worktree=in_worktree)


def _lock_of(session: Session, process: ProcessIdentity, layout: Layout) -> SessionLock:
    """Return the lock that a listed session would have."""
    return SessionLock(
        session_id=session.id,
        runtime=session.runtime,
        process=process,
        supervisor_pid=0,
        started_at=session.started_at,
        project_path=str(layout.project),
        task_id=session.last_task_id or "",
        run_id=session.run_id or "",
        milestone_id=session.milestone_id,
    )


def _found_by_list(session: Session, judgement: Judgement, layout: Layout) -> FoundLock:
    run = _run_of(session, layout)
    host = _host_of(session, run)
    process = replace(unseen_identity(session.pid), host=host)
    is_away = host != host_name()
    if is_away:
        process = replace(process, boot_id="", namespace="")
    meta = run.find_meta()
    in_worktree = is_away or (meta is not None and is_in_worktree(meta.cwd, layout))
    lock = _lock_of(session, process, layout)
    return _found(lock, judgement, layout, in_worktree=in_worktree)


def _host_of(session: Session, run: Run) -> str:
    """Return the machine that a session ran on; empty where nothing here tells."""
    state = run.find_state() if not session.host else None
    return state.agent.host if state and state.agent else session.host


def _run_of(session: Session, layout: Layout) -> Run:
    """Return the run of a session, of whatever task; it may be gone."""
    from mosaic.runs.folders import find_run, run_of  # start-up: hardly ever needed

    runs_dir, run_id = layout.runs_dir, session.run_id or ""
    found = find_run(runs_dir, run_id)
    return found or run_of(runs_dir, session.last_task_id or "", run_id)


def _found(
    lock: SessionLock, judgement: Judgement, layout: Layout, *, in_worktree: bool
) -> FoundLock:
    """Return a session without a lock, with the place of the lock that it would have.

    One in the main work tree keeps others from there.
    """
    own = layout.session_locks_dir / f"{lock.session_id}.lock"
    path = own if in_worktree else layout.session_lock
    return FoundLock(path, lock, judgement, is_on_record=False)


def is_in_worktree(folder: str, layout: Layout) -> bool:
    """Tell whether a folder lies in a worktree of the mission, whether it is there or not."""
    return os.path.realpath(folder).startswith(f"{os.path.realpath(layout.worktrees_dir)}{os.sep}")
