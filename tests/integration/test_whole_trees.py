"""What git cannot hold, does not show or keeps elsewhere: all else of the work is brought home."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.integration.test_worktrees import BRANCH, changed_on_branch, notes, work
from tests.support.git import commit, git, make_repo
from tests.support.mission import MissionRepo
from tests.support.workers import give_agent, worktree_of

pytestmark = pytest.mark.slow

ALLOWED = ("-c", "protocol.file.allow=always")
IN_SUB = 'who = ("-C", "lib/sub", "-c", "user.name=A", "-c", "user.email=a@b")\n'


@pytest.fixture
def home(repo: MissionRepo) -> MissionRepo:
    return give_agent(repo)


@pytest.fixture
def with_module(repo: MissionRepo, tmp_path: Path) -> MissionRepo:
    """A mission with a submodule, which has one of its own; neither remote is there any more."""
    deep = make_repo(tmp_path / "deep", {"d": "deep\n"})
    module = make_repo(tmp_path / "module", {"s": "one\n"})
    git(module, *ALLOWED, "submodule", "add", "-q", str(deep), "inner")
    commit(module)
    home = give_agent(repo, worktrees={"submodules": True})
    home.git(*ALLOWED, "submodule", "add", "-q", str(module), "lib/sub")
    home.git(*ALLOWED, "submodule", "update", "-q", "--init", "--recursive")
    home.git("commit", "-qam", "with a submodule")
    for place in (deep, module):
        place.rename(place.with_suffix(".away"))
    return home


def settled(home: MissionRepo) -> str:
    """Approve, merge and clean; return why the worktree is kept, or nothing."""
    home.run("done", "T-001", "--force")
    merged = home.run("merge", "T-001")
    assert merged.exit_code == 0, merged.stderr
    (swept,) = home.run("clean", "--json").json()["worktrees"]
    return swept["because"] or ""


# Submodules


def test_submodules_are_checked_out_without_their_remotes_and_go_with_the_worktree(
    with_module: MissionRepo,
) -> None:
    home = with_module
    does = 'assert (here / "lib/sub/inner/d").read_text() == "deep\\n"\n'
    does += 'write("b.txt", (here / "lib/sub/s").read_text())\nfinish()'
    worked = work(home, does)
    assert worked.exit_code == 0, worked.stderr
    assert changed_on_branch(home) == ["b.txt"]
    place = worktree_of(home)
    assert home.git("-C", str(place), "status", "--porcelain") == ""
    origin = ("config", "remote.origin.url")
    own = [home.git("-C", str(top / "lib" / "sub"), *origin) for top in (home.path, place)]
    assert own[0] == own[1]
    assert settled(home) == ""
    assert not place.exists()
    for path in ("lib/sub", "lib/sub/inner"):
        listed = home.git("-C", str(home.path / path), "worktree", "list", "--porcelain")
        assert str(place) not in listed
    assert home.git("-C", str(home.path / "lib" / "sub"), "status", "--porcelain") == ""


def test_work_in_a_submodule_is_named_and_kept_until_it_stands_elsewhere(
    with_module: MissionRepo,
) -> None:
    home = with_module
    does = IN_SUB + 'write("lib/sub/s", "two\\n")\ngit(*who, "commit", "-qam", "in the module")\n'
    does += 'write("lib/sub/loose", "x")\nwrite("b.txt", "x")\nfinish()'
    assert work(home, does).exit_code == 0
    assert changed_on_branch(home) == ["b.txt", "lib/sub"]
    words = "`lib/sub` is a submodule with changes that are not committed in it"
    assert f"left out of its branch: {words}" in notes(home)
    assert words in home.mission()["sessions"][0]["endedDetail"]
    caveats = home.run("review", "T-001", "--json").json()["evidence"]["caveats"]
    assert any(each.startswith(words) for each in caveats)
    assert "`lib/sub`, a submodule with changes that are not committed: `loose`" in settled(home)
    module = worktree_of(home) / "lib" / "sub"
    (module / "loose").unlink()
    assert "`lib/sub`, a submodule with 1 commit that is on no branch" in settled(home)
    home.git("-C", str(module), "branch", "kept")
    assert settled(home) == ""
    assert home.git("-C", str(home.path / "lib" / "sub"), "show", "kept:s") == "two\n"


def test_a_submodule_commit_that_cannot_be_had_leaves_nothing_and_names_the_way_on(
    with_module: MissionRepo,
) -> None:
    home = with_module
    home.git("update-index", "--cacheinfo", f"160000,{'1' * 40},lib/sub")
    home.git("commit", "-qm", "a commit that is nowhere")
    refused = work(home, "finish()")
    assert refused.exit_code == 1
    assert "commit 111111111111 of the submodule `lib/sub` cannot be had" in refused.stderr
    assert "`worktrees.submodules`" in refused.stderr
    assert not worktree_of(home).exists()
    assert home.git("for-each-ref", "refs/heads/mission") == ""


def test_a_worktree_with_submodules_that_was_deleted_by_hand_is_made_again(
    with_module: MissionRepo,
) -> None:
    assert work(with_module, "mission('set', task, 'status=todo')").exit_code == 0
    shutil.rmtree(worktree_of(with_module))
    does = 'assert (here / "lib/sub/s").exists()\nwrite("b.txt", "x")\nfinish()'
    again = work(with_module, does)
    assert again.exit_code == 0, again.stderr
    assert changed_on_branch(with_module) == ["b.txt"]
    assert settled(with_module) == ""


def test_without_the_setting_submodules_stay_empty(with_module: MissionRepo) -> None:
    home = give_agent(with_module, worktrees={})
    assert work(home, 'assert not any((here / "lib/sub").iterdir())\nfinish()').exit_code == 0
    assert changed_on_branch(home) == []
    assert settled(home) == ""


# What git does not show, or leaves out


def test_in_a_sparse_checkout_no_file_outside_of_the_cone_is_lost(home: MissionRepo) -> None:
    commit(home.path, {"in/a": "1\n", "out/b": "1\n", "top": "1\n"})
    home.git("sparse-checkout", "set", "--cone", "in", "coordination")
    does = 'assert not (here / "out").exists()\n'
    does += 'write("in/new", "x")\nwrite("out/new", "x")\nfinish()'
    assert work(home, does).exit_code == 0
    assert changed_on_branch(home) == ["in/new", "out/new"]
    (taken,) = home.run("checkpoint", "list", "T-001", "--json").json()["checkpoints"]
    listed = home.git("ls-tree", "-r", "--name-only", taken["tree"]).splitlines()
    assert {"in/a", "in/new", "out/b", "out/new", "top"} <= {*listed}
    assert settled(home) == ""
    listed = home.git("ls-tree", "-r", "--name-only", "HEAD").splitlines()
    assert {"in/a", "in/new", "out/b", "out/new", "top"} <= {*listed}
    assert not (home.path / "out" / "b").exists()
    assert (home.path / "in" / "new").exists()


def test_names_that_differ_in_case_alone_are_all_committed(home: MissionRepo) -> None:
    commit(home.path, {"Name.txt": "upper\n"})
    home.git("config", "core.ignorecase", "true")
    does = 'write("name.txt", "lower")\nwrite("New", "1")\nwrite("new", "2")\n'
    assert work(home, does + "finish()").exit_code == 0
    names = {"name.txt", "New", "new"}
    if not os.path.lexists(home.path / ".GIT"):
        assert {*changed_on_branch(home)} == names
        assert home.git("show", f"{BRANCH}:Name.txt") == "upper\n"
    assert settled(home) == ""
    assert (home.path / "name.txt").read_text() == "lower"
    assert (home.path / "Name.txt").read_text() == "upper\n"


@pytest.mark.parametrize("setting", ["attributes", "autocrlf"])
def test_line_ends_of_files_that_nobody_touched_stay(home: MissionRepo, setting: str) -> None:
    crlf = dict.fromkeys(("mine.txt", "yours.txt"), b"a\r\nb\r\n")
    for name, data in crlf.items():
        (home.path / name).write_bytes(data)
    commit(home.path)
    if setting == "attributes":
        commit(home.path, {".gitattributes": "*.txt text eol=lf\n"})
    else:
        home.git("config", "core.autocrlf", "true")
        home.git("config", "core.safecrlf", "true")
    does = '(here / "mine.txt").write_bytes(b"a\\r\\nc\\r\\n")\nos.utime(here / "yours.txt")\n'
    does += '(here / "both.txt").write_bytes(b"a\\r\\nc\\n")\nfinish()'
    assert work(home, does).exit_code == 0
    assert changed_on_branch(home) == ["both.txt", "mine.txt"]
    yours = f"{BRANCH}:yours.txt", "HEAD:yours.txt"
    assert home.git("rev-parse", yours[0]) == home.git("rev-parse", yours[1])


def test_empty_folders_and_a_worktree_of_another_are_named(home: MissionRepo) -> None:
    does = '(here / "empty" / "deep").mkdir(parents=True)\nwrite("b.txt", "x")\n'
    does += 'git("worktree", "add", "-q", "-b", "side", "inner")\nwrite("inner/f", "x")\nfinish()'
    assert work(home, does).exit_code == 0
    assert changed_on_branch(home) == ["b.txt"]
    (note,) = [each for each in notes(home) if "left out of its branch" in each]
    assert "`empty` is an empty folder" in note
    assert "`inner` is a worktree of this repository" in note
    assert note in home.mission()["sessions"][0]["endedDetail"]
    assert "`inner`, a worktree of this repository with changes" in settled(home)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_named_and_nothing_is_deleted_by_the_commit(
    home: MissionRepo,
) -> None:
    commit(home.path, {"shut/tracked": "1\n", "key": "1\n"})
    does = 'write("shut/new", "x")\nwrite("ro/f", "x")\nwrite("b.txt", "x")\nwrite("key", "2")\n'
    does += 'os.chmod("ro", 0o500)\nos.chmod("shut", 0)\nos.chmod("key", 0)\nfinish()'
    assert work(home, does).exit_code == 0
    assert changed_on_branch(home) == ["b.txt", "ro/f"]
    (note,) = [each for each in notes(home) if "left out of its branch" in each]
    assert "`shut` is a folder that cannot be read" in note
    assert "`key` is a file that cannot be read" in note
    assert "folders that cannot be read: `shut`" in settled(home)
    for name in ("shut", "key"):
        (worktree_of(home) / name).chmod(0o700)
    assert "not committed: `key`, `shut/new`" in home.run("merge", "T-001").stderr
