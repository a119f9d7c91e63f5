"""Whose change it is: what a session's agent changed, beside a person and where it had no business.

In a worker's worktree everything is the agent's. In the mission's own tree a person may edit
meanwhile: there a change counts that a tool call of the transcript names, or the handoff. Where
no transcript can be read, every change counts. What was around an agent when it began is held
by its supervisor, where the agent cannot reach it; what is found at its end is noted as events
of the run (see `note_whose`), and those count that were noted after the agent had ended.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.diff import compare_trees, shown_paths
from mosaic.git.git import answer_of, current_branch, find_work_tree, head_commit
from mosaic.git.index_copy import changed_in_secret, hidden_files, reveal_files
from mosaic.git.snapshot import is_within, take_tree
from mosaic.machine.git_dir import find_git_dir
from mosaic.ports import ToolCall
from mosaic.records import NamedTuple, dataclass, replace
from mosaic.runs.events import EventLog, EventType, events_after_end
from mosaic.runs.folders import run_of
from mosaic.runs.snapshots import state_prefix
from mosaic.sessions.attempt import sessions_since
from mosaic.sessions.calls import Calls, calls_of, named_by, reaches
from mosaic.sessions.changes import own_files, tree_pair
from mosaic.sessions.rules import allowed_paths
from mosaic.store.project_paths import project_paths
from mosaic.store.written import as_written, digest_of_file, turn_at_home
from mosaic.text.sections import handoff_texts
from mosaic.workspaces.furnish import ignored_by_others
from mosaic.workspaces.record import workspace_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mosaic.model import JsonValue, Mission, Task
    from mosaic.runs.record import Run, RunMeta
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.record import Workspace

MOST_COMMITS = 200
MOST_NAMED = 20
UNSEEN = "changed while it worked, not seen to be the agent's"
_MADE_ELSEWHERE = re.compile(
    r"checkout:|reset:|clone|Branch:|.*Fast-forward$|.*\((?:start|finish|abort)\)|.*returning to"
)
"""How a line of HEAD's log tells of a commit that was not made there and then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What was around an agent when it began; None: not known."""

    home_tree: str | None = None
    """The mission's own work tree, where the agent has a worktree of its own."""
    hidden: Mapping[str, tuple[int, int]]
    """Files that git passes by, with their time and size."""
    ignored: frozenset[str]
    """What git was told to ignore, in a file that is in no commit."""
    log_bytes: int | None
    """How long the log of HEAD was."""


class Watched(NamedTuple):
    """A session's run whose agent has just ended."""

    run: Run
    meta: RunMeta
    layout: Layout
    log: EventLog


class Outside(NamedTuple):
    """What changed outside a session's worktree, and still stands so."""

    paths: tuple[str, ...]
    words: str
    is_certain: bool
    """Whether a call of its own names it; else somebody else may have changed it."""


def look_around(meta: RunMeta, layout: Layout) -> Surroundings | None:
    """Look at what is around an agent that is about to begin; None outside of git."""
    top = find_work_tree(meta.cwd)
    if top is None:
        return None
    with contextlib.suppress(MissionError):
        workspace = workspace_at(meta.cwd, layout)
        log = _head_log(top)
        return Surroundings(
            home_tree=_tree_of(workspace.home, layout) if workspace else None,
            hidden=hidden_files(top),
            ignored=ignored_by_others(top),
            log_bytes=log.stat().st_size if log and log.is_file() else None,
        )
    return None


def reveal(meta: RunMeta, layout: Layout, before: Surroundings | None) -> list[str]:
    """Have git see what an agent hid from it in its worktree, and return the changed files."""
    workspace = workspace_at(meta.cwd, layout)
    if before is None or workspace is None:
        return []
    hidden = [path for path in hidden_files(workspace.path) if path not in before.hidden]
    changed = changed_in_secret(workspace.path, layout.state_dir, hidden)
    if hidden:
        reveal_files(workspace.path, hidden)
    return changed


def note_whose(
    session: Watched, mission: Mission, before: Surroundings | None, *, handoff: str, gap: str
) -> str:
    """Note in a run's record what else changed while its agent worked, and whose that is.

    Args:
        before: what was around it when it began.
        handoff: the text of its task's file: a file that the agent claims is its own.
        gap: why its transcript is not complete; empty where it is.

    Returns:
        Why a change in the mission's own tree cannot be said to be another's; empty where it can.
    """
    top = find_work_tree(session.meta.cwd)
    if top is None:
        return ""
    found = calls_of(session.run, session.meta, mission)
    found = replace(found, unknown=found.unknown or gap)
    workspace = workspace_at(session.meta.cwd, session.layout)
    made = _commits_made(top, before)
    _note_committed(session, top, workspace, made)
    if workspace is not None:
        _note_outside(session, found, workspace, before, made)
    else:
        claims = handoff_texts(handoff).get("files_changed", "") if handoff else ""
        calls = (*found.calls, ToolCall(words=claims))
        hidden = _hidden_edits(top, session.layout, before)
        _note_beside(session, top, None if found.unknown else calls, hidden)
    _note_git(session, top, before, made)
    return "" if workspace else found.unknown


