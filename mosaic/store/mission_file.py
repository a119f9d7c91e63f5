"""mission.json: read into a `Mission`, changed in place.

camelCase is what Mosaic writes; snake_case is read as the same and left as it is (only
`mission migrate` rewrites it). Unknown keys, key order and layout survive every edit:
changes are spliced by `mosaic.text.jsondoc`.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError
from mosaic.machine.disk import read_text
from mosaic.records import dataclass, replace
from mosaic.store.layout import DEFAULT_PATHS, Layout, layout_of, project_above
from mosaic.store.mission_index import find_indexed, save_indexed
from mosaic.store.mission_reader import MissionReader, get_key, snake_case
from mosaic.text.jsondoc import append_json, parse_json_document, set_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mosaic.model import JsonValue, Mission, MissionStatus, Session, Usage


@dataclass(frozen=True, kw_only=True, slots=True)
class MissionDocument:
    """What mission.json says, and where it says that the mission's files are."""

    path: Path
    mission: Mission
    layout: Layout


def load_mission(path: Path) -> MissionDocument:
    """Read a mission file.

    Raises:
        FileAccessError: it cannot be read.
        MissionFileError: it is not what mission.json must be; names the line of the key.
    """
    reader = MissionReader()
    indexed = find_indexed(path, reader)
    if indexed is not None:
        data, sessions = indexed
        document = _document(path, data, reader)
        return replace(document, mission=replace(document.mission, sessions=sessions))
    now_ns = time.time_ns()
    file = read_text(path)
    try:
        data = parse_json_document(file.text)
        document = _document(path, data, MissionReader(file.text))
    except MissionError as error:
        raise error.at(path) from None
    save_indexed(document.layout, data, document.mission, file.signature, now_ns)
    return document


def parse_mission(text: str) -> Mission:
    """Return the mission that a text of mission.json describes; no path in it is looked at.

    Raises:
        MissionFileError: it is not what mission.json must be.
    """
    return MissionReader(text).mission(parse_json_document(text))


def read_layout(mission_file: Path) -> Layout:
    """Return where a mission's files are; raises as `load_mission`."""
    return load_mission(mission_file).layout


def _document(path: Path, data: Mapping[str, Any], reader: MissionReader) -> MissionDocument:
    mission, settings = reader.mission(data), reader.paths(data, DEFAULT_PATHS)
    project = _project_path(path, get_key(data, "projectPath"))
    return MissionDocument(path=path, mission=mission, layout=layout_of(path, project, settings))


def format_time(moment: datetime) -> str:
    """Return a time as mission.json holds it: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def with_status(text: str, status: MissionStatus) -> str:
    """Return the text with another mission status."""
    return _set(text, (), parse_json_document(text), "status", status.value)


def with_session(text: str, session: Session) -> str:
    """Return the text with a session added, or brought up to date if it is listed already."""
    data = parse_json_document(text)
    values = session_values(session)
    listed = data.get("sessions") or []
    for number in range(len(listed) - 1, -1, -1):
        entry = listed[number]
        if isinstance(entry, dict) and get_key(entry, "sessionId") == session.id:
            for key, value in values.items():
                if get_key(entry, key) != value:
                    text = _set(text, ("sessions", number), entry, key, value)
            return text
    if data.get("sessions", []) is None:
        text = set_json(text, ("sessions",), [])
    return append_json(text, ("sessions",), values)


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


def next_session_id(known: Iterable[str]) -> str:
    """Return one more than the highest `sess-NNN` among the ids that are known."""
    numbers = [int(found[1]) for each in known if (found := re.fullmatch(r"sess-(\d+)", each))]
    return f"sess-{max(numbers, default=0) + 1:03d}"


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


def _set(
    text: str, path: tuple[str | int, ...], parent: Mapping[str, Any], key: str, value: JsonValue
) -> str:
    snake = snake_case(key)
    name = snake if key not in parent and snake in parent else key
    return set_json(text, (*path, name), value)


def _project_path(mission_file: Path, setting: object) -> Path:
    above = project_above(mission_file)
    if not isinstance(setting, str) or not setting:
        return above
    # Written by another machine, an absolute path may lead nowhere here; the place of
    # the file itself then says where the project is.
    named = above / setting
    return Path(named) if named.is_dir() else above
