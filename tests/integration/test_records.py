"""Run records under hard conditions: a full disk, silence, strange bytes, old age."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mission import MissionRepo, make_environ, wait_for

FLOOD = """\
import json, sys
for number in range(60_000):
    sys.stdout.write(f"line {number:08d} " + "x" * 80 + "\\n")
print(json.dumps({"type": "message", "text": "all said"}), flush=True)
"""
STRANGE = bytes(range(256)) * 3 + b"\n\0\0\xff\xfe no newline at the end"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 3 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a file system needs privileges")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def repo_on_small_disk(planned: Path, small_disk: Path, tmp_path: Path) -> MissionRepo:
    folder = small_disk / "project"
    shutil.copytree(planned, folder, symlinks=True)
    shutil.rmtree(folder / ".git")
    made = MissionRepo(folder, make_environ(tmp_path))
    made.git("init", "-q", "-b", "main")
    return made


def add_runtime(repo: MissionRepo, name: str, program: str, **runs: str) -> None:
    mission = repo.mission()
    mission["runtimes"][name] = {"command": [sys.executable, "-c", program], "prompt": "file"}
    mission["runs"] = runs
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))


def test_a_full_disk_ends_no_agent_and_the_record_says_what_was_lost(
    repo_on_small_disk: MissionRepo,
) -> None:
    repo = repo_on_small_disk
    add_runtime(repo, "flood", FLOOD)
    answer = repo.run("next", "--runtime", "flood", "--headless")
    assert answer.exit_code == 0, answer.stderr
    assert "of stdout could not be kept: No space left on device" in answer.stdout
    run = repo.run_dir()
    result = json.loads((run / "result.json").read_text())
    assert (result["outcome"], result["exit_code"]) == ("completed", 0)
    assert result["answer"] == "all said"
    written = 60_000 * 95 + len(json.dumps({"type": "message", "text": "all said"})) + 1
    metrics = result["metrics"]
    assert metrics["stdout_bytes"] + metrics["stdout_bytes_lost"] == written
    (gap,) = [json.loads(line) for line in (run / "output.lost").read_text().splitlines()]
    kept = (run / "stdout.log").read_bytes()
    assert kept[: gap["offset"]].startswith(b"line 00000000 ")
    assert kept.endswith(b'"all said"}\n')
    assert gap["bytes"] == metrics["stdout_bytes_lost"]
    assert json.loads((run / "state.json").read_text())["status"] == "completed"
    events = repo.events()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert repo.run("check").exit_code == 0
    assert repo.session()["endedReason"] == "completed"


def test_files_stay_whole_when_there_is_no_room_for_the_end(
    repo_on_small_disk: MissionRepo,
) -> None:
    repo = repo_on_small_disk
    fill = "import os; f = open('fill', 'wb')\ntry:\n    while True: f.write(b'x' * 4096)\n"
    add_runtime(repo, "fills", fill + "except OSError: pass\n")
    tracked = [*repo.path.glob("coordination/*.md"), *repo.path.glob("coordination/tasks/*.md")]
    assert tracked
    answer = repo.run("next", "--runtime", "fills", "--headless")
    for path in tracked:
        assert path.read_text().endswith("\n"), path
    json.loads((repo.path / "coordination" / "mission.json").read_text())
    assert "Traceback" not in answer.stderr
    (repo.path / "fill").unlink()
    assert repo.run("status").exit_code == 0
    assert repo.session()["endedReason"] in ("completed", "crashed", "failed")
    assert not repo.lock.exists()
    assert repo.run("check").exit_code == 0


def test_strange_bytes_survive_in_the_raw_logs(repo: MissionRepo) -> None:
    program = f"import os\nos.write(1, {STRANGE!r})\nos.write(2, {STRANGE[::-1]!r})\n"
    add_runtime(repo, "strange", program)
    assert repo.run("next", "--runtime", "strange", "--headless").exit_code == 0
    assert (repo.run_dir() / "stdout.log").read_bytes() == STRANGE
    assert (repo.run_dir() / "stderr.log").read_bytes() == STRANGE[::-1]


def test_a_line_of_many_megabytes_is_kept_and_what_follows_is_understood(
    repo: MissionRepo,
) -> None:
    program = (
        "import json, sys\nsys.stdout.write('y' * 40_000_000 + '\\n')\n"
        "print(json.dumps({'type': 'message', 'text': 'after it'}))\n"
    )
    add_runtime(repo, "long", program)
    assert repo.run("next", "--runtime", "long", "--headless").exit_code == 0
    assert (repo.run_dir() / "stdout.log").stat().st_size > 40_000_000
    result = json.loads((repo.run_dir() / "result.json").read_text())
    assert result["answer"] == "after it"


def test_a_flood_hides_no_structured_line(repo: MissionRepo) -> None:
    program = (
        "import json, sys\n"
        "for number in range(300):\n"
        "    sys.stdout.write(('free text ' * 20 + '\\n') * 50)\n"
        "    print(json.dumps({'type': 'command', 'command': str(number), 'exit_code': 0}))\n"
    )
    add_runtime(repo, "mixed", program)
    assert repo.run("next", "--runtime", "mixed", "--headless").exit_code == 0
    lines = (repo.run_dir() / "transcript.jsonl").read_text().splitlines()
    assert [json.loads(line)["command"] for line in lines] == [str(n) for n in range(300)]


def test_a_silent_agent_is_noted_once_for_each_silence(repo: MissionRepo) -> None:
    program = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"
    add_runtime(repo, "silent", program, stalledAfter="1s")
    repo.run("next", "--runtime", "silent", "--detach")

    def stalled() -> list[object]:
        return [event for event in repo.events() if event["type"] == "output_stalled"]

    (event,) = wait_for(stalled)
    assert isinstance(event, dict)
    assert event["data"]["silent_seconds"] >= 1
    live = repo.run("sessions", "--live", "--json").json()["sessions"][0]["progress"]
    assert live["silent_seconds"] >= 1
    repo.run("stop", "--now")
    assert len(stalled()) == 1


def test_a_live_session_shows_what_it_does_and_what_it_cost_so_far(repo: MissionRepo) -> None:
    program = (
        "import json, time\n"
        "print(json.dumps({'type': 'usage', 'input_tokens': 900, 'output_tokens': 600,"
        " 'cost_usd': 0.5}))\n"
        "print(json.dumps({'type': 'command', 'command': 'make', 'exit_code': 0}), flush=True)\n"
        "time.sleep(600)\n"
    )
    add_runtime(repo, "busy", program)
    repo.run("next", "--runtime", "busy", "--detach")
    shown = wait_for(
        lambda: [
            line for line in repo.run("sessions", "--live").stdout.splitlines() if "make" in line
        ]
    )
    assert shown[0].split()[-4:] == ["$0.50", "1.5k", "ran:", "make"]
    assert "ran: make" in shown[0]
    repo.run("stop", "--now")
    assert repo.session()["usage"]["costUsd"] == 0.5


def test_old_records_are_removed_and_no_needed_one(repo: MissionRepo) -> None:
    for step in ("one", "two", "three"):
        repo.run("exec", "T-002", "--step", step, "--", "true")
    repo.run("next", "--runtime", "wait", "--detach")
    wait_for((repo.path / "begun").exists)
    repo.run("exec", "T-003", "--prepare", "--", "true")
    assert "removed 0 run records" in repo.run("clean", "--older-than", "1d").stdout
    dry = repo.run("clean", "--older-than", "0", "--dry-run", "--json").json()
    cleaned = repo.run("clean", "--older-than", "0", "--json").json()
    assert [r["run_id"] for r in cleaned["removed"]] == [r["run_id"] for r in dry["removed"]]
    assert len(cleaned["removed"]) == 2
    because = {kept["because"] for kept in cleaned["kept"]}
    assert because == {
        "it is live",
        "it waits to be started",
        "its task is open, and goes on from it",
    }
    refs = repo.kept_refs()
    assert {ref.split("/")[3] for ref in refs} == {
        next(k["run_id"] for k in cleaned["kept"] if "its task" in k["because"]),
        repo.session()["runId"],
    }
    assert repo.run("stop", "--now").exit_code == 0
    assert repo.session()["endedReason"] == "stopped"
    repo.run("done", "T-002")
    repo.run("clean", "--older-than", "0")
    assert not (repo.state / "runs" / "T-002").exists()


def test_a_torn_event_is_left_out_told_and_numbered_over(repo: MissionRepo) -> None:
    repo.run("exec", "T-001", "--", "true")
    (log,) = repo.state.glob("runs/*/*/worker.log")
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"seq": 6, "ty')
    assert "EVENTS_TORN" in repo.run("check", "--json").stdout
    assert repo.run("show", "T-001").exit_code == 0
    meta = log.parent / "meta.json"
    meta.write_text(meta.read_text().replace('"session_id": null', '"session_id": null, "new": 1'))
    assert "unreadable" not in repo.run("show", "T-001").stdout


def test_a_record_of_a_newer_mosaic_is_named_and_hides_no_other(repo: MissionRepo) -> None:
    repo.run("exec", "T-001", "--step", "old", "--", "true")
    repo.run("exec", "T-001", "--step", "new", "--", "true")
    newest = max((repo.state / "runs" / "T-001").iterdir())
    meta = json.loads((newest / "meta.json").read_text())
    (newest / "meta.json").write_text(json.dumps({**meta, "layout_version": 99}))
    shown = repo.run("show", "T-001").stdout
    assert "unreadable" in shown
    assert "old" in shown
    assert "is of a newer Mosaic" in repo.run("check").stdout
    assert repo.run("next", "--runtime", "quick").exit_code == 0


def test_records_are_for_their_owner_alone(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "quick")
    run = repo.run_dir()
    for path in [run, *run.rglob("*")]:
        allowed = 0o700 if path.is_dir() else 0o600
        assert os.lstat(path).st_mode & 0o777 == allowed, path
    assert not (run / "reserve").exists()


def test_every_time_in_a_record_is_utc_with_milliseconds(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "talk", "--headless", TZ="Asia/Kolkata")
    run = repo.run_dir()
    texts = [(run / name).read_text() for name in ("meta.json", "state.json", "result.json")]
    texts += [(run / "worker.log").read_text(), (run / "output.index").read_text()]
    texts += [path.read_text() for path in run.glob("checkpoints/*.json")]
    found = [moment for text in texts for moment in re.findall(r'"(20\d\d-[^"]*)"', text)]
    assert len(found) > 10
    for moment in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment), moment


def test_a_run_that_was_never_laid_out_is_known_for_it_and_removed(repo: MissionRepo) -> None:
    half = repo.state / "runs" / "T-001" / "r001-abc123"
    (half / "checkpoints").mkdir(parents=True)
    (half / "prompt.md").write_text("half a")
    found = repo.run("check", "--json").json()["findings"]
    assert [each["code"] for each in found] == ["RUN_HALF_MADE"]
    assert repo.run("check", "--fix").exit_code == 0
    assert not half.exists()
    assert repo.run("check", "--json").json()["findings"] == []


def test_a_run_that_lost_its_meta_but_began_is_left_for_people(repo: MissionRepo) -> None:
    begun = repo.state / "runs" / "T-001" / "r001-abc123"
    begun.mkdir(parents=True)
    (begun / "stdout.log").write_text("what an agent said")
    repo.run("check", "--fix")
    assert (begun / "stdout.log").read_text() == "what an agent said"
