"""The end of a log, without reading the rest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.runs.record import Run

TAIL_BYTES = 8192
SHOWN_BYTES = 4000


def tail_bytes(path: Path, limit_bytes: int = TAIL_BYTES) -> bytes:
    """Return the last bytes of a log; nothing when there is none.

    Of a log that is longer than that, the first line is left out: it is a part.
    """
    try:
        with open(path, "rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - limit_bytes))
            data = log.read()
    except OSError:
        return b""
    if size <= limit_bytes:
        return data
    cut = data.find(b"\n", 0, len(data) - 1)
    return data[cut + 1 :]


def tail_text(path: Path, limit_bytes: int = TAIL_BYTES) -> str:
    """Return the last few kilobytes of a log as text; nothing when there is none."""
    return tail_bytes(path, limit_bytes).decode("utf-8", "replace")


def output_tail(run: Run) -> str:
    """Return the end of what a run wrote, both streams, short enough to be shown."""
    both = (tail_text(run.stdout_log, SHOWN_BYTES), tail_text(run.stderr_log, SHOWN_BYTES))
    return "\n".join(text.rstrip() for text in both if text.strip())
