"""What a worker leaves in its worktree, collected into the mission when its run has ended.

Handoff sections that it wrote by hand into its own copy of the task file are carried into the
mission's, each section by itself: one that was changed there meanwhile is a conflict, which is
noted and left alone. Then the mission's files in the worktree are set back, so that its branch
carries no second truth into a merge, and work that is called finished is committed.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.git import current_branch, find_work_tree, run_git
from mosaic.machine.disk import find_text, write_private
from mosaic.model import Status
from mosaic.runs.events import EventLog, EventType, read_events
from mosaic.store.draft import changing
from mosaic.store.mission_file import load_mission
from mosaic.workspaces.merge import Committed, commit_rest, set_own_files_back
from mosaic.workspaces.provision import own_prefixes
from mosaic.workspaces.record import workspace_at

if TYPE_CHECKING:
    from mosaic.model import Task
    from mosaic.runs.record import Run, RunMeta
    from mosaic.store.draft import Draft
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.record import Workspace

THEIR_COPY = "handoff-in-worktree.md"


def collect_work(run: Run, meta: RunMeta) -> None:
    """Collect what a run left in its worktree; what cannot be done is noted as an event of it."""
    _note_branch(run, meta)
    workspace = _workspace_of(meta)
    if workspace is None:
        return
    doing = f"collecting the handoff of {meta.task_id}"
    try:
        with changing(Path(meta.mission_file), doing=doing, fenced=False) as draft:
            _carry_handoff(draft, run, meta, workspace)
            draft.save()
    except MissionError as error:
        _note(run, f"the handoff in the worktree could not be carried: {error.message}", "warn")
        return
    # git's part after the lock is free again: others wait for that.
    _finish_branch(run, meta, workspace, draft.snapshot)


def collect_in(draft: Draft, run: Run, meta: RunMeta) -> None:
    """Do the same for a run that is found dead, in a draft that has the mission lock."""
    _note_branch(run, meta)
    workspace = _workspace_of(meta)
    if workspace is not None:
        _carry_handoff(draft, run, meta, workspace)
        draft.save()
        _finish_branch(run, meta, workspace, draft.snapshot)


def settled_words(run: Run) -> list[str]:
    """Return what a person must know of a run.

    That is work that no branch, or another one, holds, and what in the mission did not win.
    """
    kinds = (EventType.WORKTREE_SETTLED, EventType.PLAN_UNITED, EventType.BRANCH_CHANGED)
    events = read_events(run).events
    return [each.message for each in events if each.type in kinds and each.level == "warn"]


def _note_branch(run: Run, meta: RunMeta) -> None:
    if meta.branch is None or find_work_tree(meta.cwd) is None:
        return
    here = current_branch(meta.cwd)
    if here != meta.branch:
        now = f"`{here}`" if here else "no branch"
        words = f"it began on `{meta.branch}`, and {now} is checked out now"
        EventLog(run).append(EventType.BRANCH_CHANGED, words, data={"branch": here})


def _workspace_of(meta: RunMeta) -> Workspace | None:
    with contextlib.suppress(MissionError):
        workspace = workspace_at(meta.cwd, load_mission(Path(meta.mission_file)).layout)
        if workspace is not None and workspace.is_there:
            return workspace
    return None


def _carry_handoff(draft: Draft, run: Run, meta: RunMeta, workspace: Workspace) -> None:
    """Draft the handoff sections that a worker wrote into its own copy of the task file."""
    entry = draft.snapshot.find(meta.task_id)
    if entry is None or entry.file is None or entry.task.file is None:
        return
    try:
        carried, conflicts = _carry_sections(draft, run, entry.task, workspace)
    except MissionError as error:
        _note(run, f"the handoff in the worktree could not be read: {error.message}", "warn")
        return
    if carried:
        _note(run, f"carried from the worktree: {', '.join(carried)}", sections=carried)
    if conflicts:
        names = ", ".join(conflicts)
        words = f"changed in the worktree and here: {names}; the worktree's is in artifacts"
        _note(run, words, "warn", sections=conflicts)


def _carry_sections(
    draft: Draft, run: Run, task: Task, workspace: Workspace
) -> tuple[list[str], list[str]]:
    """Return the sections that are carried, and those that were changed in both places."""
    from mosaic.text.sections import handoff_texts, is_placeholder

    assert task.file is not None
    path = workspace.project / task.file
    carried: list[str] = []
    conflicts: list[str] = []
    file = find_text(path)
    if file is None:
        return carried, conflicts
    before = handoff_texts(_text_at_begin(run, workspace, path))
    ours = handoff_texts(draft.text(draft.layout.project / task.file) or "")
    for name, content in handoff_texts(file.text).items():
        mine = ours.get(name, "")
        if content in (before.get(name, ""), mine):
            continue
        if mine in ("", before.get(name, "")) or is_placeholder(mine):
            draft.fill_section(task.id, name, content, append=False)
            carried.append(name)
        else:
            conflicts.append(name)
    if conflicts:
        write_private(run.artifacts / THEIR_COPY, file.text.encode(), root=run.dir)
    return carried, conflicts


def _finish_branch(run: Run, meta: RunMeta, workspace: Workspace, snapshot: Snapshot) -> None:
    """Set the mission's files in the worktree back, and commit work that is called finished."""
    done = Committed(None)
    try:
        set_back = set_own_files_back(workspace, own_prefixes(snapshot.layout, workspace.home))
        entry = snapshot.find(meta.task_id)
        if entry and entry.task.status in (Status.REVIEW, Status.DONE):
            done = commit_rest(workspace, _commit_message(entry.task, meta))
    except MissionError as error:
        words = "; ".join(filter(None, (error.summary, error.hint)))
        _note(run, f"the worktree could not be settled: {words}", "warn")
        return
    if set_back:
        _note(run, "the mission's own files in the worktree were set back", paths=set_back)
    if done.left_out:
        words = f"left out of its branch: {'; '.join(done.left_out)}"
        _note(run, words, "warn", left_out=[*done.left_out])
    if done.commit:
        _note(run, f"what was not committed is commit {done.commit[:12]}", commit=done.commit)


def _commit_message(task: Task, meta: RunMeta) -> str:
    session = f"Mission-Session: {meta.session_id}\n" if meta.session_id else ""
    head = f"{task.id}: {task.title}\n\nMission-Task: {task.id}\n"
    return f"{head}{session}Mission-Run: {meta.run_id}\n"


def _text_at_begin(run: Run, workspace: Workspace, path: Path) -> str:
    """Return what a file had in it when the run began."""
    tree = None
    with contextlib.suppress(MissionError):
        tree = run.state().begin_tree
    name = path.relative_to(workspace.path).as_posix()
    blob = f"{tree or workspace.base_commit}:{name}"
    answer = run_git(["cat-file", "blob", blob], workspace.path, check=False)
    return answer.stdout.decode("utf-8", "replace") if answer.exit_code == 0 else ""


def _note(run: Run, message: str, level: str = "info", **data: list[str] | str) -> None:
    EventLog(run).append(EventType.WORKTREE_SETTLED, message, level=level, data=data)
