"""`mission check`: gather everything that the checks look at, and mend what has one answer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mosaic.errors import GitRefusedError, MergeConflictError, MissionError
from mosaic.git.checkpoint_store import carrying_remotes
from mosaic.git.git import answer_of, find_repository
from mosaic.machine.disk import find_text
from mosaic.model import RunStatus
from mosaic.plan.check import Checked, Finding, Level, check_mission, check_names_in_scopes
from mosaic.plan.sizes import format_size
from mosaic.plan.statuses import parse_status
from mosaic.runs.events import read_events
from mosaic.runs.folders import (
    is_half_laid_out,
    runs_in,
    runs_of_task,
    sweep_half_laid_out,
    task_folders,
)
from mosaic.runtimes import known_runtimes
from mosaic.sessions.away import away_findings, listen_again
from mosaic.sessions.dead_sessions import recover_if_needed
from mosaic.sessions.ground import ground_of
from mosaic.sessions.housekeeping import find_all_leftovers, link_to_state, remove_leftovers
from mosaic.sessions.liveness import find_locks
from mosaic.sessions.recovery import is_dead, recover_steps
from mosaic.sessions.restoring import list_restoring
from mosaic.sessions.rules import decision_faults
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.sessions.worktrees import (
    finding_of,
    mend_worktrees,
    warning,
    worktree_findings,
)
from mosaic.store.aside import find_aside, find_copies, find_moved
from mosaic.store.draft import changing
from mosaic.store.gone import find_gone
from mosaic.store.in_step import number_rows, synchronize
from mosaic.store.mission_file import line_of, load_mission
from mosaic.store.reading import read_mission
from mosaic.store.renumber import renumber_twins
from mosaic.store.retitle import other_headings
from mosaic.store.state import Standing, refuse_links_out
from mosaic.text.fields import unknown_word
from mosaic.text.frontmatter import cut_values
from mosaic.text.lines import refuse_conflict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Entry, Snapshot


def inspect_mission(mission_file: Path) -> list[Finding]:
    """Return everything that is wrong with a mission, errors first."""
    # Looked at before and after the files: a session that ends in between is not lost.
    live: set[str] = set()
    with contextlib.suppress(MissionError):
        locks = find_locks(load_mission(mission_file).layout)
        live = {found.lock.session_id for found in locks if not found.is_dead}
    snapshot = read_mission(mission_file, use_index=False)
    try:
        live |= {found.lock.session_id for found in live_or_unknown(snapshot)}
    except MissionError:  # a lock that cannot be read, which is a finding below: any may live
        live = {each.id for each in snapshot.document.mission.sessions.without_end()}
    problems = (*snapshot.problems, *snapshot.session_problems)
    findings = list(map(finding_of, dict.fromkeys(problem.error for problem in problems)))
    for look in (
        _project_findings,
        _lock_findings,
        _conflict_findings,
        _state_findings,
        _run_findings,
        _repository_findings,
        _leftover_findings,
        away_findings,
        _restore_findings,
        _decision_findings,
        _aside_findings,
        _gone_findings,
        _cut_findings,
    ):
        findings += look(snapshot)
    findings += check_mission(_checked(snapshot, live))
    return sorted(findings, key=lambda finding: finding.level is not Level.ERROR)


def scopes_elsewhere(mission_file: Path) -> list[Finding]:
    """Return the globs of write scopes that meant another place in earlier versions."""
    snapshot = read_mission(mission_file, use_index=False)
    return [*check_names_in_scopes(_checked(snapshot, set()))]


def mend_mission(mission_file: Path) -> list[str]:
    """Mend what has only one right answer, and say what was mended."""
    snapshot = read_mission(mission_file, use_index=False)
    mended = listen_again(snapshot.layout)
    mended += [
        f"session `{settled.session.id}` ended as {settled.outcome.reason}"
        for settled in recover_if_needed(snapshot) or ()
    ]
    layout = snapshot.layout
    is_linked = link_to_state(layout, layout.runs_dir) is not None
    for folder in task_folders(layout.runs_dir) if not is_linked else ():
        mended += [f"run `{run.id}`, half made, removed" for run in sweep_half_laid_out(folder)]
        ended = recover_steps(runs_in(folder), snapshot.document.mission)
        mended += [f"run `{run.id}` ended as crashed" for run in ended]
    mended += [
        f"`{layout.shown(left.path)}`, left by a process that is gone, removed"
        for left in remove_leftovers(find_all_leftovers(layout))
    ]
    mended += mend_worktrees(snapshot)
    with changing(mission_file, doing="giving ids to rows") as draft:
        numbered, refused = number_rows(draft)
    mended += [*numbered, *refused]
    mended += renumber_twins(mission_file)
    carried, _, _ = synchronize(mission_file, [], None)
    mended += [f"`{task_id}`: {each.field} carried to the {each.to}" for task_id, each in carried]
    return mended


def _checked(snapshot: Snapshot, live: set[str]) -> Checked:
    mission, entries = snapshot.document.mission, snapshot.entries()
    return Checked(
        tasks=snapshot.tasks,
        milestones=mission.milestones,
        open_sessions=mission.sessions.without_end(),
        live_sessions=live,
        table_path=snapshot.layout.shown(snapshot.layout.tasks_file),
        missing_sections={
            task_id: entry.file.missing_sections
            for task_id, entry in entries.items()
            if entry.file and entry.file.missing_sections
        },
        drift={task_id: _drift_words(entry) for task_id, entry in entries.items() if entry.carries},
        runtimes=known_runtimes(mission.runtimes, asked=(task.runtime for task in snapshot.tasks)),
        left_out=snapshot.left_out,
        aside=find_aside(snapshot),
        statuses=mission.statuses,
        ground=ground_of(snapshot),
        headings=[(e.task_id, e.heading, e.line) for e in other_headings(snapshot)],
        status_places=dict(_odd_statuses(snapshot)),
    )


def _odd_statuses(snapshot: Snapshot) -> Iterator[tuple[str, tuple[str, int]]]:
    own, table = snapshot.document.mission.statuses, snapshot.layout.tasks_file
    for task_id, entry in snapshot.entries().items():
        file, row = entry.file, entry.row
        if unknown_word(entry.task) and file and parse_status(file.texts["status"], own) is None:
            yield task_id, (entry.task.file or "", file.lines["status"])
        elif unknown_word(entry.task) and row:
            yield task_id, (snapshot.layout.shown(table), row.line)


def _drift_words(entry: Entry) -> list[str]:
    other = {"file": "table", "table": "file"}
    return [f"{carry.field} is newer in the {other[carry.to]}" for carry in entry.carries]


def _project_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for a `projectPath` that another clone or machine wrote."""
    document = snapshot.document
    if document.stray_words:
        yield warning(
            "PROJECT_PATH_ELSEWHERE",
            document.stray_words,
            path=snapshot.layout.shown(document.path),
            line=line_of(document.path, "projectPath"),
            hint="`mission migrate` writes `.`, which is right in every clone",
        )


