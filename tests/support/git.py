"""Real git, as nobody in particular and without the settings of who runs the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}


def git(cwd: Path, *args: str, stdin: bytes = b"", check: bool = True) -> str:
    """Run git and return what it printed, without the last line end."""
    answer = subprocess.run(
        ["git", *args], cwd=cwd, env=ENVIRONMENT, input=stdin, capture_output=True, check=False
    )
    assert not check or answer.returncode == 0, (args, answer.stderr)
    return os.fsdecode(answer.stdout).removesuffix("\n")


def make_repo(path: Path, files: Mapping[str, str] | None = None) -> Path:
    """Make a repository; with files, they are its first commit."""
    path.mkdir(parents=True, exist_ok=True)
    git(path, "init", "-q", "-b", "main")
    if files is not None:
        commit(path, files)
    return path


def commit(repo: Path, files: Mapping[str, str] | None = None) -> str:
    """Write files, commit everything that is there, and return the commit."""
    for name, text in (files or {}).items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "--allow-empty", "-m", "change")
    return git(repo, "rev-parse", "HEAD")
