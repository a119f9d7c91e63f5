"""Looking at every task file of a folder, without reading any: names and signatures."""

from __future__ import annotations

import os
from functools import partial
from itertools import starmap
from operator import attrgetter
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

IGNORED_NAMES = frozenset({b"readme.md", b"index.md"})
"""What people put beside tasks."""
LONGEST_IGNORED = max(map(len, IGNORED_NAMES))
SIGNATURE = Struct("<qqqQQ")
_PARTS_OF_STATUS = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev")


BETWEEN_NAMES = b"\0"


def look_at_files(folder: bytes, descriptor: int) -> tuple[bytes, bytes]:
    """Return the names of all task files, in order, and their signatures, both in a row.

    Args:
        folder: the folder's path.
        descriptor: the same, open: a path as long as usual takes twice the time.

    Raises:
        OSError: as the system says; one of them may just have been removed.
    """
    names = list_task_files(folder)
    signatures = pack_statuses(map(partial(os.stat, dir_fd=descriptor), names))
    return BETWEEN_NAMES.join(names), signatures


def list_task_files(folder: bytes) -> list[bytes]:
    """Return the names of all task files in a folder, in order.

    Raises:
        OSError: as the system says.
    """
    return [
        name
        for name in sorted(os.listdir(folder))
        if name.endswith(b".md")
        and name[0] not in b"._"
        and (len(name) > LONGEST_IGNORED or name.lower() not in IGNORED_NAMES)
    ]


def pack_statuses(statuses: Iterable[os.stat_result]) -> bytes:
    """Return the signatures of files by their stats, in a row."""
    return b"".join(starmap(SIGNATURE.pack, map(_PARTS_OF_STATUS, statuses)))
