"""Moving in and back out: tasks of other tools taken into the mission, and given back to them."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.app.change import editing, save_change
from mosaic.errors import MissionError, UsageError
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import find_bytes, find_text, write_atomic
from mosaic.machine.paths import confined
from mosaic.records import NamedTuple
from mosaic.sources import load_source, usual_places
from mosaic.sources.claude_tasks import usual_place
from mosaic.sources.incoming import plan_import
from mosaic.sources.item import LARGEST_BYTES, Fault, Place, Reading
from mosaic.sources.outgoing import items_of, losses, pushes
from mosaic.sources.values import digests_of, source_of, text_here
from mosaic.store.adding import Row, add_rows, blank_task, imported_text, new_file
from mosaic.store.ids import free_ids
from mosaic.store.reading import read_mission
from mosaic.text.fields import SYNCED
from mosaic.text.lines import newline_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from mosaic.sources.incoming import Arriving, ImportPlan, Update
    from mosaic.sources.outgoing import Push
    from mosaic.store.adding import Blank
    from mosaic.store.draft import Draft
    from mosaic.store.tasks import Snapshot

SOURCE_LINE = re.compile(r"^source:[ \t]*['\"]?(.*?)['\"]?[ \t]*\r?$", re.MULTILINE)
SECTIONS = ("result", "notes")
"""Sections of the handoff that imports fill."""


class Imported(NamedTuple):
    """What an import did, or would do."""

    source: str
    place: str
    written: bool
    plan: ImportPlan
    notices: tuple[str, ...] = ()


def import_tasks(
    mission_file: Path, source: str, path: str | None, *, write: bool, prefer: str = ""
) -> Imported:
    """Take the tasks of another tool into the mission, or only say what that would do.

    A task that was imported before follows its source where nobody changed it here.

    Args:
        mission_file: path of mission.json.
        source: one of `mosaic.sources.known_sources`.
        path: where its tasks are; None: where they usually are, `-`: stdin.
        write: False changes nothing.
        prefer: what wins where both sides changed: `source` or `mission`; empty: neither.

    Raises:
        UsageError: no such source, or nothing is there.
        MissionError: what is there cannot be read at all.
    """
    if prefer not in ("", "source", "mission"):
        raise UsageError(f"`--prefer {prefer}` is not known", hint="use `source` or `mission`")
    snapshot = read_mission(mission_file)
    module = load_source(source)
    place = find_place(snapshot, source, path)
    reading = _without_broken(source, module.read(place), snapshot)
    notices: list[str] = []
    if not write:
        ids = free_ids(snapshot, warn=notices.append)
        plan = plan_import(source, reading, snapshot, ids, prefer)
        return Imported(source, place.shown, write, plan, tuple(notices))
    with editing(mission_file, f"importing from {source}") as draft:
        ids = free_ids(draft.snapshot, warn=draft.notices.append)
        plan = _carry_out(draft, source, plan_import(source, reading, draft.snapshot, ids, prefer))
        save_change(draft)
        return Imported(source, place.shown, write, plan, tuple(draft.notices))


def _without_broken(source: str, reading: Reading, snapshot: Snapshot) -> Reading:
    """Return what a source holds without the tasks whose files here cannot be read."""
    files: dict[str, str] = {}
    known = {task.file for task in snapshot.tasks}
    for path in {problem.error.path for problem in snapshot.problems} - known:
        with suppress(MissionError):
            file = find_text(snapshot.layout.project / path) if path else None
            found = SOURCE_LINE.findall(file.text) if file else []
            files.update(dict.fromkeys(found, str(path)))
    kept, faults = [], list(reading.faults)
    for item in reading.items:
        if (path := files.get(source_of(source, item))) is None:
            kept.append(item)
        else:
            faults.append(Fault(item.where, f"is here already, in `{path}`, which is broken"))
    return Reading(tuple(kept), tuple(faults))


def find_place(snapshot: Snapshot, source: str, path: str | None) -> Place:
    """Return where a source's tasks are: what is named, else the usual place in the project."""
    project, mission = snapshot.layout.project, snapshot.document.mission
    if path == "-":
        data = sys.stdin.buffer.read(LARGEST_BYTES + 1)
        if len(data) > LARGEST_BYTES:
            raise UsageError("stdin holds too much for an import")
        return Place(project, "stdin", mission, {"": data.decode("utf-8", "replace")})
    if source == "github" and (path is None or not Path(path).exists()):
        return Place(project, path or "GitHub", mission)
    if source == "claude-tasks" and path is None:
        path = str(usual_place())
    if path is not None:
        return Place(Path(path).absolute(), path, mission)
    patterns = usual_places(source)
    for pattern in patterns:
        folder = re.split(r"[*\[]", pattern)[0].rstrip("/")
        if any(project.glob(pattern)):
            return Place(project / folder, folder, mission)
    raise UsageError(
        f"there is nothing of {source} in this project",
        detail=f"looked for {', '.join(f'`{each}`' for each in patterns)}",
        hint=f"`mission import {source} PATH`",
    )


