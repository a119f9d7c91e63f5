"""Looking at thousands of files while the program that asks is still being imported.

To look at 10,000 task files takes as long as all imports of a command. Where there are that
many, a second process does it meanwhile, and hands over what it saw: the first process is
then not younger than its own start, as whoever looks at anything is.

Only for what changes nothing: who changes a mission looks at it with its lock held, and what
was seen before the lock was had may be over. Importing this module imports next to nothing.
"""

from __future__ import annotations

import os
import sys

MANY_BYTES = 200_000
"""How much an index must hold of names and signatures for a second process to pay."""
_HEAD_BYTES = 200
_WORD_BYTES = 8
_looking: list[tuple[int, int]] = []
"""The pipe and the pid of the process that looks, until somebody takes what it saw."""


def look_ahead(index: str, folder: str) -> None:
    """Begin to look at the task files in a folder, where an index says that there are many.

    Args:
        index: path of the index; of what it says of itself only the size is believed.
        folder: path of the folder; whoever takes the answer says which it should have been.
    """
    if _looking or "threading" in sys.modules or (os.cpu_count() or 1) < 2:  # noqa: PLR2004
        return
    if _size_of_stamp(index) < MANY_BYTES:
        return
    try:
        answer, question = os.pipe()
        pid = os.fork()
    except OSError:
        return
    if pid == 0:
        try:
            os.close(answer)
            _tell(question, os.fsencode(folder))
        finally:
            os._exit(0)
    os.close(question)
    _looking.append((answer, pid))


def take_ahead(descriptor: int) -> tuple[bytes, bytes] | None:
    """Return what `look_at_files` returns of a folder, if a second process looked at it.

    What was seen is given out once: who asks again wants to know what has changed.
    """
    if not _looking:
        return None
    answer, pid = _looking.pop()
    pieces = []
    with open(answer, "rb", buffering=0) as pipe:
        while piece := pipe.read(1 << 20):
            pieces.append(piece)
    os.waitpid(pid, 0)
    told = b"".join(pieces)
    numbers = [
        int.from_bytes(told[at : at + _WORD_BYTES], "little")
        for at in range(0, 4 * _WORD_BYTES, _WORD_BYTES)
    ]
    device, inode, names, signatures = numbers
    found = os.fstat(descriptor)
    start = 4 * _WORD_BYTES
    if (found.st_dev, found.st_ino) != (device, inode):
        return None
    if len(told) != start + names + signatures:
        return None  # it was ended before it had told all
    return told[start : start + names], told[start + names :]


def _size_of_stamp(index: str) -> int:
    try:
        descriptor = os.open(index, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        head = os.read(descriptor, _HEAD_BYTES)
    except OSError:
        return 0
    finally:
        os.close(descriptor)
    size = head.partition(b'"stamp":')[2].partition(b",")[0]
    return int(size) if size.isdigit() and len(size) < len("1000000000") else 0


def _tell(question: int, folder: bytes) -> None:
    from mosaic.machine.signature import look_at_files

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    names, signatures = look_at_files(folder, descriptor)
    numbers = (status.st_dev, status.st_ino, len(names), len(signatures))
    told = b"".join([*(n.to_bytes(_WORD_BYTES, "little") for n in numbers), names, signatures])
    with open(question, "wb", buffering=0) as pipe:
        rest = memoryview(told)
        while rest:
            rest = rest[pipe.write(rest) :]
