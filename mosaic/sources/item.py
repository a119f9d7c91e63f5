"""What all sources have in common: one task of theirs, the place they stand in, their faults.

A fault names the file and line of what could not be read; everything else goes on.
"""

from __future__ import annotations

import json
import os
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from mosaic.codec import parse_json
from mosaic.errors import BrokenFileError, MissionError
from mosaic.machine.disk import read_text
from mosaic.plan.statuses import parse_status
from mosaic.records import NamedTuple, dataclass, field
from mosaic.text.lines import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mosaic.model import JsonValue, Mission

LARGEST_BYTES = 64 << 20
KEPT = "imported_fields"
"""The section of a task's text that holds what had no place elsewhere."""
MOST_FILES = 20_000


class Fault(NamedTuple):
    """Something in a source that could not be read as it stands."""

    where: str
    """`file:line`."""
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One task as a source has it. Names of other tasks in it are keys."""

    key: str
    """What the source knows it by; never another task's."""
    title: str
    status: str = "todo"
    """A word that Mosaic knows, else the source's own."""
    id: str = ""
    """The id that it would like to have here."""
    milestone: str = ""
    parent: str = ""
    depends_on: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    priority: str = ""
    assignee: str = ""
    write_scope: tuple[str, ...] = ()
    text: str = ""
    """Markdown."""
    result: str = ""
    notes: str = ""
    left: Mapping[str, JsonValue] = field(default_factory=dict)
    """Fields that have no place here, as they are written."""
    where: str = ""
    """`file:line`."""
    is_deleted: bool = False


class Reading(NamedTuple):
    """What a source holds, in plan order."""

    items: tuple[Item, ...]
    faults: tuple[Fault, ...] = ()


class Source(Protocol):
    """What a module of `mosaic.sources` has."""

    def read(self, place: Place) -> Reading:
        """Return all tasks that a place holds (or raise MissionError: none can be read)."""

    def write(self, items: Sequence[Item], name: str) -> Mapping[str, str]:
        """Return the texts of files by their path below the place; an empty one is the place.

        `name` is that of the mission.
        """


