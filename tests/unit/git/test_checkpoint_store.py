"""Keeping trees beside the repository: nothing of git's shows them, and nothing takes them away."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from mosaic.git import objects
from mosaic.git.checkpoint_store import HIDDEN_REFS, forget_trees, keep_tree, tidy_store
from mosaic.git.git import has_object, run_git
from mosaic.git.objects import STORE
from mosaic.git.snapshot import TakenTree, take_tree
from tests.support.git import commit, git, make_repo
from tests.support.work_trees import tree_of, write

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from pathlib import Path

BIG = os.urandom(200_000)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", {"a": "one\n", "d/x": "two\n"})


def keep(top: Path, scratch: Path, data: bytes, ref: str = "run/1") -> str:
    write(top, "new", data)
    return keep_tree(top, take_tree(top, scratch=scratch), ref=ref, message="kept\n\nü")


def collect(repo: Path) -> None:
    """Do all that people do to be rid of what nothing names."""
    git(repo, "reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all")
    git(repo, "gc", "-q", "--prune=now")


def in_store(repo: Path, *args: str) -> str:
    return git(repo, f"--git-dir={repo / '.git' / STORE}", *args)


def test_no_walk_push_clone_mirror_or_bundle_of_the_repository_has_a_checkpoint(
    repo: Path, scratch: Path, tmp_path: Path
) -> None:
    kept = keep(repo, scratch, b"x")
    side = tmp_path / "side"
    git(repo, "worktree", "add", "-q", "--detach", str(side))
    seen = [git(place, "log", "--all", "--format=%H") for place in (repo, side)]
    targets = []
    for number, how in enumerate((["--mirror"], ["--all"])):
        targets.append(tmp_path / f"pushed{number}.git")
        git(tmp_path, "init", "-q", "--bare", str(targets[-1]))
        git(repo, "push", "-q", *how, str(targets[-1]))
    for number, how in enumerate((["--mirror", "--no-local"], ["--bare", "--no-local"])):
        targets.append(tmp_path / f"cloned{number}.git")
        git(tmp_path, "clone", "-q", *how, str(repo), str(targets[-1]))
    git(repo, "bundle", "create", "-q", str(tmp_path / "b"), "--all")
    seen += [git(place, "for-each-ref") for place in (repo, *targets)]
    seen.append(git(repo, "bundle", "list-heads", str(tmp_path / "b")))
    assert not [text for text in seen if kept in text or "mosaic" in text]
    assert not [place for place in targets if has_object(place, kept)]
    assert in_store(repo, "log", "--all", "--format=%H").splitlines()[0] == kept


@pytest.mark.parametrize("how", ["in the repository", "in a worktree", "with its branch gone"])
def test_a_checkpoint_outlives_every_collection_until_it_is_forgotten(
    repo: Path, scratch: Path, tmp_path: Path, how: str
) -> None:
    top = repo
    if how != "in the repository":
        top = tmp_path / "side"
        git(repo, "worktree", "add", "-q", "-b", "work", str(top))
        commit(top, {"committed": "by the agent\n"})
    kept = [keep(top, scratch, b"%d" % n, f"run-{1 if n < 2 else 10}/{n}") for n in range(3)]
    if how == "with its branch gone":
        shutil.rmtree(top)
        git(repo, "worktree", "prune")
        git(repo, "branch", "-D", "work")
    collect(repo)
    for number, each in enumerate(kept):
        assert run_git(["cat-file", "blob", f"{each}:new"], repo).stdout == b"%d" % number
        git(repo, "fsck", "--connectivity-only", each)
    assert forget_trees(repo, "run-1") == 2
    assert forget_trees(repo, "run-1") == 0
    tidy_store(repo)
    collect(repo)
    assert [has_object(repo, each) for each in kept] == [False, False, True]
    assert forget_trees(repo, "run-10") == 1
    tidy_store(repo)
    assert not (repo / ".git" / STORE).exists()


@pytest.mark.parametrize("command", ["ls-tree", "diff-tree", "read-tree", "rev-parse"])
def test_whatever_asks_for_a_collected_object_gets_it(
    repo: Path, scratch: Path, command: str
) -> None:
    kept = keep(repo, scratch, b"x")
    collect(repo)
    assert git(repo, "cat-file", "-t", kept, check=False) == ""
    args = {
        "ls-tree": ["ls-tree", "--name-only", kept],
        "diff-tree": ["diff-tree", "-r", "--name-only", "HEAD", kept],
        "read-tree": ["read-tree", "--index-output", str(scratch / "i"), kept],
        "rev-parse": ["rev-parse", f"{kept}^{{tree}}"],
    }[command]
    run_git(args, repo)


def test_the_repository_needs_nothing_of_the_store(repo: Path, scratch: Path) -> None:
    keep(repo, scratch, b"x")
    write(repo, "late", b"y")
    keep(repo, scratch, b"x", "run/2")
    collect(repo)
    commit(repo)  # the very contents that are in the store and nowhere else
    shutil.rmtree(repo / ".git" / "mosaic")
    assert git(repo, "fsck", "--full", "--strict") == ""


def test_a_tidied_store_holds_nothing_twice_and_nothing_that_no_checkpoint_needs(
    repo: Path, scratch: Path
) -> None:
    commit(repo, {"big": BIG.hex()})
    kept = keep(repo, scratch, b"x", "run-1/1")
    write(repo, "gone", os.urandom(100_000))
    keep(repo, scratch, b"x", "run-2/1")
    (repo / "gone").unlink()
    for number in range(3):
        collect(repo)
        commit(repo, {"n": str(number)})
        keep(repo, scratch, b"x", "run-2/1")
    forget_trees(repo, "run-2")
    collect(repo)
    tidy_store(repo)
    users = {path.name for path in (repo / ".git" / "objects" / "pack").iterdir()}
    packs = list((repo / ".git" / STORE / "objects" / "pack").glob("*.pack"))
    assert sum(p.stat().st_size for p in packs if p.name not in users) < 5_000
    assert all(p.stat().st_nlink == 2 for p in packs if p.name in users)
    in_store(repo, "fsck", "--full")
    collect(repo)
    assert has_object(repo, kept)
    assert set(tree_of(repo, kept)) == {"a", "big", "d/x", "new"}


def test_checkpoints_of_older_versions_are_read_and_taken_over(repo: Path, scratch: Path) -> None:
    write(repo, "new", b"old")
    taken = take_tree(repo, scratch=scratch)
    old = git(repo, "commit-tree", taken.tree, "-p", "HEAD", "-m", "old")
    for number, pack in ((1, True), (2, False)):
        git(repo, "update-ref", f"{HIDDEN_REFS}/old-run/{number}", old)
        if pack:
            git(repo, "pack-refs", "--all")
    assert has_object(repo, old)
    tidy_store(repo)
    assert git(repo, "for-each-ref", "refs/mosaic") == ""
    collect(repo)
    assert run_git(["cat-file", "blob", f"{old}:new"], repo).stdout == b"old"
    git(repo, "update-ref", f"{HIDDEN_REFS}/old-run/3", old)
    keep(repo, scratch, b"x")
    assert git(repo, "for-each-ref", "refs/mosaic") == ""
    assert forget_trees(repo, "old-run") == 3


def test_a_forgotten_checkpoint_of_an_older_version_goes_where_it_stands(
    repo: Path, scratch: Path
) -> None:
    git(repo, "update-ref", f"{HIDDEN_REFS}/run/1", "HEAD")
    assert forget_trees(repo, "run") == 1
    assert git(repo, "for-each-ref", "refs/mosaic") == ""


def test_without_hard_links_files_are_copied(
    repo: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    git(repo, "gc", "-q")
    monkeypatch.setattr("mosaic.git.objects.os.link", refuse)
    kept = keep(repo, scratch, b"x")
    collect(repo)
    assert has_object(repo, kept)
    in_store(repo, "fsck", "--full")


def test_shallow_borrowing_and_sha256_repositories_keep_their_checkpoints(
    repo: Path, scratch: Path, tmp_path: Path
) -> None:
    commit(repo, {"second": "2\n"})
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", "shallow")
    git(tmp_path, "clone", "-q", "--shared", str(repo), "borrowing")
    git(tmp_path, "init", "-q", "-b", "main", "--object-format=sha256", "sha256")
    commit(tmp_path / "sha256", {"a": "1\n"})
    for name in ("shallow", "borrowing", "sha256"):
        place = tmp_path / name
        kept = keep(place, scratch, b"x")
        tidy_store(place)
        collect(place)
        assert has_object(place, kept), name
        assert "new" in tree_of(place, kept)
        in_store(place, "fsck", "--full")


def test_a_collection_in_the_middle_of_keeping_leaves_a_whole_checkpoint(
    repo: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packs are listed, and git has put their objects elsewhere before they are shared."""
    git(repo, "gc", "-q")
    commit(repo, {"loose": "1\n"})
    times: list[Path] = []
    share = objects._share

    def slow(old: Path, new: Path) -> bool:
        if old.suffix == ".pack" and not times:
            times.append(old)
            git(repo, "repack", "-a", "-d", "-f", "-q")
            git(repo, "prune-packed")
        return share(old, new)

    monkeypatch.setattr("mosaic.git.objects._share", slow)
    kept = keep(repo, scratch, b"x")
    assert times
    in_store(repo, "fsck", "--full")
    in_store(repo, "rev-list", "--objects", kept)


def test_a_tree_without_a_commit_below_is_kept_too(tmp_path: Path, scratch: Path) -> None:
    top = make_repo(tmp_path / "new")
    kept = keep(top, scratch, b"x")
    collect(top)
    assert has_object(top, kept)


def test_others_may_not_enter_the_store(repo: Path, scratch: Path) -> None:
    keep(repo, scratch, b"x")
    assert (repo / ".git" / "mosaic").stat().st_mode & 0o077 == 0


def test_what_cannot_be_kept_is_an_error_and_no_ref(repo: Path, scratch: Path) -> None:
    missing = TakenTree(tree="1" * 40, head=None)
    with pytest.raises(Exception, match="commit-tree"):
        keep_tree(repo, missing, ref="run/1", message="x")
    assert not (repo / ".git" / STORE).exists()
