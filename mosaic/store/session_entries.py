"""`sessions` of mission.json: an entry is made a `Session` when somebody asks for it.

An entry that cannot be read is a problem, not the end: it is skipped, its id stays taken, and
in the file it stays as it is.
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionFileError
from mosaic.model import EndReason, Session, Sessions, Usage
from mosaic.store.json_object import Document, JsonObject, get_key, not_an_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mosaic.model import JsonValue


class ListedSessions(Sessions):
    """The sessions of a mission.json."""

    def __init__(self, entries: list[Any], document: Document) -> None:
        super().__init__()
        self._entries = entries
        self._document = document

    def every(self) -> tuple[Session, ...]:
        """Return them all."""
        return self._read[0]

    def problems(self) -> tuple[MissionFileError, ...]:
        """Return what is wrong with the entries that are skipped."""
        return self._read[1]

    def ids(self) -> list[str]:
        """Return the ids that are taken, also those of entries that are skipped."""
        return [name for entry in self._entries if isinstance(name := _id_of(entry), str)]

    def find(self, session_id: str) -> Session | None:
        """Return one session."""
        found = self._readable(entry for entry in self._entries if _id_of(entry) == session_id)
        return found[0] if found else None

    def of_task(self, task_id: str) -> list[Session]:
        """Return those whose last task this was."""
        return self._readable(e for e in self._entries if _value(e, "lastTaskId") == task_id)

    def without_end(self) -> list[Session]:
        """Return those that have not ended, as far as is listed."""
        return self._readable(entry for entry in self._entries if not _value(entry, "endedAt"))

    def last(self) -> Session | None:
        """Return the newest."""
        made = (each for entry in reversed(self._entries) for each in self._readable([entry]))
        return next(made, None)

    def _readable(self, entries: Iterable[Any]) -> list[Session]:
        found = []
        for entry in entries:
            with contextlib.suppress(MissionFileError):  # see `problems`
                if isinstance(entry, dict):
                    found.append(_session(JsonObject(entry, self._document)))
        return found

    @cached_property
    def _read(self) -> tuple[tuple[Session, ...], tuple[MissionFileError, ...]]:
        found: list[Session] = []
        problems: list[MissionFileError] = []
        for number, entry in enumerate(self._entries):
            if not isinstance(entry, dict):
                problems.append(not_an_object(self._document, "sessions", self._entries, number))
                continue
            try:
                found.append(_session(JsonObject(entry, self._document)))
            except MissionFileError as error:
                problems.append(error)
        return tuple(found), tuple(problems)


def _value(entry: Any, key: str) -> Any:
    return get_key(entry, key) if isinstance(entry, dict) else None


def _id_of(entry: Any) -> Any:
    return _value(entry, "sessionId") or _value(entry, "id")


def _session(entry: JsonObject) -> Session:
    session_id = entry.text("sessionId") or entry.text("id")
    if not session_id:
        raise entry.fault("sessionId", "a session has no `sessionId`", "add it")
    started = entry.time("startedAt")
    if started is None:
        raise entry.fault("startedAt", f"session `{session_id}` has no `startedAt`", "add it")
    return Session(
        id=session_id,
        runtime=entry.text("runtime") or "",
        pid=entry.whole("pid") or 0,
        host=entry.text("host") or "",
        started_at=started,
        ended_at=entry.time("endedAt"),
        ended_reason=entry.word("endedReason", EndReason),
        duration_seconds=entry.whole("durationSeconds"),
        milestone_id=entry.text("milestoneId"),
        last_task_id=entry.text("lastTaskId"),
        run_id=entry.text("runId"),
        runtime_session_id=entry.text("runtimeSessionId"),
        usage=_usage(entry),
    )


def _usage(entry: JsonObject) -> Usage | None:
    if not isinstance(entry.get("usage"), dict):
        return None
    usage = entry.mapping("usage")
    cost = usage.get("costUsd")
    return Usage(
        input_tokens=usage.whole("inputTokens") or 0,
        output_tokens=usage.whole("outputTokens") or 0,
        cached_input_tokens=usage.whole("cachedInputTokens") or 0,
        cost_usd=usage.number("costUsd") if isinstance(cost, int | float) else None,
    )


def session_values(session: Session) -> dict[str, JsonValue]:
    """Return a session as an entry of `sessions`; what is not known yet is left out."""
    values: dict[str, JsonValue] = {
        "sessionId": session.id,
        "runtime": session.runtime,
        "pid": session.pid,
        "host": session.host,
        "startedAt": format_time(session.started_at),
        "endedAt": format_time(session.ended_at) if session.ended_at else None,
        "endedReason": session.ended_reason.value if session.ended_reason else None,
        "durationSeconds": session.duration_seconds,
        "milestoneId": session.milestone_id,
        "lastTaskId": session.last_task_id,
        "runId": session.run_id,
        "runtimeSessionId": session.runtime_session_id,
        "usage": _usage_values(session.usage) if session.usage else None,
    }
    return {key: value for key, value in values.items() if value is not None}


def _usage_values(usage: Usage) -> dict[str, JsonValue]:
    values: dict[str, JsonValue] = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
    }
    if usage.cached_input_tokens:
        values["cachedInputTokens"] = usage.cached_input_tokens
    if usage.cost_usd is not None:
        values["costUsd"] = round(usage.cost_usd, 6)
    return values


def format_time(moment: datetime) -> str:
    """Return a time as mission.json holds it: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def next_session_id(known: Iterable[str]) -> str:
    """Return one more than the highest `sess-NNN` among the ids that are known."""
    numbers = [int(found[1]) for each in known if (found := re.fullmatch(r"sess-(\d+)", each))]
    return f"sess-{max(numbers, default=0) + 1:03d}"
