"""Calling a person by the mission's `notify` command, else by their own.

The command is the one that the mission named when the work began: no agent may name what we run
later. It gets one JSON object on its stdin: `mission`, `kind`, `task_id`, `session_id`, `why`,
and `waiting`, the ids of all tasks that wait for a person by status.

The same is said once in ten minutes, and of tasks that came to review one a minute: the call
names them all. `.state/notified.json` maps what was said to when. A call that fails changes
nothing.
"""

from __future__ import annotations

import json
import os
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.machine.environment import outer_environment
from mosaic.machine.process import find_tool
from mosaic.model import EndReason, RunStatus, Status
from mosaic.ports import EndCause
from mosaic.store.own_settings import own_settings
from mosaic.store.reading import read_mission
from mosaic.store.state import find_object, save_cache

if TYPE_CHECKING:
    from mosaic.sessions.decide import Outcome
    from mosaic.store.mission_file import MissionDocument

NOTIFY_SECONDS = 10.0
REPEAT_SECONDS = 600.0
REVIEW_SECONDS = 60.0
NAME = "notified.json"


class Need(StrEnum):
    """What a person is called for."""

    QUESTION = "question"
    BLOCKED = "blocked"
    REVIEW = "review"
    FAILED = "failed"
    """Nothing that goes on by itself will finish it."""
    BUDGET = "budget"
    WAITING = "waiting"
    """A loop has nothing left to do, and tasks wait for a person."""
    PANEL = "panel"
    """All workers of a panel have answered."""


class Alarm:
    """Calls a person; make it before an agent works."""

    def __init__(self, document: MissionDocument) -> None:
        self._command, self._name = document.mission.notify, document.mission.name
        self._layout = document.layout
        self._own = () if self._command else own_settings().notify

    def call(
        self, need: Need, why: str, *, task_id: str | None = None, session_id: str | None = None
    ) -> str | None:
        """Call a person; return why that was not possible, and None where it was, or is throttled.

        Args:
            task_id: the task that needs somebody; None where it is no single one.
        """
        command = self._command or self._own
        if not command or not self._is_due(need, task_id, session_id or why):
            return None
        program = command[0]
        if self._own and os.sep not in program:
            # A person's own name for a program means none of the project's.
            found = find_tool(program, self._layout.project)
            if found is None:
                return f"`{program}` could not be called: it is not on the PATH"
            program = found
        import subprocess  # start-up: most missions call nobody

        values = {
            "mission": self._name,
            "kind": need.value,
            "task_id": task_id,
            "session_id": session_id,
            "why": why,
            "waiting": self._waiting(),
        }
        try:
            subprocess.run(
                (program, *command[1:]),
                cwd=self._layout.project,
                input=json.dumps(values, ensure_ascii=False).encode("utf-8", "replace"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=NOTIFY_SECONDS,
                check=False,
                env=outer_environment(),
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            return f"`{command[0]}` could not be called: {error}"
        return None

    def _is_due(self, need: Need, task_id: str | None, about: str) -> bool:
        now, path = utc_now().timestamp(), self._layout.state_dir / NAME
        known = {k: v for k, v in find_object(path).items() if isinstance(v, int | float)}
        key = need.value if need is Need.REVIEW else f"{need.value} {task_id} {about}"
        pause = REVIEW_SECONDS if need is Need.REVIEW else REPEAT_SECONDS
        # A clock that was set back must not keep anybody uncalled.
        if 0 <= now - known.get(key, -pause) < pause:
            return False
        recent = {k: v for k, v in known.items() if 0 <= now - v < REPEAT_SECONDS}
        save_cache(self._layout, path, json.dumps({**recent, key: now}).encode())
        return True

    def _waiting(self) -> dict[str, list[str]]:
        try:
            tasks = read_mission(self._layout.mission_file).tasks
        except MissionError:
            return {}
        waiting = (Status.REVIEW, Status.BLOCKED)
        return {s.value: [task.id for task in tasks if task.status is s] for s in waiting}


def need_of(outcome: Outcome, status: Status | None) -> Need | None:
    """Return what a person is needed for after a session; None when nobody is.

    Args:
        status: the task's own, after the session.
    """
    if outcome.reason is EndReason.STOPPED or outcome.cause is EndCause.LEFT:
        return None
    if outcome.run_status is RunStatus.BLOCKED:
        status = Status.BLOCKED
    if status in (Status.DONE, Status.CANCELLED):
        return None
    return need_for(status, outcome.cause) or Need.FAILED


def need_for(status: str | None, cause: str | None) -> Need | None:
    """Return what a task itself waits for, after a session that ended by `cause`."""
    if status == Status.BLOCKED:
        return Need.QUESTION if cause == EndCause.NEEDS_HUMAN else Need.BLOCKED
    return Need.REVIEW if status == Status.REVIEW else None
