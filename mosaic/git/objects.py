"""Sharing git's objects between two repositories on one disk: the very files, without a process.

git never changes a file of an object or of a pack, so both may have it under a hard link, as
`git clone --local` does it. What one of them removes stays in the other. Where the file system
has no links, files are copied.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

STORE = Path("mosaic", "checkpoints.git")
"""Where checkpoints are kept, below the folder that all worktrees of a repository share."""
_ATTEMPTS = 20
_FAN_OUT = re.compile(r"[0-9a-f]{2}")
_OBJECT = re.compile(r"[0-9a-f]{38}(?:[0-9a-f]{24})?")
_PACK_PARTS = (".pack", ".promisor", ".idx")
"""git takes a pack for there when its index is: that comes last."""


def share_objects(source: Path, target: Path) -> int:
    """Give a folder of objects all that another one has, and return how many files that were.

    Loose objects come first: one that git packs meanwhile is then found in its pack.
    OSError: a file can neither be linked nor copied, or git repacks all the time.
    """
    count = 0
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return count + _share_loose(source, target) + _share_packs(source, target)
        except FileNotFoundError:  # repacked under our hands
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("not reached")


def borrow_objects(shared: Path, target: Path) -> None:
    """Have a bare repository read a user's objects without a copy, and end where they end.

    OSError: it cannot be written.
    """
    import shutil  # start-up: as below

    alternates = target / "objects" / "info" / "alternates"
    alternates.parent.mkdir(parents=True, exist_ok=True)
    alternates.write_text(f"{shared / 'objects'}\n")
    if (shared / "shallow").exists():
        shutil.copyfile(shared / "shallow", target / "shallow")


def bring_back(shared: Path) -> bool:
    """Put what the store of checkpoints holds into its repository again, where that lost it."""
    kept = shared / STORE / "objects"
    try:
        return kept.is_dir() and share_objects(kept, shared / "objects") > 0
    except OSError:
        return False


def pack_names(objects: Path) -> set[str]:
    """Return the names of the packs in a folder of objects."""
    return {path.stem for path in (objects / "pack").glob("pack-*.pack")}


def _share_loose(source: Path, target: Path) -> int:
    count = 0
    for folder in os.listdir(source):
        if not _FAN_OUT.fullmatch(folder):
            continue
        try:
            names = set(filter(_OBJECT.fullmatch, os.listdir(source / folder)))
        except FileNotFoundError:
            continue
        with contextlib.suppress(FileNotFoundError):
            names.difference_update(os.listdir(target / folder))
        if names:
            (target / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # packed meanwhile
                count += _share(source / folder / name, target / folder / name)
    return count


def _share_packs(source: Path, target: Path) -> int:
    count = 0
    there = set(os.listdir(source / "pack")) if (source / "pack").is_dir() else set()
    for name in sorted(name.removesuffix(".idx") for name in there if name.endswith(".idx")):
        if (target / "pack" / f"{name}.idx").exists():
            continue
        (target / "pack").mkdir(parents=True, exist_ok=True)
        for part in _PACK_PARTS:
            if f"{name}{part}" in there:
                count += _share(source / "pack" / (name + part), target / "pack" / (name + part))
    return count


def _share(old: Path, new: Path) -> bool:
    try:
        os.link(old, new)
    except FileExistsError:
        return False
    except FileNotFoundError:
        raise
    except OSError:  # no links here, or none to files of others
        import shutil  # start-up: both cost more than most commands spend on git
        import threading

        spare = new.with_name(f"tmp_obj_{os.getpid()}.{threading.get_ident()}")  # git sweeps those
        try:
            shutil.copyfile(old, spare)
            spare.chmod(0o444)
            spare.replace(new)
        finally:
            spare.unlink(missing_ok=True)
    return True
