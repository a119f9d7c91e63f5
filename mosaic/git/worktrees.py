"""Git worktrees beside the main one: made one at a time, removed when nothing would be lost.

git's own files do not bear two `worktree add` at once, so the folder that all worktrees of
a repository share is held meanwhile; that lock is the kernel's and leaves no file.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import GitError
from mosaic.git.branches import branch_obstacle
from mosaic.git.checkpoint_store import PLAIN_IDENTITY
from mosaic.git.diff import compare_trees, shown_paths, write_patch
from mosaic.git.git import (
    answer_of,
    common_dir,
    find_index,
    find_work_tree,
    head_commit,
    run_git,
)
from mosaic.git.index_copy import changed_in_secret, hidden_files, words_of
from mosaic.git.left_out import (
    CLOSED_FOLDER,
    MODULE,
    is_as_stored,
    is_repository,
    repositories_in_index,
    submodule_paths,
    why_apart,
)
from mosaic.git.snapshot import take_tree
from mosaic.machine.git_dir import find_git_dir, read_small
from mosaic.machine.lock import hold_folder
from mosaic.machine.removing import remove_folder, rename_folder
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GIT_SECONDS = 300.0
TURN_SECONDS = 300.0
"""How long to wait for another worktree of the repository that is just being made."""
BRANCHES = "refs/heads/"
"""Before every name that is meant to be a branch's: a tag may have the same."""
NO_DATE = {"GIT_AUTHOR_DATE": "@0 +0000", "GIT_COMMITTER_DATE": "@0 +0000"}
GONE_PREFIX = ".gone-"
"""Begins the name of a worktree that is being removed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Worktree:
    """A worktree that git knows of."""

    path: Path
    branch: str | None = None
    """None: detached."""
    head: str | None = None


def list_worktrees(cwd: Path | str) -> list[Worktree]:
    """Return the repository's worktrees, also those whose folder is gone; empty without git."""
    answer = answer_of(["worktree", "list", "--porcelain"], cwd)
    found = []
    for block in (answer or "").split("\n\n"):
        facts = dict(line.partition(" ")[::2] for line in block.splitlines())
        if "worktree" not in facts or "bare" in facts:
            continue
        branch = facts.get("branch", "").removeprefix(BRANCHES) or None
        place = Path(os.path.realpath(facts["worktree"]))
        found.append(Worktree(path=place, branch=branch, head=facts.get("HEAD")))
    return found


def other_worktrees(cwd: Path | str) -> list[Path]:
    """Return the tops of the repository's other worktrees that are there; empty without git."""
    own = find_work_tree(cwd)
    return [each.path for each in list_worktrees(cwd) if each.path != own and each.path.is_dir()]


def has_branch(cwd: Path | str, branch: str) -> bool:
    """Tell whether a local branch of exactly this name is there."""
    ref = f"{BRANCHES}{branch}"
    return answer_of(["show-ref", "--verify", "--quiet", ref], cwd) is not None


def branch_or_commit(cwd: Path | str, name: str) -> str:
    """Return what git is to be given for a name, so that a branch comes before a tag."""
    return f"{BRANCHES}{name}" if has_branch(cwd, name) else name


def commit_of(cwd: Path | str, name: str) -> str | None:
    """Return the commit that a name stands for; None where it stands for none."""
    if name.startswith("-"):
        return None
    command = ["rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"]
    answer = run_git(command, cwd, check=False)
    return answer.text if answer.exit_code == 0 else None


def add_worktree(home: Path, place: Path, *, branch: str | None, start: str, reason: str) -> bool:
    """Make a worktree and lock it, so that no `git worktree prune` takes it away.

    Args:
        place: must not be there, or be empty.
        branch: taken up where it is there, else made at `start`; None: no branch.
        reason: why it is locked, for people.

    Returns:
        Whether the branch was made newly.
    """
    with turn_of(home):
        is_new = branch is not None and not has_branch(home, branch)
        # Looked at in our turn: another worker's branch may have been made just now.
        if branch is not None and (why := branch_obstacle(home, branch)):
            raise GitError(why, path=home, hint="set another `branch` for the task")
        if branch is not None and is_new:
            # First, so that the rest can be tried again without a filter that does not run.
            # `--no-track`: a branch that begins at a remote one is not to push there.
            run_git(["branch", "--quiet", "--no-track", branch, start], home)
        # The short name: by a full one git would detach. Of a branch and a tag it takes the
        # branch here.
        what = ["--detach", str(place), start] if branch is None else [str(place), branch]
        command = ["worktree", "add", "--quiet", *what]
        run_git(command, home, timeout_seconds=GIT_SECONDS)
        run_git(["worktree", "lock", "--reason", reason, str(place)], home, check=False)
    return is_new


