"""Work trees as agents and people leave them: a repository, and edits that hypothesis draws."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import NamedTuple

from hypothesis import reject
from hypothesis import strategies as st

from tests.support.git import git

STATE = ".state"
"""The folder that is left out."""
MODULE = "160000"
"""The mode of a submodule, or of another repository that a tree names by its commit."""


class Edit(NamedTuple):
    """One thing that somebody does to a work tree."""

    act: str
    path: str = ""
    what: str = ""
    data: bytes = b""


class File(NamedTuple):
    """One file as the disk has it; a time only where it was asked for."""

    kind: int
    data: bytes
    executable: bool
    mtime_ns: int


def make_template(folder: Path) -> Path:
    """Make a repository with a submodule that has two commits, and a branch that conflicts."""
    module, repo = folder / "module", folder / "repo"
    for place in (module, repo):
        git(folder, "init", "-q", "-b", "main", str(place))
    for number in "12":
        (module / "code").write_text(f"version {number}\n")
        git(module, "add", "-A")
        git(module, "commit", "-q", "-m", number)
    allow = ("-c", "protocol.file.allow=always")
    git(repo, *allow, "submodule", "add", "-q", str(module), "sub")
    for path, text in {
        "a": "one\ntwo\nthree\n", "d/x": "x\n", "d/y": "y\n" * 40, "b": "", ".gitignore": "*.log\n",
        f"{STATE}/s": "state\n",
    }.items():  # fmt: skip
        write(repo, path, text.encode())
    os.symlink("d", repo / "link")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "first")
    git(repo, "checkout", "-q", "-b", "other")
    write(repo, "a", b"one\nother\nthree\n")
    write(repo, f"{STATE}/s", b"other\n")
    (repo / "d" / "x").unlink()
    write(repo, "m", b"merged\n")
    git(repo, "commit", "-q", "-a", "-m", "other")
    git(repo, "checkout", "-q", "main")
    write(repo, "a", b"one\nmain\nthree\n")
    write(repo, f"{STATE}/s", b"main\n")
    write(repo, "d/x", b"x\nmore\n")
    git(repo, "commit", "-q", "-a", "-m", "second")
    return repo


NAMES = [
    "a", "b", "d", "d/x", "d/y", "d/e/z", "m", "link", "link/in", "x.log", "logs/1", "sp ace/t ",
    "qu\"ote's", "new\nline", "tab\tname", "-dash", ":colon", ":(glob)", "*", "back\\slash",
    "ünï/漢字", os.fsdecode(b"bad\xff\xfe/\x80"), "~", "{a,b}", "#c", "!n", "sub", "nested",
    f"{STATE}/s", f"{STATE}/deep/t", ".stateful",
]  # fmt: skip
CONTENTS = [
    b"", b"\n", b"one\ntwo\nthree\n", b"one\nours\nthree\n", b"no end", b"dos\r\nlines\r\n",
    b"mixed\r\nlines\n", b"\0binary\xff\n\0", bytes(range(256)) * 8, b"y\n" * 40,
    b"y\n" * 39 + b"z\n", b"diff --git a/a b/a\n--- a/a\n+++ b/a\n",
    b"\\ No newline at end of file",
]  # fmt: skip
IGNORED = [
    b"*.log\n",
    b"",
    b"logs/\n",
    b"d/\n",
    b"*\n!a\n",
    b"link\nm\n",
    b"/nested\n",
    b".state\n",
]
TARGETS = ["a", "d", "nowhere", "../outside", ".", os.fsdecode(b"\xff"), "sp ace/t "]
paths = st.sampled_from(NAMES)
ACTS = [
    "write", "write", "flip", "delete", "rename", "link", "executable", "plain", "ignore", "nested",
    "module", "no module", "add", "add -f", "add -N", "add -A", "rm --cached", "commit", "merge",
]  # fmt: skip


@st.composite
def some_edits(draw: st.DrawFn) -> Edit:
    act, path = draw(st.sampled_from(ACTS)), draw(paths)
    match act:
        case "write":
            return Edit(act, path, data=draw(st.sampled_from(CONTENTS)))
        case "ignore":
            return Edit(act, ".gitignore", data=draw(st.sampled_from(IGNORED)))
        case "link":
            return Edit(act, path, draw(st.sampled_from(TARGETS)))
        case "rename":
            return Edit(act, path, draw(paths))
    return Edit(act, path)


edits = some_edits()
histories = st.builds(
    lambda merged, rest: [Edit("merge")] * merged + rest,
    st.sampled_from([0, 0, 1]),
    st.lists(edits, min_size=3, max_size=15),
)


def apply(repo: Path, edit: Edit) -> None:
    """Do one edit; what makes no sense in the tree as it is does nothing."""
    place = repo / edit.path
    match edit.act:
        case "write" | "ignore":
            write(repo, edit.path, edit.data)
        case "link":
            clear(repo, edit.path)
            os.symlink(edit.what, place)
        case "rename":
            if is_plain(repo, edit.path) and not f"{edit.what}/".startswith(f"{edit.path}/"):
                aside = repo / "aside"
                place.rename(aside)
                clear(repo, edit.what)
                aside.rename(repo / edit.what)
        case "flip":  # another content of the same size, as fast as can be
            if place.is_file() and is_plain(repo, edit.path):
                place.write_bytes(bytes(byte ^ 1 for byte in place.read_bytes()))
        case "delete":
            if is_plain(repo, edit.path):
                remove(place)
        case "executable" | "plain":
            if place.is_file() and is_plain(repo, edit.path):
                place.chmod(0o755 if edit.act == "executable" else 0o644)
        case "add" | "add -N" | "add -f" | "rm --cached":
            literal = f":(literal){edit.path}"
            git(repo, *edit.act.split(), "--", literal, check=False)
        case "add -A":
            git(repo, "add", "-A")
        case "commit":
            git(repo, "commit", "-q", "--no-edit", "-a", "-m", "more", check=False)
        case "merge":
            git(repo, "merge", "-q", "--no-commit", "other", check=False)
        case "module":
            if (repo / "sub" / ".git").is_file():
                git(repo / "sub", "checkout", "-q", "HEAD~1", check=False)
        case "no module":
            remove(repo / "sub")
        case "nested":
            clear(repo, "nested")
            shutil.copytree(repo.parent / "module", repo / "nested", symlinks=True)


def write(repo: Path, path: str, data: bytes) -> None:
    if not ((repo / path).is_file() and is_plain(repo, path)):
        clear(repo, path)
    (repo / path).write_bytes(data)


def clear(repo: Path, path: str) -> None:
    """Make room for a file: what stands in its place goes, and folders are made for it."""
    for folder in list(Path(path).parents)[-2::-1]:
        if (repo / folder).is_symlink() or (repo / folder).is_file():
            (repo / folder).unlink()
    (repo / path).parent.mkdir(parents=True, exist_ok=True)
    remove(repo / path)


def remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def is_plain(repo: Path, path: str) -> bool:
    """Tell whether there is something at a path, and no symlink on the way to it."""
    parents = list(Path(path).parents)[:-1]
    return os.path.lexists(repo / path) and not any((repo / p).is_symlink() for p in parents)


def copy(source: Path, target: Path) -> Path:
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    return target


def files_of(repo: Path) -> dict[str, File]:
    """Read every file below a folder but git's own."""
    found = {}
    for folder, folders, files in os.walk(repo):
        if folder == str(repo):
            folders.remove(".git") if ".git" in folders else files.remove(".git")
        for name in (*files, *folders):
            place = os.path.join(folder, name)
            told = os.lstat(place)
            data = b""
            if stat.S_ISLNK(told.st_mode):
                data = os.fsencode(os.readlink(place))
            elif stat.S_ISREG(told.st_mode):
                data = Path(place).read_bytes()
            elif not os.listdir(place):
                data = b"empty"
            else:
                continue
            kind, executable = stat.S_IFMT(told.st_mode), bool(told.st_mode & 0o100)
            found[os.path.relpath(place, repo)] = File(kind, data, executable, told.st_mtime_ns)
    return found


