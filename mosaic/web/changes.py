"""What a person changes in the browser: a form in, one call of `mosaic.app`, its answer out.

Each form carries the token of this server, and the version of the task that it was made for: a
task that moved meanwhile is not changed, and what was typed is given back.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mosaic.app import decisions
from mosaic.app.change import Change, add_task, change_status, change_task
from mosaic.app.hand_off import Face, StartedSession, hand_off_task
from mosaic.app.order import move_task
from mosaic.app.task_work import land_task, show_review
from mosaic.app.versions import unmoved, versions_of
from mosaic.errors import ExitCode, FileChangedError, MissionError, UsageError
from mosaic.model import Status
from mosaic.records import NamedTuple
from mosaic.sessions.choice import HandOffRequest
from mosaic.sessions.remarks import Remark
from mosaic.sessions.stop import stop_session
from mosaic.settings import Landing
from mosaic.store.create import NewTask
from mosaic.store.reading import read_mission
from mosaic.text.fields import FIELD_BY_NAME, Kind, field_value
from mosaic.web.guard import same_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from starlette.requests import Request

    from mosaic.app.decisions import DecidedTask
    from mosaic.web.reader import Reader
    from mosaic.web.views import Views

LARGEST_FORM = 256 << 10
MOST_FIELDS = 60
CARRIED = ("token", "version")
EDITED = ("title", "milestone", "priority", "assignee", "labels", "depends_on", "write_scope",
          "runtime")  # fmt: skip
"""The fields that a task's page has a form for."""
OLD_PAGE = "this page is of a server that has ended: reload it, and send this again"


class Done(NamedTuple):
    """What a change came to."""

    message: str
    notices: Sequence[str] = ()


