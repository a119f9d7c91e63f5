"""What `mission status` answers."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from mosaic.cli.output import Result, align, bar, clean, emit, has_reader, paint, put, write
from mosaic.cli.sessions_view import length_words, usage_words
from mosaic.cli.tasks_view import problem_values, report_problems, session_json, task_values
from mosaic.model import Status, total_usage
from mosaic.store.reading import locate_mission, read_mission
from mosaic.text.lines import display_width

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import JsonValue, Session, SessionLock, Task, Usage
    from mosaic.plan.progress import MilestoneProgress
    from mosaic.plan.ready import Selection
    from mosaic.sessions.liveness import FoundLock
    from mosaic.sessions.record_end import Settled
    from mosaic.sessions.restoring import Restoring
    from mosaic.store.tasks import Snapshot

WATCH_SECONDS = 2.0
MOST_LISTED = 10


def show_status(*, watch: bool = False, as_json: bool = False, mission: Path | None = None) -> int:
    """Show where the mission stands, once or again and again."""
    path = locate_mission(mission)
    if not watch:
        return emit(_status(path, as_json=as_json), as_json=as_json)
    while has_reader(sys.stdout):
        result = _status(path, as_json=as_json)
        if sys.stdout.isatty() and not as_json:
            write("\x1b[H\x1b[2J" + "\n".join(result.lines))
        else:
            put(result, as_json=as_json)
        sys.stdout.flush()
        time.sleep(WATCH_SECONDS)
    return 0


def _status(path: Path, *, as_json: bool) -> Result:
    from mosaic.plan.progress import measure_progress, milestone_progress
    from mosaic.sessions.choice import select_from
    from mosaic.sessions.session_lock import list_locks
    from mosaic.sessions.unrecorded import live_or_unknown, recover_if_needed

    snapshot = read_mission(path)
    recovered = recover_if_needed(snapshot)
    if recovered:
        snapshot = read_mission(path)
    mission = snapshot.document.mission
    selection = select_from(snapshot)
    progress = measure_progress(snapshot.tasks)
    milestones = milestone_progress(snapshot.tasks, mission.milestones)
    live = live_or_unknown(snapshot)
    copied = list_locks(snapshot.layout, copied=True)
    usage = total_usage(mission.sessions)
    snapshot = snapshot.with_session_problems()
    panels = _panels(snapshot)
    restores = _restores(snapshot)
    lines = [
        f"{paint(clean(mission.name), 'bold')}  {mission.status}  "
        f"{progress.done}/{progress.total} done  {progress.pct} %",
        *_milestone_lines(milestones),
        *_recovered_lines(recovered),
        *_restore_lines(restores),
        *_live_lines(live),
        *_copied_lines(copied),
        *[f"panel     {each['panel_id']}  {each['status']}" for each in panels],
        *_group_lines(snapshot, selection),
        _next_line(selection),
    ]
    if usage is not None:
        lines.append(f"spend     {usage_words(usage)} in {len(mission.sessions)} sessions")
    return Result(
        kind="mission.status",
        data={
            "mission": {"id": mission.id, "name": mission.name, "status": mission.status.value},
            "progress": {
                "tasks_done": progress.done,
                "tasks_total": progress.total,
                "pct": progress.pct,
                "by_status": {status.value: n for status, n in progress.by_status.items()},
            },
            "milestones": [
                {
                    "id": m.milestone.id,
                    "name": m.milestone.name,
                    "status": m.milestone.status.value,
                    "tasks_done": m.progress.done,
                    "tasks_total": m.progress.total,
                    "pct": m.progress.pct,
                }
                for m in milestones
            ],
            "live_sessions": [_live_values(found) for found in live],
            "sessions_elsewhere": [
                {
                    "session_id": lock.session_id,
                    "task_id": lock.task_id,
                    "project": lock.project_path,
                }
                for _, lock in copied
            ],
            "panels": panels,
            "unfinished_restores": [
                {
                    "task_id": note.task_id,
                    "seq": note.seq,
                    "place": note.place,
                    "is_live": note.is_live,
                }
                for note in restores
            ],
            "recovered_sessions": [session_json(settled.session) for settled in recovered],
            "in_review": _ids(snapshot, Status.REVIEW),
            "blocked": [
                {"id": task.id, "title": task.title, "why": _why(task)}
                for task in _of(snapshot, Status.BLOCKED)
            ],
            "next_task": task_values(selection.chosen) if selection.chosen else None,
            "usage": _usage_values(usage),
            "problems": problem_values(snapshot),
        },
        lines=lines,
        exit_code=report_problems(snapshot, as_json=as_json),
        next_commands=["mission next"] if selection.chosen else ["mission next --explain"],
    )


def _panels(snapshot: Snapshot) -> list[dict[str, str]]:
    """Return where the panels stand that still have worktrees."""
    if not snapshot.layout.worktrees_dir.is_dir():
        return []
    from mosaic.errors import MissionError
    from mosaic.panels.record import find_panel
    from mosaic.panels.refresh import refresh_panel
    from mosaic.workspaces.record import list_workspaces

    found = []
    owners = dict.fromkeys(each.owner for each in list_workspaces(snapshot.layout))
    for owner in owners:
        if snapshot.find_task(owner) is not None:
            continue
        try:
            panel = find_panel(snapshot.layout, owner)
            state = refresh_panel(panel, snapshot.document.mission)
        except MissionError:
            continue  # `mission panel show` says what is wrong with it
        found.append({"panel_id": panel.id, "status": state.status.value})
    return found


def _milestone_lines(milestones: list[MilestoneProgress]) -> list[str]:
    labels = [f"{item.milestone.id} {clean(item.milestone.name)}" for item in milestones]
    width = max((display_width(label) for label in labels), default=0)
    return [
        f"  {label}{' ' * (width - display_width(label))}  {bar(item.progress.pct)}  "
        f"{item.progress.done}/{item.progress.total}  {item.progress.pct} %"
        for label, item in zip(labels, milestones, strict=True)
    ]


def _recovered_lines(recovered: list[Settled]) -> list[str]:
    lines = []
    for session, outcome in ((each.session, each.outcome) for each in recovered):
        goes_on = "; `mission resume` goes on" if session.last_task_id else ""
        lines.append(
            f"{paint('found', 'yellow')}     session {clean(session.id)}{_on_task(session)} "
            f"{outcome.reason.value} after {length_words(session)}{goes_on}"
        )
    return lines


def _on_task(session: Session) -> str:
    return f" on {clean(session.last_task_id)}" if session.last_task_id else ""


def _restores(snapshot: Snapshot) -> list[Restoring]:
    if not any(snapshot.layout.state_dir.glob("restore*.json")):
        return []
    from mosaic.errors import MissionError
    from mosaic.sessions.restoring import list_restoring  # start-up: hardly ever needed

    try:
        return list_restoring(snapshot.layout)
    except MissionError:
        return []  # `mission check` says what is wrong with it


def _restore_lines(restores: list[Restoring]) -> list[str]:
    lines = []
    for note in restores:
        error = note.error()
        lines.append(
            f"{paint('restore', 'yellow')}   {clean(error.message)} in {clean(note.place)}; "
            f"{error.hint}"
        )
    return lines


def _live_lines(live: list[FoundLock]) -> list[str]:
    from mosaic.machine.clock import utc_now
    from mosaic.plan.durations import format_duration

    lines = []
    for found in live:
        lock, is_unknown = found.lock, found.judgement.life == "unknown"
        label = paint("unknown   ", "yellow") if is_unknown else paint("live      ", "green")
        lines.append(
            f"{label}{clean(lock.task_id)}  {clean(lock.session_id)} "
            f"{clean(lock.runtime)}, pid {lock.process.pid}, "
            f"{format_duration(max(0.0, (utc_now() - lock.started_at).total_seconds()))}: "
            f"{clean(found.judgement.because)}"
        )
        if is_unknown:
            lines.append(f"{'':<10}{clean(found.way_out)}")
    return lines


def _copied_lines(copied: list[tuple[Path, SessionLock]]) -> list[str]:
    return [
        f"{'elsewhere':<10}{clean(lock.task_id)}  {clean(lock.session_id)} works in "
        f"`{clean(lock.project_path)}`, which this project was copied from"
        for _, lock in copied
    ]


def _group_lines(snapshot: Snapshot, selection: Selection) -> list[str]:
    from mosaic.plan.ready import Reason

    lines = []
    begun = [(selection.of(task.id), task) for task in _of(snapshot, Status.IN_PROGRESS)]
    waiting = [task for said, task in begun if said and said.reason is not Reason.LIVE_SESSION]
    groups = (("waiting", waiting), ("review", _of(snapshot, Status.REVIEW)))
    for label, tasks in groups:
        lines += _listed(label, [(task.id, task.title) for task in tasks])
    blocked = [(t.id, f"{t.title}: {_why(t)}") for t in _of(snapshot, Status.BLOCKED)]
    return [*lines, *_listed("blocked", blocked)]


def _listed(label: str, rows: list[tuple[str, str]]) -> list[str]:
    lines = [
        f"{label if number == 0 else '':<10}{line}"
        for number, line in enumerate(align(rows[:MOST_LISTED]))
    ]
    if len(rows) > MOST_LISTED:
        lines.append(f"{'':<10}and {len(rows) - MOST_LISTED} more")
    return lines


def _next_line(selection: Selection) -> str:
    from mosaic.plan.ready import summarize_waiting

    if selection.chosen is None:
        return f"{'next':<10}nothing is ready: {clean(summarize_waiting(selection))}"
    more = len(selection.ready) - 1
    also = paint(f"  and {more} more ready", "dim") if more else ""
    return f"{'next':<10}{selection.chosen.id}  {clean(selection.chosen.title)}{also}"


def _of(snapshot: Snapshot, status: Status) -> list[Task]:
    return [task for task in snapshot.tasks if task.status is status]


def _ids(snapshot: Snapshot, status: Status) -> list[JsonValue]:
    return [task.id for task in _of(snapshot, status)]


def _why(task: Task) -> str:
    return clean(task.why or "no reason is noted")


def _live_values(found: FoundLock) -> dict[str, JsonValue]:
    lock = found.lock
    return {
        "session_id": lock.session_id,
        "runtime": lock.runtime,
        "task_id": lock.task_id,
        "run_id": lock.run_id,
        "pid": lock.process.pid,
        "host": lock.process.host,
        "started_at": lock.started_at.isoformat(),
        "life": found.judgement.life.value,
        "because": found.judgement.because,
        "stopped": found.judgement.is_stopped,
        "on_record": found.is_on_record,
    }


def _usage_values(usage: Usage | None) -> JsonValue:
    if usage is None:
        return None
    return {name: getattr(usage, name) for name in usage.__dataclass_fields__}
