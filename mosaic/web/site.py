"""The pages and where they are; each is made by what `mosaic.app` answers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.responses import StreamingResponse as Streaming
from starlette.routing import Route

from mosaic.app.versions import versions_of
from mosaic.errors import MissionError
from mosaic.plan.drawing import STYLE
from mosaic.web.changes import Changes, Form, read_form
from mosaic.web.guard import ENTER, Guard, same_secret
from mosaic.web.logs import Logs
from mosaic.web.reader import Reader
from mosaic.web.task_page import draw_task
from mosaic.web.views import FRAME, Views

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from mosaic.web.guard import Access
    from mosaic.web.views import View

KINDS = {"board.css": "text/css", "board.js": "text/javascript", "mark.svg": "image/svg+xml"}
WRONG_TOKEN_SECONDS = 1.0
"""How long who enters a wrong token waits; others wait behind them."""


def build_site(mission_file: Path, access: Access) -> tuple[ASGIApp, Reader]:
    """Return what answers browsers, and the reader that its pages follow."""
    views = Views(mission_file, access)
    reader = Reader(mission_file, views)
    site = _Site(mission_file, views, reader)
    changes = Changes(mission_file, views, reader)

    @asynccontextmanager
    async def watching(_: Starlette) -> AsyncIterator[None]:
        watch = asyncio.create_task(reader.watch())
        yield
        reader.end()
        await watch

    def refuse(status: int, words: str, path: str) -> Response:
        if status == 401:  # noqa: PLR2004
            return site.entrance(after=path)
        return PlainTextResponse(f"{words}\n", status)

    def not_found(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return PlainTextResponse("there is no such page\n", status)

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, MissionError)
        return changes.refusal(request, error)

    app = Starlette(
        routes=[*site.routes(), *changes.routes()],
        exception_handlers={HTTPException: not_found, MissionError: refused, 500: _broken},
        lifespan=watching,
    )
    return Guard(app, access, refuse), reader


def _broken(_: Request, __: Exception) -> Response:
    return PlainTextResponse("this went wrong; the terminal of the server says more\n", 500)


class _Site:
    def __init__(self, mission_file: Path, views: Views, reader: Reader) -> None:
        self._path = mission_file
        self._views = views
        self._reader = reader
        self._logs = Logs(mission_file, reader)
        self._wrong = asyncio.Lock()
        folder = files("mosaic.web").joinpath("static")
        self._static = {name: folder.joinpath(name).read_bytes() for name in KINDS}
        self._static["board.css"] += STYLE.encode()

    def routes(self) -> list[Route]:
        return [
            Route("/", self._page),
            *(Route(f"/{name}", self._page) for name in self._views.pages),
            Route("/task/{name}", self._task),
            Route("/log/{name}", self._log),
            Route("/stream", self._stream),
            Route("/static/{name}", self._file),
            Route(ENTER, self._enter, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        name = request.url.path.strip("/") or "board"
        view = await self._reader.view(name)
        query = request.query_params
        if query.get("q") or query.get("milestone"):
            words, milestone = query.get("q", ""), query.get("milestone", "")
            view = self._views.filtered(view, self._reader.page, words, milestone)
        return self._answer(name, view, stream=f"/stream?view={name}", query=query)

    async def _task(self, request: Request) -> Response:
        task_id = request.path_params["name"]
        remark = request.query_params.get("remark", "")
        view = await self._reader.view(FRAME)
        versions = await asyncio.to_thread(versions_of, self._path, [task_id])
        draw = partial(draw_task, self._views, self._path, task_id, remark)
        content = await self._reader.once(f"task/{task_id} {remark}", draw)
        stream = f"/stream?view=task/{quote(task_id)}&at={versions.get(task_id, '')}"
        return self._answer("task", view, stream=stream, content=Markup(content), name=task_id)  # noqa: S704

    async def _log(self, request: Request) -> Response:
        name = request.path_params["name"]
        view = await self._reader.view(FRAME)
        logged = await asyncio.to_thread(self._logs.show, name)
        return self._answer("log", view, stream=f"/stream?view=log/{quote(name)}", logged=logged)

    def _answer(self, template: str, view: View, **values: object) -> Response:
        shown = self._reader.page.status.milestones
        html = self._views.render(
            template,
            view=view,
            version=self._reader.version,
            milestones=[each.milestone.id for each in shown],
            **values,
        )
        return HTMLResponse(html)

    async def _stream(self, request: Request) -> Response:
        key, since, at = (request.query_params.get(name, "") for name in ("view", "since", "at"))
        kind, _, name = key.partition("/")
        if kind == "log":
            events = self._logs.stream(name)
        elif key in self._views.names or kind == "task":
            events = self._reader.stream(key, since, at)
        else:
            raise HTTPException(404)
        return Streaming(events, media_type="text/event-stream")

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in KINDS:
            raise HTTPException(404)
        return Response(self._static[name], media_type=KINDS[name])

    def entrance(self, wrong: str = "", after: str = "/") -> Response:
        """Return the page where the token is entered."""
        return HTMLResponse(self._views.render("enter", wrong=wrong, next=after), 401)

    async def _enter(self, request: Request) -> Response:
        form, access = await read_form(request) or Form(()), self._views.access
        after = form.of("next")
        after = after if after.startswith("/") and not after.startswith("//") else "/"
        if access.token is not None and not same_secret(form.of("access"), access.token):
            async with self._wrong:
                await asyncio.sleep(WRONG_TOKEN_SECONDS)
            return self.entrance("That is not the token.", after)
        answer = RedirectResponse(after, 303)
        answer.set_cookie(access.cookie, access.pass_token, httponly=True, samesite="lax")
        return answer
