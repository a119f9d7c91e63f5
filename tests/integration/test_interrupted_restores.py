"""A restore that is killed half-way: noted, told, finished or taken back, and nothing between."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from mosaic.machine.identity import list_entries
from tests.support.mission import MissionRepo, wait_for

FILES = 2000
OURS = {".git", "coordination/.state"}


def tree_of(place: Path) -> dict[str, tuple[int, bytes]]:
    """Return every file of a work tree with mode and content, and every folder."""
    found = {}
    for folder, folders, names in os.walk(place):
        here = os.path.relpath(folder, place)
        folders[:] = [each for each in folders if os.path.normpath(f"{here}/{each}") not in OURS]
        for name in (*names, *folders):
            path = Path(folder, name)
            status = path.lstat()
            content = path.read_bytes() if name in names and not path.is_symlink() else b""
            found[os.path.normpath(f"{here}/{name}")] = (status.st_mode, content)
    return found


@pytest.fixture
def large(repo: MissionRepo) -> MissionRepo:
    """A tree of some thousand files; checkpoint 1 changes, adds and removes most of them."""
    for number in range(FILES):
        path = repo.path / f"d{number % 40}" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"before {number}\n" * 20)
    repo.git("add", "--all")
    repo.git("commit", "-qm", "Before")
    for number in range(FILES):
        path = repo.path / f"d{number % 40}" / f"{number}.txt"
        if number % 3 == 0:
            path.unlink()
            folder = path.with_name(f"new{number}")
            folder.mkdir()
            (folder / "file").write_text(f"new {number}\n")
        else:
            path.write_text(f"after {number}\n" * 30)
    assert repo.run("checkpoint", "T-001").exit_code == 0
    return repo


def set_aside(repo: MissionRepo) -> None:
    repo.git("reset", "-q", "--hard")
    repo.git("clean", "-qfd")


def is_mixed(repo: MissionRepo) -> bool:
    return (repo.state / "restore.json").exists()


def descendants(pid: int) -> list[int]:
    """Return the living children of a process, their children and so on, parents first."""
    entries = [entry for entry in list_entries() if not entry.is_zombie]
    found = [pid]
    for each in found:
        found += [entry.pid for entry in entries if entry.parent == each]
    return found[1:]


def kill_somewhere(repo: MissionRepo, command: tuple[str, ...], at_files: int) -> bool:
    """Kill a restore and its git when so many files are changed; tell whether it was at work."""
    process = repo.start(*command)
    new = [repo.path / f"d{n % 40}" / f"new{n}" / "file" for n in range(0, FILES, 3)]
    # git writes by name: what is seen in some places tells how far it is.
    watched = sorted(new, key=str)[at_files]
    wait_for(lambda: watched.exists() or process.poll() is not None)
    for pid in descendants(process.pid):
        os.kill(pid, signal.SIGSTOP)
    process.kill()
    for pid in descendants(process.pid):
        os.kill(pid, signal.SIGKILL)
    left = [p for p in Path("/proc").iterdir() if p.name.isdecimal() and is_git_of(p, repo)]
    for proc in left:
        os.kill(int(proc.name), signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not any(is_git_of(proc, repo) for proc in left))
    return is_mixed(repo)


def is_git_of(proc: Path, repo: MissionRepo) -> bool:
    try:
        state = (proc / "stat").read_text().rpartition(")")[2].split()[0]
        return state not in "ZX" and os.fsencode(repo.state) in (proc / "environ").read_bytes()
    except OSError:
        return False


COMMANDS = {
    "restore": ("checkpoint", "restore", "T-001", "1"),
    "resume": ("resume", "T-001", "--from", "1", "--runtime", "quick"),
}


@pytest.mark.parametrize("how", list(COMMANDS))
def test_it_is_told_and_nothing_is_handed_off_until_it_is_settled(
    large: MissionRepo, how: str
) -> None:
    set_aside(large)
    before = tree_of(large.path)
    assert kill_somewhere(large, COMMANDS[how], 200)
    assert tree_of(large.path) != before
    shown = large.run("status")
    assert "a restore of checkpoint 1 of `T-001` was interrupted" in shown.stdout
    assert large.run("status", "--json").json()["unfinished_restores"][0]["seq"] == 1
    found = large.run("check", "--json").json()["findings"]
    assert "RESTORE_UNFINISHED" in [each["code"] for each in found]
    for command in (("next", "--headless"), COMMANDS["resume"], ("resume", "--headless"),
                    ("next", "--loop"), ("next", "--worktree", "--headless")):  # fmt: skip
        refused = large.run(*command)
        assert refused.exit_code == 4, (command, refused)
        assert "mission checkpoint restore --abort" in refused.stdout + refused.stderr
    assert large.mission().get("sessions", []) == []
    back = large.run("checkpoint", "restore", "--abort")
    assert back.exit_code == 0, back.stderr
    assert tree_of(large.path) == before
    assert large.git("status", "--porcelain") == ""
    assert large.run("check").exit_code == 0
    assert large.run("next", "--runtime", "quick").exit_code == 0


def test_it_is_finished_by_the_same_command_and_taken_back_by_another(
    large: MissionRepo,
) -> None:
    after = tree_of(large.path)
    set_aside(large)
    before = tree_of(large.path)
    chance = random.Random(7)
    killed = 0
    for number in range(3):
        was_killed = kill_somewhere(large, COMMANDS["restore"], chance.randrange(5, 600))
        killed += was_killed
        if not was_killed:  # it was quicker
            assert tree_of(large.path) == after
            set_aside(large)
            continue
        if number % 3 == 0:
            done = large.run("checkpoint", "restore", "--abort", "--json")
            wanted = before
        else:
            words = () if number % 3 == 1 else ("T-001", "1")
            done = large.run("checkpoint", "restore", *words, "--json")
            wanted = after
        assert done.exit_code == 0, done.stderr
        assert tree_of(large.path) == wanted
        assert not is_mixed(large)
        left = [path.name for path in large.state.iterdir() if path.name.startswith("rebuilt")]
        assert left == []
        assert not [ref for ref in large.kept_refs() if "restore" in ref]
        set_aside(large)
        assert tree_of(large.path) == before
    assert killed


def test_a_copy_settles_its_own_and_what_a_person_did_meanwhile_is_left_or_kept(
    large: MissionRepo, tmp_path: Path
) -> None:
    set_aside(large)
    before = tree_of(large.path)
    assert kill_somewhere(large, COMMANDS["restore"], 300)
    copy = MissionRepo(tmp_path / "copy", large.environ)
    shutil.copytree(large.path, copy.path, symlinks=True)
    mixed = tree_of(large.path)
    assert copy.run("checkpoint", "restore", "--abort").exit_code == 0
    assert tree_of(copy.path) == before
    assert tree_of(large.path) == mixed
    (large.path / "mine.txt").write_text("a person's\n")
    edited = large.path / "d1" / "1.txt"
    edited.write_text("a person's, too\n")
    done = large.run("checkpoint", "restore", "--abort", "--json").json()
    assert done["left"] == ["mine.txt"]
    assert "d1/1.txt" in done["replaced"]
    saved = done["saved_commit"]
    assert large.git("show", f"{saved}:d1/1.txt") == "a person's, too\n"
    assert (large.path / "mine.txt").read_text() == "a person's\n"
    (large.path / "mine.txt").unlink()
    assert tree_of(large.path) == before


def test_another_worktree_is_noted_by_itself_and_stops_no_hand_off(
    large: MissionRepo, tmp_path: Path
) -> None:
    after = tree_of(large.path)
    set_aside(large)
    place = tmp_path / "look"
    large.git("worktree", "add", "-q", "--detach", str(place))
    elsewhere = MissionRepo(place, large.environ)
    other = ("--into", str(place))
    process = large.start(*COMMANDS["restore"], *other)
    wait_for(lambda: len(list(place.glob("d*/new*"))) > 100 or process.poll() is not None)
    process.kill()
    process.communicate()
    if not list(large.state.glob("restore-*.json")):
        pytest.skip("it was quicker")
    assert large.run("next", "--runtime", "quick").exit_code == 0
    assert str(place) in large.run("status").stdout
    done = large.run("checkpoint", "restore", *other)
    assert done.exit_code == 0, done.stderr
    found = tree_of(elsewhere.path)
    assert {path: value for path, value in found.items() if path.startswith("d")} == {
        path: value for path, value in after.items() if path.startswith("d")
    }


def test_without_an_interrupted_one_there_is_nothing_to_finish(repo: MissionRepo) -> None:
    repo.run("checkpoint", "T-001")
    assert repo.run("checkpoint", "restore").exit_code == 2
    assert repo.run("checkpoint", "restore", "--abort").exit_code == 2
    assert repo.run("checkpoint", "restore", "T-001", "1", "--abort").exit_code == 2


def test_a_note_that_cannot_be_read_is_named(repo: MissionRepo) -> None:
    (repo.state / "restore.json").write_text(json.dumps({"layout_version": 99}))
    for command in (("next", "--headless"), ("checkpoint", "restore")):
        answer = repo.run(*command)
        assert answer.exit_code == 5
        assert "restore.json" in answer.stderr
    assert "restore.json" in repo.run("check").stdout
