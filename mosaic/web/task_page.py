"""A task's own page: its file, what is claimed beside what happened, and the change by lines."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mosaic.app.faults import find_faults
from mosaic.app.task_work import show_review
from mosaic.app.tasks import show_task
from mosaic.app.versions import versions_of
from mosaic.errors import MissionError, UsageError
from mosaic.model import Status
from mosaic.records import NamedTuple
from mosaic.review.patch import parse_patch
from mosaic.runtimes import known_runtimes
from mosaic.store.project_paths import project_paths
from mosaic.store.reading import read_mission
from mosaic.text.decisions import place_parts
from mosaic.text.fields import field_value
from mosaic.text.sections import DECISIONS, HANDOFF_SECTIONS, find_sections
from mosaic.web.changes import EDITED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mosaic.app.task_work import ReviewPage
    from mosaic.app.tasks import TaskPage
    from mosaic.model import Task
    from mosaic.review.patch import DiffLine
    from mosaic.text.decisions import Decision
    from mosaic.web.views import Views

MOST_LINES = 6_000
"""Lines of the change that a page shows."""
MOST_OPEN = 12
"""Files that are unfolded from the start."""
DECIDABLE = (Status.REVIEW, Status.IN_PROGRESS, Status.BLOCKED)


class ShownLine(NamedTuple):
    """A line of the change on the page."""

    line: DiffLine
    place: str
    """As a remark names it; empty where none can be made."""
    remarks: Sequence[Decision]
    asks: bool
    """Whether a new remark is being written on it, without JavaScript."""


class ShownFile(NamedTuple):
    """A file of the change on the page."""

    path: str
    added: int
    removed: int
    lines: Sequence[ShownLine]
    is_open: bool


def draw_task(views: Views, mission_file: Path, task_id: str, remark: str) -> str:
    """Return what a task's page shows, without what stands around it.

    Args:
        views: draws it.
        mission_file: path of mission.json.
        task_id: the task.
        remark: the line that a remark is being written on, without JavaScript; or nothing.

    Raises:
        TaskNotFoundError: there is no such task.
    """
    version = versions_of(mission_file, [task_id]).get(task_id, "")
    snapshot = read_mission(mission_file)
    faults = find_faults(snapshot, snapshot.meant(task_id))
    try:
        page = show_task(snapshot, task_id)
    except MissionError:
        if not faults:
            raise
        return views.render("faults", faults=faults, name=task_id, alone=True)
    task = page.task.task
    work, why_not = None, ""
    has_handoff = task.file and len(page.handoff_sections_missing) < len(HANDOFF_SECTIONS)
    if page.sessions or page.runs or has_handoff:
        try:
            work = show_review(snapshot, task_id, diff=True)
        except MissionError as error:
            why_not = error.summary
    shown, left_out = _files(work, project_paths(snapshot.layout).named, remark)
    mission = snapshot.document.mission
    return views.render(
        "task_content",
        page=page,
        task=task,
        version=version,
        faults=faults,
        body=_without_handoff(page.body),
        dependents=[each for each in snapshot.tasks if task.id in each.depends_on],
        live=_live(page),
        work=work,
        review=work.review if work else None,
        why_not=why_not,
        files=shown,
        left_out=left_out,
        can_decide=task.status in DECIDABLE and work is not None,
        runtimes=known_runtimes(mission.runtimes),
        edited=_edited(task),
        milestones=[each.id for each in mission.milestones],
    )


def _live(page: TaskPage) -> list[str]:
    return [session.id for session in page.sessions if session.ended_at is None]


def _edited(task: Task) -> list[tuple[str, str]]:
    """Return the fields that can be edited, as the form has them."""
    found = []
    for name in EDITED:
        value = field_value(task, name)
        found.append((name, ", ".join(value) if isinstance(value, tuple) else value or ""))
    return found


def _without_handoff(body: str) -> str:
    """Return a task's text without the sections that the page shows elsewhere."""
    kept, at = [], 0
    for section in find_sections(body):
        if section.name in (*HANDOFF_SECTIONS, DECISIONS):
            kept.append(body[at : section.heading_start])
            at = section.end
    text = "".join((*kept, body[at:])).strip()
    head, _, rest = text.partition("\n")
    return rest.strip() if head.startswith("# ") else text  # the page has its own


def _files(
    work: ReviewPage | None, named: Callable[[str], str], asked: str
) -> tuple[list[ShownFile], int]:
    """Return the files of the change with their remarks, and how many lines are left out."""
    if work is None:
        return [], 0
    remarks = _by_place(work.review.decisions)
    shown: list[ShownFile] = []
    room = MOST_LINES
    files = parse_patch(work.diff or "")
    for file in files:
        path, lines = named(file.path), []
        for line in file.lines[:room]:
            number = file.place(line).rpartition(":")[2]
            place = f"{path}:{number}" if number else ""
            on_it = remarks.get(place, ()) if place else ()
            lines.append(ShownLine(line, place, on_it, bool(place) and place == asked))
        room -= len(lines)
        has_words = any(each.remarks or each.asks for each in lines)
        is_open = has_words or (len(shown) < MOST_OPEN and not work.review.is_own(path))
        shown.append(ShownFile(path, file.added, file.removed, lines, is_open))
    return shown, sum(len(file.lines) for file in files) - (MOST_LINES - room)


def _by_place(known: Sequence[Decision]) -> Mapping[str, list[Decision]]:
    """Return remarks by the last line that each is on."""
    found: dict[str, list[Decision]] = {}
    for each in known:
        with suppress(UsageError):  # a place that somebody wrote by hand
            path, _, last = place_parts(each.place)
            found.setdefault(f"{path}:{last}", []).append(each)
    return found
