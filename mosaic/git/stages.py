"""Files that git has not merged yet: the three versions that its index keeps of each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.git.git import answer_of, run_git
from mosaic.machine.git_dir import find_git_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

STAGES = (1, 2, 3)
"""What both began with, ours, theirs."""
_UNDER_WAY = (
    ("rebase-merge", "git rebase --continue"),
    ("rebase-apply", "git rebase --continue"),
    ("CHERRY_PICK_HEAD", "git cherry-pick --continue"),
    ("REVERT_HEAD", "git revert --continue"),
    ("MERGE_HEAD", "git commit --no-edit"),
)


def find_unmerged(top: Path, paths: Iterable[Path]) -> Mapping[Path, tuple[str | None, ...]]:
    """Return the files among `paths`, folders included, that are not merged, with their objects.

    Empty without git.
    """
    command = ["ls-files", "--unmerged", "-z", "--", *map(str, paths)]
    found: dict[Path, dict[int, str]] = {}
    for line in (answer_of(command, top) or "").split("\0"):
        facts, _, name = line.partition("\t")
        if name:
            _, object_id, stage = facts.split()
            found.setdefault(top / name, {})[int(stage)] = object_id
    return {path: tuple(map(stages.get, STAGES)) for path, stages in found.items()}


def read_stage(top: Path, path: Path, object_id: str) -> bytes:
    """Return a version of a file as git would put it into the work tree (or raise GitError)."""
    name = os.path.relpath(path, top)
    # Line ends as the work tree has them. Of filters git runs those alone that its settings name.
    command = ["cat-file", "--filters", f"--path={name}", object_id]
    return run_git(command, top).stdout


def stage_resolved(top: Path, paths: Iterable[Path]) -> None:
    """Put files into the index as they stand, which tells git that they are merged."""
    run_git(["add", "--all", "--", *map(str, paths)], top)


def command_to_go_on(top: Path) -> str | None:
    """Return what finishes a merge, rebase or pick that waits; None where nothing waits."""
    found = find_git_dir(top)
    names = ((found[1] / name, command) for name, command in _UNDER_WAY if found)
    return next((command for path, command in names if os.path.lexists(path)), None)
