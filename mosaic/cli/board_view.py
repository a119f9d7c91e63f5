"""What `mission board` does, without Typer."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from mosaic.errors import ExtraMissingError, UsageError
from mosaic.store.reading import locate_mission

if TYPE_CHECKING:
    from pathlib import Path


def open_board(*, mission: Path | None = None) -> int:
    """Show the board in this terminal until the person leaves it."""
    path = locate_mission(mission)
    gc.disable()  # start-up: hardly anything is garbage yet; the board turns it on again
    try:
        from mosaic.board.app import run_board
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("textual", "rich"):
            raise
        raise ExtraMissingError("`mission board`", "board", "textual") from None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the board needs a terminal", hint="`mission status` prints the same")
    run_board(path)
    return 0
