"""What an agent is told: gathers the mission's files into a prompt and a capsule."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from mosaic.codec import dump_json, dump_record
from mosaic.git.git import current_branch
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import write_private
from mosaic.machine.paths import is_inside
from mosaic.model import Mode
from mosaic.plan.durations import format_duration
from mosaic.plan.ends import end_phrase
from mosaic.plan.gates import parse_gates
from mosaic.plan.progress import current_milestone, measure_progress
from mosaic.prompts import context as facts
from mosaic.prompts.capsule import build_capsule
from mosaic.records import NamedTuple, dataclass, replace
from mosaic.store.state import ensure_state_dir
from mosaic.store.templates import compiled_templates, load_partials, load_template
from mosaic.text.fields import field_values
from mosaic.workspaces.landed import find_unlanded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.model import JsonValue, Session, Task
    from mosaic.runs.checkpoint import FoundCheckpoint
    from mosaic.runs.record import Run
    from mosaic.sessions.attempt import Attempt
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.store.templates import Template
    from mosaic.workspaces.record import Workspace

CHECKPOINT_KEYS = ("seq", "created_at", "summary", "note", "run_id", "tree", "commit", "stat")
EMPTY_FORM = frozenset({"", "## Goal", "## Acceptance criteria", "- [ ]"})
"""The lines of a task's file that say nothing yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """What a hand-off adds to the mission as it stands."""

    runtime: str
    mode: Mode
    attempt: Attempt
    session_id: str | None = None
    """None when nothing is launched."""
    run: Run | None = None
    workspace: Workspace | None = None
    """The worktree that the agent works in; None: the mission's own work tree."""


class Briefing(NamedTuple):
    """A rendered hand-off."""

    prompt: str
    capsule: str
    """next-task.json, whole."""
    template: Template
    template_path: str
    """As it is shown."""

    def origin(self) -> dict[str, JsonValue]:
        """Return template and digests, for the run record."""
        from hashlib import sha256  # start-up: a preview needs none

        return {
            "template": self.template_path,
            "template_sha256": self.template.digest,
            "prompt_sha256": sha256(self.prompt.encode()).hexdigest(),
            "capsule_sha256": sha256(self.capsule.encode()).hexdigest(),
        }


def brief_agent(snapshot: Snapshot, task: Task, occasion: Occasion) -> Briefing:
    """Render the prompt and the capsule of a hand-off. Writes nothing."""
    from mosaic.prompts.prompt import render_prompt

    layout = snapshot.layout
    context = _context(snapshot, task, occasion)
    name = "resume.md.j2" if occasion.attempt.last_session else "continuation.md.j2"
    template = load_template(name, layout)
    shown = layout.shown(template.path)
    partials = load_partials(layout)
    codes = compiled_templates([template.source, *partials.values()])
    prompt = render_prompt(template.source, context, name=shown, partials=partials, codes=codes)
    capsule = build_capsule(
        context,
        snapshot.document.mission,
        task,
        generated_at=utc_now(),
        checkpoint=_checkpoint_values(occasion.attempt.checkpoint),
        prompt_file=str(occasion.run.prompt_file) if occasion.run else None,
    )
    return Briefing(prompt, dump_json(capsule).decode(), template, shown)


def save_capsule(layout: Layout, capsule: str) -> None:
    """Write next-task.json."""
    ensure_state_dir(layout)
    write_private(layout.capsule_file, capsule.encode(), root=layout.state_dir)


