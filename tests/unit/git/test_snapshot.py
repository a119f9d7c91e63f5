"""Taking trees: the single traps, each against a real repository."""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from mosaic.git import snapshot
from mosaic.git.checkpoint_store import forget_trees, keep_tree
from mosaic.git.diff import compare_trees, describe_changes, empty_tree, write_patch
from mosaic.git.git import run_git
from mosaic.git.left_out import REPOSITORY, WORKTREE
from mosaic.git.restore import apply_patch
from mosaic.git.snapshot import TakenTree, take_tree
from mosaic.git.worktrees import add_worktree
from tests.support.git import ENVIRONMENT, commit, git
from tests.support.work_trees import copy, tree_of, write

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def bare_ground(tmp_path: Path) -> Path:
    """A repository without commits."""
    repo = tmp_path / "repo"
    git(tmp_path, "init", "-q", "-b", "main", str(repo))
    return repo


@pytest.fixture
def repo(bare_ground: Path) -> Path:
    write(bare_ground, "a", b"one\n")
    write(bare_ground, "d/x", b"two\n")
    commit(bare_ground)
    return bare_ground


@pytest.fixture
def take(repo: Path, scratch: Path) -> Callable[[], TakenTree]:
    return lambda: take_tree(repo, scratch=scratch)


def content(repo: Path, taken: TakenTree, path: str) -> bytes:
    return run_git(["cat-file", "blob", f"{taken.tree}:{path}"], repo).stdout


def truth(repo: Path, room: Path) -> str:
    twin = copy(repo, room / "twin")
    git(twin, "add", "-A")
    return git(twin, "write-tree")


# What is in it


