"""Sessions that live though their record is gone, and what cannot be known of one.

`.state` may go while agents work: by `git clean`, by a script, by hand; and mission.json is in
git, which sets it back. What is left then is what an agent's processes carry, as they were all
started with it: `MISSION_FILE`, `MISSION_SESSION`, `MISSION_TASK`, `MISSION_RUN_DIR`. Beside
that there is the kernel lock of a supervisor on a run's folder, which outlives the folder, and
the pid in mission.json.

So a session without a lock is alive where any of these shows it, dead where all of them show
nothing on the machine that it ran on, and unknown otherwise. One that is unknown keeps its task
from everybody until a person reopens it, and is never signalled. One whose processes carry the
mark of another project's mission lives there, and is nothing to a copy of that project.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.executors import executor_of
from mosaic.machine.clock import utc_now
from mosaic.machine.identity import (
    DELETED,
    find_entry,
    find_environment,
    find_folder,
    find_holder,
    host_name,
    is_same_process,
    sees_every_process,
    started_moment,
    unseen_identity,
)
from mosaic.machine.process import list_marked
from mosaic.model import ProcessIdentity, SessionLock, Status
from mosaic.records import dataclass, replace
from mosaic.sessions.liveness import FoundLock, Judgement, Life, dead, find_locks, unknown
from mosaic.sessions.session_lock import list_locks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mosaic.model import Session
    from mosaic.runs.record import Run
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

EARLY_SECONDS = 2.0
LATE_SECONDS = 120.0
"""A session's agent starts so soon after the moment that is listed; what starts later is another
process that was given its pid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Marked:
    """A living process that an agent of this mission is, or started."""

    identity: ProcessIdentity
    environ: Mapping[str, str]

    @property
    def run_id(self) -> str:
        """The run that it works for."""
        return Path(self.environ.get("MISSION_RUN_DIR", "")).name


def find_sessions(snapshot: Snapshot) -> list[FoundLock]:
    """Return every session that has a lock, and those that live, or may live, without one."""
    locked = find_locks(snapshot.layout)
    known = {found.lock.session_id for found in locked}
    return [*locked, *_find_unrecorded(snapshot, known)]


def live_or_unknown(snapshot: Snapshot) -> list[FoundLock]:
    """Return those of them that are not surely dead."""
    return [found for found in find_sessions(snapshot) if not found.is_dead]


def find_lost(snapshot: Snapshot) -> list[Session]:
    """Return sessions of this machine without an end, a lock or anything that lives of them."""
    open_sessions = snapshot.document.mission.sessions.without_end()
    if not any(session.host == host_name() for session in open_sessions):
        return []
    known = {found.lock.session_id for found in find_locks(snapshot.layout)}
    known |= {lock.session_id for _, lock in list_locks(snapshot.layout, copied=True)}
    waiting = [session for session in open_sessions if session.id not in known]
    if not waiting:
        return []
    marked = find_marked_sessions(snapshot.layout)
    return [
        session
        for session in waiting
        if session.id not in marked and _is_over(judge_unlocked(session, snapshot.layout))
    ]


def find_marked_sessions(layout: Layout) -> dict[str, list[Marked]]:
    """Return the living processes of this mission's agents by session, the oldest first."""
    mission_file = os.path.realpath(layout.mission_file)
    found: dict[str, list[Marked]] = {}
    for identity, session_id in list_marked("MISSION_SESSION", under=""):
        environ = find_environment(identity.pid, "MISSION_")
        if session_id and os.path.realpath(environ.get("MISSION_FILE", "")) == mission_file:
            found.setdefault(session_id, []).append(Marked(identity=identity, environ=environ))
    for processes in found.values():
        processes.sort(key=lambda each: (len(each.identity.started_at), each.identity.started_at))
    return found


