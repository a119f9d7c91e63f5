"""A hint can be followed: what it names applies, and leads to no error that was there already."""

from __future__ import annotations

import re

from tests.support.command_line import calls_in
from tests.support.in_process import call
from tests.support.mission import MissionRepo

CALLS = (
    "show T-404", "set T-001 status=nonsense", "set T-404 status=done", "set T-001 nonsense",
    "done T-404", "next --task T-404", "next --print -m M9", "next --print --runtime nope",
    "next --max-cost 3",
    "resume", "resume T-001", "logs", "logs T-001", "logs nothing", "stop", "stop sess-404",
    "merge T-001", "merge --force", "merge T-001 --dry-run", "pr T-001", "pr --new",
    "review --approve", "review T-404", "review T-001 --commit", "review T-001 --merge",
    "answer T-001 x", "gates", "gates T-001", "checkpoint", "checkpoint list",
    "checkpoint restore", "checkpoint restore T-001", "checkpoint restore T-001 9",
    "panel show last", "panel start", "panel merge last x", "handoff T-001 --tick 9",
    "handoff T-001 --set nonsense=x", "handoff T-001 --answer 9 x", "init", "exec --step x",
    "exec --start r001", "exec T-001", "renumber T-404", "sync T-404", "sync --prefer x",
    "import nonsense", "import beads", "export nonsense", "export taskmd --write",
    "clean --worktree x", "clean --force", "list --sort x", "list --status x", "help x",
    "list --red", "nonsense", "panel nonsense", "block T-001", "resolve nope.md",
    "--mission nowhere list", "list --mission nowhere",
)  # fmt: skip
HINTS = re.compile(r"^hint: (.*)$", re.MULTILINE)
FOR_A_PERSON = re.compile(r"…|\b[A-Z]{2,}\b(?!-)")
"""What a person has to fill in."""
STARTS = ("next", "resume", "panel start", "demo", "init")
"""What would start something; where they lead is not looked at."""
MOST_STEPS = 5


def test_a_hint_leads_out(repo: MissionRepo) -> None:
    for asked in CALLS:
        follow(repo, asked.split())


def follow(repo: MissionRepo, words: list[str]) -> None:
    """Make a call, and what its hint names, until there is no hint; it must come to that."""
    seen: list[str] = []
    for _ in range(MOST_STEPS):
        answer = call(repo.path, *words)
        if not (hint := HINTS.search(answer.stderr)):
            return
        assert answer.exit_code != 2 or not seen, f"`{words}` does not apply: {answer.stderr}"
        assert answer.stderr not in seen, f"`{words}` leads in a circle: {answer.stderr}"
        seen.append(answer.stderr)
        named = re.search(r"`(mission [^`]+)`", hint[1])
        if named is None or FOR_A_PERSON.search(named[1]):
            return
        (following,) = calls_in(named[1])
        assert following != words, f"`{words}` names itself: {answer.stderr}"
        words = following
        if " ".join(words).startswith(STARTS) and not {"--print", "--explain", "--help"} & {*words}:
            return
    raise AssertionError(f"too many hints: {seen}")
