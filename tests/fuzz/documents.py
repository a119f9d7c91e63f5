"""Fuzz targets for what people edit: markdown, front matter, JSON, templates, words."""

from __future__ import annotations

import os
import re
from math import isfinite
from typing import Any

from mosaic.errors import MissionError
from mosaic.machine.disk import read_text
from mosaic.plan.durations import format_duration, parse_duration
from mosaic.plan.globs import bad_glob, outside_scope
from mosaic.plan.session_ids import next_session_id
from mosaic.plan.sizes import format_size, parse_size
from mosaic.prompts.prompt import LONGEST_OUTPUT, render_template
from mosaic.store.mission_file import load_mission, with_session
from mosaic.store.parsed import ids_in_cell, parse_task_file
from mosaic.store.rows import parse_table
from mosaic.text.frontmatter import find_block, parse_front_matter
from mosaic.text.grid import find_tasks_table
from mosaic.text.sections import section_text, set_section
from mosaic.text.set_frontmatter import set_front_matter
from mosaic.text.strict_json import parse_json_document
from mosaic.text.table import append_row, set_cell
from tests.fuzz.scratch import SESSION, scratch
from tests.support.overlap import scopes_overlap

DISCARDED = "[draft]"
TEMPLATE_VALUES: dict[str, Any] = {
    "task": {"id": "T-1", "title": "One `task`", "labels": ["a", "b"], "notes": {"x": 1}},
    "items": [{"name": "a", "n": 1}, {"name": "b", "n": 2}],
    "text": "words\nand more\n",
    "number": 3,
    "nothing": None,
}


def front_matter(data: bytes) -> None:
    """Setting a key changes that key, and not one byte of the body."""
    text = data.decode("utf-8", "replace")
    try:
        parse_front_matter(text)
        edited = set_front_matter(text, "status", "done")
    except MissionError:
        return
    before, after = find_block(text), find_block(edited)
    assert after is not None
    assert edited[after.body_start :] == text[before.body_start if before else 0 :]
    assert set_front_matter(edited, "status", "done") == edited


def task_file(data: bytes) -> None:
    """A task file is read or refused."""
    try:
        record = parse_task_file("T-001-a.md", data.decode("utf-8", "replace"))
    except MissionError:
        return
    assert record.id
    assert all(isinstance(value, str) for value in record.texts.values())


def table(data: bytes) -> None:
    """A cell that is set and a row that is added change their own lines only."""
    text = data.decode("utf-8", "replace")
    try:
        parse_table(text)
        found = find_tasks_table(text)
    except MissionError:
        return
    if found is None:
        return
    status = found.columns.index("status")
    for number, row in enumerate(list(found.rows)[:3]):
        ids_in_cell(row.get(0))
        try:
            edited = set_cell(text, found, row, "status", DISCARDED)
        except MissionError:
            continue
        assert edited.startswith(text[: row.start])
        assert edited.endswith(text[row.end :])
        again = find_tasks_table(edited)
        assert again is not None
        assert again.rows[number].get(status) == DISCARDED
    try:
        longer = append_row(text, found, {"id": "T-999", "status": "a | b"})
    except MissionError:
        return
    assert longer.startswith(text[: found.end])
    assert longer.endswith(text[found.end :])
    again = find_tasks_table(longer)
    assert again is not None
    assert again.rows[-1].get(status) == "a | b"


def sections(data: bytes) -> None:
    """A section that was set reads back as what was set, and the others as they were."""
    text = data.decode("utf-8", "replace")
    try:
        edited = set_section(text, "notes", "one line")
        others = {name: section_text(text, name) for name in ("risks", "summary")}
    except MissionError:
        return
    assert (section_text(edited, "notes") or "").strip() == "one line"
    assert {name: section_text(edited, name) for name in others} == others


def json_document(data: bytes) -> None:
    """Any text is read as an object, or refused."""
    try:
        parse_json_document(data.decode("utf-8", "replace"))
    except MissionError:
        return


def mission_file(data: bytes) -> None:
    """A mission.json that can be read can be given a session, and is read again."""
    path = scratch() / "mission.json"
    path.write_bytes(data)
    try:
        document = load_mission(path)
        for place in (
            document.layout.tasks_file,
            document.layout.tasks_dir,
            document.layout.project,
        ):
            os.path.lexists(place)
        edited = with_session(read_text(path).text, SESSION)
    except MissionError:
        return
    path.write_text(edited, encoding="utf-8", newline="")
    again = load_mission(path).mission
    known = [session.id for session in again.sessions]
    assert SESSION.id in known
    assert next_session_id(known, b"\0\1\2\3") not in known


def template(data: bytes) -> None:
    """A template is rendered within its bounds, or refused."""
    try:
        text = render_template(data.decode("utf-8", "replace"), TEMPLATE_VALUES, name="a.md")
    except MissionError:
        return
    assert len(text) <= LONGEST_OUTPUT


def scopes(data: bytes) -> None:
    """Two write scopes that allow one path are known to meet."""
    lines = data.decode("utf-8", "replace").splitlines()
    path = lines.pop() if lines else "a"
    half = len(lines) // 2
    first, second = (
        [glob for glob in part if bad_glob(glob) is None] for part in (lines[:half], lines[half:])
    )
    allowed = [not outside_scope([path], globs) for globs in (first, second)]
    meet = scopes_overlap(first, second)
    assert meet == scopes_overlap(second, first)
    if first and second and all(allowed) and is_plain_path(path):
        assert meet


def is_plain_path(path: str) -> bool:
    """Tell whether a text is a path as git lists one."""
    return re.fullmatch(r"[^/\\]+(?:/[^/\\]+)*", path) is not None and ".." not in path


def words(data: bytes) -> None:
    """A length of time and a size are finite numbers, or refused."""
    text = data.decode("utf-8", "replace")
    for parse, show in ((parse_duration, format_duration), (parse_size, format_size)):
        try:
            amount = parse(text)
        except MissionError:
            continue
        assert isfinite(amount)
        assert amount >= 0
        assert show(amount)
