"""Edits by hand, as editors make them: no lock is taken, and nobody is asked.

Each file that an editor has its hand on holds a line of its own, `hand: 17`. An edit counts
it up, and the next look must find the number that was written last: an older one means that
somebody wrote over an edit that he had not read.

Two ways to save are played. A new file is renamed over the old one: here the two are
exchanged instead, which looks the same to everybody else and leaves the old one to look at,
so that it is known when the editor itself wrote over a change that it had not read. Or the
file is cut to nothing and filled again in place: when it was replaced at that moment, the
edit went into a file that is gone, which no other program could prevent, and either number
may stand there.
"""

from __future__ import annotations

import ctypes
import os
import random
import re
from collections import Counter
from pathlib import Path

SLOT = re.compile(rb"^hand: (\d+)$", re.MULTILINE)
ROW = re.compile(rb"^\| (\S+) \|.*$", re.MULTILINE)
TABLE = Path("coordination/TASKS.md")
TASKS = Path("coordination/tasks")
AT_FDCWD = -100
RENAME_EXCHANGE = 2
LIBC = ctypes.CDLL(None, use_errno=True)


def exchange(one: Path, other: Path) -> None:
    """Let two files change places at once."""
    names = (AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other))
    if LIBC.renameat2(*names, RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "the files cannot be exchanged")


class Editor:
    """Somebody who edits files that nobody else edits by hand."""

    def __init__(self, slots: dict[str, list[int]], chance: random.Random) -> None:
        self.slots = slots
        self.chance = chance
        self.lost: list[str] = []
        """Edits that somebody wrote over."""
        self.overran: set[str] = set()
        """Tasks whose change this editor wrote over."""
        self.counts: Counter[str] = Counter()

    def edit(self) -> None:
        """Save one more edit."""
        path = self.choose()
        save = self.chance.choice((self.save_by_rename, self.save_by_rename, self.save_in_place))
        save(path)

    def choose(self) -> Path:
        raise NotImplementedError

    def change(self, data: bytes, number: int) -> bytes:
        """Return the text with the editor's line counted up, and perhaps more."""
        return SLOT.sub(b"hand: %d" % number, data, count=1)

    def tasks_between(self, mine: bytes, theirs: bytes, path: Path) -> set[str]:
        """Return the tasks that two texts say different things of."""
        raise NotImplementedError

    def check(self, path: Path, data: bytes) -> int:
        """Look whether the last edit still stands, and return the number that does."""
        found = SLOT.search(data)
        number = int(found[1]) if found else -1
        known = self.slots.setdefault(str(path), [number])
        if number not in known:
            self.lost.append(f"{path}: one of {known} was written, {number} is found")
            self.counts["hand edits lost"] += 1
        self.slots[str(path)] = [number]
        return number

    def save_by_rename(self, path: Path) -> None:
        while True:
            before = path.read_bytes()
            number = self.check(path, before) + 1
            beside = path.with_name(f".{path.name}.by-hand")
            beside.write_bytes(self.change(before, number))
            if path.read_bytes() == before:  # as a careful editor looks before it saves
                break
        exchange(beside, path)
        self.slots[str(path)] = [number]
        self.counts["hand edits by rename"] += 1
        displaced = beside.read_bytes()
        if displaced != before:
            self.overran |= self.tasks_between(before, displaced, path)
            self.counts["hand edits that overran a command"] += 1
        beside.unlink()

    def save_in_place(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR)
        try:
            before = os.read(descriptor, 1 << 24)
            number = self.check(path, before) + 1
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, self.change(before, number), 0)
            stands = os.fstat(descriptor).st_ino == path.stat().st_ino
        finally:
            os.close(descriptor)
        self.slots[str(path)] = [number] if stands else [number - 1, number]
        self.counts["hand edits in place"] += 1
        self.counts["hand edits in place that met a rename"] += not stands


class TableEditor(Editor):
    """Edits the text around the table, and the notes of its rows."""

    def choose(self) -> Path:
        return TABLE

    def change(self, data: bytes, number: int) -> bytes:
        data = super().change(data, number)
        return data if self.chance.random() < 0.5 else self.with_note(data, number)

    def with_note(self, data: bytes, number: int) -> bytes:
        """Return the text with the last cell of the first row, `notes`, set."""
        return re.sub(
            rb"^(\| T-001 \|.*\|)[^|\n]*\|$",
            rb"\1 by hand %d |" % number,
            data,
            count=1,
            flags=re.MULTILINE,
        )

    def tasks_between(self, mine: bytes, theirs: bytes, path: Path) -> set[str]:
        del path
        rows = [{row[1]: row[0] for row in ROW.finditer(data)} for data in (mine, theirs)]
        ids = rows[0].keys() | rows[1].keys()
        return {task.decode() for task in ids if rows[0].get(task) != rows[1].get(task)}


class BodyEditor(Editor):
    """Edits the text of task files, whoever's they are."""

    def choose(self) -> Path:
        return self.chance.choice(sorted(TASKS.glob("T-00*.md")))

    def tasks_between(self, mine: bytes, theirs: bytes, path: Path) -> set[str]:
        del mine, theirs
        return {path.name[:5]}
