"""`mission clean` removes only what is ours: whatever stands in the state folder, and behind it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo

OLD = ("--older-than", "0s")
DAY_SECONDS = 86_400


def plant_papers(folder: Path) -> Path:
    """Make a folder of a person's own, with folders below it that are empty and that are not."""
    (folder / "thesis" / "chapters").mkdir(parents=True)
    (folder / "thesis" / "chapters" / "1.tex").write_text("x")
    (folder / "photos" / "empty").mkdir(parents=True)
    (folder / "photos" / "a.jpg").write_text("x")
    (folder / "r001-abcdef" / "checkpoints").mkdir(parents=True)
    return folder


def look_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return every path below a folder, with its mode and content; symlinks as such."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if path.is_symlink():
            content = os.fsencode(os.readlink(path))
        found[str(path.relative_to(folder.parent))] = (status.st_mode, content)
    return found


def age(path: Path, seconds: float = 90 * DAY_SECONDS) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def record(repo: MissionRepo, task: str = "T-001") -> Path:
    assert repo.run("exec", task, "--", "true").exit_code == 0
    return max((repo.state / "runs" / task).glob("r*"))


def edit(path: Path, **changes: Any) -> None:
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps(values))


@pytest.mark.parametrize("target", ["docs", ".", "docs/thesis"])
def test_a_clone_with_a_tracked_link_for_runs_loses_nothing(
    repo: MissionRepo, tmp_path: Path, target: str
) -> None:
    (repo.state / "runs").symlink_to(f"../../../{target}")
    repo.git("add", "--force", "coordination/.state/runs")
    repo.git("commit", "-qm", "Bring a link")
    papers = plant_papers(tmp_path / "home" / "docs")
    repo.git("clone", "-q", str(repo.path), str(tmp_path / "home" / "clone"))
    clone = MissionRepo(tmp_path / "home" / "clone", repo.environ)
    before = look_of(papers), look_of(clone.path / "coordination" / "tasks")
    for command in (("clean",), ("clean", *OLD), ("clean", "--dry-run", *OLD), ("check", "--fix")):
        clone.run(*command)
        assert (look_of(papers), look_of(clone.path / "coordination" / "tasks")) == before, command


@pytest.mark.parametrize(
    "place", [".state", ".state/runs", ".state/worktrees", ".state/sessions", ".state/runs/T-001"]
)
def test_a_link_at_any_level_is_not_followed(repo: MissionRepo, tmp_path: Path, place: str) -> None:
    record(repo)
    repo.run("done", "T-001")
    link = repo.path / "coordination" / place
    outside = plant_papers(tmp_path / "outside")
    (outside / ("." + "0" * 16 + ".mission-tmp")).write_text("as ours is called")
    age(outside / ("." + "0" * 16 + ".mission-tmp"))
    if link.exists():
        shutil.rmtree(link)
    link.symlink_to(outside)
    before = look_of(outside)
    for command in (("clean", "--dry-run", *OLD), ("clean", *OLD), ("check", "--fix")):
        repo.run(*command)
        assert look_of(outside) == before, command
    assert link.is_symlink()


def test_a_link_for_a_run_is_named_and_neither_followed_nor_removed(
    repo: MissionRepo, tmp_path: Path
) -> None:
    run = record(repo)
    repo.run("done", "T-001")
    elsewhere = tmp_path / "elsewhere"
    run.rename(elsewhere)
    run.symlink_to(elsewhere)
    before = look_of(elsewhere)
    answer = repo.run("clean", *OLD)
    assert f"kept coordination/.state/runs/T-001/{run.name}: not a run record" in answer.stdout
    assert look_of(elsewhere) == before
    assert run.is_symlink()


def broken_metas(run: Path) -> dict[str, Any]:
    """Return what makes the record of a run none, by name."""
    meta = run / "meta.json"

    def as_link() -> None:
        meta.rename(run.parent.parent / "meta.json")
        meta.symlink_to("../../meta.json")

    def as_folder() -> None:
        meta.unlink()
        meta.mkdir()

    return {
        "a symlink": as_link,
        "a folder": as_folder,
        "missing": meta.unlink,
        "empty": lambda: meta.write_text(""),
        "a list": lambda: meta.write_text("[]"),
        "of a newer layout": lambda: edit(meta, layout_version=99),
        "of a layout in words": lambda: edit(meta, layout_version="one"),
        "of another run": lambda: edit(meta, run_id="r001-000000"),
        "of another task": lambda: edit(meta, task_id="T-002"),
    }