def _context(snapshot: Snapshot, task: Task, occasion: Occasion) -> facts.PromptContext:
    mission, run, workspace = snapshot.document.mission, occasion.run, occasion.workspace
    unlanded = find_unlanded(snapshot.layout, snapshot.tasks)
    progress = measure_progress(snapshot.tasks, unlanded)
    milestones = mission.milestones
    milestone = next((each for each in milestones if each.id == task.milestone), None)
    milestone = milestone or current_milestone(milestones, snapshot.tasks)
    attempt = occasion.attempt
    last = mission.sessions.last()
    project = workspace.project if workspace else snapshot.layout.project
    worktree = None
    if workspace is not None:
        worktree = facts.WorktreeFacts(
            path=str(project), branch=workspace.branch, base=workspace.base_commit
        )
    text = _task_text(snapshot, task)
    decisions, decided_before = _decisions(snapshot, task, text, project)
    return facts.PromptContext(
        project=facts.ProjectFacts(
            name=mission.name, description=mission.description, path=str(project)
        ),
        mission=facts.NameFacts(id=mission.id, name=mission.name),
        state=facts.StateFacts(done=progress.done, total=progress.total, pct=progress.pct),
        files=_files(snapshot.layout, task, occasion),
        worktree=worktree,
        task=_task_facts(task, text),
        runtime=occasion.runtime,
        headless=occasion.mode is Mode.HEADLESS,
        quality_gates=tuple(gate.shown for gate in parse_gates(mission.quality_gates)),
        milestone=facts.NameFacts(id=milestone.id, name=milestone.name) if milestone else None,
        branch=current_branch(project),
        previous_session=_previous_session(last) if last is not None else None,
        dependencies=_dependencies(snapshot, task, occasion),
        attempt=facts.AttemptFacts(
            number=attempt.number,
            conversation_continued=attempt.conversation is not None,
            why_last_ended=attempt.why_last_ended or None,
            checkpoint=_checkpoint_facts(attempt, snapshot.layout),
            needs_human=attempt.asked.needs_human,
            followups=attempt.asked.followups,
            failed_gates=attempt.asked.failed_gates,
        ),
        decisions=decisions,
        decided_before=decided_before,
        session_id=occasion.session_id,
        run_id=run.id if run else None,
        command=_shown_command(workspace),
    )


def own_command() -> str | None:
    """Return the path of the `mission` program that runs now; login shells may not find it."""
    beside = os.path.join(os.path.dirname(sys.executable), "mission")
    if os.access(beside, os.X_OK):
        return beside
    from shutil import which  # start-up: an installed one stands beside its Python

    return which("mission")


def _shown_command(workspace: Workspace | None) -> str | None:
    """Return the path of `mission` as an agent is told it: nothing that stands in the main tree.

    There it would lead an agent out of its worktree; its PATH has it.
    """
    command = own_command()
    if command is None or workspace is None:
        return command
    home, real = str(workspace.home), os.path.realpath(command)
    return None if is_inside(home, command) or is_inside(home, real) else command


def _files(layout: Layout, task: Task, occasion: Occasion) -> facts.FileFacts:
    """Return where the mission's files are; from a worktree, whose copies do not count, whole."""
    shown, run = _shown_as(layout, occasion), occasion.run
    return facts.FileFacts(
        manifest=shown(layout.manifest_file),
        scratchpad=shown(layout.scratchpad_file),
        tasks=shown(layout.tasks_file),
        task=shown(layout.project / task.file) if task.file else None,
        # A later hand-off, or a mere look at the next one, writes next-task.json anew.
        capsule=str(run.capsule_file) if run else shown(layout.capsule_file),
        run_dir=str(run.dir) if run else None,
    )


def _shown_as(layout: Layout, occasion: Occasion) -> Callable[[Path], str]:
    return str if occasion.workspace is not None else layout.shown


def _task_facts(task: Task, text: str) -> facts.TaskFacts:
    from mosaic.text.criteria import acceptance_criteria
    from mosaic.text.frontmatter import find_block  # start-up: yaml, mistune
    from mosaic.text.sections import (
        HANDOFF_SECTIONS,
        find_sections,
        handoff_texts,
        missing_sections,
    )

    block = find_block(text)
    body = text[block.body_start :] if block else text
    notes = handoff_texts(body)["notes"] if text else ""
    # The handoff sections are for the agent to fill.
    handoff = [s.line for s in find_sections(body) if s.name in HANDOFF_SECTIONS]
    before_it = body.splitlines()[: handoff[0] - 1 if handoff else None]
    written = {line.strip() for line in before_it} - EMPTY_FORM
    return facts.TaskFacts(
        id=task.id,
        fields=field_values(task),
        extra=task.extra,
        body="\n".join(before_it).strip() if written - {f"# {task.id} {task.title}"} else "",
        missing_sections=missing_sections(text) if text else (),
        acceptance_criteria=acceptance_criteria(text),
        notes="\n".join(filter(None, (task.notes, notes))),
    )


