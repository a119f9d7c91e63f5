"""Which state folder is believed, where a mission's paths may lead, and whose mission it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import Answer, MissionRepo

PREVIEW = ("next", "--print", "--runtime", "quick")
LOOKS = (("status",), ("list",), ("show", "T-001"), ("sessions",), PREVIEW)
RUN = ("runs", "T-001", "r001-abcdef")


def edit(repo: MissionRepo, **values: Any) -> None:
    path = repo.path / "coordination" / "mission.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}, indent=2) + "\n")


def clone(repo: MissionRepo, name: str = "clone") -> MissionRepo:
    folder = repo.path.parent / name
    repo.git("clone", "-q", str(repo.path), str(folder))
    made = MissionRepo(folder, repo.environ)
    made.git("config", "user.name", "Somebody")
    made.git("config", "user.email", "somebody@example.invalid")
    return made


def commit(repo: MissionRepo, *forced: str) -> None:
    repo.git("add", "--all")
    for name in forced:
        repo.git("add", "--force", name)
    repo.git("commit", "-q", "--allow-empty", "-m", "Change")


def findings(repo: MissionRepo) -> dict[str, Any]:
    told = repo.run("check", "--json").json()["findings"]
    return {finding["code"]: finding for finding in told}


def forge(repo: MissionRepo) -> Path:
    """Put a run record into the state folder, as somebody who wants it believed would."""
    folder = repo.state.joinpath(*RUN)
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text("{}")
    return folder


def refused(answer: Answer, code: str) -> None:
    assert answer.exit_code != 0
    error = json.loads(answer.stderr)
    assert error["code"] == code, error
    assert error["hint"], error


class TestState:
    def test_one_that_another_person_made_counts_as_absent(self, repo: MissionRepo) -> None:
        forge(repo)
        other = {"XDG_STATE_HOME": str(repo.path.parent / "other")}
        before = sorted(path.name for path in repo.state.iterdir())
        for arguments in LOOKS:
            answer = repo.run(*arguments, **other)
            assert answer.exit_code == 0, (arguments, answer)
            assert "r001-abcdef" not in answer.stdout
        refused(repo.run("add", "More", "--json", **other), "STATE_NOT_OURS")
        assert sorted(path.name for path in repo.state.iterdir()) == before

    def test_check_and_doctor_say_so_with_the_way_out(self, repo: MissionRepo) -> None:
        forge(repo)
        (repo.state / "mark").unlink()
        assert "mission trust" in findings(repo)["STATE_NOT_OURS"]["hint"]
        doctor = repo.run("doctor")
        assert "is not used" in doctor.stdout
        assert doctor.exit_code == 1

    def test_a_persons_word_takes_one_over(self, repo: MissionRepo) -> None:
        forge(repo)
        (repo.state / "mark").unlink()
        assert repo.run("trust").exit_code == 0
        assert repo.run("add", "More").exit_code == 0
        assert "STATE_NOT_OURS" not in findings(repo)

    def test_a_forged_mark_is_none(self, repo: MissionRepo) -> None:
        forge(repo)
        for mark in ("0" * 32, "../../../etc/passwd", "", "x" * 5000):
            (repo.state / "mark").write_text(mark)
            refused(repo.run("add", "More", "--json"), "STATE_NOT_OURS")

    def test_one_that_a_clone_brings_counts_as_absent(self, repo: MissionRepo) -> None:
        forge(repo)
        commit(repo, "coordination/.state")
        copy = clone(repo)
        assert copy.state.joinpath(*RUN).is_dir()
        for arguments in LOOKS:
            assert copy.run(*arguments).exit_code == 0, arguments
        answer = copy.run("add", "More", "--json")
        refused(answer, "STATE_NOT_OURS")
        assert "git rm -r --cached" in json.loads(answer.stderr)["hint"]
        refused(copy.run("trust", "--json"), "STATE_NOT_OURS")

    def test_what_a_pull_puts_into_ones_own_is_not_believed(self, repo: MissionRepo) -> None:
        commit(repo)
        copy = clone(repo)
        assert copy.run("add", "More").exit_code == 0
        forge(repo)
        commit(repo, "coordination/.state/runs")
        copy.git("stash", "-q", "--include-untracked")
        copy.git("pull", "-q")
        assert "STATE_NOT_OURS" in findings(copy)
        copy.git("rm", "-r", "-q", "coordination/.state/runs")
        assert "STATE_NOT_OURS" not in findings(copy)

    def test_an_ignore_file_in_git_is_no_state(self, repo: MissionRepo) -> None:
        commit(repo, "coordination/.state/.gitignore")
        copy = clone(repo)
        assert copy.run("add", "More").exit_code == 0

    def test_a_link_is_not_followed(self, repo: MissionRepo) -> None:
        elsewhere = repo.path / "elsewhere"
        repo.state.rename(elsewhere)
        repo.state.symlink_to(elsewhere)
        before = sorted(path.name for path in elsewhere.iterdir())
        refused(repo.run("add", "More", "--json"), "STATE_NOT_OURS")
        assert repo.run("list").exit_code == 0
        assert sorted(path.name for path in elsewhere.iterdir()) == before

    def test_a_project_may_be_moved_and_copied(self, repo: MissionRepo) -> None:
        assert repo.run("next", "--headless", "--runtime", "quick").exit_code == 0
        moved = repo.path.parent / "moved"
        repo.path.rename(moved)
        copied = repo.path.parent / "copied"
        shutil.copytree(moved, copied, symlinks=True)
        for folder in (moved, copied):
            there = MissionRepo(folder, repo.environ)
            assert there.run("add", "More").exit_code == 0
            assert there.run("logs", "T-001").exit_code == 0

    def test_deleting_it_loses_no_task(self, repo: MissionRepo) -> None:
        shutil.rmtree(repo.state)
        assert repo.run("add", "More").exit_code == 0
        assert (repo.state / "mark").is_file()

    def test_a_folder_that_holds_other_things_is_not_made_one(self, repo: MissionRepo) -> None:
        folder = repo.path / "src"
        folder.mkdir(mode=0o755)
        (folder / "index").write_text("mine\n")
        edit(repo, orchestratorDir="src")
        for arguments in (*LOOKS, ("add", "More"), ("clean",), ("check", "--fix")):
            repo.run(*arguments)
        assert sorted(path.name for path in folder.iterdir()) == ["index"]
        assert (folder / "index").read_text() == "mine\n"
        assert folder.stat().st_mode & 0o777 == 0o755

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
    def test_one_of_another_user_is_not_used(self, repo: MissionRepo) -> None:
        os.chown(repo.state, 1234, 1234)
        refused(repo.run("add", "More", "--json"), "STATE_NOT_OURS")


class TestFence:
    @pytest.mark.parametrize("key", ["tasksFile", "tasksDir", "manifestFile", "scratchpadFile",
                                     "orchestratorDir", "projectPath"])  # fmt: skip
    @pytest.mark.parametrize("how", ["up", "absolute", "link", "git"])
    def test_no_path_leads_out_of_the_work_tree(
        self, repo: MissionRepo, tmp_path: Path, key: str, how: str
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (repo.path / "link").symlink_to(outside)
        named = {"up": "../outside", "absolute": str(outside), "link": "link", "git": ".git"}[how]
        edit(repo, **{key: named if key.endswith(("Dir", "Path")) else f"{named}/file.md"})
        git = sorted(os.listdir(repo.path / ".git"))
        is_stray = (key, how) == ("projectPath", "absolute")  # of another clone: not followed
        for arguments in (*LOOKS, ("add", "More"), ("check",), ("check", "--fix"), ("clean",)):
            answer = repo.run(*arguments, "--json")
            if is_stray:
                assert answer.exit_code == 0, answer.stderr
            else:
                refused(answer, "PATH_OUTSIDE")
        assert list(outside.iterdir()) == []
        if is_stray:
            assert "names another place" in repo.run("check").stdout
            return
        assert sorted(os.listdir(repo.path / ".git")) == git
        assert "leads" in repo.run("doctor").stdout

    def test_a_person_allows_a_place(self, repo: MissionRepo, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        edit(repo, orchestratorDir=str(disk / "state"))
        refused(repo.run("list", "--json"), "PATH_OUTSIDE")
        assert repo.run("trust", str(disk)).exit_code == 0
        assert repo.run("add", "More").exit_code == 0
        assert (disk / "state" / "mark").is_file()
        assert str(disk) in repo.run("doctor").stdout
        assert repo.run("trust", "--forget").exit_code == 0
        refused(repo.run("list", "--json"), "PATH_OUTSIDE")

    def test_git_itself_cannot_be_allowed(self, repo: MissionRepo) -> None:
        edit(repo, orchestratorDir=".git/state")
        repo.run("trust", str(repo.path / ".git"))
        refused(repo.run("list", "--json"), "PATH_OUTSIDE")

    def test_an_empty_git_folder_is_no_repository(self, repo: MissionRepo) -> None:
        (repo.path / "coordination" / ".git").mkdir()  # as the sandbox of an agent makes one
        assert repo.run("add", "More").exit_code == 0

    def test_a_mission_in_a_subfolder_of_a_repository_stays_in_it(self, repo: MissionRepo) -> None:
        below = repo.path / "packages" / "one"
        below.mkdir(parents=True)
        (repo.path / "coordination").rename(below / "coordination")
        there = MissionRepo(below, repo.environ)
        edit(there, scratchpadFile="../notes.md")
        assert there.run("add", "More").exit_code == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
class TestOwner:
    @pytest.fixture
    def above(self, repo: MissionRepo) -> Path:
        """A folder of one's own below a mission of another user."""
        for folder, names, files in os.walk(repo.path / "coordination"):
            for name in (*names, *files):
                os.chown(os.path.join(folder, name), 1234, 1234)
        os.chown(repo.path / "coordination", 1234, 1234)
        mine = repo.path / "mine"
        mine.mkdir()
        return mine

    def test_a_mission_of_another_user_is_not_found(self, repo: MissionRepo, above: Path) -> None:
        here = MissionRepo(above, repo.environ)
        for arguments in (*LOOKS, ("add", "More"), ("next", "--headless")):
            refused(here.run(*arguments, "--json"), "MISSION_OWNER")
        assert "belongs to" in here.run("doctor").stdout

    def test_a_mission_that_is_named_is_used(self, repo: MissionRepo, above: Path) -> None:
        here = MissionRepo(above, repo.environ)
        assert here.run("list", "--mission", str(repo.path)).exit_code == 0
        assert here.run("list", MISSION_FILE=str(repo.path)).exit_code == 0
        shutil.rmtree(repo.state)
        assert here.run("add", "More", "--mission", str(repo.path)).exit_code == 0

    def test_a_persons_word_is_remembered(self, repo: MissionRepo, above: Path) -> None:
        here = MissionRepo(above, repo.environ)
        assert here.run("trust", str(repo.path)).exit_code == 0
        assert here.run("add", "More").exit_code == 0

    @pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
    def test_who_may_read_but_not_write_can_look(self, repo: MissionRepo) -> None:
        for folder, names, files in os.walk(repo.path):
            for name in (*names, *files):
                os.lchown(os.path.join(folder, name), 1234, 1234)
        os.chown(repo.path, 1234, 1234)
        repo.path.chmod(0o755)
        lacking = "-dac_override,-dac_read_search"
        weak = ["setpriv", f"--inh-caps={lacking}", f"--bounding-set={lacking}"]
        for arguments in (*LOOKS, ("graph",), ("check",), ("doctor",)):
            done = subprocess.run(
                [*weak, *repo.argv(*arguments)],
                cwd=repo.path,
                env=repo.environ,
                capture_output=True,
                text=True,
                check=False,
            )
            is_judge = arguments in (("check",), ("doctor",))  # git refuses the repository
            assert done.returncode == (1 if is_judge else 0), (arguments, done)
            assert "Traceback" not in done.stderr

    def test_whoever_stands_in_the_others_folder_may_look(
        self, repo: MissionRepo, above: Path
    ) -> None:
        os.chown(above, 1234, 1234)
        shutil.rmtree(repo.state)
        here = MissionRepo(above, repo.environ)
        for arguments in LOOKS:
            assert here.run(*arguments).exit_code == 0, arguments
        refused(here.run("add", "More", "--json"), "MISSION_OWNER")
        assert not repo.state.exists()


def test_a_state_folder_of_ones_own_that_cannot_be_written_is_named(
    repo: MissionRepo, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file in the way")
    shutil.rmtree(repo.state)
    answer = repo.run("add", "More", "--json", XDG_STATE_HOME=str(taken))
    refused(answer, "FILE_ACCESS")
    assert "XDG_STATE_HOME" in json.loads(answer.stderr)["hint"]
    assert not (repo.state / "mark").exists()
    assert repo.run("list", XDG_STATE_HOME=str(taken)).exit_code == 0
