"""What `mission show` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.cli.output import Result, align, clean, clean_block, emit, paint, plain
from mosaic.cli.tasks_view import session_json, task_values
from mosaic.errors import UsageError
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import JsonValue, Session, Task
    from mosaic.runs.record import Run
    from mosaic.store.tasks import Snapshot


def show_task(
    task_id: str,
    *,
    section: str | None = None,
    as_json: bool = False,
    mission: Path | None = None,
) -> int:
    """Show one task whole, or one section of it."""
    from mosaic.cli.runs_view import MOST_RUNS, run_values
    from mosaic.runs.folders import runs_of_task
    from mosaic.sessions.choice import select_from
    from mosaic.text.frontmatter import find_block
    from mosaic.text.sections import find_sections, missing_sections, section_text

    snapshot = read_mission(locate_mission(mission))
    task = snapshot.get_task(task_id)
    text = snapshot.task_text(task)
    if section is not None:
        content = section_text(text, section)
        if content is None:
            names = ", ".join(f"`{s.name}`" for s in find_sections(text)) or "none"
            raise UsageError(f"`{task.id}` has no section `{section}`", detail=f"it has {names}")
        data: dict[str, JsonValue] = {"id": task.id, "section": section, "content": content}
        result = Result(kind="task.section", data=data, lines=clean_block(content))
        return emit(result, as_json=as_json)
    block = find_block(text)
    body = text[block.body_start :] if block else text
    selection = select_from(snapshot)
    runs = runs_of_task(snapshot.layout.runs_dir, task.id)
    sessions = snapshot.document.mission.sessions.of_task(task.id)
    result = Result(
        kind="task",
        data={
            "task": task_values(task, selection),
            "body": body,
            "handoff_sections_missing": list(missing_sections(body)) if task.file else [],
            "dependencies": [_dependency(snapshot, name) for name in task.depends_on],
            "sessions": [session_json(session) for session in sessions],
            "runs": [run_values(run) for run in runs[-MOST_RUNS:]],
            "runs_total": len(runs),
        },
        lines=[
            *_field_lines(snapshot, task, selection.of(task.id)),
            *([""] if body.strip() else []),
            *clean_block(body.strip("\r\n")),
            *_session_lines(sessions),
            *_run_lines(runs),
        ],
        next_commands=[f"mission next --task {task.id}"],
    )
    return emit(result, as_json=as_json)


def _dependency(snapshot: Snapshot, name: str) -> dict[str, JsonValue]:
    task = snapshot.find_task(name)
    if task is None:
        return {"id": name, "title": None, "status": None}
    return {"id": name, "title": task.title, "status": task.status.value}


def _field_lines(snapshot: Snapshot, task: Task, verdict: object) -> list[str]:
    from mosaic.text.fields import field_values

    rows = []
    for name, value in field_values(task).items():
        if value and name not in ("task_id", "title", "depends_on"):
            rows.append((name, ", ".join(value) if isinstance(value, tuple) else str(value)))
    rows += [(key, str(plain(value))) for key, value in task.extra.items()]
    if task.notes:
        rows.append(("notes", task.notes))
    for place, line in ((task.file, task.file_line), (_table(snapshot, task), task.table_line)):
        if place and line:
            rows.append(("at", f"{place}:{line}"))
    rows += [
        ("depends_on", f"{name}  {_dependency(snapshot, name)['status'] or 'unknown'}")
        for name in task.depends_on
    ]
    detail = getattr(verdict, "detail", "")
    title = f"{paint(task.id, 'bold')}  {paint(clean(task.title), 'bold')}"
    return [title, *[f"  {line}" for line in align([*rows, ("now", detail)])]]


def _table(snapshot: Snapshot, task: Task) -> str | None:
    return snapshot.layout.shown(snapshot.layout.tasks_file) if task.table_line else None


def _session_lines(sessions: list[Session]) -> list[str]:
    from mosaic.cli.sessions_view import session_rows

    rows = session_rows(sessions)
    return ["", paint("sessions", "bold"), *[f"  {line}" for line in align(rows)]] if rows else []


def _run_lines(runs: list[Run]) -> list[str]:
    from mosaic.cli.runs_view import MOST_RUNS, run_rows

    rows = run_rows(runs[-MOST_RUNS:])
    more = [f"  and {len(runs) - MOST_RUNS} before"] if len(runs) > MOST_RUNS else []
    return ["", paint("runs", "bold"), *[f"  {ln}" for ln in align(rows)], *more] if rows else []
