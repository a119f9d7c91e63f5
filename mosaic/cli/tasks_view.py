"""What `list` and `show` print, without Typer, and what other commands print of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.cli.output import answer, clean, clean_block, error_lines, paint, plain, warn
from mosaic.cli.table import ID, STATUS, TITLE, WHOLE, Column, table
from mosaic.errors import ExitCode
from mosaic.plan.ready import Reason
from mosaic.plan.waiting import waits_for
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.app.runs import RunView
    from mosaic.app.tasks import Dependency, TaskPage
    from mosaic.model import SessionLock, Sessions, Task
    from mosaic.plan.ready import Verdict
    from mosaic.store.tasks import Problem
    from mosaic.text.criteria import Criterion

LONGEST_QUESTION = 60
"""Cells of a question in a list; `show` has all of it."""
READY_COLORS = dict.fromkeys(("ready", "ready to go on"), "green")
LIST_COLUMNS = (
    ID,
    STATUS,
    Column("waits for", lines=3, least=16, colors=READY_COLORS),
    Column("milestone", leaves=2),
    Column("priority", leaves=4),
    Column("criteria", leaves=3, is_number=True),
    Column("who", leaves=1),
    TITLE,
)
RUN_COLUMNS = (
    Column("run", leaves=1), Column("step", lines=1), Column("attempt", leaves=3), Column("status"),
    Column("started", leaves=2), Column("checkpoint", leaves=4), TITLE,
)  # fmt: skip


def print_list(
    *, as_json: bool = False, mission: Path | None = None, every: bool = False, **wanted: Any
) -> int:
    """Print the tasks that are wanted: see `list_tasks`."""
    from mosaic.app.tasks import list_tasks
    from mosaic.text.fields import shown_status

    snapshot = read_mission(locate_mission(mission))
    found = list_tasks(snapshot, every=every, **wanted)
    waiting = [each.id for each in found.to_merge]
    is_whole = not any(value for name, value in wanted.items() if name != "sort")
    merging = {each.task_id for each in found.problems if each.error.code == "MERGE_CONFLICT"}
    marks: dict[str | None, str] = dict.fromkeys(waiting, ", to merge")
    marks |= dict.fromkeys(merging, " (conflict)")
    sessions = snapshot.document.mission.sessions
    rows = [
        (
            task.id,
            shown_status(task) + marks.get(task.id, ""),
            _waits_for(verdict, sessions) if verdict else "",
            task.milestone or "",
            task.priority or "",
            f"{task.criteria_done}/{task.criteria_total}" if task.criteria_total else "",
            _who(task, session),
            task.title,
        )
        for task, verdict, session in (() if as_json else found.tasks)
    ]
    lines = table(rows, LIST_COLUMNS, headed=True)
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
        show_next=not (rows or found.hidden or found.problems or found.left_out) and is_whole,
        as_json=as_json,
    )


def _waits_for(verdict: Verdict, sessions: Sessions) -> str:
    if verdict.reason is not Reason.BLOCKED:
        return waits_for(verdict)
    from mosaic.plan.questions import is_noted, question_of  # start-up: few tasks are blocked

    task = verdict.task
    question = question_of(task, () if is_noted(task) else sessions.of_task(task.id))
    words = (question.text if question else "") or waits_for(verdict)
    if len(words) > LONGEST_QUESTION:
        from mosaic.text.folding import shorten  # start-up: most are short

        words = shorten(words, LONGEST_QUESTION)
    return words


def _who(task: Task, session: SessionLock | None) -> str:
    if session is None:
        return task.assignee or ""
    works = f"{session.runtime} {session.session_id}"
    return f"{task.assignee}, {works}" if task.assignee else works


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
        then=[page.next_command],
        show_next=True,
        as_json=as_json,
    )


def _task_lines(page: TaskPage) -> list[str]:
    from mosaic.cli.sessions_view import SESSION_COLUMNS, session_rows, with_hosts

    lines = [*_field_lines(page), *([""] if page.body.strip() else [])]
    lines += clean_block(page.body.strip("\r\n"))
    lines += criteria_lines(page.acceptance_criteria)
    if page.sessions:
        lines += ["", paint("sessions", "bold")]
        hosts = [page.session_hosts.get(each.id, "") for each in page.sessions]
        columns, rows = with_hosts(SESSION_COLUMNS, session_rows(page.sessions), hosts)
        lines += table(rows, columns, headed=True, indent=2)
    if page.runs:
        from mosaic.machine.clock import utc_now  # start-up: for lists

        now = utc_now()
        lines += ["", paint("runs", "bold")]
        lines += table([_run_row(run, now) for run in page.runs], RUN_COLUMNS, indent=2)
    if page.runs_total > len(page.runs):
        lines.append(f"  and {page.runs_total - len(page.runs)} before")
    return lines


def _field_lines(page: TaskPage) -> list[str]:
    from mosaic.text.fields import field_values

    task, verdict, session = page.task
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
    if session is not None:
        host = page.session_hosts.get(session.session_id)
        where = f" on {host}" if host else ""
        rows.append(("who", f"{session.runtime} {session.session_id}{where}"))
    title = f"{paint(task.id, 'bold')}  {paint(clean(task.title), 'bold')}"
    return [title, *table(rows, (Column(), WHOLE), indent=2)]


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
    return ["", head, *table(rows, (Column(is_number=True), Column(), WHOLE), indent=2)]


def _run_row(run: RunView, now: datetime) -> tuple[str, ...]:
    if run.created_at is None:
        return (run.run_id, "", "", run.status, "", "", "")
    from mosaic.plan.durations import format_moment  # start-up: for lists

    return (
        run.run_id,
        run.step_id if run.step_id == run.step_kind else f"{run.step_id} {run.step_kind}",
        f"#{run.attempt}",
        run.status,
        format_moment(run.started_at or run.created_at, now),
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
