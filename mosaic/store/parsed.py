"""One task file, one table row, as read: raw values with the lines they stand on.

Values here are what a file says, before table and file are taken together. They are plain
enough to be kept in the index as JSON.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.errors import EditRefusedError, FrontMatterError
from mosaic.records import NamedTuple, dataclass
from mosaic.text.fields import FIELD_BY_NAME, ID_KEYS, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.model import JsonValue
    from mosaic.text.frontmatter import FrontMatter

LONGEST_NOTE = 500
NUMBERED = re.compile(r"#?(?=[^\d]*+\d)[\w.-]++")
NEEDED = ("title", "status")
EMPTY_SIGNS = frozenset({"", "-", "–", "—"})
EMPTY_CELLS = EMPTY_SIGNS | {"none", "n/a"}
NO_IDS = EMPTY_SIGNS | {"none", "n/a", "nothing", "and", "&", "+"}
"""What stands in a list of ids and is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRecord:
    """One task file's front matter."""

    name: str
    """File name inside the tasks folder."""
    id: str
    texts: Mapping[str, str]
    """Known one-line fields that hold something."""
    lists: Mapping[str, tuple[str, ...]]
    """Known list fields that hold something."""
    extra: Mapping[str, JsonValue]
    """Unknown keys, as they stand."""
    lines: Mapping[str, int]
    missing_sections: tuple[str, ...]
    """Handoff sections that say nothing yet."""
    last_note: str = ""
    """The last line of its notes."""
    criteria: tuple[int, int] = (0, 0)
    """How many of its acceptance criteria are ticked, and how many there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowRecord:
    """One row of a table of tasks: canonical column names to cell texts."""

    id: str
    line: int
    cells: Mapping[str, str]
    table: int = 0
    """The line that its table begins on; 0 where it is in none."""
    headings: tuple[str, ...] = ()
    """What it stands under, the nearest first, where its table has no milestones."""
    why: str = ""
    """Why it is not a task, though it looks like one; empty where it is a task."""


class LeftOut(NamedTuple):
    """A line of the table's file that looks like a task and is none."""

    line: int
    why: str
    id: str = ""
    """The id that it seems to have: no other task gets it."""


def parse_task_file(name: str, text: str) -> FileRecord:
    """Read one task file, or raise FrontMatterError: a task has an id, a title and a status."""
    # Start-up: the YAML and markdown parsers are loaded only for files not in the index.
    from mosaic.text.criteria import acceptance_criteria, count_criteria
    from mosaic.text.frontmatter import parse_front_matter
    from mosaic.text.sections import find_sections, handoff_of

    matter = parse_front_matter(text)
    if matter is None:
        raise FrontMatterError(
            f"`{name}` has no front matter",
            line=1,
            hint="begin it with `---`, `task_id:`, `title:`, `status:`, `---`",
        )
    id_key = next((key for key in ID_KEYS if matter.text(key)), None)
    if id_key is None:
        raise FrontMatterError(f"`{name}` has no `task_id`", line=1, hint="add `task_id:`")
    texts, lists, extra = _sorted_values(name, matter, text[: matter.body_start])
    for needed in NEEDED:
        if needed not in texts:
            is_there = needed in matter.data
            raise FrontMatterError(
                f"`{needed}` of `{name}` is empty" if is_there else f"`{name}` has no `{needed}`",
                line=matter.lines.get(needed, matter.lines[id_key]),
                hint=f"write it behind `{needed}:`" if is_there else f"add `{needed}:`",
            )
    body = text[matter.body_start :]
    sections = find_sections(body)
    said = handoff_of(sections)
    return FileRecord(
        name=name,
        id=matter.text(id_key) or "",
        texts=texts,
        lists=lists,
        extra=extra,
        lines={("task_id" if key == id_key else key): line for key, line in matter.lines.items()},
        missing_sections=tuple(section for section, content in said.items() if not content),
        last_note=last_line(said["notes"]),
        criteria=count_criteria(acceptance_criteria(body, sections)),
    )


def _sorted_values(
    name: str, matter: FrontMatter, written: str
) -> tuple[dict[str, str], dict[str, tuple[str, ...]], dict[str, JsonValue]]:
    texts: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    extra: dict[str, JsonValue] = {}
    for key, value in matter.data.items():
        field = FIELD_BY_NAME.get(key)
        if key in ID_KEYS:
            continue
        if field is None:
            extra[key] = value
        elif field.kind is Kind.LIST:
            is_ids = key == "depends_on"
            if items := _ids_of(matter, written) if is_ids else matter.strings(key):
                lists[key] = items
        elif isinstance(value, list | dict) and key in NEEDED:
            raise FrontMatterError(
                f"`{key}` of `{name}` is not a single value",
                line=matter.lines[key],
                hint="write text",
            )
        elif (found := matter.joined(key)) is not None:
            texts[key] = found
    return texts, lists, extra


