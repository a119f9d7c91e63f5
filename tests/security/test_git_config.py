"""A repository's settings name programs: which of them our own git calls start."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from mosaic.git.checkpoint_store import keep_tree
from mosaic.git.diff import compare_trees, read_diff, write_patch
from mosaic.git.git import head_commit, run_git
from mosaic.git.snapshot import take_tree
from tests.support.git import git, make_repo

if TYPE_CHECKING:
    from pathlib import Path

HOOKS = ("post-index-change", "reference-transaction", "pre-commit", "post-checkout")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with one commit and one change to it."""
    files = {".gitattributes": "*.txt diff=evil filter=evil\n", "a.txt": "one\n"}
    top = make_repo(tmp_path / "repo", files)
    for setting in ("user.name=A", "user.email=a@example.org"):
        git(top, "config", *setting.split("="))
    (top / "a.txt").write_text("two\n")
    return top


def program(tmp_path: Path, name: str) -> tuple[Path, Path]:
    """Return a program, and the file that is there once it has run."""
    path, trace = tmp_path / f"{name}.sh", tmp_path / f"{name}.ran"
    path.write_text(f"#!/bin/sh\ntouch '{trace}'\ncat\n")
    path.chmod(0o755)
    return path, trace


def look_and_keep(top: Path, scratch: Path) -> str:
    """Do all that a status, a checkpoint and a review ask of git; return the diff."""
    base = head_commit(top)
    assert base is not None
    assert run_git(["status", "--porcelain"], top).text
    taken = take_tree(top, scratch=scratch)
    commit = keep_tree(top, taken, ref="probe/1", message="a checkpoint")
    assert [change.path for change in compare_trees(top, base, commit)] == ["a.txt"]
    write_patch(top, base, commit, scratch / "a.patch")
    return read_diff(top, base, commit)


@pytest.mark.parametrize(
    "setting", ["core.fsmonitor", "diff.external", "diff.evil.textconv", "diff.evil.command"]
)
def test_no_program_that_the_settings_name_for_looking_is_started(
    repo: Path, tmp_path: Path, setting: str
) -> None:
    path, trace = program(tmp_path, "evil")
    subprocess.run(["git", "config", setting, str(path)], cwd=repo, check=True)
    assert "+two" in look_and_keep(repo, tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize("hook", HOOKS)
def test_no_hook_is_started_by_a_look_or_a_checkpoint(
    repo: Path, tmp_path: Path, hook: str
) -> None:
    path, trace = program(tmp_path, hook)
    (tmp_path / "hooks").mkdir()
    path.rename(tmp_path / "hooks" / hook)
    subprocess.run(
        ["git", "config", "core.hooksPath", str(tmp_path / "hooks")], cwd=repo, check=True
    )
    assert "+two" in look_and_keep(repo, tmp_path)
    assert not trace.exists()


def test_attributes_alone_start_nothing(repo: Path, tmp_path: Path) -> None:
    """What a clone brings: attributes, but no settings that say what they mean."""
    assert "+two" in look_and_keep(repo, tmp_path)


def test_a_clean_filter_of_the_settings_is_run_as_git_runs_it(repo: Path, tmp_path: Path) -> None:
    """Settings are trusted: without the filter a checkpoint would hold other bytes than git."""
    path, trace = program(tmp_path, "evil")
    run_git(["config", "filter.evil.clean", str(path)], repo)
    look_and_keep(repo, tmp_path)
    assert trace.exists()
