"""Ids of sessions: numbers for people, and tails that keep clones apart."""

from __future__ import annotations

import os
import re

from hypothesis import given
from hypothesis import strategies as st

from mosaic.plan.session_ids import (
    TAIL_LENGTH,
    TAIL_SIGNS,
    next_session_id,
    session_number,
    sessions_called,
)

NUMBERS = st.integers(1, 5000)
TAILS = st.one_of(st.just(""), st.text(TAIL_SIGNS, min_size=2, max_size=4).map("-{}".format))
IDS = st.one_of(
    st.builds("sess-{:03}{}".format, NUMBERS, TAILS), st.sampled_from(["s1", "", "sess-", "x-900"])
)


@given(st.lists(IDS, max_size=8), st.binary(min_size=TAIL_LENGTH, max_size=TAIL_LENGTH))
def test_a_new_id_is_numbered_past_all_others_and_can_be_said_aloud(
    known: list[str], noise: bytes
) -> None:
    made = next_session_id(known, noise)

    assert re.fullmatch(r"sess-\d{3,}-[b-z2-9]{4}", made)
    assert not set(made.rpartition("-")[2]) & set("aeiou01l")
    assert session_number(made) == 1 + max(map(session_number, known), default=0)
    assert made not in known


def test_two_clones_with_the_same_sessions_give_out_different_ids() -> None:
    made = [next_session_id(["sess-003"], os.urandom(TAIL_LENGTH)) for _ in range(20)]

    assert {session_number(each) for each in made} == {4}
    assert len(set(made)) > 15


def test_a_number_names_all_sessions_that_have_it_and_an_id_only_its_own() -> None:
    known = ["sess-004", "sess-005-k7mp", "sess-006-k7", "sess-006-b2xn", "other"]

    assert sessions_called("sess-004", known) == ["sess-004"]
    assert sessions_called("SESS-005", known) == ["sess-005-k7mp"]
    assert sessions_called("Sess-005-K7MP", known) == ["sess-005-k7mp"]
    assert sessions_called("sess-006", known) == ["sess-006-k7", "sess-006-b2xn"]
    assert sessions_called("other", known) == ["other"]
    assert sessions_called("sess-00", known) == sessions_called("sess-007", known) == []
    assert sessions_called("sess-004", ["sess-004-k7", "sess-004"]) == ["sess-004"]