class Changes:
    """The changes that can be asked for.

    Args:
        mission_file: path of mission.json.
        views: draws the answers.
        reader: has all pages follow.
    """

    def __init__(self, mission_file: Path, views: Views, reader: Reader) -> None:
        self._path = mission_file
        self._views = views
        self._reader = reader

    def routes(self) -> list[Route]:
        """Return where they are asked for."""
        of_tasks: Mapping[str, Callable[[str, Form], Done]] = {
            "answer": self._answer, "approve": self._approve, "reject": self._reject,
            "remark": self._remark, "allow": self._allow, "status": self._status,
            "edit": self._edit, "move": self._move, "merge": self._merge,
            "hand-off": self._hand_off,
        }  # fmt: skip
        routes = [
            Route(f"/task/{{name}}/{word}", partial(self._take, act), methods=["POST"])
            for word, act in of_tasks.items()
        ]
        return [
            *routes,
            Route("/session/{name}/stop", partial(self._take, self._stop), methods=["POST"]),
            Route("/add", partial(self._take, self._add), methods=["POST"]),
        ]

    async def _take(self, act: Callable[[str, Form], Done], request: Request) -> Response:
        """Do what a form asks for, and answer."""
        form = await read_form(request)
        name = request.path_params.get("name", "")
        access = self._views.access
        if form is None:
            return self.refusal(
                request, UsageError("this is more than a form can hold"), status=413
            )
        if not same_secret(form.of("token"), access.form_token):
            return self.refusal(request, UsageError(OLD_PAGE), form, status=403)
        try:
            done = await asyncio.to_thread(act, name, form)
        except MissionError as error:
            await self._reader.look(is_changed=True)
            return self.refusal(request, error, form, task_id=name)
        await self._reader.look(is_changed=True)
        if is_part(request):
            return HTMLResponse(self._views.render("done", **done._asdict()))
        return RedirectResponse(page_before(request), 303)

    def refusal(
        self,
        request: Request,
        error: MissionError,
        form: Form | None = None,
        *,
        task_id: str = "",
        status: int = 0,
    ) -> Response:
        """Return the answer to what was not done, with what was typed."""
        values = form.values if form else ()
        is_moved = error.code == FileChangedError.code
        hidden = dict.fromkeys(CARRIED, "")
        hidden["token"] = self._views.access.form_token
        if is_moved:
            hidden["version"] = versions_of(self._path, [task_id]).get(task_id, "")
        elif form:
            hidden["version"] = form.of("version")
        page = self._views.render(
            "problem",
            is_part=is_part(request),
            is_moved=is_moved,
            message=f"{error.message[:1].upper()}{error.message[1:]}",
            place=f"{error.path}:{error.line}" if error.line else error.path,
            detail=None if is_moved else error.detail,
            hint=HINTS.get(error.code, error.hint),
            action=request.url.path if form else "",
            hidden=[each for each in hidden.items() if each[1]],
            typed=[each for each in values if each[0] not in CARRIED],
            back=f"/task/{task_id}" if is_moved else page_before(request),
        )
        return HTMLResponse(page, status or status_of(error))

    def _answer(self, task_id: str, form: Form) -> Done:
        with unmoved(self._path, task_id, form.of("version")):
            return _decided(decisions.answer(self._path, task_id, form.of("words")))

    def _approve(self, task_id: str, form: Form) -> Done:
        snapshot = read_mission(self._path)
        snapshot.refuse_moved(task_id, form.of("version"))
        review = show_review(snapshot, task_id).review
        done = decisions.approve(
            snapshot,
            review,
            why=form.of("why") or None,
            force=form.has("force"),
            commit=form.has("commit"),
            merge=form.has("merge"),
        )
        return _decided(done)

    def _reject(self, task_id: str, form: Form) -> Done:
        snapshot = read_mission(self._path)
        snapshot.refuse_moved(task_id, form.of("version"))
        review = show_review(snapshot, task_id).review
        return _decided(
            decisions.reject(snapshot, review, form.of("why"), commit=form.has("commit"))
        )

    def _remark(self, task_id: str, form: Form) -> Done:
        snapshot = read_mission(self._path)
        review = show_review(snapshot, task_id).review
        remark = Remark(form.of("place"), form.of("words"))
        with unmoved(self._path, task_id, form.of("version")):
            return _decided(decisions.remark(snapshot, review, [remark]))

    def _allow(self, task_id: str, form: Form) -> Done:
        with unmoved(self._path, task_id, form.of("version")):
            return _decided(decisions.allow(read_mission(self._path), task_id, [form.of("path")]))

    def _status(self, task_id: str, form: Form) -> Done:
        try:
            status = Status(form.of("status"))
        except ValueError:
            raise UsageError(f"`{form.of('status')}` is not a status") from None
        read_mission(self._path).refuse_moved(task_id, form.of("version"))
        done = change_status(
            self._path, task_id, status, form.of("why") or None, force=form.has("force")
        )
        return Done(f"{task_id} is {done.task.task.status.value}", done.notices)

    def _edit(self, task_id: str, form: Form) -> Done:
        with unmoved(self._path, task_id, form.of("version")):
            task = read_mission(self._path).get(task_id).task
            changes = [
                Change(name, "=", form.of(name))
                for name in EDITED
                if form.has(name) and not _is_same(name, form.of(name), field_value(task, name))
            ]
            if not changes:
                return Done(f"{task_id} is as it was")
            done = change_task(self._path, task_id, changes)
        names = ", ".join(each.name for each in done.fields)
        return Done(f"{task_id}: {names} changed", done.notices)

    def _move(self, task_id: str, form: Form) -> Done:
        beside = form.of("beside")
        before, after = (beside, None) if form.of("where") == "before" else (None, beside)
        with unmoved(self._path, task_id, form.of("version")):
            moved = move_task(self._path, task_id, before=before, after=after)
        notices = list(moved.notices)
        if moved.milestone_before is not None:
            notices.append(f"its milestone is {moved.task.task.milestone or 'none'} now")
        side = "before" if moved.is_before else "behind"
        return Done(f"{task_id} stands {side} {moved.beside}", notices)

    def _hand_off(self, task_id: str, form: Form) -> Done:
        read_mission(self._path).refuse_moved(task_id, form.of("version"))
        request = HandOffRequest(
            task_id=task_id,
            runtime=form.of("runtime") or None,
            model=form.of("model") or None,
            force=form.has("force"),
            worktree=form.has("worktree"),
            resuming=form.has("resume"),
        )
        started = hand_off_task(self._path, request, "process", Face())
        assert isinstance(started, StartedSession)  # it was not started in this process
        problem = [started.problem.summary] if started.problem else []
        about = f"{started.session.runtime}, session {started.session.id}"
        return Done(f"{task_id} is handed off: {about}", [*started.notices, *problem])

    def _merge(self, task_id: str, form: Form) -> Done:
        snapshot = read_mission(self._path)
        snapshot.refuse_moved(task_id, form.of("version"))
        if snapshot.document.mission.landing is Landing.PULL_REQUEST:
            from mosaic.app.pull_request import look_at_request

            page = look_at_request(snapshot, task_id)
            return Done(f"{task_id}: its pull request is {page.request.url}", page.notices)
        merged = land_task(snapshot, task_id)
        words = "all of it was there already" if merged.was_home else f"commit {merged.commit[:10]}"
        return Done(f"{merged.branch} is in {merged.into}: {words}")

    def _stop(self, session_id: str, form: Form) -> Done:
        stopped = stop_session(self._path, session_id, now=form.has("now"))
        return Done(f"{stopped.id} was stopped")

    def _add(self, _: str, form: Form) -> Done:
        new = NewTask(
            title=form.of("title"),
            milestone=form.of("milestone") or None,
            depends_on=_listed(form.of("depends_on")),
            write_scope=_listed(form.of("write_scope")),
            goal=form.of("goal"),
            criteria=tuple(filter(None, map(str.strip, form.of("criteria").split("\n")))),
        )
        done = add_task(self._path, new)
        return Done(f"{done.task.task.id} was added: {done.task.task.title}", done.notices)


