"""Fuzz targets for what Mosaic keeps beside a mission: records, locks, caches."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

from mosaic.codec import is_line
from mosaic.errors import MissionError
from mosaic.machine.log_pipes import find_gaps
from mosaic.machine.signature import Signature
from mosaic.machine.transaction import parse_note
from mosaic.model import Mode, RunStatus
from mosaic.panels.mailbox import read_messages
from mosaic.panels.model import PanelEvent, PanelPlan, PanelStatus
from mosaic.panels.record import Panel
from mosaic.panels.refresh import find_changes
from mosaic.runs.checkpoint import read_checkpoint, write_checkpoint
from mosaic.runs.events import EventLog, EventType, read_events
from mosaic.runs.reading import Stream, since_offset
from mosaic.runs.record import Run, write_request
from mosaic.sessions.liveness import find_locks
from mosaic.sessions.session_lock import read_lock, write_lock
from mosaic.store.index import SETTLED_NS, Index, dump_index, parse_index
from mosaic.store.layout import Layout, layout_of
from mosaic.store.parsed import parse_task_file
from mosaic.store.rows import parse_table
from mosaic.store.scan import list_files, scan_listed, scan_tasks
from mosaic.store.sync import dump_base, parse_base
from mosaic.workspaces.record import list_workspaces, read_workspace, write_workspace
from tests.fuzz.scratch import MOMENT, scratch

TASK = "---\ntask_id: T-00{0}\ntitle: Task {0}\nstatus: todo\nextra: {0}\n---\n\n## Notes\n"
TABLE = "| ID | Title | Status |\n| --- | --- | --- |\n| T-001 | Task 1 | todo |\n"
PLAN = PanelPlan(
    id="panel-001", question="?", created_at=MOMENT, workers=(), mission_file="/mission.json"
)


@cache
def layout() -> Layout:
    """Return the layout of a small mission of this process."""
    project = scratch() / "project"
    made = layout_of(project / "coordination" / "mission.json", project, {})
    made.tasks_dir.mkdir(parents=True)
    made.session_locks_dir.mkdir(parents=True)
    made.worktrees_dir.mkdir(parents=True)
    made.tasks_file.write_text(TABLE)
    for number in (1, 2):
        (made.tasks_dir / f"T-00{number}.md").write_text(TASK.format(number))
    return made


def folder(name: str) -> Path:
    """Return a folder of the state folder."""
    path = layout().runs_dir / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def run_state(data: bytes) -> None:
    """A state.json is read or refused, and one that was read is written as it was."""
    run = Run(dir=folder("T-001") / "r001-abc")
    run.dir.mkdir(exist_ok=True)
    (run.dir / "state.json").write_bytes(data)
    try:
        state = run.state()
    except MissionError:
        return
    assert state.status in RunStatus
    assert is_line(state.runtime_session_id or "")
    run.write_state(state)
    assert run.state() == state


def run_meta(data: bytes) -> None:
    """A meta.json and a result.json are read or refused; a meta.json is written as it was."""
    run = Run(dir=folder("T-001") / "r002-abc")
    run.artifacts.mkdir(parents=True, exist_ok=True)
    for name in ("meta.json", "result.json", "settled.json"):
        (run.dir / name).write_bytes(data)
    find_changes(run)
    run.find_result()
    try:
        meta = run.meta()
    except MissionError:
        return
    assert meta.mode in Mode
    assert all(map(is_line, (meta.task_id, meta.step_id, meta.run_id, meta.runtime)))
    write_request(run, meta, prompt="", capsule="")
    assert run.meta() == meta


def events(data: bytes) -> None:
    """What is appended to a log of events is its last event, whatever stood there before."""
    run = Run(dir=folder("T-001") / "r003-abc")
    run.dir.mkdir(exist_ok=True)
    for name in ("worker.log", "output.lost", "output.index"):
        (run.dir / name).write_bytes(data)
    find_gaps(run.dir)
    since_offset(run, Stream.STDOUT, MOMENT)
    read_events(run)
    EventLog(run).append(EventType.WORKER_STARTED, "words")
    last = read_events(run).events[-1]
    assert (last.type, last.message) == ("worker_started", "words")


def checkpoint(data: bytes) -> None:
    """A checkpoint's record is read or refused, and one that was read is written as it was."""
    run = Run(dir=folder("T-001") / "r004-abc")
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    path = run.checkpoints / "0001.json"
    path.write_bytes(data)
    try:
        found = replace(read_checkpoint(path), seq=1, created_at=MOMENT)
    except MissionError:
        return
    names = (found.task_id, found.run_id, found.trigger, found.patch or "", found.branch or "")
    assert all(map(is_line, names))
    assert "/" not in (found.patch or "")
    write_checkpoint(run, found)
    assert read_checkpoint(path) == found


