"""A session that is over may look and no longer change anything.

A command that is called by an agent carries its session's id in `MISSION_SESSION`, and its
run's in `MISSION_RUN`. Once that session has ended, or its task was handed to a later one, the
command may look and not change. mission.json alone decides, so that this holds without this
machine's own state as well.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from mosaic.errors import SessionOverError
from mosaic.store.mission_file import load_mission
from mosaic.store.reading import locate_mission

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.model import Mission, Session


def locate_to_change(named: Path | None) -> Path:
    """Return the mission.json that a command changes something of."""
    path = locate_mission(named)
    if os.environ.get("MISSION_SESSION"):
        refuse_ended_session(path, load_mission(path).mission)
    return path


def refuse_ended_session(
    mission_file: Path, mission: Mission, environ: Mapping[str, str] = os.environ
) -> None:
    """Refuse a change that is asked for by an agent whose session is over."""
    own = environ.get("MISSION_SESSION")
    if not own or not _is_same_mission(mission_file, environ.get("MISSION_FILE")):
        return
    session = mission.sessions.find(own)
    task_id = session.last_task_id if session else environ.get("MISSION_TASK")
    if (later := find_later(mission, own, task_id)) is not None:
        raise SessionOverError(own, f"`{task_id}` was handed to `{later.id}` since")
    run_id = environ.get("MISSION_RUN")
    if session is not None and run_id and session.run_id not in (None, run_id):
        raise SessionOverError(own, f"run `{session.run_id}` has its name now")
    if session is not None and session.ended_at is not None:
        reason = session.ended_reason.value if session.ended_reason else "for a reason not known"
        raise SessionOverError(own, f"it ended {session.ended_at:%Y-%m-%d %H:%M} UTC, {reason}")


def find_later(mission: Mission, session_id: str, task_id: str | None) -> Session | None:
    """Return the newest session that took a task over from another one; None: there is none."""
    of_task = mission.sessions.of_task(task_id) if task_id else []
    ids = [session.id for session in of_task]
    if session_id in ids:
        later = of_task[ids.index(session_id) + 1 :]
    else:  # it is not listed any more, or not yet
        later = [each for each in of_task if _number(each.id) > _number(session_id)]
    return later[-1] if later else None


def _number(session_id: str) -> int:
    found = re.fullmatch(r"sess-(\d+)", session_id)
    return int(found[1]) if found else 0


def _is_same_mission(mission_file: Path, own: str | None) -> bool:
    return not own or os.path.realpath(own) == os.path.realpath(mission_file)
