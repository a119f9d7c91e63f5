"""Homes, temporary folders, working folders and projects that are not as usual."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments.conftest import OWN_MOUNTS, Surroundings, needs_own_mounts
from tests.support.mission import Answer

HEADLESS = ("--headless", "--runtime", "demo")
LOOKS = (
    ["list"],
    ["status"],
    ["show", "T-001"],
    ["check"],
    ["sessions"],
    ["checkpoint", "list", "T-001"],
)
CHANGES = (
    ["add", "Third"],
    ["done", "T-002"],
    ["next", *HEADLESS],
    ["next", "--print", "--runtime", "demo"],
    ["resume"],
    ["checkpoint", "T-001"],
    ["exec", "T-001", "--step", "look", "--", "true"],
    ["review", "T-001", "--approve"],
    ["panel", "start", "Why?", "--role", "planner", "--runtime", "demo"],
)


def journey(here: Surroundings, **environ: str | None) -> None:
    """Hand off a task, review it and take a checkpoint."""
    for arguments in (["next", *HEADLESS], ["checkpoint", "T-001"], ["doctor"]):
        answer = here.run(*arguments, environ=environ)
        assert answer.exit_code == 0, (arguments, answer)


class ReadOnly:
    """A mission that may be read and not written, also by root."""

    def __init__(self, here: Surroundings) -> None:
        self._here = here
        self._options: dict[str, str | tuple[str, ...]] = {}
        if os.getuid() == 0:
            needs_own_mounts()
            self.before = 'mount --bind . . && mount -o remount,ro,bind . && cd "$PWD"'
            self.prefix: tuple[str, ...] = OWN_MOUNTS
        else:
            self.before, self.prefix = "", ()
            self.allow(write=False)

    def allow(self, *, write: bool) -> None:
        for path in (self._here.path, *self._here.path.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | stat.S_IWUSR if write else mode & ~0o222)

    def run(self, *arguments: str) -> Answer:
        return self._here.run(*arguments, before=self.before, prefix=self.prefix)


@pytest.fixture
def read_only(here: Surroundings) -> Iterator[ReadOnly]:
    assert here.run("next", *HEADLESS).exit_code == 0
    made = ReadOnly(here)
    yield made
    if os.getuid():
        made.allow(write=True)


def test_looking_needs_no_writing(read_only: ReadOnly) -> None:
    for arguments in LOOKS:
        answer = read_only.run(*arguments)
        assert answer.exit_code == 0, (arguments, answer)


@pytest.mark.skipif(os.getuid() != 0, reason="an owner may allow itself to write again")
def test_changing_a_read_only_project_says_so(read_only: ReadOnly, here: Surroundings) -> None:
    for arguments in CHANGES:
        answer = read_only.run(*arguments)
        assert answer.exit_code == 5, (arguments, answer)
        assert "read-only" in answer.stderr.lower(), arguments
        assert "hint:" in answer.stderr, arguments
    assert "may not be written" in read_only.run("doctor").stdout
    assert here.repo.task_status("T-002") == "todo"


@pytest.mark.parametrize("home", [None, "/nonexistent"])
def test_any_home_will_do(here: Surroundings, home: str | None) -> None:
    journey(here, HOME=home, XDG_CONFIG_HOME=None)


def test_no_folder_for_temporary_files_is_needed(here: Surroundings) -> None:
    journey(here, TMPDIR="/nonexistent")
    assert list(Path(here.repo.environ["HOME"]).iterdir()) == []


@pytest.mark.parametrize("mask", ["000", "777"])
def test_any_umask_leaves_the_owner_his_files(here: Surroundings, mask: str) -> None:
    other = here.path.parent / "other"
    other.mkdir()
    for arguments in (
        ["init", "--name", "Other"],
        ["add", "One"],
        ["next", *HEADLESS],
    ):
        answer = here.run(*arguments, cwd=other, before=f"umask {mask}")
        assert answer.exit_code == 0, (arguments, answer)
    for path in (other / "coordination").rglob("*"):
        wanted = 0o700 if path.is_dir() else 0o600
        assert path.stat().st_mode & wanted == wanted, path
        if ".state" in path.parts and path.name != ".gitignore":
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_working_folder_that_is_gone_is_named(here: Surroundings) -> None:
    gone = here.path / "gone"
    gone.mkdir()
    for arguments in (["list"], ["add", "Third"], ["doctor"]):
        answer = here.run(
            *arguments, cwd=here.path, before=f"mkdir -p '{gone}'; cd gone; rmdir '{gone}'"
        )
        assert answer.exit_code == 5
        assert "the current folder does not exist any more" in answer.stderr
    named = here.run(
        "list", "--mission", str(here.path), before=f"mkdir -p '{gone}'; cd gone; rmdir '{gone}'"
    )
    assert named.exit_code == 0
    assert here.run("--help", before=f"mkdir '{gone}'; cd gone; rmdir '{gone}'").exit_code == 0
