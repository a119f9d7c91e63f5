"""A loop hands off one task after the other, a pool several at once, until something says stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.app.hand_off import EndedSession, StartedSession, hand_off_task
from mosaic.app.placing import room_on_hosts
from mosaic.machine.clock import CLOCK
from mosaic.records import NamedTuple, replace
from mosaic.sessions.alarm import Alarm
from mosaic.store.consent import require_consent
from mosaic.store.mission_file import load_mission
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mosaic.app.hand_off import Face
    from mosaic.machine.clock import Clock
    from mosaic.model import Session
    from mosaic.plan.pace import Limits
    from mosaic.sessions.alarm import Need
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.workers.ledger import Looked
    from mosaic.workers.pool import Worker
    from mosaic.workers.report import LoopReport


class PoolStart(NamedTuple):
    """Workers that were started and work on by themselves."""

    sessions: Sequence[Session]
    report: LoopReport

    def json_values(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {**self.report.json_values(), "sessions": self.sessions}


def _alarm(mission_file: Path, face: Face) -> Callable[[Need, str, str], None]:
    """Return what calls a person: the face rings, and the mission's `notify` command is run."""
    alarm = Alarm(load_mission(mission_file))

    def alert(need: Need, task_id: str, why: str) -> None:
        face.ring()
        if problem := alarm.call(need, why, task_id=task_id or None):
            face.say(f"warning: {problem}")

    return alert


def _follower(mission_file: Path) -> Callable[[], Looked]:
    """Return what opens the pull requests of done tasks, and looks at those that are open."""

    def follow() -> Looked:
        from mosaic.app.pull_request import follow_all  # start-up: few missions land so

        return follow_all(mission_file)

    return follow


def run_loop(
    mission_file: Path,
    request: HandOffRequest,
    limits: Limits,
    face: Face,
    clock: Clock = CLOCK,
) -> LoopReport:
    """Hand off task after task in this process."""
    from mosaic.workers.loop import Loop

    require_consent(load_mission(mission_file))

    def start(asked: HandOffRequest) -> str:
        done = hand_off_task(mission_file, asked, None, face)
        if isinstance(done, EndedSession):
            face.ended(done)
        return done.session.id

    alert = _alarm(mission_file, face)
    request = replace(request, calls_person=False)
    return Loop(
        mission_file,
        request,
        limits,
        face,
        start=start,
        alert=alert,
        follow=_follower(mission_file),
        clock=clock,
    ).run()


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
    clock: Clock = CLOCK,
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

    alert = _alarm(mission_file, face)
    request = replace(request, calls_person=not stays)
    room = room_in(mission_file, size)
    on_hosts = room_on_hosts(mission_file, request.hosts)
    if on_hosts is not None and on_hosts < room:
        room = size = on_hosts
        face.say(f"the hosts have room for {room} at once")
    if room < size:
        face.say(f"`maxParallel` in mission.json allows {room} at once")
    pool = Pool(
        mission_file,
        request,
        limits,
        face,
        start=start,
        alert=alert,
        follow=_follower(mission_file),
        size=room,
        keeps_full=keeps_full,
        clock=clock,
    )
    report = pool.run() if stays else pool.fill()
    report.worktrees.update(worktrees)
    if stays:
        return report
    listed = read_mission(mission_file).document.mission.sessions
    return PoolStart([each for each in listed if each.id in pool.workers], report)