class Form(NamedTuple):
    """The fields of a form, in its order."""

    values: tuple[tuple[str, str], ...]

    def of(self, name: str) -> str:
        """Return what a field holds; nothing where it is not there."""
        return next((value for key, value in self.values if key == name), "")

    def has(self, name: str) -> bool:
        """Tell whether a field is there: of a box, whether it is ticked."""
        return any(key == name for key, _ in self.values)


HINTS = {
    "AGAINST_EVIDENCE": "tick “against the evidence” to accept it all the same, or send it back",
}
"""What a person does here, where the command line has another way."""


async def read_form(request: Request) -> Form | None:
    """Return the form that a request holds; None where it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return None
    text = body.decode("utf-8", "replace")
    try:
        found = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return None
    return Form(tuple((name, value.replace("\r\n", "\n").strip()) for name, value in found))


def is_part(request: Request) -> bool:
    """Tell whether a script asks, which puts the answer into the page that is there."""
    return request.headers.get("x-part") == "1"


def page_before(request: Request) -> str:
    """Return the path of the page that a request came from, on this server."""
    place = urlsplit(request.headers.get("referer", ""))
    path = place.path if place.netloc == request.headers.get("host") else ""
    return path if path.startswith("/") and not path.startswith("//") else "/"


def status_of(error: MissionError) -> int:
    """Return the status of the answer to what was not done."""
    if error.code == FileChangedError.code or error.exit_code is ExitCode.REFUSED:
        return 409
    if error.code.endswith("_NOT_FOUND"):
        return 404
    return 400 if error.exit_code is ExitCode.USAGE else 422


def _decided(done: DecidedTask) -> Done:
    task = done.task.task
    words = f"{task.id} {done.decision}, and is {task.status.value}"
    if done.merged is not None:
        words += f"; {done.merged.branch} is in {done.merged.into}"
    elif done.to_merge:
        words += f"; its work waits in {done.to_merge}"
    notices = [*done.notices, *(f"against the evidence: {each}" for each in done.overruled)]
    if done.merge_problem is not None:
        notices.append(f"it was not merged: {done.merge_problem.summary}")
    return Done(words, notices)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _is_same(name: str, text: str, value: Any) -> bool:
    if FIELD_BY_NAME[name].kind is Kind.LIST:
        return _listed(text) == tuple(value or ())
    return text == (value or "")
