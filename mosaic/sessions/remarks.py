"""Remarks on lines: quoted from the change that they are made on, and found again later.

src/a.py:41 text            as it is written: a place, and what is to be done there
src/a.py:41-43: text        in a batch, one a line; what follows without a place goes on
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from mosaic.errors import MissionError, UsageError
from mosaic.git.git import answer_of, find_work_tree, run_git
from mosaic.machine.disk import find_text
from mosaic.machine.paths import confined
from mosaic.records import NamedTuple
from mosaic.store.project_paths import project_paths
from mosaic.text.decisions import coded, find_lines, place_parts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.store.layout import Layout
    from mosaic.text.decisions import Decision

LARGEST_CODE = 4 << 20
LONGEST_HASH = 12
MOST_QUOTED = 20
AROUND = 3
"""Lines of code before and after those that a remark is on."""
BATCH_LINE = re.compile(r"(?P<place>\S.*?:\d{1,9}(?:-\d{1,9})?):[ \t]+(?P<text>\S.*)")


class Remark(NamedTuple):
    """What a person says of lines of a change."""

    place: str
    """`path:line` or `path:line-line`, the path as the project names it."""
    text: str


class Found(NamedTuple):
    """Where the lines of a remark are now."""

    words: str = ""
    """Empty where they have not moved."""
    around: str = ""
    """The code there, each line with its number."""


def parse_batch(text: str) -> list[Remark]:
    """Return the remarks of a batch (or raise UsageError)."""
    found: list[Remark] = []
    for number, line in enumerate(text.splitlines(), 1):
        if begun := BATCH_LINE.fullmatch(line.strip()):
            found.append(Remark(begun["place"], begun["text"]))
        elif found:
            found[-1] = Remark(found[-1].place, f"{found[-1].text}\n{line.rstrip()}")
        elif line.strip():
            raise UsageError(
                f"line {number} of the remarks names no place", hint="write `src/a.py:41: text`"
            )
    if not found:
        raise UsageError("there are no remarks", hint="write `src/a.py:41: text`, one a line")
    return found


def quote_lines(
    layout: Layout, remark: Remark, trees: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return what a remark's entry keeps of its place: where, in which state, and the lines.

    `trees` are the states of the work to look in, each a name of git's and words that say more;
    where the path is in none, the work tree is looked in.

    Raises:
        UsageError: the text is empty, or there is no such line.
    """
    path, first, last = place_parts(remark.place)
    if not remark.text.strip():
        raise UsageError(f"the remark on `{remark.place}` is empty", hint="say what is to be done")
    top, paths = find_work_tree(layout.project) or layout.project, project_paths(layout)
    for name in dict.fromkeys((paths.in_tree(path), path)):  # the latter as git names it
        for tree, words in trees:
            answer = run_git(["cat-file", "blob", f"{tree}:{name}"], top, check=False)
            if answer.exit_code == 0:
                known = answer_of(["rev-parse", "--verify", tree], top) or tree
                lines = _split(answer.stdout.decode("utf-8", "replace"))
                state = f"{known[:LONGEST_HASH]}{words}"
                return _kept(paths.named(name), (first, last), lines, state)
        if (found := _lines_of(top, name)) is not None:
            return _kept(paths.named(name), (first, last), found, "the work tree")
    raise UsageError(
        f"there is no file `{path}` in the change or in the work tree",
        hint="name it from the project on",
    )


def find_again(remark: Decision, project: Path) -> Found:
    """Return where the lines of a remark are in a work tree now, with the code around them."""
    path, first, last = place_parts(remark.place)
    top = find_work_tree(project) or project
    place = os.path.relpath(os.path.realpath(project / path), os.path.realpath(top))
    lines = _lines_of(top, place) or _lines_of(top, path)  # once it was named from the top on
    if lines is None:
        return Found(f"`{path}` is gone")
    at = find_lines(lines, remark.quoted, first)
    if at is None:
        return Found("the line is gone: it was changed or removed")
    end = at + last - first
    shown = range(max(1, at - AROUND), min(len(lines), end + AROUND) + 1)
    around = [f"{'>' if at <= n <= end else ' '} {n:4}  {lines[n - 1]}" for n in shown]
    return Found("" if at == first else f"it is line {at} now", "\n".join(around))


def _kept(
    path: str, span: tuple[int, int], lines: Sequence[str], state: str
) -> list[tuple[str, str]]:
    first, last = span
    if last > len(lines):
        raise UsageError(f"`{path}` has no line {last}", detail=f"it has {len(lines)}")
    place = f"{path}:{first}" if first == last else f"{path}:{first}-{last}"
    quoted = lines[first - 1 : min(last, first - 1 + MOST_QUOTED)]
    return [("at", f"{place} in {state}"), *(("line", coded(line)) for line in quoted)]


def _lines_of(top: Path, path: str) -> list[str] | None:
    with contextlib.suppress(MissionError, OSError):
        file = find_text(confined(top, path), limit_bytes=LARGEST_CODE)
        return _split(file.text) if file else None
    return None


def _split(text: str) -> list[str]:
    """Return the lines of a text, as editors count them."""
    return re.split(r"\r?\n", text.removesuffix("\n"))
