"""Making a new mission, and adding tasks to one."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING

from mosaic.codec import format_moment
from mosaic.errors import EditRefusedError, MissionExistsError, UsageError
from mosaic.machine.lock import mission_lock
from mosaic.machine.staging import sweep_temporaries
from mosaic.machine.transaction import Change, finish_intent, write_together
from mosaic.plan.globs import bad_glob
from mosaic.plan.progress import milestone_of
from mosaic.records import dataclass, field, replace
from mosaic.store.ids import next_task_id
from mosaic.store.layout import MISSION_PLACES, layout_of
from mosaic.store.project_paths import project_paths
from mosaic.store.state import ensure_state_dir
from mosaic.store.sync import table_word
from mosaic.store.templates import load_template
from mosaic.text.fields import FIELDS, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import JsonValue, Task
    from mosaic.prompts.context import TemplateValue
    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.text.grid import Table

LONGEST_SLUG = 48
SHORTEST_SLUG = 3
"""What is left of a title in another script says too little."""
LONGEST_TITLE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class NewMission:
    """What a mission is made with."""

    name: str
    description: str = ""
    prefix: str = "T"
    gates: str | None = None
    milestones: tuple[tuple[str, str], ...] = ()
    """Id and name of each."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where some of its files are, as mission.json names them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewTask:
    """What a task is added with."""

    title: str
    milestone: str | None = None
    depends_on: tuple[str, ...] = ()
    write_scope: tuple[str, ...] = ()
    priority: str | None = None
    runtime: str | None = None
    body: str | None = None
    table_only: bool = False
    goal: str = ""
    criteria: tuple[str, ...] = ()


def parse_milestone(text: str) -> tuple[str, str]:
    """Return id and name of a milestone that is written as `M1: Runs locally`."""
    name, _, title = text.partition(":")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name.strip()):
        raise UsageError(f"`{text}` is not a milestone", hint='write `"M1: Runs locally"`')
    return name.strip(), title.strip() or name.strip()


def lay_mission(folder: Path, new: NewMission, now: datetime, *, adopt: bool) -> Layout:
    """Write the files of a new mission into a folder; `adopt` keeps those that are there."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,15}", new.prefix):
        raise UsageError(
            f"`{new.prefix}` cannot begin an id", hint="use letters and digits, such as `T`"
        )
    for parts in MISSION_PLACES:
        _refuse_mission(folder.joinpath(*parts))
    layout = layout_of(folder.joinpath(*MISSION_PLACES[0]), folder, new.places)
    texts = _mission_texts(layout, new, now)
    is_interrupted = layout.intent_file.exists()
    if not is_interrupted:
        _refuse_present(layout, texts, adopt=adopt)
    for place in (layout.mission_file.parent, layout.tasks_dir):
        place.mkdir(parents=True, exist_ok=True)
    ensure_state_dir(layout, is_made_here=True)
    with mission_lock(layout.mission_lock, holder="creating a mission"):
        # An earlier `init` that was killed in between is carried through first.
        finish_intent(layout.intent_file, root=folder, is_own_file=layout.is_own_file)
        sweep_temporaries(layout.mission_file.parent, intent=layout.intent_file)
        _refuse_mission(layout.mission_file)
        present = _refuse_present(layout, texts, adopt=adopt)
        changes = [
            Change(path=path, data=text.encode(), expect=None)
            for path, text in texts.items()
            if path not in present
        ]
        write_together(changes, intent=layout.intent_file, root=folder)
    return layout


def _refuse_mission(path: Path) -> None:
    if path.exists():
        hint = "`mission status` shows the mission that is there"
        raise MissionExistsError(path, hint=hint)


def _refuse_present(layout: Layout, texts: dict[Path, str], *, adopt: bool) -> list[Path]:
    present = [path for path in texts if path.exists()]
    if not adopt and (present or any(layout.tasks_dir.glob("*.md"))):
        raise MissionExistsError(
            present[0] if present else layout.tasks_dir,
            hint="`mission init --adopt` takes in what is there",
        )
    return present


def _mission_texts(layout: Layout, new: NewMission, now: datetime) -> dict[Path, str]:
    values: dict[str, TemplateValue] = {
        "name": new.name,
        "description": new.description,
        "milestones": [{"id": key, "name": name} for key, name in new.milestones],
        "quality_gates": [new.gates] if new.gates else [],
    }
    return {
        layout.tasks_file: _rendered("mission/TASKS.md.j2", values),
        layout.manifest_file: _rendered("mission/MISSION.md.j2", values),
        layout.scratchpad_file: _rendered("mission/SCRATCHPAD.md.j2", values),
        # mission.json is written last: a mission is there when its mission.json is.
        layout.mission_file: _mission_json(new, now),
    }


def _rendered(name: str, values: Mapping[str, TemplateValue], layout: Layout | None = None) -> str:
    from mosaic.prompts.prompt import render_template  # start-up: jinja2

    template = load_template(name, layout)
    return render_template(template.source, values, name=str(template.path))


def _mission_json(new: NewMission, now: datetime) -> str:
    slug = slug_of(new.name) or "mission"
    values: dict[str, JsonValue] = {
        "schemaVersion": 1,
        "id": f"{slug}-{now:%Y%m%d}",
        "name": new.name,
        "description": new.description,
        "projectPath": ".",
        **new.places,
        "status": "inactive",
        "createdAt": format_moment(now, "seconds"),
        "taskPrefix": new.prefix,
        "qualityGates": new.gates or "",
        "milestones": [
            {"id": key, "name": name, "status": "pending"} for key, name in new.milestones
        ],
        "sessions": [],
        "runtimes": {},
        "statuses": {},
        "budget": {},
    }
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


def add_task(draft: Draft, new: NewTask, now: datetime) -> str:
    """Draft a new task and return its id: a file from the template, and a row in the table."""
    title = check_title(new.title)
    depth = project_paths(draft.layout).depth if new.write_scope else 0
    for glob in new.write_scope:
        if problem := bad_glob(glob, depth):
            raise UsageError(f"`{glob}` is not a write scope", detail=problem)
    depends_on = tuple(draft.snapshot.get(name).task.id for name in new.depends_on)
    new = replace(new, depends_on=depends_on)
    task_id = next_task_id(draft.snapshot, warn=draft.notices.append)
    if not new.table_only:
        name = f"{task_id}-{slug}" if (slug := slug_of(title)) else task_id
        path = draft.layout.tasks_dir / f"{name}.md"
        draft.put(path, task_text(draft.layout, task_id, replace(new, title=title), now))
    _add_row(draft, task_id, title, new)
    return task_id


def check_title(text: str) -> str:
    """Return a title on one line (or raise UsageError)."""
    title = " ".join(text.split())
    if not title or len(title) > LONGEST_TITLE:
        raise UsageError("a title is 1 to 500 characters", hint="put the rest into `--body`")
    return title


def add_file(draft: Draft, task: Task, now: datetime) -> None:
    """Give a task that stands in the table alone a file, and save that."""
    new = NewTask(title=task.title, milestone=task.milestone, depends_on=task.depends_on)
    text = task_text(draft.layout, task.id, new, now, task.status)
    draft.put(draft.layout.tasks_dir / f"{task.id}.md", text)
    draft.save()


def task_text(
    layout: Layout, task_id: str, new: NewTask, now: datetime, status: str = "todo"
) -> str:
    """Return the text of a new task's file, made from the template."""
    values: dict[str, TemplateValue] = {
        **{field.name: [] if field.kind is Kind.LIST else None for field in FIELDS},
        "task_id": task_id,
        "title": new.title,
        "status": status,
        "milestone": new.milestone,
        "priority": new.priority,
        "runtime": new.runtime,
        "depends_on": list(new.depends_on),
        "write_scope": list(new.write_scope),
        "updated_at": now.astimezone().isoformat(timespec="seconds"),
        "body": new.body or _body(new),
    }
    return _rendered("task.md.j2", values, layout)


