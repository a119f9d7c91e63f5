"""Laws of merging three versions of the mission's files, whatever the versions are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.store.merge_files import Form, merge_file
from mosaic.store.merge_table import merge_table
from mosaic.store.merge_task import merge_task
from mosaic.store.rows import parse_table
from mosaic.text.decisions import read_decisions
from mosaic.text.frontmatter import parse_front_matter
from mosaic.text.merge3 import OURS, THEIRS, Merger, merge_keys, merge_lines, merge_sets
from mosaic.text.merge_json import merge_json

IDS = [f"T-00{number}" for number in range(1, 7)]
WORDS = st.sampled_from(["", "one", "two", "a | b", "naïve ✅", "`code`"])
STATUS = st.sampled_from(["todo", "done", "✅ done", "doing", "dunno"])
COLUMNS = ("status", "title", "depends_on", "own")
ROW = st.fixed_dictionaries(
    {
        "status": STATUS,
        "title": WORDS.filter(bool),
        "depends_on": st.lists(st.sampled_from(IDS), unique=True, max_size=3).map(", ".join),
        "own": WORDS,
    }
)
PLAN = st.dictionaries(st.sampled_from(IDS), ROW, max_size=5)
PROSE = st.lists(st.sampled_from(["Word.\n", "\n", "Other.\n", "- item\n"]), max_size=4).map(
    "".join
)


def table(plan: dict[str, dict[str, str]], below: str = "") -> str:
    lines = ["# Tasks\n", "\n", f"| id | {' | '.join(COLUMNS)} |\n", "|---|---|---|---|---|\n"]
    for task_id, row in plan.items():
        cells = (row[name].replace("|", "\\|") for name in COLUMNS)
        lines.append(f"| {task_id} | {' | '.join(cells)} |\n")
    return "".join([*lines, "\n", below])


def rows(text: str) -> list[tuple[str, dict[str, str]]]:
    return [
        (row.id, {name: row.cells[name].strip() for name in COLUMNS})
        for row in parse_table(text)
        if row.id and not row.why
    ]


TASK = st.fixed_dictionaries(
    {
        "title": WORDS.filter(bool),
        "status": STATUS,
        "labels": st.lists(st.sampled_from(["a", "b", "c d"]), unique=True, max_size=3),
        "own": st.sampled_from([None, "1", "x", {"deep": [1]}, {"deep": [2]}]),
    }
)
ENTRIES = st.lists(st.sampled_from(["no", "yes", "maybe"]), max_size=3, unique=True)


def task(fields: dict[str, Any], entries: list[str] = ()) -> str:  # type: ignore[assignment]
    head = [f"{key}: {json.dumps(value)}\n" for key, value in fields.items() if value is not None]
    said = [
        f"- 2026-01-01 rejected by A ({number}): {each}\n" for number, each in enumerate(entries, 1)
    ]
    return (
        f"---\ntask_id: T-001\n{''.join(head)}---\n\n# T-001\n\n## result\n-\n\n"
        f"## decisions\n\n{''.join(said)}\n## notes\n"
    )


def data(text: str) -> dict[str, Any]:
    matter = parse_front_matter(text)
    assert matter is not None
    return dict(matter.data)


SESSION = st.fixed_dictionaries(
    {"startedAt": st.sampled_from(["1", "2"])}, optional={"endedAt": WORDS, "own": st.none()}
)
SETTINGS = st.dictionaries(
    st.sampled_from(["name", "gates", "own", "runs"]),
    st.recursive(
        st.none() | st.integers(0, 2) | WORDS,
        lambda inner: st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        max_leaves=4,
    )
    | st.lists(WORDS, max_size=2),
    max_size=4,
)


@st.composite
def missions(draw: st.DrawFn) -> str:
    found = draw(st.dictionaries(st.sampled_from(["sess-001", "sess-002-k7"]), SESSION))
    sessions = [{"sessionId": name, **each} for name, each in found.items()]
    indent = draw(st.sampled_from([None, 2]))
    return json.dumps({**draw(SETTINGS), "sessions": sessions}, indent=indent) + "\n"


Merge = Callable[[Merger, "str | None", str, str], str]
FORMS: dict[str, tuple[Merge, Callable[[str], Any], st.SearchStrategy[str]]] = {
    "table": (
        lambda m, b, o, t: merge_table(m, "TASKS.md", b, o, t),
        rows,
        st.builds(table, PLAN),
    ),
    "task": (lambda m, b, o, t: merge_task(m, "T-001.md", b, o, t), data, st.builds(task, TASK)),
    "json": (merge_json, json.loads, missions()),
}


@given(st.sampled_from(sorted(FORMS)), st.data())
@settings(max_examples=150, deadline=None)
def test_what_one_side_alone_did_is_the_result(form: str, draw: st.DataObject) -> None:
    merge, read, texts = FORMS[form]
    base, side = draw.draw(texts), draw.draw(texts)
    for versions in ((base, side, side), (base, base, side), (base, side, base)):
        merger = Merger()
        assert read(merge(merger, *versions)) == read(side)
        assert not merger.open


@given(st.sampled_from(sorted(FORMS)), st.data())
@settings(max_examples=200, deadline=None)
def test_swapped_sides_disagree_about_the_same(form: str, draw: st.DataObject) -> None:
    merge, _, texts = FORMS[form]
    base = draw.draw(st.none() | texts)
    ours, theirs = draw.draw(texts), draw.draw(texts)
    one, other = Merger(), Merger()
    merge(one, base, ours, theirs)
    merge(other, base, theirs, ours)
    swapped = {(each.name, each.base, each.theirs, each.ours) for each in other.open}
    assert {tuple(each) for each in one.open} == swapped


@given(st.sampled_from(sorted(FORMS)), st.data())
@settings(max_examples=100, deadline=None)
def test_answers_settle_everything(form: str, draw: st.DataObject) -> None:
    merge, _, texts = FORMS[form]
    base, ours, theirs = (draw.draw(texts) for _ in range(3))
    first = Merger()
    merge(first, base, ours, theirs)
    answers = {each.name: draw.draw(st.sampled_from([OURS, THEIRS])) for each in first.open}
    second = Merger(answers)
    merge(second, base, ours, theirs)
    assert not second.open


@given(PLAN, PLAN, PLAN, PROSE, PROSE)
@settings(max_examples=200, deadline=None)
def test_no_row_is_lost_and_every_cell_comes_from_a_side(
    base: dict[str, dict[str, str]],
    ours: dict[str, dict[str, str]],
    theirs: dict[str, dict[str, str]],
    below: str,
    below_theirs: str,
) -> None:
    merger = Merger()
    texts = (table(base, below), table(ours, below), table(theirs, below_theirs))
    found = rows(merge_table(merger, "TASKS.md", *texts))
    ids = [task_id for task_id, _ in found]
    sides = [dict(rows(text)) for text in texts]
    for task_id in {*ours, *theirs}:
        removed = task_id in base and (task_id not in ours or task_id not in theirs)
        is_open = any(each.name == f"{task_id}.row" for each in merger.open)
        assert removed or is_open or task_id in ids
    for task_id, cells in found:
        for column, cell in cells.items():
            known = [side[task_id][column] for side in sides if task_id in side]
            if column != "depends_on":
                assert cell in known
            words = {word for each in known for word in each.split(", ")}
            assert column != "depends_on" or set(filter(None, cell.split(", "))) <= words


@given(TASK, TASK, TASK, ENTRIES, ENTRIES)
@settings(max_examples=100, deadline=None)
def test_no_field_and_no_decision_is_lost(
    base: dict[str, Any],
    ours: dict[str, Any],
    theirs: dict[str, Any],
    said: list[str],
    said_theirs: list[str],
) -> None:
    merger = Merger()
    versions = (task(base), task(ours, said), task(theirs, said_theirs))
    merged = merge_task(merger, "T-001.md", *versions)
    sides = [data(text) for text in versions]
    for key, value in data(merged).items():
        if key != "labels":
            assert value in [side[key] for side in sides if key in side]
        else:
            assert set(value) <= {each for side in sides for each in side.get(key, ())}
    for key in {*sides[1], *sides[2]}:
        removed = key in sides[0] and (key not in sides[1] or key not in sides[2])
        assert removed or key in data(merged)
    entries = read_decisions(merged)
    assert {each.text for each in entries} == {*said, *said_theirs}
    assert len({each.number for each in entries}) == len(entries)


@given(missions(), missions(), missions())
@settings(max_examples=150, deadline=None)
def test_sessions_are_united(base: str, ours: str, theirs: str) -> None:
    merged = json.loads(merge_json(Merger(), base, ours, theirs))

    def known(text: str) -> set[tuple[str, str]]:
        return {(each["sessionId"], each["startedAt"]) for each in json.loads(text)["sessions"]}

    found = [(each["sessionId"], each["startedAt"]) for each in merged["sessions"]]
    assert len(found) == len(set(found))
    added = (known(ours) | known(theirs)) - known(base)
    assert added | (known(ours) & known(theirs)) <= set(found)
    for key in {*json.loads(ours), *json.loads(theirs)} & {"own", "name"}:
        removed = key in json.loads(base) and not all(key in json.loads(t) for t in (ours, theirs))
        assert removed or key in merged


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n"]), max_size=6)


@given(LINES, LINES, LINES)
@settings(deadline=None)
def test_every_line_comes_from_a_side_and_united_text_loses_none(
    base: list[str], ours: list[str], theirs: list[str]
) -> None:
    merged = merge_lines(Merger(), base, ours, theirs, name=lambda _: None)
    assert set(merged) <= {*base, *ours, *theirs}
    words = {line for line in (*ours, *theirs) if line.strip() and line not in base}
    assert words <= set(merged)


KEYS = st.lists(st.sampled_from("abcdef"), unique=True)


@given(KEYS, KEYS, KEYS)
@settings(deadline=None)
def test_an_order_has_each_key_once(base: list[str], ours: list[str], theirs: list[str]) -> None:
    merged = merge_keys(base, ours, theirs, set())
    wanted = {k for k in {*ours, *theirs} if k not in base or (k in ours and k in theirs)}
    assert sorted(merged) == sorted(wanted)
    assert merge_sets(base, base, theirs) == tuple(theirs)
    assert merge_sets(base, ours, base) == tuple(ours)
    assert set(merge_sets(base, ours, theirs)) == set(merge_sets(base, theirs, ours))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_version_that_cannot_be_read_is_decided_as_a_whole(draw: st.DataObject) -> None:
    base, ours = draw.draw(missions()), draw.draw(missions())
    broken = "{,\n"
    merger = Merger()
    merged = merge_file(merger, Form.JSON, "mission.json", [base, ours, broken])
    assert merged == (broken if ours == base else ours)
    assert [each.name for each in merger.open] == ([] if ours == base else ["mission.json"])
    assert merge_file(Merger(), Form.JSON, "mission.json", [base, None, base]) is None
