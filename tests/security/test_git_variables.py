"""What git hands its hooks: none of it reaches a program that the mission starts."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mosaic.machine.environment import child_environment
from tests.support.mission import MissionRepo, wait_for

OF_ONE_COMMAND = (
    "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES "
    "GIT_COMMON_DIR GIT_NAMESPACE GIT_PREFIX GIT_CONFIG GIT_CONFIG_PARAMETERS GIT_QUARANTINE_PATH "
    "GIT_AUTHOR_DATE GIT_COMMITTER_DATE GIT_INTERNAL_SUPER_PREFIX GIT_REFLOG_ACTION "
    "GIT_LITERAL_PATHSPECS GIT_SHALLOW_FILE GIT_GRAFT_FILE GIT_NO_REPLACE_OBJECTS "
    "GIT_REPLACE_REF_BASE GIT_IMPLICIT_WORK_TREE GIT_PUSH_OPTION_COUNT GIT_PUSH_OPTION_0"
).split()
SOCKET = "MISSION_TMUX_SOCKET"
CHILDREN = {
    "agent": ("next", "--headless", "--runtime", "spy"),
    "agent in the background": ("next", "--detach", "--runtime", "spy"),
    "agent in a worktree": ("next", "--headless", "--worktree", "--runtime", "spy"),
    "agent in a pane": ("next", "-j", "1", "--executor", "tmux", "--runtime", "spy"),
    "loop that needs a person": ("next", "--loop", "--runtime", "spy"),
    "panel": ("panel", "start", "Why?", "--role", "critic", "--runtime", "spy"),
    "gates": ("gates", "T-001"),
    "step": ("exec", "T-001", "--step", "s", "--", "sh", "{spy}"),
}
STARTED_AS = {
    "agent": "agent",
    "agent in the background": "agent",
    "agent in a worktree": "agent setup",
    "agent in a pane": "agent setup",
    "loop that needs a person": "notify",
    "panel": "agent",
    "gates": "gate",
    "step": "step",
}
"""Which programs a command starts."""


@pytest.fixture
def spied(repo: MissionRepo, tmp_path: Path) -> MissionRepo:
    """A mission whose programs note their environment and add a file to the index."""
    spy = tmp_path / "spy.sh"
    notes = tmp_path / "notes"
    notes.mkdir()
    spy.write_text(
        f"env > '{notes}'/$$.new\n"
        "echo b > b.txt; git add b.txt\n"
        f"mv '{notes}'/$$.new '{notes}'/${{1:-step}}\n"
    )
    mission = repo.mission()
    for name in ("agent", "gate", "notify", "setup"):
        argv = ["sh", str(spy), name]
        match name:
            case "agent":
                mission["runtimes"]["spy"] = {"command": argv, "prompt": "file"}
            case "gate":
                mission["qualityGates"] = f"sh {spy} gate"
            case "notify":
                mission["notify"] = argv
            case "setup":
                mission["worktrees"] = {"setup": argv}
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))
    repo.git("add", "--all")
    repo.git("commit", "-qm", "Spy")
    return repo


def noted(repo: MissionRepo, name: str) -> dict[str, str]:
    note = repo.path.parent / "notes" / name
    text = wait_for(lambda: note.exists() and note.read_text(), f"a note of {name}")
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def words_of(repo: MissionRepo, child: str) -> list[str]:
    if "tmux" in CHILDREN[child] and shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    if "--loop" in CHILDREN[child]:
        for task_id in ("T-001", "T-002", "T-003"):
            repo.run("block", task_id, "--why", "a person decides")
    spy = str(repo.path.parent / "spy.sh")
    return [spy if word == "{spy}" else word for word in CHILDREN[child]]


def wait_for_end(repo: MissionRepo) -> None:
    wait_for(lambda: all(each.get("endedAt") for each in repo.mission()["sessions"]))
    if shutil.which("tmux"):
        command = ["tmux", "-L", socket_of(repo), "kill-server"]
        subprocess.run(command, env=repo.environ, capture_output=True, check=False)


def socket_of(repo: MissionRepo) -> str:
    """Return a name for a tmux server of this test alone."""
    return f"spied-{repo.path.parent.parent.name}-{repo.path.parent.name}"[-60:]


@pytest.mark.parametrize("child", CHILDREN)
def test_hostile_variables_lead_no_child_to_another_repository(
    spied: MissionRepo, tmp_path: Path, child: str
) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", other], check=True)
    hostile = dict.fromkeys(OF_ONE_COMMAND, "1") | {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / "index"),
        "GIT_OBJECT_DIRECTORY": str(other / "objects"),
        "GIT_CONFIG_COUNT": "not a number",
        "GIT_EXEC_PATH": str(other),
        "GIT_EDITOR": ":",
        SOCKET: socket_of(spied),
    }
    spied.run(*words_of(spied, child), **hostile)
    for name in STARTED_AS[child].split():
        seen = noted(spied, name)
        assert [name for name in seen if name in hostile and name != SOCKET] == []
    wait_for_end(spied)
    assert not (other / "index").exists()
    tops = [spied.path, *(spied.state / "worktrees").glob("*/")]
    added = [
        subprocess.run(
            ["git", "ls-files", "b.txt"], cwd=top, capture_output=True, text=True, check=True
        ).stdout
        for top in tops
        if (top / "b.txt").exists()
    ]
    assert child == "panel" or "b.txt\n" in added


@pytest.mark.parametrize("child", CHILDREN)
def test_what_is_started_in_a_hook_does_not_see_that_it_is_one(
    spied: MissionRepo, child: str
) -> None:
    hook = spied.path / ".git" / "hooks" / "post-commit"
    words = " ".join(f"'{word}'" for word in spied.argv(*words_of(spied, child)))
    # Of its own commits in worktrees a run must not call itself again.
    hook.write_text(f'#!/bin/sh\n[ -n "$IN_HOOK" ] || IN_HOOK=1 {words} >hook.log 2>&1\n')
    hook.chmod(0o755)
    environ = {**spied.environ, SOCKET: socket_of(spied)}
    date = "2001-02-03T04:05:06Z"
    command = ["git", "commit", "-q", "--allow-empty", "-m", "Hooked", "--date", date]
    subprocess.run(command, cwd=spied.path, env=environ, check=True)
    for name in STARTED_AS[child].split():
        seen = noted(spied, name)
        left = {"GIT_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_AUTHOR_DATE", "GIT_EXEC_PATH"}
        assert {n for n in seen if n in left} == set()
        assert seen.get("GIT_EDITOR") != ":"
    wait_for_end(spied)


def test_a_hook_of_another_repository_does_not_lead_the_agents_add_astray(
    spied: MissionRepo, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", other], check=True)
    hook = other / ".git" / "hooks" / "post-commit"
    hook.parent.mkdir(exist_ok=True)
    words = " ".join(f"'{word}'" for word in spied.argv("next", "--headless", "--runtime", "spy"))
    hook.write_text(f"#!/bin/sh\ncd '{spied.path}' && {words} >'{tmp_path}/hook.log' 2>&1\n")
    hook.chmod(0o755)
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    command = ["git", *author, "commit", "-q", "--allow-empty", "-m", "Hooked"]
    subprocess.run(command, cwd=other, env=spied.environ, check=True)
    noted(spied, "agent")
    assert spied.git("ls-files", "b.txt") == "b.txt\n"
    listed = subprocess.run(["git", "ls-files"], cwd=other, capture_output=True, check=True)
    assert listed.stdout == b""


def test_what_a_person_sets_for_all_repositories_reaches_a_child() -> None:
    own = {
        "GIT_AUTHOR_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
        "GIT_EDITOR": "vi",
        "GIT_SSH_COMMAND": "ssh -v",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_CEILING_DIRECTORIES": "/home",
    }
    assert child_environment(own) == own
    inside = child_environment({**own, "GIT_DIR": "/x"})
    assert set(own) - set(inside) == {"GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"}


def test_git_itself_names_nothing_local_that_a_child_would_still_get() -> None:
    listed = subprocess.run(
        ["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True
    )
    names = listed.stdout.split()
    assert "GIT_DIR" in names
    assert child_environment(dict.fromkeys(names, "1")) == {}


def test_every_program_is_started_with_an_environment_of_our_making() -> None:
    """A start that names no `env` inherits ours, with all that a hook put into it."""
    root = Path(__file__).resolve().parents[2] / "mosaic"
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("subprocess.run", "subprocess.Popen", "spawn")
        and not any(keyword.arg == "env" for keyword in node.keywords)
    }
    # The scripted agent is such a child itself.
    assert found == {"demo_agent.py"}
