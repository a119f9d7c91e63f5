"""A folder and values that the fuzz targets share."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from mosaic.model import EndReason, Session, Usage

MOMENT = datetime(2026, 3, 21, 11, 41, 39, tzinfo=UTC)
SESSION = Session(
    id="sess-007",
    runtime="claude",
    pid=4711,
    host="box",
    started_at=MOMENT,
    ended_at=MOMENT,
    ended_reason=EndReason.CRASHED,
    duration_seconds=3,
    usage=Usage(input_tokens=1, output_tokens=2, cost_usd=0.5),
)


@cache
def scratch() -> Path:
    """Return a folder of this process, removed when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="mission-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
