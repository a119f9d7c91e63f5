"""The door to git, against real repositories."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from mosaic.errors import GitError, GitRefusedError, ProgramNotFoundError
from mosaic.git.branches import BranchFiles, file_names, files_on_branches
from mosaic.git.git import (
    current_branch,
    find_repository,
    find_work_tree,
    git_environment,
    head_commit,
    local_branches,
    run_git,
)
from mosaic.git.worktrees import other_worktrees
from mosaic.machine.process import find_marked
from tests.support.git import ENVIRONMENT, commit, git, make_repo

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare_ground(tmp_path: Path) -> Path:
    """A repository without commits."""
    return make_repo(tmp_path / "repo")


@pytest.fixture
def repo(bare_ground: Path) -> Path:
    commit(bare_ground, {"README": "hello\n"})
    return bare_ground


@pytest.fixture
def without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


# Running


def test_git_answers_with_output_and_exit_code(repo: Path) -> None:
    assert run_git(["rev-parse", "--is-inside-work-tree"], repo).text == "true"
    answer = run_git(["rev-parse", "--verify", "nothing"], repo, check=False)
    assert answer.exit_code == 128
    assert b"fatal" in answer.stderr


def test_git_reads_what_is_handed_in(repo: Path) -> None:
    assert run_git(["hash-object", "--stdin"], repo, stdin=b"hello\n").text == git(
        repo, "hash-object", "README"
    )


def test_a_refusal_of_git_is_told_in_its_own_words(repo: Path) -> None:
    with pytest.raises(GitError) as caught:
        run_git(["-c", "a.b=c", "switch", "no-such-branch"], repo)
    assert "exit code 128" in caught.value.message
    assert "no-such-branch" in str(caught.value.detail)


def test_a_git_that_takes_too_long_is_killed_with_all_it_started(repo: Path) -> None:
    nap = ["-c", "alias.nap=!sleep 600 & sleep 600", "nap"]
    mark = str(repo)
    with pytest.raises(GitError, match=r"`git nap` took longer than 0\.2 s"):
        run_git(nap, repo, env={"NAP": mark}, timeout_seconds=0.2)
    until = time.monotonic() + 30
    while find_marked("NAP", mark):
        assert time.monotonic() < until, "something that git started lives on"


def test_what_hooks_and_shells_set_does_not_lead_git_astray(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    assert run_git(["rev-parse", "--show-toplevel"], repo).text == str(repo.resolve())
    assert run_git(["status", "--porcelain"], repo).text == ""


def test_variables_that_are_handed_in_outlive_the_scrubbing() -> None:
    made = git_environment({"GIT_INDEX_FILE": "a", "GIT_SSH": "s"}, {"GIT_INDEX_FILE": "b"})
    assert (made["GIT_INDEX_FILE"], made["GIT_SSH"]) == ("b", "s")
    assert made["GIT_TERMINAL_PROMPT"] == "0"


def test_colours_and_quoting_of_the_user_do_not_reach_the_answer(repo: Path) -> None:
    git(repo, "config", "color.ui", "always")
    (repo / "README").write_text("changed\n")
    (repo / "任务").write_text("")
    assert b"\x1b" not in run_git(["diff"], repo).stdout
    assert run_git(["ls-files", "-o"], repo).text == "任务"


def test_without_git_running_it_is_told_and_questions_have_no_answer(
    repo: Path, without_git: None
) -> None:
    with pytest.raises(ProgramNotFoundError):
        run_git(["status"], repo)
    assert local_branches(repo) == ()
    assert other_worktrees(repo) == []
    assert files_on_branches(repo, "tasks", "TASKS.md") == BranchFiles()
    # These start no process at all.
    assert find_work_tree(repo) == repo.resolve()
    assert current_branch(repo) == "main"
    assert head_commit(repo) == (repo / ".git/refs/heads/main").read_text().strip()
    (repo / ".git/refs/heads/main").unlink()
    assert head_commit(repo) is None


@pytest.mark.parametrize(
    "prepare",
    [
        (),
        ("pack-refs", "--all"),
        ("checkout", "-q", "--detach"),
        ("symbolic-ref", "refs/heads/main", "refs/heads/other"),
        ("checkout", "-q", "-b", "a/deep/name"),
        ("checkout", "-q", "--orphan", "empty"),
        ("worktree", "add", "-q", "linked"),
    ],
    ids=" ".join,
)
def test_the_commit_that_is_checked_out_is_what_git_says(
    repo: Path, prepare: tuple[str, ...]
) -> None:
    git(repo, "branch", "other")
    (repo / "more").write_text("more\n")
    git(repo, "add", "more")
    git(repo, "commit", "-qm", "more")
    if prepare:
        git(repo, *prepare)
    for place in (repo, repo / "linked"):
        if place.exists():
            told = run_git(["rev-parse", "-q", "--verify", "HEAD"], place, check=False).text
            assert head_commit(place) == (told or None)


def test_outside_a_repository_questions_have_no_answer(tmp_path: Path) -> None:
    assert find_work_tree(tmp_path) is None
    assert current_branch(tmp_path) is None
    assert head_commit(tmp_path) is None
    assert local_branches(tmp_path) == ()
    assert other_worktrees(tmp_path) == []
    assert files_on_branches(tmp_path, "tasks", "TASKS.md") == BranchFiles()
    assert head_commit(tmp_path / "gone") is None


# Where we are


def test_the_work_tree_is_found_from_below(repo: Path) -> None:
    (repo / "a" / "b").mkdir(parents=True)
    assert find_work_tree(repo / "a" / "b") == repo.resolve()


@pytest.mark.parametrize("branch", ["main", "feat/T-001-ü", "ref"])
def test_the_branch_is_read(repo: Path, branch: str) -> None:
    git(repo, "checkout", "-q", "-B", branch)
    assert current_branch(repo) == branch
    assert head_commit(repo) == git(repo, "rev-parse", "HEAD")


def test_a_branch_without_commits_has_a_name_and_no_commit(bare_ground: Path) -> None:
    assert current_branch(bare_ground) == "main"
    assert head_commit(bare_ground) is None
    assert local_branches(bare_ground) == ()


def test_a_detached_head_is_no_branch(repo: Path) -> None:
    git(repo, "checkout", "-q", "--detach")
    assert current_branch(repo) is None
    assert head_commit(repo) is not None


def test_a_linked_work_tree_has_a_branch_of_its_own(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side tree"))
    side = tmp_path / "side tree"
    assert find_work_tree(side) == side.resolve()
    assert current_branch(side) == "side"
    assert other_worktrees(repo) == [side.resolve()]
    assert other_worktrees(side) == [repo.resolve()]


def test_a_work_tree_that_is_gone_is_not_listed(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side").rename(tmp_path / "moved")
    assert other_worktrees(repo) == []


def test_a_submodule_has_a_branch_of_its_own(repo: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q", "-b", "outer-branch")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repo), "sub")
    assert (outer / "sub" / ".git").is_file()
    assert current_branch(outer / "sub") == "main"
    assert find_work_tree(outer / "sub") == (outer / "sub").resolve()


@pytest.mark.parametrize("head", ["", "ref: ", "ref: refs/tags/x", "\0\xff", "x" * 100_000])
def test_a_head_that_is_damaged_is_no_branch(repo: Path, head: str) -> None:
    (repo / ".git" / "HEAD").write_text(head, encoding="latin-1")
    assert current_branch(repo) is None


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", ["fifo", "empty folder"])
def test_what_git_passes_over_is_passed_over(repo: Path, kind: str) -> None:
    inner = repo / "inner"
    inner.mkdir()
    if kind == "fifo":
        os.mkfifo(inner / ".git")
    else:
        (inner / ".git").mkdir()
    assert find_work_tree(inner) == repo.resolve()
    assert find_repository(inner) == repo.resolve()


@pytest.mark.parametrize("content", [b"", b"\xff\0", b"gitdir: /nowhere\n"])
def test_a_git_file_that_points_nowhere_is_refused_as_git_refuses_it(
    repo: Path, content: bytes
) -> None:
    inner = repo / "inner"
    inner.mkdir()
    (inner / ".git").write_bytes(content)
    assert find_work_tree(inner) == inner.resolve()
    for ask in (find_repository, local_branches):
        with pytest.raises(GitRefusedError, match="git refuses the repository"):
            ask(inner)


def test_all_local_branches_are_named(repo: Path) -> None:
    git(repo, "branch", "feat/T-001")
    git(repo, "tag", "v1")
    git(repo, "update-ref", "refs/remotes/origin/far", "HEAD")
    assert local_branches(repo) == ("feat/T-001", "main")


# All branches


def test_files_and_tables_of_all_branches_are_found_each_once(repo: Path) -> None:
    commit(repo, {"c/tasks/T-001-a.md": "a", "c/TASKS.md": "table 1", "c/tasks/deep/T-9.md": "x"})
    git(repo, "branch", "same")
    git(repo, "checkout", "-q", "-b", "feat/other")
    commit(repo, {"c/tasks/T-002-任务 b.md": "b", "c/TASKS.md": "table 2"})
    git(repo, "checkout", "-q", "main")
    git(repo, "checkout", "-q", "--orphan", "bare")
    git(repo, "rm", "-rfq", ".")
    commit(repo, {"unrelated": ""})
    found = files_on_branches(repo, "c/tasks", "c/TASKS.md")
    assert found.names == {"T-001-a.md", "T-002-任务 b.md"}
    assert sorted(found.tables) == [b"table 1", b"table 2"]
    assert found.skipped == 0


def test_paths_may_be_written_loosely_but_not_lead_out(repo: Path) -> None:
    commit(repo, {"tasks/T-1.md": "", "TASKS.md": "t"})
    assert files_on_branches(repo, "./tasks/", "tasks/../TASKS.md").tables == (b"t",)
    assert files_on_branches(repo, ".", "TASKS.md").names == {"README", "TASKS.md"}
    for outside in ("..", "../x", "/etc", "a\nb"):
        assert files_on_branches(repo, outside, "TASKS.md") == BranchFiles()


def test_a_folder_that_is_a_file_elsewhere_does_no_harm(repo: Path) -> None:
    commit(repo, {"tasks": "a file", "TASKS.md/x": "a folder"})
    assert files_on_branches(repo, "tasks", "TASKS.md") == BranchFiles()


def test_names_with_spaces_are_not_mistaken_for_answers(repo: Path) -> None:
    assert files_on_branches(repo, "a tree 7", "a blob 9") == BranchFiles()


def test_a_table_that_is_too_large_is_passed_over_and_counted(repo: Path) -> None:
    commit(repo, {"TASKS.md": "x" * (17 * 1024 * 1024), "tasks/T-1.md": ""})
    found = files_on_branches(repo, "tasks", "TASKS.md")
    assert found == BranchFiles(names=frozenset({"T-1.md"}), skipped=1)


def test_five_hundred_branches_take_three_processes(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = ["blob\nmark :1\ndata 1\nx\n"]
    for number in range(500):
        table = f"table {number}"
        stream.append(
            f"commit refs/heads/feat/{number}\ncommitter A <a@example.org> 1 +0000\n"
            f"data 1\nm\nM 100644 :1 tasks/T-{number}.md\n"
            f"M 100644 inline TASKS.md\ndata {len(table)}\n{table}\n\n"
        )
    git(repo, "fast-import", "--quiet", stdin="".join(stream).encode())
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True)
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin" / "git"
    shim.write_text(f'#!/bin/sh\necho x >> "{tmp_path}/calls"\nexec {real.stdout.strip()} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    found = files_on_branches(repo, "tasks", "TASKS.md")
    assert found.names == {f"T-{number}.md" for number in range(500)}
    assert len(found.tables) == 500
    assert (tmp_path / "calls").read_text() == "x\n" * 3


def test_a_sha256_repository_is_read_too(tmp_path: Path) -> None:
    answer = subprocess.run(
        ["git", "init", "-q", "--object-format=sha256", str(tmp_path)],
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    if answer.returncode != 0:
        pytest.skip("this git knows no sha256 repositories")
    commit(tmp_path, {"tasks/T-1.md": "", "tasks/T-2.md": "x", "TASKS.md": "t"})
    found = files_on_branches(tmp_path, "tasks", "TASKS.md")
    assert found == BranchFiles(names=frozenset({"T-1.md", "T-2.md"}), tables=(b"t",))


def test_folders_and_submodules_are_no_files() -> None:
    tree = b"".join(
        mode + b" " + name + b"\0" + b"\0\n" * 10
        for mode, name in [
            (b"100644", b"file"),
            (b"100755", b"program"),
            (b"120000", b"link"),
            (b"40000", b"folder"),
            (b"160000", b"module"),
        ]
    )
    assert list(file_names(tree, id_bytes=20)) == ["file", "program", "link"]
