"""Records that somebody else wrote: ids, names and reasons are one line of a bounded length."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.codec import LONGEST_LINE, dump_json
from mosaic.errors import LockFileError, RecordError
from mosaic.model import Session
from mosaic.panels.mailbox import read_messages
from mosaic.panels.record import Panel
from mosaic.runs.checkpoint import read_checkpoint
from mosaic.runs.record import Run
from mosaic.sessions.record_end import with_session_block
from mosaic.sessions.session_lock import read_lock
from mosaic.workspaces.record import read_workspace
from tests.support.mission import MissionRepo, wait_for

NOW = datetime(2026, 3, 21, tzinfo=UTC)
TIME = "2026-03-21T11:41:39Z"
HOSTILE = [
    "x\ntouch pwned #", "x\r## heading", "\x1b[31m", "x\x85y", "x\u2028y", "\0", "x\x9by",
    "x" * (LONGEST_LINE + 1), "x" * 3_000_000,
]  # fmt: skip
PROCESS = {"pid": 1, "started_at": "1", "boot_id": "b", "host": "h"}
RECORDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "session.lock": (
        {"session_id": "s", "runtime": "r", "pid": 1, "started_at": TIME, "task_id": "T-1",
         "run_id": "r1", "milestone_id": "M1", "host": "h", "boot_id": "b",
         "pid_started_at": "1"},
        ("session_id", "runtime", "task_id", "run_id", "milestone_id", "host", "boot_id",
         "pid_started_at"),
    ),
    "meta.json": (
        {"task_id": "T-1", "step_id": "s", "run_id": "r1", "session_id": "s", "attempt": 1,
         "runtime": "r", "mode": "headless", "argv": ["a\nb"], "cwd": "/a\nb",
         "mission_file": "/m", "branch": "main", "base_commit": "abcd", "timeout_seconds": None,
         "created_at": TIME, "panel_id": "p", "step_kind": "k", "tool_version": "1"},
        ("task_id", "step_id", "run_id", "session_id", "runtime", "branch", "base_commit",
         "panel_id", "step_kind", "tool_version"),
    ),
    "state.json": (
        {"status": "running", "runtime_session_id": "c", "summary": "two\nlines",
         "begin_tree": "abcd", "place": {"executor": "process"}, "agent": PROCESS},
        ("runtime_session_id", "begin_tree"),
    ),
    "result.json": (
        {"outcome": "completed", "reason": "completed", "run_id": "r1", "exit_code": 0,
         "runtime_session_id": "c", "summary": "two\nlines", "answer": "two\nlines",
         "usage": {"input_tokens": 1}},
        ("outcome", "reason", "run_id", "runtime_session_id"),
    ),
    "0001.json": (
        {"seq": 1, "types": ["summary"], "created_at": TIME, "trigger": "end", "summary": "a\nb",
         "task_id": "T-1", "run_id": "r1", "note": "a\nb", "head": "abcd", "tree": "abcd",
         "commit": "abcd", "base_commit": "abcd", "branch": "b", "ref": "refs/x",
         "base_ref": "main", "patch": "0001.patch", "log_tail": "0001.log",
         "files": [{"path": "a\nb", "kind": "added"}]},
        ("trigger", "task_id", "run_id", "head", "tree", "commit", "base_commit", "branch", "ref",
         "base_ref", "patch", "log_tail"),
    ),
    ".T-1.json": (
        {"layout_version": 1, "name": "T-1", "owner": "T-1", "path": "/w", "home": "/p\nq",
         "project": "/p", "mission_file": "/m", "branch": "b", "is_own_branch": False,
         "base_commit": "a" * 40, "created_at": TIME, "base_ref": "main",
         "merged_commit": "b" * 40},
        ("owner", "branch", "base_commit", "base_ref", "merged_commit"),
    ),
    "panel.json": (
        {"layout_version": 1, "id": "panel-001", "question": "a\nb", "created_at": TIME,
         "workers": [{"name": "critic-1", "role": "critic", "runtime": "r"}],
         "mission_file": "/m", "executor": "process", "base_ref": "main"},
        ("id", "executor", "base_ref"),
    ),
}  # fmt: skip
READERS: dict[str, Callable[[Path], object]] = {
    "session.lock": read_lock,
    "meta.json": lambda path: Run(dir=path.parent).meta(),
    "state.json": lambda path: Run(dir=path.parent).state(),
    "result.json": lambda path: Run(dir=path.parent).result(),
    "0001.json": read_checkpoint,
    ".T-1.json": read_workspace,
    "panel.json": lambda path: Panel(dir=path.parent).plan(),
}
FIELDS = [(name, field) for name, (_, fields) in RECORDS.items() for field in fields]


def read(folder: Path, name: str, /, **changes: Any) -> object:
    path = folder / name
    path.write_bytes(dump_json({**RECORDS[name][0], **changes}))
    return READERS[name](path)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_with_lines_where_they_may_be_is_read(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name) is not None


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_an_id_or_name_is_one_line(tmp_path: Path, name: str, field: str) -> None:
    for value in HOSTILE:
        with pytest.raises((LockFileError, RecordError)) as caught:
            read(tmp_path, name, **{field: value})
        words = f"{caught.value}{caught.value.detail}"
        assert len(words) < 500
        assert words.isprintable()


@pytest.mark.parametrize("field", ["pid_started_at", "boot_id", "host"])
def test_a_process_is_told_by_one_line_each(tmp_path: Path, field: str) -> None:
    key = "started_at" if field == "pid_started_at" else field
    with pytest.raises(RecordError):
        read(tmp_path, "state.json", agent={**PROCESS, key: "a\nb"})


@pytest.mark.parametrize("value", ["../../x", "/etc/passwd", "a/b", "..", "."])
def test_a_file_beside_a_record_has_no_path(tmp_path: Path, value: str) -> None:
    with pytest.raises(RecordError):
        read(tmp_path, "0001.json", patch=value)
    worker = {"name": value, "role": "critic", "runtime": "r"}
    with pytest.raises(RecordError):
        read(tmp_path, "panel.json", workers=[worker])


@pytest.mark.parametrize("value", ["--upload-pack=x", "HEAD; x", "", "main"])
def test_an_object_of_git_is_named_by_its_digits(tmp_path: Path, value: str) -> None:
    for field in ("tree", "commit", "head", "base_commit"):
        with pytest.raises(RecordError):
            read(tmp_path, "0001.json", **{field: value})
    with pytest.raises(RecordError):
        read(tmp_path, "state.json", begin_tree=value)


@pytest.mark.parametrize(
    "changes", [{"usage": {"input_tokens": "x"}}, {"usage": {"cost_usd": [1]}}, {"exit_code": "0"},
                {"answer": ["a"]}],
)  # fmt: skip
def test_a_result_is_of_its_kinds(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(RecordError):
        read(tmp_path, "result.json", **changes)
    assert Run(dir=tmp_path).find_result().outcome == ""


def test_a_message_that_names_no_run_is_passed_over(tmp_path: Path) -> None:
    panel = Panel(dir=tmp_path)
    good = {"id": 1, "created_at": TIME, "text": "two\nlines"}
    lines = [json.dumps(each) for each in (good, {**good, "run_id": "a\nb"})]
    panel.mailbox("a").write_text("\n".join(lines) + "\n")
    assert [message.text for message in read_messages(panel, "a")] == ["two\nlines"]


ANYTHING = st.text(max_size=200) | st.sampled_from(HOSTILE[:-1])
SESSION = Session(id="s", runtime="r", started_at=NOW, ended_at=NOW, duration_seconds=3)


@given(st.lists(ANYTHING, min_size=6, max_size=6))
def test_a_block_of_the_scratchpad_is_a_heading_a_line_and_quotes(values: list[str]) -> None:
    session_id, runtime, task_id, status, words, notes = values
    session = replace(SESSION, id=session_id, runtime=runtime, last_task_id=task_id)
    before = "# Scratchpad\n"
    after = with_session_block(before, session, task_status=status, words=words, notes=notes)
    assert after.startswith(before)
    lines = after[len(before) :].splitlines()
    assert lines[0] == ""
    assert lines[1].startswith("## 2026-03-21 ")
    assert lines[2] == ""
    assert ", 3s: " in lines[3]
    assert lines[3][0] not in "#>-*+=~`|<"
    assert all(line.startswith(("> ", ">")) for line in lines[5:])
    assert max(map(len, lines[:4])) < 1_000


def test_a_conversation_that_no_line_can_name_is_not_taken(
    repo: MissionRepo, tmp_path: Path
) -> None:
    agent = tmp_path / "agent.py"
    agent.write_text(
        "import json\n"
        "for name in ('talk-1', 'a\\nb', '--resume-all', 'x' * 5000):\n"
        "    print(json.dumps({'type': 'conversation', 'id': name}))\n"
        "print(json.dumps({'type': 'message', 'text': 'word ' * 5000}))\n"
    )
    path = repo.path / "coordination" / "mission.json"
    mission = json.loads(path.read_text())
    mission["runtimes"]["odd"] = {
        "command": [mission["runtimes"]["quick"]["command"][0], str(agent)]
    }
    path.write_text(json.dumps(mission, indent=2) + "\n")
    assert repo.run("next", "--headless", "--runtime", "odd").exit_code == 0
    assert repo.session()["runtimeSessionId"] == "talk-1"
    assert len(repo.run_state()["last_activity"]) < 1_000


@pytest.mark.parametrize(
    "data", [{"reason": "x"}, {"reason": "completed"}, {"reason": ["a"], "cause": {}}, {}]
)
def test_an_end_in_the_events_that_is_none_is_a_crash(
    repo: MissionRepo, data: dict[str, Any]
) -> None:
    """A supervisor that was killed leaves its events, and somebody else may write there."""
    process = repo.start("next", "--headless", "--runtime", "wait")
    wait_for((repo.path / "begun").exists, "the agent")
    process.kill()
    process.wait()
    os.kill(int((repo.path / "begun").read_text()), 9)
    with open(repo.run_dir() / "worker.log", "a") as log:
        event = {"seq": 99, "type": "worker_exited", "created_at": TIME, "data": data}
        log.write(json.dumps(event) + "\n")
    assert repo.run("status").exit_code == 0
    assert repo.session()["endedReason"] == "crashed"


def test_a_milestone_of_several_lines_leaves_a_lock_that_can_be_read(repo: MissionRepo) -> None:
    path = next((repo.path / "coordination" / "tasks").glob("T-001*"))
    path.write_text(path.read_text().replace("milestone: M1", 'milestone: "M1\\nx"'))
    (repo.path / "coordination" / "TASKS.md").unlink()
    repo.start("next", "--headless", "--runtime", "wait", "--task", "T-001")
    wait_for((repo.path / "begun").exists, "the agent")
    assert repo.run("status").exit_code == 0
    assert repo.run("stop", "--now").exit_code == 0
