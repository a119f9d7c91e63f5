"""What people change in the mission here, as it is told to a machine where an agent works on it."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from mosaic.git.git import find_work_tree
from mosaic.remote.plan import plan_files
from mosaic.remote.send import plan_to_send
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from pathlib import Path


class PlanWatch:
    """Looks for changes of a mission's files, for one listener: all are new to it at first."""

    def __init__(self, mission_file: Path) -> None:
        self._mission_file = mission_file
        self._seen: object = None
        self._told: dict[str, str] = {}

    def find_news(self) -> dict[str, Any] | None:
        """Return what is to be told, or None; MissionError where the files cannot be read now.

        `at` counts up, also from one listener to the next, as long as the clock does.
        """
        layout = load_mission(self._mission_file).layout
        top = find_work_tree(layout.project)
        if top is None:
            return None
        seen = [(name, _stamp(path)) for name, path in plan_files(layout, top).items()]
        if seen == self._seen:
            return None
        files: dict[str, str] = {}
        for name, data in plan_to_send(layout, top).items():
            with contextlib.suppress(UnicodeDecodeError):
                files[name] = data.decode()
        gone = dict.fromkeys(self._told.keys() - files.keys())
        news = {name: text for name, text in files.items() if self._told.get(name) != text}
        self._seen, self._told = seen, files
        return {"plan": {**news, **gone}, "at": time.time_ns()} if news or gone else None


def _stamp(path: Path) -> tuple[int, ...]:
    with contextlib.suppress(OSError):
        found = os.stat(path)
        return (found.st_mtime_ns, found.st_size, found.st_ino)
    return ()
