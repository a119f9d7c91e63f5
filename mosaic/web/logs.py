"""Logs in the browser: each run that somebody follows is read once, for all who follow it.

event: log      data: {"text": …}    all that is shown of it, from the beginning
event: lines    data: {"text": …}    what came since
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import deque
from typing import TYPE_CHECKING

from mosaic.app.following import follow_words
from mosaic.app.runs import find_logged_run, view_run
from mosaic.errors import MissionError
from mosaic.records import NamedTuple
from mosaic.store.mission_file import look_at_mission
from mosaic.web.reader import OVER, Viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from mosaic.app.runs import RunView
    from mosaic.runs.record import Run
    from mosaic.store.mission_file import MissionDocument
    from mosaic.web.reader import Reader

MOST_LINES = 1_000
"""Lines of a log that are shown: the last ones."""


class Logged(NamedTuple):
    """A run and the end of its log."""

    run: RunView
    task_id: str
    text: str


class _Feed:
    """A run that is followed."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=MOST_LINES)
        self.viewers: set[Viewer] = set()
        self.has_begun = False

    def add(self, lines: list[str]) -> None:
        self.lines.extend(lines)
        self._send(_event("lines", lines))

    def begin_anew(self) -> None:
        self.lines.clear()
        self._send(_event("log", ()))

    def end(self) -> None:
        self._send(OVER)
        self._send(None)

    def _send(self, event: bytes | None) -> None:
        for viewer in self.viewers:
            viewer.send(event)


class Logs:
    """The logs of a mission's runs.

    Args:
        mission_file: path of mission.json.
        reader: knows who has a page open, and when the server ends.
    """

    def __init__(self, mission_file: Path, reader: Reader) -> None:
        self._path = mission_file
        self._reader = reader
        self._feeds: dict[str, _Feed] = {}

    def show(self, name: str) -> Logged:
        """Return a run by its own id, its session's or its task's, with the end of its log.

        Raises:
            RunNotFoundError: there is none.
        """
        document = look_at_mission(self._path)
        run = find_logged_run(document, name)
        looks = iter((True, True))
        lines: deque[str] = deque(maxlen=MOST_LINES)
        once = lambda: next(looks, False)  # noqa: E731
        for part in follow_words(document, run, most=MOST_LINES, is_wanted=once):
            lines.extend(part)
        meta = run.find_meta()
        return Logged(view_run(run), meta.task_id if meta else "", "\n".join(lines))

    async def stream(self, name: str) -> AsyncIterator[bytes]:
        """Yield what a log's page has to know, until the run ends."""
        document = await asyncio.to_thread(look_at_mission, self._path)
        run = await asyncio.to_thread(find_logged_run, document, name)
        viewer = Viewer(f"log/{name}")
        feed = self._feeds.setdefault(run.id, _Feed())
        viewer.send(_event("log", feed.lines))
        feed.viewers.add(viewer)
        self._reader.admit(viewer)
        if not feed.has_begun:
            feed.has_begun = True
            self._begin(document, run, feed)
        try:
            async for event in viewer.events():
                yield event
        finally:
            feed.viewers.discard(viewer)
            self._reader.dismiss(viewer)

    def _begin(self, document: MissionDocument, run: Run, feed: _Feed) -> None:
        """Follow a run in a thread of its own, as long as somebody looks."""
        loop = asyncio.get_running_loop()

        def is_wanted() -> bool:
            return bool(feed.viewers) and not self._reader.is_over.is_set()

        def work() -> None:
            with contextlib.suppress(MissionError, RuntimeError):  # it is gone, or the server is
                for lines in follow_words(document, run, most=MOST_LINES, is_wanted=is_wanted):
                    if lines:
                        loop.call_soon_threadsafe(feed.add, lines)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(end, is_wanted())

        def end(is_over: bool) -> None:
            if not is_over and is_wanted():  # somebody came while the last one left
                feed.begin_anew()
                self._begin(document, run, feed)
                return
            self._feeds.pop(run.id, None)
            feed.end()

        threading.Thread(target=work, daemon=True, name=f"log of {run.id}").start()


def _event(kind: str, lines: Iterable[str]) -> bytes:
    text = "".join(f"{line}\n" for line in lines)
    return f"event: {kind}\ndata: {json.dumps({'text': text})}\n\n".encode("utf-8", "replace")