def _note_committed(
    session: Watched, top: Path, workspace: Workspace | None, made: frozenset[str] | None
) -> None:
    """Note what others committed and the agent only brought in, as by a pull or a merge."""
    tip = answer_of(["rev-parse", "--verify", "--quiet", "@{upstream}^{commit}"], top)
    if workspace is not None:
        tip = head_commit(workspace.home)
    begun = session.meta.base_commit
    pair = tree_pair(session.run, top)
    if tip is None or pair is None or made is None or tip in made:
        return
    if begun and answer_of(["merge-base", "--is-ancestor", tip, begun], top) is not None:
        return  # it stood there before
    differ = {change.path for change in compare_trees(top, tip, pair.after, find_renames=False)}
    changes = compare_trees(top, pair.before, pair.after, find_renames=False)
    paths = [c.path for c in changes if c.path not in differ and c.path not in pair.others]
    if paths:
        shown = _shown(paths, session.layout)
        words = f"committed by others, and brought in while it worked: {shown}"
        session.log.append(EventType.CHANGED_BESIDE, words, data={"paths": paths, "by": "commits"})


def _note_beside(
    session: Watched, top: Path, calls: Sequence[ToolCall] | None, hidden: Sequence[str]
) -> None:
    pair = tree_pair(session.run, top)
    if pair is None:
        return
    is_own = own_files(session.layout, top)
    changes = compare_trees(top, pair.before, pair.after, find_renames=False)
    paths = [c.path for c in changes if c.path not in pair.others and not is_own(c.path)]
    beside: list[str] = []
    if calls is not None and (paths or hidden):
        named = named_by(calls, session.meta, top)
        beside = [path for path in (*paths, *hidden) if not named.names(path)]
    if beside:
        words = f"{UNSEEN}: {_shown(beside, session.layout)}"
        session.log.append(EventType.CHANGED_BESIDE, words, data={"paths": beside, "by": "unseen"})
    if edits := [path for path in hidden if path not in beside]:
        shown = _shown(edits, session.layout)
        words = f"changed in files that git is told to pass by: {shown}"
        session.log.append(EventType.HIDDEN_EDITS, words, data={"paths": edits})


def _note_outside(
    session: Watched, found: Calls, workspace: Workspace, before: Surroundings | None,
    made: frozenset[str] | None,
) -> None:  # fmt: skip
    home, layout = workspace.home, session.layout
    paths = _changed_at_home(home, layout, before.home_tree if before else None)
    if paths is None:
        words = "what it changed outside its worktree is not known: git cannot read the main tree"
        session.log.append(EventType.WORTH_A_LOOK, words)
        return
    if paths and not found.unknown:
        reaching = [each for each in found.calls if reaches(each, session.meta, home, workspace)]
        named = named_by(reaching, session.meta, home)
        paths = [path for path in paths if named.names(path)]
    if paths:
        words = f"changed outside its worktree: {_shown(paths, layout)}"
        if found.unknown:
            words += f"; whose change it is cannot be known: {found.unknown}"
        files = {path: digest_of_file(home / path) for path in paths}
        data: dict[str, JsonValue] = {"files": files, "certain": not found.unknown}
        session.log.append(EventType.CHANGED_OUTSIDE, words, data=data)
    tip = head_commit(home)
    if tip and made and tip in made:
        branch = current_branch(home) or "HEAD"
        words = f"it moved `{branch}`, which the main tree has, to its own commit {tip[:12]}"
        session.log.append(EventType.WORTH_A_LOOK, words)


def _changed_at_home(home: Path, layout: Layout, tree: str | None) -> list[str] | None:
    """Return what has changed in the main tree and was not written by `mission`."""
    with turn_at_home(layout.worktrees_dir):
        now = _tree_of(home, layout) if tree else None
        if tree is None or now is None:
            return None
        is_own = own_files(layout, home)
        changes = compare_trees(home, tree, now, find_renames=False)
        paths = [change.path for change in changes if not is_own(change.path)]
        ours = as_written(layout, [home / path for path in paths])
        return [path for path in paths if home / path not in ours]


