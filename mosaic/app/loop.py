"""A loop hands off one task after the other, a pool several at once, until something says stop."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from mosaic.app.hand_off import EndedSession, StartedSession, hand_off_task
from mosaic.machine.environment import outer_environment
from mosaic.records import NamedTuple
from mosaic.store.consent import require_consent
from mosaic.store.mission_file import load_mission
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.app.hand_off import Face
    from mosaic.model import Session
    from mosaic.plan.pace import Limits
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.workers.ledger import LoopReport
    from mosaic.workers.pool import Worker

NOTIFY_SECONDS = 10.0


class PoolStart(NamedTuple):
    """Workers that were started and work on by themselves."""

    sessions: Sequence[Session]
    report: LoopReport

    def json_values(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {**self.report.json_values(), "sessions": self.sessions}


class Alarm:
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


def run_loop(mission_file: Path, request: HandOffRequest, limits: Limits, face: Face) -> LoopReport:
    """Hand off task after task in this process."""
    from mosaic.workers.loop import Loop

    require_consent(load_mission(mission_file))

    def start(asked: HandOffRequest) -> str:
        done = hand_off_task(mission_file, asked, None, face)
        if isinstance(done, EndedSession):
            face.ended(done)
        return done.session.id

    alert = Alarm(mission_file, face).alert
    return Loop(mission_file, request, limits, face, start=start, alert=alert).run()


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
) -> LoopReport | PoolStart:
    """Hand off several tasks at once, each in a worktree and to a supervisor of its own.

    `size` of them work at once, as far as `maxParallel` of the mission allows. The face hears of
    it from several threads. With `keeps_full` a task that is ready takes the place of one that
    ended; unless it `stays`, the workers are left as soon as they work.
    """
    from mosaic.workers.pool import Pool, Worker, room_in

    require_consent(load_mission(mission_file))
    worktrees: dict[str, tuple[Path, str | None]] = {}

    def start(asked: HandOffRequest) -> Worker:
        done = hand_off_task(mission_file, asked, executor, face)
        assert isinstance(done, StartedSession)
        if done.worktree is not None:
            worktrees[done.session.id] = (done.worktree, done.branch)
        face.started(done)
        return Worker(
            task=done.task.task,
            before=done.task.task.status.value,
            session_id=done.session.id,
            run_dir=done.run_dir,
        )

    alert = Alarm(mission_file, face).alert
    room = room_in(mission_file, size)
    if room < size:
        face.say(f"`maxParallel` in mission.json allows {room} at once")
    pool = Pool(
        mission_file,
        request,
        limits,
        face,
        start=start,
        alert=alert,
        size=room,
        keeps_full=keeps_full,
    )
    report = pool.run() if stays else pool.fill()
    report.worktrees.update(worktrees)
    if stays:
        return report
    listed = read_mission(mission_file).document.mission.sessions
    return PoolStart([each for each in listed if each.id in pool.workers], report)
