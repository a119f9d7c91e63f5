"""The one codec: records as JSON and back, and errors that say where."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.codec import JsonForm, dump_json, dump_record, load_record, parse_json
from mosaic.errors import RecordError
from mosaic.model import FileName, FreeJson, JsonValue, ObjectId, Text
from mosaic.records import dataclass, field

PLACE = Path("/runs/state.json")
NOON = datetime(2026, 3, 21, 12, 0, 0, 120_900, tzinfo=UTC)


class Color(StrEnum):
    """A word."""

    RED = "red"
    DEEP_BLUE = "deep-blue"


class Pair(NamedTuple):
    """A record that is a named tuple."""

    first_part: str
    second_part: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A record within another one."""

    part_name: str
    size: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    """A record with a field of every kind."""

    json_form = JsonForm(version=3)
    name: str
    color: Color = Color.RED
    is_good: bool = True
    ratio: float | None = None
    words: Text = ""
    file: FileName | None = None
    tree: ObjectId | None = None
    where: Path | None = None
    at: datetime | None = None
    tags: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    by_name: Mapping[str, Part] = field(default_factory=dict)
    facts: Mapping[str, JsonValue] = field(default_factory=dict)
    settings: Mapping[str, FreeJson] = field(default_factory=dict)
    unknown: Mapping[str, FreeJson] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A record as an entry of mission.json."""

    json_form = JsonForm(is_camel=True, omits_none=True, times="seconds", leaves_out=("own",))
    session_id: str
    ended_at: datetime | None = None
    main_part: Part | None = None
    own: int = 7


def load(**values: Any) -> Whole:
    return load_record(Whole, dump_json({"name": "a", **values}), PLACE)


FULL = Whole(
    name="a",
    color=Color.DEEP_BLUE,
    is_good=False,
    ratio=2,
    words="two\nlines",
    file="x.patch",
    tree="ab12",
    where=Path("/a\nb"),
    at=NOON.replace(microsecond=120_000),
    tags=("x", "y"),
    parts=(Part(part_name="p", size=1), Part(part_name="q")),
    by_name={"p": Part(part_name="p")},
    facts={"pane": "%1", "more": ["a\nb"]},
    settings={"gates": "a\nb"},
    unknown={"newer": [1]},
)


def test_a_record_is_read_as_it_was_written() -> None:
    assert load_record(Whole, dump_json(dump_record(FULL)), PLACE) == FULL
    assert load_record(Whole, dump_record(FULL), PLACE) == FULL


def test_keys_stand_in_the_order_of_the_fields_after_the_version() -> None:
    values = dump_record(FULL)
    assert list(values)[:3] == ["layout_version", "name", "color"]
    assert list(values)[-1] == "newer"
    assert values["layout_version"] == 3
    assert values["parts"] == [{"part_name": "p", "size": 1}, {"part_name": "q", "size": None}]
    assert (values["color"], values["where"]) == ("deep-blue", "/a\nb")


def test_a_number_is_kept_as_it_was_written() -> None:
    assert dump_json(dump_record(load(ratio=60))["ratio"]) == b"60\n"
    assert dump_json(dump_record(load(ratio=60.0))["ratio"]) == b"60.0\n"


def test_times_are_in_utc_with_milliseconds_or_as_the_form_says() -> None:
    later = datetime(2026, 3, 21, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert dump_record(Whole(name="a", at=NOON))["at"] == "2026-03-21T12:00:00.120Z"
    assert dump_record(Whole(name="a", at=later))["at"] == "2026-03-21T12:00:00.000Z"
    assert dump_record(Listed(session_id="s", ended_at=NOON))["endedAt"] == "2026-03-21T12:00:00Z"
    assert load(at="2026-03-21T12:00:00").at == NOON.replace(microsecond=0)


def test_keys_may_be_camels_and_what_is_not_known_left_out() -> None:
    listed = Listed(session_id="s", main_part=Part(part_name="p"))
    values = dump_record(listed)
    assert values == {"sessionId": "s", "mainPart": {"partName": "p"}}
    assert load_record(Listed, values, PLACE) == listed
    assert load_record(Part, {"part_name": "p"}, PLACE) == Part(part_name="p")


def test_a_named_tuple_is_an_object_too() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Both:
        pair: Pair

    values = dump_record(Both(pair=Pair("a", 1)))
    assert values == {"pair": {"first_part": "a", "second_part": 1}}
    assert dump_record(Pair("a", 1)) == {"first_part": "a", "second_part": 1}


def test_what_json_cannot_hold_is_not_written() -> None:
    with pytest.raises(TypeError):
        dump_record(Whole(name="a", facts={"x": object()}))  # type: ignore[dict-item]


def test_unknown_keys_are_kept_or_passed_over_and_never_an_error() -> None:
    assert dump_record(load(newer={"a": 1}))["newer"] == {"a": 1}
    assert load(parts=[{"part_name": "p", "newer": 1}]).parts == (Part(part_name="p"),)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": 7}, "`name` is not one line of text: 7"),
        ({"name": "a\nb"}, "`name` is not one line of text"),
        ({"name": None}, "`name` is not one line of text: None"),
        ({"words": []}, "`words` is not text: []"),
        ({"color": "green"}, "`color` is not one of red, deep-blue: 'green'"),
        ({"color": []}, "`color` is not one of"),
        ({"is_good": 1}, "`is_good` is not true or false: 1"),
        ({"ratio": True}, "`ratio` is not a number: True"),
        ({"file": "../x"}, "`file` is not the name of a file: '../x'"),
        ({"tree": "main"}, "`tree` is not an object of git: 'main'"),
        ({"where": "a\0b"}, "`where` is not a path"),
        ({"where": 7}, "`where` is not a path: 7"),
        ({"at": "9999-12-31"}, "`at` is not a time: '9999-12-31'"),
        ({"at": 7}, "`at` is not a time: 7"),
        ({"tags": "ab"}, "`tags` is not a list"),
        ({"tags": ["a", "b\x1b"]}, "`tags.1` is not one line of text: 'b\\x1b'"),
        ({"parts": [{"part_name": "p"}, {"part_name": "q", "size": "1"}]},
         "`parts.1.size` is not a whole number: '1'"),
        ({"parts": [{}]}, "`parts.0.part_name` is missing"),
        ({"parts": [[]]}, "`parts.0` is not an object"),
        ({"by_name": {"p": 7}}, "`by_name.p` is not an object"),
        ({"by_name": {"p\nq": {}}}, "`by_name` is not an object"),
        ({"facts": {"pane": "a\nb"}}, "`facts.pane` is not one line of text"),
        ({"layout_version": "1"}, "`layout_version` is not a whole number"),
    ],
)  # fmt: skip
def test_an_error_names_file_key_and_value(values: dict[str, Any], words: str) -> None:
    with pytest.raises(RecordError) as caught:
        load(**values)
    assert caught.value.message == "`state.json` cannot be read"
    assert caught.value.path == str(PLACE)
    assert words in (caught.value.detail or "")
    assert f"{caught.value}{caught.value.detail}".isprintable()


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"7", b"[" * 100_000, b"\xff", b'{"name"'])
def test_what_is_not_an_object_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError, match="the note"):
        load_record(Whole, data, PLACE, what="the note", hint="look at it")


def test_a_newer_file_is_told_from_a_broken_one() -> None:
    with pytest.raises(RecordError) as caught:
        load(layout_version=4, name=7)
    assert (caught.value.message, caught.value.hint) == (
        "`state.json` is of a newer Mosaic",
        "upgrade Mosaic",
    )


def test_a_field_that_the_codec_cannot_read_is_our_own_mistake() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Odd:
        numbers: set[int]

    with pytest.raises(TypeError, match="does not know"):
        load_record(Odd, {"numbers": []}, PLACE)


VALUES = [
    None, True, 0, -1, 2.5, 1 << 63, "", "red", "ab12", "a\nb", "\udce9", "\ud800", "2026-03-21",
    "/a", [], ["a"], [None], [{"part_name": "p"}], {}, {"a": "b"}, {"a": {"part_name": "p"}},
    {"a": ["x\n"]}, {"\n": 1},
]  # fmt: skip
NAMES = [name for name in Whole.__annotations__ if name != "unknown"]


@given(st.dictionaries(st.sampled_from([*NAMES, "newer"]), st.sampled_from(VALUES)))
def test_whatever_is_read_is_written_and_read_again(values: dict[str, Any]) -> None:
    try:
        found = load(**values)
    except RecordError:
        return
    assert load_record(Whole, parse_json(dump_json(dump_record(found))), PLACE) == found
