"""What is sent along with a question: taken into a file, until the question is answered.

FOLDER/.received-<pid>      by the process that takes it
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

from mosaic.errors import FailedError
from mosaic.machine.identity import find_entry

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = ".received-"
BLOCK_BYTES = 1 << 20


def part_of(folder: Path) -> Path:
    """Return the file that this process takes what is sent along into."""
    return folder / f"{PREFIX}{os.getpid()}"


def take_part(stream: IO[bytes], size: int, place: Path) -> None:
    """Take so many bytes into a file; a FailedError where the link is cut before."""
    with open(place, "wb") as file:
        while size:
            block = stream.read(min(size, BLOCK_BYTES))
            if not block:
                raise FailedError("what was sent did not arrive as a whole")
            file.write(block)
            size -= len(block)


def remove_parts(folder: Path) -> None:
    """Remove what processes that were killed left behind."""
    for path in folder.glob(f"{PREFIX}*"):
        pid = path.name.removeprefix(PREFIX)
        if pid.isdigit() and find_entry(int(pid)) is None:
            path.unlink(missing_ok=True)
