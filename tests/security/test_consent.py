"""Commands that mission.json names run only after the person has said so."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.security.test_trust import clone, commit, edit, refused
from tests.support.mission import PATIENCE_SECONDS, MissionRepo, wait_for

AGENT = [sys.executable, "-c", "print('done')"]


def touching(path: Path) -> str:
    return f"{sys.executable} -c \"open('{path}', 'w')\""


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def upstream(repo: MissionRepo) -> MissionRepo:
    """The mission as its maker keeps it: no runtimes of its own yet."""
    edit(repo, runtimes={}, qualityGates="")
    commit(repo)
    return repo


def named(canary: Path) -> list[tuple[dict[str, Any], tuple[str, ...]]]:
    touch = touching(canary)
    argv = [sys.executable, "-c", f"open({str(canary)!r}, 'w')"]
    agent = {"agent": {"command": AGENT, "prompt": "file"}}
    headless = ("next", "--headless", "--runtime")
    return [
        ({"qualityGates": touch}, ("gates", "T-001")),
        ({"runtimes": {"own": argv}}, (*headless, "own")),
        ({"runtimes": {"claude": {"command": argv}}}, (*headless, "claude")),
        ({"runtimes": {**agent, "demo": {"args": ["--x"]}}}, (*headless, "demo")),
        ({"runtimes": agent, "worktrees": {"setup": touch}}, (*headless, "agent", "--worktree")),
        ({"runtimes": agent, "qualityGates": touch}, (*headless, "agent", "--detach")),
        ({"runtimes": agent, "notify": argv}, ("next", "--loop", "--runtime", "agent")),
        ({"runtimes": agent, "notify": argv}, ("next", "-j", "2", "--runtime", "agent")),
        ({"runtimes": {"own": argv}}, ("panel", "start", "Why?", "--role", "critic=own")),
        ({"runtimes": {"own": argv}}, ("resume", "T-001", "--headless", "--runtime", "own")),
    ]


@pytest.mark.parametrize("number", range(10))
def test_nothing_that_a_clone_names_runs_unasked(
    upstream: MissionRepo, canary: Path, number: int
) -> None:
    settings, arguments = named(canary)[number]
    edit(upstream, **settings)
    commit(upstream)
    copy = clone(upstream)
    refused(copy.run(*arguments, "--json"), "CONSENT_NEEDED")
    assert not canary.exists()
    assert copy.task_status("T-001") == "todo"
    assert copy.mission()["sessions"] == []


def test_what_was_allowed_runs_until_it_changes(upstream: MissionRepo, canary: Path) -> None:
    edit(upstream, qualityGates="true")
    commit(upstream)
    copy = clone(upstream)
    answer = copy.run("gates", "T-001")
    assert answer.exit_code == 4
    assert "qualityGates (true): true" in answer.stderr
    assert "mission trust" in answer.stderr
    assert copy.run("trust").exit_code == 0
    assert copy.run("gates", "T-001").exit_code == 0

    edit(upstream, qualityGates=touching(canary))
    commit(upstream)
    copy.git("pull", "-q")
    refused(copy.run("gates", "T-001", "--json"), "CONSENT_NEEDED")
    assert not canary.exists()
    assert "asks" in copy.run("trust", "--list").stdout
    assert copy.run("trust").exit_code == 0
    assert copy.run("gates", "T-001").exit_code == 0
    assert canary.exists()


def test_what_was_allowed_can_be_taken_back(upstream: MissionRepo) -> None:
    edit(upstream, qualityGates="true")
    assert upstream.run("gates", "T-001").exit_code == 0
    assert upstream.run("trust", "--forget").exit_code == 0
    refused(upstream.run("gates", "T-001", "--json"), "CONSENT_NEEDED")


def test_the_maker_of_a_mission_is_not_asked_for_what_they_write(upstream: MissionRepo) -> None:
    edit(upstream, qualityGates="true")
    assert upstream.run("gates", "T-001").exit_code == 0
    edit(upstream, qualityGates="true ; true")
    commit(upstream)
    assert upstream.run("gates", "T-001").exit_code == 0


def test_the_maker_of_a_mission_is_asked_for_what_a_pull_brings(
    upstream: MissionRepo, canary: Path
) -> None:
    commit_before = upstream.git("rev-parse", "HEAD").strip()
    copy = clone(upstream)
    edit(copy, qualityGates=touching(canary))
    commit(copy)
    upstream.git("pull", "-q", str(copy.path), "main")
    assert upstream.git("rev-parse", "HEAD").strip() != commit_before
    refused(upstream.run("gates", "T-001", "--json"), "CONSENT_NEEDED")
    assert not canary.exists()
    assert upstream.run("trust").exit_code == 0
    assert upstream.run("gates", "T-001").exit_code == 0


def test_a_variable_allows_it_where_nobody_can_be_asked(upstream: MissionRepo) -> None:
    edit(upstream, qualityGates="true")
    commit(upstream)
    copy = clone(upstream)
    digest = copy.run("trust", "--list", "--json").json()["digest"]
    assert copy.run("gates", "T-001", MISSION_TRUST="0" * 16).exit_code == 4
    assert copy.run("gates", "T-001", MISSION_TRUST=digest).exit_code == 0
    assert copy.run("gates", "T-001", MISSION_TRUST="all").exit_code == 0
    assert copy.run("gates", "T-001").exit_code == 4


def test_an_agent_allows_nothing(upstream: MissionRepo) -> None:
    edit(upstream, qualityGates="true")
    within = {"MISSION_SESSION": "sess-001"}
    refused(upstream.run("gates", "T-001", "--json", **within), "CONSENT_NEEDED")
    refused(upstream.run("trust", "--json", **within), "HELD")
    assert upstream.run("gates", "T-001").exit_code == 0
    assert upstream.run("gates", "T-001", **within).exit_code == 0


@pytest.mark.parametrize(("said", "allowed"), [("y", True), ("n", False), ("", False)])
def test_on_a_terminal_the_person_is_asked(upstream: MissionRepo, said: str, allowed: bool) -> None:
    edit(upstream, qualityGates="true")
    commit(upstream)
    copy = clone(upstream)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        copy.argv("gates", "T-001"),
        cwd=copy.path,
        env={**copy.environ, "NO_COLOR": "1"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while b"[y/N]" not in seen:
        assert select.select([ours], [], [], PATIENCE_SECONDS)[0], seen
        seen += os.read(ours, 4096)
    assert b"qualityGates (true)  true" in seen
    os.write(ours, f"{said}\n".encode())
    assert wait_for(lambda: _ended(process, ours), "the end") == (0 if allowed else 4) + 1
    os.close(ours)
    assert copy.run("gates", "T-001").exit_code == (0 if allowed else 4)


def _ended(process: subprocess.Popen[bytes], terminal: int) -> int:
    """Return one more than the exit code; read on meanwhile, so that nobody waits for us."""
    with contextlib.suppress(OSError):  # a terminal that nobody holds any more
        if select.select([terminal], [], [], 0)[0]:
            os.read(terminal, 4096)
    code = process.poll()
    return 0 if code is None else code + 1


def test_what_looks_never_asks(upstream: MissionRepo, canary: Path) -> None:
    argv = [sys.executable, "-c", f"open({str(canary)!r}, 'w')"]
    runtimes = {name: {"command": argv} for name in ("claude", "codex", "own")}
    edit(
        upstream,
        runtimes=runtimes,
        runtime="own",
        qualityGates=touching(canary),
        notify=argv,
        worktrees={"setup": touching(canary)},
    )
    commit(upstream)
    copy = clone(upstream)
    for arguments in (
        ("status",),
        ("list",),
        ("show", "T-001"),
        ("check",),
        ("doctor",),
        ("next", "--print"),
        ("next", "--explain"),
        ("graph",),
        ("sessions",),
        ("review", "T-001"),
        ("trust", "--list"),
    ):
        answer = copy.run(*arguments)
        assert "CONSENT" not in answer.stderr, arguments
        assert not canary.exists(), arguments
    told = json.loads(copy.run("doctor", "--json").stdout)["items"]
    assert any("not allowed yet" in item["found"] for item in told)


@pytest.mark.parametrize("way", [("--loop",), ("-j", "1", "--loop")])
def test_a_loop_ends_where_an_agent_changed_a_command(
    upstream: MissionRepo, canary: Path, way: tuple[str, ...]
) -> None:
    gate = touching(canary)
    edits = (
        "import json, os, pathlib; path = pathlib.Path(os.environ['MISSION_FILE']); "
        f"known = json.loads(path.read_text()); known['qualityGates'] = {gate!r}; "
        "path.write_text(json.dumps(known))"
    )
    agent = {"command": [sys.executable, "-c", edits], "prompt": "file"}
    edit(upstream, runtimes={"agent": agent}, runtime="agent")
    commit(upstream)
    answer = upstream.run("next", *way, "--json")
    told = answer.json()
    assert told["needs_person"], told
    assert "not allowed yet" in told["why"]
    assert "mission trust" in told["why"]
    assert len(told["sessions"]) == 1
    assert not canary.exists()
