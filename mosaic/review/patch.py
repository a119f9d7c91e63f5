"""A diff as git writes it, parted into files and lines that a person can remark on."""

from __future__ import annotations

import codecs
import re

from mosaic.records import NamedTuple

HUNK_HEAD = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@.*")
FILE_HEAD = "diff --git "
NOWHERE = "/dev/null"
_SAYS_NOTHING = ("index ", "similarity ", "dissimilarity ", "--- ", "+++ ", "rename to ")


class DiffLine(NamedTuple):
    """A line of a diff."""

    kind: str
    """`added`, `removed`, `same`, `hunk` (where a part begins) or `note` (about the file)."""
    text: str
    """Without the sign before it."""
    old: int | None = None
    """Its number before the change."""
    new: int | None = None


class FileDiff(NamedTuple):
    """What a diff says of one file."""

    path: str
    """From the top of the work tree on; of one that was removed, where it was."""
    lines: tuple[DiffLine, ...]
    is_removed: bool = False

    @property
    def added(self) -> int:
        """How many lines were added."""
        return sum(line.kind == "added" for line in self.lines)

    @property
    def removed(self) -> int:
        """How many lines were removed."""
        return sum(line.kind == "removed" for line in self.lines)

    def place(self, line: DiffLine) -> str:
        """Return `path:line` as a remark names a line; empty where none can be made on it.

        A removed line has one only where its whole file was removed: elsewhere its number names
        another line of the file as it is now.
        """
        number = line.old if self.is_removed else line.new
        return f"{self.path}:{number}" if number else ""


class _File:
    """A file of a diff while it is read."""

    def __init__(self, head: str) -> None:
        self.lines: list[DiffLine] = []
        self.old = self.new = _name_in_head(head)
        self.left_old = self.left_new = 0
        self.at_old = self.at_new = 0

    @property
    def is_inside(self) -> bool:
        """Whether lines of the file itself follow, which may look like anything."""
        return self.left_old > 0 or self.left_new > 0

    def take(self, line: str) -> None:
        if self.is_inside:
            self._take_content(line[:1], line[1:])
        elif head := HUNK_HEAD.fullmatch(line):
            self.at_old, self.at_new = int(head[1]), int(head[3])
            self.left_old, self.left_new = int(head[2] or 1), int(head[4] or 1)
            self.lines.append(DiffLine("hunk", line))
        else:
            self._take_fact(line)

    def _take_content(self, sign: str, text: str) -> None:
        if sign == "\\":
            self.lines.append(DiffLine("note", text.strip()))
            return
        is_old, is_new = sign != "+", sign != "-"
        kind = "same" if is_old and is_new else "removed" if is_old else "added"
        old, new = self.at_old if is_old else None, self.at_new if is_new else None
        self.lines.append(DiffLine(kind, text, old, new))
        self.at_old, self.left_old = self.at_old + is_old, self.left_old - is_old
        self.at_new, self.left_new = self.at_new + is_new, self.left_new - is_new

    def _take_fact(self, line: str) -> None:
        if line.startswith("--- "):
            self.old = _path(line[4:])
        elif line.startswith("+++ "):
            self.new = _path(line[4:])
        elif line.startswith("rename from "):
            self.old = _unquoted(line.removeprefix("rename from "))
        elif line.startswith("rename to "):
            self.new = _unquoted(line.removeprefix("rename to "))
        elif line.startswith("deleted file"):
            self.new = NOWHERE
        if line.strip() and not line.startswith(_SAYS_NOTHING):
            self.lines.append(DiffLine("note", line.removeprefix("\\ ")))

    def finished(self) -> FileDiff:
        is_removed = self.new == NOWHERE
        return FileDiff(self.old if is_removed else self.new, tuple(self.lines), is_removed)


def parse_patch(text: str) -> tuple[FileDiff, ...]:
    """Return the files of a diff, in its order."""
    files: list[_File] = []
    for line in text.split("\n"):
        if line.startswith(FILE_HEAD) and not (files and files[-1].is_inside):
            files.append(_File(line))
        elif files:
            files[-1].take(line)
    return tuple(file.finished() for file in files)


def _name_in_head(line: str) -> str:
    """Return the path in the head of a file, where both sides have one name."""
    names = line.removeprefix(FILE_HEAD)
    return _path(names[len(names) // 2 + 1 :])


def _path(name: str) -> str:
    """Return a path without the sign of its side."""
    path = _unquoted(name.removesuffix("\t"))
    return path if path == NOWHERE else path.partition("/")[2]


def _unquoted(name: str) -> str:
    """Return a path that git may have put in quotes, its bytes as C writes them."""
    if len(name) < len('""') or not (name[0] == name[-1] == '"'):
        return name
    try:
        raw, _ = codecs.escape_decode(name[1:-1].encode())
    except ValueError:
        return name
    return bytes(raw).decode("utf-8", "replace")
