"""What the user sees while agents work: a line or a table that is drawn anew, Ctrl-C, the bell."""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING

from mosaic.app.hand_off import Face
from mosaic.cli.output import clean, draw, paint, paint_status, room, warn
from mosaic.cli.sessions_view import progress_words
from mosaic.cli.table import Column, table
from mosaic.model import Mode
from mosaic.text.folding import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.app.hand_off import EndedSession, StartedSession
    from mosaic.runs.record import RunMeta
    from mosaic.sessions.output import LiveSession, Progress
    from mosaic.workers.ledger import Ended
    from mosaic.workers.pool import Worker

TICK_SECONDS = 0.5
WORKERS = (
    Column("task"), Column("session", leaves=1), Column("for", is_number=True),
    Column("used", leaves=2), Column("now", lines=1),
)  # fmt: skip
INTERRUPT_WORDS = {
    1: "no new sessions; Ctrl-C again stops those that work",
    2: "stopping them; Ctrl-C again kills them",
}


class Terminal(Face):
    """Shows a session that this process carries, a loop, or a pool as a table of its workers.

    Args:
        quiet: whether nothing is shown.
        goes_on: whether other sessions follow: the first Ctrl-C then lets those at work end.
    """

    def __init__(self, *, quiet: bool, goes_on: bool = False) -> None:
        self._quiet = quiet
        self._goes_on = goes_on
        self._drawn = 0
        self._next_tick = 0.0
        self._interrupts = 0
        self._heeded = 0
        self._screen: Sequence[str] = ()
        self.watch = None if quiet else self._show_progress

    def say(self, text: str) -> None:
        """Print one line, above what is drawn anew."""
        self.wipe()
        if not self._quiet:
            warn(text)

    def began(self, meta: RunMeta, mode: Mode) -> None:
        """Name the session."""
        gc.enable()  # it may stay for hours
        how = "headless" if mode is Mode.HEADLESS else "in this terminal"
        about = f"{meta.runtime} {how}, session {meta.session_id}, run {meta.run_id}"
        self.say(f"{paint(meta.task_id, 'bold', err=True)} → {about}")

    def started(self, session: StartedSession) -> None:
        """Name a worker and, where it has a screen of its own, how to see it."""
        branch = f" on {clean(session.branch)}" if session.branch else ""
        about = f"{session.session.runtime}, session {session.session.id}{branch}"
        self.say(f"{paint(session.task.task.id, 'bold', err=True)} → {about}")
        if session.screen and session.screen != self._screen:
            self._screen = session.screen
            self.say(f"  to see it: {' '.join(session.screen)}")

    def ended(self, end: EndedSession) -> None:
        """Say how a session ended."""
        self._say_end(end.task.task.id, task_words(end), end.summary, end.warnings)

    def worker_ended(self, worker: Worker, end: Ended) -> None:
        """Say how a worker ended."""
        self._say_end(
            worker.task.id, f"is {paint_status(end.status)}", end.last.summary, end.last.warnings
        )

    def ring(self) -> None:
        """Ring the terminal's bell."""
        if sys.stderr.isatty():
            draw("\a")

    def interrupt(self, _number: int, _frame: object) -> None:
        """Count a Ctrl-C; nothing is written here, because it may come in the middle of a line."""
        self._interrupts += 1

    def heeds_interrupt(self) -> bool:
        """Count a Ctrl-C in a session, and tell whether it stops it."""
        if not self._goes_on:
            return True
        self._interrupts += 1
        self._heeded = self._interrupts
        if self._interrupts == 1:
            self.say("\nstops after this session; Ctrl-C again stops it now")
        return self._interrupts > 1

    def stops_wanted(self) -> int:
        """Return how often Ctrl-C was pressed; say what it did, and what the next one does."""
        wanted = self._interrupts
        for count in range(self._heeded + 1, wanted + 1):
            if count in INTERRUPT_WORDS:
                self.say(INTERRUPT_WORDS[count])
        self._heeded = wanted
        return wanted

    def show(self, live: Sequence[LiveSession], starting: Sequence[str]) -> None:
        """Draw the table of workers anew."""
        if not self._is_due():
            return
        rows = [
            (
                one.found.lock.task_id,
                one.found.lock.session_id,
                *progress_words(one.progress),
            )
            for one in live
        ]
        rows += [(name, "", "", "", "its worktree is being made") for name in starting]
        self._redraw(table(rows, WORKERS, width=room(err=True)))

    def wipe(self) -> None:
        """Take away what is drawn anew."""
        if self._drawn:
            draw(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0

    def _say_end(
        self, task_id: str, words: str, summary: str, warnings: Sequence[str] = ()
    ) -> None:
        self.say(f"{paint(task_id, 'bold', err=True)} {words}: {clean(summary)}")
        for text in warnings:
            self.say(f"  {paint('warning:', 'yellow', err=True)} {clean(text)}")

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
        width = room(err=True)
        draw("".join(f"{shorten(line, width) if width else line}\n" for line in lines))
        self._drawn = len(lines)


def task_words(end: EndedSession) -> str:
    """Return what became of a session's task."""
    return "ended" if end.task_status == "gone" else f"is {paint_status(end.task_status)}"
