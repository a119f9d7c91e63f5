"""What stands around a mission: modules in the project, the umask, the environment, shells."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mission import ROOT, MissionRepo, wait_for

STARTER = "import sys\nfrom mosaic.cli import main\nsys.exit(main())\n"
"""What an installed `mission` does."""
MODULES = (
    "json", "typing", "mosaic", "sitecustomize", "usercustomize", "re", "typer", "yaml",
    "frontmatter", "jinja2", "mistune", "subprocess", "dataclasses", "logging",
)  # fmt: skip
KEY = "sk-" + "ant-abcdefghijklmnop"
SHELL_WORDS = (
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned;",
    "' ; touch pwned ; '",
    "|touch pwned",
)


@pytest.fixture
def installed(repo: MissionRepo, tmp_path: Path) -> MissionRepo:
    """The mission with a command that does not look into the working directory for modules."""
    starter = tmp_path / "bin" / "mission"
    starter.parent.mkdir()
    starter.write_text(STARTER)

    class Installed(MissionRepo):
        def argv(self, *arguments: str) -> list[str]:
            return [sys.executable, str(starter), *arguments]

    own = Installed(repo.path, repo.environ)
    own.started = repo.started  # which ends them
    return own


def test_no_module_of_the_project_is_imported(installed: MissionRepo, tmp_path: Path) -> None:
    for name in MODULES:
        place = tmp_path / f"ran-{name}"
        (installed.path / f"{name}.py").write_text(f"open({str(place)!r}, 'w')\n")
    installed.git("add", "--all")
    installed.git("commit", "-qm", "modules")
    for arguments in (
        ("status",),
        ("next", "--headless", "--runtime", "quick"),
        ("next", "--detach", "--runtime", "quick", "--task", "T-002"),
        ("next", "-j", "1", "--runtime", "quick"),
        ("exec", "T-001", "--step", "s", "--", "true"),
        ("checkpoint", "T-001"),
        ("panel", "start", "Why?", "--role", "critic", "--runtime", "quick"),
        ("check",),
    ):
        answer = installed.run(*arguments)
        assert "Error" not in answer.stderr, answer.stderr
    wait_for(lambda: all(each.get("endedAt") for each in installed.mission()["sessions"]))
    wait_for(lambda: "running" not in installed.run("panel", "show", "last").stdout)
    assert [path.name for path in tmp_path.glob("ran-*")] == []


def test_what_we_write_is_the_owners_alone_whatever_the_umask(repo: MissionRepo) -> None:
    before = os.umask(0)
    try:
        for arguments in (
            ("next", "--headless", "--runtime", "talk"),
            ("next", "--worktree", "--headless", "--runtime", "talk", "--task", "T-002"),
            ("exec", "T-001", "--step", "s", "--", "true"),
            ("checkpoint", "T-001"),
            ("panel", "start", "Why?", "--role", "critic", "--runtime", "quick"),
        ):
            repo.run(*arguments)
    finally:
        os.umask(before)
    # Folders are closed from the first moment: what git writes below them for a while (the
    # index of a work tree's snapshot, by git's own mode) is out of anyone's reach.
    assert open_to_others(repo, Path.is_dir) == []
    wait_for(lambda: "running" not in repo.run("panel", "show", "last").stdout)
    assert open_to_others(repo, Path.exists) == []
    assert len(list(repo.state.rglob("*"))) > 20


def open_to_others(repo: MissionRepo, which: Callable[[Path], bool]) -> list[str]:
    """List what others than the owner may read, write or enter; checkouts are git's own."""
    checkouts = [path for path in (repo.state / "worktrees").iterdir() if path.is_dir()]
    found = []
    for path in repo.state.rglob("*"):
        if any(path.is_relative_to(place) for place in checkouts) or path.name == ".gitignore":
            continue
        try:
            if not path.is_symlink() and which(path) and stat.S_IMODE(path.stat().st_mode) & 0o077:
                found.append(str(path))
        except FileNotFoundError:  # a run that still goes on removed it
            continue
    return found


def test_keys_of_the_environment_are_in_no_record(repo: MissionRepo) -> None:
    for arguments in (
        ("next", "--headless", "--runtime", "talk"),
        ("exec", "T-001", "--step", "s", "--", "env", f"--unset={KEY}", "true"),
        ("next", "--detach", "--runtime", "talk", "--task", "T-002"),
        ("panel", "start", "Why?", "--role", "critic", "--runtime", "quick"),
    ):
        repo.run(*arguments, ANTHROPIC_API_KEY=KEY, MY_SECRET=KEY)
    wait_for(lambda: all(each.get("endedAt") for each in repo.mission()["sessions"]))
    holding = [
        str(path) for path in repo.path.rglob("*") if path.is_file() and KEY in read_loosely(path)
    ]
    assert holding == []


def read_loosely(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


@pytest.mark.parametrize("words", SHELL_WORDS)
def test_no_word_of_a_task_reaches_a_shell(repo: MissionRepo, words: str) -> None:
    told = repo.path.parent / "told"
    dump = "import json, sys; open(sys.argv[1], 'w').write(json.dumps(sys.argv[2:]))"
    names = "{prompt} {task} {task_file} {model}".split()
    mission = repo.mission()
    mission["runtimes"]["dump"] = [sys.executable, "-c", dump, str(told), *names]
    mission["name"] = words
    mission["qualityGates"] = "true"
    (repo.path / "coordination/mission.json").write_text(json.dumps(mission))
    repo.run("add", words, "--scope", f"{words}/**", "--milestone", "M1")
    repo.run("set", "T-004", f"assignee={words}", f"labels={words}", f"pr={words}")
    repo.git("add", "--all")
    repo.git("commit", "-qm", "words")
    options = ("--runtime", "dump", "--model", words, "--task", "T-004")
    assert repo.run("next", "--headless", *options).exit_code == 0
    prompt, task, _, model = json.loads(told.read_text())
    assert words in prompt
    assert (task, model) == ("T-004", words)
    repo.run("gates", "T-004")
    repo.run("checkpoint", "T-004", "--note", words)
    repo.run("block", "T-004", "--why", words)
    repo.run("panel", "start", words, "--role", "critic", "--runtime", "dump")
    assert list(repo.path.parent.rglob("pwned")) == []


def test_a_module_called_mosaic_beside_a_background_supervisor_is_not_taken_for_it(
    installed: MissionRepo, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    (trap / "mosaic").mkdir(parents=True)
    (trap / "mosaic" / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    environ = {**installed.environ, "PYTHONPATH": str(ROOT)}
    mission = installed.path / "coordination" / "mission.json"
    subprocess.run(
        installed.argv("next", "--detach", "--runtime", "quick", "--mission", str(mission)),
        cwd=trap,
        env=environ,
        check=True,
        capture_output=True,
    )
    wait_for(lambda: all(each.get("endedAt") for each in installed.mission()["sessions"]))
    assert not (tmp_path / "ran").exists()
