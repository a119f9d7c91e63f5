"""Every command says what it said: the answers of scripted missions are kept in files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .scenes import SCENES
from .stage import Stage, differences

KEPT = Path(__file__).with_name("kept")


@pytest.mark.parametrize("name", SCENES)
def test_commands_print_what_they_printed(name: str, tmp_path: Path) -> None:
    kept = json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8"))
    stage = Stage(tmp_path)

    SCENES[name](stage)

    found = [
        f"{expected['command']}{each}"
        for expected, answer in zip(kept, stage.answers, strict=True)
        for each in differences(expected, answer)
    ]
    assert not found, "\n".join([*found, "", "`python -m tests.golden` keeps what is meant"])


def test_a_new_key_is_no_difference_and_a_lost_one_is() -> None:
    assert not list(differences({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}], "d": 3}))
    assert list(differences({"a": [{"b": 1}]}, {"a": [{}]})) == [".a[0].b is gone"]
    assert list(differences([1], [1, 2])) == [": expected [1], found [1, 2]"]