def _lock_findings(snapshot: Snapshot) -> Iterator[Finding]:
    try:
        dead = [found for found in find_locks(snapshot.layout) if found.is_dead]
    except MissionError as error:
        yield finding_of(error)
        return
    for found in dead:
        yield warning(
            "SESSION_DEAD",
            f"session `{found.lock.session_id}` is locked, and {found.judgement.because}",
            path=snapshot.layout.shown(found.path),
            hint="`mission status` ends it",
            fixable=True,
        )


def _decision_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for decisions that no person made: written by hand while an agent worked."""
    for task in snapshot.tasks:
        if task.file and runs_of_task(snapshot.layout.runs_dir, task.id):
            for words in decision_faults(snapshot, task):
                yield warning(
                    "DECISION_BY_HAND",
                    f"decision on `{task.id}`: {words} while an agent worked",
                    path=task.file,
                    hint="no prompt has it; remove it, or say it again with `mission review`",
                )


def _run_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for records that cannot be read, and for steps whose process is gone."""
    for run in (r for f in task_folders(snapshot.layout.runs_dir) for r in runs_in(f)):
        shown = snapshot.layout.shown(run.dir)
        if is_half_laid_out(run):
            yield warning(
                "RUN_HALF_MADE",
                f"run `{run.id}` was never prepared to its end, and never began",
                path=shown,
                hint="`mission check --fix` removes it",
                fixable=True,
            )
            continue
        try:
            meta, state = run.meta(), run.state()
        except MissionError as error:
            yield finding_of(error, Level.WARNING)
            continue
        if meta.session_id is None and state.status is RunStatus.RUNNING and is_dead(run, state):
            yield warning(
                "STEP_DEAD",
                f"step `{meta.step_id}` of `{meta.task_id}` runs no more, "
                "and nobody recorded its end",
                path=shown,
                hint="`mission check --fix` records it",
                fixable=True,
            )
        if read_events(run).torn:
            yield warning(
                "EVENTS_TORN",
                f"a line of the events of run `{run.id}` is torn",
                path=f"{shown}/worker.log",
                detail="a crash cut it off; the rest is read",
            )


