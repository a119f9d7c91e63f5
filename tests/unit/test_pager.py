"""Which calls go through a pager, and whose `--no-pager` it is."""

from __future__ import annotations

import pty

import pytest

from mosaic.cli import pager


@pytest.mark.parametrize(
    ("line", "rest", "is_refused"),
    [
        ("list", "list", False),
        ("--no-pager list", "list", True),
        ("list --all --no-pager", "list --all", True),
        ("exec T-1 -- git --no-pager log", "exec T-1 -- git --no-pager log", False),
        ("exec T-1 git --no-pager log", "exec T-1 git --no-pager log", False),
        ("--no-pager exec T-1 git --no-pager log", "exec T-1 git --no-pager log", True),
        ("set T-1 -- --no-pager", "set T-1 -- --no-pager", False),
    ],
)
def test_an_option_is_taken_from_a_call_of_ours_only(
    line: str, rest: str, is_refused: bool
) -> None:
    assert pager.take_no_pager(line.split()) == (rest.split(), is_refused)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("list", True),
        ("show T-001 --section notes", True),
        ("logs T-001 -n 5", True),
        ("next --print", True),
        ("panel show last", True),
        ("config", True),
        ("", False),
        ("--version", False),
        ("next", False),
        ("next --json --print", False),
        ("status --watch", False),
        ("status -w", False),
        ("logs T-001 -f", False),
        ("logs T-001 -fn5", False),
        ("logs T-001 --raw", False),
        ("panel start question", False),
        ("panel show last --wait", False),
        ("checkpoint T-001", False),
        ("review T-001 --approve", False),
        ("config set pager less", False),
        ("add list", False),
    ],
)
def test_only_calls_that_look_are_paged(
    line: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, follower = pty.openpty()
    with open(leader, "rb"), open(follower, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        monkeypatch.setenv("TERM", "xterm")
        assert pager.is_paged(line.split()) is expected
        monkeypatch.setenv("MISSION_SESSION", "sess-1")
        assert not pager.is_paged(line.split())
