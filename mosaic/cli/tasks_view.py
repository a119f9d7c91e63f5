"""Tasks as JSON and as lines: what `list`, `show`, `status` and `next` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.cli.output import clean, error_lines, error_values, paint, plain, warn
from mosaic.errors import ExitCode
from mosaic.text.fields import field_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mosaic.model import JsonValue, Session, Task
    from mosaic.plan.ready import Selection
    from mosaic.sessions.output import Progress
    from mosaic.store.tasks import Snapshot


def task_values(task: Task, selection: Selection | None = None) -> dict[str, JsonValue]:
    """Return a task as JSON, with what the selector says of it."""
    values: dict[str, JsonValue] = {
        name: plain(value)
        for name, value in (*zip(task._fields, task, strict=True), *field_values(task).items())
        if name not in ("more", "task_id")
    }
    verdict = selection.of(task.id) if selection else None
    if verdict is not None:
        values["ready"] = verdict.is_ready
        values["reason"] = verdict.reason.value
        values["reason_detail"] = verdict.detail
    return values


def session_json(session: Session) -> dict[str, JsonValue]:
    """Return a session as JSON."""
    values: dict[str, JsonValue] = {}
    for name in session.__dataclass_fields__:
        value = getattr(session, name)
        if name == "usage" and value is not None:
            values[name] = {key: getattr(value, key) for key in value.__dataclass_fields__}
        else:
            values[name] = plain(value)
    return values


def progress_json(progress: Progress) -> dict[str, JsonValue]:
    """Return how a run gets on as JSON."""
    usage = progress.usage
    return {
        "elapsed_seconds": round(progress.elapsed_seconds, 3),
        "silent_seconds": round(progress.silent_seconds, 3),
        "last": progress.last,
        "output_bytes": progress.output_bytes,
        "usage": {key: getattr(usage, key) for key in usage.__dataclass_fields__}
        if usage
        else None,
    }


def report_problems(snapshot: Snapshot, *, as_json: bool) -> ExitCode:
    """Tell on stderr what could not be read, and return the exit code that it makes."""
    if not snapshot.problems:
        return ExitCode.OK
    if not as_json:
        for problem in snapshot.problems:
            for line in error_lines(problem.error):
                warn(line)
    return ExitCode.BROKEN


def report_notices(notices: Iterable[str]) -> None:
    """Tell on stderr what an interrupted change left, or what of this one is missing."""
    for notice in notices:
        warn(f"{paint('warning:', 'yellow', err=True)} {clean(notice)}")


def problem_values(snapshot: Snapshot) -> list[JsonValue]:
    """Return what could not be read, as JSON."""
    return [
        {**error_values(problem.error), "task_id": problem.task_id} for problem in snapshot.problems
    ]
