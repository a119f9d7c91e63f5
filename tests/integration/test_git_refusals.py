"""Where git refuses the repository, its reason is said, and nothing is taken for "none"."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mission import MissionRepo, make_environ

OTHER_USER = 1000


def give_away(top: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    subprocess.run(["chown", "-R", f"{OTHER_USER}:{OTHER_USER}", top], check=True)


def remove_object(name: str) -> Callable[[Path], None]:
    def remove(top: Path) -> None:
        found = subprocess.run(
            ["git", "rev-parse", name], cwd=top, capture_output=True, text=True, check=True
        ).stdout.strip()
        (top / ".git" / "objects" / found[:2] / found[2:]).unlink()

    return remove


def remove_all_objects(top: Path) -> None:
    for folder in (top / ".git" / "objects").glob("??"):
        shutil.rmtree(folder)


def point_nowhere(top: Path) -> None:
    shutil.rmtree(top / ".git")
    (top / ".git").write_text("gitdir: /nowhere/at/all\n")


def require_the_unknown(top: Path) -> None:
    for setting in ("core.repositoryformatversion=1", "extensions.notKnownYet=true"):
        subprocess.run(["git", "config", *setting.split("=")], cwd=top, check=True)


def write_over(name: str, text: str) -> Callable[[Path], object]:
    return lambda top: (top / ".git" / name).write_text(text)


FAULTS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "other owner": (give_away, "dubious ownership", "--add safe.directory"),
    "broken config": (write_over("config", "[broken\n"), "bad config line", ".git/config"),
    "empty HEAD": (write_over("HEAD", ""), "not a git repository", ".git/HEAD"),
    "no HEAD": (lambda top: (top / ".git/HEAD").unlink(), "not a git repository", ".git/HEAD"),
    "empty branch": (write_over("refs/heads/main", ""), "HEAD", "git fsck"),
    "no objects": (remove_all_objects, "object", "git fsck"),
    "no commit": (remove_object("HEAD"), "object", "git fsck"),
    "no tree": (remove_object("HEAD^{tree}"), "object", "git fsck"),
    "corrupt index": (write_over("index", "garbage"), "index file", "git reset"),
    "empty index": (write_over("index", ""), "index file", "git reset"),
    "link to nowhere": (point_nowhere, "/nowhere/at/all", "git worktree repair"),
    "unknown extension": (require_the_unknown, "extension", "newer git"),
}


@pytest.fixture(scope="session")
def reviewed(planned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planned mission with one task that an agent worked on and that waits for review."""
    folder = tmp_path_factory.mktemp("reviewed") / "project"
    shutil.copytree(planned, folder, symlinks=True)
    made = MissionRepo(folder, make_environ(folder.parent))
    mission = made.mission()
    mission["runtimes"]["breaks git"] = {"command": ["sh", "-c", "echo '[broken' > .git/config"]}
    (folder / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))
    made.git("commit", "-qam", "A bad agent")
    assert made.run("next", "--headless", "--runtime", "quick").exit_code == 0
    assert made.run("set", "T-001", "status=review").exit_code == 0
    return folder


@pytest.fixture
def worked(reviewed: Path, tmp_path: Path) -> MissionRepo:
    """A copy of it, for one test."""
    folder = tmp_path / "project"
    shutil.copytree(reviewed, folder, symlinks=True)
    return MissionRepo(folder, make_environ(tmp_path))


@pytest.fixture(params=FAULTS)
def refused(request: pytest.FixtureRequest, worked: MissionRepo) -> tuple[MissionRepo, str, str]:
    """The same, with a repository that git refuses; its reason, and the remedy."""
    fault, reason, remedy = FAULTS[request.param]
    fault(worked.path)
    return worked, reason, remedy


def test_what_only_looks_goes_on(refused: tuple[MissionRepo, str, str]) -> None:
    repo, _, _ = refused
    for words in (
        "list",
        "status",
        "show T-001",
        "next --print --runtime quick",
        "next --explain",
        "graph",
    ):
        assert repo.run(*words.split()).exit_code == 0, words


