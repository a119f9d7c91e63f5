"""The capsule: `next-task.json`, what a program needs to know about a hand-off.

    generated_at runtime mission_id mission_name project_path quality_gates
    current_milestone{id,name} next_task progress{tasks_done,tasks_total,pct} current_branch
    schema_version session_id run_id task{…} depends_on[{id,title,status,next_handoff}]
    write_scope acceptance_criteria[{text,checked}] previous_session{…} checkpoint{…} prompt_file

Where there is nothing, a text is `""` and the milestone `{"id": "", "name": ""}`.

It is bounded: long texts are cut and say where the whole is, long lists are shortened.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from mosaic.prompts.bounded import bounded, cut_text, one_line, plain_text
from mosaic.prompts.context import bounded_reports
from mosaic.records import dataclass
from mosaic.text.fields import field_values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mosaic.model import JsonValue, Milestone, Mission, Session, Task
    from mosaic.plan.progress import Progress
    from mosaic.prompts.context import DependencyReport
    from mosaic.text.sections import Criterion

SCHEMA_VERSION = 1

_LONGEST_TEXT = 2_000
_LONGEST_LINE = 500
_MOST_ITEMS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class CapsuleInput:
    """Everything that a capsule is made of."""

    generated_at: datetime
    runtime: str
    mission: Mission
    project_path: str
    task: Task
    progress: Progress
    milestone: Milestone | None = None
    """The one that the prompt names."""
    branch: str | None = None
    """The branch checked out now."""
    session_id: str | None = None
    """None for a hand-off that is only printed."""
    run_id: str | None = None
    missing_sections: tuple[str, ...] = ()
    dependencies: tuple[DependencyReport, ...] = ()
    acceptance_criteria: tuple[Criterion, ...] = ()
    previous_session: Session | None = None
    checkpoint: Mapping[str, JsonValue] | None = None
    prompt_file: str | None = None


def build_capsule(given: CapsuleInput) -> dict[str, JsonValue]:
    """Return the capsule as it is written, keys in their order."""
    mission, task = given.mission, given.task
    milestone = given.milestone
    return {
        "schema_version": SCHEMA_VERSION,
        "generated_at": _time(given.generated_at),
        "runtime": given.runtime,
        "mission_id": mission.id,
        "mission_name": one_line(mission.name, _LONGEST_LINE),
        "project_path": given.project_path,
        "quality_gates": bounded(mission.quality_gates or ""),
        "current_milestone": {
            "id": milestone.id if milestone else "",
            "name": one_line(milestone.name, _LONGEST_LINE) if milestone else "",
        },
        "next_task": task.id,
        "progress": {
            "tasks_done": given.progress.done,
            "tasks_total": given.progress.total,
            "pct": given.progress.pct,
        },
        "current_branch": given.branch or "",
        "session_id": given.session_id or "",
        "run_id": given.run_id or "",
        "task": _task(task, given.missing_sections),
        "depends_on": [
            {
                "id": item.id,
                "title": one_line(item.title, _LONGEST_LINE),
                "status": item.status,
                "next_handoff": plain_text(item.next_handoff),
            }
            for item in bounded_reports(given.dependencies)
        ],
        "write_scope": bounded(task.write_scope),
        "acceptance_criteria": [
            {"text": one_line(item.text, _LONGEST_LINE), "checked": item.checked}
            for item in given.acceptance_criteria[:_MOST_ITEMS]
        ],
        "previous_session": _session(given.previous_session),
        "checkpoint": bounded(given.checkpoint),
        "prompt_file": given.prompt_file or "",
    }


def _task(task: Task, missing: tuple[str, ...]) -> dict[str, JsonValue]:
    known: dict[str, JsonValue] = {
        **{name: bounded(value) for name, value in field_values(task).items()},
        "title": one_line(task.title, _LONGEST_LINE),
        "notes": cut_text(plain_text(task.notes), _LONGEST_TEXT) if task.notes else None,
        "file": task.file,
        "handoff_sections_missing": list(missing),
    }
    extra = bounded(task.extra)
    others = extra if isinstance(extra, dict) else {}
    return {**known, **{key: value for key, value in others.items() if key not in known}}


def _session(session: Session | None) -> dict[str, JsonValue] | None:
    if session is None:
        return None
    return {
        "id": session.id,
        "runtime": session.runtime,
        "started_at": _time(session.started_at),
        "ended_at": _time(session.ended_at) if session.ended_at else None,
        "ended_reason": session.ended_reason.value if session.ended_reason else None,
        "duration_seconds": session.duration_seconds,
        "last_task_id": session.last_task_id,
        "run_id": session.run_id,
        "runtime_session_id": session.runtime_session_id,
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
