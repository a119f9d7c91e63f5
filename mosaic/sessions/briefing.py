"""What an agent is told: gathers the mission's files into a prompt and a capsule."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.codec import dump_json, format_moment
from mosaic.errors import MissionError, MissionOwnerError, StateNotOursError
from mosaic.git.git import current_branch
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import write_private
from mosaic.model import Mode
from mosaic.plan.durations import format_duration
from mosaic.plan.gates import parse_gates
from mosaic.plan.progress import current_milestone, measure_progress
from mosaic.prompts.capsule import build_capsule
from mosaic.prompts.context import (
    AttemptFacts,
    CheckpointFacts,
    DependencyReport,
    FileFacts,
    NameFacts,
    ProjectFacts,
    PromptContext,
    SessionFacts,
    StateFacts,
    TaskFacts,
    WorktreeFacts,
    dependency_report,
)
from mosaic.records import dataclass
from mosaic.runs.record import Run
from mosaic.sessions.attempt import REASON_WORDS, plan_attempt
from mosaic.sessions.choice import choose_runtime, choose_task
from mosaic.store.state import ensure_state_dir
from mosaic.store.templates import compiled_templates, load_partials, load_template
from mosaic.text.fields import field_values

if TYPE_CHECKING:
    from datetime import datetime

    from mosaic.model import JsonValue, Milestone, Session, Task
    from mosaic.ports import Runtime
    from mosaic.runs.checkpoint import FoundCheckpoint
    from mosaic.sessions.attempt import Attempt
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.store.templates import Template
    from mosaic.workspaces.record import Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """What a hand-off adds to the mission as it stands."""

    runtime: str
    mode: Mode
    now: datetime
    attempt: Attempt
    session_id: str | None = None
    """None when nothing is launched."""
    run_id: str | None = None
    prompt_file: str | None = None
    run_dir: str | None = None
    workspace: Workspace | None = None
    """The worktree that the agent works in; None: the mission's own work tree."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Briefing:
    """A rendered hand-off."""

    prompt: str
    capsule: str
    """next-task.json, whole."""
    template: Template
    template_path: str

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
    from mosaic.prompts.prompt import render_prompt  # start-up: jinja2

    layout = snapshot.layout
    text = _task_text(snapshot, task)
    context = _context(snapshot, task, text, occasion)
    name = "resume.md.j2" if occasion.attempt.last_session else "continuation.md.j2"
    template = load_template(name, layout)
    shown = layout.shown(template.path)
    prompt = render_prompt(
        template.source,
        context,
        name=shown,
        partials=load_partials(layout),
        compiled=compiled_templates(),
    )
    capsule = build_capsule(
        context,
        snapshot.document.mission,
        task,
        generated_at=occasion.now,
        checkpoint=_checkpoint_values(occasion.attempt.checkpoint),
        prompt_file=occasion.prompt_file,
    )
    return Briefing(
        prompt=prompt,
        capsule=dump_json(capsule).decode(),
        template=template,
        template_path=shown,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """A hand-off that stopped before the claim."""

    task: Task
    runtime: Runtime
    attempt: Attempt
    briefing: Briefing
    unsaved: MissionError | None = None
    """Why the capsule was not written: a command that only looks does without a state folder."""


def preview_hand_off(snapshot: Snapshot, request: HandOffRequest) -> Preview:
    """Do everything up to the claim: the capsule is written, and nothing else is changed."""
    task = choose_task(snapshot, request)
    runtime = choose_runtime(snapshot, task, request, is_preview=True)
    attempt = plan_attempt(snapshot, task, runtime, request)
    occasion = Occasion(runtime=runtime.name, mode=request.mode, now=utc_now(), attempt=attempt)
    briefing = brief_agent(snapshot, task, occasion)
    unsaved: MissionError | None = None
    try:
        save_capsule(snapshot.layout, briefing.capsule)
    except (StateNotOursError, MissionOwnerError) as error:
        unsaved = error
    return Preview(task=task, runtime=runtime, attempt=attempt, briefing=briefing, unsaved=unsaved)


def save_capsule(layout: Layout, capsule: str) -> None:
    """Write next-task.json."""
    ensure_state_dir(layout)
    write_private(layout.capsule_file, capsule.encode(), root=layout.state_dir)


def _context(snapshot: Snapshot, task: Task, text: str, occasion: Occasion) -> PromptContext:
    mission = snapshot.document.mission
    layout = snapshot.layout
    progress = measure_progress(snapshot.tasks)
    milestone = _milestone(snapshot, task)
    attempt = occasion.attempt
    last = mission.sessions.last()
    return PromptContext(
        project=ProjectFacts(
            name=mission.name, description=mission.description, path=str(_project(layout, occasion))
        ),
        mission=NameFacts(id=mission.id, name=mission.name),
        state=StateFacts(done=progress.done, total=progress.total, pct=progress.pct),
        files=_files(layout, task, occasion),
        worktree=_worktree(occasion.workspace),
        task=_task_facts(task, text),
        runtime=occasion.runtime,
        headless=occasion.mode is Mode.HEADLESS,
        quality_gates=tuple(gate.shown for gate in parse_gates(mission.quality_gates)),
        milestone=NameFacts(id=milestone.id, name=milestone.name) if milestone else None,
        branch=current_branch(_project(layout, occasion)),
        previous_session=_previous_session(last) if last is not None else None,
        dependencies=_dependencies(snapshot, task),
        attempt=AttemptFacts(
            number=attempt.number,
            conversation_continued=attempt.conversation is not None,
            why_last_ended=attempt.why_last_ended or None,
            checkpoint=_checkpoint_facts(attempt),
            needs_human=attempt.asked.needs_human,
            followups=attempt.asked.followups,
            failed_gates=attempt.asked.failed_gates,
        ),
        session_id=occasion.session_id,
        run_id=occasion.run_id,
        command=own_command(),
    )


def _milestone(snapshot: Snapshot, task: Task) -> Milestone | None:
    """Return the task's own milestone, else the current one."""
    milestones = snapshot.document.mission.milestones
    own = next((each for each in milestones if each.id == task.milestone), None)
    return own or current_milestone(milestones)


def own_command() -> str | None:
    """Return the path of the `mission` program that runs now; login shells may not find it."""
    beside = os.path.join(os.path.dirname(sys.executable), "mission")
    if os.access(beside, os.X_OK):
        return beside
    from shutil import which  # start-up: an installed one stands beside its Python

    return which("mission")


def _project(layout: Layout, occasion: Occasion) -> Path:
    return occasion.workspace.project if occasion.workspace else layout.project


def _files(layout: Layout, task: Task, occasion: Occasion) -> FileFacts:
    """Return where the mission's files are; from a worktree, whose copies do not count, whole."""
    away = occasion.workspace is not None

    def shown(path: Path) -> str:
        return str(path) if away else layout.shown(path)

    return FileFacts(
        manifest=shown(layout.manifest_file),
        scratchpad=shown(layout.scratchpad_file),
        tasks=shown(layout.tasks_file),
        task=shown(layout.project / task.file) if task.file else None,
        # A later hand-off, or a mere look at the next one, writes next-task.json anew.
        capsule=_own_capsule(occasion) or shown(layout.capsule_file),
        run_dir=occasion.run_dir,
    )


def _own_capsule(occasion: Occasion) -> str | None:
    return str(Run(dir=Path(occasion.run_dir)).capsule_file) if occasion.run_dir else None


def _worktree(workspace: Workspace | None) -> WorktreeFacts | None:
    if workspace is None:
        return None
    return WorktreeFacts(
        path=str(workspace.project), branch=workspace.branch, base=workspace.base_commit
    )


def _task_facts(task: Task, text: str) -> TaskFacts:
    from mosaic.text.frontmatter import find_block  # start-up: yaml, mistune
    from mosaic.text.sections import acceptance_criteria, handoff_texts, missing_sections

    block = find_block(text)
    body = text[block.body_start :] if block else text
    notes = handoff_texts(body)["notes"] if text else ""
    return TaskFacts(
        id=task.id,
        fields=field_values(task),
        extra=task.extra,
        body=_before_handoff(body),
        missing_sections=missing_sections(text) if text else (),
        acceptance_criteria=acceptance_criteria(text),
        notes="\n".join(filter(None, (task.notes, notes))),
    )


def _before_handoff(body: str) -> str:
    """Return a task's body up to its handoff sections, which are for the agent to fill."""
    from mosaic.text.sections import HANDOFF_SECTIONS, find_sections

    lines = [s.line for s in find_sections(body) if s.name in HANDOFF_SECTIONS]
    kept = body.splitlines()[: lines[0] - 1] if lines else body.splitlines()
    return "\n".join(kept).strip()


def _dependencies(snapshot: Snapshot, task: Task) -> tuple[DependencyReport, ...]:
    from mosaic.text.sections import handoff_texts

    reports = []
    for name in task.depends_on:
        other = snapshot.find_task(name)
        if other is None:
            reports.append(DependencyReport(id=name))
        else:
            sections = handoff_texts(_task_text(snapshot, other))
            reports.append(dependency_report(other, sections))
    return tuple(reports)


def _previous_session(session: Session) -> SessionFacts:
    length = session.duration_seconds
    reason = session.ended_reason
    return SessionFacts(
        id=session.id,
        runtime=session.runtime,
        length=format_duration(length) if length is not None else "",
        ended=f"{session.ended_at:%Y-%m-%d %H:%M} UTC" if session.ended_at else "",
        reason_words=REASON_WORDS[reason] if reason else "has not ended",
        last_task=session.last_task_id,
    )


def _task_text(snapshot: Snapshot, task: Task) -> str:
    return snapshot.task_text(task).replace("\r\n", "\n")


def _checkpoint_facts(attempt: Attempt) -> CheckpointFacts | None:
    found = attempt.checkpoint
    if found is None:
        return None
    checkpoint = found.checkpoint
    return CheckpointFacts(
        seq=checkpoint.seq,
        summary="; ".join(filter(None, (checkpoint.summary, checkpoint.note))),
        patch=str(found.patch) if found.patch else None,
        files=tuple(f"{each.path} ({each.kind})" for each in checkpoint.files),
        is_set_back=attempt.is_set_back,
    )


def _checkpoint_values(found: FoundCheckpoint | None) -> dict[str, JsonValue] | None:
    """Return a checkpoint as the capsule tells it."""
    if found is None:
        return None
    checkpoint = found.checkpoint
    return {
        "seq": checkpoint.seq,
        "created_at": format_moment(checkpoint.created_at),
        "summary": checkpoint.summary,
        "note": checkpoint.note,
        "run_id": checkpoint.run_id,
        "tree": checkpoint.tree,
        "commit": checkpoint.commit,
        "stat": checkpoint.stat,
        "patch": str(found.patch) if found.patch else None,
    }
