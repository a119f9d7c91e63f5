"""What is sent along with a question: taken into a file, until the question is answered.

FOLDER/.received-<pid>      by the process that takes it
"""

from __future__ import annotations

import os
import shutil
import tarfile
from typing import IO, TYPE_CHECKING

from mosaic.errors import FailedError
from mosaic.machine.disk import create_private_dir
from mosaic.machine.identity import find_entry
from mosaic.machine.paths import confined

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


def unpack_part(place: Path, folder: Path) -> None:
    """Write the files of an archive into a folder; whatever else it names is passed by."""
    # By hand: the first releases of Python 3.11 have no filter that keeps names within a folder.
    with tarfile.open(place) as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is None:
                continue
            target = confined(folder, entry.name)
            create_private_dir(target.parent)
            with open(target, "xb") as file:
                shutil.copyfileobj(content, file)
            target.chmod(entry.mode & 0o755)


def remove_parts(folder: Path) -> None:
    """Remove what processes that were killed left behind."""
    for path in folder.glob(f"{PREFIX}*"):
        pid = path.name.removeprefix(PREFIX)
        if pid.isdigit() and find_entry(int(pid)) is None:
            path.unlink(missing_ok=True)
