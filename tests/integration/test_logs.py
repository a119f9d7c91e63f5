"""`mission logs`: what a run wrote, whole or as it grows, the same for everybody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.integration.conftest import MissionRepo, wait_for

TALKS = """\
import pathlib, sys, time
for number in range(4000):
    print(f"line {number}", flush=number % 7 == 0)
    if number == 2000:
        (pathlib.Path.cwd() / "half").write_text("")
        while not (pathlib.Path.cwd() / "go").exists():
            time.sleep(0.01)
sys.stdout.write("no newline at the end")
"""
STRANGE = b"plain\n\x1b[31mred\x1b[0m \x1b]0;title\x07x\0y\xff\r\n10%\r20%\n"


def add_runtime(repo: MissionRepo, name: str, program: str) -> None:
    mission = repo.mission()
    mission["runtimes"][name] = {"command": [sys.executable, "-c", program], "prompt": "file"}
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))


def follower(repo: MissionRepo, place: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a follower that prints into a file."""
    with place.open("wb") as shown:
        return subprocess.Popen(
            repo.argv("logs", "--follow", *arguments),
            cwd=repo.path,
            env=repo.environ,
            stdin=subprocess.DEVNULL,
            stdout=shown,
        )


def test_followers_print_the_same_as_the_log_holds_whenever_they_begin(
    repo: MissionRepo, tmp_path: Path
) -> None:
    add_runtime(repo, "talks", TALKS)
    started = repo.start("next", "--runtime", "talks", "--headless")
    wait_for((repo.path / "half").exists)
    places = [tmp_path / name for name in ("first", "second", "late")]
    early = [
        follower(repo, places[0], "T-001"),
        follower(repo, places[1], repo.run_dir().name),
    ]
    wait_for(lambda: all(place.read_text().startswith("line 0\n") for place in places[:2]))
    (repo.path / "go").write_text("")
    late = follower(repo, places[2], "T-001")
    assert [process.wait(60) for process in (*early, late)] == [0, 0, 0]
    started.communicate(timeout=60)
    after = repo.run("logs", "T-001").stdout
    assert after == (repo.run_dir() / "stdout.log").read_text()
    assert after.endswith("line 3999\nno newline at the end")
    assert [place.read_text() for place in places] == [after] * 3


def test_a_follower_ends_when_supervisor_and_agent_are_killed(
    repo: MissionRepo, tmp_path: Path
) -> None:
    add_runtime(repo, "waits", "import time; print('begun', flush=True); time.sleep(600)")
    started = repo.start("next", "--runtime", "waits", "--headless")
    agent = wait_for(lambda: repo.run_state()["agent"])["pid"]
    following = follower(repo, tmp_path / "shown")
    wait_for(lambda: (tmp_path / "shown").read_text() == "begun\n")
    started.kill()
    os.kill(agent, signal.SIGKILL)
    assert following.wait(60) == 0
    assert (tmp_path / "shown").read_text() == "begun\n" == repo.run("logs").stdout


def test_the_last_lines_and_what_is_newer(repo: MissionRepo) -> None:
    program = (
        "import time\nprint('old', flush=True)\ntime.sleep(2.5)\nprint('new')\nprint('newest')\n"
    )
    add_runtime(repo, "slow", program)
    repo.run("next", "--runtime", "slow", "--headless")
    assert repo.run("logs", "T-001", "--tail", "1").stdout == "newest\n"
    assert repo.run("logs", "T-001", "--tail", "2").stdout == "new\nnewest\n"
    assert repo.run("logs", "T-001", "--tail", "99").stdout == "old\nnew\nnewest\n"
    assert repo.run("logs", "T-001", "--tail", "0").stdout == ""
    index = (repo.run_dir() / "output.index").read_text().splitlines()
    moments = [json.loads(line)[2] for line in index if json.loads(line)[0] == "stdout"]
    assert len(moments) == 2
    assert repo.run("logs", "T-001", "--since", moments[1]).stdout == "new\nnewest\n"
    assert repo.run("logs", "T-001", "--since", moments[0]).stdout == "old\nnew\nnewest\n"
    assert repo.run("logs", "T-001", "--since", "1d").stdout == "old\nnew\nnewest\n"
    assert repo.run("logs", "T-001", "--since", "soon").exit_code == 2