def plain_id(cell: str) -> str:
    """Return the id in a cell that may dress it up as a link, code, bold text or a number."""
    text = cell.strip().strip("`*_~ ")
    if not text.startswith("["):
        return text.removeprefix("#").strip()
    if wiki := re.fullmatch(r"\[\[([^\]|]*)(?:\|[^\]]*)?\]\]", text):
        text = wiki[1].rpartition("/")[2].removesuffix(".md")
    elif link := re.fullmatch(r"\[([^\]]*)\]\([^)]*\)", text):
        text = link[1]
    return text.strip("`*_~ ").removeprefix("#").strip()


def plain_value(cell: str) -> str:
    """Return a cell's value; a lone dash means empty."""
    text = cell.strip()
    return "" if text.lower() in EMPTY_CELLS else text


def cell_words(field: str, cell: str) -> str:
    """Return the words in a cell; a title may be `none`."""
    return plain_value(cell) if field != "title" or cell.strip() in EMPTY_SIGNS else cell.strip()


def last_line(notes: str) -> str:
    """Return the last line of notes that says anything, without its bullet."""
    lines = (line.strip(" -*\t\r") for line in reversed(notes.split("\n")))
    return next((line[:LONGEST_NOTE] for line in lines if line), "")


def ids_in_cell(cell: str) -> tuple[str, ...]:
    """Return the ids that a text lists, separated by commas, semicolons or blanks."""
    if plain_value(cell) == "":
        return ()
    found = (plain_id(part) for part in _separated(cell.strip()))
    return tuple(dict.fromkeys(each for each in found if each.casefold() not in NO_IDS))


def _ids_of(matter: FrontMatter, written: str) -> tuple[str, ...]:
    """Return the ids of `depends_on` as a cell of the table would have them.

    `#T-1` is one too, though YAML takes it for a comment.
    """
    words = _words_in(matter.data.get("depends_on"))  # unquoted, `[[T-1]]` is a list in a list
    if words is None or "depends_on" in matter.lists:
        words = matter.strings("depends_on")
    if "#" in written:
        first = matter.lines["depends_on"]
        end = min((line for line in matter.lines.values() if line > first), default=None)
        lines = written.split("\n")[first - 1 : end - 1 if end else -1]
        words = [*words, *(ids for line in lines if (ids := _ids_behind_hash(line)))]
    return tuple(dict.fromkeys(each for word in words for each in ids_in_cell(word)))


def _ids_behind_hash(line: str) -> str:
    """Return ids that are numbered with a `#` up to the end of a line; nothing where words are."""
    begun = re.search(r"[\s,;:]#", line)
    words = re.split(r"[\s,;]+", line[begun.start() + 1 :].strip(" \t\r,;")) if begun else []
    is_ids = words and words[0] != "#" and all(NUMBERED.fullmatch(w) for w in words)
    return ", ".join(words) if is_ids else ""


def refuse_hidden_ids(name: str, text: str, wanted: str | Sequence[str]) -> None:
    """Make sure that a file lists the ids that it was set to, and none behind a `#` beside them."""
    record = parse_task_file(name, text)
    if record.lists.get("depends_on", ()) != tuple(wanted):
        raise EditRefusedError(
            "`depends_on` has ids behind a `#`, which YAML takes for a comment",
            line=record.lines.get("depends_on"),
            hint="write them without the `#`, then set it again",
        )


def _words_in(value: JsonValue) -> Sequence[str] | None:
    """Return the words of a list, lists in it among them; None where it holds anything else."""
    if not isinstance(value, list):
        return None
    parts = [_words_in(item) if isinstance(item, list) else item for item in value]
    if not all(isinstance(part, str | int | list) for part in parts):
        return None
    return [word for part in parts for word in (part if isinstance(part, list) else [str(part)])]


def _separated(cell: str) -> list[str]:
    """Part a cell at commas and semicolons, and at blanks that stand in no link's words."""
    parts, end, is_in_link = [], len(cell), False
    for found in reversed(list(re.finditer(r"[,;]\s*+|\s++|[\[\]]", cell))):
        if found[0] in "[]":
            is_in_link = found[0] == "]"
        elif found[0][0] in ",;" or not is_in_link:
            parts.append(cell[found.end() : end])
            end = found.start()
    return [cell[:end], *reversed(parts)]
