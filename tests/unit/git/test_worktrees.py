"""Work trees beside the main one, against real repositories and several processes."""

from __future__ import annotations

import contextlib
import os
import threading
import unicodedata
from typing import TYPE_CHECKING

import pytest

from mosaic.errors import GitError
from mosaic.git.branches import branch_obstacle, is_branch_name
from mosaic.git.diff import shown_paths
from mosaic.git.git import find_work_tree, head_commit, run_git
from mosaic.git.worktrees import (
    add_worktree,
    commit_of,
    copy_changes,
    delete_branch,
    has_branch,
    is_brought_home,
    list_worktrees,
    other_worktrees,
    remove_worktree,
    what_would_be_lost,
)
from tests.support.git import commit, git, make_repo
from tests.support.programs import next_line, running
from tests.support.work_trees import File, files_of, write

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ADD = """\
import sys
from pathlib import Path
from mosaic.git.worktrees import add_worktree
home, place, branch = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
add_worktree(home, place, branch=branch, start="HEAD", reason="mosaic: T-1")
print("done", flush=True)
"""
FILES = {"a": "one\n", "d/x": "two\n"}
HARD_NAMES = ("with space", "it's", 'say "so"', "größe-ü-日本", "$(touch x)", "a;b", "-dash", "#h")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", FILES)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "places" / "one"


def contents(top: Path) -> dict[str, File]:
    return {path: file._replace(mtime_ns=0) for path, file in files_of(top).items()}


def add(repo: Path, place: Path, branch: str | None = "work", start: str = "HEAD") -> bool:
    return add_worktree(repo, place, branch=branch, start=start, reason="mosaic: T-1")


# Making


def test_a_new_branch_begins_at_the_commit_that_was_asked_for(repo: Path, place: Path) -> None:
    first = head_commit(repo)
    write(repo, "a", b"later\n")
    commit(repo)
    assert add(repo, place, start=str(first)) is True
    assert head_commit(place) == first
    assert (place / "a").read_bytes() == b"one\n"
    assert git(place, "symbolic-ref", "HEAD") == "refs/heads/work"


def test_a_branch_that_is_there_is_taken_up_where_it_stands(repo: Path, place: Path) -> None:
    git(repo, "checkout", "-q", "-b", "work")
    write(repo, "a", b"begun\n")
    tip = commit(repo)
    git(repo, "checkout", "-q", "main")
    assert add(repo, place) is False
    assert head_commit(place) == tip


def test_without_a_branch_the_work_tree_is_detached(repo: Path, place: Path) -> None:
    assert add(repo, place, branch=None) is False
    assert [tree.branch for tree in list_worktrees(repo)] == ["main", None]