def test_what_a_terminal_would_obey_is_harmless_and_raw_is_the_very_bytes(
    repo: MissionRepo,
) -> None:
    add_runtime(repo, "strange", f"import os; os.write(1, {STRANGE!r})")
    repo.run("next", "--runtime", "strange", "--headless")
    assert repo.run("logs").stdout == "plain\nred xy�\n10%\n20%\n"
    raw = subprocess.run(
        repo.argv("logs", "--raw"), cwd=repo.path, env=repo.environ, capture_output=True, check=True
    )
    assert raw.stdout == STRANGE
    lines = [json.loads(line) for line in repo.run("logs", "--json").stdout.splitlines()]
    assert [line["text"] for line in lines] == ["plain", "red xy�", "10%\n20%"]
    assert [line["offset"] for line in lines] == [0, 6, STRANGE.index(b"10%")]
    assert {line["kind"] for line in lines} == {"log.line"}


def test_events_and_transcript(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "talk", "--headless")
    events = repo.run("logs", "T-001", "--events").stdout.splitlines()
    assert [line.split()[1] for line in events] == [event["type"] for event in repo.events()]
    as_json = repo.run("logs", "T-001", "--events", "--json").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in as_json] == list(range(1, len(events) + 1))
    objects = repo.run("logs", "T-001", "--transcript", "--json").stdout.splitlines()
    kept = (repo.run_dir() / "transcript.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in objects] == [json.loads(line) for line in kept]
    repo.run("next", "--task", "T-002", "--runtime", "env", "--headless")
    assert "MISSION_TASK" in repo.run("logs", "T-002", "--transcript").stdout
    assert repo.run("logs", "sess-001", "--stderr").stdout == ""


def test_a_torn_line_is_left_out_and_told(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "quick", "--headless")
    log = repo.run_dir() / "worker.log"
    whole = repo.run("logs", "--events").stdout
    log.write_bytes(log.read_bytes() + b'{"seq": 9, "ty')
    torn = repo.run("logs", "--events")
    assert torn.stdout == whole
    assert "a line of worker.log is torn" in torn.stderr


def test_reading_writes_nothing_and_needs_no_permission_to(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "quick", "--headless")

    def everything() -> dict[Path, tuple[int, int]]:
        return {
            path: (path.stat().st_mtime_ns, path.stat().st_size)
            for path in repo.state.rglob("*")
            if path.name != "index"
        }

    before = everything()
    for options in ([], ["-f"], ["--events"], ["--stderr"], ["--transcript"], ["--tail", "3"]):
        assert repo.run("logs", "T-001", *options).exit_code == 0
    assert everything() == before


def test_a_log_that_is_not_there_is_said_and_a_name_that_is_not_is_refused(
    repo: MissionRepo,
) -> None:
    assert repo.run("logs").exit_code == 2
    assert "has no run" in repo.run("logs", "T-001").stderr
    unknown = repo.run("logs", "T-01")
    assert unknown.exit_code == 2
    assert "closest: `T-001`" in unknown.stderr
    assert repo.run("logs", "../../etc").exit_code == 2
    repo.run("exec", "T-001", "--prepare", "--", "true")
    assert "has no stdout" in repo.run("logs", "T-001").stderr
    assert repo.run("logs", "T-001", "--raw", "--json").exit_code == 2


def test_a_reader_that_goes_away_is_no_error(repo: MissionRepo) -> None:
    add_runtime(repo, "much", "for n in range(200_000): print('line', n)")
    repo.run("next", "--runtime", "much", "--headless")
    command = " ".join([*map(str, repo.argv("logs", "T-001")), "| head -1"])
    done = subprocess.run(
        ["sh", "-c", command], cwd=repo.path, env=repo.environ, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("line 0\n", "")
