"""What was changed while agents worked, as the trees of their runs tell.

Each run has the tree that it began with and those of its checkpoints. What `mission` itself
merged beside an agent, and the mission's own files, are not an agent's change. Edits of the plan
by hand (other tasks' files, and the table) are allowed, and worth a look; whether the agent or
a person made them cannot be known.
"""

from __future__ import annotations

import contextlib
import posixpath
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.diff import compare_trees, shown_paths
from mosaic.git.git import find_repository, find_work_tree, has_object, run_git
from mosaic.git.left_out import PRIVATE
from mosaic.git.snapshot import is_within
from mosaic.machine.staging import is_temporary
from mosaic.plan.globs import outside_scope
from mosaic.records import NamedTuple
from mosaic.runs.checkpoint import read_checkpoints
from mosaic.runs.events import EventLog, EventType, events_after_end, noted_lists
from mosaic.runs.folders import is_session_run, runs_of_task
from mosaic.runs.snapshots import state_prefix
from mosaic.store.project_paths import project_paths
from mosaic.store.written import GONE, as_written, digest_of
from mosaic.workspaces.provision import own_prefixes
from mosaic.workspaces.record import workspace_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from mosaic.git.diff import FileChange
    from mosaic.model import Task
    from mosaic.runs.record import Run
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.store.written import Written


_OF_OTHERS = (EventType.MERGED_BESIDE, EventType.CHANGED_BESIDE)


class TreePair(NamedTuple):
    """What to compare: both are trees or commits."""

    before: str
    after: str
    others: frozenset[str] = frozenset()
    """Paths that others changed in between: `mission` itself, and who worked beside the agent."""


def tree_pair(run: Run, top: Path) -> TreePair | None:
    """Return the trees that a run began and ended with; None where they are not known."""
    begin, end = _begin_tree(run), _last_tree(run)
    if begin is None or end is None or not (has_object(top, begin) and has_object(top, end)):
        return None
    return TreePair(begin, end, _noted_paths(run, *_OF_OTHERS))


def _noted_paths(run: Run, *kinds: EventType) -> frozenset[str]:
    noted = (noted_lists(run, kind, "paths", after_end=True) for kind in kinds)
    return frozenset(str(path) for lists in noted for paths in lists for path in paths)


def hidden_edits(runs: Iterable[Run]) -> list[str]:
    """Return the files that runs changed and that git is told to pass by: no tree has them."""
    return sorted({path for run in runs for path in _noted_paths(run, EventType.HIDDEN_EDITS)})


def trees_of(run: Run) -> list[str]:
    """Return the trees that were taken when a run began and ended, as far as any were."""
    return [tree for tree in (_begin_tree(run), _last_tree(run)) if tree]


def _begin_tree(run: Run) -> str | None:
    state = run.find_state()
    return state.begin_tree if state else None


def _last_tree(run: Run) -> str | None:
    trees = [each.checkpoint.tree for each in read_checkpoints([run]).found]
    return next((tree for tree in reversed(trees) if tree), None)


def changes_of_pairs(top: Path, pairs: Sequence[TreePair]) -> list[FileChange]:
    """Return what was changed between trees, pair after pair, and not changed back since."""
    if not pairs:
        return []
    touched = {
        change.path
        for pair in pairs
        for change in compare_trees(top, pair.before, pair.after, find_renames=False)
        if change.path not in pair.others
    }
    net = compare_trees(top, pairs[0].before, pairs[-1].after)
    return [c for c in net if c.path in touched or (c.old_path or c.path) in touched]


def others_changes(top: Path, pairs: Sequence[TreePair]) -> frozenset[str]:
    """Return the files that changed between trees, and in none of them by the agents."""
    others = frozenset[str]().union(*(pair.others for pair in pairs))
    if not others:
        return others
    touched = {
        change.path
        for pair in pairs
        for change in compare_trees(top, pair.before, pair.after, find_renames=False)
        if change.path not in pair.others
    }
    return others - touched


def changed_by_agents(snapshot: Snapshot, task: Task) -> list[str] | None:
    """Return the files that a task's agents changed where the last of them worked.

    As the project names them. None when that is not known.
    """
    top = find_repository(snapshot.layout.project)
    runs = runs_of_task(snapshot.layout.runs_dir, task.id)
    agents = [run for run in runs if is_session_run(run)]
    places = [meta.cwd if (meta := run.find_meta()) else None for run in agents]
    agents = [run for run, cwd in zip(agents, places, strict=True) if cwd in (None, places[-1])]
    pairs = [pair for run in agents if top and (pair := tree_pair(run, top)) is not None]
    if top is None or not pairs:
        return None
    try:
        changes = changes_of_pairs(top, pairs)
    except MissionError:
        return None
    paths = [path for c in changes for path in (c.path, c.old_path) if path]
    paths += hidden_edits(agents)
    for run in agents:  # private files that changed are in no tree
        meta, found = run.find_meta(), read_checkpoints([run]).found
        begun = meta.created_at.timestamp() * 1e9 if meta else 0.0
        private = [e for e in found[-1].checkpoint.left_out if e.reason == PRIVATE] if found else []
        paths += [each.path for each in private if meta and each.mtime_ns >= begun]
    named = project_paths(snapshot.layout).named
    return list(dict.fromkeys(map(named, paths)))