def _decisions(
    snapshot: Snapshot, task: Task, text: str, project: Path
) -> tuple[tuple[facts.DecisionFacts, ...], tuple[str, ...]]:
    """Return what a person decided and waits for an answer, and in short what was answered.

    What was written by hand while an agent worked is not known to be a person's.
    """
    from mosaic.text.sections import DECISIONS

    if DECISIONS not in text.casefold():
        return (), ()
    from mosaic.sessions.remarks import Found, find_again  # start-up: most tasks have none
    from mosaic.sessions.rules import decisions_by_hand
    from mosaic.text.decisions import Kind, read_decisions

    by_hand = decisions_by_hand(snapshot, task.id)
    known = [each for each in read_decisions(text) if each.identity not in by_hand]
    waiting = []
    for each in known:
        if each.is_open:
            found = find_again(each, project) if each.place else Found()
            fact = facts.DecisionFacts(
                number=each.number,
                kind=each.kind.value,
                date=each.date,
                by=each.by,
                words=each.text,
                question=next(iter(each.notes_of("question")), ""),
                place=each.place,
                quoted=tuple(each.quoted),
                now_at=found.words,
                around=found.around,
            )
            waiting.append(fact)
    waiting.sort(key=lambda each: bool(each.place))  # remarks come after what was said of it all
    before = [each for each in known if not each.is_open and each.kind is not Kind.COMMENTED]
    return tuple(waiting), tuple(each.line for each in before if each.text)


def _dependencies(
    snapshot: Snapshot, task: Task, occasion: Occasion
) -> tuple[facts.DependencyReport, ...]:
    from mosaic.text.sections import handoff_texts

    reports, shown = [], _shown_as(snapshot.layout, occasion)
    for name in task.depends_on:
        other = snapshot.find_task(name)
        known = handoff_texts(_task_text(snapshot, other)) if other else {}
        report = facts.dependency_report(other, known) if other else None
        if report and report.file:
            report = replace(report, file=shown(snapshot.layout.project / report.file))
        reports.append(report or facts.DependencyReport(id=name))
    return tuple(reports)


def _previous_session(session: Session) -> facts.SessionFacts:
    length = session.duration_seconds
    return facts.SessionFacts(
        id=session.id,
        runtime=session.runtime,
        length=format_duration(length) if length is not None else "",
        ended=f"{session.ended_at:%Y-%m-%d %H:%M} UTC" if session.ended_at else "",
        reason_words=end_phrase(session),
        last_task=session.last_task_id,
    )


def _task_text(snapshot: Snapshot, task: Task) -> str:
    return snapshot.task_text(task).replace("\r\n", "\n")


def _checkpoint_facts(attempt: Attempt, layout: Layout) -> facts.CheckpointFacts | None:
    found = attempt.checkpoint
    if found is None:
        return None
    from mosaic.store.project_paths import project_paths  # start-up: most tasks have none

    checkpoint, named = found.checkpoint, project_paths(layout).named
    return facts.CheckpointFacts(
        seq=checkpoint.seq,
        summary="; ".join(filter(None, (checkpoint.summary, checkpoint.note))),
        patch=str(found.patch) if found.patch else None,
        files=tuple(f"{named(each.path)} ({each.kind})" for each in checkpoint.files),
        is_set_back=attempt.is_set_back,
    )


def _checkpoint_values(found: FoundCheckpoint | None) -> dict[str, JsonValue] | None:
    """Return a checkpoint as the capsule has it."""
    if found is None:
        return None
    values = dump_record(found.checkpoint)
    patch = str(found.patch) if found.patch else None
    return {**{key: values[key] for key in CHECKPOINT_KEYS}, "patch": patch}
