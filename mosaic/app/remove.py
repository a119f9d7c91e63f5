"""Tasks removed: row, file, and what other tasks say of them; their ids stay reserved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.app.change import editing, refuse_agent, save_change
from mosaic.errors import EditRefusedError, HeldError, MissionError, NotReadyError
from mosaic.git.branches import contents_of
from mosaic.git.git import find_work_tree
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import create_private_dir
from mosaic.records import NamedTuple
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.gone import find_gone, path_in
from mosaic.store.mission_file import with_removed
from mosaic.store.reading import read_mission
from mosaic.store.rows import find_row, parse_table
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mosaic.app.change import Actor
    from mosaic.store.draft import Draft
    from mosaic.store.tasks import Snapshot

KEPT = "removed"
"""The folder of the state folder that keeps the texts that git does not have."""


class Removal(NamedTuple):
    """A task that is removed, or would be."""

    id: str
    title: str
    file: str | None
    row: str | None
    """Its line in the table, as `file:line`."""
    dependents: tuple[str, ...]
    """Tasks that depend on it, and do not afterwards."""
    loses: tuple[str, ...]
    """What was done on it, in words: then only `force` removes it."""
    kept: str | None
    """Where its file's text is kept, as git does not have it."""


class RemovedTasks(NamedTuple):
    """What a removal did, or would do."""

    tasks: tuple[Removal, ...]
    written: bool
    notices: tuple[str, ...] = ()


def remove_tasks(
    mission_file: Path,
    task_ids: Sequence[str],
    *,
    write: bool,
    force: bool = False,
    actor: Actor | None = None,
) -> RemovedTasks:
    """Remove tasks, all or none, or only say what that would do.

    Sessions stay listed, and records of runs stay. Nothing else gets the ids. A task that was
    deleted by hand is removed as well: then only its id is reserved.

    Raises:
        UsageError: an agent asks.
        HeldError: a session works on one of them.
        NotReadyError: work, a handoff or decisions would be lost, and `force` is not set.
    """
    if not write:
        snapshot = read_mission(mission_file)
        refuse_agent(snapshot.layout, actor, "remove tasks")
        return RemovedTasks(_planned(snapshot, task_ids, force=force), written=False)
    with editing(mission_file, f"removing {', '.join(task_ids)}") as draft:
        refuse_agent(draft.layout, actor, "remove tasks")
        removals = _planned(draft.snapshot, task_ids, force=force)
        _draft(draft, removals)
        save_change(draft)
        return RemovedTasks(removals, written=True, notices=tuple(draft.notices))


def _planned(snapshot: Snapshot, task_ids: Sequence[str], *, force: bool) -> tuple[Removal, ...]:
    names = [*dict.fromkeys(_named(snapshot, word) for word in task_ids)]
    live = {found.lock.task_id: found for found in live_or_unknown(snapshot)}
    for name in names:
        if name in live:
            session_id = live[name].lock.session_id
            hint = f"`mission stop {session_id}`, or wait for its end"
            raise HeldError(f"session `{session_id}` works on `{name}`", hint=hint)
    removals = tuple(_removal(snapshot, name, names) for name in names)
    for each in removals:
        if each.loses and not force:
            raise NotReadyError(
                f"removing `{each.id}` would lose what was done on it",
                detail="\n".join(each.loses),
                hint=f'`mission cancel {each.id} --why "…"` keeps it; '
                f"`mission rm {each.id} --force` removes it",
            )
    return removals


def _named(snapshot: Snapshot, word: str) -> str:
    try:
        return snapshot.get_task(word).id
    except MissionError:
        if word in (gone.task_id for gone in find_gone(snapshot) if gone.what == "task"):
            return word
        raise


