"""Runs: what their records say, and the one that a person names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import RunNotFoundError
from mosaic.model import RunStatus
from mosaic.records import dataclass
from mosaic.runs.checkpoint import last_seq
from mosaic.runs.folders import find_named_run, newest_run, runs_of_task

if TYPE_CHECKING:
    from datetime import datetime

    from mosaic.model import EndReason
    from mosaic.runs.record import Run
    from mosaic.store.mission_file import MissionDocument


@dataclass(frozen=True, kw_only=True, slots=True)
class RunView:
    """A run as its record describes it; of one that cannot be read only the first three."""

    run_id: str
    dir: str
    status: str
    """One word: its own status, `crashed` where its process is gone, or `unreadable`."""
    step_id: str = ""
    step_kind: str = ""
    attempt: int = 0
    session_id: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    summary: str = ""
    checkpoint_seq: int = 0
    last_checkpoint: int = 0
    reason: EndReason | None = None


OF_META = ("step_id", "step_kind", "attempt", "session_id", "created_at")
OF_STATE = ("started_at", "finished_at", "exit_code", "summary", "checkpoint_seq", "reason")


def view_run(run: Run) -> RunView:
    """Return what a run's record says."""
    meta, state = run.find_meta(), run.find_state()
    if meta is None or state is None:
        return RunView(run_id=run.id, dir=str(run.dir), status="unreadable")
    status = state.status.value
    if state.status is RunStatus.RUNNING:
        from mosaic.sessions.recovery import is_dead  # start-up: few runs are at work

        status = "crashed" if is_dead(run, state) else status
    return RunView(
        run_id=run.id,
        dir=str(run.dir),
        status=status,
        **{name: getattr(meta, name) for name in OF_META},
        **{name: getattr(state, name) for name in OF_STATE},
        last_checkpoint=last_seq(run),
    )


def find_logged_run(document: MissionDocument, name: str | None) -> Run:
    """Return the run that a person means by the id of a run, a session or a task.

    None stands for the newest session's run. Nothing is written, not even the index of tasks.
    """
    from mosaic.store.assemble import build_snapshot
    from mosaic.store.scan import scan_tasks

    runs_dir, sessions = document.layout.runs_dir, document.mission.sessions
    if name is None:
        return newest_run(runs_dir, sessions)
    run = find_named_run(runs_dir, sessions, name)
    if run is not None:
        return run
    snapshot = build_snapshot(document, scan_tasks(document.layout), {})
    task_id = (snapshot.find(name) or snapshot.get(name)).task.id
    runs = runs_of_task(runs_dir, task_id)
    if not runs:
        raise RunNotFoundError(
            f"task `{task_id}` has no run", hint=f"`mission next --task {task_id}` makes one"
        )
    return runs[-1]
