"""A loop hands off one task after the other, a pool several at once, until something says stop."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from mosaic.app.hand_off import EndedSession, StartedSession, hand_off_task
from mosaic.machine.environment import outer_environment
from mosaic.records import dataclass
from mosaic.store.consent import require_consent
from mosaic.store.mission_file import load_mission
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mosaic.app.hand_off import Face
    from mosaic.model import Session, Usage
    from mosaic.plan.pace import Limits
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.workers.ledger import LoopReport
    from mosaic.workers.pool import Worker

NOTIFY_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerPlace:
    """Where a worker of a pool works."""

    path: Path
    branch: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LoopEnd:
    """What a loop or a pool did, and why it ended."""

    why: str
    needs_person: bool
    interrupted: bool
    sessions: Sequence[str]
    moved: Mapping[str, Mapping[str, str]]
    """Tasks whose status changed: `from` and `to`."""
    gave_up: Sequence[str]
    not_started: Mapping[str, str]
    elapsed_seconds: float
    usage: Usage | None
    waiting: Mapping[str, Sequence[str]]
    """Tasks in `review`, and tasks that are `blocked`."""
    worktrees: Mapping[str, WorkerPlace]
    """Where a pool's sessions worked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolStart:
    """Workers that were started and work on by themselves."""

    sessions: Sequence[Session]
    not_started: Mapping[str, str]
    worktrees: Mapping[str, WorkerPlace]
    why: str


class _Alarm:
    """Calls a person: through the face, and by the mission's `notify` command.

    The command is the one that the mission names now: no agent may name what we run later.
    """

    def __init__(self, mission_file: Path, face: Face) -> None:
        mission = load_mission(mission_file).mission
        self._command, self._name, self._face = mission.notify, mission.name, face

    def alert(self, task_id: str, why: str) -> None:
        """Say that a person is needed: for a task or, where that is empty, for all."""
        self._face.ring()
        if not self._command:
            return
        values = {"mission": self._name, "task_id": task_id or None, "why": why}
        try:
            subprocess.run(
                self._command,
                input=json.dumps(values, ensure_ascii=False).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=NOTIFY_SECONDS,
                check=False,
                env=outer_environment(),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self._face.say(f"warning: `{self._command[0]}` could not be called: {error}")


def run_loop(mission_file: Path, request: HandOffRequest, limits: Limits, face: Face) -> LoopEnd:
    """Hand off task after task in this process.

    Raises:
        ConsentNeededError: the mission names commands that the person has not allowed.
        SessionLiveError: another session works in this work tree.
        ProgramNotFoundError: the agent is not there.
    """
    from mosaic.workers.loop import Loop, LoopHooks

    require_consent(load_mission(mission_file))

    def hand_over(asked: HandOffRequest) -> str:
        done = hand_off_task(mission_file, asked, None, face)
        if isinstance(done, EndedSession):
            face.ended(done)
        return done.session.id

    hooks = LoopHooks(
        hand_over=hand_over,
        say=face.say,
        alert=_Alarm(mission_file, face).alert,
        wants_stop=lambda: face.stops_wanted() > 0,
    )
    return _end_of(Loop(mission_file, request, limits, hooks).run(), {})


def run_pool(
    mission_file: Path,
    request: HandOffRequest,
    limits: Limits,
    face: Face,
    *,
    size: int,
    executor: str,
    keeps_full: bool,
    stays: bool,
) -> LoopEnd | PoolStart:
    """Hand off several tasks at once, each in a worktree and to a supervisor of its own.

    Args:
        mission_file: path of mission.json.
        request: what every hand-off has in common.
        limits: those of this pool; the mission's own count as well.
        face: hears of it, from several threads.
        size: how many work at once, as far as `maxParallel` of the mission allows.
        executor: where they run.
        keeps_full: whether a task that is ready takes the place of one that ended.
        stays: whether to stay to the end, or to leave the workers as soon as they work.

    Raises:
        ConsentNeededError: the mission names commands that the person has not allowed.
        GitRefusedError: git refuses the repository.
    """
    from mosaic.workers.pool import Pool, PoolHooks, Worker, room_in

    require_consent(load_mission(mission_file))
    worktrees: dict[str, WorkerPlace] = {}

    def hand_over(asked: HandOffRequest) -> Worker:
        done = hand_off_task(mission_file, asked, executor, face)
        assert isinstance(done, StartedSession)
        if done.worktree is not None:
            place = WorkerPlace(path=done.worktree, branch=done.branch)
            worktrees[done.session.id] = place
        face.started(done)
        return Worker(
            task=done.task.task,
            before=done.task.task.status.value,
            session_id=done.session.id,
            run_dir=done.run_dir,
        )

    room = room_in(mission_file, size)
    if room < size:
        face.say(f"`maxParallel` in mission.json allows {room} at once")
    hooks = PoolHooks(
        hand_over=hand_over,
        say=face.say,
        alert=_Alarm(mission_file, face).alert,
        stops_wanted=face.stops_wanted,
        show=face.show,
        tell_end=face.worker_ended,
    )
    pool = Pool(mission_file, request, limits, hooks, size=room, keeps_full=keeps_full)
    if stays:
        return _end_of(pool.run(), worktrees)
    report = pool.fill()
    ids = {worker.session_id for worker in pool.workers}
    listed = read_mission(mission_file).document.mission.sessions
    return PoolStart(
        sessions=[session for session in listed if session.id in ids],
        not_started=dict(report.not_started),
        worktrees=dict(sorted(worktrees.items())),
        why=report.why,
    )


def _end_of(report: LoopReport, worktrees: Mapping[str, WorkerPlace]) -> LoopEnd:
    return LoopEnd(
        why=report.why,
        needs_person=report.needs_person,
        interrupted=report.was_interrupted,
        sessions=list(report.sessions),
        moved={
            task_id: {"from": before, "to": after}
            for task_id, (before, after) in report.moved.items()
        },
        gave_up=list(report.gave_up),
        not_started=dict(report.not_started),
        elapsed_seconds=round(report.elapsed_seconds, 3),
        usage=report.usage,
        waiting={"review": list(report.in_review), "blocked": list(report.blocked)},
        worktrees=dict(sorted(worktrees.items())),
    )
