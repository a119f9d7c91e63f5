"""What an agent is told: gathers the mission's files into a prompt and a capsule."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mosaic.machine.disk import find_text, write_private
from mosaic.machine.git import current_branch
from mosaic.plan.durations import format_duration
from mosaic.plan.progress import current_milestone, measure_progress
from mosaic.prompts.bounds import bounded
from mosaic.prompts.capsule import CapsuleInput, Dependency, build_capsule
from mosaic.runs.record import find_run, format_moment
from mosaic.store.templates import load_template

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mosaic.model import JsonValue, Session, Task
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

PARTIALS = (
    "_setup.md.j2",
    "_resume_point.md.j2",
    "_task.md.j2",
    "_handed_over.md.j2",
    "_instructions.md.j2",
)
LONGEST_BODY = 60_000
LONGEST_HANDOVER = 4_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """What is known of earlier sessions on a task."""

    number: int
    last_session: Session | None = None
    why_last_ended: str = ""
    conversation: str | None = None
    """The runtime's conversation that is continued."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Briefing:
    """A rendered hand-off."""

    prompt: str
    capsule: str
    """next-task.json, whole."""
    origin: Mapping[str, JsonValue]
    """Template and digests, for the run record."""


def brief_agent(
    snapshot: Snapshot,
    task: Task,
    *,
    runtime: str,
    attempt: Attempt,
    now: datetime,
    session_id: str | None = None,
    run_id: str | None = None,
    prompt_file: str | None = None,
) -> Briefing:
    """Render the prompt and the capsule of a hand-off. Writes nothing.

    Args:
        snapshot: the mission as it stands.
        task: the task that is handed off.
        runtime: the name of the agent's runtime.
        attempt: what is known of earlier sessions on it.
        now: the time of the hand-off.
        session_id: None when nothing is launched.
        run_id: likewise.
        prompt_file: where the prompt will be, relative to nothing.

    Raises:
        TemplateError: a template cannot be rendered.
        FileAccessError: a file that the prompt is made of cannot be read.
    """
    from mosaic.prompts.render import clean_prompt, render_template  # start-up: jinja2

    context = _Context(snapshot, task, attempt).values(runtime, session_id, run_id)
    layout = snapshot.layout
    template = load_template(
        "resume.md.j2" if attempt.last_session else "continuation.md.j2", layout
    )
    partials = {name: load_template(name, layout).source for name in PARTIALS}
    prompt = clean_prompt(
        render_template(
            template.source, context, name=template.name, path=template.path, partials=partials
        )
    )
    capsule = _capsule(
        snapshot,
        task,
        context,
        runtime=runtime,
        now=now,
        ids=(session_id, run_id, prompt_file),
    )
    return Briefing(
        prompt=prompt,
        capsule=capsule,
        origin={
            "template": layout.shown(template.path),
            "template_sha256": template.digest,
            "prompt_sha256": hashlib.sha256(prompt.encode()).hexdigest(),
            "capsule_sha256": hashlib.sha256(capsule.encode()).hexdigest(),
        },
    )


def save_capsule(layout: Layout, capsule: str) -> None:
    """Write next-task.json."""
    write_private(layout.capsule_file, capsule.encode(), root=layout.state_dir)