def test_check_and_doctor_name_the_reason_and_the_remedy(
    refused: tuple[MissionRepo, str, str],
) -> None:
    repo, reason, remedy = refused
    findings = repo.run("check", "--json").json()["findings"]
    told = [each for each in findings if each["code"] == "GIT_REFUSED"]
    assert len(told) == 1
    assert reason in told[0]["detail"]
    assert remedy in told[0]["hint"]
    doctor = repo.run("doctor")
    assert doctor.exit_code == 1
    assert reason in doctor.stdout
    assert remedy in doctor.stdout


def test_what_needs_git_is_refused_before_anything_is_done(
    refused: tuple[MissionRepo, str, str],
) -> None:
    repo, reason, remedy = refused
    before = repo.mission()["sessions"]
    for words in (
        "next --headless --task T-002 --runtime quick",
        "next --detach --task T-002 --runtime quick",
        "next --headless --worktree --task T-002 --runtime quick",
        "next -j 2 --runtime quick",
        "next --loop --runtime quick",
        "panel start Why --role critic --runtime quick",
    ):
        answer = repo.run(*words.split())
        assert answer.exit_code == 5, (words, answer)
        assert reason in answer.stderr
        assert remedy in answer.stderr
    assert repo.mission()["sessions"] == before
    assert repo.task_status("T-002") == "todo"


def test_a_review_says_that_the_evidence_is_unknown_and_is_not_approved_by_itself(
    refused: tuple[MissionRepo, str, str],
) -> None:
    repo, reason, _ = refused
    seen = repo.run("review", "T-001")
    assert seen.exit_code == 0
    assert "evidence unknown: git says: " in seen.stdout
    assert reason in seen.stdout
    assert repo.run("review", "T-001", "--json").json()["evidence"]["unknown"]
    answer = repo.run("review", "T-001", "--approve")
    assert answer.exit_code not in (0, 5)
    assert reason in answer.stderr
    assert repo.task_status("T-001") == "review"
    assert repo.run("review", "T-001", "--approve", "--force").exit_code == 0


@pytest.mark.parametrize("fault", ["other owner", "broken config", "link to nowhere"])
def test_a_new_task_says_that_other_branches_were_not_looked_at(
    worked: MissionRepo, fault: str
) -> None:
    FAULTS[fault][0](worked.path)
    answer = worked.run("add", "Another")
    assert answer.exit_code == 0
    assert FAULTS[fault][1] in answer.stderr
    assert "the id may be in use" in answer.stderr


def test_a_repository_around_the_broken_one_is_not_taken_instead(
    worked: MissionRepo, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    FAULTS["empty HEAD"][0](worked.path)
    answer = worked.run("next", "--headless", "--task", "T-002", "--runtime", "quick")
    assert answer.exit_code == 5
    assert "it takes" in answer.stderr
    assert "not a git repository" in worked.run("review", "T-001").stdout


def test_an_agent_that_breaks_the_repository_does_not_keep_its_end_from_being_recorded(
    worked: MissionRepo,
) -> None:
    worked.run("next", "--headless", "--task", "T-002", "--runtime", "breaks git")
    assert worked.session()["endedAt"]
    assert "bad config" in worked.run("review", "T-002").stdout
    assert worked.run("review", "T-002", "--approve").exit_code not in (0, 5)


def test_a_closed_folder_is_no_missing_repository(worked: MissionRepo) -> None:
    if os.geteuid() == 0:
        pytest.skip("root enters every folder")
    (worked.path / ".git").chmod(0)
    try:
        answer = worked.run("next", "--headless", "--task", "T-002", "--runtime", "quick")
    finally:
        (worked.path / ".git").chmod(0o755)
    assert answer.exit_code == 5
    assert "git says" in answer.stderr


def test_without_a_repository_a_hand_off_goes_on(worked: MissionRepo) -> None:
    shutil.rmtree(worked.path / ".git")
    answer = worked.run("next", "--headless", "--task", "T-002", "--runtime", "quick")
    assert answer.exit_code == 0, answer
    assert "no git repository" in worked.run("review", "T-002").stdout
