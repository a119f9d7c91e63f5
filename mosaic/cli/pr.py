"""`mission pr`: pull requests opened, followed, and what is said on them handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer import Option

from mosaic.app.pull_request import follow_requests, look_at_request
from mosaic.cli.options import Json, MaybeTaskId, MissionPath
from mosaic.cli.output import answer, clean, paint, warn
from mosaic.errors import UsageError
from mosaic.model import Status
from mosaic.store.reading import locate_to_change, read_mission

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.app.pull_request import RequestList, RequestPage

EXAMPLES = (
    ("mission pr T-001", "open its pull request, or look at it"),
    ("mission pr", "look at all that are open, and hand on what was said"),
)
LONGEST_SHOWN = 300


def pr_command(
    task_id: MaybeTaskId = None,
    takes: list[str] | None = Option(
        None, "--from", metavar="AUTHOR", help="Hand on what AUTHOR wrote, too."
    ),
    anew: bool = Option(False, "--new", help="Open another where one was closed unmerged."),
    force: bool = Option(False, "--force", help="Also the work of a task that is not done."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Open a task's pull request, or look at it; without an ID, look at all that are open."""
    path = locate_to_change(mission)
    if task_id is not None:
        page = look_at_request(
            read_mission(path), task_id, force=force, anew=anew, takes=takes or ()
        )
        return show_request(page, as_json=as_json)
    if anew or force:
        raise UsageError("no task is named", hint="`mission pr T-001`")
    return show_requests(follow_requests(path, takes=takes or ()), as_json=as_json)


def show_requests(found: RequestList, *, as_json: bool) -> int:
    """Print what a look at several pull requests came to."""
    lines = [line for each in found.requests for line in request_lines(each)]
    for name, words in found.problems.items():
        warn(f"{paint('warning:', 'yellow', err=True)} {clean(name)}: {clean(words)}")
    return answer(
        "pr.list",
        found,
        lines or ([] if found.problems else [paint("no pull request is open", "dim")]),
        ok=not found.problems,
        then=[command for each in found.requests for command in _next_commands(each)],
        as_json=as_json,
    )


def show_request(page: RequestPage, *, as_json: bool) -> int:
    """Print what a look at a pull request came to."""
    lines = list(request_lines(page))
    then = _next_commands(page)
    return answer("pr", page, lines, then=then, show_next=bool(then), as_json=as_json)


def request_lines(page: RequestPage) -> Iterator[str]:
    """Return what is known of a task's pull request, as people read it."""
    yield f"{paint(page.task.task.id, 'bold')}  {clean(page.request.words)}"
    yield f"  {clean(page.request.url)}"
    yield from (f"  {clean(each)}" for each in page.did)
    yield from (f"  {paint('note:', 'yellow')} {clean(each)}" for each in page.notices)
    if page.handed_on:
        yield "  handed on to the next attempt:"
    for entry in page.handed_on:
        place = f" on {entry.place}" if entry.place else ""
        yield f"    {entry.number}  {clean(f'{entry.by}{place}: {entry.text}'[:LONGEST_SHOWN])}"
    if page.shown:
        yield "  not handed on:"
    for comment in page.shown:
        words = f"{comment.author}, {comment.standing}: {comment.text}"
        yield f"    {clean(words[:LONGEST_SHOWN])}"


def _next_commands(page: RequestPage) -> list[str]:
    task = page.task.task
    if page.handed_on and task.status is Status.TODO:
        return [f"mission next --task {task.id}"]
    if page.request.state == "merged":
        return ["mission clean"]
    return []