def own_files(layout: Layout, top: Path) -> Callable[[str], bool]:
    """Return what tells whether a path is one of the mission's own files.

    Planning, reviews and ends of sessions change them beside an agent's work, so git alone
    cannot tell who did. A temporary file beside one is a write of ours that is under way.
    """
    own = (*own_prefixes(layout, top), state_prefix(layout.state_dir, top))
    names = tuple(filter(None, own))
    folders = tuple(f"{name}/" for name in names)
    places = {posixpath.dirname(name) for name in names}

    def is_own(path: str) -> bool:
        if path in names or path.startswith(folders):
            return True
        place, name = posixpath.split(path)
        return place in places and is_temporary(name)

    return is_own


def scope_violations(
    layout: Layout,
    scope: Sequence[str],
    changed: Sequence[str] | None,
    allowed: Sequence[str] = (),
) -> list[str]:
    """Return the changed files that neither a write scope nor a person allows."""
    top = find_work_tree(layout.project)
    if not changed or top is None:
        return []
    is_own, paths = own_files(layout, top), project_paths(layout)
    others = [path for path in changed if not is_own(paths.in_tree(path))]
    outside = outside_scope(others, scope, paths.folder)
    return [path for path in outside if not any(is_within(path, each) for each in allowed)]


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
        shown = shown_paths([*map(project_paths(layout).named, paths)])
        words = f"merged by `mission` while it worked: {shown}"
        EventLog(run).append(EventType.MERGED_BESIDE, words, data={"paths": paths})


def note_plan_edits(run: Run, snapshot: Snapshot, task: Task) -> None:
    """Note in a run's record what of the plan was edited by hand while it went on.

    The copy of the plan in a worker's worktree does not count, and is set back.
    """
    edited: list[str] = []
    with contextlib.suppress(MissionError):
        edited = [] if workspace_at(run.meta().cwd) else _edited(run, snapshot, task)
    if edited:
        named = map(project_paths(snapshot.layout).named, edited)
        words = f"edited by hand while it worked: {', '.join(f'`{path}`' for path in named)}"
        EventLog(run).append(EventType.PLAN_EDITED, words, data={"paths": edited})


def edits_on_record(runs: Iterable[Run]) -> tuple[str, ...]:
    """Return what is worth a look in the records of runs, such as edits of the plan, in words."""
    kinds = (EventType.PLAN_EDITED, EventType.HIDDEN_EDITS, EventType.WORTH_A_LOOK)
    events = (event for run in runs for event in events_after_end(run))
    return tuple(dict.fromkeys(event.message for event in events if event.type in kinds))


def _edited(run: Run, snapshot: Snapshot, task: Task) -> list[str]:
    layout = snapshot.layout
    top = find_work_tree(layout.project)
    begin, end = _begin_tree(run), _last_tree(run)
    if top is None or begin is None or end is None:
        return []
    table, folder = state_prefix(layout.tasks_file, top), state_prefix(layout.tasks_dir, top)
    if table is None or folder is None:
        return []
    own = state_prefix(layout.project / task.file, top) if task.file else None
    paths = [change.path for change in compare_trees(top, begin, end, find_renames=False)]
    changed = [p for p in paths if p == table or (p.startswith(f"{folder}/") and p != own)]
    ours = as_written(layout, [top / path for path in changed])
    before = (begin, run.meta().base_commit)
    return [p for p in changed if _is_by_hand(top, p, ours.get(top / p), before, end)]


def _is_by_hand(
    top: Path, path: str, written: Written | None, before: Sequence[str | None], end: str
) -> bool:
    """Tell whether a file had a content that neither `mission` nor git had put there."""

    def digest(tree: str) -> str:
        answer = run_git(["cat-file", "blob", f"{tree}:{path}"], top, check=False)
        return digest_of(answer.stdout) if answer.exit_code == 0 else GONE

    of_git = {digest(tree) for tree in (*before, "@{upstream}") if tree}
    if written is not None:
        return not of_git.issuperset(written.found)
    return digest(end) not in of_git - {GONE}