def _removal(snapshot: Snapshot, name: str, names: Sequence[str]) -> Removal:
    entry = snapshot.find(name)
    if entry is None:
        return Removal(name, "", None, None, _dependents(snapshot, name, names), (), None)
    layout, task = snapshot.layout, entry.task
    text = snapshot.task_text(task)
    path = layout.tasks_dir / entry.file.name if entry.file else None
    place = layout.state_dir / KEPT / path.name if path else None
    has_text = path is None or _is_in_git(layout.project, path, text)
    return Removal(
        id=name,
        title=task.title,
        file=task.file,
        row=f"{layout.shown(layout.tasks_file)}:{task.table_line}" if task.table_line else None,
        dependents=_dependents(snapshot, name, names),
        loses=tuple(_losses(snapshot, name, text)),
        kept=layout.shown(place) if place and not has_text else None,
    )


def _dependents(snapshot: Snapshot, name: str, names: Sequence[str]) -> tuple[str, ...]:
    others = (task for task in snapshot.tasks if task.id not in names)
    return tuple(task.id for task in others if name in task.depends_on)


def _losses(snapshot: Snapshot, name: str, text: str) -> Iterator[str]:
    """Yield what would be lost with a task, in words."""
    from mosaic.text.decisions import read_decisions
    from mosaic.text.sections import handoff_texts

    sessions = snapshot.document.mission.sessions.of_task(name)
    if sessions:
        ids = ", ".join(session.id for session in sessions)
        yield f"sessions worked on it: {ids}"
    if said := [section for section, words in handoff_texts(text).items() if words]:
        yield f"its handoff says something: {', '.join(said)}"
    decisions = read_decisions(text, snapshot.get_task(name).status)
    if decisions:
        yield f"people decided on it: {len(decisions)} in `decisions`"
    if (workspace := find_workspace(snapshot.layout, name)) is not None:
        branch = f", branch `{workspace.branch}`" if workspace.branch else ""
        yield f"it has a worktree{branch}, which stays until `mission clean`"


def _is_in_git(project: Path, path: Path, text: str) -> bool:
    """Tell whether HEAD has a file just as it is."""
    top = find_work_tree(project)
    inner = path_in(path, top) if top is not None else None
    if top is None or inner is None:
        return False
    try:
        return contents_of(top, [f"HEAD:{inner}"])[0] == text.encode()
    except MissionError:
        return False


def _draft(draft: Draft, removals: Sequence[Removal]) -> None:
    gone = {each.id for each in removals}
    now = utc_now().astimezone()
    for task in draft.snapshot.tasks:  # before any row goes: they are found by their lines
        if task.id not in gone and not gone.isdisjoint(task.depends_on):
            kept = tuple(name for name in task.depends_on if name not in gone)
            draft.edit_task(task.id, {"depends_on": kept}, now)
    _draft_rows(draft, gone)
    layout = draft.layout
    for each in removals:
        if each.file:
            path = layout.tasks_dir / each.file.rpartition("/")[2]
            text = draft.text(path) or ""
            if each.kept:
                create_private_dir(layout.state_dir / KEPT)
                draft.put(layout.state_dir / KEPT / path.name, text)
            draft.remove(path)
        draft.forget(each.id)
        if each.id not in draft.snapshot.document.mission.removed_tasks:
            document = draft.text(layout.mission_file) or ""
            draft.put(layout.mission_file, with_removed(document, each.id, each.title))


def _draft_rows(draft: Draft, gone: set[str]) -> None:
    from mosaic.text.table import remove_row

    path = draft.layout.tasks_file
    text = draft.text(path)
    rows = parse_table(text) if text is not None else ()
    # Also rows of other tables that only name the task again: it would come back by them.
    for line in sorted((row.line for row in rows if row.id in gone), reverse=True):
        found = find_row(text or "", line)
        if found is None:
            shown = draft.layout.shown(path)
            hint = "take the line out by hand"
            raise EditRefusedError("a row stands in no table", path=shown, line=line, hint=hint)
        try:
            text = remove_row(text or "", found[1])
        except MissionError as error:
            raise error.at(draft.layout.shown(path)) from None
    if text is not None:
        draft.put(path, text)