def tree_of(repo: Path, tree: str) -> dict[str, str]:
    """Return the mode and object of every file of a tree."""
    lines = git(repo, "ls-tree", "-r", "-z", "--full-tree", tree).split("\0")[:-1]
    return {line.split("\t", 1)[1]: line.split("\t", 1)[0] for line in lines}


def true_tree(repo: Path, aside: Path) -> str:
    """Return what git itself makes of a work tree when it adds everything to a copy of it.

    On purpose as we do: the left-out folder is as the last commit has it, whatever is
    staged or unmerged in there; and no repository is in it that nobody asked for.
    """
    twin = copy(repo, aside)
    try:
        git(twin, "add", "-A")
    except AssertionError:
        reject()  # such as a submodule that was moved by hand: git knows no truth either
    git(twin, "reset", "-q", "--", f":(literal){STATE}")
    known = {name for name, line in tree_of(repo, "HEAD").items() if line.startswith(MODULE)}
    paths = git(twin, "config", "-f", ".gitmodules", "--get-regexp", "path", check=False)
    known |= {line.partition(" ")[2] for line in paths.splitlines()}
    for line in git(twin, "ls-files", "--stage", "-z").split("\0")[:-1]:
        name = line.partition("\t")[2]
        if line.startswith(MODULE) and name not in known:
            git(twin, "update-index", "--force-remove", "--", name)
    return git(twin, "write-tree")
