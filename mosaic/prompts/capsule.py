"""The capsule: `next-task.json`, what a program needs to know about a hand-off.

    generated_at runtime mission_id mission_name project_path quality_gates
    current_milestone{id,name} next_task progress{tasks_done,tasks_total,pct} current_branch
    schema_version session_id run_id task{…} depends_on[{id,title,status,next_handoff}]
    write_scope acceptance_criteria[{number,text,checked,state}]
    decisions[{number,kind,date,by,text,question,place,quoted,now_at}]
    previous_session{…} checkpoint{…} prompt_file

Where there is nothing, a text is `""` and the milestone `{"id": "", "name": ""}`.

It is bounded: long texts are cut and say where the whole is, long lists are shortened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.codec import JsonForm, dump_record, format_moment
from mosaic.prompts.bounded import bounded, cut_text, exact_line, one_line, plain_text
from mosaic.prompts.context import bounded_reports
from mosaic.text.fields import field_values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mosaic.model import JsonValue, Mission, Task
    from mosaic.prompts.context import PromptContext

SCHEMA_VERSION = 1
SESSION_FORM = JsonForm(times="seconds", leaves_out=("pid", "host", "milestone_id", "usage"))
_LONGEST_TEXT = 2_000
LONGEST_LINE = 500
_MOST_ITEMS = 50


def build_capsule(
    context: PromptContext,
    mission: Mission,
    task: Task,
    *,
    generated_at: datetime,
    checkpoint: Mapping[str, JsonValue] | None = None,
    prompt_file: str | None = None,
) -> dict[str, JsonValue]:
    """Return the capsule as it is written, keys in their order."""
    milestone, state = context.milestone, context.state
    previous = mission.sessions.last()
    return {
        "schema_version": SCHEMA_VERSION,
        "generated_at": format_moment(generated_at, "seconds"),
        "runtime": context.runtime,
        "mission_id": mission.id,
        "mission_name": one_line(mission.name, LONGEST_LINE),
        "project_path": context.project.path,
        "quality_gates": bounded(mission.quality_gates or ""),
        "current_milestone": {
            "id": milestone.id if milestone else "",
            "name": one_line(milestone.name, LONGEST_LINE) if milestone else "",
        },
        "next_task": task.id,
        "progress": {"tasks_done": state.done, "tasks_total": state.total, "pct": state.pct},
        "current_branch": context.branch or "",
        "session_id": context.session_id or "",
        "run_id": context.run_id or "",
        "task": _task(task, context),
        "depends_on": [
            {
                "id": item.id,
                "title": one_line(item.title, LONGEST_LINE),
                "status": item.status,
                "next_handoff": plain_text(item.next_handoff),
            }
            for item in bounded_reports(context.dependencies)
        ],
        "write_scope": bounded(task.write_scope),
        "acceptance_criteria": [
            {
                "number": item.number,
                "text": one_line(item.text, LONGEST_LINE),
                "checked": item.checked,
                "state": item.state,
            }
            for item in context.task.acceptance_criteria[:_MOST_ITEMS]
        ],
        "decisions": [
            {
                **{name: getattr(each, name) for name in ("number", "kind", "date")},
                "by": one_line(each.by),
                "text": plain_text(each.words),
                "question": one_line(each.question, LONGEST_LINE),
                "place": exact_line(each.place),
                "quoted": bounded(each.quoted),
                "now_at": one_line(each.now_at),
            }
            for each in context.decisions
        ],
        "previous_session": dump_record(previous, SESSION_FORM) if previous else None,
        "checkpoint": bounded(checkpoint),
        "prompt_file": prompt_file or "",
    }


def _task(task: Task, context: PromptContext) -> dict[str, JsonValue]:
    known: dict[str, JsonValue] = {
        **{name: bounded(value) for name, value in field_values(task).items()},
        "title": one_line(task.title, LONGEST_LINE),
        "notes": cut_text(plain_text(task.notes), _LONGEST_TEXT) if task.notes else None,
        "file": context.files.task or task.file,
        "handoff_sections_missing": list(context.task.missing_sections),
    }
    extra = bounded(task.extra)
    others = extra if isinstance(extra, dict) else {}
    return {**known, **{key: value for key, value in others.items() if key not in known}}