def _body(new: NewTask) -> str:
    """Return the text of a task that is added with a goal or criteria."""
    if not (new.goal or new.criteria):
        return ""
    boxes = "\n".join(f"- [ ] {each}" for each in new.criteria) or "- [ ]"
    goal = f"{new.goal}\n\n" if new.goal else ""
    return f"## Goal\n\n{goal}## Acceptance criteria\n\n{boxes}"


def _add_row(draft: Draft, task_id: str, title: str, new: NewTask) -> None:
    from mosaic.text.table import append_row  # start-up: mistune

    path = draft.layout.tasks_file
    text = draft.text(path)
    table = table_for(draft.snapshot, text, new.milestone) if text is not None else None
    if text is None or table is None:
        if new.table_only:
            raise EditRefusedError(
                "there is no tasks table to add a row to",
                path=draft.layout.shown(path),
                hint="add the task without `--table-only`",
            )
        return
    values = {
        "id": task_id,
        "status": table_word(draft.snapshot, "todo"),
        "milestone": new.milestone or "",
        "title": title,
        "depends_on": ", ".join(new.depends_on),
    }
    draft.put(path, append_row(text, table, values))


def table_for(snapshot: Snapshot, text: str, milestone: str | None) -> Table | None:
    """Return the table of tasks that a new row goes to: that of its milestone, else the last."""
    from mosaic.text.grid import find_tables, tasks_tables

    tables = tasks_tables(find_tables(text))
    found = [table for table in tables if "status" in table.columns] or list(tables)
    declared = snapshot.document.mission.milestones
    for table in reversed(found):
        if milestone is None or len(found) == 1:
            return table
        rows = (task for task in snapshot.tasks if task.milestone == milestone)
        lines = (task.table_line for task in rows if task.table_line is not None)
        is_own = any(table.rows.on_line(line) is not None for line in lines)
        if is_own or (milestone_of(table.headings, declared) == milestone):
            return table
    with_milestones = [table for table in found if "milestone" in table.columns]
    return next(reversed(with_milestones or found), None)


def slug_of(title: str) -> str:
    """Return a title as part of a file name: ASCII letters and digits, or nothing."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return slug[:LONGEST_SLUG].rstrip("-") if len(slug) >= SHORTEST_SLUG else ""
