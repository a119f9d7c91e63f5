"""What the user sees while agents work: a line or a table that is drawn anew, Ctrl-C, the bell."""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING

from mosaic.app.hand_off import Face
from mosaic.cli.output import align, clean, draw, paint, paint_status, warn
from mosaic.cli.sessions_view import progress_words
from mosaic.model import Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.app.hand_off import EndedSession, StartedSession
    from mosaic.runs.record import RunMeta
    from mosaic.sessions.output import LiveSession, Progress
    from mosaic.workers.ledger import Ended
    from mosaic.workers.pool import Worker

TICK_SECONDS = 0.5
LINE_WIDTH = 110
INTERRUPT_WORDS = {
    1: "no new sessions; Ctrl-C again stops those that work",
    2: "stopping them; Ctrl-C again kills them",
}


class Terminal(Face):
    """Shows a session that this process carries."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._drawn = 0
        self._next_tick = 0.0
        self.watch = None if quiet else self._show_progress

    def say(self, text: str) -> None:
        """Tell one line, above what is drawn anew."""
        self.wipe()
        if not self._quiet:
            warn(text)

    def began(self, meta: RunMeta, mode: Mode) -> None:
        """Name the session."""
        gc.enable()  # it may stay for hours
        how = "headless" if mode is Mode.HEADLESS else "in this terminal"
        self.say(
            f"{paint(meta.task_id, 'bold', err=True)} → {meta.runtime} {how}, "
            f"session {meta.session_id}, run {meta.run_id}"
        )

    def ring(self) -> None:
        """Ring the terminal's bell."""
        if sys.stderr.isatty():
            draw("\a")

    def wipe(self) -> None:
        """Take away what is drawn anew."""
        if self._drawn:
            draw(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0

    def _show_progress(self, progress: Progress) -> None:
        if self._is_due():
            self._redraw(["  ".join(filter(None, map(clean, progress_words(progress))))])

    def _is_due(self) -> bool:
        if self._quiet or not sys.stderr.isatty() or time.monotonic() < self._next_tick:
            return False
        self._next_tick = time.monotonic() + TICK_SECONDS
        return True

    def _redraw(self, lines: Sequence[str]) -> None:
        self.wipe()
        draw("".join(f"{line[:LINE_WIDTH]}\n" for line in lines))
        self._drawn = len(lines)


class LoopTerminal(Terminal):
    """Shows a loop; the first Ctrl-C lets the session end, the second stops it."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.interrupts = 0

    def ended(self, end: EndedSession) -> None:
        """Tell how a session ended."""
        words = "ended" if end.task_status == "gone" else f"is {paint_status(end.task_status)}"
        self.say(f"{paint(end.task.task.id, 'bold', err=True)} {words}: {clean(end.summary)}")

    def heeds_interrupt(self) -> bool:
        """Count a Ctrl-C in a session."""
        self.interrupts += 1
        if self.interrupts == 1:
            self.say("\nstops after this session; Ctrl-C again stops it now")
        return self.interrupts > 1

    def stops_wanted(self) -> int:
        """Return how often Ctrl-C was pressed."""
        return self.interrupts


class PoolTerminal(LoopTerminal):
    """Shows a pool as a table of its workers."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._heeded = 0
        self._screen: Sequence[str] = ()

    def started(self, session: StartedSession) -> None:
        """Name a worker and, where it has a screen of its own, how to see it."""
        branch = f" on {clean(session.branch)}" if session.branch else ""
        self.say(
            f"{paint(session.task.task.id, 'bold', err=True)} → {session.session.runtime}, "
            f"session {session.session.id}{branch}"
        )
        if session.screen and session.screen != self._screen:
            self._screen = session.screen
            self.say(f"  to see it: {' '.join(session.screen)}")

    def worker_ended(self, worker: Worker, end: Ended) -> None:
        """Tell how a session ended."""
        self.say(
            f"{paint(worker.task.id, 'bold', err=True)} is {paint_status(end.status)}: "
            f"{clean(end.last.summary)}"
        )

    def stops_wanted(self) -> int:
        """Return how often Ctrl-C was pressed; say what it did, and what the next one does."""
        wanted = self.interrupts
        for count in range(self._heeded + 1, wanted + 1):
            if count in INTERRUPT_WORDS:
                self.say(INTERRUPT_WORDS[count])
        self._heeded = wanted
        return wanted

    def interrupt(self, _number: int, _frame: object) -> None:
        """Count a Ctrl-C; nothing is written here, because it may come in the middle of a line."""
        self.interrupts += 1

    def show(self, live: Sequence[LiveSession], starting: Sequence[str]) -> None:
        """Draw the table of workers anew."""
        if not self._is_due():
            return
        rows = [
            (
                one.found.lock.task_id,
                one.found.lock.session_id,
                *map(clean, progress_words(one.progress)),
            )
            for one in live
        ]
        rows += [(name, "", "", "", "its worktree is being made") for name in starting]
        self._redraw(align(rows))