def judge_unlocked(session: Session, layout: Layout) -> Judgement | None:
    """Judge a listed session without end, lock and marked processes; None: it lives elsewhere."""
    if session.host != host_name():
        return unknown(f"it ran on `{session.host}`, and has no lock here")
    run = _run_of(session, layout)
    if _has_supervisor(session, run, layout):
        return Judgement(life=Life.ALIVE, because="its supervisor still runs; its lock is gone")
    if _sees_too_little():
        return unknown("it ran outside of the sandbox that this command runs in")
    try:
        state = run.state() if run is not None else None
    except MissionError:
        state = None
    if state is None:
        return _judge_by_number(session, layout)
    if state.agent is None:
        return dead("its agent never ran")
    return _judge_agent(state.agent, layout)


def _has_supervisor(session: Session, run: Run | None, layout: Layout) -> bool:
    if run is not None:
        return executor_of(run).is_alive()
    if not session.run_id:
        return False
    from mosaic.runs.folders import run_of  # start-up: hardly ever needed

    folder = run_of(layout.runs_dir, session.last_task_id or "", session.run_id).dir
    return find_holder(os.path.realpath(folder)) is not None


def _judge_agent(agent: ProcessIdentity, layout: Layout) -> Judgement | None:
    lives = is_same_process(agent)
    if lives is None:
        return unknown("its process cannot be looked at from here")
    if not lives:
        return dead("its process is gone")
    if is_marked_elsewhere(agent.pid, layout):
        return None
    return Judgement(
        life=Life.ALIVE, because=f"its agent still runs as pid {agent.pid}; its lock is gone"
    )


def is_marked_elsewhere(pid: int, layout: Layout) -> bool:
    """Tell whether a process is seen to belong to the agent of another mission than this."""
    mission_file = find_environment(pid, "MISSION_FILE").get("MISSION_FILE")
    if not mission_file or not os.path.exists(mission_file):
        return False  # nothing is seen, or that project is not there any more: it was moved
    return not os.path.samefile(mission_file, layout.mission_file)


def _judge_by_number(session: Session, layout: Layout) -> Judgement | None:
    """Judge a session of which nothing is left but its pid in mission.json."""
    entry = find_entry(session.pid)
    if entry is None:
        hidden = session.pid > 0 and is_same_process(unseen_identity(session.pid)) is None
        if hidden:
            return unknown(f"pid {session.pid} is hidden from this user")
    if entry is None or entry.is_zombie:
        return dead("its process is gone")
    if is_marked_elsewhere(session.pid, layout):
        return None
    moment, listed = started_moment(entry), session.started_at.timestamp()
    if moment is not None and not -EARLY_SECONDS <= moment - listed <= LATE_SECONDS:
        return dead("its pid is another process's by now")
    return unknown(f"pid {session.pid} may be its agent, and its record is gone")


def _find_unrecorded(snapshot: Snapshot, locked: Collection[str]) -> list[FoundLock]:
    layout, sessions = snapshot.layout, snapshot.document.mission.sessions
    marked = find_marked_sessions(layout)
    own = os.environ.get("MISSION_SESSION")
    if own and own not in marked and os.environ.get("MISSION_FILE") == str(layout.mission_file):
        # The agent that started this command is hidden from it, as in a sandbox.
        marked[own] = [Marked(identity=unseen_identity(0), environ=dict(os.environ))]
    open_sessions = sessions.without_end()
    if not marked and not open_sessions:
        return []
    known = {*locked, *(lock.session_id for _, lock in list_locks(layout, copied=True))}
    listed = {each.id: each for each in sessions} if marked else {}
    found = [
        _found_by_mark(session_id, processes, listed.get(session_id), layout)
        for session_id, processes in marked.items()
        if session_id not in locked and _still_counts(processes, listed.get(session_id))
    ]
    for session in open_sessions:
        if session.id in known or session.id in marked:
            continue
        judgement = judge_unlocked(session, layout)
        if judgement is not None and _keeps_its_task(session, judgement, snapshot):
            found.append(_found_by_list(session, judgement, layout))
    return found


