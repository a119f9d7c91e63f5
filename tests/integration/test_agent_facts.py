"""What is known of `claude`, `codex` and `gemini` is what the installed ones do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.agents.facts import FACTS, differences, main
from tests.agents.scenarios import version_of
from tests.integration.test_real_agents import program

__all__ = ["program"]

BRIEFLY = {"gemini": ("--only", "success", "--only", "failed command")}
"""What is played of an agent that is slow to start."""


def facts_of(program: Path) -> Any:
    """Return the facts of an agent; skip where another version is installed."""
    known = json.loads((FACTS / f"{program.name}.json").read_text())
    version = version_of(program.name, f"{program.parent}:/usr/bin:/bin")
    if version != known["version"]:
        pytest.skip(
            f"the facts are of {known['version']}, and {version} is installed: "
            f"`python -m tests.agents.facts {program.name}` says what differs"
        )
    return known


@pytest.mark.real_agent
@pytest.mark.parametrize("program", ["claude", "codex", "gemini"], indirect=True)
def test_the_installed_version_does_what_is_known(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts_of(program)
    brief = BRIEFLY.get(program.name, ())
    code = main([program.name, "--agents", str(program.parent), *brief])
    assert code == 0, capsys.readouterr().out


@pytest.mark.real_agent
def test_a_planted_difference_is_printed(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = facts_of(program)
    success = known["scenarios"]["success"]
    success["exit"] = 3
    last = next(name for name in success["events"] if name.startswith(("result", "turn.comp")))
    success["events"][last].remove("usage")
    success["events"]["system/farewell"] = ["type"]
    help_text = next(iter(known["flags"]))
    known["flags"][help_text].append("--gone-by-now")
    (tmp_path / f"{program.name}.json").write_text(json.dumps(known))
    options = ["--agents", str(program.parent), "--facts", str(tmp_path), "--only", "success"]
    assert main([program.name, *options]) == 1
    assert sorted(capsys.readouterr().out.splitlines()[1:]) == sorted(
        [
            f"flags: {help_text}: --gone-by-now is gone",
            f"scenarios: success: events: {last}: usage is new",
            "scenarios: success: events: system/farewell: is gone",
            "scenarios: success: exit: 3 has become 0",
        ]
    )


def test_an_agent_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["codex", "--agents", str(tmp_path)]) == 2
    assert "codex is not installed" in capsys.readouterr().err


def test_what_is_the_same_differs_in_nothing() -> None:
    known = {"a": [1, 2], "b": {"c": None}, "d": "x"}
    assert list(differences(known, json.loads(json.dumps(known)))) == []
    assert list(differences(known, {"a": [2, 1], "b": {}, "d": "y", "e": 0})) == [
        "a: [1, 2] has become [2, 1]",
        "b: c: is gone",
        'd: "x" has become "y"',
        "e: is new: 0",
    ]