def remove_worktree(home: Path, place: Path) -> None:
    """Remove a worktree of this repository, whatever it holds, and all that git knows of it.

    It is renamed first, so that no half of it is taken for a worktree. git forgets it last:
    what is interrupted, or cannot be removed, is gone on with by the next call.
    """
    real = place.parent.resolve() / place.name
    with turn_of(home):
        is_known = refuse_strange_tree(home, place)
        rest = real.with_name(f"{GONE_PREFIX}{real.name}")
        if os.path.lexists(real):
            remove_folder(rest.parent, rest)
            rename_folder(real.parent, real, rest.name)
        remove_folder(rest.parent, rest)
        if is_known:
            run_git(["worktree", "unlock", str(real)], home, check=False)
            run_git(["worktree", "remove", "--force", str(real)], home, timeout_seconds=GIT_SECONDS)
        for each in list_worktrees(home):  # those that others made within it
            if real in each.path.parents and not os.path.lexists(each.path):
                # Twice, for a locked one.
                run_git(["worktree", "remove", "--force", "--force", str(each.path)], home)


def repair_worktree(home: Path, place: Path, branch: str | None) -> bool:
    """Have git know a folder as its worktree again, with all files in it as they are.

    So it is after its `.git` was lost, the repository was moved, or git's own record of it is
    gone; then it is put on `branch` again. False: a repository of its own stands there, or there
    is no branch to put it on.
    """
    real = place.parent.resolve() / place.name
    shared, link = common_dir(home), real / ".git"
    if shared is None or link.is_dir() or real.is_symlink() or not real.is_dir():
        return False
    with turn_of(home):
        admin = _record_of_worktree(shared, real)
        if admin is None:
            if branch is None or not has_branch(home, branch):
                return False
            spare = real.with_name(f"{GONE_PREFIX}{real.name}.new")
            command = ["worktree", "add", "--quiet", "--no-checkout", str(spare), branch]
            run_git(command, home, timeout_seconds=GIT_SECONDS)
            admin = find_git_dir(spare)[1]  # type: ignore[index]
            remove_folder(spare.parent, spare)
            (admin / "gitdir").write_text(f"{link}\n")
        link.unlink(missing_ok=True)
        link.write_text(f"gitdir: {admin}\n")
        (admin / "gitdir").write_text(f"{link}\n")
        if not (admin / "index").exists():
            run_git(["reset", "--quiet"], real, timeout_seconds=GIT_SECONDS)
        run_git(["worktree", "lock", str(real)], home, check=False)
    return True


def _record_of_worktree(shared: Path, real: Path) -> Path | None:
    """Return the folder in which git keeps what it knows of a worktree."""
    for admin in sorted((shared / "worktrees").glob("*")):
        place = Path((read_small(admin / "gitdir") or "").strip()).parent
        is_moved = place.parts[-2:] == real.parts[-2:] and not os.path.lexists(place)
        if is_moved or os.path.realpath(place) == str(real):
            return admin
    return None


def forget_worktree(home: Path, place: Path) -> None:
    """Have git forget a worktree whose folder is gone, though it is locked."""
    with turn_of(home):
        if not os.path.lexists(place):
            run_git(["worktree", "remove", "--force", "--force", str(place)], home)


