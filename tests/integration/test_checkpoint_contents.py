"""What checkpoints store: no large patch again and again, and no private file for others."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo


def taken(repo: MissionRepo, *words: str, **environ: str) -> Any:
    answer = repo.run("checkpoint", "T-001", "--json", *words, **environ)
    assert answer.exit_code == 0, answer.stderr
    return answer.json()["checkpoint"]


def with_runs(repo: MissionRepo, **runs: str) -> None:
    mission = repo.mission()
    mission["runs"] = runs
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))


def stored_bytes(repo: MissionRepo) -> int:
    return sum(path.stat().st_size for path in repo.state.glob("runs/*/*/checkpoints/*"))


# Patches


def test_a_large_patch_is_left_out_and_told_with_the_command_that_makes_it(
    repo: MissionRepo, tmp_path: Path
) -> None:
    (repo.path / "large.bin").write_bytes(os.urandom(9 << 20))
    for number in range(4):
        (repo.path / "small.txt").write_text(f"{number}\n")
        found = taken(repo)
        assert found["patch"] is None
        assert {each["path"] for each in found["files"]} >= {"large.bin", "small.txt"}
    assert stored_bytes(repo) < 1 << 20
    listed = repo.run("checkpoint", "list", "T-001").stdout
    command = f"git diff --binary {found['base_commit']} {found['commit']}"
    assert "no patch beside 4: it would take about 9" in listed
    assert command in listed
    patch = subprocess.run(command.split(), cwd=repo.path, capture_output=True, check=True).stdout
    place = tmp_path / "applied"
    repo.git("worktree", "add", "-q", "--detach", str(place), found["base_commit"])
    subprocess.run(["git", "apply", "--binary"], cwd=place, input=patch, check=True)
    assert (place / "large.bin").read_bytes() == (repo.path / "large.bin").read_bytes()
    into = tmp_path / "restored"
    restored = repo.run("checkpoint", "restore", "T-001", "4", "--into", str(into), "--json")
    assert restored.json()["tree"] == found["tree"]


@pytest.mark.parametrize("content", [b"a line of a text\n" * 600_000, b"\0binary" * 1_500_000])
def test_what_makes_a_patch_large_is_what_was_changed(repo: MissionRepo, content: bytes) -> None:
    """A line in a large text is a small patch, and a byte in a large binary file is not."""
    (repo.path / "large").write_bytes(content)
    repo.git("add", "large")
    repo.git("commit", "-qm", "Large")
    (repo.path / "large").write_bytes(content + b"one more\n")
    found = taken(repo)
    if found["patch"] is not None:
        assert (Path(found["dir"]) / found["patch"]).stat().st_size < 8 << 20
    (repo.path / "large").unlink()
    assert taken(repo)["patch"] is None


def test_an_ordinary_checkpoint_has_its_patch(repo: MissionRepo, tmp_path: Path) -> None:
    (repo.path / "text").write_text("a line\n" * 1000)
    (repo.path / "binary").write_bytes(os.urandom(1 << 20))
    repo.git("mv", "coordination/MISSION.md", "MOVED.md")
    found = taken(repo)
    assert found["patch_left_out"] is None
    patch = Path(found["dir"]) / found["patch"]
    place = tmp_path / "applied"
    repo.git("worktree", "add", "-q", "--detach", str(place), found["base_commit"])
    subprocess.run(["git", "apply", "--binary", str(patch)], cwd=place, check=True)
    assert (place / "binary").read_bytes() == (repo.path / "binary").read_bytes()
    assert (place / "MOVED.md").exists()


def test_the_same_tree_again_stores_its_patch_once(repo: MissionRepo) -> None:
    (repo.path / "text").write_text("a line\n" * 1000)
    first, again = taken(repo), taken(repo)
    assert [first["files"], first["stat"]] == [again["files"], again["stat"]]
    files = [Path(each["dir"]) / each["patch"] for each in (first, again)]
    assert files[0].samefile(files[1])
    other = taken(repo, "--base", "HEAD~0")
    assert other["patch"] is not None


# Private files


def objects_that_hold(repo: MissionRepo, content: bytes) -> list[Path]:
    name = subprocess.run(
        ["git", "hash-object", "--stdin"],
        cwd=repo.path, input=content, capture_output=True, check=True,
    ).stdout.decode().strip()  # fmt: skip
    place = repo.path / ".git" / "objects" / name[:2] / name[2:]
    return [place] if place.exists() else []


@pytest.fixture
def secretive(repo: MissionRepo) -> MissionRepo:
    repo.path.chmod(0o755)
    private = repo.path / ".env.local"
    private.write_text("KEY=of-a-person\n")
    private.chmod(0o600)
    (repo.path / "open.txt").write_text("open\n")
    return repo


def test_a_private_file_is_left_out_and_named(secretive: MissionRepo) -> None:
    found = taken(secretive)
    names = secretive.git("ls-tree", "-r", "--name-only", found["tree"]).splitlines()
    assert "open.txt" in names
    assert ".env.local" not in names
    (left,) = found["left_out"]
    assert (left["path"], left["reason"], left["sha256"]) == (".env.local", "private file", None)
    assert objects_that_hold(secretive, b"KEY=of-a-person\n") == []
    told = secretive.run("checkpoint", "T-001").stdout
    assert "not in it: .env.local, private file" in told
    assert "left out: private file `.env.local`" in secretive.events()[-2]["message"]


def test_a_private_file_is_left_out_of_what_an_agent_s_run_keeps(secretive: MissionRepo) -> None:
    assert secretive.run("next", "--runtime", "quick").exit_code == 0
    store = f"--git-dir={secretive.path / '.git' / 'mosaic' / 'checkpoints.git'}"
    assert secretive.kept_refs()
    for ref in secretive.kept_refs():
        assert ".env.local" not in secretive.git(store, "ls-tree", "-r", "--name-only", ref)


def test_a_setting_keeps_private_files(secretive: MissionRepo) -> None:
    with_runs(secretive, privateFiles="keep")
    found = taken(secretive)
    assert ".env.local" in secretive.git("ls-tree", "-r", "--name-only", found["tree"])
    with_runs(secretive, privateFiles="perhaps")
    refused = secretive.run("checkpoint", "T-001")
    assert refused.exit_code == 5
    assert "`leave-out`" in refused.stderr


@pytest.mark.parametrize("how", ["umask", "work tree", "objects"])
def test_where_no_file_says_more_than_the_others_all_are_taken(
    secretive: MissionRepo, how: str
) -> None:
    """Under a umask of 077 every file is private, and so are git's own."""
    argv = secretive.argv("checkpoint", "T-001", "--json")
    if how == "work tree":
        secretive.path.chmod(0o700)
    elif how == "objects":
        (secretive.path / ".git" / "objects").chmod(0o700)
    done = subprocess.run(
        argv, cwd=secretive.path, env=secretive.environ, capture_output=True, text=True,
        check=True, umask=0o077 if how == "umask" else 0o022,
    )  # fmt: skip
    found = json.loads(done.stdout)["checkpoint"]
    assert found["left_out"] == []
    assert ".env.local" in secretive.git("ls-tree", "-r", "--name-only", found["tree"])
    if how == "umask":
        (place,) = objects_that_hold(secretive, b"KEY=of-a-person\n")
        assert place.stat().st_mode & 0o077 == 0


def test_a_tracked_file_is_taken_whatever_its_mode(secretive: MissionRepo) -> None:
    secretive.git("add", ".env.local")
    found = taken(secretive)
    assert ".env.local" in secretive.git("ls-tree", "-r", "--name-only", found["tree"])


def test_a_private_file_cannot_hide_from_the_write_scope(repo: MissionRepo) -> None:
    repo.path.chmod(0o755)
    mission = repo.mission()
    hide = "umask 077; echo x >outside.txt; umask 022; echo y >inside.txt"
    mission["runtimes"]["hide"] = {"command": ["sh", "-c", hide], "prompt": "file"}
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    repo.run("set", "T-001", "write_scope=inside.txt")
    repo.git("commit", "-qam", "Set a scope")
    repo.run("next", "--runtime", "hide", "--headless")
    said = [e["data"]["paths"] for e in repo.events() if e["type"] == "scope_violated"]
    assert said == [["outside.txt"]]
