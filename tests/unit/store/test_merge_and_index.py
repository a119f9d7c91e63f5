"""Table and file as one record, and the cache that spares reading them again."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.errors import FrontMatterError
from mosaic.machine.signature import Signature, pack_statuses
from mosaic.model import Status, Task
from mosaic.store.index import (
    SETTLED_NS,
    Index,
    dump_index,
    find_tasks,
    pack_signature,
    parse_index,
)
from mosaic.store.parsed import FileRecord, LeftOut, ids_in_cell, parse_task_file, plain_id
from mosaic.store.sync import Side, dump_base, merge_sides, parse_base


def outcome(table: str | None, file: str | None, base: str | None) -> tuple[str, str]:
    """Return the merged title and whether it was agreed, carried or conflicting."""
    row = {} if table is None else {"title": table}
    known = {} if base is None else {"title": base}
    merge = merge_sides(row, {"title": file or ""}, known)
    if merge.conflicts:
        return str(merge.values["title"]), "conflict"
    carried = [carry.to.value for carry in merge.carries]
    return str(merge.values["title"]), carried[0] if carried else "agreed"


@pytest.mark.parametrize(
    ("table", "file", "base", "expected"),
    [
        ("a", "a", "a", ("a", "agreed")),
        ("b", "b", "a", ("b", "agreed")),
        ("b", "a", "a", ("b", "file")),
        ("a", "b", "a", ("b", "table")),
        ("b", "c", "a", ("c", "conflict")),
        ("a", "b", None, ("b", "conflict")),
        ("a", "a", None, ("a", "agreed")),
        ("", "b", None, ("b", "table")),
        ("a", "", None, ("a", "file")),
        ("", "a", "a", ("", "file")),
        ("a", "", "a", ("", "table")),
        (None, "b", "a", ("b", "agreed")),
    ],
)
def test_a_field_changed_on_one_side_is_carried(
    table: str | None, file: str | None, base: str | None, expected: tuple[str, str]
) -> None:
    assert outcome(table, file, base) == expected


def test_preferring_a_side_settles_a_conflict() -> None:
    merge = merge_sides({"title": "t"}, {"title": "f"}, {}, prefer=Side.TABLE)
    assert merge.values["title"] == "t"
    assert not merge.conflicts


def test_the_base_is_read_back_and_garbage_means_nothing_is_known() -> None:
    base: dict[str, dict[str, str | tuple[str, ...]]] = {
        "T-1": {"title": "ü", "depends_on": ("T-0",)}
    }
    assert parse_base(dump_base(base)) == base
    for garbage in (b"", b"[]", b'{"version": 9}', b"\xff", b'{"version": 1, "tasks": 3}'):
        assert parse_base(garbage) == {}


def make_signature(**changes: int) -> Signature:
    given = {"size": 1, "mtime_ns": 2, "ctime_ns": 3, "inode": 4, "device": 5, **changes}
    return Signature(**given)


RECORD = FileRecord(
    name="T-1.md", id="T-1", texts={"title": "x"}, lists={"labels": ("a",)},
    extra={"own": [1, {"a": None}]}, lines={"title": 2}, missing_sections=("risks",),
)  # fmt: skip


def test_the_index_is_read_back() -> None:
    index = Index()
    index.keep_file(RECORD, make_signature(), now_ns=10 * SETTLED_NS)
    again = parse_index(dump_index(index))
    assert again.file("T-1.md", pack_signature(make_signature())) == RECORD


@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns", "inode", "device"])
def test_any_other_signature_means_reading_again(field: str) -> None:
    index = Index()
    index.keep_file(RECORD, make_signature(), now_ns=10 * SETTLED_NS)
    assert index.file("T-1.md", pack_signature(make_signature(**{field: 99}))) is None


@pytest.mark.parametrize("now_ns", [3, SETTLED_NS, 0])
def test_a_file_changed_just_now_is_not_kept(now_ns: int) -> None:
    index = Index()
    index.keep_file(RECORD, make_signature(), now_ns=now_ns)
    assert index.file("T-1.md", pack_signature(make_signature())) is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"version": 1}', b"\x00" * 99, b'{"a"'])
def test_a_garbage_index_is_empty(data: bytes) -> None:
    assert parse_index(data).files == {}


def test_a_name_that_is_no_utf8_is_kept_in_the_index() -> None:
    index, name = Index(), os.fsdecode(b"caf\xe9.md")
    index.keep_file(replace(RECORD, name=name), make_signature(), now_ns=10 * SETTLED_NS)
    assert parse_index(dump_index(index)).file(name, pack_signature(make_signature())) is not None


def test_an_index_with_one_wrong_byte_is_empty() -> None:
    index = Index()
    index.keep_file(RECORD, make_signature(), now_ns=10 * SETTLED_NS)
    data = dump_index(index)
    for place in range(len(data)):
        damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert parse_index(damaged).files == {}


WORDS = st.text('ab,\x7f\ud800é \n"', min_size=1, max_size=3)
TUPLES = st.lists(WORDS | st.just(""), max_size=3).map(tuple)
TASKS = st.lists(
    st.builds(
        Task,
        id=WORDS,
        title=WORDS,
        status=st.sampled_from(Status),
        milestone=st.none() | WORDS | st.just(""),
        depends_on=TUPLES,
        labels=TUPLES,
        file_line=st.none() | st.integers(0, 9),
        extra=st.sampled_from(({}, {"a": [1, None]})),
    ),
    max_size=5,
)


@given(TASKS, st.booleans())
def test_tasks_come_back_from_the_index_as_they_were(given_tasks: list[Task], agreed: bool) -> None:
    tasks = tuple(task._replace(position=number) for number, task in enumerate(given_tasks))
    left = (LeftOut(7, "has no id"),)
    data = dump_index(Index(), stamp=b"now", tasks=tasks, agreed=agreed, left_out=left)
    assert find_tasks(data) == (tasks, agreed, b"now", left)
    assert find_tasks(dump_index(Index(), tasks=tasks)) is None


def test_an_edit_with_the_old_size_and_time_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "T-1.md"
    path.write_text("a" * 10)
    before = os.stat(path)
    index = Index()
    index.keep_file(RECORD, Signature.of(before), now_ns=before.st_ctime_ns + 2 * SETTLED_NS)
    path.write_text("b" * 10)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = os.stat(path)
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert index.file("T-1.md", pack_statuses([after])) is None


def test_ids_in_cells_may_be_dressed_up() -> None:
    assert plain_id("[T-1](tasks/T-1.md)") == "T-1"
    assert plain_id("**`T-1`**") == "T-1"
    assert ids_in_cell("T-1, [T-2](x) ; T-3 T-4") == ("T-1", "T-2", "T-3", "T-4")
    assert ids_in_cell("—") == ()


@pytest.mark.parametrize(
    ("cell", "ids"),
    [
        ("T-1;T-2 , T-3", ("T-1", "T-2", "T-3")),
        ("[T-1 the first](a.md) T-2", ("T-1 the first", "T-2")),
        ("T-1 x] T-2", ("T-1 x]", "T-2")),
        ("T-1 [x T-2", ("T-1", "[x", "T-2")),
        ("T-1" + " " * 100_000 + "x]", ("T-1" + " " * 100_000 + "x]",)),
    ],
)
def test_ids_in_cells_are_parted_outside_of_links(cell: str, ids: tuple[str, ...]) -> None:
    assert ids_in_cell(cell) == ids


@pytest.mark.parametrize(
    "written",
    [
        "T-001, #T-3; T-4", "T-001 T-3 T-4", "'[[T-001]], [[T-3|the third]] and [[tasks/T-4.md]]'",
        "[T-001, '#T-3', '[[T-4]]']", "[[T-001], T-3, [T-4]]", "[none, T-001, —, T-3, T-4]",
        "\n  - [[T-001]]\n  - T-3, T-4",
    ],
)  # fmt: skip
def test_a_file_lists_ids_as_the_table_does(written: str) -> None:
    text = f"---\nid: T-9\ntitle: x\nstatus: todo\ndepends_on: {written}\n---\n"
    assert parse_task_file("x.md", text).lists == {"depends_on": ("T-001", "T-3", "T-4")}
    if written[0] not in "[\n":
        assert ids_in_cell(written.strip("'")) == ("T-001", "T-3", "T-4")


@pytest.mark.parametrize("nothing", ["none", "—", "[]", "n/a", "[none]", "~"])
def test_a_file_lists_no_ids_as_the_table_does(nothing: str) -> None:
    text = f"---\nid: T-9\ntitle: x\nstatus: todo\ndepends_on: {nothing}\n---\n"
    assert parse_task_file("x.md", text).lists == {}


def test_a_list_where_one_value_is_expected_is_shown_joined() -> None:
    fields = "assignee: [ann, bob]\nmilestone: [M1]\npr: []\nrepo: {a: [1]}\n"
    record = parse_task_file("x.md", f"---\nid: T-9\ntitle: x\nstatus: todo\n{fields}---\n")
    assert {name: record.texts.get(name) for name in ("assignee", "milestone", "pr", "repo")} == {
        "assignee": "ann, bob", "milestone": "M1", "pr": None, "repo": '{"a": [1]}',
    }  # fmt: skip


@pytest.mark.parametrize(
    ("front", "line", "words"),
    [
        ("- date: a: b", 5, 'write `- date: "a: b"`'),
        ("x:\n  - - date: a: b", 6, 'write `- - date: "a: b"`'),
        ("a: x\n\xa0b:\xa0y", 6, "U+00A0"),
        ("a: x\u2028y\nb: 'open", 6, "never closed"),
        ("title: null", 5, "is empty"),
        ("title:", 5, "is empty"),
    ],
)
def test_the_line_and_the_cause_are_the_right_ones(front: str, line: int, words: str) -> None:
    with pytest.raises(FrontMatterError) as caught:
        parse_task_file("x.md", f"---\nid: T-9\nz: 1\nstatus: todo\n{front}\n---\n")
    told = f"{caught.value.message} {caught.value.detail} {caught.value.hint}"
    assert words in told
    assert caught.value.line == line


def test_values_that_yaml_would_turn_into_something_else_stay_as_written() -> None:
    record = parse_task_file(
        "x.md", "---\ntask_id: 007\ntitle: 1e3\nstatus: on\npr: 0x1F\nupdated_at: 2026-01-02\n---\n"
    )
    assert record.id == "007"
    assert record.texts == {
        "title": "1e3", "status": "on", "pr": "0x1F", "updated_at": "2026-01-02",
    }  # fmt: skip
    assert json.dumps(record.extra) == "{}"
