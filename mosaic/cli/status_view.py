"""What `mission status` prints, without Typer."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from mosaic.app.status import show_status
from mosaic.cli.output import (
    answer,
    bar,
    clean,
    error_lines,
    folded,
    has_reader,
    is_screen,
    merge_commands,
    paint,
)
from mosaic.cli.table import ID, TITLE, Column, table
from mosaic.cli.tasks_view import report_problems
from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.plan.durations import format_duration
from mosaic.plan.ends import end_phrase, length_words, usage_words
from mosaic.store.reading import locate_mission
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mosaic.app.status import StatusPage
    from mosaic.model import Session
    from mosaic.plan.progress import MilestoneProgress
    from mosaic.sessions.liveness import FoundLock

WATCH_SECONDS = 2.0
MOST_LISTED = 10
LABEL_WIDTH = 10


def print_status(*, watch: bool = False, as_json: bool = False, mission: Path | None = None) -> int:
    """Print where the mission stands, once or again and again."""
    path = locate_mission(mission)
    if watch and not as_json and is_screen():
        return _watch(path)
    while not watch or has_reader(sys.stdout):
        page = show_status(path)
        code = answer(
            "mission.status",
            page,
            [] if as_json else folded(_lines(page), hang=LABEL_WIDTH),
            exit_code=report_problems(page.problems, as_json=as_json),
            then=_then(page),
            goes_on=watch,
            as_json=as_json,
        )
        if not watch:
            return code
        sys.stdout.flush()
        time.sleep(WATCH_SECONDS)
    return 0


def _watch(path: Path) -> int:
    from mosaic.app.board import Board
    from mosaic.cli.watch import watch_page

    board = Board(path)
    seen: list[str] = []

    def look() -> list[str]:
        try:
            page = board.look().status
        except MissionError as error:  # whatever stands there now may be mended soon
            return [*folded(error_lines(error)), "", *seen]
        wrong = dict.fromkeys(each.error for each in page.problems)
        seen[:] = folded(_lines(page), hang=LABEL_WIDTH)
        seen.extend(folded(line for error in wrong for line in error_lines(error)))
        return seen

    return watch_page(look, WATCH_SECONDS)


def _lines(page: StatusPage) -> Iterator[str]:
    done = page.progress
    to_merge = f", {done.to_merge} to merge" if done.to_merge else ""
    yield (
        f"{paint(clean(page.mission.name), 'bold')}  {page.mission.status}  "
        f"{done.done}/{done.total} done{to_merge}  {done.pct} %"
    )
    yield from _milestone_lines(page.milestones)
    yield from map(_recovered_line, page.recovered_sessions)
    for restore in page.unfinished_restores:
        words = f"{clean(restore.message)} in {clean(restore.place)}; {clean(restore.hint)}"
        yield f"{_label('restore', 'yellow')}{words}"
    for live in page.live_sessions:
        yield from _live_lines(live)
    for other in page.sessions_elsewhere:
        what = f"{clean(other.task_id)}  {clean(other.session_id)} works in"
        where = f"`{clean(other.project)}`, which this project was copied from"
        yield f"{_label('elsewhere')}{what} {where}"
    yield from _listed("hosts", [(clean(each.name), clean(each.words)) for each in page.hosts])
    for panel in page.panels:
        yield f"{_label('panel')}{clean(panel.panel_id)}  {panel.status}"
    requests = [
        (
            each.task_id,
            f"{each.request.words}, seen {format_duration(each.age_seconds)} ago; `mission pr`",
        )
        for each in page.pull_requests
    ]
    yield from _listed("request", requests)
    yield from _listed("waiting", [(task.id, task.title) for task in page.waiting])
    yield from _listed("review", [(task.id, task.title) for task in page.review])
    yield from _listed("to merge", [(each.id, each.title) for each in page.to_merge])
    for command in merge_commands([each.id for each in page.to_merge]):
        yield _label("") + paint(f"`{command}`", "dim")
    for label, asks in (("asks you", True), ("blocked", False)):
        rows = [
            (task.id, f"{task.title}: {clean(task.question or task.why)}")
            for task in page.blocked
            if task.needs_human is asks
        ]
        yield from _listed(label, rows)
        if rows and asks:
            yield _label("") + paint(f'`mission answer {rows[0][0]} "…"`', "dim")
    yield _label("next") + _next_words(page)
    if page.left_out:
        yield f"{_label('table', 'yellow')}{clean(page.left_out)}"
    if page.usage is not None:
        sessions = counted(page.sessions_total, "session")
        yield f"{_label('spend')}{usage_words(page.usage)} in {sessions}"


def _then(page: StatusPage) -> list[str]:
    merges = merge_commands([each.id for each in page.to_merge])
    return ["mission next", *merges] if page.next_task else [*merges, "mission next --explain"]


def _label(word: str, color: str = "") -> str:
    return paint(word, color) + " " * (LABEL_WIDTH - len(word))


def _milestone_lines(milestones: Sequence[MilestoneProgress]) -> Iterator[str]:
    rows = [
        (
            f"{each.milestone.id} {each.milestone.name}",
            bar(each.progress.pct),
            f"{each.progress.done}/{each.progress.total}",
            f"{each.progress.pct} %",
            each.words,
        )
        for each in milestones
    ]
    columns = (
        Column("milestone", lines=2),
        Column("progress", leaves=1, colors=dict.fromkeys((row[1] for row in rows), "green")),
        Column("done", is_number=True),
        Column("percent", is_number=True),
        Column("standing"),
    )
    yield from table(rows, columns, indent=2)


def _recovered_line(session: Session) -> str:
    task = f" on {clean(session.last_task_id)}" if session.last_task_id else ""
    hint = "; `mission resume` continues" if session.last_task_id else ""
    return (
        f"{_label('found', 'yellow')}session {clean(session.id)}{task} "
        f"{end_phrase(session)} after {length_words(session)}{hint}"
    )


def _live_lines(live: FoundLock) -> Iterator[str]:
    lock, judgement = live.lock, live.judgement
    is_unknown = judgement.life == "unknown"
    label = _label("unknown", "yellow") if is_unknown else _label("live", "green")
    length = format_duration(max(0.0, (utc_now() - lock.started_at).total_seconds()))
    who = f"{clean(lock.task_id)}  {clean(lock.session_id)} {clean(lock.runtime)}"
    where = f"on {clean(judgement.host)}" if judgement.host else f"pid {lock.process.pid}"
    yield f"{label}{who}, {where}, {length}: {clean(judgement.because)}"
    if is_unknown:
        yield f"{_label('')}{clean(live.way_out)}"


def _listed(label: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    for number, line in enumerate(table(rows[:MOST_LISTED], (ID, TITLE), indent=LABEL_WIDTH)):
        yield line if number else _label(label) + line[LABEL_WIDTH:]
    if len(rows) > MOST_LISTED:
        yield f"{_label('')}and {len(rows) - MOST_LISTED} more"


def _next_words(page: StatusPage) -> str:
    task = page.next_task
    if task is None:
        return f"nothing is ready: {clean(page.why_nothing)}"
    more = page.ready_total - 1
    also = paint(f"  and {more} more ready", "dim") if more else ""
    return f"{task.id}  {clean(task.title)}{also}"
