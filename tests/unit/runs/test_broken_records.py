"""Records that something damaged: refused in our words, or left out, and never half read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mosaic.codec import dump_json, parse_json, read_moment
from mosaic.errors import LockFileError, MissionError, RecordError
from mosaic.model import ProcessIdentity, SessionLock
from mosaic.panels.mailbox import read_messages
from mosaic.panels.model import PanelEvent, PanelPlan, PanelState, WorkerPlan, WorkerState
from mosaic.panels.record import Panel
from mosaic.runs.events import EventLog, EventType, read_events
from mosaic.runs.record import Run
from mosaic.sessions.session_lock import read_lock, write_lock
from mosaic.workspaces.record import read_workspace

NOW = datetime(2026, 3, 21, tzinfo=UTC)
TIME = "2026-03-21T11:41:39Z"
DEEP = "[" * 100_000
LOCK = {"session_id": "s", "runtime": "r", "pid": 1, "started_at": TIME, "task_id": "T-1",
        "run_id": "r1"}  # fmt: skip
STATE = {"status": "running", "started_at": TIME}


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "1e999", "9" * 400, "9" * 5000, '"\\ud800"', DEEP, "", "\xff"]
)
def test_json_that_no_other_program_could_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_json(text)


def test_names_that_are_no_utf8_are_read_from_json_as_from_a_folder() -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert parse_json(json.dumps([name])) == [name]
    assert parse_json(b'["caf\xe9"]') == [name]


@pytest.mark.parametrize(
    ("text", "kept"),
    [("é", "é"), ("caf\udce9", "caf\udce9"), ("half \ud800", "half ?"), ("\udce9\ud800", "??")],
)
def test_whatever_is_written_is_read_again(text: str, kept: str) -> None:
    assert parse_json(dump_json({"a": text})) == {"a": kept}


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31", "now", None, 7])
def test_a_time_that_no_zone_could_show_is_none(text: object) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_moment(text)


def test_a_time_without_a_zone_is_in_utc() -> None:
    assert read_moment("2026-03-21") == NOW


@pytest.mark.parametrize(
    "change",
    [
        {"pid": float("inf")}, {"pid": -1}, {"pid": 1e308}, {"pid": 2**31}, {"pid": None},
        {"supervisor_pid": -5}, {"started_at": "9999-12-31T23:59"}, {"milestone_id": 7},
        {"started_at": 7}, {"host": "\ud800"},
    ],
)  # fmt: skip
def test_a_session_lock_with_a_wrong_value_is_told_and_left(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    path = tmp_path / "session.lock"
    path.write_text(json.dumps({**LOCK, **change}))
    before = path.read_bytes()
    with pytest.raises(LockFileError):
        read_lock(path)
    assert path.read_bytes() == before


def test_a_session_in_a_folder_that_is_no_utf8_has_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "session.lock"
    lock = SessionLock(
        session_id="s", runtime="r", supervisor_pid=1, started_at=NOW, task_id="T-1", run_id="r1",
        process=ProcessIdentity(pid=0, started_at="", boot_id="", host=""),
        project_path=b"/caf\xe9".decode("utf-8", "surrogateescape"),
    )  # fmt: skip
    write_lock(path, lock, state_dir=tmp_path)
    assert read_lock(path) == replace(lock)


@pytest.mark.parametrize(
    "change",
    [
        {"exit_code": "0"}, {"exit_code": True}, {"last_event_seq": None}, {"summary": ["a"]},
        {"agent": {"pid": "1", "started_at": "", "boot_id": "", "host": ""}}, {"place": []},
        {"usage": {"input_tokens": None}}, {"updated_at": "0001-01-01"}, {"layout_version": "1"},
        {"output_bytes": 2**70},
    ],
)  # fmt: skip
def test_a_run_state_with_a_wrong_value_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "state.json").write_text(json.dumps({**STATE, **change}))
    with pytest.raises(RecordError):
        Run(dir=tmp_path).state()


@pytest.mark.parametrize("version", [None, [], "1"])
def test_a_panel_of_no_version_is_refused(tmp_path: Path, version: object) -> None:
    for name in ("panel.json", "state.json"):
        (tmp_path / name).write_text(json.dumps({"layout_version": version}))
    for read in (Panel(dir=tmp_path).plan, Panel(dir=tmp_path).state):
        with pytest.raises(MissionError):
            read()


@pytest.mark.parametrize("line", [DEEP, '{"seq": Infinity}', '{"seq": -1e308}', "9" * 5000, "\xff"])
def test_lines_beyond_all_measure_are_passed_over_and_appended_to(
    tmp_path: Path, line: str
) -> None:
    panel, run = Panel(dir=tmp_path), Run(dir=tmp_path)
    for path in (tmp_path / "events.jsonl", run.worker_log, panel.mailbox("a")):
        path.write_bytes(line.encode("latin-1") + b"\n")
    assert read_messages(panel, "a") == []
    panel.note(PanelEvent.STOP_REQUESTED, "words")
    assert (
        json.loads((tmp_path / "events.jsonl").read_bytes().splitlines()[-1])["message"] == "words"
    )
    EventLog(run).append(EventType.WORKER_STARTED, "words")
    assert [event.message for event in read_events(run).events] == ["words"]


def test_a_panel_state_without_a_worker_is_refused(tmp_path: Path) -> None:
    panel = Panel(dir=tmp_path)
    worker = WorkerPlan(name="critic-1", role="critic", runtime="claude")
    panel.write_plan(
        PanelPlan(id="p", question="?", created_at=NOW, workers=(worker,), mission_file="/m")
    )
    panel.write_state(PanelState(workers={"critic-1": WorkerState()}))
    assert set(panel.state().workers) == {"critic-1"}
    panel.write_state(PanelState(workers={"critic-2": WorkerState()}))
    with pytest.raises(RecordError, match="critic-1"):
        panel.state()


def test_a_worktree_record_with_a_wrong_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ".T-1.json"
    values = {
        "layout_version": 1, "name": "T-1", "owner": "T-1", "path": "/w", "home": "/p",
        "project": "/p", "mission_file": "/m", "branch": None, "is_own_branch": False,
        "base_commit": "c" * 40, "created_at": TIME,
    }  # fmt: skip
    path.write_text(json.dumps(values))
    assert read_workspace(path) is not None
    for change in ({"mission_file": 7}, {"base_commit": None}, {"furnished": [1]}, {"is_added": 1}):
        path.write_text(json.dumps({**values, **change}))
        with pytest.raises(RecordError):
            read_workspace(path)
