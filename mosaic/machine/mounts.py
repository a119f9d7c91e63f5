"""What kind of file system a folder lies on: the locks of some do not hold."""

from __future__ import annotations

import os
import re

_FOREIGN = re.compile(
    r"(?:nfs4?|cifs|smb\w*|ncpfs|9p|afs|ceph|lustre|gfs2?|ocfs2|vboxsf|virtiofs|webdav|davfs"
    r"|osxfs|prl_fs|fuse(?:\..+)?)"
)
"""Served from elsewhere; `fuseblk` is not among them: that is a disk of this machine."""
_POINT = 4
"""Which field of a line of mountinfo says where it is mounted."""
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def find_foreign_file_system(path: os.PathLike[str] | str) -> str | None:
    """Return the kind of a file system that another machine or program serves, such as `nfs4`.

    None for one of this machine's own, and where the system does not tell (all but Linux).
    """
    kind = _kind_of(os.fsencode(os.path.realpath(path)))
    return kind if kind is not None and _FOREIGN.fullmatch(kind) else None


def _kind_of(place: bytes) -> str | None:
    try:
        with open("/proc/self/mountinfo", "rb") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return None
    kind, longest = None, -1
    for line in lines:
        # 36 35 98:0 /root /mount/point options [optional fields] - kind source options
        before, separator, after = line.partition(b" - ")
        fields = before.split()
        if not separator or len(fields) <= _POINT:
            continue
        point = _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), fields[_POINT])
        is_above = place == point or place.startswith(point.rstrip(b"/") + b"/")
        # The last one of the same point lies on top of the others.
        if is_above and len(point) >= longest:
            kind, longest = os.fsdecode(after.split()[0]), len(point)
    return kind
