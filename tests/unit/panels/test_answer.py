"""A worker's result: read from whatever an agent says, cleaned, never a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.codec import dump_record
from mosaic.panels.answer import LONGEST_ITEM, MOST_ITEMS, aggregate, answer_schema, parse_answer

GOOD: dict[str, Any] = {
    "role": "somebody else",
    "label": "x",
    "status": "completed",
    "summary": "it holds",
    "claims": ["one", "two"],
    "objections": ["three"],
    "openQuestions": [],
    "evidenceRefs": ["a.py:1"],
    "error": None,
}


def parse(text: str) -> Any:
    return parse_answer(text, role="critic", label="critic-1")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"Here is what I found.\n```json\n{json.dumps(GOOD, indent=2)}\n```\nThat is all.",
        f"First {{not this}} then {json.dumps(GOOD)} done",
        f'{{"thinking": "hm"}}\n{json.dumps(GOOD)}',
        f"  \n{json.dumps(GOOD)}\n\n",
    ],
)
def test_a_result_is_found_in_what_surrounds_it(text: str) -> None:
    result = parse(text)
    assert (result.status, result.summary) == ("completed", "it holds")
    assert result.claims == ("one", "two")


def test_role_and_label_are_the_worker_s_own_whatever_it_calls_itself() -> None:
    assert (parse(json.dumps(GOOD)).role, parse(json.dumps(GOOD)).label) == ("critic", "critic-1")


def test_what_the_schema_does_not_know_is_dropped() -> None:
    told = {**GOOD, "reasoning": "SECRET", "tool_calls": [{"secret": "SECRET"}]}
    assert "SECRET" not in json.dumps(dump_record(parse(json.dumps(told))))


@pytest.mark.parametrize(
    "text",
    ["", "no json at all", "{", "[]", "null", '{"status": 3}', '{"summary": "x"}', "{" * 5000],
)
def test_what_is_no_result_is_an_error_that_says_so(text: str) -> None:
    result = parse(text)
    assert result.status == "error"
    assert result.error


def test_an_unknown_status_is_an_error() -> None:
    result = parse(json.dumps({**GOOD, "status": "victory"}))
    assert result.status == "error"
    assert "victory" in (result.error or "")


def test_lists_and_texts_are_bounded() -> None:
    told = {**GOOD, "claims": ["x" * 2_000] * 500}
    result = parse(json.dumps(told))
    assert len(result.claims) == MOST_ITEMS
    assert {len(claim) for claim in result.claims} == {LONGEST_ITEM}


def test_control_characters_do_not_come_through() -> None:
    result = parse(json.dumps({**GOOD, "summary": "red \x1b[31m alert\x07"}))
    assert result.summary == "red [31m alert"


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_nothing_that_is_said_makes_it_fail(text: str) -> None:
    assert parse(text).status in ("completed", "blocked", "error")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD, VALUES)))
def test_wrong_types_are_an_error_or_left_out(values: dict[str, Any]) -> None:
    again = parse(json.dumps(dump_record(parse(json.dumps(values)))))
    assert again.status in ("completed", "blocked", "error")


def test_the_schema_requires_every_key_and_allows_no_other() -> None:
    schema = json.loads(answer_schema())
    assert set(schema["required"]) == set(GOOD) == set(schema["properties"])
    assert schema["additionalProperties"] is False


def test_the_same_words_in_other_case_are_one_voice() -> None:
    first = parse_answer(json.dumps(GOOD), role="a", label="a")
    second = parse_answer(json.dumps({**GOOD, "claims": ["ONE!", "four"]}), role="b", label="b")
    found = aggregate({"a": first, "b": second})
    assert [(voice.text, voice.workers) for voice in found.agreement] == [("one", ("a", "b"))]
    assert [voice.text for voice in found.claims] == ["two", "four"]
    assert found.objections[0].workers == ("a", "b")
    assert found.errors == {}


def test_workers_without_a_result_are_named_with_why() -> None:
    assert aggregate({"a": parse("nothing")}).errors["a"].startswith("its answer is not a result")


def test_half_characters_in_an_answer_that_is_none_can_be_written() -> None:
    (parse("no \ud800 result").error or "").encode()