def test_a_change_of_the_same_size_in_the_same_tick_is_seen(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    # As if all of it had happened in one tick of the clock of the file system, long ago.
    git(repo, "config", "core.trustctime", "false")
    tick = (repo / "a").stat().st_mtime_ns - 3600 * 10**9
    os.utime(repo / "a", ns=(tick, tick))
    git(repo, "add", "a")
    write(repo, "a", b"two\n")
    for place in (repo / "a", repo / ".git" / "index"):
        os.utime(place, ns=(tick, tick))
    assert content(repo, take(), "a") == b"two\n"


def test_a_clean_work_tree_is_the_tree_of_its_commit(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    head = git(repo, "rev-parse", "HEAD")
    assert take() == TakenTree(tree=git(repo, "rev-parse", "HEAD^{tree}"), head=head)


def test_a_repository_without_commits_has_a_tree_and_no_head(
    bare_ground: Path, scratch: Path
) -> None:
    taken = take_tree(bare_ground, scratch=scratch, without="state")
    assert taken == TakenTree(tree=empty_tree(bare_ground), head=None)
    write(bare_ground, "new file", b"x\n")
    write(bare_ground, "state/s", b"x\n")
    git(bare_ground, "add", "-A")
    taken = take_tree(bare_ground, scratch=scratch, without="state")
    assert list(tree_of(bare_ground, taken.tree)) == ["new file"]
    kept = keep_tree(bare_ground, taken, ref="run/1", message="first")
    assert git(bare_ground, "rev-list", kept) == kept


def test_a_detached_head_is_taken_as_any_other(repo: Path, take: Callable[[], TakenTree]) -> None:
    git(repo, "checkout", "-q", "--detach")
    write(repo, "new", b"x")
    taken = take()
    assert taken.head == git(repo, "rev-parse", "main")
    assert "new" in tree_of(repo, taken.tree)


def test_a_linked_work_tree_is_taken_by_its_own_index(repo: Path, scratch: Path) -> None:
    side = repo.parent / "side"
    git(repo, "worktree", "add", "-q", "-b", "side", str(side))
    write(repo, "in the first", b"x")
    write(side, "in the second", b"x")
    git(side, "add", "-A")
    taken = take_tree(side, scratch=scratch)
    assert set(tree_of(repo, taken.tree)) == {"a", "d/x", "in the second"}


def test_a_folder_is_left_out_with_what_is_staged_in_it(repo: Path, scratch: Path) -> None:
    write(repo, "project/.state/old", b"old\n")
    commit(repo)
    write(repo, "project/.state/old", b"changed\n")
    write(repo, "project/.state/staged", b"x")
    git(repo, "add", "-A")
    write(repo, "project/.state/new", b"x")
    write(repo, "project/.stateful", b"x")
    taken = take_tree(repo, scratch=scratch, without="project/.state")
    assert set(tree_of(repo, taken.tree)) == {
        "a", "d/x", "project/.state/old", "project/.stateful",
    }  # fmt: skip
    assert content(repo, taken, "project/.state/old") == b"old\n"


def test_a_conflict_in_the_folder_that_is_left_out_does_no_harm(repo: Path, scratch: Path) -> None:
    git(repo, "checkout", "-q", "-b", "other")
    write(repo, ".state/s", b"theirs\n")
    commit(repo)
    git(repo, "checkout", "-q", "main")
    write(repo, ".state/s", b"ours\n")
    commit(repo)
    git(repo, "merge", "-q", "other", check=False)
    assert git(repo, "ls-files", "-u")
    taken = take_tree(repo, scratch=scratch, without=".state")
    assert taken.tree == git(repo, "rev-parse", "HEAD^{tree}")


def test_a_repository_in_the_place_of_a_file_is_listed_and_the_file_gone(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    (repo / "a").unlink()
    git(repo, "init", "-q", "a")
    write(repo / "a", "f", b"x")
    commit(repo / "a")
    taken = take()
    assert set(tree_of(repo, taken.tree)) == {"d/x"}
    assert [(left.path, left.reason) for left in taken.left_out] == [("a", REPOSITORY)]


def test_a_folder_in_the_place_of_a_conflict_is_taken_by_its_files(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    blob = git(repo, "hash-object", "-w", "--stdin", stdin=b"theirs\n")
    entries = f"0 {'0' * 40}\ta\n100644 {blob} 1\ta\n100644 {blob} 3\ta\n"
    git(repo, "update-index", "--index-info", stdin=entries.encode())
    (repo / "a").unlink()
    write(repo, "a/b", b"x")
    assert set(tree_of(repo, take().tree)) == {"a/b", "d/x"}


def test_a_conflict_behind_a_symlink_that_leads_in_a_circle_is_gone(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    blob = git(repo, "rev-parse", "HEAD:d/x")
    entries = f"0 {'0' * 40}\td/x\n100644 {blob} 1\td/x\n100644 {blob} 2\td/x\n"
    git(repo, "update-index", "--index-info", stdin=entries.encode())
    (repo / "d" / "x").unlink()
    (repo / "d").rmdir()
    os.symlink("d", repo / "d")
    assert set(tree_of(repo, take().tree)) == {"a", "d"}


def test_files_that_are_said_to_be_unchanged_are_taken_as_the_index_has_them(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    git(repo, "update-index", "--assume-unchanged", "a")
    git(repo, "update-index", "--skip-worktree", "d/x")
    write(repo, "a", b"my own settings\n")
    (repo / "d" / "x").unlink()
    assert take().tree == git(repo, "rev-parse", "HEAD^{tree}")
    assert git(repo, "ls-files", "-v") == "h a\nS d/x"


def test_a_file_in_the_place_of_files_that_are_said_to_be_unchanged_is_taken(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    git(repo, "update-index", "--assume-unchanged", "d/x")
    write(repo, "d", b"a file\n")
    assert set(tree_of(repo, take().tree)) == {"a", "d"}


def test_a_split_index_is_neither_split_further_nor_joined(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    git(repo, "config", "core.splitIndex", "true")
    git(repo, "update-index", "--split-index")
    before = {place.name: place.read_bytes() for place in (repo / ".git").glob("*index*")}
    assert len(before) == 2
    for number in range(50):
        write(repo, f"new {number}", b"x")
    assert len(tree_of(repo, take().tree)) == 52
    after = {place.name: place.read_bytes() for place in (repo / ".git").glob("*index*")}
    assert after == before


def test_a_sparse_checkout_is_taken_with_what_it_leaves_out(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    git(repo, "sparse-checkout", "init", "--cone")
    assert not (repo / "d").exists()
    write(repo, "a", b"changed\n")
    taken = take()
    assert set(tree_of(repo, taken.tree)) == {"a", "d/x"}
    assert content(repo, taken, "a") == b"changed\n"


def test_line_ends_are_taken_as_git_would_store_them(
    repo: Path, take: Callable[[], TakenTree], tmp_path: Path
) -> None:
    write(repo, "stored with cr", b"1\r\n2\r\n")
    commit(repo)
    git(repo, "config", "core.autocrlf", "true")
    git(repo, "config", "core.safecrlf", "true")
    write(repo, "stored with cr", b"1\r\n2\r\n3\r\n")
    write(repo, "a", b"1\r\n2\n")
    write(repo, "new", b"1\r\n")
    taken = take()
    assert content(repo, taken, "stored with cr") == b"1\r\n2\r\n3\r\n"
    assert content(repo, taken, "a") == b"1\n2\n"
    assert content(repo, taken, "new") == b"1\n"
    git(repo, "config", "core.safecrlf", "false")
    assert taken.tree == truth(repo, tmp_path)


def test_a_filter_cleans_what_is_taken(repo: Path, take: Callable[[], TakenTree]) -> None:
    git(repo, "config", "filter.rot.clean", "tr a-z b-za")
    write(repo, ".gitattributes", b"*.rot filter=rot\n")
    write(repo, "x.rot", b"abc\n")
    assert content(repo, take(), "x.rot") == b"bcd\n"


def test_modes_are_not_looked_at_where_git_is_told_so(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    git(repo, "config", "core.fileMode", "false")
    (repo / "a").chmod(0o755)
    write(repo, "new", b"x")
    (repo / "new").chmod(0o755)
    modes = {path: line[:6] for path, line in tree_of(repo, take().tree).items()}
    assert modes == {"a": "100644", "d/x": "100644", "new": "100644"}


def test_a_submodule_that_was_moved_by_hand_is_listed(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    git(repo.parent, "init", "-q", "module")
    inner = commit(repo.parent / "module")
    allow = ("-c", "protocol.file.allow=always")
    git(repo, *allow, "submodule", "add", "-q", str(repo.parent / "module"), "sub")
    commit(repo)
    (repo / "sub").rename(repo / "moved")
    taken = take()
    assert "160000" not in str(tree_of(repo, taken.tree))
    assert [(left.path, left.reason) for left in taken.left_out] == [("moved", REPOSITORY)]
    git(repo, "config", "-f", ".gitmodules", "submodule.sub.path", "moved")
    assert tree_of(repo, take().tree)["moved"] == f"160000 commit {inner}"


def test_a_submodule_is_taken_by_its_commit_even_if_git_is_told_to_overlook_it(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    git(repo, "init", "-q", "inner")
    commit(repo / "inner")
    commit(repo)
    write(repo, ".gitmodules", b'[submodule "inner"]\n\tpath = inner\n\tignore = all\n')
    git(repo, "config", "diff.ignoreSubmodules", "all")
    moved = commit(repo / "inner")
    assert tree_of(repo, take().tree)["inner"] == f"160000 commit {moved}"


# What is not


def test_a_huge_untracked_file_is_listed_with_its_size_and_sum(repo: Path, scratch: Path) -> None:
    data = b"h" * 2000
    write(repo, "huge", data)
    write(repo, "a", data)  # tracked: its changes are never left out
    taken = take_tree(repo, scratch=scratch, largest_bytes=1999)
    assert set(tree_of(repo, taken.tree)) == {"a", "d/x"}
    assert content(repo, taken, "a") == data
    (left,) = taken.left_out
    assert (left.path, left.reason, left.size_bytes) == ("huge", "too large", 2000)
    assert left.sha256 == hashlib.sha256(data).hexdigest()
    assert left.mtime_ns == (repo / "huge").stat().st_mtime_ns
    assert take_tree(repo, scratch=scratch, largest_bytes=2000).left_out == ()


def test_a_huge_file_is_read_again_only_when_it_changed(repo: Path, scratch: Path) -> None:
    write(repo, "huge", b"1" * 2000)
    first = take_tree(repo, scratch=scratch, largest_bytes=10)
    told = (repo / "huge").stat()
    # Other bytes behind the same size and time can only go unnoticed if nobody reads them.
    write(repo, "huge", b"2" * 2000)
    os.utime(repo / "huge", ns=(told.st_atime_ns, told.st_mtime_ns))
    known = {left.path: left for left in first.left_out}
    assert take_tree(repo, scratch=scratch, largest_bytes=10, known=known) == first
    os.utime(repo / "huge", ns=(told.st_atime_ns, told.st_mtime_ns + 1))
    (left,) = take_tree(repo, scratch=scratch, largest_bytes=10, known=known).left_out
    assert left.sha256 == hashlib.sha256(b"2" * 2000).hexdigest()


def test_when_it_is_too_much_in_all_the_largest_files_are_listed(
    repo: Path, take: Callable[[], TakenTree], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "LARGEST_TOTAL_BYTES", 100)
    for name, size in {"1 large": 60, "2 small": 10, "3 middle": 40}.items():
        write(repo, name, b"x" * size)
    taken = take()
    assert {"2 small", "3 middle"} < set(tree_of(repo, taken.tree))
    (left,) = taken.left_out
    assert (left.path, left.reason, left.size_bytes) == ("1 large", "too much in all", 60)
    assert left.sha256 == hashlib.sha256(b"x" * 60).hexdigest()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_listed(repo: Path, take: Callable[[], TakenTree]) -> None:
    write(repo, "new", b"x")
    for path in ("a", "new"):
        (repo / path).chmod(0)
    taken = take()
    assert content(repo, taken, "a") == b"one\n"
    assert "new" not in tree_of(repo, taken.tree)
    assert {(left.path, left.reason) for left in taken.left_out} == {
        ("a", "a file that cannot be read"),
        ("new", "a file that cannot be read"),
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_listed(repo: Path, take: Callable[[], TakenTree]) -> None:
    write(repo, "closed folder/new", b"x")
    (repo / "closed folder").chmod(0)
    try:
        taken = take()
    finally:
        (repo / "closed folder").chmod(0o755)
    assert [(left.path, left.reason) for left in taken.left_out] == [
        ("closed folder", "a folder that cannot be read")
    ]


def test_a_pipe_in_the_place_of_a_file_is_listed(repo: Path, take: Callable[[], TakenTree]) -> None:
    (repo / "a").unlink()
    os.mkfifo(repo / "a")
    os.mkfifo(repo / "untracked")
    taken = take()
    assert taken.tree == git(repo, "rev-parse", "HEAD^{tree}")
    assert [(left.path, left.reason) for left in taken.left_out] == [("a", "not a file")]


@pytest.mark.parametrize("commits", [0, 1])
@pytest.mark.parametrize("is_added", [False, True])
def test_a_repository_within_is_listed_and_makes_no_link_that_nobody_asked_for(
    repo: Path, take: Callable[[], TakenTree], commits: int, is_added: bool
) -> None:
    git(repo, "init", "-q", "nested")
    write(repo, "nested/f", b"x")
    for _ in range(commits):
        commit(repo / "nested")
    git(repo, "worktree", "add", "-q", "side", "-b", "side")
    if is_added:
        git(repo, "add", "--all", check=False)
    taken = take()
    assert taken.tree == git(repo, "rev-parse", "HEAD^{tree}")
    assert sorted((left.path, left.reason) for left in taken.left_out) == [
        ("nested", REPOSITORY),
        ("side", WORKTREE),
    ]


def test_a_required_filter_that_does_not_run_keeps_only_its_own_files_out(
    repo: Path, take: Callable[[], TakenTree], scratch: Path, tmp_path: Path
) -> None:
    write(repo, ".gitattributes", b"*.bin filter=gone\n")
    write(repo, "m.bin", b"old\n")
    commit(repo)
    for key, value in (("clean", "no-such -- %f"), ("smudge", "no-such"), ("required", "true")):
        git(repo, "config", f"filter.gone.{key}", value)
    assert take().left_out == ()
    write(repo, "m.bin", b"new\n")
    write(repo, "new.bin", b"new\n")
    write(repo, "a", b"changed\n")
    taken = take()
    assert content(repo, taken, "a") == b"changed\n"
    assert content(repo, taken, "m.bin") == b"old\n"
    assert sorted(left.path for left in taken.left_out) == ["m.bin", "new.bin"]
    assert all("`gone`" in left.reason for left in taken.left_out)
    add_worktree(repo, tmp_path / "tree", branch="work", start="HEAD", reason="test")
    assert (tmp_path / "tree" / "m.bin").read_bytes() == b"old\n"
    assert take_tree(tmp_path / "tree", scratch=scratch).tree == git(
        repo, "rev-parse", "HEAD^{tree}"
    )


def test_a_file_that_git_would_store_with_other_line_ends_is_not_a_change(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    write(repo, "w.txt", b"1\r\n2\r\n")
    commit(repo)
    write(repo, ".gitattributes", b"*.txt text eol=lf\n")
    tree = take().tree
    os.utime(repo / "w.txt", ns=(1, 1))  # git compares its content now
    assert take().tree == tree
    write(repo, "w.txt", b"1\r\n2\r\n3\r\n")
    assert content(repo, take(), "w.txt") == b"1\n2\n3\n"


# What goes on at the same time


def test_a_file_that_vanishes_meanwhile_does_no_harm(
    repo: Path, take: Callable[[], TakenTree], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "ATTEMPTS", 1)
    # Git runs the filter of `a` while it adds: files that it was told of are gone then.
    git(repo, "config", "filter.eat.clean", "rm -rf z; cat")
    write(repo, ".gitattributes", b"a filter=eat\n")
    write(repo, "a", b"changed\n")
    write(repo, "z", b"x")
    assert set(tree_of(repo, take().tree)) == {".gitattributes", "a", "d/x"}


def test_a_file_that_becomes_a_folder_meanwhile_is_taken_by_another_try(
    repo: Path, take: Callable[[], TakenTree]
) -> None:
    git(repo, "config", "filter.eat.clean", "test -d z || { rm z; mkdir z; echo > z/in; }; cat")
    write(repo, ".gitattributes", b"a filter=eat\n")
    write(repo, "a", b"changed\n")
    write(repo, "z", b"x")
    assert set(tree_of(repo, take().tree)) == {".gitattributes", "a", "d/x", "z/in"}


def test_a_git_that_is_at_work_is_no_hindrance(repo: Path, take: Callable[[], TakenTree]) -> None:
    lock = repo / ".git" / "index.lock"
    lock.write_text("")
    write(repo, "a", b"changed\n")
    assert content(repo, take(), "a") == b"changed\n"
    assert lock.exists()


def test_hooks_of_the_user_are_not_run(repo: Path, take: Callable[[], TakenTree]) -> None:
    for name in ("post-index-change", "reference-transaction"):
        hook = repo / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho {name} >> {repo.parent}/ran\nexit 1\n")
        hook.chmod(0o755)
    write(repo, "new", b"x")
    keep_tree(repo, take(), ref="run/1", message="kept")
    assert forget_trees(repo, "run") == 1
    assert not (repo.parent / "ran").exists()


# Keeping and telling


SPOILING = {
    "diff.noprefix": "true",
    "diff.mnemonicPrefix": "true",
    "diff.external": "false",
    "diff.submodule": "log",
    "diff.renames": "false",
    "diff.relative": "true",
    "diff.context": "0",
    "diff.interHunkContext": "9",
    "diff.ignoreSubmodules": "all",
    "diff.suppressBlankEmpty": "true",
    "diff.orderFile": "/dev/null",
    "diff.wsErrorHighlight": "all",
    "diff.colorMoved": "zebra",
    "diff.words.textconv": "wc",
    "diff.words.command": "false",
    "color.ui": "always",
    "color.diff": "always",
    "core.quotepath": "true",
    "core.pager": "false",
    "core.attributesFile": "~/attributes",
    "apply.whitespace": "error-all",
    "apply.ignoreWhitespace": "change",
}


def test_settings_of_the_user_do_not_spoil_a_patch(
    repo: Path, scratch: Path, take: Callable[[], TakenTree]
) -> None:
    write(repo, "ü 漢", b"\n".join(b"%d" % number for number in range(60)))
    write(repo, "spaces", b"  1\n\n  2  \n" * 4)
    write(repo, ".gitattributes", b"spaces diff=words\n")
    git(repo, "init", "-q", "inner")
    commit(repo / "inner")
    base = commit(repo)
    for name, value in SPOILING.items():
        git(repo, "config", name, value)
    (repo / "ü 漢").rename(repo / "漢 ü")
    write(repo, "spaces", b"  1\n\n  2  \n" * 3 + b"\t1 \n\n2\n")
    commit(repo / "inner")
    taken = take()
    patch = scratch / "patch"
    write_patch(repo, base, taken.tree, patch)
    assert apply_patch(repo, base, patch, scratch=scratch) == taken.tree
    assert b"\nrename to " in patch.read_bytes()
    changes = compare_trees(repo, base, taken.tree)
    assert [(change.path, change.kind) for change in changes] == [
        ("inner", "changed"), ("spaces", "changed"), ("漢 ü", "renamed"),
    ]  # fmt: skip
    assert describe_changes(changes) == "3 files changed, +3 -3"


def test_a_patch_of_nothing_is_empty_and_applies(
    repo: Path, scratch: Path, take: Callable[[], TakenTree]
) -> None:
    taken, patch = take(), scratch / "patch"
    write_patch(repo, "HEAD", taken.tree, patch)
    assert patch.read_bytes() == b""
    assert apply_patch(repo, "HEAD", patch, scratch=scratch) == taken.tree
    assert describe_changes(compare_trees(repo, "HEAD", taken.tree)) == "no change"


def test_a_file_that_moves_into_a_folder_of_its_own_name_is_in_the_patch(
    repo: Path, scratch: Path, take: Callable[[], TakenTree]
) -> None:
    os.symlink("d", repo / "link")
    commit(repo)
    for name in ("a", "link"):
        (repo / name).rename(repo / "aside")
        (repo / name).mkdir()
        (repo / "aside").rename(repo / name / "in")
    taken, patch = take(), scratch / "patch"
    write_patch(repo, "HEAD", taken.tree, patch)
    assert apply_patch(repo, "HEAD", patch, scratch=scratch) == taken.tree


def test_a_sha256_repository_is_taken_too(tmp_path: Path, scratch: Path) -> None:
    repo = tmp_path / "long"
    made = subprocess.run(
        ["git", "init", "-q", "--object-format=sha256", str(repo)],
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("this git knows no sha256 repositories")
    write(repo, "a", b"x")
    taken, patch = take_tree(repo, scratch=scratch), scratch / "patch"
    assert len(taken.tree) == 64
    write_patch(repo, empty_tree(repo), taken.tree, patch)
    assert apply_patch(repo, None, patch, scratch=scratch) == taken.tree
