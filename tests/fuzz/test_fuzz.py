"""A short seeded run of every fuzz target."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import SEEDS, TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_input_is_read_or_refused(name: str) -> None:
    dice = Random(name)
    for data in SEEDS[name]:
        TARGETS[name](data)
    for _ in range(1000):
        data = mutated(dice, SEEDS[name])
        try:
            TARGETS[name](data)
        except Exception as error:
            error.add_note(f"input: {data!r}")
            raise
