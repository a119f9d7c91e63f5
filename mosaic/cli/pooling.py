"""`mission next -j N`: the live table of workers, interrupts, the summary."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING

from mosaic.cli.consent import require_settled
from mosaic.cli.looping import LoopTerminal, loop_result
from mosaic.cli.output import align, clean, draw, emit, paint, paint_status
from mosaic.cli.sessions_view import progress_words
from mosaic.errors import ExitCode
from mosaic.machine.wakeup import is_ignored
from mosaic.records import replace
from mosaic.store.reading import read_mission
from mosaic.workers.pool import Pool, PoolHooks, Worker, room_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import FrameType

    from mosaic.cli.output import Result
    from mosaic.model import JsonValue
    from mosaic.plan.pace import Limits
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.sessions.live import LiveSession
    from mosaic.workers.ledger import Ended, LoopReport

TICK_SECONDS = 0.5
LINE_WIDTH = 110
INTERRUPT_WORDS = {
    1: "no new sessions; Ctrl-C again stops those that work",
    2: "stopping them; Ctrl-C again kills them",
}


class PoolTerminal(LoopTerminal):
    """The user's side of a pool."""

    def __init__(self, mission_file: Path, executor: str, *, quiet: bool) -> None:
        super().__init__(mission_file, quiet=quiet)
        self._executor = executor
        self._heeded = 0
        self._drawn = 0
        self._next_tick = 0.0
        self._screen: tuple[str, ...] = ()
        self.worktrees: dict[str, tuple[str, str | None]] = {}
        """Worktree and branch by session."""

    def start_worker(self, request: HandOffRequest) -> Worker:
        """Hand off to a supervisor of its own."""
        from mosaic.executors import executor_of, get_executor
        from mosaic.sessions.session import hand_off

        executor = get_executor(self._executor, self._mission_file)
        done = hand_off(self._mission_file, request, executor)
        if done.workspace is not None:
            place = (str(done.workspace.path), done.workspace.branch)
            self.worktrees[done.session.id] = place
        branch = (
            f" on {clean(done.workspace.branch)}"
            if done.workspace and done.workspace.branch
            else ""
        )
        self.say(
            f"{paint(done.task.id, 'bold', err=True)} → {done.session.runtime}, "
            f"session {done.session.id}{branch}"
        )
        screen = executor_of(done.run).screen()
        if screen and screen != self._screen:
            self._screen = screen
            self.say(f"  to look on: {' '.join(screen)}")
        return Worker(
            task=done.task,
            before=done.task.status.value,
            session_id=done.session.id,
            run_dir=done.run.dir,
        )

    def say(self, text: str) -> None:
        """Tell one line above the living table."""
        self.wipe()
        super().say(text)

    def stops_wanted(self) -> int:
        """Return how often Ctrl-C was pressed; say what it did, and what the next one does."""
        wanted = self._interrupts
        for count in range(self._heeded + 1, wanted + 1):
            if count in INTERRUPT_WORDS:
                self.say(INTERRUPT_WORDS[count])
        self._heeded = wanted
        return wanted

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Count a Ctrl-C; nothing is written here, because it may come in the midst of a line."""
        del number, frame
        self._interrupts += 1

    def show(self, live: Sequence[LiveSession], starting: Sequence[str]) -> None:
        """Draw the table of workers anew."""
        if self._quiet or not sys.stderr.isatty() or time.monotonic() < self._next_tick:
            return
        self._next_tick = time.monotonic() + TICK_SECONDS
        rows = [
            (
                one.found.lock.task_id,
                one.found.lock.session_id,
                *map(clean, progress_words(one.progress)),
            )
            for one in live
        ]
        rows += [(name, "", "", "", "its worktree is being made") for name in starting]
        self.wipe()
        lines = [line[:LINE_WIDTH] for line in align(rows)]
        draw("".join(f"{line}\n" for line in lines))
        self._drawn = len(lines)

    def wipe(self) -> None:
        """Take the living table away."""
        if self._drawn:
            draw(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0

    def tell_end(self, worker: Worker, ended: Ended) -> None:
        """Tell how a session ended."""
        self.say(
            f"{paint(worker.task.id, 'bold', err=True)} is {paint_status(ended.status)}: "
            f"{clean(ended.last.summary)}"
        )


def run_pool(
    path: Path,
    request: HandOffRequest,
    limits: Limits,
    *,
    size: int,
    executor: str,
    keeps_full: bool,
    detach: bool,
    as_json: bool,
) -> int:
    """Run a pool and tell what it did."""
    require_settled(path, as_json=as_json)
    terminal = PoolTerminal(path, executor, quiet=as_json)
    room = room_in(path, size)
    if room < size:
        terminal.say(f"`maxParallel` in mission.json allows {room} at once")
    hooks = PoolHooks(
        hand_over=terminal.start_worker,
        say=terminal.say,
        alert=terminal.alert,
        stops_wanted=terminal.stops_wanted,
        show=terminal.show,
        tell_end=terminal.tell_end,
    )
    pool = Pool(path, request, limits, hooks, size=room, keeps_full=keeps_full)
    if detach:
        report = pool.fill()
        return emit(_started(path, pool, report, terminal), as_json=as_json)
    before = signal.getsignal(signal.SIGINT)
    if not is_ignored(signal.SIGINT):
        signal.signal(signal.SIGINT, terminal.interrupt)
    try:
        report = pool.run()
    finally:
        signal.signal(signal.SIGINT, before)
        terminal.wipe()
    result = loop_result(report, "pool")
    data = {**result.data, "worktrees": _worktrees(terminal)}
    return emit(replace(result, data=data), as_json=as_json)


def _started(path: Path, pool: Pool, report: LoopReport, terminal: PoolTerminal) -> Result:
    from mosaic.cli.output import Result
    from mosaic.cli.tasks_view import session_json

    ids = {worker.session_id for worker in pool.workers}
    sessions = [s for s in read_mission(path).document.mission.sessions if s.id in ids]
    failed = [
        f"{name} could not be started: {clean(why)}" for name, why in report.not_started.items()
    ]
    lines = [f"{len(sessions)} sessions work in the background", *failed]
    code = ExitCode.OK if sessions else ExitCode.NOTHING_TO_DO
    return Result(
        kind="pool.started",
        data={
            "sessions": [session_json(session) for session in sessions],
            "not_started": dict(report.not_started),
            "worktrees": _worktrees(terminal),
            "why": report.why,
        },
        lines=lines if sessions or failed else [clean(report.why)],
        exit_code=ExitCode.FAILED if report.not_started else code,
        next_commands=["mission sessions --live", "mission status"],
        show_next=True,
    )


def _worktrees(terminal: PoolTerminal) -> dict[str, JsonValue]:
    return {
        session: {"path": place, "branch": branch}
        for session, (place, branch) in sorted(terminal.worktrees.items())
    }