def _restore_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for restores that were killed half-way."""
    try:
        notes = list_restoring(snapshot.layout)
    except MissionError as error:
        yield finding_of(error)
        return
    yield from (finding_of(note.error()) for note in notes if not note.is_live)


def _aside_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for copies of the mission's files, and for task files that were moved into folders."""
    for place, original in find_copies(snapshot):
        yield warning(
            "FILE_COPY",
            f"`{place.name}` is a copy of `{original}`, made by an editor or a sync tool",
            path=snapshot.layout.shown(place),
            hint=f"it is not read: take over into `{original}` what you need, then delete it",
        )
    tasks = snapshot.layout.shown(snapshot.layout.tasks_dir)
    for task_id, path in find_moved(snapshot):
        yield warning(
            "FILE_IN_FOLDER",
            f"the file of `{task_id}` stands in a folder and is not read",
            path=path,
            hint=f"move it to `{tasks}`; a task that is done stays there",
        )


def _gone_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for rows and files that were deleted by hand, or by git."""
    words = {
        "table": "the tasks table is gone",
        "row": "the row of `{}` is gone from the table",
        "file": "the file of `{}` is gone",
        "task": "`{}` is gone",
    }
    for gone in find_gone(snapshot):
        yield warning(
            f"{gone.what.upper()}_GONE",
            words[gone.what].format(gone.task_id),
            path=gone.path,
            hint=gone.way_back,
        )


def _cut_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for values that end at a `#`, which begins a comment in YAML."""
    for entry in snapshot.entries().values():
        text = snapshot.task_text(entry.task) if entry.file else ""
        for line, key, value in cut_values(text) if " #" in text else ():
            yield warning(
                "VALUE_CUT",
                f"`{key}` of `{entry.task.id}` ends before ` #`, where YAML begins a comment",
                path=entry.task.file,
                line=line,
                hint=f"write `{key}: {value}`, or a blank behind the `#` where it is a comment",
            )


def _leftover_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for temporary files of processes that were killed."""
    if left := find_all_leftovers(snapshot.layout):
        size = format_size(sum(each.size_bytes for each in left))
        yield warning(
            "FILES_LEFT",
            f"{len(left)} temporary files of killed processes are left, {size}",
            path=snapshot.layout.shown(left[0].path),
            hint="`mission check --fix` removes them",
            fixable=True,
        )


def _conflict_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for merges that are not resolved in the files that are read as plain text."""
    for path in (snapshot.layout.scratchpad_file, snapshot.layout.manifest_file):
        try:
            file = find_text(path)
            refuse_conflict(file.text if file else "", path=snapshot.layout.shown(path))
        except MergeConflictError as error:
            yield finding_of(error)
        except MissionError as error:
            yield finding_of(error, Level.WARNING)


def _repository_findings(snapshot: Snapshot) -> list[Finding]:
    """Look at worktrees and remotes; where git refuses the repository, that is the finding."""
    try:
        find_repository(snapshot.layout.project)
        found = [*_unmerged_findings(snapshot.layout), *worktree_findings(snapshot)]
        return [*found, *_exposure_findings(snapshot.layout)]
    except GitRefusedError as error:
        return [finding_of(error)]


def _unmerged_findings(layout: Layout) -> Iterator[Finding]:
    """Look for the mission's files that git lists as not merged, whatever they hold."""
    own = (layout.mission_file, layout.tasks_file, layout.tasks_dir)
    others = (layout.scratchpad_file, layout.manifest_file)
    command = ["ls-files", "--unmerged", "-z", "--"]
    listed = answer_of([*command, *map(str, (*own, *others))], layout.project) or ""
    names = (line.partition("\t")[2] for line in listed.split("\0"))
    for name in dict.fromkeys(filter(None, names)):
        yield warning(
            "MERGE_UNFINISHED",
            f"git has not merged `{name}` yet",
            path=name,
            hint="`git add` it when it is as it should be, or `git merge --abort`",
        )


def _exposure_findings(layout: Layout) -> Iterator[Finding]:
    """Look for remotes that checkpoints of older versions are pushed to."""
    for name in carrying_remotes(layout.project):
        yield warning(
            "CHECKPOINTS_PUSHED",
            f"`git push {name}` carries all refs, and checkpoints of an older version with them",
            hint="`mission clean` moves them to a store that git does not push",
        )


def _state_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for state that is not used because it may be somebody else's."""
    state = snapshot.layout.state
    if state.standing in (Standing.DOUBTED, Standing.CLOSED):
        is_closed = state.standing is Standing.CLOSED
        yield finding_of(state.refusal(), Level.WARNING if is_closed else Level.ERROR)
        return
    try:
        refuse_links_out(snapshot.layout)
    except MissionError as error:
        yield finding_of(error)
