"""A short seeded run of every fuzz target."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS, seeds_of

INPUTS = 200
INPUTS_OF = {"damaged_mission": 8, "index": 20, "events": 60, "run_meta": 60, "checkpoint": 60}
"""Fewer of those that write files."""


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_input_is_read_or_refused(name: str) -> None:
    dice, seeds = Random(name), seeds_of(name)
    inputs = [*seeds, *(mutated(dice, seeds) for _ in range(INPUTS))]
    for data in dice.sample(inputs, INPUTS_OF.get(name, len(inputs))):
        try:
            TARGETS[name](data)
        except Exception as error:
            error.add_note(f"input: {data!r}")
            raise