def _carry_out(draft: Draft, source: str, plan: ImportPlan) -> ImportPlan:
    """Draft all of a plan; return it with what could not be drafted among its faults."""
    now = utc_now().astimezone()
    faults: list[Fault] = []
    _add_milestones(draft, plan)
    for update in plan.updates:
        _follow(draft, update, now)
    new = []
    blank = blank_task(draft, now)
    for arriving in plan.new:
        path = new_file(draft, arriving.id, str(arriving.values["title"]))
        try:
            text = _text_of(blank, source, arriving)
            if draft.text(path) is not None:
                raise UsageError(f"`{draft.layout.shown(path)}` is there already")
        except MissionError as error:
            faults.append(Fault(arriving.item.where, f"is not imported: {error.message}"))
            continue
        draft.put(path, text)
        new.append(arriving)
    add_rows(draft, map(_row, new))
    return plan._replace(new=new, faults=[*plan.faults, *faults])


def _row(arriving: Arriving) -> Row:
    cells = {name: arriving.values[name] for name in SYNCED if name in arriving.values}
    return Row(arriving.id, str(arriving.values["milestone"]), cells)


def _text_of(blank: Blank, source: str, arriving: Arriving) -> str:
    values = {name: value for name, value in arriving.values.items() if name not in SECTIONS}
    values["source"] = source_of(source, arriving.item)
    values["imported"] = digests_of(arriving.values)
    sections = {name: str(arriving.values[name]) for name in SECTIONS}
    return imported_text(blank, arriving.id, values, sections)


def _add_milestones(draft: Draft, plan: ImportPlan) -> None:
    from mosaic.text.jsondoc import append_json

    path = draft.layout.mission_file
    for key, name in plan.milestones:
        text = draft.text(path) or ""
        entry = {"id": key, "name": name, "status": "pending"}
        draft.put(path, append_json(text, ("milestones",), entry))


def _follow(draft: Draft, update: Update, now: datetime) -> None:
    """Draft the values of a task that follow its source."""
    from mosaic.text.set_frontmatter import set_front_matter

    special = ("text", "imported", *SECTIONS)
    fields = {name: value for name, value in update.values.items() if name not in special}
    if fields:
        draft.edit_task(update.task_id, fields, now)
    for name in SECTIONS:
        if name in update.values:
            draft.fill_section(update.task_id, name, str(update.values[name]), append=False)

    def edit(text: str) -> str:
        if "text" in update.values:
            start, end = text_here(text)
            new = str(update.values["text"]).replace("\n", newline_of(text))
            text = text[:start] + new + text[end:]
        return set_front_matter(text, "imported", update.digests)

    draft.edit_text(update.task_id, edit)


class Exported(NamedTuple):
    """What an export wrote, or would write."""

    form: str
    texts: Mapping[str, str]
    """By path; a path that is empty stands for the place itself."""
    tasks: int
    losses: Mapping[str, int]
    """Fields that the form cannot hold, and in how many tasks."""
    place: str
    written: tuple[str, ...] = ()
    pushes: tuple[Push, ...] = ()
    """Issues whose state is to change, or was changed."""
    pushed: bool = False


def export_tasks(
    mission_file: Path, form: str, path: str | None, *, write: bool, force: bool = False
) -> Exported:
    """Write all tasks in the form of another tool, or only show what would be written.

    Raises:
        UsageError: no such form, no place, or a file is there and `force` is not set.
    """
    snapshot = read_mission(mission_file)
    module = load_source(form)
    items = items_of(snapshot, form)
    mission = snapshot.document.mission
    texts = module.write(items, mission.name)
    lost = losses(module, items, texts, mission)
    made = Exported(form, texts, len(items), lost, path or "")
    if not write:
        return made
    if path is None:
        raise UsageError("no place to write to is named", hint=f"`mission export {form} PATH`")
    return made._replace(written=tuple(_write_files(Path(path).absolute(), texts, force=force)))


def _write_files(place: Path, texts: Mapping[str, str], *, force: bool) -> Iterator[str]:
    """Write files below a place; all are looked at before the first is written."""
    files = {
        confined(place, name) if name else place: text.encode() for name, text in texts.items()
    }
    for file, data in files.items():
        present = find_bytes(file)
        if present not in (None, data) and not force:
            raise UsageError(
                f"`{file}` is there already", hint="name another place, or add `--force`"
            )
    for file, data in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, data, root=place if file != place else place.parent)
        yield str(file)


def push_states(mission_file: Path, repository: str | None, *, write: bool) -> Exported:
    """Close issues whose tasks were closed here since their import, or open them again.

    An issue that was changed there since then as well is named and left alone.
    """
    from mosaic.sources import github

    snapshot = read_mission(mission_file)
    place = find_place(snapshot, "github", repository)
    asked = pushes(github.read(place), snapshot)
    for each in asked:
        if write and not each.conflict:
            github.push(snapshot.layout.project, each.key, each.status)
    return Exported("github", {}, len(asked), {}, place.shown, (), tuple(asked), pushed=write)
