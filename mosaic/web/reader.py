"""One reader for all browsers: it looks at what changed, and sends each page what is new.

However many people look, the mission is looked at a few times a second, read once for each change,
and drawn once for each kind of page that somebody has open. What is sent is only what differs:

    event: change
    data: {"version": "3f2a-7", "parts": {"card-T-001": "<li …"}, "lists": {"todo": ["card-…"]}}

`parts` are elements by their id, `lists` what stands in which order in an element that changed.
`event: whole` asks a page to fetch itself again; `event: over` says that nothing more comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections import defaultdict
from typing import TYPE_CHECKING

from mosaic.app.board import Board
from mosaic.app.versions import versions_of
from mosaic.errors import MissionError
from mosaic.web.views import FRAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from mosaic.app.board import BoardPage
    from mosaic.app.status import SessionView
    from mosaic.web.views import View, Views

LOOK_SECONDS = 0.4
PING_SECONDS = 15.0
"""A stream that is silent for longer is taken for a dead one by what lies between."""
MOST_WAITING = 8
"""Events that wait for a slow browser; then it fetches its page again."""
KEPT_SECONDS = 2.0
MOST_KEPT = 100
"""How long, and how many, pages are kept for those who ask for the same at once."""
WHOLE = b"event: whole\ndata: {}\n\n"
OVER = b"event: over\ndata: {}\n\n"
TASK = "task/"
"""How the key of a task's page begins."""


