"""What a worker leaves in its worktree, brought to where it counts when its run has ended.

Handoff sections that it wrote by hand into its own copy of the task file are carried into the
mission's, each section by itself: one that was changed there meanwhile is a conflict, which
is told and left alone. Then the mission's files in the worktree are set back, so that its
branch carries no second truth into a merge, and work that is called finished is committed.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.git import run_git
from mosaic.machine.disk import find_text, write_private
from mosaic.model import Status
from mosaic.records import dataclass, field
from mosaic.runs.events import EventLog, EventType
from mosaic.store.draft import changing
from mosaic.store.mission_file import read_layout
from mosaic.workspaces.commit import commit_rest, set_own_files_back
from mosaic.workspaces.provision import own_prefixes
from mosaic.workspaces.record import workspace_at

if TYPE_CHECKING:
    from mosaic.model import Task
    from mosaic.runs.record import Run, RunMeta
    from mosaic.store.draft import Draft
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.record import Workspace

THEIR_COPY = "handoff-in-worktree.md"


@dataclass(kw_only=True, slots=True)
class Homecoming:
    """What was brought home of a worker's worktree."""

    sections: list[str] = field(default_factory=list)
    """Handoff sections that were carried over."""
    conflicts: list[str] = field(default_factory=list)
    """Those that were changed in both places."""
    set_back: list[str] = field(default_factory=list)
    commit: str | None = None


def bring_home(run: Run, meta: RunMeta) -> Homecoming | None:
    """Bring home what a run left in its worktree; None where it worked in none.

    Nothing of it keeps the run's end from being recorded: what cannot be done is noted as an
    event of the run.
    """
    workspace = _workspace_of(meta)
    if workspace is None:
        return None
    done = Homecoming()
    try:
        with changing(
            Path(meta.mission_file), doing=f"bringing {meta.task_id} home", fenced=False
        ) as draft:
            done = _carry(draft, run, meta, workspace)
            draft.save()
    except MissionError as error:
        _note(run, f"the handoff in the worktree could not be carried: {error.message}", "warn")
        return done
    # git's part after the lock is free again: others wait for that.
    _settle_branch(run, meta, workspace, done, draft.snapshot)
    return done


def bring_home_in(draft: Draft, run: Run, meta: RunMeta) -> None:
    """Do the same for a run that is found dead, in a draft whose lock is held already."""
    workspace = _workspace_of(meta)
    if workspace is not None:
        done = _carry(draft, run, meta, workspace)
        draft.save()
        _settle_branch(run, meta, workspace, done, draft.snapshot)


def _workspace_of(meta: RunMeta) -> Workspace | None:
    with contextlib.suppress(MissionError):
        workspace = workspace_at(meta.cwd, read_layout(Path(meta.mission_file)))
        if workspace is not None and workspace.is_there:
            return workspace
    return None


def _carry(draft: Draft, run: Run, meta: RunMeta, workspace: Workspace) -> Homecoming:
    """Draft the handoff sections that a worker wrote into its own copy of the task file."""
    done = Homecoming()
    entry = draft.snapshot.find(meta.task_id)
    if entry is None or entry.file is None or entry.task.file is None:
        return done
    try:
        _carry_sections(draft, run, entry.task, workspace, done)
    except MissionError as error:
        _note(run, f"the handoff in the worktree could not be read: {error.message}", "warn")
    if done.sections:
        _note(run, f"carried from the worktree: {', '.join(done.sections)}", sections=done.sections)
    if done.conflicts:
        words = ", ".join(done.conflicts)
        _note(
            run,
            f"changed in the worktree and here: {words}; the worktree's is in artifacts",
            "warn",
            sections=done.conflicts,
        )
    return done


def _carry_sections(
    draft: Draft, run: Run, task: Task, workspace: Workspace, done: Homecoming
) -> None:
    from mosaic.text.sections import handoff_texts, is_placeholder

    assert task.file is not None
    path = workspace.project / task.file
    file = find_text(path)
    if file is None:
        return
    base = _text_at(workspace, _begin(run, workspace), path)
    before, theirs = handoff_texts(base), handoff_texts(file.text)
    ours = handoff_texts(draft.text(draft.layout.project / task.file) or "")
    for name, content in theirs.items():
        if content == before.get(name, "") or content == ours.get(name, ""):
            continue
        mine = ours.get(name, "")
        if mine in ("", before.get(name, "")) or is_placeholder(mine):
            draft.fill_section(task.id, name, content, append=False)
            done.sections.append(name)
        else:
            done.conflicts.append(name)
    if done.conflicts:
        write_private(run.artifacts / THEIR_COPY, file.text.encode(), root=run.dir)


def _settle_branch(
    run: Run, meta: RunMeta, workspace: Workspace, done: Homecoming, snapshot: Snapshot
) -> None:
    """Set the mission's files in the worktree back, and commit work that is called finished."""
    try:
        own = own_prefixes(snapshot.layout, workspace.home)
        done.set_back = set_own_files_back(workspace, own)
        entry = snapshot.find(meta.task_id)
        if entry and entry.task.status in (Status.REVIEW, Status.DONE):
            done.commit = commit_rest(workspace, commit_message(entry.task, meta))
    except MissionError as error:
        words = "; ".join(filter(None, (error.message, error.detail)))
        _note(run, f"the worktree could not be settled: {words}", "warn")
        return
    if done.set_back:
        _note(run, "the mission's own files in the worktree were set back", paths=done.set_back)
    if done.commit:
        _note(run, f"what was not committed is commit {done.commit[:12]}", commit=done.commit)


def commit_message(task: Task, meta: RunMeta) -> str:
    """Return what stands over a commit of work that nobody committed."""
    lines = [f"{task.id}: {task.title}", "", f"Mission-Task: {task.id}"]
    if meta.session_id:
        lines.append(f"Mission-Session: {meta.session_id}")
    return "\n".join([*lines, f"Mission-Run: {meta.run_id}"]) + "\n"


def _begin(run: Run, workspace: Workspace) -> str:
    with contextlib.suppress(MissionError):
        return run.state().begin_tree or workspace.base_commit
    return workspace.base_commit


def _text_at(workspace: Workspace, tree: str, path: Path) -> str:
    name = path.relative_to(workspace.path).as_posix()
    answer = run_git(["cat-file", "blob", f"{tree}:{name}"], workspace.path, check=False)
    return answer.stdout.decode("utf-8", "replace") if answer.exit_code == 0 else ""


def _note(run: Run, message: str, level: str = "info", **data: list[str] | str) -> None:
    EventLog(run).append(EventType.WORKTREE_SETTLED, message, level=level, data=data)
