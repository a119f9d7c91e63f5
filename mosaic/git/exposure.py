"""Where the hidden refs of checkpoints would leave this machine.

Measured with git 2.39: `transfer.hideRefs` in this repository keeps them out of what others clone
or fetches it, `--mirror` included. It does not keep them from `git push --mirror`, from a
remote with `mirror = true`, nor from `git bundle create --all`: those read the refs here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.git.git import answer_of

if TYPE_CHECKING:
    from pathlib import Path

OUR_REFS = "refs/mosaic"
HIDE_COMMAND = f"git config --local --add transfer.hideRefs {OUR_REFS}"
"""What keeps checkpoints out of clones and fetches."""
_HIDING = ("transfer.hideRefs", "uploadpack.hideRefs")
_EVERYTHING = "refs/*:refs/*"


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
