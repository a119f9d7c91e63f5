"""`mission logs`: whole, its end, or as it comes; harmless, and touching nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.support.mission import (
    PATIENCE_SECONDS,
    MissionRepo,
    hear_signals,
    is_running,
    wait_for,
)

HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
Process: TypeAlias = subprocess.Popen[bytes]
STRANGE = (
    bytes(range(256))
    + b"\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://a.invalid\x1b\\link\x1b]8;;\x1b\\\n"
    + b"10%\r20%\r30%\r\n\0\xff\xfe nul and no UTF-8\n\x1bPq data\x1b\\after \x1b[2J\n"
    + "schön \u202e漢字\n".encode()
    + b"\x1b]never ended"
)
STEPS = """\
import json, os, pathlib, sys, time
here = pathlib.Path.cwd()
for number in range(6):
    sys.stdout.buffer.write(f"line {number} \\x1b[3".encode()); sys.stdout.flush()
    sys.stdout.buffer.write(f"1m\\u00e4".encode()[:-1]); sys.stdout.flush()
    (here / f"at-{number}").write_text(str(os.getpid()))
    while not (here / f"go-{number}").exists():
        time.sleep(0.01)
    sys.stdout.buffer.write(b"\\xa4\\x1b[0m\\r\\n"); sys.stdout.flush()
    print(json.dumps({"type": "message", "text": f"did {number}"}), flush=True)
    print(f"error {number}", file=sys.stderr, flush=True)
sys.stdout.write("the last bytes, without a newline")
"""
TALK = """\
import json
for event in (
    {"type": "conversation", "id": "c-1"},
    {"type": "message", "text": "I look\\u001b[31m around\\u009b2J\\nand \\u202eback"},
    {"type": "command", "command": "make test", "exit_code": 0},
    {"type": "command", "command": "make lint", "exit_code": 2},
    {"type": "file", "path": "src/a.py", "kind": "add"},
    {"type": "usage", "input_tokens": 1, "output_tokens": 2},
    {"type": "message", "text": "all said"},
):
    print(json.dumps(event))
