"""Records as they are written: byte for byte what earlier versions of Mosaic wrote."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from mosaic.git.diff import FileChange
from mosaic.git.left_out import LeftOut
from mosaic.model import (
    EndReason,
    Mode,
    ProcessIdentity,
    RunStatus,
    SessionLock,
    Usage,
)
from mosaic.panels.model import (
    ExecutionState,
    PanelPlan,
    PanelState,
    WorkerPlan,
    WorkerState,
    WorkerStatus,
)
from mosaic.panels.record import Panel
from mosaic.plan.rules import Rules
from mosaic.ports import EndCause, Ending
from mosaic.records import replace
from mosaic.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.record import Run, RunMeta, RunState
from mosaic.runs.report import AgentReport, Artifact, Followup
from mosaic.runs.result import RunEnd, write_result
from mosaic.runs.transcript import Unread
from mosaic.sessions.recovery import find_kept_ends, keep_end
from mosaic.sessions.rules import write_rules
from mosaic.sessions.session_lock import read_lock, write_lock
from mosaic.store.layout import layout_of
from mosaic.workspaces.record import Workspace, read_workspace, write_workspace

GOLDEN = Path(__file__).parents[2] / "data" / "records"
NOW = datetime(2026, 3, 21, 11, 41, 39, 120_900, tzinfo=UTC)
LATER = datetime(2026, 3, 21, 14, 0, tzinfo=timezone(timedelta(hours=2)))
PROCESS = ProcessIdentity(pid=7, started_at="1464454", boot_id="b", host="here")
META = RunMeta(
    task_id="T-001",
    step_id="helper",
    run_id="r001-abc",
    session_id="sess-001",
    attempt=2,
    runtime="helper",
    mode=Mode.HEADLESS,
    argv=("sh", "-c", "é\n{prompt}"),
    step_kind="helper",
    cwd="/project",
    mission_file="/project/coordination/mission.json",
    branch=None,
    base_commit="a" * 40,
    timeout_seconds=60,
    created_at=NOW,
    prompt={"template": "t", "sizes": [1, 2]},
    agent={"program": "sh", "version": None},
    tool_version="0.1.0",
    rules_sha256="d" * 64,
)
REPORT = AgentReport(
    summary="planned",
    needs_human=True,
    artifacts=(Artifact(name="plan", kind="document", path="artifacts/plan.md"),),
    suggested_followup=(Followup(step_name="migrate", reason="next"),),
)
USAGE = Usage(input_tokens=5, output_tokens=6, cost_usd=0.25)


def meta(folder: Path) -> object:
    Run(dir=folder).write_meta(META)
    read = replace(META, created_at=NOW.replace(microsecond=120_000))
    assert Run(dir=folder).meta() == read
    return folder / "meta.json"


def state(folder: Path) -> object:
    whole = RunState(
        status=RunStatus.FAILED,
        attempt=2,
        started_at=LATER,
        updated_at=LATER,
        finished_at=LATER,
        last_event_seq=4,
        exit_code=1,
        reason=EndReason.TIMEOUT,
        summary="too\nlong",
        agent=PROCESS,
        supervisor_pid=5,
        runtime_session_id="talk",
        last_activity="é",
        output_bytes=9,
        usage=USAGE,
        begin_tree="b" * 40,
        place={"executor": "tmux", "pane": "%1"},
    )
    Run(dir=folder).write_state(whole)
    assert Run(dir=folder).state() == whole
    return folder / "state.json"


def first_state(folder: Path) -> object:
    Run(dir=folder).write_state(RunState(status=RunStatus.PREPARED))
    return folder / "state.json"


def result(folder: Path) -> object:
    run = Run(dir=folder)
    (folder / "stdout.log").write_bytes(b"abc")
    run.artifacts.mkdir()
    (run.artifacts / "plan.md").write_bytes(b"plan")
    end = RunEnd(
        ended=EndReason.BLOCKED,
        ending=Ending(ok=True, cause=EndCause.OK, message="`sh` ended well", warnings=("w",)),
        started_at=NOW,
        ended_at=LATER,
        duration_seconds=1.2345,
        exit_code=0,
        conversation="talk",
        usage=USAGE,
        unread=Unread(passed_over_bytes=3, skipped_bytes=4),
        answer="two\nlines",
        report=REPORT,
    )
    write_result(
        run,
        META,
        end,
        status=RunStatus.BLOCKED,
        reason=EndReason.BLOCKED,
        summary="asks",
        events=4,
    )
    assert run.find_result().summary == "asks"
    return folder / "result.json"


def checkpoint(folder: Path) -> object:
    run = Run(dir=folder)
    run.checkpoints.mkdir()
    whole = Checkpoint(
        seq=3,
        types=("summary", "git_diff"),
        created_at=LATER,
        trigger="command",
        summary="2 files",
        task_id="T-001",
        run_id="r001-abc",
        base_commit="a" * 40,
        files=(FileChange(path="é", kind="added", added_lines=2),),
        files_total=1,
        left_out=(LeftOut(path="big", reason="large", size_bytes=1, mtime_ns=2, sha256=None),),
        patch="0003.patch",
    )
    write_checkpoint(run, whole)
    assert read_checkpoint(run.checkpoints / "0003.json") == whole
    return run.checkpoints / "0003.json"


def events(folder: Path) -> object:
    log = EventLog(Run(dir=folder), clock=lambda: NOW)
    log.append(EventType.WORKER_STARTED, "é", data={"pid": 7})
    log.append(EventType.STEP_FAILED, "failed", level="error")
    data = (folder / "worker.log").read_bytes().replace(folder.name.encode(), b"r001-abc")
    (folder / "worker.log").write_bytes(data)
    return folder / "worker.log"


def rules(folder: Path) -> object:
    known = Rules(settings={"qualityGates": "a\nb", "statuses": {}}, write_scope=("src/**",))
    write_rules(Run(dir=folder), known)
    return folder / "rules.json"


def panel_plan(folder: Path) -> object:
    worker = WorkerPlan(name="critic-1", role="critic", runtime="claude")
    plan = PanelPlan(
        id="panel-001",
        question="what\nnow?",
        created_at=LATER,
        workers=(worker,),
        mission_file="/m",
        timeout_seconds=1.5,
    )
    Panel(dir=folder).write_plan(plan)
    assert Panel(dir=folder).plan() == plan
    return folder / "panel.json"


def panel_state(folder: Path) -> object:
    worker = WorkerState(
        status=WorkerStatus.RUNNING,
        execution_state=ExecutionState.LAUNCHING,
        run_id="r001-abc",
        runs=("r001-abc",),
        dropped=("a\nb",),
        launcher=PROCESS,
    )
    panel_plan(folder)
    whole = PanelState(workers={"critic-1": worker}, problems=("p",))
    written = Panel(dir=folder).write_state(whole)
    assert Panel(dir=folder).state().workers == written.workers
    path = folder / "state.json"
    text = path.read_text()
    start = text.index('"updated_at"')
    path.write_text(text[:start] + '"updated_at": "2026-03-21T12:00:00.000Z"\n}\n')
    return path


def lock(folder: Path) -> object:
    known = SessionLock(
        session_id="sess-001",
        runtime="helper",
        process=PROCESS,
        supervisor_pid=5,
        started_at=LATER,
        project_path="/project",
        task_id="T-001",
        run_id="r001-abc",
    )
    write_lock(folder / "session.lock", known, state_dir=folder)
    assert read_lock(folder / "session.lock") == known
    return folder / "session.lock"


def worktree(folder: Path) -> object:
    known = Workspace(
        name="T-001",
        owner="T-001",
        path=folder / "T-001",
        home=Path("/home"),
        project=Path("/home/project"),
        mission_file=Path("/home/project/coordination/mission.json"),
        branch="task/T-001",
        is_own_branch=True,
        base_commit="a" * 40,
        created_at=LATER,
        is_added=True,
        furnished=(".env",),
    )
    write_workspace(known)
    assert read_workspace(known.record) is not None
    data = known.record.read_bytes().replace(bytes(folder), b"/worktrees")
    known.record.write_bytes(data)
    return known.record


def kept_end(folder: Path) -> object:
    mission_file = folder / "coordination" / "mission.json"
    mission_file.parent.mkdir()
    mission_file.write_text("{}")
    layout = layout_of(mission_file, folder, {})
    (folder / ".git").mkdir()
    facts = RunEnd(
        ended=EndReason.FAILED,
        ending=Ending(
            ok=False, cause=EndCause.QUOTA, message="no more", retryable=True, warnings=("w",)
        ),
        ended_at=LATER,
        duration_seconds=3.5,
        exit_code=None,
        conversation="talk",
        usage=USAGE,
        answer="two\nlines",
        started_at=NOW,
        lost_output=("x",),
        unread=Unread(passed_over_bytes=3),
        report=REPORT,
        lacks=("gates",),
        rules=Rules(settings={"notify": []}),
    )
    read = replace(facts, started_at=NOW.replace(microsecond=120_000), unread=Unread())
    path = keep_end(layout, replace(META, mission_file=str(mission_file)), facts)
    assert path is not None
    [(_, kept)] = find_kept_ends(layout)
    assert replace(kept.facts, rules=kept.rules) == read
    path.write_bytes(path.read_bytes().replace(bytes(folder), b"/project"))
    return path


WRITERS: dict[str, Callable[[Path], object]] = {
    "meta.json": meta,
    "state.json": state,
    "first_state.json": first_state,
    "result.json": result,
    "checkpoint.json": checkpoint,
    "worker.log": events,
    "rules.json": rules,
    "panel.json": panel_plan,
    "panel_state.json": panel_state,
    "session.lock": lock,
    "worktree.json": worktree,
    "kept_end.json": kept_end,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_record_is_written_as_before(tmp_path: Path, name: str) -> None:
    written = Path(str(WRITERS[name](tmp_path))).read_bytes()
    assert written.decode() == (GOLDEN / name).read_text(encoding="utf-8")
