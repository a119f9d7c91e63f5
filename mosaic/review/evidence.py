"""What happened, from git and the run records, whatever anybody claims.

Files: what changed while the task's agents worked, by the trees that were taken when each
began and ended. For a task with a branch and a base of its own: what its branch holds beyond
the fork, and what is not committed. Commands: the runtime's own events, and recorded steps.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from mosaic.errors import GitError, GitRefusedError, MissionError
from mosaic.git.git import answer_of, current_branch, find_repository, has_object
from mosaic.git.left_out import FILTERED, PRIVATE
from mosaic.git.snapshot import take_tree
from mosaic.git.worktrees import BRANCHES, branch_or_commit, list_worktrees
from mosaic.model import Mode, RunStatus, total_usage
from mosaic.plan.sizes import format_size
from mosaic.ports import CommandRan
from mosaic.records import dataclass, field, replace
from mosaic.review.claims import Kind
from mosaic.review.commands import LONGEST_COMMAND
from mosaic.review.matching import ChangedFile, RanCommand
from mosaic.runs.checkpoint import read_checkpoints
from mosaic.runs.events import EventType, events_after_end, read_events
from mosaic.runs.folders import runs_of_task
from mosaic.runs.masking import masked_line
from mosaic.runs.report import GATE_STEP
from mosaic.runs.snapshots import state_prefix
from mosaic.runtimes import get_runtime
from mosaic.sessions.at_work import hosts_of
from mosaic.sessions.calls import transcript_lines
from mosaic.sessions.changes import (
    TreePair,
    changes_of_pairs,
    hidden_edits,
    others_changes,
    tree_pair,
    trees_of,
)
from mosaic.sessions.following import reader_of
from mosaic.sessions.whose import unseen_by
from mosaic.store.project_paths import project_paths
from mosaic.store.state import ensure_state_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mosaic.git.diff import FileChange
    from mosaic.model import Mission, Session, Task, Usage
    from mosaic.runs.record import Run, RunMeta
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Everything that is known about a task's work."""

    changed: tuple[ChangedFile, ...] | None
    """None: nothing can be known of files."""
    pairs: tuple[TreePair, ...]
    """The trees that `changed` was read from."""
    since: str
    """What the files are compared with, in words."""
    ran: tuple[RanCommand, ...]
    knows_all_commands: bool
    caveats: tuple[str, ...]
    """What cannot be known, and why."""
    unknown: tuple[str, ...]
    """Those that leave open what the agents changed: objections to an approval."""
    roots: Mapping[str, str]
    """What absolute paths may begin with, and how the project names that folder."""
    sessions: tuple[Session, ...]
    usage: Usage | None
    beside: tuple[str, ...] = ()
    """Files that changed while the agents worked, and are not seen to be theirs."""
    session_hosts: Mapping[str, str] = field(default_factory=dict)
    """The other machines that sessions were handed to, by session."""


