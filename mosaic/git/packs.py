"""Objects that go from one repository to another in a file, by whatever carries files.

A pack holds whole objects, so it can be read wherever what it leaves out is there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.git.git import run_git

if TYPE_CHECKING:
    from collections.abc import Iterable

PACK_SECONDS = 3600.0


def make_pack(top: Path, wanted: Iterable[str], without: Iterable[str], folder: Path) -> Path:
    """Make a pack of commits and all that they need beside what others need; it may be empty.

    Commits of `without` that are not here are passed by.
    """
    ends = known_commits(top, without)
    lines = "".join(f"{each}\n" for each in (*wanted, *(f"^{each}" for each in ends)))
    objects = top / run_git(["rev-parse", "--git-path", "objects"], top).text
    # git makes it beside its objects and renames it, which works on the same disk alone.
    with tempfile.TemporaryDirectory(prefix="tmp_mosaic-", dir=objects) as scratch:
        command = ["pack-objects", "--revs", "--quiet", "--delta-base-offset", f"{scratch}/pack"]
        name = run_git(command, top, stdin=lines.encode(), timeout_seconds=PACK_SECONDS).text
        made = shutil.move(f"{scratch}/pack-{name}.pack", folder / f"pack-{name}.pack")
    return Path(made)


def take_pack(git_dir: Path, pack: Path) -> None:
    """Put the objects of a pack into a repository; no ref is changed."""
    place = git_dir / "objects" / "pack" / pack.name
    if place.with_suffix(".idx").exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(pack, place)
    try:
        command = [f"--git-dir={git_dir}", "index-pack", str(place)]
        run_git(command, git_dir, timeout_seconds=PACK_SECONDS)
    except BaseException:
        place.unlink(missing_ok=True)
        raise


def known_commits(top: Path, names: Iterable[str]) -> list[str]:
    """Return those of some commits that a repository has."""
    asked = "".join(f"{name}\n" for name in dict.fromkeys(names))
    answer = run_git(["cat-file", "--batch-check"], top, stdin=os.fsencode(asked))
    rows = (line.split() for line in answer.text.splitlines())
    return [row[0] for row in rows if row[1:2] == ["commit"]]
