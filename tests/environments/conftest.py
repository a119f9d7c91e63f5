"""A small mission with a Chinese title, and the real command under any circumstances."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.mission import PATIENCE_SECONDS, Answer, MissionRepo, make_environ

TITLE = "写一个问候 façade 🎈"
BODY = """\
## Goal

```demo
write hello.txt Hello
run cat hello.txt
```
"""


@dataclass(frozen=True)
class Surroundings:
    """A mission, and what the command is told of the machine."""

    repo: MissionRepo

    @property
    def path(self) -> Path:
        return self.repo.path

    def run(
        self,
        *arguments: str,
        cwd: Path | None = None,
        environ: Mapping[str, str | None] | None = None,
        before: str = "",
        prefix: Sequence[str] = (),
    ) -> Answer:
        """Run a command.

        Args:
            arguments: the command.
            cwd: where; the project otherwise.
            environ: variables beside the usual ones; None takes one away.
            before: what a shell does first, or redirections behind `exec`.
            prefix: the program that starts the shell, such as `unshare`.
        """
        told = {**self.repo.environ, **(environ or {})}
        argv = self.repo.argv(*arguments)
        if before:
            argv = [*prefix, "/bin/sh", "-c", f'{before}\nexec "$@"', "sh", *argv]
        done = subprocess.run(
            argv,
            cwd=cwd or self.path,
            env={name: value for name, value in told.items() if value is not None},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        answer = Answer(done.returncode, read(done.stdout), read(done.stderr))
        assert "Traceback" not in answer.stderr + answer.stdout, answer
        return answer


def read(output: bytes) -> str:
    return output.decode("utf-8", "surrogateescape")


def programs(folder: Path, *names: str) -> str:
    """Return a PATH that holds these programs alone."""
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        if found is not None:
            (folder / name).symlink_to(os.path.realpath(found))
    return str(folder)


OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")
"""Starts a program whose mounts nobody else sees."""


def needs_own_mounts() -> None:
    """Skip a test where this user cannot have mounts of its own."""
    try:
        done = subprocess.run([*OWN_MOUNTS, "true"], capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no `unshare`")
    if done.returncode:
        pytest.skip("only root can have mounts of its own")


@pytest.fixture(scope="session")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mission of two tasks in a repository, committed."""
    folder = tmp_path_factory.mktemp("laid")
    made = MissionRepo(folder, make_environ(folder))
    made.git("init", "-q")
    made.git("symbolic-ref", "HEAD", "refs/heads/main")
    made.git("config", "user.name", "Somebody")
    made.git("config", "user.email", "somebody@example.invalid")
    body = folder / "body.md"
    body.write_text(BODY)
    assert made.run("init", "--name", "问候").exit_code == 0
    for title in (TITLE, "Second"):
        assert made.run("add", title, "--body", str(body)).exit_code == 0
    body.unlink()
    made.git("add", "--all")
    made.git("commit", "-qm", "Plan")
    return folder


@pytest.fixture
def here(laid: Path, tmp_path: Path) -> Surroundings:
    """A copy of that mission, for one test."""
    folder = tmp_path / "project"
    shutil.copytree(laid, folder, symlinks=True)
    (tmp_path / "home").mkdir()
    return Surroundings(MissionRepo(folder, make_environ(tmp_path / "home")))
