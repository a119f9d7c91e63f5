"""Answers that fit, whatever stands in them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mosaic.mcp.bounded import bounded, dump_answer

ROOM = 2_000
texts = st.text(max_size=300)
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | texts,
    lambda inner: st.lists(inner, max_size=30) | st.fixed_dictionaries({"a": inner, "b": inner}),
    max_leaves=40,
)


@given(st.fixed_dictionaries({"id": st.just("T-001"), "one": values, "two": values}))
def test_an_answer_fits_and_keeps_its_keys(answer: dict[str, Any]) -> None:
    made = bounded(answer, ROOM)
    whole = dump_answer(made)
    assert len(whole.encode()) <= ROOM
    assert json.loads(whole) == made
    assert made.keys() - {"truncated"} == {"id", "one", "two"}
    assert made["id"] == "T-001"
    assert bounded(made, ROOM) == made


@given(st.lists(st.fixed_dictionaries({"id": texts, "title": texts}), max_size=60), st.integers(1))
def test_what_is_left_out_of_a_list_is_counted(rows: list[Any], before: int) -> None:
    made = bounded({"tasks": rows, "truncated": before}, 4_000)
    assert len(made["tasks"]) + made["truncated"] == len(rows) + before


def test_what_fits_is_whole_and_what_does_not_says_so() -> None:
    assert bounded({"id": "x", "truncated": 0}, ROOM) == {"id": "x"}
    made = bounded({"body": "word " * 1000, "why": "it waits"}, ROOM)
    assert made["why"] == "it waits"
    assert made["body"].startswith("word word")
    assert made["body"].endswith("\n… the rest is left out")
    assert "truncated" not in made
