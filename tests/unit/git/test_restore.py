"""Rebuilding trees: what is refused, and what stays as it was."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mosaic.errors import DirtyTreeError, GitError
from mosaic.git.restore import Rebuilt, rebuild_tree
from mosaic.git.snapshot import take_tree
from tests.support.git import commit, git
from tests.support.work_trees import File, files_of, tree_of, write

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = tmp_path / "repo"
    git(tmp_path, "init", "-q", "-b", "main", str(repo))
    for path in ("a", "b", "d/x", "d/y"):
        write(repo, path, f"{path}\n".encode())
    write(repo, ".gitignore", b"*.o\n/out\n")
    commit(repo)
    return repo


@pytest.fixture
def rebuild(repo: Path, scratch: Path) -> Callable[[str], Rebuilt]:
    return lambda tree: rebuild_tree(repo, tree, scratch=scratch)


def edited(repo: Path, scratch: Path, edit: Callable[[], object]) -> str:
    """Return the tree that an edit makes, with the work tree clean again."""
    edit()
    tree = take_tree(repo, scratch=scratch).tree
    git(repo, "reset", "-q", "--hard")
    git(repo, "clean", "-ffdq")
    return tree


def everything(repo: Path) -> tuple[dict[str, File], bytes]:
    files = {path: file._replace(mtime_ns=0) for path, file in files_of(repo).items()}
    return files, (repo / ".git" / "index").read_bytes()


@pytest.mark.parametrize("split", ["true", "false"])
def test_the_index_of_the_user_is_not_touched(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt], split: str
) -> None:
    def edit() -> None:
        write(repo, "new", b"x")
        write(repo, "a", b"changed\n")
        (repo / "b").unlink()

    tree = edited(repo, scratch, edit)
    git(repo, "config", "core.splitIndex", split)
    git(repo, "update-index", "--split-index" if split == "true" else "--no-split-index")
    before = {place.name: place.read_bytes() for place in (repo / ".git").glob("*index*")}
    assert rebuild(tree) == Rebuilt(tree=tree)
    after = {place.name: place.read_bytes() for place in (repo / ".git").glob("*index*")}
    assert after == before
    assert git(repo, "status", "--porcelain") == " M a\n D b\n?? new"


def test_a_change_of_the_same_size_is_seen_by_git_after_a_rebuild(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    tree = edited(repo, scratch, lambda: write(repo, "a", b"A\n"))
    rebuild(tree)
    assert git(repo, "status", "--porcelain") == " M a"


def test_files_that_were_only_touched_are_no_hindrance(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    tree = edited(repo, scratch, lambda: write(repo, "a", b"changed\n"))
    os.utime(repo / "a", ns=(0, 0))
    assert rebuild(tree).tree == tree


def test_marks_of_the_user_stay(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    tree = edited(repo, scratch, lambda: write(repo, "new", b"x"))
    git(repo, "update-index", "--assume-unchanged", "a")
    git(repo, "update-index", "--skip-worktree", "b")
    write(repo, "a", b"my own settings\n")
    write(repo, "b", b"my own settings\n")
    rebuild(tree)
    assert git(repo, "ls-files", "-v", "a", "b") == "h a\nS b"
    assert (repo / "a").read_bytes() == (repo / "b").read_bytes() == b"my own settings\n"
    assert (repo / "new").read_bytes() == b"x"


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_to_a_marked_file_is_refused(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt], mark: str
) -> None:
    tree = edited(repo, scratch, lambda: write(repo, "a", b"changed\n"))
    git(repo, "update-index", mark, "a")
    write(repo, "a", b"my own settings\n")
    before = everything(repo)
    with pytest.raises(GitError, match="marked") as caught:
        rebuild(tree)
    assert caught.value.detail == "`a`"
    assert everything(repo) == before


@pytest.mark.parametrize("sparse_index", ["false", "true"])
def test_a_sparse_checkout_gets_new_files_and_stays_sparse(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt], sparse_index: str
) -> None:
    def edit() -> None:
        write(repo, "a", b"changed\n")
        write(repo, "d/new", b"x")

    tree = edited(repo, scratch, edit)
    git(repo, "config", "index.sparse", sparse_index)  # newer than the oldest git we know
    git(repo, "sparse-checkout", "init", "--cone")
    assert not (repo / "d").exists()
    assert rebuild(tree).tree == tree
    assert (repo / "d" / "new").read_bytes() == b"x"
    assert not (repo / "d" / "x").exists()


def test_a_repository_without_commits_can_be_rebuilt_in(tmp_path: Path, scratch: Path) -> None:
    repo = tmp_path / "bare ground"
    git(tmp_path, "init", "-q", "-b", "main", str(repo))
    write(repo, "new/file", b"x")
    tree = take_tree(repo, scratch=scratch).tree
    git(repo, "clean", "-ffdq")
    rebuild_tree(repo, tree, scratch=scratch)
    assert git(repo, "status", "--porcelain", "-uall") == "?? new/file"


def test_a_file_that_git_ignores_is_rebuilt_too_and_staged(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    def edit() -> None:
        write(repo, "made.o", b"x")
        git(repo, "add", "-f", "made.o")

    tree = edited(repo, scratch, edit)
    assert rebuild(tree).tree == tree
    assert git(repo, "status", "--porcelain") == "A  made.o"


def test_files_that_are_no_longer_ignored_are_named(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    tree = edited(repo, scratch, lambda: write(repo, ".gitignore", b""))
    write(repo, "made.o", b"x")
    assert rebuild(tree) == Rebuilt(tree=tree, extra=("made.o",))


# What is in the way

OBSTACLES = {
    "an ignored file in the place of a file": ("out", "out"),
    "an ignored file in the place of a folder": ("out/new", "out"),
    "an ignored file in a folder that becomes a file": ("d", "d/made.o"),
    "an ignored file deep in such a folder": ("d", "d/e/f/made.o"),
}


@pytest.mark.parametrize(("new", "there"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_git_does_not_hold_is_not_overwritten(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt], new: str, there: str
) -> None:
    def edit() -> None:
        write(repo, new, b"new\n")
        git(repo, "add", "-f", "-A", new)

    tree = edited(repo, scratch, edit)
    write(repo, there, b"mine alone\n")
    before = everything(repo)
    with pytest.raises(GitError, match="taken by what git does not hold") as caught:
        rebuild(tree)
    assert caught.value.detail == f"`{there}`"
    assert everything(repo) == before


@pytest.mark.parametrize("target", ["nowhere", "d"])
def test_an_ignored_symlink_is_neither_followed_nor_overwritten(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt], target: str
) -> None:
    def edit() -> None:
        write(repo, "out/x", b"new\n")
        git(repo, "add", "-f", "out/x")

    tree = edited(repo, scratch, edit)
    os.symlink(target, repo / "out")
    before = everything(repo)
    with pytest.raises(GitError, match="taken by what git does not hold"):
        rebuild(tree)
    assert everything(repo) == before


def test_a_tracked_symlink_gives_way_to_a_folder_and_is_not_followed(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    os.symlink("d", repo / "link")
    commit(repo)
    tree = edited(repo, scratch, lambda: write(repo, "link/x", b"new\n"))
    assert rebuild(tree).tree == tree
    assert (repo / "d" / "x").read_bytes() == b"d/x\n"
    assert (repo / "link" / "x").read_bytes() == b"new\n"


def test_a_git_that_is_at_work_is_not_disturbed(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    tree = edited(repo, scratch, lambda: write(repo, "a", b"changed\n"))
    (repo / ".git" / "index.lock").write_text("")
    with pytest.raises(GitError, match="another git is at work"):
        rebuild(tree)
    assert (repo / "a").read_bytes() == b"a\n"


def test_a_tree_that_is_not_there_changes_nothing(
    repo: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    before = everything(repo)
    with pytest.raises(GitError):
        rebuild("1" * 40)
    assert everything(repo) == before


def test_a_rebuild_that_breaks_off_half_way_is_taken_back(
    repo: Path, scratch: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    write(repo, ".gitattributes", b"*.bad filter=broken\n")
    os.symlink("d", repo / "link")
    commit(repo)

    def edit() -> None:
        write(repo, "a", b"changed\n")
        write(repo, "b/was/a/file", b"x")
        write(repo, "aa new", b"x")
        write(repo, "d", b"was a folder")
        write(repo, "link/x", b"was a symlink")
        write(repo, "m.bad", b"cannot be written")
        write(repo, "zz new", b"x")

    tree = edited(repo, scratch, edit)
    git(repo, "config", "filter.broken.smudge", "false")
    git(repo, "config", "filter.broken.required", "true")
    write(repo, "made.o", b"mine alone\n")
    before = everything(repo)
    with pytest.raises(GitError):
        rebuild(tree)
    assert everything(repo) == before
    assert git(repo, "status", "--porcelain") == ""


# Submodules


@pytest.fixture
def module(repo: Path, tmp_path: Path) -> Path:
    """A submodule with two commits, of which the first is the one that is committed."""
    source = tmp_path / "module"
    git(tmp_path, "init", "-q", "-b", "main", str(source))
    write(source, "code", b"1\n")
    write(source, ".gitignore", b"*.o\n")
    commit(source)
    git(repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(source), "sub")
    commit(repo)
    write(repo, "sub/code", b"2\n")
    commit(repo / "sub")
    return repo / "sub"


def test_a_submodule_that_is_checked_out_is_moved_along(
    repo: Path, scratch: Path, module: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    moved = git(module, "rev-parse", "HEAD")
    tree = take_tree(repo, scratch=scratch).tree
    git(module, "checkout", "-q", "--detach", "HEAD~1")
    # By a path that has a symlink in it, too: what is checked out is asked of the disk.
    os.symlink(repo.parent, repo.parent / "round")
    around = repo.parent / "round" / "repo"
    assert rebuild_tree(around, tree, scratch=scratch).tree == tree
    assert git(module, "rev-parse", "HEAD") == moved
    assert (module / "code").read_bytes() == b"2\n"


def test_a_submodule_that_is_not_checked_out_is_told_to_the_index(
    repo: Path, scratch: Path, module: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    tree = take_tree(repo, scratch=scratch).tree
    git(repo, "submodule", "--quiet", "deinit", "-f", "sub")
    # The symlink is what the outer repository would be taken for the submodule by.
    os.symlink(repo.parent, repo.parent / "round")
    head = git(repo, "rev-parse", "HEAD")
    assert rebuild_tree(repo.parent / "round" / "repo", tree, scratch=scratch).tree == tree
    assert git(repo, "rev-parse", "HEAD") == head
    assert git(repo, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert tree_of(repo, git(repo, "write-tree")) == tree_of(repo, tree)


@pytest.mark.parametrize("what", ["code", "untracked"])
def test_changes_in_a_submodule_are_changes(
    repo: Path, scratch: Path, module: Path, rebuild: Callable[[str], Rebuilt], what: str
) -> None:
    git(repo, "config", "diff.ignoreSubmodules", "all")
    git(module, "checkout", "-q", "--detach", "HEAD~1")
    write(module, what, b"mine\n")
    with pytest.raises(DirtyTreeError) as caught:
        rebuild("HEAD")
    assert caught.value.paths == ("sub",)
    assert (module / what).read_bytes() == b"mine\n"


def test_a_nested_repository_is_a_change(repo: Path, rebuild: Callable[[str], Rebuilt]) -> None:
    git(repo, "init", "-q", "nested")
    commit(repo / "nested")
    with pytest.raises(DirtyTreeError) as caught:
        rebuild("HEAD")
    assert caught.value.paths == ("nested",)


def test_an_ignored_file_in_a_submodule_is_not_overwritten_and_all_is_taken_back(
    repo: Path, scratch: Path, module: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    write(module, "made.o", b"by the second commit\n")
    git(module, "add", "-f", "made.o")
    commit(module)
    write(repo, "new", b"x")
    tree = take_tree(repo, scratch=scratch).tree
    (repo / "new").unlink()
    git(module, "checkout", "-q", "--detach", "main~2")
    write(module, "made.o", b"mine alone\n")
    before = everything(repo)
    with pytest.raises(GitError, match="git checkout"):
        rebuild(tree)
    assert everything(repo) == before
    assert git(module, "rev-parse", "HEAD") == git(module, "rev-parse", "main~2")


def test_a_commit_that_a_submodule_lacks_is_refused_first(
    repo: Path, scratch: Path, module: Path, rebuild: Callable[[str], Rebuilt]
) -> None:
    write(repo, "a", b"changed\n")
    tree = take_tree(repo, scratch=scratch).tree
    git(repo, "reset", "-q", "--hard")
    git(module, "checkout", "-q", "--detach", "HEAD~1")
    git(module, "branch", "-q", "-D", "main")
    git(module, "reflog", "expire", "--expire=now", "--all")
    git(module, "gc", "-q", "--prune=now")
    with pytest.raises(GitError, match="a commit that a submodule does not have"):
        rebuild(tree)
    assert (repo / "a").read_bytes() == b"a\n"


@pytest.mark.parametrize("instead", ["nothing", "a file", "a folder"])
def test_a_submodule_is_not_taken_away(
    repo: Path, scratch: Path, module: Path, rebuild: Callable[[str], Rebuilt], instead: str
) -> None:
    git(module, "checkout", "-q", "--detach", "HEAD~1")
    aside = repo.parent / "aside"
    module.rename(aside)
    if instead == "nothing":
        git(repo, "rm", "-q", "--cached", "sub")
    elif instead == "a file":
        write(repo, "sub", b"x")
    else:
        write(repo, "sub/x", b"x")
        git(repo, "rm", "-q", "--cached", "sub")
    tree = take_tree(repo, scratch=scratch).tree
    git(repo, "reset", "-q")
    if module.is_dir():
        (module / "x").unlink()
        module.rmdir()
    module.unlink(missing_ok=True)
    aside.rename(module)
    before = everything(repo)
    with pytest.raises(GitError, match="taken by what git does not hold") as caught:
        rebuild(tree)
    assert caught.value.detail == "`sub`"
    assert everything(repo) == before
    assert (module / "code").read_bytes() == b"1\n"


# What is kept


def test_a_path_that_is_kept_wins_over_a_file_in_the_place_of_its_folder(
    repo: Path, scratch: Path
) -> None:
    tree = edited(repo, scratch, lambda: write(repo, "d", b"a file\n"))
    write(repo, "d/mine", b"mine\n")
    rebuilt = rebuild_tree(repo, tree, scratch=scratch, keep=lambda path: path == "d/mine")
    assert (repo / "d" / "mine").read_bytes() == b"mine\n"
    assert rebuilt.kept == ("d", "d/mine")


def test_a_folder_is_left_alone_even_where_the_tree_has_another(repo: Path, scratch: Path) -> None:
    write(repo, ".state/s", b"old\n")
    commit(repo)
    write(repo, ".state/s", b"new\n")
    write(repo, "a", b"new\n")
    tree = commit(repo)
    git(repo, "reset", "-q", "--hard", "HEAD~1")
    write(repo, ".state/s", b"mine\n")
    git(repo, "add", "-A")
    write(repo, ".state/t", b"mine\n")
    rebuilt = rebuild_tree(repo, tree, scratch=scratch, without=".state")
    assert rebuilt.kept == ()
    assert (repo / "a").read_bytes() == b"new\n"
    assert (repo / ".state" / "s").read_bytes() == b"mine\n"
    assert git(repo, "status", "--porcelain") == "M  .state/s\n M a\n?? .state/t"


def test_a_kept_file_that_the_tree_ignores_is_not_staged(repo: Path, scratch: Path) -> None:
    tree = edited(repo, scratch, lambda: write(repo, ".gitignore", b"*\n"))
    write(repo, "mine", b"mine\n")
    index = (repo / ".git" / "index").read_bytes()
    rebuild_tree(repo, tree, scratch=scratch, keep=lambda path: path == "mine")
    assert (repo / ".git" / "index").read_bytes() == index
    assert (repo / "mine").read_bytes() == b"mine\n"