@dataclass(kw_only=True, slots=True)
class _Gaps:
    """What cannot be known, as it is found."""

    named: Callable[[str], str]
    """Turns git's name of a file into the project's."""
    caveats: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def gather_evidence(snapshot: Snapshot, task: Task, since: str = "") -> Evidence:
    """Gather what git and the run records show of a task's work. Changes nothing.

    With `since`, the last session of earlier attempts, only of what came after it.
    """
    layout, mission = snapshot.layout, snapshot.document.mission
    sessions = tuple(mission.sessions.of_task(task.id))
    ids = [session.id for session in sessions]
    if since in ids:
        sessions = sessions[ids.index(since) + 1 :]
    earlier, runs = attempts_apart(layout, task, sessions) if since in ids else ([], None)
    runs = runs_of_task(layout.runs_dir, task.id) if runs is None else runs
    agents = [
        (run, meta) for run in runs if (meta := run.find_meta()) is not None and meta.session_id
    ]
    gaps = _Gaps(named=project_paths(layout).named)
    known = {meta.session_id for _, meta in agents}
    gaps.caveats += [
        f"the record of `{session.id}` is not here: what it changed and ran is not known"
        for session in sessions
        if session.id not in known
    ]
    compared, pairs, changed = _what_changed(layout, task, agents, gaps, earlier)
    untold: list[str] = []
    ran = sorted(
        (*_commands_of_agents(agents, mission, gaps.caveats, untold), *_commands_of_steps(runs)),
        key=lambda each: each[0],
    )
    reported = (_reports_all(run, meta, mission) for run, meta in agents)
    places = {str(layout.project), *(meta.cwd for _, meta in agents)}
    paths = project_paths(layout)
    known_paths = {change.path for change in changed or ()}
    return Evidence(
        changed=changed,
        pairs=tuple(pairs),
        since=compared,
        ran=tuple(command for _, command in ran),
        knows_all_commands=bool(agents) and all(reported) and not untold,
        caveats=tuple(dict.fromkeys((*gaps.unknown, *gaps.caveats, *untold))),
        beside=tuple(
            path
            for path in map(paths.named, unseen_by(run for run, _ in agents))
            if path not in known_paths
        ),
        unknown=tuple(gaps.unknown),
        roots={
            root: name
            for place in sorted({*places, *map(os.path.realpath, places)})
            for root, name in paths.roots_of(place).items()
        },
        sessions=sessions,
        usage=total_usage(sessions),
        session_hosts=hosts_of(snapshot, sessions),
    )


def attempts_apart(
    layout: Layout, task: Task, sessions: Sequence[Session]
) -> tuple[list[Run], list[Run]]:
    """Return the runs before the first of these sessions, and those from it on."""
    runs = runs_of_task(layout.runs_dir, task.id)
    ids = {session.id for session in sessions}
    metas = [run.find_meta() for run in runs]
    first = next((n for n, meta in enumerate(metas) if meta and meta.session_id in ids), len(runs))
    return runs[:first], runs[first:]


def _what_changed(
    layout: Layout,
    task: Task,
    agents: Sequence[tuple[Run, RunMeta]],
    gaps: _Gaps,
    earlier: Sequence[Run],
) -> tuple[str, list[TreePair], tuple[ChangedFile, ...] | None]:
    try:
        top = find_repository(layout.project)
        if top is None:
            gaps.caveats.append("there is no git repository: nothing is known of files")
            return "nothing", [], None
        since, pairs = _pairs_since(layout, top, agents, gaps, earlier) if earlier else ("", [])
        if not pairs:
            since, pairs = _tree_pairs(layout, top, task, agents, gaps)
        changed = [
            ChangedFile(path=each.path, kind=_kind(each), old_path=each.old_path)
            for each in changes_of_pairs(top, pairs)
        ]
        known = {change.path for change in changed}
        hidden = (path for path in hidden_edits(run for run, _ in agents) if path not in known)
        changed += [ChangedFile(path=path, kind=Kind.CHANGED) for path in hidden]
        named = project_paths(layout).named
        changed = [
            replace(each, path=named(each.path), old_path=each.old_path and named(each.old_path))
            for each in changed
        ]
        return since, pairs, tuple(changed) if pairs else None
    except GitRefusedError as error:
        gaps.unknown.append(f"evidence unknown: git says: {error.reason}; {error.hint}")
    except GitError as error:
        gaps.unknown.append(f"evidence unknown: {error.summary}")
    return "nothing", [], None


def _kind(change: FileChange) -> Kind:
    return Kind(change.kind) if change.kind in list(Kind) else Kind.CHANGED


def _pairs_since(
    layout: Layout,
    top: Path,
    agents: Sequence[tuple[Run, RunMeta]],
    gaps: _Gaps,
    earlier: Sequence[Run],
) -> tuple[str, list[TreePair]]:
    """Return what to compare of the attempt that came after those of earlier runs."""
    if agents:
        return "when its sessions began", _pairs_of_runs(top, agents, gaps)
    sent_back = next((pair for run in reversed(earlier) if (pair := tree_pair(run, top))), None)
    now = tree_now(layout, top, gaps.caveats) if sent_back else None
    if sent_back is None or now is None:
        return "", []
    return "when it was sent back", [TreePair(before=sent_back.after, after=now)]


