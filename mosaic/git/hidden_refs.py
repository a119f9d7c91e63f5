"""The hidden refs that keep checkpoints, and where they would leave this machine.

Measured with git 2.39: `transfer.hideRefs` in this repository keeps them out of what others clone
or fetches it, `--mirror` included. It does not keep them from `git push --mirror`, from a
remote with `mirror = true`, nor from `git bundle create --all`: those read the refs here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.git.git import answer_of, run_git

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.git.snapshot import TakenTree

OUR_REFS = "refs/mosaic"
HIDDEN_REFS = f"{OUR_REFS}/checkpoints"
HIDE_COMMAND = f"git config --local --add transfer.hideRefs {OUR_REFS}"
"""What keeps checkpoints out of clones and fetches."""
_HIDING = ("transfer.hideRefs", "uploadpack.hideRefs")
_EVERYTHING = "refs/*:refs/*"
_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
PLAIN_IDENTITY = {
    "GIT_AUTHOR_NAME": "Mosaic",
    "GIT_AUTHOR_EMAIL": "mosaic@localhost",
    "GIT_COMMITTER_NAME": "Mosaic",
    "GIT_COMMITTER_EMAIL": "mosaic@localhost",
}
"""Nobody's name stands under what nobody committed."""


def keep_tree(top: Path, taken: TakenTree, *, ref: str, message: str) -> str:
    """Give a tree a commit, and the commit a hidden ref below `HIDDEN_REFS`; return the commit."""
    parent = ["-p", taken.head] if taken.head else []
    text = message.encode("utf-8", "replace")
    answer = run_git(["commit-tree", taken.tree, *parent], top, stdin=text, env=PLAIN_IDENTITY)
    commit = answer.text.strip()
    run_git([*_NO_HOOKS, "update-ref", f"{HIDDEN_REFS}/{ref}", commit], top)
    return commit


def forget_trees(top: Path, prefix: str) -> int:
    """Remove the hidden refs whose name begins with `prefix/`; return how many there were."""
    found = run_git(["for-each-ref", "--format=%(refname)", f"{HIDDEN_REFS}/{prefix}/"], top)
    names = [name for name in found.text.split("\n") if name]
    if names:
        commands = "".join(f"delete {name}\n" for name in names)
        run_git([*_NO_HOOKS, "update-ref", "--stdin"], top, stdin=os.fsencode(commands))
    return len(names)


def has_checkpoints(cwd: Path | str) -> bool:
    """Tell whether a repository holds hidden refs of ours."""
    return bool(answer_of(["for-each-ref", "--count=1", f"{OUR_REFS}/"], cwd))


def hides_checkpoints(cwd: Path | str) -> bool:
    """Tell whether a repository keeps our refs out of clones and fetches."""
    told = (answer_of(["config", "--get-all", name], cwd) or "" for name in _HIDING)
    return any(line.strip() == OUR_REFS for lines in told for line in lines.split("\n"))


def carrying_remotes(cwd: Path | str) -> list[str]:
    """Return the remotes that a plain `git push` carries every ref to."""
    found = []
    for line in (answer_of(["config", "--get-regexp", r"^remote\..*"], cwd) or "").split("\n"):
        key, _, value = line.partition(" ")
        name, _, setting = key.removeprefix("remote.").rpartition(".")
        is_mirror = setting == "mirror" and value.strip().lower() in ("true", "yes", "on", "1", "")
        if is_mirror or (setting == "push" and value.strip().lstrip("+") == _EVERYTHING):
            found.append(name)
    return list(dict.fromkeys(found))