@pytest.mark.parametrize("how", list(broken_metas(Path("x"))))
def test_a_folder_whose_record_is_not_ours_is_named_and_kept(repo: MissionRepo, how: str) -> None:
    run = record(repo)
    repo.run("done", "T-001")
    broken_metas(run)[how]()
    before = look_of(run)
    refs = repo.kept_refs()
    assert refs
    answer = repo.run("clean", *OLD)
    assert answer.exit_code == 0, answer.stderr
    assert f"kept coordination/.state/runs/T-001/{run.name}: not a run record" in answer.stdout
    assert look_of(run) == before
    assert repo.kept_refs() == refs


@pytest.mark.parametrize(
    "name",
    ["photos", "two\nlines", "r001-abcdeg", "r1-abcdef", ".new-me", ".gone-x", "R001-ABCDEF", "*"],
)
def test_a_folder_of_another_name_is_named_and_kept(repo: MissionRepo, name: str) -> None:
    mine = plant_papers(repo.state / "runs" / "T-001" / name)
    (repo.state / "runs" / "T-001" / "notes.txt").write_text("mine")
    (repo.state / "runs" / "loose").write_text("mine")
    shutil.rmtree(plant_papers(repo.state / "runs" / name) / "r001-abcdef")
    before = look_of(repo.state / "runs")
    answer = repo.run("clean", *OLD)
    assert look_of(repo.state / "runs") == before
    shown = " ".join(name.split("\n"))
    assert f"kept coordination/.state/runs/T-001/{shown}: not a run record" in answer.stdout
    assert "kept coordination/.state/runs/T-001/notes.txt: not a run record" in answer.stdout
    assert "kept coordination/.state/runs/loose" in answer.stdout
    assert mine.is_dir()


def test_a_run_that_was_not_made_to_its_end_goes_by_its_age_and_only_if_all_of_it_is_ours(
    repo: MissionRepo,
) -> None:
    runs = repo.state / "runs" / "T-001"
    for name in ("r001-aaaaaa", "r002-bbbbbb", "r003-cccccc"):
        (runs / name / "checkpoints").mkdir(parents=True)
        (runs / name / "prompt.md").write_text("half a")
    (runs / ".new-dddddd").mkdir()
    (runs / ".gone-r004-eeeeee").mkdir()
    (runs / ".gone-r004-eeeeee" / "stdout.log").write_text("x")
    (runs / "r003-cccccc" / "checkpoints" / "mine.txt").write_text("a person's")
    repo.run("clean")
    assert len(list(runs.iterdir())) == 5
    for path in [runs, *runs.rglob("*")]:
        if "r002" not in str(path):
            age(path)
    answer = repo.run("clean")
    assert sorted(path.name for path in runs.iterdir()) == ["r002-bbbbbb", "r003-cccccc"]
    assert "kept coordination/.state/runs/T-001/r003-cccccc: not a run record" in answer.stdout
    assert (runs / "r003-cccccc" / "checkpoints" / "mine.txt").exists()


def test_the_next_hand_off_removes_nothing_but_what_is_ours(repo: MissionRepo) -> None:
    mine = plant_papers(repo.state / "runs" / "T-001" / "r001-abcdef")
    plant_papers(repo.state / "runs" / "T-001" / "photos")
    before = look_of(mine)
    assert repo.run("next", "--runtime", "quick").exit_code == 0
    assert look_of(mine) == before
    assert (repo.state / "runs" / "T-001" / "photos" / "photos" / "a.jpg").exists()


def test_a_task_folder_goes_only_when_it_is_empty_and_old(repo: MissionRepo) -> None:
    runs = repo.state / "runs"
    for name in ("T-001", "T-002", "T-003"):
        (runs / name).mkdir(parents=True)
    (runs / "T-003" / "notes.txt").write_text("mine")
    age(runs / "T-002")
    age(runs / "T-003")
    repo.run("clean")
    assert sorted(path.name for path in runs.iterdir()) == ["T-001", "T-003"]


def test_what_a_folder_in_a_record_leads_to_is_neither_removed_nor_opened(
    repo: MissionRepo, tmp_path: Path
) -> None:
    run = record(repo)
    repo.run("done", "T-001")
    outside = plant_papers(tmp_path / "outside")
    (outside / "photos").chmod(0o500)
    (run / "artifacts" / "away").symlink_to(outside)
    closed = run / "artifacts" / "closed"
    (closed / "in").mkdir(parents=True)
    (closed / "to-photos").symlink_to(outside / "photos")
    (closed / "in").chmod(0o500)
    closed.chmod(0o500)
    before = look_of(outside)
    assert repo.run("clean", *OLD).exit_code == 0
    assert look_of(outside) == before
    assert not run.exists()


