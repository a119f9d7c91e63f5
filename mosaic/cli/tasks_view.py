"""What `list` and `show` print, without Typer, and what other commands print of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.cli.output import align, answer, clean, clean_block, error_lines, paint, plain, warn
from mosaic.errors import ExitCode
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mosaic.app.runs import RunView
    from mosaic.app.tasks import Dependency, TaskPage
    from mosaic.store.tasks import Problem
    from mosaic.text.criteria import Criterion


def print_list(
    *, as_json: bool = False, mission: Path | None = None, every: bool = False, **wanted: Any
) -> int:
    """Print the tasks that are wanted: see `list_tasks`."""
    from mosaic.app.tasks import list_tasks
    from mosaic.text.fields import shown_status

    snapshot = read_mission(locate_mission(mission))
    found = list_tasks(snapshot, every=every, is_judged=as_json, **wanted)
    waiting = [each.id for each in found.to_merge]
    is_whole = not any(wanted.get(name) for name in ("statuses", "ready", "milestone"))
    merging = {each.task_id for each in found.problems if each.error.code == "MERGE_CONFLICT"}
    marks: dict[str | None, str] = dict.fromkeys(waiting, ", to merge")
    marks |= dict.fromkeys(merging, " (conflict)")
    rows = [
        (
            task.id,
            clean(shown_status(task)) + marks.get(task.id, ""),
            task.milestone or "",
            task.priority or "",
            task.title,
        )
        for task, _ in found.tasks
    ]
    lines = align(rows, headers=("id", "status", "milestone", "priority", "title"))
    if not rows:
        lines = [paint("no tasks match" if found.hidden else "no tasks", "dim")]
    if found.hidden and is_whole:
        lines.append(paint(f"{found.hidden} done or cancelled; --all shows them", "dim"))
    if waiting and is_whole:
        lines.append(f"to merge: {', '.join(waiting)}")
    if found.left_out:
        lines.append(paint(clean(found.left_out), "yellow"))
    return answer(
        "task.list",
        found,
        lines,
        exit_code=report_problems(found.problems, as_json=as_json),
        then=["mission next"] if found.is_any_ready else ['mission add "A task"'],
        as_json=as_json,
    )


def print_section(
    task_id: str, section: str, *, as_json: bool = False, mission: Path | None = None
) -> int:
    """Print one section of a task's file."""
    from mosaic.app.tasks import show_section

    task, text = show_section(read_mission(locate_mission(mission)), task_id, section)
    data = {"id": task.id, "section": section, "content": text}
    return answer("task.section", data, clean_block(text), as_json=as_json)


def print_task(task_id: str, *, as_json: bool = False, mission: Path | None = None) -> int:
    """Print everything about one task."""
    from mosaic.app.tasks import show_task

    snapshot = read_mission(locate_mission(mission))
    page = show_task(snapshot, task_id)
    problems = [each for each in snapshot.problems if each.task_id == page.task.task.id]
    return answer(
        "task",
        page,
        [] if as_json else _task_lines(page),
        exit_code=report_problems(problems, as_json=as_json),
        then=[f"mission next --task {page.task.task.id}"],
        as_json=as_json,
    )


def _task_lines(page: TaskPage) -> list[str]:
    from mosaic.cli.sessions_view import session_rows

    lines = [*_field_lines(page), *([""] if page.body.strip() else [])]
    lines += clean_block(page.body.strip("\r\n"))
    lines += criteria_lines(page.acceptance_criteria)
    tables = {"sessions": session_rows(page.sessions), "runs": [*map(_run_row, page.runs)]}
    for head, rows in tables.items():
        if rows:
            lines += ["", paint(head, "bold"), *(f"  {line}" for line in align(rows))]
    if page.runs_total > len(page.runs):
        lines.append(f"  and {page.runs_total - len(page.runs)} before")
    return lines


def _field_lines(page: TaskPage) -> list[str]:
    from mosaic.text.fields import field_values

    task, verdict = page.task
    rows = []
    for name, value in field_values(task).items():
        if value and name not in ("task_id", "title", "depends_on"):
            rows.append((name, ", ".join(value) if isinstance(value, tuple) else str(value)))
    rows += [(key, str(plain(value))) for key, value in task.extra.items()]
    if task.notes:
        rows.append(("notes", task.notes))
    rows += [("at", place) for place in page.places]
    rows += [("depends_on", f"{d.id}  {_standing(d)}") for d in page.dependencies]
    rows.append(("now", verdict.detail if verdict else ""))
    title = f"{paint(task.id, 'bold')}  {paint(clean(task.title), 'bold')}"
    return [title, *[f"  {line}" for line in align(rows)]]


def _standing(other: Dependency) -> str:
    return f"{other.status or 'unknown'}{', to merge' if other.to_merge else ''}"


def criteria_lines(criteria: Sequence[Criterion]) -> list[str]:
    """Return acceptance criteria with the numbers that they are ticked by."""
    if not criteria:
        return []
    from mosaic.text.criteria import count_criteria  # start-up: lists need none of it

    signs = {"open": "[ ]", "ticked": "[x]", "dropped": "[-]"}
    rows = [(str(each.number), signs[each.state], each.text) for each in criteria]
    ticked, wanted = count_criteria(criteria)
    head = f"{paint('acceptance criteria', 'bold')}  {ticked} of {wanted} ticked"
    return ["", head, *(f"  {line}" for line in align(rows))]


def _run_row(run: RunView) -> tuple[str, ...]:
    if run.created_at is None:
        return (run.run_id, "", "", run.status, "", "", "")
    return (
        run.run_id,
        run.step_id if run.step_id == run.step_kind else f"{run.step_id} {run.step_kind}",
        f"#{run.attempt}",
        run.status,
        f"{(run.started_at or run.created_at).astimezone():%Y-%m-%d %H:%M}",
        f"checkpoint {run.last_checkpoint}" if run.last_checkpoint else "",
        run.summary,
    )


def report_problems(problems: Sequence[Problem], *, as_json: bool) -> ExitCode:
    """Print on stderr what could not be read, and return the exit code that it makes."""
    for error in () if as_json else dict.fromkeys(each.error for each in problems):
        for line in error_lines(error):
            warn(line)
    return ExitCode.BROKEN if problems else ExitCode.OK


def report_notices(notices: Iterable[str]) -> None:
    """Print on stderr what an interrupted change left, or what of this one is missing."""
    for notice in notices:
        warn(f"{paint('warning:', 'yellow', err=True)} {clean(notice)}")