class _Context:
    """Gathers the plain values that templates may use; the README lists them."""

    def __init__(self, snapshot: Snapshot, task: Task, attempt: Attempt) -> None:
        from mosaic.text.sections import handoff_texts  # start-up: mistune

        self._handoff_of = handoff_texts
        self._snapshot = snapshot
        self._task = task
        self._attempt = attempt
        self._layout = snapshot.layout

    def values(self, runtime: str, session_id: str | None, run_id: str | None) -> dict[str, Any]:
        mission = self._snapshot.document.mission
        progress = measure_progress(self._snapshot.tasks)
        milestone = current_milestone(mission.milestones)
        task_milestone = next((m for m in mission.milestones if m.id == self._task.milestone), None)
        shown = task_milestone or milestone
        return {
            "project": {
                "name": mission.name,
                "description": mission.description,
                "path": str(self._layout.project),
            },
            "mission": {"id": mission.id, "name": mission.name},
            "state": {"done": progress.done, "total": progress.total, "pct": progress.pct},
            "files": self._files(),
            "runtime": runtime,
            "session_id": session_id,
            "run_id": run_id,
            "quality_gates": gate_commands(mission.quality_gates),
            "milestone": {"id": shown.id, "name": shown.name} if shown else None,
            "branch": current_branch(self._layout.project),
            "previous_session": self._previous_session(),
            "task": self._task_values(),
            "dependencies": [
                {
                    "id": dependency.id,
                    "title": dependency.title,
                    "status": dependency.status,
                    "next_handoff": bounded(dependency.next_handoff, LONGEST_HANDOVER),
                    "risks": bounded(dependency.risks, LONGEST_HANDOVER),
                }
                for dependency in self.dependencies()
            ],
            "attempt": self._attempt_values(),
        }

    def dependencies(self) -> list[Dependency]:
        found = []
        for name in self._task.depends_on:
            entry = self._snapshot.find(name)
            if entry is None:
                continue
            handoff = self._handoff_of(self._body(entry.task)) if entry.file else {}
            found.append(
                Dependency(
                    id=entry.task.id,
                    title=entry.task.title,
                    status=entry.task.status.value,
                    next_handoff=handoff.get("next_handoff", ""),
                    risks=handoff.get("risks", ""),
                )
            )
        return found

    def _files(self) -> dict[str, str | None]:
        shown = self._layout.shown
        return {
            "manifest": shown(self._layout.manifest_file),
            "scratchpad": shown(self._layout.scratchpad_file),
            "tasks": shown(self._layout.tasks_file),
            "task": self._task.file,
            "capsule": shown(self._layout.capsule_file),
        }

    def _task_values(self) -> dict[str, Any]:
        from mosaic.text.sections import acceptance_criteria, missing_sections

        task = self._task
        text = self._text(task)
        body = _before_handoff(self._body(task))
        return {
            "id": task.id,
            "title": task.title,
            "status": task.status.value,
            "milestone": task.milestone,
            "branch": task.branch,
            "base_ref": task.base_ref,
            "write_scope": list(task.write_scope),
            "depends_on": list(task.depends_on),
            "notes": task.notes,
            "body": bounded(body, LONGEST_BODY, where=f"`{task.file}`"),
            "missing_sections": list(missing_sections(text)) if text else [],
            "acceptance_criteria": [
                {"text": item.text, "checked": item.checked} for item in acceptance_criteria(text)
            ],
        }

    def _previous_session(self) -> dict[str, Any] | None:
        sessions = self._snapshot.document.mission.sessions
        return session_values(sessions[-1]) if sessions else None

    def _attempt_values(self) -> dict[str, Any]:
        last = self._attempt.last_session
        return {
            "number": self._attempt.number,
            "conversation_continued": self._attempt.conversation is not None,
            "last_session": last.id if last else None,
            "why_last_ended": self._attempt.why_last_ended,
        }

    def _text(self, task: Task) -> str:
        if task.file is None:
            return ""
        entry = self._snapshot.find(task.id)
        if entry is None or entry.file is None:
            return ""
        file = find_text(self._layout.tasks_dir / entry.file.name)
        return file.text.replace("\r\n", "\n") if file else ""

    def _body(self, task: Task) -> str:
        from mosaic.text.frontmatter import find_block

        text = self._text(task)
        block = find_block(text)
        return text[block.body_start :] if block else text


def gate_commands(gates: JsonValue) -> list[str]:
    """Return the commands of the quality gates, whether one string or a list."""
    if isinstance(gates, str):
        return [gates] if gates.strip() else []
    commands = []
    for gate in gates if isinstance(gates, list) else []:
        command = gate.get("command") if isinstance(gate, dict) else gate
        if isinstance(command, str) and command.strip():
            commands.append(command)
    return commands


def session_values(session: Session) -> dict[str, Any]:
    """Return a session as a prompt and a capsule speak of it."""
    length = session.duration_seconds
    return {
        "id": session.id,
        "runtime": session.runtime,
        "length": format_duration(length) if length is not None else "length unknown",
        "ended": session.ended_reason.value if session.ended_reason else "not ended",
        "last_task": session.last_task_id,
    }


def attempt_of(snapshot: Snapshot, task: Task) -> Attempt:
    """Return what is known of earlier sessions on a task."""
    sessions = [
        session
        for session in snapshot.document.mission.sessions
        if session.last_task_id == task.id and session.ended_at is not None
    ]
    if not sessions:
        return Attempt(number=1)
    last = sessions[-1]
    why = f"{last.ended_reason.value if last.ended_reason else 'ended'}"
    run = find_run(snapshot.layout.runs_dir, last.run_id or "")
    result = run.result() if run else None
    if result and result.get("summary"):
        why = f"{why}: {result['summary']}"
        if result.get("words") and result["words"] != result["summary"]:
            why = f"{why} ({result['words']})"
    return Attempt(number=len(sessions) + 1, last_session=last, why_last_ended=why)


def _before_handoff(body: str) -> str:
    """Return a task's body up to its handoff sections, which are for the agent to fill."""
    from mosaic.text.sections import HANDOFF_SECTIONS, find_sections

    lines = [s.line for s in find_sections(body) if s.name in HANDOFF_SECTIONS]
    kept = body.splitlines()[: lines[0] - 1] if lines else body.splitlines()
    return "\n".join(kept).strip()


def _capsule(
    snapshot: Snapshot,
    task: Task,
    context: Mapping[str, Any],
    *,
    runtime: str,
    now: datetime,
    ids: tuple[str | None, str | None, str | None],
) -> str:
    mission = snapshot.document.mission
    session_id, run_id, prompt_file = ids
    given = CapsuleInput(
        generated_at=format_moment(now),
        runtime=runtime,
        mission=mission,
        project_path=str(snapshot.layout.project),
        milestone=current_milestone(mission.milestones),
        task=task,
        progress=measure_progress(snapshot.tasks),
        branch=context["branch"],
        session_id=session_id,
        run_id=run_id,
        missing_sections=context["task"]["missing_sections"],
        dependencies=[Dependency(**values) for values in context["dependencies"]],
        criteria=[item["text"] for item in context["task"]["acceptance_criteria"]],
        previous_session=context["previous_session"],
        checkpoint=None,
        prompt_file=prompt_file,
    )
    return json.dumps(build_capsule(given), ensure_ascii=False, indent=2) + "\n"
