"""What work that an agent calls finished still lacks, beside its handoff: scope and gates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import GitRefusedError, MissionError
from mosaic.git.diff import compare_trees
from mosaic.git.git import find_repository, find_work_tree, has_object
from mosaic.git.snapshot import PRIVATE
from mosaic.model import EndReason, GatePolicy, Mode, Status
from mosaic.plan.gates import parse_gates
from mosaic.plan.rules import judged_by
from mosaic.plan.scopes import outside_scope
from mosaic.records import dataclass
from mosaic.runs.checkpoint import read_checkpoints
from mosaic.runs.events import EventLog, EventType, read_events
from mosaic.runs.folders import is_session_run, runs_of_task
from mosaic.runs.snapshots import state_prefix
from mosaic.sessions.changed_rules import rules_in_force
from mosaic.sessions.collect import bring_home
from mosaic.sessions.gates import run_gates
from mosaic.sessions.plan_edits import note_plan_edits
from mosaic.sessions.record_end import patiently
from mosaic.store.reading import read_mission
from mosaic.store.written import as_written
from mosaic.workspaces.provision import own_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mosaic.git.diff import FileChange
    from mosaic.model import Mission, Task
    from mosaic.runs.record import Run
    from mosaic.sessions.gates import GateResult
    from mosaic.sessions.record_end import EndedWork
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

SHOWN_PATHS = 5


def examine_work(work: EndedWork) -> tuple[str, ...]:
    """Look at an agent's work when it has ended: write scope, and gates where they are due.

    Both are those that its task was claimed with, and are noted as events of the run. Returns
    what finished work lacks, in words.
    """
    run, meta = work.run, work.meta
    bring_home(run, meta)
    try:
        snapshot = patiently(lambda: read_mission(Path(meta.mission_file)))
    except MissionError as error:
        return (f"its write scope and gates were not looked at: {error.message}",)
    entry = snapshot.find(meta.task_id)
    if entry is None:
        return ()
    task, mission = entry.task, judged_by(snapshot.document.mission, work.rules)
    try:
        note_merged_beside(run, snapshot.layout)
        changed = changed_by_agents(snapshot, task)
    except GitRefusedError as error:
        changed, lacks = None, [f"what it changed is not known: git says: {error.reason}"]
    else:
        lacks = _scope_lacks(work, snapshot, mission, task, changed)
        note_plan_edits(run, snapshot, task)
    says_finished = task.status in (Status.REVIEW, Status.DONE)
    policy = mission.review.gates
    due = policy is GatePolicy.ALWAYS or (policy is GatePolicy.FINISHED and says_finished)
    if due and meta.mode is Mode.HEADLESS:
        if work.end.reason is not EndReason.STOPPED:
            lacks += _gate_lacks(work, snapshot, mission, changed)
        elif mission.quality_gates:
            lacks.append("its gates were not run: it was stopped")
    return tuple(lacks)


@dataclass(frozen=True, kw_only=True, slots=True)
class TreePair:
    """What to compare: both are trees or commits."""

    before: str
    after: str
    merged: frozenset[str] = frozenset()
    """Paths that `mission` itself changed in between, beside the agent."""


def tree_pair(run: Run, top: Path) -> TreePair | None:
    """Return the trees that a run began and ended with; None where they are not known."""
    try:
        begin = run.state().begin_tree
    except MissionError:
        return None
    end = _last_tree(run)
    if begin is None or end is None:
        return None
    if not all(has_object(top, tree) for tree in (begin, end)):
        return None
    return TreePair(before=begin, after=end, merged=_merged_beside(run))


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


def note_merged_beside(run: Run, layout: Layout) -> None:
    """Note in a run's record what `mission` merged beside its agent: that is not its change."""
    top = find_work_tree(layout.project)
    pair = tree_pair(run, top) if top else None
    if top is None or pair is None:
        return
    try:
        changes = compare_trees(top, pair.before, pair.after, find_renames=False)
        is_own = own_files(layout, top)
        ours = as_written(layout, [top / c.path for c in changes if not is_own(c.path)])
    except MissionError:
        return
    if ours:
        paths = sorted(path.relative_to(top).as_posix() for path in ours)
        EventLog(run).append(
            EventType.MERGED_BESIDE,
            f"merged by `mission` while it worked: {_some(paths)}",
            data={"paths": paths},
        )


def _merged_beside(run: Run) -> frozenset[str]:
    paths: set[str] = set()
    for event in read_events(run).events:
        found = event.data.get("paths")
        if event.type == EventType.MERGED_BESIDE and isinstance(found, list):
            paths.update(str(path) for path in found)
    return frozenset(paths)


def _some(paths: Sequence[str]) -> str:
    shown = ", ".join(f"`{path}`" for path in paths[:SHOWN_PATHS])
    return f"{shown} and {len(paths) - SHOWN_PATHS} more" if len(paths) > SHOWN_PATHS else shown


def changes_of_pairs(top: Path, pairs: Sequence[TreePair]) -> list[FileChange]:
    """Return what was changed between trees, pair after pair, and not changed back since.

    Raises:
        GitError: git could not tell.
    """
    if not pairs:
        return []
    touched = {
        change.path
        for pair in pairs
        for change in compare_trees(top, pair.before, pair.after, find_renames=False)
        if change.path not in pair.merged
    }
    net = compare_trees(top, pairs[0].before, pairs[-1].after)
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


def own_files(layout: Layout, top: Path) -> Callable[[str], bool]:
    """Return what tells whether a path is one of the mission's own files.

    Whoever plans, reviews or ends a session changes them beside an agent's work, so git alone
    says nothing of who did.
    """
    own = [*own_prefixes(layout, top), state_prefix(layout.state_dir, top)]
    names = tuple(name for name in own if name)
    folders = tuple(f"{name}/" for name in names)
    return lambda path: path in names or path.startswith(folders)


def scope_violations(
    layout: Layout, scope: Sequence[str], changed: Sequence[str] | None
) -> list[str]:
    """Return the changed files that a write scope does not allow."""
    top = find_work_tree(layout.project)
    if not changed or top is None:
        return []
    is_own = own_files(layout, top)
    return outside_scope([path for path in changed if not is_own(path)], scope)


def _scope_lacks(
    work: EndedWork, snapshot: Snapshot, mission: Mission, task: Task, changed: list[str] | None
) -> list[str]:
    run, layout = work.run, snapshot.layout
    rules = rules_in_force(run, work.rules) if work.rules else None
    scope = rules.write_scope if rules else task.write_scope
    top = find_work_tree(layout.project)
    if scope and work.begin_tree and top and tree_pair(run, top) is None:
        return ["its write scope could not be looked at: the trees that it changed are not known"]
    outside = scope_violations(layout, scope, changed)
    if not outside:
        return []
    message = f"it changed files outside of its write scope: {_some(outside)}"
    EventLog(run).append(
        EventType.SCOPE_VIOLATED, message, level="warning", data={"paths": outside}
    )
    return [] if mission.review.allow_out_of_scope else [message]


def _gate_lacks(
    work: EndedWork, snapshot: Snapshot, mission: Mission, changed: list[str] | None
) -> list[str]:
    log = EventLog(work.run)

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
            work.meta.task_id,
            cwd=Path(work.meta.cwd),
            gates=parse_gates(mission.quality_gates),
            changed=changed,
            heartbeat_file=work.order.heartbeat_file,
            tell=note,
        )
    except MissionError as error:
        return [f"its gates could not be run: {error.message}"]
    return [
        f"gate `{result.gate.name}` {result.words}" for result in results if not result.is_green
    ]