def _tree_pairs(
    layout: Layout, top: Path, task: Task, agents: Sequence[tuple[Run, RunMeta]], gaps: _Gaps
) -> tuple[str, list[TreePair]]:
    """Return since when, in words, and the trees to compare; none where they are not known."""
    of_runs = _pairs_of_runs(top, agents, gaps)
    if task.base_ref and (task.branch or not of_runs):
        found = _pair_since_base(layout, top, task, gaps.caveats)
        if found is not None:
            gaps.caveats += gaps.unknown  # the branch tells what the runs' trees do not
            gaps.unknown.clear()
            others = others_changes(top, of_runs)
            return f"where the work left `{task.base_ref}`", [found._replace(others=others)]
    if of_runs:
        return "when its sessions began", of_runs
    if agents:
        gaps.caveats.append("no tree was taken when its sessions began")
    if not task.base_ref:
        gaps.caveats.append(
            "the task names no `base_ref`: only changes that are not committed are seen"
        )
    now = tree_now(layout, top, gaps.caveats)
    head = answer_of(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], top)
    if now is None or head is None:
        return "nothing", []
    return "the last commit", [TreePair(before=head, after=now)]


def _pairs_of_runs(top: Path, agents: Sequence[tuple[Run, RunMeta]], gaps: _Gaps) -> list[TreePair]:
    pairs = []
    for run, _ in agents:
        pair = tree_pair(run, top)
        if pair is None:
            # Trees that were taken and are gone are not the same as none that were ever taken.
            are_lost = any(not has_object(top, tree) for tree in trees_of(run))
            words = f"what run `{run.id}` changed is not known: its trees are not here"
            (gaps.unknown if are_lost else gaps.caveats).append(words)
        else:
            pairs.append(pair)
        _note_left_out(run, gaps)
    return pairs


def _note_left_out(run: Run, gaps: _Gaps) -> None:
    """Note what the trees of a run do not hold: nobody can see there whether it changed."""
    events = read_events(run).events
    gaps.caveats += [e.message for e in events if e.type == EventType.BRANCH_CHANGED]
    if _was_left_alone(run):
        gaps.caveats.append(
            f"run `{run.id}` was not watched to its end: every change counts as its own, and what "
            "it changed elsewhere is not known"
        )
    found = read_checkpoints([run]).found
    for each in found[-1].checkpoint.left_out if found else ():
        if each.reason != PRIVATE:
            is_filtered = each.reason.startswith(FILTERED.partition("{")[0])
            words = f"`{gaps.named(each.path)}` is {each.reason} and is not looked into"
            (gaps.unknown if is_filtered else gaps.caveats).append(words)


def _was_left_alone(run: Run) -> bool:
    """Tell whether a run has ended and its supervisor had gone before."""
    state = run.find_state()
    is_over = state is not None and state.status not in (RunStatus.PREPARED, RunStatus.RUNNING)
    return is_over and not events_after_end(run)


def _pair_since_base(layout: Layout, top: Path, task: Task, caveats: list[str]) -> TreePair | None:
    """Return the fork point of a task's work from its base, and the work as it stands."""
    branch = task.branch if task.branch and _is_there(top, f"{BRANCHES}{task.branch}") else None
    if task.branch and branch is None:
        caveats.append(f"there is no branch `{task.branch}` here")
    here = current_branch(top)
    tip = f"{BRANCHES}{branch}" if branch else "HEAD"
    base = branch_or_commit(top, task.base_ref or "")
    if not _is_there(top, f"{base}^{{commit}}"):
        caveats.append(f"`{task.base_ref}`, its base, is not in this repository")
        return None
    fork = answer_of(["merge-base", base, tip], top)
    if not fork:
        is_shallow = answer_of(["rev-parse", "--is-shallow-repository"], top) == "true"
        shallow = f"the history here is shallow: where it left `{task.base_ref}` is not known"
        apart = f"`{branch or 'HEAD'}` and `{task.base_ref}` have no history in common"
        caveats.append(shallow if is_shallow else apart)
        return None
    if branch is not None and branch != here:
        places = [each.path for each in list_worktrees(top) if each.branch == branch]
        top = next((place for place in places if place.is_dir()), top)
        if top not in places:
            caveats.append(f"`{branch}` is not checked out here: only its commits are seen")
            return TreePair(before=fork, after=tip)
    now = tree_now(layout, top, caveats)
    return None if now is None else TreePair(before=fork, after=now)


