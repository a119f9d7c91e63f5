"""Local branches: the names that git makes them by, and what stands on all of them.

For the next free id: other branches hold tasks that this work tree does not. Three git
processes in all, however many branches there are; each object is read once.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from mosaic.git.git import answer_of, local_branches, run_git
from mosaic.machine.disk import SIZE_LIMIT_BYTES
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LONGEST_PART_BYTES = 255 - len(".lock")
"""git makes a file of each part of a name, and a lock beside it."""
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{")
_CHECK_FIELDS = 3
# In a partial clone git would fetch what is missing over the network.
_OFFLINE = {"GIT_NO_LAZY_FETCH": "1"}
_TOTAL_LIMIT_BYTES = 64 * 1024 * 1024
_FILE_MODES = (b"100", b"120")
"""How the modes of files and of symlinks begin; folders and submodules have others."""


def is_branch_name(name: str) -> bool:
    """Tell whether git takes a name for a branch, as `git check-ref-format` has it.

    Names that git would take and that mean something else before most commands do not count.
    """
    parts = name.split("/")
    is_plain = not _NO_BRANCH.search(name) and not name.startswith(("-", "refs/"))
    is_ref = all(part and part[0] != "." and not part.endswith(".lock") for part in parts)
    is_short = all(len(os.fsencode(part)) <= LONGEST_PART_BYTES for part in parts)
    return is_plain and is_ref and is_short and name not in ("HEAD", "@") and name[-1] != "."


def branch_obstacle(cwd: Path | str, name: str, planned: Sequence[str] = ()) -> str | None:
    """Say which branch leaves no room for one of this name; None where it can be made or is there.

    git keeps branches like files in folders; and two names that differ only in how a letter is
    written, or on some disks in its case, are one file. `planned` are branches to be made.
    """
    same_case = answer_of(["config", "--bool", "core.ignoreCase"], cwd) == "true"
    known = local_branches(cwd)
    for other in (*known, *planned) if name not in known else planned:
        if other == name:
            continue
        if other.startswith(f"{name}/") or name.startswith(f"{other}/"):
            return f"branch `{name}` cannot be made beside branch `{other}`"
        if _plain(other, same_case) == _plain(name, same_case):
            return f"branch `{name}` would be taken for `{other}`, which is written otherwise"
    return None


def _plain(name: str, same_case: bool) -> str:
    import unicodedata  # start-up: only a new branch needs it

    plain = unicodedata.normalize("NFC", name)
    return plain.casefold() if same_case else plain


@dataclass(frozen=True, kw_only=True, slots=True)
class BranchFiles:
    """What was found over all local branches, each thing once."""

    names: frozenset[str] = frozenset()
    """Names of the files directly in the folder."""
    tables: tuple[bytes, ...] = ()
    """The different contents of the file."""
    skipped: int = 0
    """How many folders or contents were too large to be read."""


def files_on_branches(cwd: Path | str, folder: str, table: str) -> BranchFiles:
    """Return what a folder and a file hold on all local branches; empty without any."""
    paths = [_tree_path(folder), _tree_path(table)]
    if None in paths:
        return BranchFiles()
    refs = answer_of(["for-each-ref", "--format=%(objectname)", "refs/heads/"], cwd)
    commits = sorted(set((refs or "").split()))
    if not commits:
        return BranchFiles()
    found = _look_up(cwd, [f"{commit}:{path}" for path in paths for commit in commits])
    wanted = [
        each
        for number, each in enumerate(found)
        if each and each.kind == (b"tree" if number < len(commits) else b"blob")
    ]
    return _read_all(cwd, list(dict.fromkeys(wanted)))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Object:
    id: str
    kind: bytes
    size: int


def _tree_path(path: str) -> str | None:
    # As git names it from the top down; None when it leads out.
    normal = os.path.normpath(path).replace(os.sep, "/")
    if normal.startswith(("/", "../")) or normal == ".." or "\n" in normal:
        return None
    return "" if normal == "." else normal


def _look_up(cwd: Path | str, names: Sequence[str]) -> list[_Object | None]:
    """Return what each name stands for, in order; None where it stands for nothing."""
    asked = "".join(f"{name}\n" for name in names)
    answer = run_git(["cat-file", "--batch-check"], cwd, stdin=os.fsencode(asked), env=_OFFLINE)
    found: list[_Object | None] = []
    for line in answer.stdout.split(b"\n")[: len(names)]:
        # A name that stands for nothing is repeated, and may hold spaces itself.
        fields = line.split(b" ")
        if len(fields) == _CHECK_FIELDS and fields[2].isdigit():
            found.append(_Object(id=fields[0].decode(), kind=fields[1], size=int(fields[2])))
        else:
            found.append(None)
    return found


def _read_all(cwd: Path | str, wanted: Sequence[_Object]) -> BranchFiles:
    read: list[_Object] = []
    total = 0
    for each in wanted:
        if each.size <= SIZE_LIMIT_BYTES and total + each.size <= _TOTAL_LIMIT_BYTES:
            read.append(each)
            total += each.size
    if not read:
        return BranchFiles(skipped=len(wanted))
    asked = "".join(f"{each.id}\n" for each in read)
    answer = run_git(["cat-file", "--batch"], cwd, stdin=asked.encode(), env=_OFFLINE)
    names: set[str] = set()
    tables: list[bytes] = []
    for each, content in zip(read, _contents(answer.stdout), strict=False):
        if content is None:
            continue
        if each.kind == b"tree":
            names.update(file_names(content, id_bytes=len(each.id) // 2))
        else:
            tables.append(content)
    skipped = len(wanted) - len(read)
    return BranchFiles(names=frozenset(names), tables=tuple(tables), skipped=skipped)


def contents_of(cwd: Path | str, names: Sequence[str]) -> list[bytes | None]:
    """Return what names such as `HEAD:path` stand for; None for nothing, or what is too large."""
    usable = [name for name in dict.fromkeys(names) if "\n" not in name]
    found = dict(zip(usable, _look_up(cwd, usable), strict=True)) if usable else {}
    wanted = [
        each
        for each in dict.fromkeys(found.values())
        if each and each.kind == b"blob" and each.size <= SIZE_LIMIT_BYTES
    ]
    asked = "".join(f"{each.id}\n" for each in wanted)
    answer = run_git(["cat-file", "--batch"], cwd, stdin=asked.encode(), env=_OFFLINE)
    texts: dict[_Object | None, bytes | None] = dict(
        zip(wanted, _contents(answer.stdout), strict=True)
    )
    return [texts.get(found.get(name)) for name in names]


def _contents(output: bytes) -> Iterator[bytes | None]:
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        fields = output[at:end].split(b" ")
        at = end + 1
        if len(fields) != _CHECK_FIELDS:
            yield None
            continue
        size = int(fields[2])
        yield output[at : at + size]
        at += size + 1


def file_names(tree: bytes, *, id_bytes: int) -> Iterator[str]:
    """Yield the names of the files in a tree object: `mode name NUL id`, again and again."""
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, name = tree[at:end].partition(b" ")
        if mode.startswith(_FILE_MODES):
            yield os.fsdecode(name)
        at = end + 1 + id_bytes