print("free text")
"""
WORDS = [
    "I look around and back",
    "ran: make test",
    "failed: make lint",
    "add: src/a.py",
    "all said",
]


def add_runtime(repo: MissionRepo, name: str, program: str) -> None:
    mission = repo.mission()
    mission["runtimes"][name] = {"command": [sys.executable, "-c", program], "prompt": "file"}
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))


def ran(repo: MissionRepo, program: str) -> Path:
    """Run a program as an agent to its end, and return its record."""
    add_runtime(repo, "scripted", program)
    assert repo.run("next", "--runtime", "scripted", "--headless").exit_code == 0
    return repo.run_dir()


def logs(repo: MissionRepo, *arguments: str) -> bytes:
    """Return the bytes of `mission logs`, which must succeed and say nothing else."""
    done = logs_process(repo, *arguments)
    stdout, stderr = done.communicate(timeout=PATIENCE_SECONDS)
    assert (done.returncode, stderr) == (0, b"")
    return stdout


def logs_process(repo: MissionRepo, *arguments: str) -> Process:
    process = subprocess.Popen(
        repo.argv("logs", *arguments),
        cwd=repo.path,
        env=repo.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear_signals,  # noqa: PLW1509 - there are no threads
    )
    repo.started.append(process)  # type: ignore[arg-type]
    return process


def following(repo: MissionRepo, name: str, *arguments: str) -> tuple[Process, Path]:
    """Start a follower, and return it with the file that it writes to."""
    place = repo.path.parent / name
    with open(place, "wb") as file:
        process = subprocess.Popen(
            repo.argv("logs", "-f", *arguments),
            cwd=repo.path,
            env=repo.environ,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.PIPE,
            preexec_fn=hear_signals,  # noqa: PLW1509 - there are no threads
        )
    repo.started.append(process)  # type: ignore[arg-type]
    return process, place


def ended(process: subprocess.Popen[Any]) -> bytes:
    """Wait for the end of a follower, which must be a good one, and return its stderr."""
    _, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, stderr
    assert isinstance(stderr, bytes)
    return stderr


def objects(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.splitlines()]


@pytest.fixture
def stepping(repo: MissionRepo) -> Iterator[MissionRepo]:
    """A run that goes on one step at a time: `go(repo, 0)`, `go(repo, 1)`, …"""
    add_runtime(repo, "steps", STEPS)
    repo.start("next", "--runtime", "steps", "--headless")
    wait_for((repo.path / "at-0").exists, "the run began")
    yield repo
    pid = int((repo.path / "at-0").read_text())
    if is_running(pid):
        os.kill(pid, signal.SIGKILL)


def go(repo: MissionRepo, number: int) -> None:
    (repo.path / f"go-{number}").write_text("")
    if number < 5:
        wait_for((repo.path / f"at-{number + 1}").exists, f"step {number + 1}")


def finish(repo: MissionRepo, first: int = 0) -> None:
    for number in range(first, 6):
        go(repo, number)
    wait_for(lambda: repo.run_state()["status"] == "completed", "the end of the run")


def test_a_log_is_shown_whole_by_whatever_names_its_run(repo: MissionRepo) -> None:
    run = ran(repo, "print('one'); print('two'); import sys; print('bad', file=sys.stderr)")
    whole = repo.session_id()
    for name in ([], [run.name], ["T-001"], ["t-001"], ["sess-001"], [whole], [whole.upper()]):
        assert logs(repo, *name) == b"one\ntwo\n"
        assert logs(repo, *name, "-f") == b"one\ntwo\n"
    assert logs(repo, "--stderr") == b"bad\n"


def test_the_newest_run_is_shown_and_each_older_one_by_its_id(repo: MissionRepo) -> None:
    first = ran(repo, "print('first')")
    assert repo.run("resume", "T-001", "--runtime", "stdin", "--headless").exit_code == 0
    assert b"first" not in logs(repo, "T-001")
    assert logs(repo, first.name) == logs(repo, "sess-001") == b"first\n"
    assert logs(repo, "sess-002") == logs(repo)


def test_strange_bytes_are_made_harmless_and_raw_is_the_very_file(repo: MissionRepo) -> None:
    run = ran(repo, f"import os; os.write(1, {STRANGE!r}); os.write(2, {STRANGE[::-1]!r})")
    shown = logs(repo).decode()
    assert HARMFUL.search(shown) is None
    assert "red link\n10%\n20%\n30%\n" in shown
    assert "\ufffd\ufffd nul and no UTF-8\nafter \nschön 漢字\n" in shown
    assert "title" not in shown
    assert "never ended" not in shown
    assert HARMFUL.search(logs(repo, "--stderr").decode()) is None
    assert logs(repo, "--raw") == (run / "stdout.log").read_bytes() == STRANGE
    assert logs(repo, "--raw", "-f") == STRANGE
    assert logs(repo, "--raw", "--stderr") == STRANGE[::-1]
    assert logs(repo, "--raw", "--tail", "2") == STRANGE[STRANGE.index("schön".encode()) :]
    texts = [each["text"] for each in objects(logs(repo, "--json"))]
    assert "\n".join(texts) == shown


def test_followers_show_the_same_whenever_they_begin(stepping: MissionRepo) -> None:
    repo = stepping
    early, early_file = following(repo, "early")
    wait_for(lambda: early_file.read_bytes() == b"line 0 ", "what is decided so far")
    go(repo, 0)
    wait_for(lambda: b"did 0" in early_file.read_bytes(), "the first step, before the run ends")
    late, late_file = following(repo, "late")
    as_json, json_file = following(repo, "json", "--json")
    raw, raw_file = following(repo, "raw", "--raw")
    wait_for(lambda: b"line 1" in late_file.read_bytes(), "the late one")
    finish(repo, 1)
    assert [ended(each) for each in (early, late, as_json, raw)] == [b""] * 4
    after = logs(repo)
    assert early_file.read_bytes() == late_file.read_bytes() == after == logs(repo, "-f")
    assert after.startswith("line 0 ä\n".encode())
    assert after.endswith(b"the last bytes, without a newline")
    assert json_file.read_bytes() == logs(repo, "--json")
    assert raw_file.read_bytes() == (repo.run_dir() / "stdout.log").read_bytes()


def test_events_and_transcript_are_followed_too(stepping: MissionRepo) -> None:
    repo = stepping
    go(repo, 0)
    events, events_file = following(repo, "events", "--events")
    words, words_file = following(repo, "words", "--transcript")
    last, last_file = following(repo, "last", "--transcript", "--tail", "1")
    go(repo, 1)
    wait_for(lambda: b"did 1" in words_file.read_bytes(), "what it says")
    wait_for(last_file.read_bytes, "the last word so far")
    wait_for(lambda: b"worker_started" in events_file.read_bytes(), "what happened")
    finish(repo, 2)
    assert [ended(each) for each in (events, words, last)] == [b""] * 3
    assert events_file.read_bytes() == logs(repo, "--events")
    assert words_file.read_bytes() == logs(repo, "--transcript")
    assert words_file.read_text() == "".join(f"did {number}\n" for number in range(6))
    assert words_file.read_bytes().endswith(last_file.read_bytes())
    assert last_file.read_text().endswith("did 4\ndid 5\n")
    assert b"step_completed" in events_file.read_bytes()


def test_a_follower_ends_when_supervisor_and_agent_are_killed(stepping: MissionRepo) -> None:
    repo = stepping
    go(repo, 0)
    follower, file = following(repo, "killed")
    events, events_file = following(repo, "killed-events", "--events")
    wait_for(lambda: b"line 1" in file.read_bytes())
    wait_for(lambda: b"worker_started" in events_file.read_bytes())
    state = repo.run_state()
    assert state["status"] == "running"
    os.kill(state["supervisor_pid"], signal.SIGKILL)
    repo.started[0].wait(PATIENCE_SECONDS)
    assert follower.poll() is None  # the agent lives, and so its log may grow
    os.kill(state["agent"]["pid"], signal.SIGKILL)
    assert ended(follower) == ended(events) == b""
    assert file.read_bytes() == logs(repo)
    assert repo.run_state()["status"] == "running", "a look has recorded something"


def test_a_run_that_is_laid_out_is_waited_for(repo: MissionRepo) -> None:
    run = ran(repo, "print('said')")
    state = (run / "state.json").read_bytes()
    kept = run.parent / "kept"
    shutil.move(run / "stdout.log", kept)
    (run / "state.json").write_text(json.dumps({**json.loads(state), "status": "prepared"}))
    answer = repo.run("logs")
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert answer.stderr == f"note: run {run.name} has not started yet\n"
    follower, file = following(repo, "waits")
    assert follower.stderr is not None
    assert b"has not started yet" in follower.stderr.readline()
    shutil.move(kept, run / "stdout.log")
    wait_for(lambda: file.read_bytes() == b"said\n", "the log that came later")
    assert follower.poll() is None
    (run / "state.json").write_bytes(state)
    ended(follower)
    assert file.read_bytes() == b"said\n"


def test_a_record_that_vanishes_under_a_follower_is_told(stepping: MissionRepo) -> None:
    repo = stepping
    follower, file = following(repo, "vanishes")
    wait_for(file.read_bytes)
    os.rename(repo.run_dir(), repo.path / "elsewhere")
    _, stderr = follower.communicate(timeout=PATIENCE_SECONDS)
    assert follower.returncode == 5
    assert b"was removed while it was followed" in stderr
    assert b"Traceback" not in stderr


def test_the_last_lines_of_each_log(repo: MissionRepo) -> None:
    ran(repo, "import sys\nfor n in range(100_000): print('line', n)\nsys.stdout.write('end')")
    every = logs(repo).splitlines(keepends=True)
    assert len(every) == 100_001
    for count in (0, 1, 2, 50_000, 100_001, 200_000):
        wanted = every[max(0, len(every) - count) :]
        assert logs(repo, "--tail", str(count)) == b"".join(wanted)
    assert logs(repo, "--tail", "2", "-f") == b"line 99999\nend"
    offsets = [each["offset"] for each in objects(logs(repo, "--json", "--tail", "2"))]
    size = (repo.run_dir() / "stdout.log").stat().st_size
    assert offsets == [size - 14, size - 3]
    events = logs(repo, "--events").splitlines()
    assert logs(repo, "--events", "--tail", "2").splitlines() == events[-2:]
    assert len(objects(logs(repo, "--events", "--json", "--tail", "2"))) == 2


def test_since_shows_what_was_written_then_and_never_less(repo: MissionRepo) -> None:
    run = ran(repo, "print('old'); print('new')")
    entries = [["stdout", 0, "2026-01-01T10:00:00.000Z"], ["stdout", 6, "2026-01-01T12:00:00.000Z"]]
    (run / "output.index").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    # The second entry lies inside a line, as blocks do: the line is shown whole.
    assert logs(repo, "--since", "2026-01-01T12:00:00Z") == b"new\n"
    assert logs(repo, "--since", "2026-01-01T11:59:59Z") == b"old\nnew\n"
    assert logs(repo, "--since", "2020-01-01") == b"old\nnew\n"
    assert logs(repo, "--since", "2026-01-01T12:00:00Z", "--raw", "-f") == b"new\n"
    (run / "output.index").unlink()
    assert logs(repo, "--since", "1s") == b"old\nnew\n"
    events = objects(logs(repo, "--events", "--json"))
    last = events[-1]["created_at"]
    assert objects(logs(repo, "--events", "--json", "--since", last)) == [
        event for event in events if event["created_at"] >= last
    ]
    later = (datetime.fromisoformat(last) + timedelta(seconds=1)).isoformat()
    assert logs(repo, "--events", "--since", later) == b""
    answer = repo.run("logs", "--since", "soon")
    assert answer.exit_code == 2
    assert "hint: write `10m`" in answer.stderr


def test_events_are_lines_of_time_type_and_message(repo: MissionRepo) -> None:
    run = ran(repo, "pass")
    lines = logs(repo, "--events").decode().splitlines()
    assert len(lines) == len(repo.events())
    for line, event in zip(lines, repo.events(), strict=True):
        local = datetime.fromisoformat(event["created_at"]).astimezone()
        assert line.startswith(
            f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}  {event['type']} "
        )
        assert line[14:].index(event["message"]) == 23
    shown = objects(logs(repo, "--events", "--json"))
    head = {"schema_version": 1, "kind": "log.event"}
    assert shown == [{**head, **event} for event in repo.events()]
    assert shown[0]["event_id"] == f"{run.name}:event:0001"


def test_a_torn_line_is_left_out_and_told(repo: MissionRepo) -> None:
    run = ran(repo, TALK)
    whole = logs(repo, "--events"), logs(repo, "--transcript")
    with open(run / "worker.log", "ab") as file:
        file.write(b'not JSON\n{"seq": 99, "ty')
    with open(run / "transcript.jsonl", "ab") as file:
        file.write(b'{"type": "mess')
    for follow in ([], ["-f"]):
        events = repo.run("logs", "--events", *follow)
        assert (events.exit_code, events.stdout.encode()) == (0, whole[0])
        assert events.stderr.splitlines() == [
            "note: 1 line of worker.log could not be read: left out",
            "note: the last line of worker.log is torn and left out",
        ]
        words = repo.run("logs", "--transcript", *follow)
        assert (words.exit_code, words.stdout.encode()) == (0, whole[1])
        assert words.stderr == "note: the last line of transcript.jsonl is torn and left out\n"
    assert len(objects(repo.run("logs", "--events", "--json").stdout.encode())) == len(
        whole[0].splitlines()
    )


def test_a_transcript_is_told_in_words(repo: MissionRepo) -> None:
    run = ran(repo, TALK)
    assert logs(repo, "--transcript").decode().splitlines() == WORDS
    assert logs(repo, "--transcript", "--tail", "2").decode().splitlines() == WORDS[-2:]
    shown = objects(logs(repo, "--transcript", "--json"))
    lines = (run / "transcript.jsonl").read_text().splitlines()
    head = {"schema_version": 1, "kind": "log.transcript"}
    assert shown == [{**head, "event": json.loads(line)} for line in lines]
    assert HARMFUL.search(logs(repo, "--transcript", "--json").decode()) is None
    stamped = [{"type": "message", "text": f"at {n}", "timestamp": f"2026-01-0{n}"} for n in (1, 2)]
    (run / "transcript.jsonl").write_text(
        "".join(json.dumps(each) + "\n" for each in [*stamped, {"type": "message", "text": "ever"}])
    )
    assert logs(repo, "--transcript", "--since", "2026-01-02T00:00Z") == b"at 2\never\n"


def test_a_transcript_of_a_runtime_that_is_gone_is_shown_as_it_stands(repo: MissionRepo) -> None:
    run = ran(repo, 'print(\'{"type": "message", "text": "\\\\u009b \\x7fhi"}\')')
    mission = repo.mission()
    del mission["runtimes"]["scripted"]
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    kept = (run / "transcript.jsonl").read_text()
    assert logs(repo, "--transcript").decode() == kept.replace("\x7f", "")


def test_very_long_lines_come_in_pieces(repo: MissionRepo) -> None:
    ran(repo, "print('y' * 2_500_000); print('after')")
    shown = objects(logs(repo, "--json"))
    assert [len(each["text"]) for each in shown] == [1 << 20, 1 << 20, 2_500_000 - (2 << 20), 5]
    assert [each.get("partial") for each in shown] == [True, True, None, None]
    assert [each["offset"] for each in shown] == [0, 1 << 20, 2 << 20, 2_500_001]
    assert all(each["kind"] == "log.line" and each["stream"] == "stdout" for each in shown)
    assert logs(repo) == b"y" * 2_500_000 + b"\nafter\n"


def test_an_agent_that_had_the_terminal_has_no_log(repo: MissionRepo) -> None:
    run = ran(repo, "pass")
    meta = json.loads((run / "meta.json").read_text())
    (run / "meta.json").write_text(json.dumps({**meta, "mode": "interactive"}))
    for name in ("stdout.log", "stderr.log"):
        (run / name).unlink()
    for options in ([], ["--stderr"], ["-f"], ["--json"], ["--tail", "3", "--since", "1h"]):
        answer = repo.run("logs", *options)
        assert (answer.exit_code, answer.stdout) == (0, "")
        assert answer.stderr.startswith("note: the agent had the terminal")
    assert repo.run("logs", "--events").stderr == ""


def test_what_is_not_known_is_told_with_what_is_closest(repo: MissionRepo) -> None:
    assert "nothing was handed off yet" in repo.run("logs").stderr
    run = ran(repo, "pass")
    for name, words in (
        (run.name[:4], f"closest: `{run.name}`"),
        ("sess-002", f"closest: `{repo.session_id()}`"),
        ("T-0011", "closest: `T-001`"),
        ("T-002", "task `T-002` has no run"),
        ("../../etc", "no task matches"),
    ):
        answer = repo.run("logs", name)
        assert (answer.exit_code, answer.stdout) == (2, "")
        assert words in answer.stderr
        assert "hint: " in answer.stderr
    refused = repo.run("logs", "r001-zzzzzz", "--json")
    assert json.loads(refused.stderr)["code"] == "RUN_NOT_FOUND"
    for options in (["--raw", "--json"], ["--raw", "--events"], ["--stderr", "--transcript"]):
        assert repo.run("logs", *options).exit_code == 2


def test_the_shell_completes_what_names_a_run(repo: MissionRepo) -> None:
    run = ran(repo, "pass")
    shell = {"_MISSION_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    for begun, word in ((run.name[:5], run.name), ("sess", "sess-001"), ("T-", "T-001")):
        answer = repo.run(COMP_WORDS=f"mission logs {begun}", **shell)
        assert word in answer.stdout


def test_lost_output_is_told(repo: MissionRepo) -> None:
    run = ran(repo, "print('kept')")
    gap = {"stream": "stdout", "offset": 5, "bytes": 400, "reason": "No space left on device"}
    (run / "output.lost").write_text(json.dumps(gap) + "\n")
    answer = repo.run("logs")
    assert answer.stdout == "kept\n"
    assert "of stdout could not be kept: No space left on device" in answer.stderr
    assert repo.run("logs", "--stderr").stderr == ""


def test_a_symlink_in_a_record_is_not_followed(repo: MissionRepo) -> None:
    run = ran(repo, "pass")
    (repo.path / "secret").write_text("secret\n")
    (run / "stdout.log").unlink()
    (run / "stdout.log").symlink_to(repo.path / "secret")
    for options in ([], ["-f"], ["--raw"]):
        answer = repo.run("logs", *options)
        assert (answer.exit_code, answer.stdout) == (5, "")


def test_reading_touches_nothing_and_needs_no_right_to_write(repo: MissionRepo) -> None:
    ran(repo, TALK)
    (repo.state / "index").unlink(missing_ok=True)
    folders = [repo.state, *(path for path in repo.state.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)

    def seen() -> dict[Path, tuple[int, ...]]:
        stats = {path: path.stat() for path in (repo.path, *repo.path.rglob("*"))}
        return {p: (s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for p, s in stats.items()}

    before = seen()
    for options in ([], ["-f"], ["--events", "-f"], ["--transcript"], ["--since", "1h"], ["T-001"]):
        logs(repo, *options)
    for name in ("T-002", "T-999", "r001"):
        assert repo.run("logs", name).exit_code == 2
    assert seen() == before
    for folder in folders:
        folder.chmod(0o700)


def test_logs_are_shown_while_the_mission_is_locked(repo: MissionRepo) -> None:
    ran(repo, "print('said')")
    program = (
        "import sys\nfrom mosaic.machine.lock import mission_lock\n"
        "with mission_lock(sys.argv[1], holder='a test'):\n"
        "    print(flush=True)\n    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(repo.state / "mission.lock")],
        env=repo.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert logs(repo, "-f") == b"said\n"
    finally:
        holder.communicate(timeout=PATIENCE_SECONDS)


def test_a_follower_is_interrupted_and_cut_off_quietly(stepping: MissionRepo) -> None:
    repo = stepping
    interrupted, file = following(repo, "interrupted")
    wait_for(file.read_bytes)
    interrupted.send_signal(signal.SIGINT)
    _, stderr = interrupted.communicate(timeout=PATIENCE_SECONDS)
    assert (interrupted.returncode, stderr.strip()) == (130, b"")
    cut = logs_process(repo, "-f")
    assert cut.stdout is not None
    assert cut.stderr is not None
    assert cut.stdout.read(4) == b"line"
    cut.stdout.close()
    finish(repo)
    assert cut.wait(PATIENCE_SECONDS) == 0
    assert cut.stderr.read() == b""


def test_a_locale_without_unicode_shows_what_it_can(repo: MissionRepo) -> None:
    ran(repo, "import sys; sys.stdout.buffer.write('schön 漢\\n'.encode())")
    plain = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    answer = repo.run("logs", **plain)
    assert (answer.exit_code, answer.stdout) == (0, "sch?n ?\n")
    assert json.loads(repo.run("logs", "--json", **plain).stdout)["text"] == "schön 漢"
