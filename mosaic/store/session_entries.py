"""`sessions` of mission.json: an entry is made a `Session` when somebody asks for it.

An entry that cannot be read is a problem, not the end: it is skipped, its id stays taken, and
in the file it stays as it is.

A command that is called by an agent carries its session's id in `MISSION_SESSION`, and its
run's in `MISSION_RUN`. Once that session has ended, or its task was handed to a later one, the
command may look and not change. mission.json alone decides, so that this holds without this
machine's own state as well.
"""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mosaic.codec import JsonForm, dump_record, read_moment
from mosaic.errors import MissionFileError, SessionOverError
from mosaic.model import EndReason, Session, Sessions, Usage
from mosaic.records import replace
from mosaic.store.json_object import JsonObject, get_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mosaic.model import Mission

FORM = JsonForm(is_camel=True, omits_none=True, times="seconds")
FIRST_KEYS = ("runtime", "pid")
OLDER_REASONS = {"paused": "stopped", "killed": "stopped", "unknown": "crashed"}
"""Words of the older coordinator for how a session ended."""


class ListedSessions(Sessions):
    """The sessions of a mission.json, and those that git took out of it: see `put_back`."""

    def __init__(self, mission: JsonObject) -> None:
        super().__init__()
        self._mission = mission
        self._entries = mission.items("sessions")
        self._lost: dict[str, Session] = {}
        self._journal: Mapping[str, JsonObject] = {}

    def put_back(self, journal: Mapping[str, JsonObject]) -> None:
        """Add what a journal knows of sessions of this machine, and the list does not."""
        self._journal = journal
        listed = {_id_of(entry): entry for entry in self._entries}
        for session_id, noted in journal.items():
            entry = listed.get(session_id)
            if entry is None or _is_unfinished(entry, noted):
                with contextlib.suppress(MissionFileError):
                    self._lost[session_id] = _session(noted)
        if self._lost:
            kept = [entry for entry in self._entries if _id_of(entry) not in self._lost]
            for session in self._lost.values():
                later = (n for n, entry in enumerate(kept) if started_later(entry, session))
                kept.insert(next(later, len(kept)), journal_values(session))
            self._entries = kept

    def lost(self) -> Sequence[Session]:
        """Return the sessions that only the journal has, or only it has the end of."""
        return list(self._lost.values())

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
            entry = self._entries[number]
            if isinstance(entry, dict):
                session = _session(JsonObject(entry, self._mission.find_lines))
                return session if session.host else self._with_host(session)
            listed = self._mission.items("sessions")
            return _session(self._mission.item("sessions", listed, listed.index(entry)))
        except MissionFileError as error:
            return error

    def _with_host(self, session: Session) -> Session:
        """Return a session with the machine that it ran on, where that was this one."""
        noted = self._journal.get(session.id)
        if noted is None or not session.run_id or noted.get("runId") != session.run_id:
            return session
        with contextlib.suppress(MissionFileError):
            return replace(session, host=noted.text("host") or "")
        return session

    @cached_property
    def _read(self) -> tuple[tuple[Session, ...], tuple[MissionFileError, ...]]:
        made = [self._make(number) for number in range(len(self._entries))]
        sessions = (each for each in made if isinstance(each, Session))
        return tuple(sessions), tuple(e for e in made if isinstance(e, MissionFileError))


def started_later(entry: Any, session: Session) -> bool:
    """Tell whether an entry is of a session that began after another."""
    with contextlib.suppress(ValueError):
        started = _value(entry, "startedAt")
        return isinstance(started, str) and read_moment(started) > session.started_at
    return False


def _is_unfinished(entry: Any, noted: JsonObject) -> bool:
    """Tell whether git has set an entry back to where its session had not ended yet."""
    is_same = _value(entry, "runId") == noted.get("runId")
    return is_same and not _value(entry, "endedAt") and bool(noted.get("endedAt"))


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
    given: dict[str, Any] = {"runtime": entry.text("runtime") or "", "usage": _usage(entry)}
    word = entry.get("endedReason")
    if isinstance(word, str) and word in OLDER_REASONS:
        given["ended_reason"] = EndReason(OLDER_REASONS[word])
    return entry.record(Session, id=session_id, started_at=started, **given)


def _usage(entry: JsonObject) -> Usage | None:
    if not isinstance(entry.get("usage"), dict):
        return None
    usage = entry.mapping("usage")
    is_known = isinstance(usage.get("costUsd"), int | float)
    return usage.record(Usage, cost_usd=usage.number("costUsd") if is_known else None)


def session_values(session: Session) -> dict[str, Any]:
    """Return a session as an entry of `sessions`; what is not known yet is left out.

    So is the machine that it ran on, which is nobody else's business: see `journal_values`.
    """
    values = dump_record(session, FORM)
    values.pop("host")
    if usage := values.get("usage"):
        if not usage["cachedInputTokens"]:
            del usage["cachedInputTokens"]
        if "costUsd" in usage:
            usage["costUsd"] = round(usage["costUsd"], 6)
    first = {"sessionId": values.pop("id")} | {key: values[key] for key in FIRST_KEYS}
    return {**first, **values}


def journal_values(session: Session) -> dict[str, Any]:
    """Return a session as this machine's journal has it: with the machine."""
    return {**session_values(session), "host": session.host}


def refuse_ended_session(mission_file: Path, mission: Mission) -> None:
    """Refuse a change that is asked for by an agent whose session is over."""
    own, own_file = os.environ.get("MISSION_SESSION"), os.environ.get("MISSION_FILE")
    if not own or (own_file and os.path.realpath(own_file) != os.path.realpath(mission_file)):
        return
    session = mission.sessions.find(own)
    task_id = session.last_task_id if session else os.environ.get("MISSION_TASK")
    if (later := find_later(mission, own, task_id)) is not None:
        raise SessionOverError(own, f"`{task_id}` was handed to `{later.id}` since")
    run_id = os.environ.get("MISSION_RUN")
    if session is not None and run_id and session.run_id not in (None, run_id):
        raise SessionOverError(own, f"run `{session.run_id}` has its name now")
    if session is not None and session.ended_at is not None:
        reason = session.ended_reason.value if session.ended_reason else "for a reason not known"
        raise SessionOverError(own, f"it ended {session.ended_at:%Y-%m-%d %H:%M} UTC, {reason}")


def find_later(mission: Mission, session_id: str, task_id: str | None) -> Session | None:
    """Return the newest session that took a task over from another one; None: there is none."""
    from mosaic.plan.session_ids import session_number  # start-up: only agents ask

    of_task = mission.sessions.of_task(task_id) if task_id else []
    ids = [session.id for session in of_task]
    number = session_number(session_id)
    if session_id in ids:
        # One of the same number is of another clone: neither knew of the other.
        behind = of_task[ids.index(session_id) + 1 :]
        later = [each for each in behind if not number or session_number(each.id) != number]
    else:  # it is not listed any more, or not yet
        later = [each for each in of_task if session_number(each.id) > number]
    return later[-1] if later else None
