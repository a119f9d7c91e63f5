"""A review: what an agent claims compared with what happened, for a person to decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.codec import parse_json
from mosaic.errors import MissionError
from mosaic.git.diff import compare_trees, describe_changes, read_diff
from mosaic.git.git import answer_of, find_work_tree
from mosaic.git.index_copy import changed_in_secret, hidden_files
from mosaic.machine.disk import find_bytes, find_text
from mosaic.plan.gates import parse_gates
from mosaic.plan.globs import outside_scope
from mosaic.prompts.bounded import one_line
from mosaic.prompts.capsule import LONGEST_LINE as LONGEST_CRITERION
from mosaic.records import dataclass
from mosaic.review.claimed_files import parse_file_claims
from mosaic.review.claims import parse_command_claims
from mosaic.review.evidence import Evidence, gather_evidence, tree_now
from mosaic.review.matching import (
    ChangedFile,
    Judged,
    JudgedCriterion,
    Standing,
    judge_claims,
    judge_criteria,
)
from mosaic.runs.folders import is_session_run, runs_of_task
from mosaic.runs.report import GATE_STEP
from mosaic.sessions.changes import (
    changes_of_pairs,
    edits_on_record,
    hidden_edits,
    own_files,
    scope_violations,
)
from mosaic.sessions.remarks import find_again
from mosaic.sessions.rules import (
    allowed_paths,
    decisions_by_hand,
    scope_that_counts,
    standing_changes,
)
from mosaic.sessions.whose import Outside, standing_outside
from mosaic.settings import GatePolicy
from mosaic.store.project_paths import project_paths
from mosaic.text.criteria import acceptance_criteria, find_goal
from mosaic.text.decisions import last_filed_session, read_decisions
from mosaic.text.sections import HANDOFF_SECTIONS, handoff_texts, missing_sections
from mosaic.workspaces.provision import own_prefixes
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.runs.record import Run
    from mosaic.sessions.remarks import Found
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.text.criteria import Criterion
    from mosaic.text.decisions import Decision


@dataclass(frozen=True, kw_only=True, slots=True)
class GateOnRecord:
    """How a gate went when it ran last."""

    name: str
    is_green: bool
    words: str
    run_id: str
    tail: str
    """The end of what it wrote, where it failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """Everything that a person needs to decide."""

    task: Task
    sections: Mapping[str, str]
    missing: tuple[str, ...]
    evidence: Evidence
    """Of this attempt: what came after the last handoff that was sent back."""
    whole: Evidence
    """Of all attempts together."""
    judged: Judged
    out_of_scope: tuple[str, ...]
    gates: tuple[GateOnRecord, ...]
    stat: str
    outside: tuple[Outside, ...] = ()
    """What changed outside the worktrees of its agents, and still stands so."""
    rules_changed: tuple[str, ...] = ()
    """Rules that changed while its agents worked and still stand so, in words."""
    warnings: tuple[str, ...] = ()
    """What is worth a look without being an objection, in words."""
    decisions: tuple[Decision, ...] = ()
    """What people decided on the task, the oldest first."""
    unchanged_since: int | None = None
    """The decision that sent it back, where nothing was changed since."""
    remarks: Mapping[int, Found] = {}
    """Where the lines of remarks are now, by number."""
    goal: str = ""
    criteria: tuple[JudgedCriterion, ...] = ()
    criteria_gone: str = ""
    """Those that the last session was asked for and that are not asked for now, in words."""
    version: str = ""
    """Of the task's row and file as they were read; empty where nobody asks later."""
    is_own: Callable[[str], bool] = lambda _: False
    """Whether a path is one of the mission's own files, which stand behind the work."""

    @property
    def work(self) -> list[ChangedFile]:
        """What was changed, without the mission's own files."""
        return [each for each in self.evidence.changed or () if not self.is_own(each.path)]

    @property
    def objections(self) -> list[str]:
        """The objections to approving, in words."""
        found = []
        if self.missing:
            found.append(f"the handoff lacks {', '.join(f'`{name}`' for name in self.missing)}")
        if count := sum(each.criterion.is_open for each in self.criteria):
            asked = sum(not each.criterion.is_dropped for each in self.criteria)
            found.append(f"acceptance criteria not ticked: {count} of {asked}")
        found += filter(None, [self.criteria_gone])
        contradicted = Standing.CONTRADICTED
        if count := sum(each.standing is contradicted for each in self.criteria):
            found.append(f"{_counted(count, 'tick is', 'ticks are')} contradicted")
        standings = [each.standing for each in self.judged.files]
        standings += [each.standing for each in self.judged.commands]
        if count := standings.count(contradicted):
            found.append(f"{_counted(count, 'claim is', 'claims are')} contradicted")
        found += self.whole.unknown
        if self.unchanged_since:
            found.append(f"nothing was changed since decision {self.unchanged_since} sent it back")
        if count := len(self.out_of_scope):
            found.append(f"{_counted(count, 'file', 'files')} changed outside of the write scope")
        found += [each.words for each in self.outside]
        found += self.rules_changed
        found += [f"gate `{gate.name}` {gate.words}" for gate in self.gates if not gate.is_green]
        return found

    def decision_words(self) -> list[str]:
        """Return what people decided, one line each, and whether it is answered."""
        lines = []
        for each in self.decisions:
            found = self.remarks.get(each.number)
            now = f" ({found.words})" if found and found.words else ""
            place = f" on {each.place}{now}" if each.place else ""
            words = " ".join(each.text.split())
            line = f"{each.number}  {each.kind} by {each.by}, {each.date}{place}"
            line += f": {words}" if words else ""
            said = [f"answered: {answer}" for answer in each.notes_of("answered")]
            lines.append("; ".join([line, *said, *(["open"] if each.is_open else [])]))
            lines += [f"   handed off before: {each.filed}"] if each.filed else []
        return lines


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def review_task(snapshot: Snapshot, task: Task) -> Review:
    """Compare what a task's handoff claims with what git, transcripts and records show."""
    entry, version = snapshot.get(task.id), snapshot.version(task)
    file = find_text(snapshot.layout.tasks_dir / entry.file.name) if entry.file else None
    text = file.text if file else ""
    sections = handoff_texts(text) if text else dict.fromkeys(HANDOFF_SECTIONS, "")
    known = _decisions(snapshot, task, text)
    whole = gather_evidence(snapshot, task)
    since = last_filed_session(known)
    evidence = gather_evidence(snapshot, task, since) if since else whole
    runs = runs_of_task(snapshot.layout.runs_dir, task.id)
    top = find_work_tree(snapshot.layout.project)
    in_tree = project_paths(snapshot.layout).in_tree
    is_git_own = own_files(snapshot.layout, top) if top else lambda _: False

    def is_own(path: str) -> bool:
        return is_git_own(in_tree(path))

    files = parse_file_claims(sections["files_changed"])
    judged = judge_claims(
        files,
        parse_command_claims(sections["commands_run"]),
        changed=evidence.changed,
        ran=evidence.ran,
        knows_all_commands=evidence.knows_all_commands,
        roots=evidence.roots,
        ignored=is_own,
        whole=() if whole is evidence else whole.changed or (),
        hidden=_ignored_by_git(snapshot.layout, [claim.path for claim in files]) if top else (),
    )
    criteria = acceptance_criteria(text)
    return Review(
        task=task,
        version=version,
        sections=sections,
        missing=tuple(missing_sections(text)) if text else (),
        evidence=evidence,
        whole=whole,
        judged=judged,
        out_of_scope=tuple(_out_of_scope(snapshot, task, whole)),
        gates=tuple(_gates(snapshot, task, evidence)),
        stat=_stat(top, evidence, is_git_own),
        outside=standing_outside(snapshot, task),
        rules_changed=tuple(each.words for each in standing_changes(snapshot, task)),
        warnings=(*edits_on_record(runs), *_warnings_of(runs)),
        decisions=known,
        unchanged_since=_unchanged_since(known, evidence, is_own) if since else None,
        remarks=_remarks(snapshot, task, known),
        goal=find_goal(text),
        criteria=judge_criteria(criteria, evidence.ran),
        criteria_gone=_criteria_gone(runs, criteria),
        is_own=is_own,
    )


