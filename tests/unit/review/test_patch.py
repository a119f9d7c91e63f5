"""A diff parted into files and lines, beside what git itself counts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mosaic.review.patch import parse_patch

LIKE_A_HEAD = "-- a/x\n++ b/x\ndiff --git a/y b/y\n@@ -1 +1 @@\n"
BEFORE = {
    "plain.py": "one\ntwo\nthree\n",
    "with space.md": "text\n",
    'quo"te\u00e9.txt': "old\n",
    "gone.txt": "a\nb\n",
    "moved.txt": "".join(f"line {n}\n" for n in range(30)),
    "heads.txt": LIKE_A_HEAD,
    "no newline": "end",
    "binary": "\0\1",
}
AFTER = {
    "plain.py": "one\n2\nthree\nfour\n",
    "with space.md": "text\nmore\n",
    'quo"te\u00e9.txt': "new\n",
    "here.txt": "".join(f"line {n}\n" for n in range(1, 30)),
    "heads.txt": LIKE_A_HEAD + LIKE_A_HEAD,
    "no newline": "ends",
    "binary": "\0\2",
    "folder b/in it.txt": "new\n",
    "empty": "",
}


@pytest.mark.slow
def test_files_and_lines_are_those_that_git_counts(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        argv = ["git", "-c", "user.name=A", "-c", "user.email=a@example.invalid", *arguments]
        return subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    def commit(files: dict[str, str]) -> None:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        git("add", "-A")
        git("commit", "-qm", "x")

    git("init", "-q")
    commit(BEFORE)
    for name in ("gone.txt", "moved.txt"):
        (tmp_path / name).unlink()
    commit(AFTER)
    files = parse_patch(git("diff", "HEAD~", "HEAD", "--find-renames"))
    counted = git("diff", "HEAD~", "HEAD", "--find-renames", "--numstat", "-z").split("\0")
    added = {line.split("\t")[2]: line.split("\t")[0] for line in counted if line.count("\t") == 2}
    added["here.txt"] = added.pop("")  # a rename: its names follow
    assert {file.path: str(file.added) for file in files} == {**added, "binary": "0"}
    by_path = {file.path: file for file in files}
    for path, file in by_path.items():
        text = (BEFORE if file.is_removed else AFTER)[path].split("\n")
        for line in file.lines:
            if place := file.place(line):
                name, _, number = place.rpartition(":")
                assert (name, text[int(number) - 1]) == (path, line.text)
    gone = by_path["gone.txt"]
    assert [gone.place(line) for line in gone.lines[-2:]] == ["gone.txt:1", "gone.txt:2"]
    removed = [line for line in by_path["plain.py"].lines if line.kind == "removed"]
    assert [by_path["plain.py"].place(line) for line in removed] == [""]


@pytest.mark.parametrize(
    "text", ["", "nothing of git's\n", "diff --git \n", "diff --git a/x b/x\n@@ -1,9 +1,9 @@\n+"]
)
def test_what_is_no_diff_is_read_without_a_fault(text: str) -> None:
    for file in parse_patch(text):
        assert isinstance(file.path, str)