class Viewer:
    """A browser that has a page open."""

    def __init__(self, key: str) -> None:
        self.key = key
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_WAITING + 2)

    def send(self, event: bytes | None) -> None:
        """Let an event wait for the browser; None ends the stream."""
        if event is not None and self._events.qsize() >= MOST_WAITING:
            while not self._events.empty():
                self._events.get_nowait()
            event = WHOLE
        self._events.put_nowait(event)

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the events as they come, and a sign of life where none do."""
        yield b"retry: 1000\n\n"
        while True:
            try:
                event = await asyncio.wait_for(self._events.get(), PING_SECONDS)
            except TimeoutError:
                event = b": still here\n\n"
            if event is None:
                return
            yield event


class Reader:
    """What all pages are made of.

    Args:
        mission_file: path of mission.json.
        views: draws the pages.
    """

    def __init__(self, mission_file: Path, views: Views) -> None:
        self._board = Board(mission_file)
        self._mission_file = mission_file
        self._views = views
        self._boot = secrets.token_hex(3)
        self._count = 0
        self._page: BoardPage | None = None
        self._trouble: MissionError | None = None
        self._drawn: dict[str, View] = {}
        self._made: dict[str, tuple[asyncio.Future[str], float]] = {}
        self._task_versions: Mapping[str, str] = {}
        self._viewers: defaultdict[str, set[Viewer]] = defaultdict(set)
        self._reading = asyncio.Lock()
        self.is_over = asyncio.Event()

    @property
    def version(self) -> str:
        """What tells one state of the mission from another; other servers have other ones."""
        return f"{self._boot}-{self._count}"

    async def watch(self) -> None:
        """Look again and again while somebody has a page open."""
        while not self.is_over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.is_over.wait(), LOOK_SECONDS)
            try:
                if any(self._viewers.values()):
                    await self.look()
            except Exception:  # one look that fails must not be the last one
                logging.getLogger(__name__).exception("the mission could not be looked at")

    def end(self) -> None:
        """End the streams of all pages."""
        self.is_over.set()
        for viewers in self._viewers.values():
            for viewer in viewers:
                viewer.send(None)

    @property
    def page(self) -> BoardPage:
        """What was read last, once `view` has answered."""
        assert self._page is not None
        return self._page

    async def look(self, *, is_changed: bool = False) -> None:
        """See what changed, and send it to every page that is open.

        With `is_changed` what was made for others a moment ago is not shown again.
        """
        if is_changed:
            self._made.clear()
        async with self._reading:
            page, trouble = self._page, None
            try:
                page = await asyncio.to_thread(self._board.look)
            except MissionError as error:
                trouble = error  # what was read last stays in view
            if not _is_same(page, self._page) or str(trouble) != str(self._trouble):
                self._page, self._trouble = page, trouble
                self._count += 1
                before, self._drawn = self._drawn, {}
                for name, viewers in self._open().items() if page else ():
                    event = _event(self.version, before.get(name), await self._draw(name))
                    for viewer in viewers if event else ():
                        viewer.send(event)
            await self._look_at_tasks()

    async def view(self, name: str) -> View:
        """Return a page's pieces, looked at now where no page is open that is kept up to date.

        Raises:
            MissionError: the mission could not be read yet.
        """
        if self._page is None or not any(self._viewers.values()):
            await self.look()
        async with self._reading:
            return self._drawn.get(name) or await self._draw(name)

    async def once(self, key: str, make: Callable[[], str]) -> str:
        """Return what is made by a function that takes long, made once for all who ask now."""
        made, since = self._made.get(key, (None, 0.0))
        now = asyncio.get_running_loop().time()
        if made is None or (made.done() and now - since > KEPT_SECONDS):
            made = asyncio.ensure_future(asyncio.to_thread(make))
            self._made[key] = (made, now)
            if len(self._made) > MOST_KEPT:
                del self._made[next(iter(self._made))]
        try:
            return await asyncio.shield(made)
        except Exception:
            self._made.pop(key, None)
            raise

    async def stream(self, key: str, since: str, of_task: str = "") -> AsyncIterator[bytes]:
        """Yield what a page has to know.

        Args:
            key: the page's name; of a task's page `task/` and its id.
            since: the version of the mission that it shows.
            of_task: the version of the task that it shows.
        """
        viewer = Viewer(key)
        self.admit(viewer)
        is_old = since != self.version
        if key.startswith(TASK):
            await self._look_at_tasks()
            is_old = is_old or self._task_versions.get(key.removeprefix(TASK)) != of_task
        if is_old:
            viewer.send(WHOLE)
        try:
            async for event in viewer.events():
                yield event
        finally:
            self.dismiss(viewer)

    def admit(self, viewer: Viewer) -> None:
        """Keep the page of a browser up to date from now on."""
        self._viewers[viewer.key].add(viewer)
        if self.is_over.is_set():
            viewer.send(None)

    def dismiss(self, viewer: Viewer) -> None:
        """Leave a browser alone that has gone."""
        viewers = self._viewers[viewer.key]
        viewers.discard(viewer)
        if not viewers:
            del self._viewers[viewer.key]

    def _open(self) -> Mapping[str, Sequence[Viewer]]:
        """Return who has which page open; of others what stands around them is drawn in pieces."""
        found: defaultdict[str, list[Viewer]] = defaultdict(list)
        for key, viewers in self._viewers.items():
            found[key if key in self._views.names else FRAME] += viewers
        return found

    async def _draw(self, name: str) -> View:
        if self._page is None:
            assert self._trouble is not None
            raise self._trouble
        draw = self._views.draw
        view = await asyncio.to_thread(draw, name, self._page, self._trouble)
        self._drawn[name] = view
        return view

    async def _look_at_tasks(self) -> None:
        """Have pages of tasks fetched again whose row or file changed."""
        ids = [key.removeprefix(TASK) for key in self._viewers if key.startswith(TASK)]
        if not ids:
            self._task_versions = {}
            return
        before = self._task_versions
        try:
            now = await asyncio.to_thread(versions_of, self._mission_file, ids)
        except MissionError:
            return
        self._task_versions = now
        for task_id in ids:
            if task_id in before and before[task_id] != now.get(task_id):
                self._made.clear()
                for viewer in self._viewers[f"{TASK}{task_id}"]:
                    viewer.send(WHOLE)


def _is_same(page: BoardPage | None, before: BoardPage | None) -> bool:
    """Tell whether two looks show the same; how long a session works changes all the time."""
    if page is before or page is None or before is None:
        return page is before
    if page.status is not before.status or page.cards is not before.cards:
        return page == before
    return _steady(page.live) == _steady(before.live)


def _steady(live: Sequence[SessionView]) -> list[object]:
    return [
        (view.session, view.found, seen and (seen.last, seen.usage, int(seen.silent_seconds) // 60))
        for view in live
        for seen in [view.progress]
    ]


def _event(version: str, before: View | None, after: View) -> bytes:
    if before is None:
        return WHOLE
    parts = {key: html for key, html in after.parts.items() if before.parts.get(key) != html}
    lists = {key: names for key, names in after.lists.items() if before.lists.get(key) != names}
    if not parts and not lists:
        return b""
    data = json.dumps({"version": version, "parts": parts, "lists": lists}, separators=(",", ":"))
    return f"event: change\ndata: {data}\n\n".encode("utf-8", "replace")
