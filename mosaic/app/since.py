"""The moment that a person names by `--since`, and how the tasks stood then."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from mosaic.codec import read_moment
from mosaic.errors import MissionError, UsageError
from mosaic.git.branches import contents_of
from mosaic.git.git import answer_of, find_work_tree
from mosaic.model import Status
from mosaic.plan.durations import parse_duration
from mosaic.plan.statuses import parse_status
from mosaic.records import NamedTuple
from mosaic.store.parsed import parse_task_file
from mosaic.store.project_paths import project_paths
from mosaic.store.rows import parse_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.store.tasks import Snapshot

DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].*)?")
LENGTH = re.compile(r"(?:\d+[dhms]\s*)+", re.IGNORECASE)


class Since(NamedTuple):
    """A moment, and how a person named it."""

    moment: datetime
    words: str
    """What happened then, or how long ago it is; empty where a date was named."""
    commit: str | None = None
    """The last commit until then: the plan that today's is compared with."""


class Move(NamedTuple):
    """A task that stood elsewhere then."""

    task_id: str
    title: str
    before: str
    """Its status then; empty: it is new."""
    after: str


def find_since(snapshot: Snapshot, text: str, now: datetime) -> Since:
    """Return the moment that a date, a length of time, a commit or a session stands for.

    A date without an offset is of this machine's time zone; a session stands for its start.

    Raises:
        UsageError: it is none of them, or lies ahead.
    """
    named = text.strip()
    top = find_work_tree(snapshot.layout.project)
    session = snapshot.document.mission.sessions.find(named)
    commit = None
    if session is not None:
        moment, words = session.started_at, f"{session.id} began"
    elif LENGTH.fullmatch(named):
        seconds = parse_duration(named)
        moment = datetime.fromtimestamp(now.timestamp() - seconds, now.tzinfo)
        words = f"{''.join(named.split())} ago"
    elif DATE.fullmatch(named):
        moment, words = _moment(named), ""
    elif top is not None and (commit := _commit(named, top)) is not None:
        shown = answer_of(["show", "--no-patch", "--format=%cI", commit], top) or ""
        moment, words = read_moment(shown), f"commit {commit[:10]}"
    else:
        raise _not_understood(text)
    if moment > now:
        raise UsageError(f"`{named}` is ahead", hint="name a moment that has passed")
    if commit is None and top is not None:
        command = ["rev-list", "--max-count=1", f"--before={moment.isoformat()}", "HEAD"]
        commit = answer_of(command, top) or None
    return Since(moment, words, commit)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise _not_understood(text) from None


def _commit(text: str, top: Path) -> str | None:
    if not text or text.startswith("-"):
        return None
    return answer_of(["rev-parse", "--verify", "--quiet", f"{text}^{{commit}}"], top) or None


def _not_understood(text: str) -> UsageError:
    return UsageError(
        f"`--since {text}` is not understood",
        detail="it is not a date, a length of time, a commit or a session",
        hint="write `2026-11-20`, `2d`, a commit, or the id of a session",
    )


def moves_since(snapshot: Snapshot, since: Since) -> tuple[Move, ...] | None:
    """Return the tasks whose status changed, in plan order; None where git does not know."""
    before = _statuses_at(snapshot, since.commit) if since.commit else None
    if not before:
        return None
    return tuple(
        Move(task.id, task.title, then.value if then else "", task.status.value)
        for task in snapshot.tasks
        if (then := before.get(task.id)) is not task.status
    )


def _statuses_at(snapshot: Snapshot, commit: str) -> Mapping[str, Status] | None:
    """Return the statuses of a commit's plan: a file's own where it has one, else its row's."""
    layout, own = snapshot.layout, snapshot.document.mission.statuses
    top = find_work_tree(layout.project)
    if top is None:
        return None
    in_tree = project_paths(layout).in_tree
    files = {task.id: task.file for task in snapshot.tasks if task.file}
    paths = [layout.shown(layout.tasks_file), *files.values()]
    try:
        table, *texts = contents_of(top, [f"{commit}:{in_tree(path)}" for path in paths])
        rows = parse_table((table or b"").decode()) if table else ()
    except (MissionError, UnicodeDecodeError):
        return None

    def status_of(word: str) -> Status:
        return parse_status(word or Status.TODO.value, own) or Status.UNKNOWN

    found = {row.id: status_of(row.cells.get("status", "")) for row in rows if not row.why}
    for task_id, text in zip(files, texts, strict=True):
        try:
            file = parse_task_file(task_id, text.decode()) if text else None
        except (MissionError, UnicodeDecodeError):
            continue
        if file is not None:
            found[task_id] = status_of(file.texts["status"])
    return found
