"""`sessions` of mission.json: an entry is made a `Session` when somebody asks for it.

An entry that cannot be read is a problem, not the end: it is skipped, its id stays taken, and
in the file it stays as it is.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mosaic.codec import JsonForm, dump_record
from mosaic.errors import MissionFileError
from mosaic.model import EndReason, Session, Sessions, Usage
from mosaic.store.json_object import get_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mosaic.store.json_object import JsonObject

FORM = JsonForm(is_camel=True, omits_none=True, times="seconds")
FIRST_KEYS = ("runtime", "pid", "host")


class ListedSessions(Sessions):
    """The sessions of a mission.json."""

    def __init__(self, mission: JsonObject) -> None:
        super().__init__()
        self._mission = mission
        self._entries = mission.items("sessions")

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
        found = self._readable(lambda entry: bool(_id_of(entry) == session_id))
        return found[0] if found else None

    def of_task(self, task_id: str) -> list[Session]:
        """Return those whose last task this was."""
        return self._readable(lambda entry: bool(_value(entry, "lastTaskId") == task_id))

    def without_end(self) -> list[Session]:
        """Return those that have not ended, as far as is listed."""
        return self._readable(lambda entry: not _value(entry, "endedAt"))

    def last(self) -> Session | None:
        """Return the newest."""
        made = map(self._make, reversed(range(len(self._entries))))
        return next((each for each in made if isinstance(each, Session)), None)

    def _readable(self, is_meant: Callable[[Any], bool]) -> list[Session]:
        made = (self._make(n) for n, entry in enumerate(self._entries) if is_meant(entry))
        return [each for each in made if isinstance(each, Session)]

    def _make(self, number: int) -> Session | MissionFileError:
        try:
            return _session(self._mission.item("sessions", self._entries, number))
        except MissionFileError as error:
            return error

    @cached_property
    def _read(self) -> tuple[tuple[Session, ...], tuple[MissionFileError, ...]]:
        made = [self._make(number) for number in range(len(self._entries))]
        sessions = (each for each in made if isinstance(each, Session))
        return tuple(sessions), tuple(e for e in made if isinstance(e, MissionFileError))


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


def session_values(session: Session) -> dict[str, Any]:
    """Return a session as an entry of `sessions`; what is not known yet is left out."""
    values = dump_record(session, FORM)
    if usage := values.get("usage"):
        if not usage["cachedInputTokens"]:
            del usage["cachedInputTokens"]
        if "costUsd" in usage:
            usage["costUsd"] = round(usage["costUsd"], 6)
    first = {"sessionId": values.pop("id")} | {key: values[key] for key in FIRST_KEYS}
    return {**first, **values}


def next_session_id(known: Iterable[str]) -> str:
    """Return one more than the highest `sess-NNN` among the ids that are known."""
    numbers = [int(found[1]) for each in known if (found := re.fullmatch(r"sess-(\d+)", each))]
    return f"sess-{max(numbers, default=0) + 1:03d}"
