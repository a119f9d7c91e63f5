"""What of a work tree git cannot hold, or nobody asked it to: found, and listed with why."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.git.diff import SUBMODULE
from mosaic.git.git import answer_of, common_dir, find_work_tree, run_git
from mosaic.git.index_copy import git_on, words_of
from mosaic.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.model import Text

PRIVATE = "private file"
"""Why a file is left out that its owner alone may read."""
REPOSITORY = "a repository of its own"
WORKTREE = "a worktree of this repository"
"""Why a folder is left out."""
MODULE = "a submodule"
CHANGED_MODULE = "a submodule with changes that are not committed in it"
"""Why it is listed, though it is taken by its commit."""
FILTERED = "for git's filter `{0}`, which does not run here (see `git config filter.{0}.clean`)"
OTHERS = 0o077
"""The rights of everybody but the owner."""
CLOSED_FOLDER = re.compile(rb"could not open directory '(.+?)/?': ")
"""All that git has to say of a folder that it may not read."""
_SHA1_DIGITS = 40
_LINK_MODE = b"\0\0\xe0\0"
"""The mode of a repository within, as an index has it."""
_READ = 0o044
_ENTER = 0o011


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A file that was listed and not taken in; a tracked one is taken as the index has it."""

    path: Text
    reason: str
    size_bytes: int = 0
    mtime_ns: int = 0
    sha256: str | None = None
    """None where it could not be read."""


def is_repository(place: Path) -> bool:
    """Tell whether a folder is the top of a repository of its own."""
    return find_work_tree(place) == Path(os.path.realpath(place))


def repositories_in_index(top: Path, index: Path) -> list[str]:
    """Return the submodules, and other repositories, that an index holds by their commit."""
    data = index.read_bytes() if index.exists() else b""
    if _LINK_MODE not in data and b"link" not in data:
        return []
    listed = words_of(git_on(["ls-files", "--stage", "-z"], top, index).stdout)
    links = (line.partition("\t")[2] for line in listed if line.startswith(SUBMODULE))
    return list(dict.fromkeys(links))


def unasked_links(top: Path, index: Path) -> list[str]:
    """Return the repositories that an index holds, and neither a commit nor .gitmodules names.

    `git add --all` puts them there, and nobody who clones gets what is in them. One that a
    file has replaced since is an ordinary change.
    """
    places = repositories_in_index(top, index)
    links = [path for path in places if (top / path).is_dir() and not (top / path).is_symlink()]
    if not links:
        return []
    tree = ["--literal-pathspecs", "ls-tree", "-z", "--full-tree", "HEAD", "--", *links]
    committed = words_of(git_on(tree, top, check=False).stdout)
    known = {line.partition("\t")[2] for line in committed if line.startswith(SUBMODULE)}
    if not known.issuperset(links):
        known |= submodule_paths(top)
    return [path for path in links if path not in known]


def submodule_paths(top: Path) -> set[str]:
    """Return the paths that .gitmodules names."""
    asked = ["config", "-z", "-f", str(top / ".gitmodules"), "--get-regexp", r"\.path$"]
    words = words_of(run_git(asked, top, check=False).stdout)
    return {word.partition("\n")[2].rstrip("/") for word in words}


def why_apart(place: Path) -> str:
    """Say what kind of repository a folder within the work tree is."""
    outer, own = common_dir(place.parent), common_dir(place)
    return WORKTREE if own is not None and own == outer else REPOSITORY


def changed_modules(top: Path, index: Path) -> list[str]:
    """Return the submodules in an index that hold changes, which no tree of `top` can hold."""
    places = [path for path in repositories_in_index(top, index) if is_repository(top / path)]
    status = ["status", "--porcelain", "-z", "--untracked-files=normal"]
    return [path for path in places if answer_of([*_names_of(top / path), *status], top / path)]


def is_as_stored(place: Path, old_mode: str, mode: str, content: str) -> bool:
    """Tell whether a file has the very bytes of a content that git has, and the same mode."""
    if old_mode != mode or place.is_symlink():
        return False
    import hashlib  # start-up: most commands take no tree

    try:
        with open(place, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            found = hashlib.new("sha1" if len(content) == _SHA1_DIGITS else "sha256")
            found.update(b"blob %d\0" % size)
            for block in iter(lambda: stream.read(1 << 20), b""):
                found.update(block)
    except OSError:
        return False
    return found.hexdigest() == content


def has_commit(repository: Path) -> bool:
    """Tell whether a repository within has a commit checked out."""
    command = [*_names_of(repository), "rev-parse", "--verify", "--quiet", "HEAD^{commit}"]
    return run_git(command, repository, check=False).exit_code == 0


def _names_of(repository: Path) -> list[str]:
    # By both names: of a submodule that was moved git would look for the place it had.
    return [f"--git-dir={repository / '.git'}", f"--work-tree={repository}"]


def list_file(
    top: Path, path: str, found: os.stat_result, reason: str, known: Mapping[str, LeftOut]
) -> LeftOut:
    """List a file with its hash; one that is as it was known before is not read again."""
    listed = LeftOut(path=path, reason=reason, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    before = known.get(path)
    same = before and (before.size_bytes, before.mtime_ns) == (listed.size_bytes, listed.mtime_ns)
    sha256 = (before.sha256 if before and same else None) or _digest(top / path)
    return replace(listed, sha256=sha256)


def opens_files(top: Path) -> bool:
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
    mask = os.umask(OTHERS)  # the only way to learn it
    os.umask(mask)
    return mask


def find_unfitness(place: Path) -> str | None:
    """Return why git could not take a file; None where it can, or where there is none."""
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return None
    if stat.S_ISLNK(mode):
        return None
    if not stat.S_ISREG(mode):
        return "not a file"
    return None if os.access(place, os.R_OK) else "a file that cannot be read"


def _digest(path: Path) -> str | None:
    import hashlib  # start-up: hardly ever needed

    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
