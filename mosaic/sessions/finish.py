"""What work that an agent calls finished still lacks, beside its handoff: scope and gates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import GitRefusedError, MissionError
from mosaic.machine.git import find_repository, find_work_tree
from mosaic.machine.left_out import PRIVATE
from mosaic.machine.rebuild import has_object
from mosaic.machine.tree_diff import compare_trees
from mosaic.model import EndReason, GatePolicy, Mode, Status
from mosaic.plan.scopes import outside_scope
from mosaic.runs.checkpoint import read_checkpoints
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.folders import is_session_run, runs_of_task
from mosaic.runs.snapshots import state_prefix
from mosaic.sessions.gates import run_gates
from mosaic.sessions.homecoming import bring_home
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.machine.tree_diff import FileChange
    from mosaic.model import Task
    from mosaic.ports import Order
    from mosaic.runs.record import Run, RunMeta
    from mosaic.sessions.gates import GateResult
    from mosaic.sessions.supervisor import RunEnd
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

SHOWN_PATHS = 5


def examine_work(end: RunEnd, run: Run, order: Order) -> tuple[str, ...]:
    """Look at an agent's work when it has ended: write scope, and gates where they are due.

    Both are noted as events of the run. Returns what finished work lacks, in words.
    """
    meta = run.meta()
    bring_home(run, meta)
    try:
        snapshot = read_mission(Path(meta.mission_file))
    except MissionError:
        return ()  # told when the end is recorded
    entry = snapshot.find(meta.task_id)
    if entry is None:
        return ()
    try:
        changed = changed_by_agents(snapshot, entry.task)
    except GitRefusedError as error:
        changed, lacks = None, [f"what it changed is not known: git says: {error.reason}"]
    else:
        lacks = _scope_lacks(run, snapshot, entry.task, changed)
    says_finished = entry.task.status in (Status.REVIEW, Status.DONE)
    policy = snapshot.document.mission.review.gates
    due = policy is GatePolicy.ALWAYS or (policy is GatePolicy.FINISHED and says_finished)
    if due and meta.mode is Mode.HEADLESS:
        if end.reason is not EndReason.STOPPED:
            lacks += _gate_lacks(run, meta, snapshot, changed, order.heartbeat_file)
        elif snapshot.document.mission.quality_gates:
            lacks.append("its gates were not run: it was stopped")
    return tuple(lacks)


def tree_pair(run: Run, top: Path) -> tuple[str, str] | None:
    """Return the trees that a run began and ended with; None where they are not known."""
    try:
        begin = run.state().begin_tree
    except MissionError:
        return None
    end = _last_tree(run)
    if begin is None or end is None:
        return None
    return (begin, end) if all(has_object(top, tree) for tree in (begin, end)) else None


def trees_of(run: Run) -> list[str]:
    """Return the trees that were taken when a run began and ended, as far as any were."""
    try:
        begin = run.state().begin_tree
    except MissionError:
        begin = None
    return [tree for tree in (begin, _last_tree(run)) if tree]


def _last_tree(run: Run) -> str | None:
    trees = [each.checkpoint.tree for each in read_checkpoints([run]).found]
    return next((tree for tree in reversed(trees) if tree), None)


def changes_of_pairs(top: Path, pairs: Sequence[tuple[str, str]]) -> list[FileChange]:
    """Return what was changed between trees, pair after pair, and not changed back since.

    Raises:
        GitError: git could not tell.
    """
    if not pairs:
        return []
    touched = {
        change.path
        for begin, end in pairs
        for change in compare_trees(top, begin, end, find_renames=False)
    }
    net = compare_trees(top, pairs[0][0], pairs[-1][1])
    return [c for c in net if c.path in touched or (c.old_path or c.path) in touched]


def changed_by_agents(snapshot: Snapshot, task: Task) -> list[str] | None:
    """Return the files that a task's agents changed, over all its runs; None when not known.

    Raises:
        GitRefusedError: git refuses the repository.
    """
    top = find_repository(snapshot.layout.project)
    runs = runs_of_task(snapshot.layout.runs_dir, task.id)
    agents = [run for run in runs if is_session_run(run)]
    if top is None or not agents:
        return None
    pairs = [pair for run in agents if (pair := tree_pair(run, top)) is not None]
    try:
        changes = changes_of_pairs(top, pairs)
    except MissionError:
        return None
    paths = [path for c in changes for path in (c.path, c.old_path) if path]
    paths += [path for run in agents for path in _private_paths(run)]
    return list(dict.fromkeys(paths)) if pairs else None


def _private_paths(run: Run) -> list[str]:
    """Return the private files that changed in a run; no tree holds them."""
    try:
        begun = run.meta().created_at.timestamp() * 1e9
    except MissionError:
        return []
    found = read_checkpoints([run]).found
    left_out = found[-1].checkpoint.left_out if found else ()
    return [each.path for each in left_out if each.reason == PRIVATE and each.mtime_ns >= begun]


def own_files(layout: Layout, top: Path, task: Task) -> list[str]:
    """Return the files that a task may always change, and that the mission itself changes."""
    paths = [layout.tasks_file, layout.scratchpad_file, layout.mission_file]
    if task.file:
        paths.append(layout.project / task.file)
    return [name for path in paths if (name := state_prefix(path, top)) is not None]


def scope_violations(layout: Layout, task: Task, changed: Sequence[str] | None) -> list[str]:
    """Return the changed files that a task's write scope does not allow."""
    top = find_work_tree(layout.project)
    if not changed or top is None:
        return []
    own = set(own_files(layout, top, task))
    return outside_scope([path for path in changed if path not in own], task.write_scope)


def _scope_lacks(run: Run, snapshot: Snapshot, task: Task, changed: list[str] | None) -> list[str]:
    outside = scope_violations(snapshot.layout, task, changed)
    if not outside:
        return []
    shown = ", ".join(f"`{path}`" for path in outside[:SHOWN_PATHS])
    more = f" and {len(outside) - SHOWN_PATHS} more" if len(outside) > SHOWN_PATHS else ""
    message = f"it changed files outside of its write scope: {shown}{more}"
    EventLog(run).append(
        EventType.SCOPE_VIOLATED, message, level="warning", data={"paths": outside}
    )
    return [] if snapshot.document.mission.review.allow_out_of_scope else [message]


def _gate_lacks(
    run: Run,
    meta: RunMeta,
    snapshot: Snapshot,
    changed: list[str] | None,
    heartbeat_file: str | None,
) -> list[str]:
    log = EventLog(run)

    def note(result: GateResult) -> None:
        log.append(
            EventType.GATE_PASSED if result.is_green else EventType.GATE_FAILED,
            f"gate `{result.gate.name}` {result.words}",
            level="info" if result.is_green else "warning",
            data={
                "gate": result.gate.name,
                "outcome": result.outcome,
                "run_id": result.run.id if result.run else None,
            },
        )

    try:
        results = run_gates(
            snapshot,
            meta.task_id,
            cwd=Path(meta.cwd),
            changed=changed,
            heartbeat_file=heartbeat_file,
            tell=note,
        )
    except MissionError as error:
        return [f"its gates could not be run: {error.message}"]
    return [
        f"gate `{result.gate.name}` {result.words}" for result in results if not result.is_green
    ]
