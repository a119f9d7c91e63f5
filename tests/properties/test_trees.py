"""Trees that are taken, told as patches and rebuilt, over work trees in any state.

`HYPOTHESIS_MAX_EXAMPLES` makes the run longer.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mosaic.errors import DirtyTreeError
from mosaic.git.diff import compare_trees, write_patch
from mosaic.git.left_out import CHANGED_MODULE, REPOSITORY
from mosaic.git.restore import apply_patch, rebuild_tree
from mosaic.git.snapshot import TakenTree, take_tree
from tests.support.git import ENVIRONMENT, git
from tests.support.work_trees import (
    CONTENTS,
    STATE,
    Edit,
    apply,
    copy,
    edits,
    files_of,
    histories,
    make_template,
    paths,
    remove,
    tree_of,
    true_tree,
    write,
)

EXAMPLES = int(os.environ.get("HYPOTHESIS_MAX_EXAMPLES", "20"))
work = settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
SUBMODULE = "160000"


class Scene(NamedTuple):
    """A repository with edits in it, and room beside it."""

    repo: Path
    room: Path

    def take(self, top: Path | None = None) -> TakenTree:
        return take_tree(top or self.repo, scratch=self.room, without=STATE)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, ENVIRONMENT[name])


@contextlib.contextmanager
def scene(template: Path, history: list[Edit]) -> Iterator[Scene]:
    """Make a scene that is gone at the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        copy(template.parent / "module", room / "module")
        repo = copy(template, room / "repo")
        for edit in history:
            apply(repo, edit)
        yield Scene(repo, room)


def told(repo: Path) -> list[str]:
    # It would fail where a submodule became a symlink, if it looked into submodules.
    plain = ("--no-renames", "--untracked-files=all", "--ignore-submodules=dirty")
    return git(repo, "status", "--porcelain", "-z", *plain).split("\0")[:-1]


@work
@given(histories)
def test_taking_a_tree_leaves_no_trace(template: Path, history: list[Edit]) -> None:
    with scene(template, history) as now:
        index = now.repo / ".git" / "index"
        before = (told(now.repo), index.read_bytes(), index.stat().st_mtime_ns)
        files = files_of(now.repo)
        now.take()
        assert files_of(now.repo) == files
        assert (index.read_bytes(), index.stat().st_mtime_ns) == before[1:]
        assert told(now.repo) == before[0]
        assert sorted(place.name for place in now.room.iterdir()) == ["module", "repo"]


@work
@given(histories)
@example([Edit("nested"), Edit("add -A"), Edit("write", "nested")])
def test_a_tree_is_what_git_would_add_and_its_patch_makes_it_again(
    template: Path, history: list[Edit]
) -> None:
    with scene(template, history) as now:
        taken = now.take()
        assert now.take() == taken
        truth = true_tree(now.repo, now.room / "twin")
        expected = tree_of(now.room / "twin", truth)
        assert tree_of(now.repo, taken.tree) == expected
        assert taken.tree == truth
        assert {left.reason for left in taken.left_out} <= {REPOSITORY, CHANGED_MODULE}

        patch, base = now.room / "patch", str(taken.head)
        write_patch(now.repo, base, taken.tree, patch)
        assert apply_patch(now.repo, base, patch, scratch=now.room) == truth
        fresh = clone(now)
        assert apply_patch(fresh, base, patch, scratch=now.room) == truth

        old = tree_of(now.repo, base)
        differing = {name for name in old | expected if old.get(name) != expected.get(name)}
        plain = compare_trees(now.repo, base, truth, find_renames=False)
        assert {change.path for change in plain} == differing
        for change in plain:
            assert change.old_mode == old.get(change.path, "000000 ")[:6]
            assert change.new_mode == expected.get(change.path, "000000 ")[:6]
        found = compare_trees(now.repo, base, truth)
        named = {change.path for change in found} | {c.old_path for c in found if c.old_path}
        assert named == differing


@work
@given(histories, st.sampled_from(["worktree", "clone", "same"]))
def test_a_tree_is_rebuilt_to_the_byte(template: Path, history: list[Edit], where: str) -> None:
    with scene(template, history) as now:
        taken = now.take()
        original = files_of(now.repo)
        place = make_clean(now, where, taken)
        head = head_of(place)
        rebuilt = rebuild_tree(place, taken.tree, scratch=now.room, without=STATE)
        assert rebuilt.tree == taken.tree
        assert rebuilt.kept == ()
        again = now.take(place)
        assert set(tree_of(now.repo, taken.tree)) ^ set(tree_of(place, again.tree)) == set(
            rebuilt.extra
        )
        assert rebuilt.extra or again.tree == taken.tree
        assert head_of(place) == head
        found = files_of(place)
        for name, line in tree_of(now.repo, taken.tree).items():
            if not line.startswith(SUBMODULE) and not name.startswith(f"{STATE}/"):
                assert found[name][:3] == original[name][:3], name