def _still_counts(processes: list[Marked], session: Session | None) -> bool:
    """Tell whether marked processes are a live session's, and not what an ended one left."""
    if session is None or session.ended_at is None:
        return True
    if session.run_id and all(each.run_id != session.run_id for each in processes):
        return True  # the list was set back, and another session was given its id
    return any(each.identity.pid == session.pid for each in processes)


def _keeps_its_task(session: Session, judgement: Judgement, snapshot: Snapshot) -> bool:
    if judgement.life is not Life.UNKNOWN:
        return judgement.life is Life.ALIVE
    entry = snapshot.find(session.last_task_id) if session.last_task_id else None
    # A person who reopens the task says by that that the session has ended.
    return entry is not None and entry.task.status is Status.IN_PROGRESS


def _found_by_mark(
    session_id: str, processes: list[Marked], session: Session | None, layout: Layout
) -> FoundLock:
    agent = next((p for p in processes if session and p.identity.pid == session.pid), processes[0])
    task_id = agent.environ.get("MISSION_TASK", "")
    at = session.started_at if session else utc_now()
    entry = find_entry(agent.identity.pid)
    pid = agent.identity.pid
    because = f"it still runs as pid {pid}" if pid else "this command was started by its agent"
    if session is not None and session.ended_at is not None:
        because += f", though it is listed as {session.ended_reason or 'ended'}"
    else:
        because += "; its lock is gone" if _has_record(agent) else "; its record is gone"
    is_stopped = entry is not None and entry.is_stopped
    if is_stopped:
        because += f"; it is stopped, `kill -CONT {pid}` lets it go on"
    in_worktree = any(_works_in_worktree(each.identity.pid, layout) for each in processes)
    return FoundLock(
        path=_lock_path(session_id, layout, in_worktree=in_worktree),
        lock=SessionLock(
            session_id=session_id,
            runtime=session.runtime if session else "",
            process=agent.identity,
            supervisor_pid=0,
            started_at=at,
            project_path=str(layout.project),
            task_id=task_id,
            run_id=agent.run_id,
            milestone_id=session.milestone_id if session else None,
        ),
        judgement=Judgement(life=Life.ALIVE, because=because, is_stopped=is_stopped),
        is_on_record=False,
    )


def lock_of(session: Session, process: ProcessIdentity, layout: Layout) -> SessionLock:
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
    process = replace(unseen_identity(session.pid), host=session.host)
    if session.host != host_name():
        process = replace(process, boot_id="", namespace="")
    run = _run_of(session, layout)
    meta = run.find_meta() if run is not None else None
    in_worktree = meta is not None and _is_in_worktree(meta.cwd, layout)
    return FoundLock(
        path=_lock_path(session.id, layout, in_worktree=in_worktree or session.host != host_name()),
        lock=lock_of(session, process, layout),
        judgement=judgement,
        is_on_record=False,
    )


def _run_of(session: Session, layout: Layout) -> Run | None:
    from mosaic.runs.folders import find_run  # start-up: hardly ever needed

    return find_run(layout.runs_dir, session.run_id or "")


def _lock_path(session_id: str, layout: Layout, *, in_worktree: bool) -> Path:
    """Return where its lock would be: one in the main work tree keeps others from there."""
    return layout.session_locks_dir / f"{session_id}.lock" if in_worktree else layout.session_lock


def _works_in_worktree(pid: int, layout: Layout) -> bool:
    return _is_in_worktree((find_folder(pid) or "").removesuffix(DELETED), layout)


def _is_in_worktree(folder: str, layout: Layout) -> bool:
    return os.path.realpath(folder).startswith(f"{os.path.realpath(layout.worktrees_dir)}{os.sep}")


def _has_record(process: Marked) -> bool:
    return os.path.isdir(process.environ.get("MISSION_RUN_DIR", ""))


def _sees_too_little() -> bool:
    """Tell whether we are in a pid namespace that was made by an agent: others are hidden."""
    return not sees_every_process() and bool(find_environment(1, "MISSION_SESSION="))


def _is_over(judgement: Judgement | None) -> bool:
    return judgement is not None and judgement.life is Life.DEAD