def refuse_strange_tree(home: Path, place: Path) -> bool:
    """Tell whether git knows of a worktree in a place; GitError: something else stands there."""
    real = place.parent.resolve() / place.name
    is_known = any(each.path == real for each in list_worktrees(home))
    is_other = real.is_symlink() or (real / ".git").is_dir() or not is_known
    if os.path.lexists(real) and is_other:
        raise GitError(
            f"`{place}` is not a worktree of this repository",
            path=place,
            hint="look into it, and remove it by hand when it is not needed",
        )
    return is_known


def holds_commit(cwd: Path | str, commit: str, *, beside: str) -> bool:
    """Tell whether a local branch other than `beside` holds a commit.

    Neither a tag counts, which has no work on it, nor a remote's branch, which goes when the
    remote's does.
    """
    command = ["for-each-ref", "--format=%(refname)", f"--contains={commit}", BRANCHES]
    holding = (answer_of(command, cwd) or "").split("\n")
    return any(name and name != f"{BRANCHES}{beside}" for name in holding)


def what_would_be_lost(place: Path) -> str | None:
    """Say what removing a worktree would lose; None where it would lose nothing.

    Its branch stays, so commits on a branch are safe; ignored files are not looked at. Of a
    repository within, whatever stands in no other place would be lost.
    """
    real = Path(os.path.realpath(place))
    command = ["status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames"]
    answer = run_git(command, place)
    if closed := [os.fsdecode(name) for name in CLOSED_FOLDER.findall(answer.stderr)]:
        return f"folders that cannot be read: {shown_paths(closed)}"
    files, inner = _changes_in(place, words_of(answer.stdout))
    if files:
        return f"changes that are not committed: {shown_paths(files)}"
    if loose := _loose_commits(place, ["HEAD"], ["--branches", "--tags", "--remotes"]):
        return (
            "1 commit that is on no branch"
            if loose == 1
            else f"{loose} commits that are on no branch"
        )
    if (index := find_index(place)) is not None:
        inner |= set(repositories_in_index(place, index))
        if hidden := changed_in_secret(place, index.parent, [*hidden_files(place)]):
            return f"changes that a mark hides from git: {shown_paths(hidden)}"
    within = (each.path for each in list_worktrees(place))
    inner |= {path.relative_to(real).as_posix() for path in within if real in path.parents}
    for name in sorted(inner):
        if is_repository(place / name) and (lost := _lost_within(place, place / name)):
            kind = MODULE if name in submodule_paths(place) else why_apart(place / name)
            return f"`{name}`, {kind} with {lost}"
    return None


def _changes_in(place: Path, status: list[str]) -> tuple[list[str], set[str]]:
    """Return the changed files of a status, and repositories that are untracked or changed."""
    files, inner = [], set()
    for line in status:
        kind, _, rest = line.partition(" ")
        if kind == "?":
            if rest.endswith("/"):
                inner.add(rest.rstrip("/"))
            else:
                files.append(rest)
            continue
        fields = rest.split(" ", 7 if kind == "1" else 9)
        letters, module, path = fields[0], fields[1], fields[-1]
        if kind == "1" and letters == ".M":
            _, _, _, index_mode, mode, _, stored = fields[:7]
            if module.startswith("S.") or is_as_stored(place / path, index_mode, mode, stored):
                continue
        files.append(path)
    return files, inner


def _lost_within(place: Path, inner: Path) -> str | None:
    """Say what of a repository within a worktree would be lost with that."""
    own, git_dir = common_dir(inner), find_git_dir(place)
    goes = [Path(os.path.realpath(place)), *([git_dir[1].resolve()] if git_dir else [])]
    if own is not None and any(folder in own.parents for folder in goes):
        commits = ["HEAD", "--branches", "--tags", "--reflog"]
        if answer_of(["rev-parse", "--verify", "--quiet", "HEAD"], inner) is None:
            commits.remove("HEAD")
        if count := _loose_commits(inner, commits, ["--remotes"]):
            return (
                "1 commit that is nowhere else"
                if count == 1
                else f"{count} commits that are nowhere else"
            )
    return what_would_be_lost(inner)


def _loose_commits(place: Path, of: list[str], kept_by: list[str]) -> int:
    """Count the commits that some refs reach, and others do not."""
    if of == ["HEAD"] and answer_of(["symbolic-ref", "-q", "HEAD"], place) is not None:
        return 0  # on a branch
    return int(answer_of(["rev-list", "--count", *of, "--not", *kept_by], place) or 0)