def fill_with_everything(repo: MissionRepo) -> None:
    """Put one of every kind into the state folder: ours and not, old and young, needed and not."""
    runs = repo.state / "runs"
    old = record(repo, "T-001")
    record(repo, "T-002")
    repo.run("done", "T-001")
    strange = record(repo, "T-003")
    repo.run("done", "T-003")
    edit(strange / "meta.json", layout_version=99)
    shutil.copytree(old, runs / "T-001" / "r009-copied0")
    for name in ("T-004", "T-005", "panel-007", "panel-008", "panel-009"):
        (runs / name).mkdir()
    (runs / "T-004" / "r001-abcdef" / "checkpoints").mkdir(parents=True)
    (runs / "T-004" / ".gone-r002-abcdef").mkdir()
    plant_papers(runs / "T-005" / "photos")
    (runs / "panel-007" / "question.md").write_text("what?")
    (runs / "panel-008" / "panel.json").write_text('{"layout_version": 9}')
    (runs / "panel-009" / "question.md").write_text("what?")
    (runs / "panel-009" / "answer.txt").write_text("mine")
    (runs / "loose").symlink_to("T-001")
    (repo.state / "worktrees").mkdir()
    plant_papers(repo.state / "worktrees" / "mine")
    (repo.state / "worktrees" / ".broken.json").write_text("{")
    for place in (repo.state, repo.path / "coordination", repo.path / "coordination" / "tasks"):
        for name in (".0123456789abcdef.mission-tmp", ".0123456789abcdef-set.mission-tmp"):
            (place / name).write_text("half")
            age(place / name)


def test_a_dry_run_tells_exactly_what_a_real_one_does(repo: MissionRepo) -> None:
    fill_with_everything(repo)
    before = look_of(repo.path / "coordination")
    dry = repo.run("clean", *OLD, "--dry-run", "--json").json()
    dry_lines = repo.run("clean", *OLD, "--dry-run").stdout
    changed = {"coordination/.state/index", "coordination/.state/sync.json"}
    after = look_of(repo.path / "coordination")
    assert {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)} <= changed
    real = repo.run("clean", *OLD, "--json").json()
    assert (dry.pop("dry_run"), real.pop("dry_run")) == (True, False)
    assert dry == real
    gone = {
        str(repo.path / path) for path in after.keys() - look_of(repo.path / "coordination").keys()
    }
    told = {each["path"] for each in real["removed_paths"]}
    assert told <= gone
    assert [path for path in gone if not any(f"{path}/".startswith(f"{t}/") for t in told)] == []
    assert {os.path.basename(path) for path in told} >= {"T-004", "panel-007"}
    for path in told:
        shown = os.path.relpath(path, repo.path)
        is_record = any(each["dir"] == path for each in real["removed"])
        assert is_record or f"would remove {shown}" in dry_lines, path
    assert repo.run("clean", *OLD, "--json").json()["removed_paths"] == []


def test_a_dry_run_with_a_worktree_keeps_it(repo: MissionRepo) -> None:
    assert repo.run("next", "--worktree", "--runtime", "quick").exit_code == 0
    place = repo.state / "worktrees" / "T-001"
    repo.git("-C", str(place), "clean", "-fdq")
    refs = repo.git("for-each-ref"), repo.kept_refs()
    answer = repo.run("clean", "--worktree", "T-001", "--dry-run")
    assert answer.stdout.startswith("would remove worktree T-001")
    assert place.is_dir()
    assert (repo.git("for-each-ref"), repo.kept_refs()) == refs
    assert repo.run("clean", "--worktree", "T-001").exit_code == 0
    assert not place.exists()


def test_records_that_are_kept_in_a_closed_folder_stop_no_other(repo: MissionRepo) -> None:
    """What one folder refuses is named, and the rest goes all the same."""
    first, second = record(repo, "T-001"), record(repo, "T-002")
    for task in ("T-001", "T-002"):
        repo.run("done", task)
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(first)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == "held\n"
        answer = repo.run("clean", *OLD)
    finally:
        held.kill()
        held.communicate()
    assert "it is live" in answer.stdout
    assert first.is_dir()
    assert not second.exists()


