"""The capsule: next-task.json, what an agent or a script needs to know, bounded in size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic.prompts.bounds import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.model import JsonValue, Milestone, Mission, Task
    from mosaic.plan.progress import Progress

SCHEMA_VERSION = 1
LONGEST_HANDOVER = 4_000
MOST_CRITERIA = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependency:
    """A task that the next one depends on, with what it hands over."""

    id: str
    title: str
    status: str
    next_handoff: str
    risks: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CapsuleInput:
    """Everything that a capsule is made of."""

    generated_at: str
    runtime: str
    mission: Mission
    project_path: str
    milestone: Milestone | None
    task: Task
    progress: Progress
    branch: str | None
    session_id: str | None
    run_id: str | None
    missing_sections: Sequence[str]
    dependencies: Sequence[Dependency]
    criteria: Sequence[str]
    previous_session: Mapping[str, JsonValue] | None
    checkpoint: Mapping[str, JsonValue] | None
    prompt_file: str | None


def build_capsule(given: CapsuleInput) -> dict[str, JsonValue]:
    """Return the capsule as plain values, in the order in which it is written."""
    milestone = given.milestone
    return {
        "schema_version": SCHEMA_VERSION,
        "generated_at": given.generated_at,
        "runtime": given.runtime,
        "mission_id": given.mission.id,
        "mission_name": given.mission.name,
        "project_path": given.project_path,
        "quality_gates": given.mission.quality_gates,
        "current_milestone": {"id": milestone.id, "name": milestone.name} if milestone else None,
        "next_task": given.task.id,
        "progress": {
            "tasks_done": given.progress.done,
            "tasks_total": given.progress.total,
            "pct": given.progress.pct,
        },
        "current_branch": given.branch,
        "session_id": given.session_id,
        "run_id": given.run_id,
        "task": _task_values(given.task, given.missing_sections),
        "depends_on": [
            {
                "id": dependency.id,
                "title": dependency.title,
                "status": dependency.status,
                "next_handoff": bounded(dependency.next_handoff, LONGEST_HANDOVER),
            }
            for dependency in given.dependencies
        ],
        "write_scope": list(given.task.write_scope),
        "acceptance_criteria": list(given.criteria[:MOST_CRITERIA]),
        "previous_session": given.previous_session,
        "checkpoint": given.checkpoint,
        "prompt_file": given.prompt_file,
    }


def _task_values(task: Task, missing: Sequence[str]) -> dict[str, JsonValue]:
    """Return a task's front matter as it is understood, with its file and what it lacks."""
    values: dict[str, JsonValue] = {
        "task_id": task.id,
        "title": task.title,
        "status": task.status.value,
        "milestone": task.milestone,
        "branch": task.branch,
        "base_ref": task.base_ref,
        "priority": task.priority,
        "runtime": task.runtime,
        "assignee": task.assignee,
        "labels": list(task.labels),
        "depends_on": list(task.depends_on),
        "write_scope": list(task.write_scope),
        "pr": task.pr,
        "updated_at": task.updated_at,
        **task.extra,
    }
    known = {key: value for key, value in values.items() if value not in (None, [])}
    return {**known, "file": task.file, "handoff_sections_missing": list(missing)}