def is_brought_home(cwd: Path | str, branch: str, into: str) -> bool:
    """Tell whether all that a branch changed stands in `HEAD` or another local branch.

    So it does when it was merged, rebased or squashed. GitError: one of them is not there.
    """
    return has_content(cwd, f"{BRANCHES}{branch}", into if into == "HEAD" else f"{BRANCHES}{into}")


def has_content(cwd: Path | str, ref: str, target: str) -> bool:
    """Tell whether all files that a commit changed stand in another as it left them."""
    fork = answer_of(["merge-base", target, ref], cwd)
    if fork is None:
        return False
    if fork == commit_of(cwd, ref):
        return True
    top = Path(cwd)
    touched = {change.path for change in compare_trees(top, fork, ref, find_renames=False)}
    differing = compare_trees(top, target, ref, find_renames=False)
    return not any(change.path in touched for change in differing)


def has_patch(cwd: Path | str, ref: str, target: str) -> bool:
    """Tell whether commits before another make the changes of a commit: each one's, or all in one.

    So it is after a rebase or squash, also where the same files were changed again since.
    """
    fork = answer_of(["merge-base", target, ref], cwd)
    if fork is None:
        return False
    # Always the same commit: it is made again each time, and git keeps it once.
    command = ["commit-tree", f"{ref}^{{tree}}", "-p", fork, "-m", "squashed"]
    squashed = run_git(command, cwd, env=PLAIN_IDENTITY | NO_DATE).text
    for commit in (ref, squashed):
        listed = answer_of(["cherry", target, commit], cwd)
        if listed and all(line.startswith("-") for line in listed.splitlines()):
            return True
    return False


def delete_branch(home: Path, branch: str, *, expected: str) -> None:
    """Delete a branch; GitError where it left the expected commit, or is checked out."""
    if any(each.branch == branch for each in list_worktrees(home)):
        raise GitError(f"branch `{branch}` is checked out in a worktree")
    run_git(["update-ref", "-d", f"{BRANCHES}{branch}", expected], home)
    run_git(["config", "--remove-section", f"branch.{branch}"], home, check=False)


def copy_changes(home: Path, place: Path, *, without: Sequence[str], scratch: Path) -> str:
    """Apply the uncommitted changes of a work tree, untracked files too, to a worktree.

    Returns in words what was done. GitError: they do not fit there; nothing was changed.

    Args:
        without: paths relative to the top that are not carried.
    """
    head = head_commit(home)
    if head is None:
        raise GitError("the repository has no commit yet", hint="commit first")
    tree = take_tree(home, scratch=scratch).tree
    patch = scratch / f".changes.{os.getpid()}.{threading.get_ident()}"
    try:
        write_patch(home, head, tree, patch, without=without)
        if not patch.stat().st_size:
            return "there are no uncommitted changes"
        command = ["apply", "--binary", "--whitespace=nowarn"]
        fits = run_git([*command, "--check", str(patch)], place, check=False)
        if fits.exit_code:
            present = run_git([*command, "--check", "--reverse", str(patch)], place, check=False)
            if present.exit_code == 0:
                return "the uncommitted changes are there already"
            raise GitError(
                "the uncommitted changes do not fit the worktree",
                detail=fits.stderr.decode("utf-8", "replace").strip()[:2000],
                hint="commit them, or hand off without `--with-changes`",
            )
        run_git([*command, str(patch)], place, timeout_seconds=GIT_SECONDS)
        return "the uncommitted changes were carried over"
    finally:
        patch.unlink(missing_ok=True)


@contextlib.contextmanager
def turn_of(home: Path) -> Iterator[None]:
    """Hold what all worktrees of a repository share, for the length of a `with` block.

    HeldError: another process holds it and does not end. GitError: there is no repository.
    """
    shared = common_dir(home)
    if shared is None or find_work_tree(home) is None:
        raise GitError(f"`{home}` is not in a git work tree")
    with hold_folder(shared, wait_seconds=TURN_SECONDS):
        yield