def tree_now(layout: Layout, top: Path, caveats: list[str]) -> str | None:
    """Return a work tree as it stands; None where git cannot read it, which is added to caveats."""
    prefix = state_prefix(layout.state_dir, top)
    try:
        ensure_state_dir(layout)
        taken = take_tree(top, scratch=layout.state_dir, without=prefix)
    except (GitError, GitRefusedError):
        raise
    except MissionError as error:
        caveats.append(f"the work tree cannot be read by git: {error.message}")
        return None
    named = project_paths(layout).named
    caveats += [
        f"`{named(each.path)}` is {each.reason} and is not looked into" for each in taken.left_out
    ]
    return taken.tree


def _is_there(top: Path, name: str) -> bool:
    found = answer_of(["rev-parse", "--verify", "--quiet", name], top)
    return found is not None and has_object(top, name)


def _reports_all(run: Run, meta: RunMeta, mission: Mission) -> bool:
    try:
        runtime = get_runtime(meta.runtime, mission.runtimes)
    except MissionError:
        return False
    is_seen = meta.mode is Mode.HEADLESS or run.transcript.exists()
    return is_seen and runtime.reports_commands


def _commands_of_agents(
    agents: Sequence[tuple[Run, RunMeta]], mission: Mission, caveats: list[str], untold: list[str]
) -> Iterator[tuple[str, RanCommand]]:
    for run, meta in agents:
        if meta.mode is Mode.INTERACTIVE and not run.transcript.exists():
            caveats.append(f"run `{run.id}` was interactive: its commands are not known")
            continue
        if not _reports_all(run, meta, mission):
            caveats.append(f"`{meta.runtime}` does not report every command it runs")
        try:
            reader = reader_of(run, meta, mission)
        except MissionError:
            caveats.append(f"the transcript of `{meta.runtime}` cannot be read any more")
            continue
        missing = run.find_result().metrics.transcript_bytes_missing
        if missing > 0:
            caveats.append(
                f"the transcript of run `{run.id}` is not complete: {format_size(missing)} of its "
                "output came too fast to be read"
            )
        for line in transcript_lines(run, reader.marks, caveats.append):
            for seen in reader.feed(line):
                if isinstance(seen, CommandRan):
                    command = RanCommand(
                        command=masked_line(seen.command[:LONGEST_COMMAND]),
                        exit_code=seen.exit_code,
                        failed=seen.failed,
                        source=f"run {run.id}",
                    )
                    yield meta.created_at.isoformat(), command
        if not reader.tells_all_commands:
            untold.append(f"run `{run.id}` does not tell what its sub-agents ran")


def _commands_of_steps(runs: Sequence[Run]) -> Iterator[tuple[str, RanCommand]]:
    for run in runs:
        meta, done = run.find_meta(), run.find_result()
        if meta is None or meta.session_id or done.outcome in ("", "prepared"):
            continue
        argv = meta.argv
        if argv[:1] == ("mission",):
            continue
        is_shell = argv[:2] == ("sh", "-c") and len(argv) > len(("sh", "-c"))
        command = RanCommand(
            command=masked_line(argv[2] if is_shell else shlex.join(argv)),
            exit_code=done.exit_code,
            failed=done.outcome != "completed",
            source=f"step {meta.step_id}",
            cwd=meta.cwd,
            is_gate=meta.step_id.startswith(GATE_STEP),
        )
        yield meta.created_at.isoformat(), command
