"""Files of a work tree as they stand on disk, where git would check out something else.

git changes line ends and what filters it is told, also content, on the way in and out; the other
machine may have other settings and programs for that. And it keeps no empty folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from mosaic.git.file_trees import commit_files, list_files, read_files, store_files
from mosaic.git.git import run_git
from mosaic.machine.disk import write_atomic
from mosaic.machine.paths import confined

RAW_REF = "raw"
FOLDERS = "folders/"
FILES = "files/"
MOST_FOLDERS = 1000
CONVERTING = ("text", "eol", "crlf", "filter", "ident", "working-tree-encoding")
"""Attributes by which a file is checked out otherwise than it is stored."""


def commit_raw(top: Path, home: Path, begin: str, end: str) -> str | None:
    """Write a commit of what git might check out otherwise than it stands on disk, or None.

    Only what differs between the commits `begin` and `end`, the work tree, is looked at.
    """
    found = _changed(top, begin, end)
    places = {name: top / name for name in found}
    plain = [name for name, path in places.items() if path.is_file() and not path.is_symlink()]
    plain = [name for name in plain if "\n" not in str(top / name)]
    ids = dict(zip(plain, store_files(home, [places[name] for name in plain]), strict=True))
    converted = _converted(top, plain)
    files = {
        f"{FILES}{name}": oid
        for name, oid in ids.items()
        if oid != found[name] or name in converted
    }
    folders = _empty_folders(top)
    if folders:
        empty = run_git(["hash-object", "-w", "--stdin"], home, stdin=b"").text
        files |= {f"{FOLDERS}{name}": empty for name in folders}
    return commit_files(home, files, "As it is on disk") if files else None


def lay_raw(top: Path, commit: str) -> None:
    """Write into a work tree what such a commit has; nothing outside of it, and modes stay."""
    files = list_files(top, commit)
    for name in files:
        if name.startswith(FOLDERS):
            confined(top, top / name.removeprefix(FOLDERS)).mkdir(parents=True, exist_ok=True)
    wanted = {name: oid for name, oid in files.items() if name.startswith(FILES)}
    for name, data in read_files(top, wanted):
        path = confined(top, top / name.removeprefix(FILES))
        if path.is_file() and not path.is_symlink() and path.read_bytes() != data:
            write_atomic(path, data, root=top)


def _changed(top: Path, begin: str, end: str) -> dict[str, str]:
    """Return the files that differ between two commits: their ids in the second one by name."""
    command = ["diff-tree", "-r", "-z", "--no-renames", "--diff-filter=AMT", begin, end]
    words = os.fsdecode(run_git(command, top).stdout).split("\0")
    rows = zip(words[::2], words[1::2], strict=False)
    return {name: facts.split()[3] for facts, name in rows if facts.startswith(":")}


def _converted(top: Path, names: list[str]) -> set[str]:
    """Return the files that git is told to change on the way."""
    asked = "".join(f"{name}\0" for name in names)
    command = ["check-attr", "-z", "--stdin", *CONVERTING]
    words = os.fsdecode(run_git(command, top, stdin=os.fsencode(asked)).stdout).split("\0")
    rows = zip(words[::3], words[2::3], strict=False)
    return {name for name, value in rows if value not in ("unspecified", "unset")}


def _empty_folders(top: Path) -> list[str]:
    found = []
    for folder, folders, files in os.walk(top):
        if ".git" in (*folders, *files) and folder != str(top):
            folders.clear()  # a repository of its own
            continue
        if ".git" in folders:
            folders.remove(".git")
        if not folders and not files:
            found.append(Path(folder).relative_to(top).as_posix())
    names = [name for name in found[:MOST_FOLDERS] if name != "." and name.isprintable()]
    if not names:
        return []
    asked = "".join(f"{name}/\0" for name in names).encode()
    ignored = run_git(["check-ignore", "-z", "--stdin"], top, stdin=asked, check=False).stdout
    gone = {name.rstrip("/") for name in os.fsdecode(ignored).split("\0")}
    return [name for name in names if name not in gone]
