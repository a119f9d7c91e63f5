"""mission.json: read into a `Mission`, changed in place.

camelCase is what Mosaic writes; snake_case is read as the same and left as it is (only
`mission migrate` rewrites it). Unknown keys, key order and layout survive every edit:
changes are spliced by `mosaic.text.jsondoc`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError
from mosaic.machine.disk import read_text
from mosaic.records import dataclass
from mosaic.store.json_object import get_key, snake_case
from mosaic.store.layout import DEFAULT_PATHS, Layout, layout_of, project_above
from mosaic.store.mission_reader import read_mission_values, read_paths
from mosaic.store.session_entries import session_values
from mosaic.text.jsondoc import append_json, parse_json_document, set_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.model import JsonValue, Mission, MissionStatus, Session


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
    text = read_text(path).text
    try:
        data = parse_json_document(text)
        mission = read_mission_values(text, data)
        settings = read_paths(text, data, DEFAULT_PATHS)
    except MissionError as error:
        raise error.at(path) from None
    layout = layout_of(path, _project_path(path, get_key(data, "projectPath")), settings)
    return MissionDocument(path=path, mission=mission, layout=layout)


def parse_mission(text: str) -> Mission:
    """Return the mission that a text of mission.json describes; no path in it is looked at."""
    return read_mission_values(text, parse_json_document(text))


def read_layout(mission_file: Path) -> Layout:
    """Return where a mission's files are; raises as `load_mission`."""
    return load_mission(mission_file).layout


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
