"""Taking a work tree as it stands, without touching it or its index.

A tree object is made of what is tracked, changed and untracked, by way of a copy of the
index. What .gitignore names is left out, and so is one folder of the caller's. Submodules
and repositories within the work tree are taken by the commit that they are at. Files that
are marked `skip-worktree` or `assume-unchanged` are taken as the index has them.

Only objects are added to the repository; hidden refs keep them. Measured with git 2.39:
`transfer.hideRefs` in this repository keeps those out of what others clone or fetch from it,
`--mirror` included. It does not keep them from `git push --mirror`, from a remote with
`mirror = true`, nor from `git bundle create --all`: those read the refs here.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import GitError
from mosaic.git.git import answer_of, at_once, common_dir, find_work_tree, head_commit, run_git
from mosaic.git.index_copy import as_input, copy_index, git_on, index_in, words_of
from mosaic.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.git.git import GitResult
    from mosaic.model import Text

LARGEST_FILE_BYTES = 32 << 20
LARGEST_TOTAL_BYTES = 1 << 30
"""Untracked bytes that one tree takes in; what goes past it is listed only."""
ATTEMPTS = 3
"""An agent goes on writing while its tree is taken; files come and go under git's hands."""
UNTRACKED = "? "
"""What `git ls-files -t` puts before a path that is not tracked."""
PRIVATE = "private file"
"""Why a file is left out that its owner alone may read."""
_OTHERS = 0o077
_READ = 0o044
_ENTER = 0o011
_CLOSED_FOLDER = re.compile(rb"could not open directory '(.+?)/?': ")
"""All that git has to say of a folder that it may not read."""
OUR_REFS = "refs/mosaic"
HIDDEN_REFS = f"{OUR_REFS}/checkpoints"
HIDE_COMMAND = f"git config --local --add transfer.hideRefs {OUR_REFS}"
"""What keeps checkpoints out of clones and fetches."""
_HIDING = ("transfer.hideRefs", "uploadpack.hideRefs")
_EVERYTHING = "refs/*:refs/*"
PLAIN_IDENTITY = {
    "GIT_AUTHOR_NAME": "Mosaic",
    "GIT_AUTHOR_EMAIL": "mosaic@localhost",
    "GIT_COMMITTER_NAME": "Mosaic",
    "GIT_COMMITTER_EMAIL": "mosaic@localhost",
}
"""Nobody's name stands under what nobody committed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A file that was listed and not taken in; a tracked one is taken as the index has it."""

    path: Text
    reason: str
    size_bytes: int = 0
    mtime_ns: int = 0
    sha256: str | None = None
    """None where it could not be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TakenTree:
    """A work tree as it stood."""

    tree: str
    head: str | None
    """The commit that was checked out; None before the first."""
    left_out: tuple[LeftOut, ...] = ()


def take_tree(
    top: Path,
    *,
    scratch: Path,
    without: str | None = None,
    largest_bytes: int = LARGEST_FILE_BYTES,
    known: Mapping[str, LeftOut] | None = None,
    keep_private: bool = True,
) -> TakenTree:
    """Make a tree object of a work tree.

    Args:
        scratch: a folder of our own that others cannot enter, for a copy of the index.
        without: a folder relative to `top` that is taken as the last commit has it.
        largest_bytes: a larger untracked file is listed instead.
        known: files left out earlier, by path; one that is unchanged is not read again.
        keep_private: take untracked files that others may not read, though they could read
            git's objects; else they are listed.
    """
    limits = _Limits(
        largest_bytes=largest_bytes,
        known=known or {},
        without_private=not keep_private and _opens_files(top),
    )
    with index_in(scratch, f"index.{os.getpid()}.{threading.get_ident()}") as index:
        for attempt in range(1, ATTEMPTS + 1):
            copy_index(top, index)
            try:
                left_out = _bring_up_to_date(top, index, without, limits)
                tree = git_on(["write-tree"], top, index).text
                return TakenTree(tree=tree, head=head_commit(top), left_out=left_out)
            except GitError:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("not reached")


def is_within(path: str, folder: str | None) -> bool:
    """Tell whether a path is a folder or lies in it; nothing lies in None."""
    return folder is not None and (path == folder or path.startswith(f"{folder}/"))


def is_repository(place: Path) -> bool:
    """Tell whether a folder is the top of a repository of its own."""
    return find_work_tree(place) == Path(os.path.realpath(place))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    largest_bytes: int
    known: Mapping[str, LeftOut]
    without_private: bool


def _bring_up_to_date(
    top: Path, index: Path, without: str | None, limits: _Limits
) -> tuple[LeftOut, ...]:
    looked, listed = _look(top, index, without)
    gone, changed, unfit = _tracked_changes(top, without, looked, listed)
    untracked, left_out = _untracked(top, without, limits, listed)
    if gone:
        # By force: what stands behind a new symlink is refused otherwise.
        git_on(["update-index", "--force-remove", "-z", "--stdin"], top, index, as_input(gone))
    if changed or untracked:
        command = ["update-index", "--add", "--remove", "--replace", "-z", "--stdin"]
        git_on(command, top, index, as_input([*changed, *untracked]))
    return (*unfit, *left_out)


def _look(top: Path, index: Path, without: str | None) -> list[GitResult]:
    """Ask git what of the index is changed, and what is unmerged or not tracked."""
    compare = ["diff-files", "--name-status", "--no-renames", "--ignore-submodules=dirty", "-z"]
    # One look for both: each process costs as much as what it finds out.
    list_others = ["ls-files", "--unmerged", "--others", "--exclude-standard", "-t", "-z"]
    find_committed = ["ls-tree", "--name-only", "--full-tree", "HEAD", f"{without}/"]
    asked = [lambda: git_on(compare, top, index), lambda: git_on(list_others, top, index)]
    if without is not None:
        if not _may_hold(index, without):
            *answers, committed = at_once(*asked, lambda: git_on(find_committed, top, check=False))
            if not committed.stdout:
                return answers
        # What is staged or unmerged in there is as little of the tree as what is changed.
        git_on(["reset", "--quiet", "--", f":(top,literal){without}"], top, index)
    return at_once(*asked)


def _may_hold(index: Path, folder: str) -> bool:
    """Tell whether an index may hold files of a folder; False only where that is certain."""
    data = index.read_bytes() if index.exists() else b""
    plain = data[4:8] in (b"\0\0\0\2", b"\0\0\0\3")  # a later version shortens paths
    elsewhere = b"link" in data or b"sdir" in data  # in a shared index, or in a folder's name
    return bool(data) and (not plain or elsewhere or os.fsencode(f"{folder}/") in data)


def _tracked_changes(
    top: Path, without: str | None, looked: GitResult, listed: GitResult
) -> tuple[list[str], list[str], list[LeftOut]]:
    """Return which paths to take out of the index, which to put in, and which to leave."""
    words = iter(words_of(looked.stdout))
    status = {}  # an unmerged path is told twice; what is wrong with its file comes last
    for letter in words:
        path = next(words, "")
        if not is_within(path, without):
            status[path] = letter
    # Of a path behind a symlink that leads in a circle git tells nothing; no tree may hold it.
    for line in words_of(listed.stdout):
        if not line.startswith(UNTRACKED):
            status.setdefault(line.partition("\t")[2], "D")
    gone, changed, unfit = [], [], []
    for path, letter in status.items():
        place = top / path
        if letter == "D":
            gone.append(path)
        elif place.is_dir() and not place.is_symlink():
            # git puts no repository in the place of a file, and no folder anywhere.
            gone.append(path)
            changed += [path] if is_repository(place) else []
        elif reason := _find_unfitness(place):
            unfit.append(LeftOut(path=path, reason=reason))
        else:
            changed.append(path)
    return gone, changed, unfit


def _untracked(
    top: Path, without: str | None, limits: _Limits, listed: GitResult
) -> tuple[list[str], list[LeftOut]]:
    sizes: list[tuple[int, str, os.stat_result]] = []
    closed = (os.fsdecode(name) for name in _CLOSED_FOLDER.findall(listed.stderr))
    left_out = [
        LeftOut(path=path, reason="a folder that cannot be read")
        for path in closed
        if not is_within(path, without)
    ]
    for line in words_of(listed.stdout):
        path = line.removeprefix(UNTRACKED).rstrip("/")
        if path == line.rstrip("/") or is_within(path, without):
            continue
        try:
            found = os.lstat(top / path)
        except OSError:
            continue  # gone since it was listed
        listed_only = _listed_only(top, path, found, limits)
        if listed_only is not None:
            left_out.append(listed_only)
        else:
            sizes.append((0 if stat.S_ISDIR(found.st_mode) else found.st_size, path, found))
    taken, total = [], 0
    for size, path, found in sorted(sizes, key=lambda entry: entry[:2]):
        total += size
        if total > LARGEST_TOTAL_BYTES:
            left_out.append(_list_file(top, path, found, "too much in all", limits.known))
        else:
            taken.append(path)
    return taken, left_out


def _listed_only(top: Path, path: str, found: os.stat_result, limits: _Limits) -> LeftOut | None:
    """Return what is noted of an untracked file that is not taken; None where it is."""
    if stat.S_ISDIR(found.st_mode):  # a repository of its own
        is_empty = not _has_commit(top / path)
        return LeftOut(path=path, reason="a repository without a commit") if is_empty else None
    is_file = stat.S_ISREG(found.st_mode)
    if limits.without_private and is_file and not found.st_mode & _OTHERS:
        # Without a hash, by which a short secret could be guessed.
        changed = max(found.st_mtime_ns, found.st_ctime_ns)
        return LeftOut(path=path, reason=PRIVATE, size_bytes=found.st_size, mtime_ns=changed)
    if found.st_size > limits.largest_bytes and is_file:
        return _list_file(top, path, found, "too large", limits.known)
    reason = _find_unfitness(top / path)
    return LeftOut(path=path, reason=reason) if reason else None


def _has_commit(repository: Path) -> bool:
    # By both names: of a submodule that was moved git would look for the place it had.
    place = [f"--git-dir={repository / '.git'}", f"--work-tree={repository}"]
    command = [*place, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"]
    return run_git(command, repository, check=False).exit_code == 0


def _list_file(
    top: Path, path: str, found: os.stat_result, reason: str, known: Mapping[str, LeftOut]
) -> LeftOut:
    """List a file with its hash; one that is as it was known before is not read again."""
    listed = LeftOut(path=path, reason=reason, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    before = known.get(path)
    same = before and (before.size_bytes, before.mtime_ns) == (listed.size_bytes, listed.mtime_ns)
    sha256 = (before.sha256 if before and same else None) or _digest(top / path)
    return replace(listed, sha256=sha256)


def _opens_files(top: Path) -> bool:
    """Tell whether git would store a private file so that others can read it.

    git gives its objects the rights to read that the umask leaves. So a mode without rights
    for others says something of a file only where files are made with them, and where others
    get at all to the work tree and to the objects.
    """
    shared = common_dir(top)
    if shared is None or _umask() & _READ == _READ:
        return False
    try:
        return all(os.stat(folder).st_mode & _ENTER for folder in (top, shared / "objects"))
    except OSError:
        return False


def _umask() -> int:
    mask = os.umask(_OTHERS)  # the only way to learn it
    os.umask(mask)
    return mask


def _find_unfitness(place: Path) -> str | None:
    """Return why git could not take a file; None where it can, or where there is none."""
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return None
    if stat.S_ISLNK(mode):
        return None
    if not stat.S_ISREG(mode):
        return "not a file"
    return None if os.access(place, os.R_OK) else "cannot be read"


def _digest(path: Path) -> str | None:
    import hashlib  # start-up: hardly ever needed

    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def keep_tree(top: Path, taken: TakenTree, *, ref: str, message: str) -> str:
    """Give a tree a commit, and the commit a hidden ref below `HIDDEN_REFS`; return the commit."""
    parent = ["-p", taken.head] if taken.head else []
    text = message.encode("utf-8", "replace")
    answer = run_git(["commit-tree", taken.tree, *parent], top, stdin=text, env=PLAIN_IDENTITY)
    commit = answer.text.strip()
    git_on(["update-ref", f"{HIDDEN_REFS}/{ref}", commit], top)
    return commit


def forget_trees(top: Path, prefix: str) -> int:
    """Remove the hidden refs whose name begins with `prefix/`; return how many there were."""
    found = run_git(["for-each-ref", "--format=%(refname)", f"{HIDDEN_REFS}/{prefix}/"], top)
    names = [name for name in found.text.split("\n") if name]
    if names:
        commands = "".join(f"delete {name}\n" for name in names)
        git_on(["update-ref", "--stdin"], top, stdin=os.fsencode(commands))
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
