from __future__ import annotations

import json

import pytest

from mosaic.errors import EditRefusedError, MissionFileError
from mosaic.text.jsondoc import append_json, parse_json_document, set_json
from mosaic.text.merge3 import Merger
from mosaic.text.merge_json import merge_json

MISSION = """\
{
  "schemaVersion": 1, "name": "名 \\u00e9",
  "status": "active",
  "milestones": [ { "id": "M1", "status": "pending" } ],
  "sessions": [],
  "budget": {},
  "nested": {
    "a": [
      1,
      2
    ]
  }
}
"""


def test_a_value_is_replaced_and_all_else_stays() -> None:
    assert set_json(MISSION, ("status",), "paused") == MISSION.replace('"active"', '"paused"')
    assert set_json(MISSION, ("milestones", 0, "status"), "done") == MISSION.replace(
        '"pending"', '"done"'
    )
    assert set_json(MISSION, ("name",), "新 👍") == MISSION.replace('"名 \\u00e9"', '"新 👍"')


def test_a_list_written_on_one_line_stays_on_one() -> None:
    edited = set_json(MISSION, ("milestones",), [{"id": "M2"}])
    assert '"milestones": [{"id": "M2"}],' in edited
    assert '[ { "id": "M1", "status": "pending" }, {"id": "M2"} ]' in append_json(
        MISSION, ("milestones",), {"id": "M2"}
    )


def test_a_missing_key_is_added_at_the_end_of_its_object() -> None:
    assert set_json(MISSION, ("new",), {"k": [1]}) == MISSION.replace(
        "    ]\n  }\n}",
        '    ]\n  },\n  "new": {\n    "k": [\n      1\n    ]\n  }\n}',
    )
    assert set_json(MISSION, ("budget", "maxCostUsd"), 5) == MISSION.replace(
        '"budget": {}', '"budget": {\n    "maxCostUsd": 5\n  }'
    )


def test_items_are_appended_in_the_indent_of_the_document() -> None:
    once = append_json(MISSION, ("sessions",), {"sessionId": "sess-001"})
    assert '"sessions": [\n    {\n      "sessionId": "sess-001"\n    }\n  ],' in once
    twice = append_json(once, ("sessions",), {"sessionId": "sess-002"})
    assert [s["sessionId"] for s in parse_json_document(twice)["sessions"]] == [
        "sess-001",
        "sess-002",
    ]
    assert append_json(MISSION, ("nested", "a"), 3) == MISSION.replace(
        "2\n    ]", "2,\n      3\n    ]"
    )
    assert parse_json_document(append_json(MISSION, ("made",), 1))["made"] == [1]


@pytest.mark.parametrize("unit", ["    ", "\t", " "])
def test_tabs_and_crlf_are_kept(unit: str) -> None:
    text = f'\ufeff{{\r\n{unit}"a": {{}}\r\n}}'
    edited = set_json(text, ("a", "b"), 1)
    assert edited == f'\ufeff{{\r\n{unit}"a": {{\r\n{unit}{unit}"b": 1\r\n{unit}}}\r\n}}'


def test_a_document_on_one_line_stays_on_one() -> None:
    assert set_json('{"a": 1}', ("b",), {"c": []}) == '{"a": 1, "b": {"c": []}}'
    assert append_json('{"a": []}', ("a",), {"b": 1}) == '{"a": [{"b": 1}]}'
    assert set_json("{}", ("a",), 1) == '{"a": 1}'


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('{"a": 1,\n "a": 2}', 2, "column 2, also at line 1"),
        ('{"m": [{"id": 1,\n"id": 2},\n{"id": 3}]}', 2, "also at line 1"),
        ('{"x": "a\\"a\\": 1",\n"a": 1,\n"\\u0061": 2}', 3, "also at line 2"),
        ('{"a":\n NaN}', 2, "column 2"),
        ('{"a":\n -Infinity}', 2, "column 2"),
        ('{"a": "1e999",\n "b": 1e999}', 2, "column 7"),
        ("[1]", 1, ""),
        ("", 1, ""),
        ('{"a": 1,}', 1, "column"),
        ('{"a": 1} x', 1, "Extra data"),
        ("{'a': 1}", 1, "column 2"),
        ('{"a": "tab\there"}', 1, "control character"),
        ('{"a":\n "\\ud800"}', 2, "column"),
        ('{"a":\n' + "[" * 200 + "]" * 200 + "}", 2, "column"),
    ],
)
def test_what_is_no_strict_json_is_refused_with_its_place(text: str, line: int, said: str) -> None:
    for variant in (text, f"\ufeff{text}"):
        with pytest.raises(MissionFileError) as caught:
            parse_json_document(variant)
        assert caught.value.line == line
        assert said in (caught.value.detail or "")


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 100_000,
        '{"a": ' + "1" * 5000 + "}",
        '{"a": "' + '\\"' * 500_000,
        '"\\"' * 100_000,
        "{" + '"a",' * 50_000,
    ],
    ids=lambda text: text[:8],
)
def test_hostile_documents_are_refused_in_words(text: str) -> None:
    with pytest.raises(MissionFileError):
        parse_json_document(text)


@pytest.mark.parametrize(
    "path",
    [(), ("x", "y"), ("status", "y"), ("milestones", 5), ("milestones", "x"), ("sessions", 0, "a")],
)
def test_a_path_that_leads_nowhere_is_refused(path: tuple[str | int, ...]) -> None:
    with pytest.raises(EditRefusedError):
        set_json(MISSION, path, 1)


@pytest.mark.parametrize("path", [(), ("status",), ("budget",), ("x", "y"), ("milestones", 5)])
def test_nothing_is_appended_where_no_list_is(path: tuple[str | int, ...]) -> None:
    with pytest.raises(EditRefusedError):
        append_json(MISSION, path, 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\udc80"])
def test_a_value_that_json_cannot_hold_is_refused(value: float | str) -> None:
    with pytest.raises(EditRefusedError):
        set_json(MISSION, ("status",), value)


def test_a_large_document_is_edited() -> None:
    sessions = [{"sessionId": f"s{n}", "host": "h" * 200} for n in range(8_000)]
    text = json.dumps({"sessions": sessions, "z": 1}, indent=2)
    edited = set_json(text, ("sessions", 7_999, "host"), "x")
    assert len(edited) == len(text) - 199


@pytest.mark.parametrize(
    "ours", ['"sessions": []', '"name": "x"', '"sessions": [\n    {"id": "a"}\n  ]']
)
def test_sessions_that_a_merge_brings_take_a_line_each(ours: str) -> None:
    listed = [{"id": "b", "startedAt": "2026-01-01T00:00:00Z"}, {"id": "c"}]
    merged = merge_json(
        Merger(), "{}", f"{{\n  {ours}\n}}\n", json.dumps({"sessions": listed}, indent=2)
    )
    lines = [line.strip().rstrip(",") for line in merged.splitlines()]
    for each in listed:
        assert json.dumps(each) in lines, merged
