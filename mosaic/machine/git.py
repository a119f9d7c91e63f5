"""The one door to git. No git, or no repository, is an answer and not an error.

Nothing newer than git 2.25 is relied on. What runs on every command (`current_branch`)
reads `.git` itself and starts no process.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_SECONDS = 60.0
LOCAL_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class GitResult:
    """What git answered."""

    exit_code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Its stdout as text, without the last newline."""
        return self.stdout.decode("utf-8", "replace").rstrip("\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class BranchFiles:
    """What all local branches hold of a mission: enough to see which ids are taken."""

    names: frozenset[str]
    """File names directly in the tasks folder, over all branches."""
    tables: tuple[bytes, ...]
    """The different contents of the tasks table."""


def run_git(
    args: Sequence[str], cwd: Path, *, stdin: bytes | None = None, check: bool = True
) -> GitResult:
    """Run git.

    Args:
        args: its arguments, without `git`.
        cwd: where.
        stdin: what it is given on its stdin; nothing unless given.
        check: whether a refusal is an error.

    Raises:
        GitError: git is not installed, took too long, or refused.
    """
    environ = {key: value for key, value in os.environ.items() if key not in LOCAL_VARIABLES}
    environ.update(GIT_OPTIONAL_LOCKS="0", GIT_TERMINAL_PROMPT="0", LC_ALL="C")
    try:
        done = subprocess.run(
            ["git", "--no-pager", "-c", "core.quotepath=off", *args],
            cwd=cwd,
            env=environ,
            input=stdin if stdin is not None else b"",
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise GitError("git is not installed", hint="install git") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitError(f"`git {args[0]}` did not answer", detail=str(error)) from None
    stderr = done.stderr.decode("utf-8", "replace").strip()
    if check and done.returncode != 0:
        raise GitError(f"`git {args[0]}` refused", detail=stderr or None)
    return GitResult(exit_code=done.returncode, stdout=done.stdout, stderr=stderr)


def answer_of(args: Sequence[str], cwd: Path) -> str | None:
    """Return git's answer, or None when it has none to give."""
    try:
        result = run_git(args, cwd, check=False)
    except GitError:
        return None
    return result.text if result.exit_code == 0 else None


def find_git_dir(start: Path) -> Path | None:
    """Return the git folder of the work tree that a path is in, without asking git."""
    for folder in (start, *start.parents):
        candidate = folder / ".git"
        if candidate.is_dir():
            return candidate
        if candidate.is_file():  # a linked work tree or a submodule
            try:
                text = candidate.read_text(encoding="utf-8", errors="surrogateescape")
            except OSError:
                return None
            kind, _, target = text.strip().partition(": ")
            return (folder / target) if kind == "gitdir" else None
    return None


def current_branch(start: Path) -> str | None:
    """Return the branch that is checked out; None when HEAD is detached or there is no git."""
    git_dir = find_git_dir(start)
    if git_dir is None:
        return None
    try:
        head = (git_dir / "HEAD").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    kind, _, ref = head.partition(": ")
    return ref.removeprefix("refs/heads/") if kind == "ref" else None


def head_commit(cwd: Path) -> str | None:
    """Return the commit that is checked out; None without git or before the first commit."""
    return answer_of(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], cwd)


def work_tree(cwd: Path) -> Path | None:
    """Return the root of the work tree that a folder is in."""
    found = answer_of(["rev-parse", "--show-toplevel"], cwd)
    return Path(found) if found else None


def has_remote(cwd: Path) -> bool:
    """Tell whether the repository has a remote."""
    return bool(answer_of(["remote"], cwd))


def other_work_trees(cwd: Path) -> list[Path]:
    """Return the roots of all work trees of the repository but the one a folder is in."""
    listed = answer_of(["worktree", "list", "--porcelain"], cwd) or ""
    paths = [
        Path(line.removeprefix("worktree "))
        for line in listed.splitlines()
        if line.startswith("worktree ")
    ]
    own = work_tree(cwd)
    return [path for path in paths if path != own]


def files_on_branches(cwd: Path, folder: str, table: str) -> BranchFiles:
    """Return what every local branch holds of a mission, with three processes in all.

    Args:
        cwd: a folder of the repository.
        folder: the tasks folder, relative to the repository's root.
        table: the tasks table, likewise.
    """
    nothing = BranchFiles(names=frozenset(), tables=())
    refs = (answer_of(["for-each-ref", "--format=%(refname)", "refs/heads"], cwd) or "").split()
    if not refs:
        return nothing
    wanted = "".join(f"{ref}:{folder}\n{ref}:{table}\n" for ref in refs)
    try:
        checked = run_git(["cat-file", "--batch-check"], cwd, stdin=wanted.encode())
        objects = {
            parts[0]: parts[1]
            for line in checked.text.splitlines()
            if len(parts := line.split()) == 3 and parts[1] in ("tree", "blob")
        }
        ids = "".join(f"{name}\n" for name in objects)
        contents = run_git(["cat-file", "--batch"], cwd, stdin=ids.encode()).stdout
    except GitError:
        return nothing
    names: set[str] = set()
    tables: list[bytes] = []
    for kind, data in _parse_batch(contents):
        if kind == "tree":
            names.update(_tree_names(data))
        else:
            tables.append(data)
    return BranchFiles(names=frozenset(names), tables=tuple(tables))


def _parse_batch(contents: bytes) -> list[tuple[str, bytes]]:
    r"""Split `<id> <kind> <size>\\n<data>\\n` records."""
    found = []
    position = 0
    while position < len(contents):
        end = contents.index(b"\n", position)
        _, kind, size = contents[position:end].split()
        start = end + 1
        found.append((kind.decode(), contents[start : start + int(size)]))
        position = start + int(size) + 1
    return found


def _tree_names(tree: bytes) -> list[str]:
    r"""Return the names in a raw tree object: `<mode> <name>\\0<20 or 32 bytes>` records."""
    names = []
    id_length = 20
    position = 0
    while position < len(tree):
        space = tree.index(b" ", position)
        end = tree.index(b"\0", space)
        names.append(tree[space + 1 : end].decode("utf-8", "replace"))
        position = end + 1 + id_length
    return names
