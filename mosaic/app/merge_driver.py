"""The merge driver of git: which one this clone has, registering it, and being called as it.

`.gitattributes` is tracked and names the driver; what it runs stands in the settings of the clone,
which no repository can bring along.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import GitError, MissionError, UsageError
from mosaic.git.git import answer_of, find_work_tree, run_git
from mosaic.machine.disk import find_text, read_bytes, write_atomic
from mosaic.records import NamedTuple
from mosaic.store.merge_files import form_of, merge_file
from mosaic.text.lines import newline_of
from mosaic.text.merge3 import Merger

if TYPE_CHECKING:
    from mosaic.store.layout import Layout

DRIVER = "mission"
ATTRIBUTES = ".gitattributes"
COMMAND = (
    "if command -v mission >/dev/null 2>&1; then mission merge-file %O %A %B %L %P; "
    "else git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B; fi"
)
SETTINGS = (
    (f"merge.{DRIVER}.name", "tasks and fields of Mosaic"),
    (f"merge.{DRIVER}.driver", COMMAND),
    # Of several common ancestors git makes one; marks must not stand in that.
    (f"merge.{DRIVER}.recursive", "binary"),
)
LARGEST_CONFLICTS = 127
"""What `git merge-file` exits with at most for conflicts; beyond are errors."""


class Driver(NamedTuple):
    """How it is with the merge driver in this clone."""

    is_named: bool
    """`.gitattributes` names it for the mission's table."""
    is_registered: bool
    """The settings of this clone say what it runs, as `mission setup git` writes them."""
    attributes_file: Path
    lines: tuple[str, ...]
    """Lines that `.gitattributes` lacks."""


class GitSetup(NamedTuple):
    """What was done, or would be."""

    done: tuple[str, ...]
    written: bool


def find_driver(layout: Layout) -> Driver | None:
    """Look at this clone's merge driver; None outside of git."""
    top = find_work_tree(layout.project)
    if top is None:
        return None
    wanted = _patterns(layout, top)
    path = top / ATTRIBUTES
    file = find_text(path)
    there = {line.strip() for line in file.text.split("\n")} if file else set()
    lacking = tuple(line for line in wanted if line not in there)
    command = answer_of(["config", "--local", "--get", SETTINGS[1][0]], top)
    asked = ["check-attr", "-z", "merge", "--", str(layout.tasks_file)]
    said = (answer_of(asked, top) or "").split("\0")
    return Driver(
        is_named=DRIVER in said[2:3],
        is_registered=command == COMMAND,
        attributes_file=path,
        lines=lacking,
    )


def set_up_git(layout: Layout, *, write: bool) -> GitSetup:
    """Name the driver in `.gitattributes` and register it in this clone; or say what would be done.

    Raises UsageError outside of git, GitError, FileAccessError.
    """
    driver = find_driver(layout)
    top = find_work_tree(layout.project)
    if driver is None or top is None:
        raise UsageError("there is no git repository here", hint="`git init`, then again")
    done = []
    if driver.lines:
        done.append(f"{ATTRIBUTES}: {', '.join(driver.lines)}")
        if write:
            _add_lines(driver)
    for key, value in SETTINGS:
        if answer_of(["config", "--local", "--get", key], top) != value:
            done.append(f"git config {key} '{value}'")
            if write:
                run_git(["config", "--local", key, value], top)
    return GitSetup(tuple(done), written=write and bool(done))


def _add_lines(driver: Driver) -> None:
    path = driver.attributes_file
    file = find_text(path)
    text = file.text if file else ""
    newline = newline_of(text)
    gap = newline if text and not text.endswith("\n") else ""
    new = text + gap + newline.join((*driver.lines, ""))
    signature = file.signature if file else None
    write_atomic(path, new.encode(), root=path.parent, expect=signature)


def _patterns(layout: Layout, top: Path) -> list[str]:
    """Return the lines of `.gitattributes` for the mission's files in the repository."""
    lines = []
    for path in (*layout.own_files, layout.tasks_dir):
        try:
            name = Path(os.path.realpath(path)).relative_to(top).as_posix()
        except ValueError:
            continue  # it is in no repository, or in another one
        pattern = re.sub(r"([\\*?\[\]])", r"\\\1", name)
        pattern = f"/{pattern}/*.md" if path == layout.tasks_dir else f"/{pattern}"
        if re.search(r"[\s\"]", pattern):
            pattern = '"' + pattern.replace("\\", "\\\\").replace('"', '\\"') + '"'
        lines.append(f"{pattern} merge={DRIVER}")
    return lines


def merge_as_driver(base: Path, ours: Path, theirs: Path, *, marker_size: int, name: str) -> bool:
    """Merge three files into the second of them, and tell whether nothing is open.

    Where something is, git's own merge with its marks is left, for `mission resolve` or an editor.
    """
    try:
        text = _merged(base, ours, theirs, name)
    except (MissionError, UnicodeDecodeError):
        text = None
    if text is not None:
        ours.write_bytes(text.encode())
        return True
    command = ["merge-file", f"--marker-size={marker_size}", "-L", "ours", "-L", "base"]
    answer = run_git(
        [*command, "-L", "theirs", str(ours), str(base), str(theirs)], Path.cwd(), check=False
    )
    if not 0 <= answer.exit_code <= LARGEST_CONFLICTS:
        raise GitError(
            f"`{name}` could not be merged", detail=answer.stderr.decode("utf-8", "replace")
        )
    return answer.exit_code == 0


def _merged(base: Path, ours: Path, theirs: Path, name: str) -> str | None:
    """Return what three files are merged to; None where something is open."""
    known, *sides = (read_bytes(path).decode() for path in (base, ours, theirs))
    merger = Merger()
    own = Path(name).name or ours.name
    # Where both added a file, git gives an empty one for what they began with.
    form = form_of(own, [side for side in (known, *sides) if side])
    text = merge_file(merger, form, own, [known or None, *sides])
    return None if merger.open else text