def _note_git(
    session: Watched, top: Path, before: Surroundings | None, made: frozenset[str] | None
) -> None:
    """Note what stands in no tree: commits that are not in the work, files that git ignores."""
    if before is None:
        return
    if rules := sorted(ignored_by_others(top) - before.ignored):
        words = f"git was told to ignore {shown_paths(rules)}: what stands there cannot be known"
        session.log.append(EventType.WORTH_A_LOOK, words)
    if made is None:
        words = "commits that are in none of its branches cannot be known: git keeps no log of HEAD"
        session.log.append(EventType.WORTH_A_LOOK, words)
        return
    head = head_commit(top)
    if not made or head is None:
        return
    listed = answer_of(["rev-list", *sorted(made), f"^{head}"], top) or ""
    for commit in [each for each in listed.splitlines() if each in made][:MOST_NAMED]:
        refs = answer_of(["for-each-ref", "--count=3", "--format=%(refname:short)", "--contains",
                          commit, "refs/heads", "refs/remotes", "refs/tags"], top)  # fmt: skip
        if refs:
            names = ", ".join(f"`{name}`" for name in refs.splitlines())
            session.log.append(
                EventType.WORTH_A_LOOK,
                f"commit {commit[:12]} was made while it worked, and is on {names} only: "
                f"{_files_of(top, commit, session.layout)}",
                data={"commit": commit},
            )


def _shown(paths: Sequence[str], layout: Layout) -> str:
    return shown_paths([*map(project_paths(layout).named, paths)])


def _files_of(top: Path, commit: str, layout: Layout) -> str:
    listed = answer_of(
        ["diff-tree", "-r", "--root", "--no-commit-id", "--name-only", "-z", commit], top
    )
    return _shown([path for path in (listed or "").split("\0") if path], layout) or "no file"


def _hidden_edits(top: Path, layout: Layout, before: Surroundings | None) -> list[str]:
    """Return what was changed of the files that git passes by, in a tree that others use too."""
    if before is None:
        return []
    now = hidden_files(top)
    new = [path for path in now if path not in before.hidden]
    changed = changed_in_secret(top, layout.state_dir, new)
    return [
        *changed,
        *(path for path, seen in before.hidden.items() if now.get(path, seen) != seen),
    ]


def _commits_made(top: Path, before: Surroundings | None) -> frozenset[str] | None:
    """Return the commits that were made in a work tree meanwhile; None where git kept no log."""
    log = _head_log(top)
    if before is None or before.log_bytes is None or log is None:
        return None
    try:
        with open(log, "rb") as lines:
            if os.fstat(lines.fileno()).st_size < before.log_bytes:
                return None
            lines.seek(before.log_bytes)
            entries = os.fsdecode(lines.read()).splitlines()[-MOST_COMMITS:]
    except OSError:
        return None
    parts = (entry.partition("\t") for entry in entries)
    return frozenset(
        head.split(" ")[1]
        for head, _, why in parts
        if " " in head and not _MADE_ELSEWHERE.match(why)
    )


def _head_log(top: Path) -> Path | None:
    found = find_git_dir(top)
    return found[1] / "logs" / "HEAD" if found else None


def _tree_of(top: Path, layout: Layout) -> str | None:
    with contextlib.suppress(MissionError):
        without = state_prefix(layout.state_dir, top)
        return take_tree(top, scratch=layout.state_dir, without=without).tree
    return None


def outside_of(run: Run, layout: Layout, allowed: Sequence[str]) -> list[Outside]:
    """Return what changed outside a run's worktree and stands as it was left, as its record says.

    A person who changes it, takes it back or allows it has settled it.
    """
    home, named = find_work_tree(layout.project), project_paths(layout).named
    found = []
    for event in events_after_end(run) if home else ():
        files = event.data.get("files")
        if home is None or event.type != EventType.CHANGED_OUTSIDE or not isinstance(files, dict):
            continue
        left = [path for path, digest in files.items() if digest_of_file(home / path) == digest]
        left = [*map(named, left)]
        left = [path for path in left if not any(is_within(path, each) for each in allowed)]
        if left:
            why = event.message.partition("; ")[2]
            words = f"changed outside its worktree: {shown_paths(left)}{why and f'; {why}'}"
            found.append(Outside(tuple(left), words, event.data.get("certain") is True))
    return found


def standing_outside(snapshot: Snapshot, task: Task) -> tuple[Outside, ...]:
    """Return what changed outside the worktrees of a task's agents since a person's last word."""
    layout = snapshot.layout
    sessions = sessions_since(snapshot, task.id)
    runs = [run_of(layout.runs_dir, task.id, each.run_id or "") for each in sessions]
    allowed = allowed_paths(snapshot, task)
    return tuple(each for run in runs for each in outside_of(run, layout, allowed))


def unseen_by(runs: Iterable[Run]) -> list[str]:
    """Return what changed while runs went on and is not seen to be their agents'."""
    lists = (
        event.data.get("paths")
        for run in runs
        for event in events_after_end(run)
        if event.type == EventType.CHANGED_BESIDE and event.data.get("by") == "unseen"
    )
    return sorted({str(path) for paths in lists if isinstance(paths, list) for path in paths})
