"""Reading a run's logs: from a place on, from the last lines on, from a moment on, or as it grows.

Only reads, and takes no lock that others notice.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from datetime import datetime
from typing import TYPE_CHECKING

from mosaic.errors import RecordError
from mosaic.machine.disk import find_bytes
from mosaic.machine.identity import is_same_process
from mosaic.machine.lock import is_file_held, is_folder_held
from mosaic.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mosaic.runs.record import Run

CHUNK_BYTES = 256 << 10
POLL_SECONDS = 0.1
FINAL = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.BLOCKED)


def is_over(run: Run) -> bool:
    """Tell whether a run writes nothing more: at its end, or nobody is there any more.

    Raises:
        RecordError: the record is gone, or its state cannot be read.
    """
    state = run.state()
    if state.status in FINAL:
        return True
    if state.status is RunStatus.PREPARED or is_folder_held(run.dir):
        return False
    agent_lives = state.agent is not None and is_same_process(state.agent) is not False
    return not agent_lives and not is_file_held(run.stdout_log)


def read_from(path: Path, offset: int) -> Iterator[bytes]:
    """Return what a log holds from a place on, in pieces; nothing when there is none."""
    try:
        with open(path, "rb") as log:
            log.seek(offset)
            while chunk := log.read(CHUNK_BYTES):
                yield chunk
    except FileNotFoundError:
        return


def follow(run: Run, path: Path, offset: int) -> Iterator[bytes]:
    """Return what a log holds from a place on, and what is written to it until the run is over.

    Raises:
        RecordError: the record was removed meanwhile.
    """
    while True:
        over = is_over(run)  # looked at first: what was written before the end is read below
        for chunk in read_from(path, offset):
            offset += len(chunk)
            yield chunk
        if over:
            return
        if not run.dir.is_dir():
            raise RecordError(f"run `{run.id}` was removed", path=run.dir)
        time.sleep(POLL_SECONDS)


def tail_offset(path: Path, lines: int) -> int:
    """Return where the last lines of a log begin; reads no more than these."""
    try:
        with open(path, "rb") as log:
            end = log.seek(0, os.SEEK_END)
            place, found, last = end, 0, True
            while place > 0:
                size = min(CHUNK_BYTES, place)
                place -= size
                log.seek(place)
                block = log.read(size)
                at = len(block)
                while (at := block.rfind(b"\n", 0, at)) >= 0:
                    is_final_newline = last and place + at == end - 1
                    last = False
                    found += not is_final_newline
                    if found == lines:
                        return place + at + 1
                last = False
    except FileNotFoundError:
        return 0
    return 0 if lines else end


def offset_at(run: Run, stream: str, moment: datetime) -> int:
    """Return a place in a log from which on everything since a moment stands, never less.

    From `output.index`; without it, the beginning.
    """
    offset = 0
    for line in (find_bytes(run.dir / "output.index") or b"").splitlines():
        with contextlib.suppress(ValueError, TypeError):
            name, place, written = json.loads(line)
            if name == stream and datetime.fromisoformat(written) <= moment:
                offset = max(offset, int(place))
    return offset
