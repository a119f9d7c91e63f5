"""What the user sees while an agent works: a line at the start, one that lives meanwhile."""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING

from mosaic.cli.output import clean, draw, paint, warn
from mosaic.cli.sessions_view import progress_words
from mosaic.model import Mode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.ports import Executor, Order
    from mosaic.sessions.carry import RunCarrier
    from mosaic.sessions.output import Progress

TICK_SECONDS = 0.5
LINE_WIDTH = 100


class LiveRun:
    """Starts runs in this terminal or in the background, and shows how they get on."""

    def __init__(self, *, quiet: bool, heeds_interrupt: Callable[[], bool] = lambda: True) -> None:
        self._quiet = quiet
        self._heeds_interrupt = heeds_interrupt
        self._shown = False
        self._next_tick = 0.0
        self.carrier: RunCarrier | None = None

    def executor(self, place: str | None, mission_file: Path) -> Executor:
        """Return where the run is started: None, in this terminal."""
        if place is not None:
            from mosaic.executors import get_executor

            return get_executor(place, mission_file)
        from mosaic.executors.terminal import TerminalExecutor

        return TerminalExecutor(self._carrier)

    def _carrier(self, run_dir: Path, order: Order) -> RunCarrier:
        gc.enable()  # it may stay for hours
        from mosaic.sessions.examine import session_carrier

        headless = order.mode is Mode.HEADLESS and not self._quiet
        self.carrier = session_carrier(
            run_dir,
            order,
            watch=self._tick if headless else None,
            heeds_interrupt=self._heeds_interrupt,
        )
        if not self._quiet:
            meta = self.carrier.meta
            how = "headless" if headless else "in this terminal"
            warn(
                f"{paint(meta.task_id, 'bold', err=True)} → {meta.runtime} {how}, "
                f"session {meta.session_id}, run {meta.run_id}"
            )
        return self.carrier

    def _tick(self, progress: Progress) -> None:
        if not sys.stderr.isatty() or time.monotonic() < self._next_tick:
            return
        self._next_tick = time.monotonic() + TICK_SECONDS
        line = "  ".join(filter(None, map(clean, progress_words(progress))))[:LINE_WIDTH]
        draw(f"\r\x1b[2K{line}")
        self._shown = True

    def end(self) -> None:
        """Take the living line away."""
        if self._shown:
            draw("\r\x1b[2K")
            self._shown = False