def test_a_branch_that_begins_at_a_remote_one_does_not_track_it(
    repo: Path, place: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", str(repo), "clone")
    clone = tmp_path / "clone"
    add(clone, place, start="origin/main")
    assert "branch.work" not in git(clone, "config", "--list")


def test_a_new_work_tree_is_locked_so_that_prune_spares_it(repo: Path, place: Path) -> None:
    add(repo, place)
    place.rename(place.with_name("away"))
    git(repo, "worktree", "prune", "--expire", "now")
    assert [tree.path for tree in list_worktrees(repo)] == [repo, place]


def test_a_branch_that_is_checked_out_elsewhere_is_refused(repo: Path, place: Path) -> None:
    with pytest.raises(GitError):
        add(repo, place, branch="main")
    assert not place.exists()
    assert len(list_worktrees(repo)) == 1


def test_outside_of_a_repository_nothing_is_made(tmp_path: Path, place: Path) -> None:
    with pytest.raises(GitError, match="not in a git work tree"):
        add(tmp_path, place)
    assert list_worktrees(tmp_path) == []
    assert other_worktrees(tmp_path) == []


@pytest.mark.parametrize("name", HARD_NAMES)
def test_names_that_are_hard_on_shells_are_only_names(tmp_path: Path, name: str) -> None:
    repo = make_repo(tmp_path / name / "repo", FILES)
    place = tmp_path / name / "places" / name
    add(repo, place, branch="work")
    assert [tree.path for tree in list_worktrees(repo)] == [repo, place]
    assert other_worktrees(repo) == [place]
    assert what_would_be_lost(place) is None
    remove_worktree(repo, place)
    assert list_worktrees(repo)[1:] == []
    assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["places", "repo"]


def test_a_repository_that_is_itself_a_linked_work_tree_makes_more(
    repo: Path, place: Path, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    add(repo, linked, branch="linked")
    write(linked, "a", b"of linked\n")
    commit(linked)
    add(linked, place)
    assert (place / "a").read_bytes() == b"of linked\n"
    assert other_worktrees(linked) == [repo, place]
    remove_worktree(linked, place)
    assert other_worktrees(linked) == [repo]


def test_a_repository_with_submodules_gets_work_trees_and_loses_them(
    repo: Path, place: Path, tmp_path: Path
) -> None:
    part = make_repo(tmp_path / "part", FILES)
    git(repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(part), "sub")
    commit(repo)
    add(repo, place)
    git(place, "-c", "protocol.file.allow=always", "submodule", "update", "--init", "-q")
    assert (place / "sub" / "a").exists()
    assert what_would_be_lost(place) is None
    write(place, "sub/a", b"changed\n")
    assert what_would_be_lost(place) == (
        "`sub`, a submodule with changes that are not committed: `a`"
    )
    commit(place / "sub")
    assert "`sub`" in str(what_would_be_lost(place))
    remove_worktree(repo, place)
    assert not place.exists()
    assert (repo / "sub" / "a").read_bytes() == b"one\n"


# Names


def test_a_branch_is_known_by_its_whole_name_only(repo: Path) -> None:
    for name in ("mission/T-1/work", "feature"):
        git(repo, "branch", name)
    git(repo, "tag", "only-a-tag")
    assert has_branch(repo, "mission/T-1/work")
    for name in ("work", "T-1/work", "mission", "feat*", "only-a-tag", "main~0", ""):
        assert not has_branch(repo, name), name


ODD_NAMES = [
    "", "-x", "a b", "a..b", "a.lock", "/a", "a/", "@{1}", "a\nb", "a//b", ".a", "a/.b", "a.",
    "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a\x7f", "a.lock/b",
]  # fmt: skip


def test_what_git_takes_for_no_branch_is_none(repo: Path) -> None:
    for name in (*ODD_NAMES, "work", "mission/T-1/work", "größe", "a.b", "a@b", "#1", "a.locked"):
        of_git = run_git(["check-ref-format", "--branch", name], repo, check=False)
        assert is_branch_name(name) is (of_git.exit_code == 0), name
    assert not any(map(is_branch_name, ("HEAD", "@", "refs/heads/a")))


def test_what_leaves_no_room_for_a_branch_is_named(repo: Path) -> None:
    git(repo, "branch", "feat")
    git(repo, "branch", unicodedata.normalize("NFC", "größe"))
    assert branch_obstacle(repo, "feat") is None
    assert branch_obstacle(repo, "other") is None
    assert "branch `main`" in str(branch_obstacle(repo, "main/x"))
    assert "branch `feat`" in str(branch_obstacle(repo, "feat/x/y"))
    assert "branch `a/b`" in str(branch_obstacle(repo, "a", ["a/b"]))
    assert "written otherwise" in str(branch_obstacle(repo, unicodedata.normalize("NFD", "größe")))
    assert branch_obstacle(repo, "Feat") is None
    git(repo, "config", "core.ignoreCase", "true")
    assert branch_obstacle(repo, "Feat") is None  # this disk tells them apart all the same
    (repo / ".GIT").symlink_to(".git")  # as on a disk that does not
    assert "written otherwise" in str(branch_obstacle(repo, "Feat"))


def test_a_name_stands_for_its_commit_and_an_option_for_none(repo: Path) -> None:
    assert commit_of(repo, "main") == head_commit(repo)
    assert commit_of(repo, "--all") is None
    assert commit_of(repo, "no-such") is None
    assert commit_of(repo, "HEAD:a") is None


# Removing


def test_a_work_tree_is_removed_with_whatever_it_holds(repo: Path, place: Path) -> None:
    add(repo, place)
    write(place, "a", b"changed\n")
    write(place, "new", b"new\n")
    remove_worktree(repo, place)
    assert not place.exists()
    assert len(list_worktrees(repo)) == 1
    assert has_branch(repo, "work")


def test_a_folder_that_is_gone_is_forgotten_although_it_was_locked(repo: Path, place: Path) -> None:
    add(repo, place)
    place.rename(place.with_name("away"))
    assert list_worktrees(repo)[1].path == place
    assert other_worktrees(repo) == []
    remove_worktree(repo, place)
    assert len(list_worktrees(repo)) == 1


def test_uncommitted_and_untracked_files_would_be_lost_and_ignored_ones_not(
    repo: Path, place: Path
) -> None:
    write(repo, ".gitignore", b"*.log\n")
    commit(repo)
    add(repo, place)
    write(place, "d/out.log", b"x")
    assert what_would_be_lost(place) is None
    write(place, "d/new file", b"x")
    (place / "a").unlink()
    words = what_would_be_lost(place)
    assert words == "changes that are not committed: `a`, `d/new file`"


def test_what_a_repository_within_holds_alone_would_be_lost(repo: Path, place: Path) -> None:
    add(repo, place)
    inner = make_repo(place / "inner", FILES)
    words = "`inner`, a repository of its own with 1 commit that is nowhere else"
    assert what_would_be_lost(place) == words
    git(place, "add", "--all")
    git(place, "commit", "-q", "-m", "a link that holds nothing")
    assert what_would_be_lost(place) == words
    git(inner, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert what_would_be_lost(place) is None


def test_another_s_worktree_within_is_looked_into_and_goes_when_nothing_is_lost(
    repo: Path, place: Path
) -> None:
    write(repo, ".gitignore", b"/own\n")
    commit(repo)
    add(repo, place)
    git(place, "worktree", "add", "-q", "own", "-b", "own")
    git(place, "worktree", "lock", "own")
    commit(place / "own", {"kept": "on a branch\n"})
    assert what_would_be_lost(place) is None
    write(place, "own/new", b"x")
    assert what_would_be_lost(place) == (
        "`own`, a worktree of this repository with changes that are not committed: `new`"
    )
    (place / "own" / "new").unlink()
    remove_worktree(repo, place)
    assert len(list_worktrees(repo)) == 1
    assert has_branch(repo, "own")


def test_what_a_mark_hides_would_be_lost_and_other_line_ends_not(repo: Path, place: Path) -> None:
    write(repo, "w.txt", b"1\r\n")
    commit(repo)
    write(repo, ".gitattributes", b"*.txt text eol=lf\n")
    git(repo, "add", ".gitattributes")
    git(repo, "commit", "-q", "-m", "line ends")
    add(repo, place)
    os.utime(place / "w.txt", ns=(1, 1))
    assert git(place, "status", "--porcelain") == " M w.txt"
    assert what_would_be_lost(place) is None
    git(place, "update-index", "--assume-unchanged", "a")
    write(place, "a", b"hidden\n")
    assert what_would_be_lost(place) == "changes that a mark hides from git: `a`"


def test_commits_of_no_branch_would_be_lost_and_those_of_one_not(repo: Path, place: Path) -> None:
    add(repo, place, branch=None)
    assert what_would_be_lost(place) is None
    commit(place)
    commit(place)
    assert what_would_be_lost(place) == "2 commits that are on no branch"
    git(place, "branch", "kept")
    assert what_would_be_lost(place) is None


def test_commits_of_a_branch_are_not_lost_with_the_work_tree(repo: Path, place: Path) -> None:
    add(repo, place)
    tip = commit(place)
    assert what_would_be_lost(place) is None
    remove_worktree(repo, place)
    assert commit_of(repo, "work") == tip


def test_many_paths_are_shown_by_the_first_few() -> None:
    assert shown_paths(["a", "b"]) == "`a`, `b`"
    assert shown_paths([str(n) for n in range(7)]) == "`0`, `1`, `2`, `3`, `4` and 2 more"


# Brought home


@pytest.fixture
def branched(repo: Path, place: Path) -> Path:
    """Two commits on `work`, and one of its own on `main`."""
    add(repo, place)
    write(place, "a", b"worked\n")
    commit(place)
    write(place, "d/y", b"also\n")
    commit(place)
    write(repo, "m", b"main went on\n")
    commit(repo)
    return repo


def test_a_branch_with_nothing_of_its_own_is_home(repo: Path) -> None:
    git(repo, "branch", "work")
    commit(repo)
    assert is_brought_home(repo, "work", "main")


def test_work_that_is_nowhere_else_is_not_home(branched: Path) -> None:
    assert not is_brought_home(branched, "work", "main")


@pytest.mark.parametrize("way", ["merge", "squash", "rebase"])
def test_merged_squashed_and_rebased_work_is_home(branched: Path, way: str) -> None:
    if way == "merge":
        git(branched, "merge", "-q", "--no-ff", "-m", "merged", "work")
    elif way == "squash":
        git(branched, "merge", "-q", "--squash", "work")
        commit(branched)
    else:
        git(branched, "cherry-pick", "main..work")
    assert is_brought_home(branched, "work", "main")


def test_half_of_the_work_is_not_home(branched: Path) -> None:
    git(branched, "cherry-pick", "work~1")
    assert not is_brought_home(branched, "work", "main")


def test_a_branch_of_another_history_is_not_home(repo: Path) -> None:
    git(repo, "checkout", "-q", "--orphan", "alone")
    write(repo, "alone", b"of its own\n")
    commit(repo)
    git(repo, "checkout", "-q", "main")
    assert not is_brought_home(repo, "alone", "main")


def test_a_branch_is_deleted_only_where_it_was_seen(branched: Path, place: Path) -> None:
    tip = str(commit_of(branched, "work"))
    with pytest.raises(GitError, match="checked out"):
        delete_branch(branched, "work", expected=tip)
    remove_worktree(branched, place)
    with pytest.raises(GitError):
        delete_branch(branched, "work", expected=str(commit_of(branched, "main")))
    assert has_branch(branched, "work")
    delete_branch(branched, "work", expected=tip)
    assert not has_branch(branched, "work")


# Uncommitted changes


@pytest.fixture
def carry(repo: Path, place: Path, scratch: Path) -> Callable[..., str]:
    def carry(*without: str) -> str:
        return copy_changes(repo, place, without=without, scratch=scratch)

    add(repo, place)
    return carry


def test_changes_of_every_kind_are_carried_over(
    repo: Path, place: Path, scratch: Path, carry: Callable[..., str]
) -> None:
    write(repo, "a", b"changed\n")
    write(repo, "bin", bytes(range(256)) * 40)
    write(repo, "new dir/ünï 'q'", b"untracked\n")
    git(repo, "mv", "d/x", "d/renamed")
    (repo / "run").write_text("#!/bin/sh\n")
    (repo / "run").chmod(0o755)
    (repo / "link").symlink_to("a")
    assert carry() == "the uncommitted changes were carried over"
    assert contents(place) == contents(repo)
    assert os.access(place / "run", os.X_OK)
    assert os.readlink(place / "link") == "a"
    assert git(place, "diff", "--cached", "--name-only") == ""
    assert list(scratch.iterdir()) == []


def test_a_deleted_file_is_deleted_there_too(
    repo: Path, place: Path, carry: Callable[..., str]
) -> None:
    (repo / "d" / "x").unlink()
    carry()
    assert not (place / "d" / "x").exists()


def test_changes_that_are_there_already_are_recognised(
    repo: Path, place: Path, carry: Callable[..., str]
) -> None:
    write(repo, "a", b"changed\n")
    write(repo, "new", b"new\n")
    carry()
    assert carry() == "the uncommitted changes are there already"
    assert (place / "a").read_bytes() == b"changed\n"


def test_where_nothing_is_changed_nothing_is_carried(carry: Callable[..., str]) -> None:
    assert carry() == "there are no uncommitted changes"


def test_a_conflict_leaves_everything_as_it_was(
    repo: Path, place: Path, scratch: Path, carry: Callable[..., str]
) -> None:
    write(place, "a", b"theirs\n")
    write(repo, "a", b"ours\n")
    write(repo, "b-before", b"new\n")
    write(repo, "z-after", b"new\n")
    before = contents(place), contents(repo)
    with pytest.raises(GitError, match="do not fit") as refused:
        carry()
    assert "a" in str(refused.value.detail)
    assert (contents(place), contents(repo)) == before
    assert list(scratch.iterdir()) == []


def test_what_is_to_stay_is_not_carried(repo: Path, place: Path, carry: Callable[..., str]) -> None:
    for name in ("a", "own/table", "own*/x", "new"):
        write(repo, name, b"changed\n")
    carry("own", "a")
    assert not (place / "own").exists()
    assert (place / "a").read_bytes() == b"one\n"
    assert (place / "own*" / "x").exists()
    assert (place / "new").exists()


def test_without_a_commit_there_is_nothing_to_compare(
    repo: Path, place: Path, scratch: Path, tmp_path: Path
) -> None:
    add(repo, place)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    git(fresh, "init", "-q")
    with pytest.raises(GitError, match="no commit yet"):
        copy_changes(fresh, place, without=(), scratch=scratch)


# Many at once


def test_eight_processes_make_work_trees_of_one_repository_at_once(
    repo: Path, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(running(ADD, repo, tmp_path / f"w{n}", f"mission/T-{n}/work"))
            for n in range(8)
        ]
        assert [next_line(process) for process in started] == ["ready"] * 8
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [next_line(process) for process in started] == ["done"] * 8
    trees = list_worktrees(repo)[1:]
    assert {tree.branch for tree in trees} == {f"mission/T-{n}/work" for n in range(8)}
    assert all(find_work_tree(tree.path) == tree.path for tree in trees)
    assert all(what_would_be_lost(tree.path) is None for tree in trees)


@pytest.mark.parametrize("lock", ["config.lock", "refs/heads/work.lock", "packed-refs.lock"])
def test_a_lock_of_another_git_is_waited_for(repo: Path, place: Path, lock: str) -> None:
    held = repo / ".git" / lock
    commit(repo)
    tip = str(head_commit(repo))
    add(repo, place)
    remove_worktree(repo, place)
    git(repo, "config", "branch.work.description", "x")
    git(repo, "pack-refs", "--all")
    held.touch()
    was_there: list[bool] = []

    def release() -> None:
        was_there.append(has_branch(repo, "work"))
        held.unlink()

    timer = threading.Timer(0.5, release)
    timer.start()
    try:
        delete_branch(repo, "work", expected=tip)
    finally:
        timer.join()
    assert not has_branch(repo, "work")
    assert "branch.work" not in git(repo, "config", "--list")
    if lock != "config.lock":
        assert was_there == [True]