def _decisions(snapshot: Snapshot, task: Task, text: str) -> tuple[Decision, ...]:
    if not text:
        return ()
    by_hand = decisions_by_hand(snapshot, task.id)
    return tuple(e for e in read_decisions(text, task.status) if e.identity not in by_hand)


def _unchanged_since(
    known: Sequence[Decision], evidence: Evidence, is_own: Callable[[str], bool]
) -> int | None:
    if evidence.changed is None or not all(is_own(each.path) for each in evidence.changed):
        return None
    return next((each.number for each in reversed(known) if each.filed), None)


def _remarks(snapshot: Snapshot, task: Task, known: Sequence[Decision]) -> dict[int, Found]:
    if not any(each.place for each in known):
        return {}
    workspace = find_workspace(snapshot.layout, task.id)
    is_there = workspace is not None and workspace.is_there
    project = workspace.project if workspace and is_there else snapshot.layout.project
    return {each.number: find_again(each, project) for each in known if each.place}


def _warnings_of(runs: Sequence[Run]) -> list[str]:
    """Return what went wrong on the way in a task's last session."""
    last = [run for run in runs if is_session_run(run)][-1:]
    return [words for run in last for words in run.find_result().warnings]


def _criteria_gone(runs: Sequence[Run], criteria: Sequence[Criterion]) -> str:
    """Compare criteria with those that the last session was given, in its capsule."""
    run = next((run for run in reversed(runs) if is_session_run(run)), None)
    meta = run.find_meta() if run else None
    if run is None or meta is None:
        return ""
    try:
        capsule = parse_json(find_bytes(run.capsule_file) or b"{}")
        given = [each["text"] for each in capsule["acceptance_criteria"]
                 if each.get("state") != "dropped"]  # fmt: skip
    except (MissionError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return ""
    asked = {one_line(each.text, LONGEST_CRITERION) for each in criteria if not each.is_dropped}
    gone = [str(text) for text in given if text not in asked]
    count = _counted(len(gone), "acceptance criterion is", "acceptance criteria are")
    since = f"{count} gone or dropped since `{meta.session_id}` began"
    return f"{since}: {'; '.join(gone)}" if gone else ""


def _ignored_by_git(layout: Layout, paths: Sequence[str]) -> Sequence[str]:
    leads_out = project_paths(layout).leads_out
    within = [path for path in paths if not leads_out(path)]
    found = answer_of(["check-ignore", "--", *within], layout.project) if within else None
    return found.split("\n") if found else ()


def diff_text(snapshot: Snapshot, review: Review) -> str:
    """Return the changes as a diff, for people to read: the work, then the mission's own files."""
    top = find_work_tree(snapshot.layout.project)
    if top is None:
        return ""
    own = [*own_prefixes(snapshot.layout, top)]
    pairs = review.evidence.pairs
    parts = []
    for pair in pairs:
        others = [f":(exclude,literal){name}" for name in (*own, *sorted(pair.others))]
        parts.append(read_diff(top, pair.before, pair.after, [".", *others]))
    if own:
        only = [f":(literal){name}" for name in own]
        parts += [read_diff(top, pair.before, pair.after, only) for pair in pairs]
    return "\n".join(filter(None, parts))


def _out_of_scope(snapshot: Snapshot, task: Task, evidence: Evidence) -> list[str]:
    """Return what was changed outside of the write scope, and has not been put back since."""
    scope = scope_that_counts(snapshot, task)
    changed = [path for c in evidence.changed or () for path in (c.path, c.old_path) if path]
    allowed = allowed_paths(snapshot, task)
    outside = scope_violations(snapshot.layout, scope, changed, allowed)
    if not outside:
        return []
    workspace = find_workspace(snapshot.layout, task.id)
    place = workspace.path if workspace else find_work_tree(snapshot.layout.project)
    now = tree_now(snapshot.layout, place, []) if place and place.is_dir() else None
    if now is None or place is None:
        return outside
    before = evidence.pairs[0].before
    left = {change.path for change in compare_trees(place, before, now, find_renames=False)}
    if passed_by := set(hidden_edits(runs_of_task(snapshot.layout.runs_dir, task.id))):
        hidden = sorted(passed_by.intersection(hidden_files(place)))
        left |= {*changed_in_secret(place, snapshot.layout.state_dir, hidden)}
    in_tree = project_paths(snapshot.layout).in_tree
    return [path for path in outside if in_tree(path) in left]


def _stat(top: Path | None, evidence: Evidence, is_own: Callable[[str], bool]) -> str:
    """Return the size of the work in one line, the mission's own files left out; empty: unknown."""
    if top is None or evidence.changed is None:
        return ""
    changes = changes_of_pairs(top, evidence.pairs)
    return describe_changes([each for each in changes if not is_own(each.path)])


def _gates(snapshot: Snapshot, task: Task, evidence: Evidence) -> list[GateOnRecord]:
    """Return how each gate went since the last session began, and those that are due and did not.

    Where no session runs them, how each went last.
    """
    mission = snapshot.document.mission
    are_run = mission.review.gates is not GatePolicy.NEVER
    last: dict[str, GateOnRecord] = {}
    outdated: dict[str, str] = {}
    for run in runs_of_task(snapshot.layout.runs_dir, task.id):
        meta = run.find_meta()
        if meta is not None and meta.session_id and are_run:
            outdated |= dict.fromkeys([*outdated, *last], meta.session_id)
            last.clear()
        done = run.find_result()
        step = done.step_id
        if not step.startswith(GATE_STEP) or done.outcome == "prepared":
            continue
        green = done.outcome == "completed"
        words = "passed" if green else f"failed with exit code {done.exit_code}"
        if done.reason == "timeout":
            words = "took too long"
        last[step] = GateOnRecord(
            name=step.removeprefix(GATE_STEP),
            is_green=green,
            words=words,
            run_id=run.id,
            tail="" if green else run.output_tail(),
        )
    changed = [change.path for change in evidence.changed or ()]
    folder = project_paths(snapshot.layout).folder
    for gate in parse_gates(mission.quality_gates) if are_run else ():
        has_scope = bool(gate.scope) and evidence.changed is not None
        is_due = not has_scope or outside_scope(changed, gate.scope, folder) != changed
        if is_due and gate.step not in last:
            since = outdated.get(gate.step)
            words = f"has not run since `{since}` began" if since else "never ran"
            last[gate.step] = GateOnRecord(
                name=gate.name, is_green=False, words=words, run_id="", tail=""
            )
    return list(last.values())