def panel(data: bytes) -> None:
    """A panel's plan and state are read or refused, and written as they were."""
    found = Panel(dir=folder("panel-001"))
    for name in ("panel.json", "state.json", "events.jsonl"):
        (found.dir / name).write_bytes(data)
    try:
        plan = found.plan()
        found.write_plan(plan)
        assert found.plan() == plan
    except MissionError:
        found.write_plan(PLAN)
    found.mailbox("critic-1").write_bytes(data)
    read_messages(found, "critic-1")
    found.note(PanelEvent.STOP_REQUESTED, "words")
    last = (found.dir / "events.jsonl").read_bytes().splitlines()[-1]
    assert json.loads(last)["message"] == "words"
    try:
        state = found.state()
        assert state.status in PanelStatus
        written = found.write_state(state)
        assert found.state().workers == written.workers
    except MissionError:
        return


def worktree(data: bytes) -> None:
    """The record of a worktree is read or refused, and written as it was."""
    path = layout().worktrees_dir / ".T-001.json"
    path.write_bytes(data)
    listed = list_workspaces(layout())
    try:
        found = read_workspace(path)
    except MissionError:
        assert listed == []
        return
    assert found is not None
    assert [found] == listed
    assert found.is_there in (True, False)
    write_workspace(found)
    assert read_workspace(path) == found


def session_lock(data: bytes) -> None:
    """A session lock is read and judged, or refused, and written as it was."""
    path = layout().session_lock
    path.write_bytes(data)
    try:
        found = find_locks(layout())
    except MissionError:
        return
    lock = found[0].lock
    names = (lock.session_id, lock.runtime, lock.task_id, lock.run_id, lock.milestone_id or "")
    assert all(map(is_line, (*names, lock.process.host, lock.process.boot_id)))
    write_lock(path, lock, state_dir=layout().state_dir)
    again = read_lock(path)
    assert again is not None
    assert (again.process, again.run_id) == (found[0].lock.process, found[0].lock.run_id)


def sync_base(data: bytes) -> None:
    """What table and files agreed on is read, or nothing is known; a note is read or refused."""
    dump_base(parse_base(data))
    try:
        parse_note(data, layout().project, layout().is_own_file)
    except (ValueError, MissionError):
        return


@cache
def known_index() -> bytes:
    """Return the index of the small mission."""
    index, place = Index(), layout()
    for path in sorted(place.tasks_dir.iterdir()):
        status = path.stat()
        index.keep_file(
            parse_task_file(path.name, path.read_text()),
            Signature.of(status),
            status.st_ctime_ns + 2 * SETTLED_NS,
        )
    status = place.tasks_file.stat()
    index.keep_rows(
        parse_table(place.tasks_file.read_text()),
        Signature.of(status),
        status.st_ctime_ns + 2 * SETTLED_NS,
    )
    return dump_index(index)


def index(data: bytes) -> None:
    """Whatever stands in the index, tasks are read as without it."""
    place, known = layout(), known_index()
    truth = scan_tasks(place)
    at = int.from_bytes(data[:2], "big") % len(known)
    damaged = known[:at] + data[3:] + known[at + (data[2] if len(data) > 2 else 0) :]
    for content in (data, damaged, known):
        assert scan_listed(place, list_files(place), parse_index(content)) == truth
