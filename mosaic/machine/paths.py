"""Paths made from ids, and paths held inside a folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mosaic.errors import PathOutsideError

SEGMENT_BYTES = 100
# Never part of an id that is kept as it is, so no id can imitate a changed one. Git
# allows it in ref names, where run ids end up too.
_DIGEST_MARK = "+"


def safe_segment(text: str) -> str:
    """Return one path segment that stands for `text` and for nothing else.

    Ordinary ids (`T-001`, `sess-001`) are kept as they are. Whatever is not safe in a
    path or a git ref is replaced, and a digest of the whole text is added, so that two
    texts never become one segment: not on a file system without case either, where
    the one exception is a text in capitals only and the same in small letters only.

    Returns:
        At most 100 bytes of UTF-8: no separator, no control character, no `..`, no dot
        or dash in front, never empty.
    """
    if _is_plain(text):
        return text
    # Imported here: few ids need it, and every command imports this module.
    from hashlib import sha256

    digest = _DIGEST_MARK + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    kept = "".join(char if char.isalnum() or char in "_.-" else "_" for char in text)
    kept = kept.lstrip(".-").replace("..", "__")
    short = kept.encode("utf-8")[: SEGMENT_BYTES - len(digest)].decode("utf-8", "ignore")
    return (short or "_") + digest


def confined(root: Path | str, relative: Path | str) -> Path:
    """Return the real place of `relative` below `root`, symlinks followed; `root` may not exist.

    PathOutsideError: it leads out of `root`.
    """
    try:
        base = os.path.realpath(root)
        place = os.path.realpath(os.path.join(base, relative))
    except (OSError, ValueError) as error:
        raise PathOutsideError(
            f"{str(relative)!r} is not a path", detail=str(error), hint="name a file of the mission"
        ) from error
    if not is_inside(base, place):
        raise PathOutsideError(
            f"`{relative}` leads out of `{root}`",
            detail=f"it leads to `{place}`",
            hint=f"use a path inside `{base}`",
        )
    return Path(place)


def is_inside(root: str, place: str) -> bool:
    """Tell whether `place` is `root` or below it; both absolute and resolved."""
    return place == root or place.startswith(root.rstrip(os.sep) + os.sep)


def _is_plain(text: str) -> bool:
    return (
        re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", text) is not None
        and len(text) <= SEGMENT_BYTES
        and text in (text.lower(), text.upper())
        and ".." not in text
        and not text.lower().endswith((".", ".lock"))
        and re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", text, re.IGNORECASE) is None
    )