class Place:
    """A file or folder of another tool, as a source reads it; or texts that it wrote."""

    def __init__(
        self, path: Path, shown: str, mission: Mission, texts: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self.shown = shown
        self.mission = mission
        self.faults: list[Fault] = []
        self._texts = texts
        self.is_folder = "" not in texts if texts is not None else path.is_dir()

    def text(self) -> str:
        """Return the text of the place, which is a file, with newlines for all line ends."""
        return _lines(_read(self.path, self.shown) if self._texts is None else self._texts[""])

    def json(self) -> Any:
        """Return what the place holds as JSON (or raise BrokenFileError with its line)."""
        return json_of(self.text(), self.shown)

    def shown_file(self, name: str) -> str:
        """Return the path of a file of the place as people read it."""
        return f"{self.shown.rstrip('/')}/{name}" if self.is_folder else self.shown

    def files(self, *patterns: str) -> Iterator[tuple[str, str]]:
        """Yield path and text of the files below the place; what cannot be read is a fault.

        In the order of their numbers. A pattern has `*` for any name in one folder.
        """
        if self._texts is not None:
            yield from self._texts.items()
            return
        top = os.path.realpath(self.path)
        found = {path for pattern in patterns for path in self.path.glob(pattern)}
        for count, path in enumerate(sorted(found, key=natural)):
            name = path.relative_to(self.path).as_posix()
            if count >= MOST_FILES:
                self.fault(name, f"there are more than {MOST_FILES} files; the rest is not read")
                return
            if not os.path.realpath(path).startswith(top + os.sep):
                self.fault(name, "is a link that leads out of the folder; it is not read")
                continue
            if path.is_dir():
                continue
            try:
                yield name, _lines(_read(path, self.shown_file(name)))
            except MissionError as error:
                self.fault(name, error.message, error.line)

    def fault(self, name: str, what: str, line: int | None = None) -> None:
        """Note what of a file could not be read."""
        self.faults.append(Fault(f"{self.shown_file(name)}:{line or 1}", what))

    def reading(self, items: Sequence[Item]) -> Reading:
        """Return items with the faults; of several of one key the first stays."""
        kept: dict[str, Item] = {}
        for item in items:
            if item.key in kept:
                what = f"`{item.key}` is there already, at {kept[item.key].where}; not read"
                self.faults.append(Fault(item.where, what))
            kept.setdefault(item.key, item)
        return Reading(tuple(kept.values()), tuple(self.faults))


def natural(path: Path | str) -> list[tuple[int, str]]:
    """Return a key that sorts `2.md` before `10.md`."""
    parts = re.split(r"(\d{1,18})", str(path))
    return [(int(part), "") if number % 2 else (0, part) for number, part in enumerate(parts)]


def _read(path: Path, shown: str) -> str:
    try:
        return read_text(path, limit_bytes=LARGEST_BYTES).text
    except MissionError as error:
        error.path = shown
        raise


def _lines(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def json_of(text: str, shown: str, first_line: int = 1) -> Any:
    """Return what a text says as JSON (or raise BrokenFileError with its line)."""
    try:
        return parse_json(text)
    except ValueError as error:
        at = error.pos if isinstance(error, json.JSONDecodeError) else 0
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        line = first_line + line_of(text, at) - 1
        raise BrokenFileError("the file is not JSON", path=shown, line=line, detail=why) from None


class Fields:
    """One record of a source; what nobody asks for is left over."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._rest = {str(key): value for key, value in data.items()}

    def text(self, *names: str) -> str:
        """Take the first of these that holds one value, as text."""
        for name in names:
            value = self._rest.get(name)
            if value not in (None, "") and isinstance(value, str | int | float):
                del self._rest[name]
                return json.dumps(value) if isinstance(value, bool) else str(value)
        return ""

    def words(self, name: str) -> tuple[str, ...]:
        """Take a list of single values, or one."""
        value = self._rest.get(name)
        found = value if isinstance(value, list | tuple) else [] if value in (None, "") else [value]
        if not all(isinstance(each, str | int | float) for each in found):
            return ()
        self._rest.pop(name, None)
        return tuple(dict.fromkeys(text for each in found if (text := str(each).strip())))

    def records(self, name: str) -> list[Mapping[str, Any]]:
        """Take a list of objects."""
        value = self._rest.get(name)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            return []
        del self._rest[name]
        return value

    def status(self, special: Mapping[str, str], name: str = "status") -> str:
        """Take the status; a word that means something near is kept besides."""
        word = self.text(name)
        if near := special.get(word.strip().lower()):
            self._rest[name] = word
            return near
        return word or "todo"

    @property
    def left(self) -> dict[str, JsonValue]:
        """What nobody took and holds something."""
        return {
            key: value for key, value in self._rest.items() if value not in (None, "", [], (), {})
        }


def status_word(
    item: Item, words: Mapping[str, str], special: Mapping[str, str] | None = None
) -> str:
    """Return the word that a source has for an item's status.

    `special` are words of its own that only come near; what an item was imported with goes back.
    """
    kept = item.left.get("status")
    if isinstance(kept, str) and (special or {}).get(kept.strip().lower()) == item.status:
        return kept
    return words.get(item.status, item.status)


def whole_number(text: str) -> int | str:
    """Return a number as one, where it is written as programs write numbers."""
    is_number = re.fullmatch(r"0|[1-9][0-9]{0,14}", text)
    return int(text) if is_number else text


def digest_of(text: str) -> str:
    """Return a short name for a text that is the same as long as the text is."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def unboxed(text: str) -> list[str]:
    """Return the lines of a text that stand below an item of a checklist and are none."""
    bare = re.sub(r"^([ \t]*(?:[-*+]|\d+[.)])) \[.\] ", r"\1 ", text, flags=re.MULTILINE)
    return bare.split("\n")


def is_closed(status: str) -> bool:
    """Tell whether a status word means that nothing is to be done any more."""
    found = parse_status(status)
    return found is not None and found.is_closed


def with_sections(text: str, sections: Mapping[str, str]) -> str:
    """Return a text with a section for each of these that says anything."""
    parts = [
        text.strip(),
        *(f"## {name}\n\n{said.strip()}" for name, said in sections.items() if said.strip()),
    ]
    return "\n\n".join(filter(None, parts))


def without_sections(text: str, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return what `with_sections` was made of."""
    found: dict[str, str] = {}
    for name in reversed(names):
        head, mark, said = f"\n\n{text}".rpartition(f"\n\n## {name}\n\n")
        if mark and not re.search(r"^## ", said, re.MULTILINE):
            text, found[name] = head.strip(), said.strip()
    return text, {name: found.get(name, "") for name in names}


def with_kept(item: Item) -> str:
    """Return an item's text, and behind it what has no place elsewhere."""
    lines = [
        f"- {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in item.left.items()
    ]
    return with_sections(item.text, {KEPT: "\n".join(lines)})


def without_kept(text: str) -> tuple[str, dict[str, JsonValue]]:
    """Return what `with_kept` was made of."""
    rest, found = without_sections(text, [KEPT])
    left: dict[str, JsonValue] = {}
    for line in found[KEPT].split("\n"):
        named = re.fullmatch(r"- (.*?): (.*)", line)
        try:
            left.update({named[1]: parse_json(named[2])} if named else {})
        except ValueError:
            continue  # a person's own words
    return rest, left