HOLD = """\
import fcntl, os, sys, time
descriptor = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


# Temporary files


def planted_temporaries(repo: MissionRepo) -> list[Path]:
    run = record(repo)
    places = {
        repo.state: ("index.{pid}.140001", "index.{pid}.140001.lock", "rebuilt.{pid}",
                     "rebuilt.{pid}.lock", "overlay.{pid}", "patched.{pid}.lock"),
        run: ("index.{pid}.7", ".aaaaaaaaaaaaaaaa.mission-tmp"),
        run / "checkpoints": (".aaaaaaaaaaaaaaaa.mission-tmp",),
        repo.path / "coordination": (".aaaaaaaaaaaaaaaa.mission-tmp",
                                     ".bbbbbbbbbbbbbbbb-set.mission-tmp"),
        repo.path / "coordination" / "tasks": (".aaaaaaaaaaaaaaaa.mission-tmp",),
    }  # fmt: skip
    gone = subprocess.Popen(["true"])
    gone.wait()
    made = [folder / n.format(pid=gone.pid) for folder, names in places.items() for n in names]
    for path in made:
        path.write_text("half")
        age(path, 7200)
    return made


@pytest.mark.parametrize("command", [("clean",), ("check", "--fix")])
def test_what_killed_processes_left_is_removed_by_age(
    repo: MissionRepo, command: tuple[str, ...]
) -> None:
    made = planted_temporaries(repo)
    codes = [each["code"] for each in repo.run("check", "--json").json()["findings"]]
    assert "FILES_LEFT" in codes
    answer = repo.run(*command)
    assert [path for path in made if path.exists()] == []
    assert "coordination/tasks/.aaaaaaaaaaaaaaaa.mission-tmp" in answer.stdout
    codes = [each["code"] for each in repo.run("check", "--json").json()["findings"]]
    assert "FILES_LEFT" not in codes


def test_what_is_young_or_of_a_living_process_or_only_looks_like_it_stays(
    repo: MissionRepo, tmp_path: Path
) -> None:
    living = repo.state / f"rebuilt.{os.getpid()}"
    names = ("aaaaaaaaaaaaaaaa.mission-tmp", ".aaaaaaaaaaaaaaa.mission-tmp", ".x.mission-tmp",
             "index.12.txt", "rebuilt.md", "index.1.2.3", "overlay", "INDEX.1.2")  # fmt: skip
    stay = [living, *(repo.state / name for name in names)]
    for path in stay:
        path.write_text("x")
        age(path, 7200)
    young = repo.state / ".aaaaaaaaaaaaaaaa.mission-tmp"
    young.write_text("x")
    link = repo.state / ".cccccccccccccccc.mission-tmp"
    link.symlink_to(tmp_path)
    folder = repo.state / ".dddddddddddddddd.mission-tmp"
    folder.mkdir()
    age(folder, 7200)
    age(link, 7200)
    repo.run("clean", *OLD)
    repo.run("check", "--fix")
    assert [path for path in (*stay, young, folder) if not path.exists()] == []
    assert link.is_symlink()


def test_what_an_unfinished_change_needs_stays_until_it_is_finished(repo: MissionRepo) -> None:
    temporary = repo.path / "coordination" / ".eeeeeeeeeeeeeeee-set.mission-tmp"
    temporary.write_text("the new content")
    age(temporary, 7200)
    (repo.state / "intent.json").write_text("{}")
    repo.run("clean")
    assert temporary.exists()
    (repo.state / "intent.json").unlink()
    repo.run("clean")
    assert not temporary.exists()


def test_an_older_layout_is_swept_as_well(tmp_path: Path, repo: MissionRepo) -> None:
    folder = tmp_path / "older"
    shutil.copytree(repo.path, folder, symlinks=True)
    older = folder / ".mosaic" / "orchestrator"
    older.mkdir(parents=True)
    mission = json.loads((folder / "coordination" / "mission.json").read_text())
    mission["orchestratorDir"] = ".mosaic/orchestrator"
    (folder / "coordination" / "mission.json").unlink()
    (older / "mission.json").write_text(json.dumps(mission))
    other = MissionRepo(folder, repo.environ)
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = [older / f"index.{gone.pid}.9", older / ".aaaaaaaaaaaaaaaa.mission-tmp"]
    for path in left:
        path.write_text("x")
        age(path, 7200)
    assert other.run("clean").exit_code == 0
    assert [path for path in left if path.exists()] == []
    assert (older / "mission.json").exists()