def head_of(repo: Path) -> tuple[str, str]:
    return git(repo, "rev-parse", "HEAD"), git(repo, "symbolic-ref", "-q", "HEAD", check=False)


def clone(now: Scene) -> Path:
    """Make a repository that has the commit of HEAD and nothing else."""
    fresh = now.room / "clone"
    git(now.room, "init", "-q", "-b", "main", str(fresh))
    git(fresh, "fetch", "-q", str(now.repo), "HEAD")
    git(fresh, "reset", "-q", "--hard", "FETCH_HEAD")
    return fresh


def make_clean(now: Scene, where: str, taken: TakenTree) -> Path:
    """Make a clean work tree of the commit, and bring the tree's objects there."""
    if where == "worktree":
        git(now.repo, "worktree", "add", "-q", "--detach", str(now.room / "side"))
        return now.room / "side"
    if where == "clone":
        place, patch = clone(now), now.room / "patch"
        write_patch(now.repo, str(taken.head), taken.tree, patch)
        apply_patch(place, taken.head, patch, scratch=now.room)
        return place
    make_same_clean(now.repo)
    return now.repo


def make_same_clean(repo: Path) -> None:
    # git takes no repository away by itself, and nothing that stands where one was.
    remove(repo / "nested")
    if tree_of(repo, "HEAD").get("sub", "").startswith(SUBMODULE):
        remove(repo / "sub")
    git(repo, "reset", "-q", "--hard")
    git(repo, "clean", "-ffdxq")
    assert told(repo) == []


@work
@given(histories, st.lists(edits, max_size=5))
def test_a_dirty_work_tree_is_refused_by_name_and_left_alone(
    template: Path, history: list[Edit], later: list[Edit]
) -> None:
    with scene(template, history) as now:
        tree = now.take().tree
        for edit in later:
            apply(now.repo, edit)
        truth = true_tree(now.repo, now.room / "twin")
        dirty = differing_names(now.room / "twin", "HEAD", truth)
        # Also what is staged and was taken back since, and what git calls unmerged.
        dirty |= {line[3:].rstrip("/") for line in told(now.repo)}
        dirty = {name for name in dirty if name != STATE and not name.startswith(f"{STATE}/")}
        index, files = (now.repo / ".git" / "index").read_bytes(), files_of(now.repo)
        if not dirty:
            return
        with pytest.raises(DirtyTreeError) as caught:
            rebuild_tree(now.repo, tree, scratch=now.room, without=STATE)
        assert set(caught.value.paths) == dirty
        assert (now.repo / ".git" / "index").read_bytes() == index
        assert files_of(now.repo) == files


def differing_names(repo: Path, one: str, other: str) -> set[str]:
    old, new = tree_of(repo, one), tree_of(repo, other)
    return {name for name in old | new if old.get(name) != new.get(name)}


@work
@given(
    histories,
    st.lists(st.tuples(paths, st.sampled_from(CONTENTS), st.booleans()), min_size=1, max_size=3),
)
def test_paths_that_are_kept_stay_to_the_byte(
    template: Path, history: list[Edit], mine: list[tuple[str, bytes, bool]]
) -> None:
    with scene(template, history) as now:
        taken = now.take()
        place = make_clean(now, "clone", taken)
        own = set()
        for path, data, staged in mine:
            if path.startswith("sub"):
                continue
            before = set(files_of(place))
            write(place, path, data)
            own |= before ^ set(files_of(place)) | {path}
            if staged:
                git(place, "add", "-f", "--", f":(literal){path}")
        files = {name: file for name, file in files_of(place).items() if name in own}
        staged_now = {name: git(place, "ls-files", "-s", "--", f":(literal){name}") for name in own}
        rebuilt = rebuild_tree(
            place, taken.tree, scratch=now.room, without=STATE, keep=own.__contains__
        )
        found = files_of(place)
        assert {name: found.get(name) for name in files} == files
        assert not (own - set(files)) & set(found)
        assert {
            name: git(place, "ls-files", "-s", "--", f":(literal){name}") for name in own
        } == staged_now
        other = differing_names(place, rebuilt.tree, taken.tree)
        assert {name for name in other if not name.startswith(f"{STATE}/")} == set(rebuilt.kept)
