"""`mission migrate`: older missions in today's words and today's place.

Keys of mission.json in snake_case become camelCase, and an absolute `projectPath` of another
place becomes `.`. A mission in `.mosaic/orchestrator/` gets a mission.json in `coordination/` that
names the files where they are; this machine's state moves to `coordination/.state`. Tasks, table,
manifest and scratchpad are not moved and not touched.

What is done is noted first, in the state folder that the mission has afterwards:

    migration.json   {"layout_version": 1, "mission_file": "…", "state_dir": "…", "original": "…",
                      "written": "…", "is_done": false}

One that was killed is carried through by the next command; `mosaic.store.unmigrate` takes one that
is done back by the note, until git has it.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from mosaic.codec import JsonForm, dump_json, dump_record, load_record
from mosaic.errors import MissionError, MissionExistsError
from mosaic.machine.disk import find_bytes, read_bytes, read_text, write_private
from mosaic.machine.identity import host_name
from mosaic.machine.lock import mission_lock
from mosaic.machine.staging import sweep_temporaries
from mosaic.machine.transaction import Change, finish_intent, write_together
from mosaic.records import NamedTuple, dataclass, replace
from mosaic.store.allowance import find_allowance, save_allowance
from mosaic.store.journal import note_sessions
from mosaic.store.layout import (
    DEFAULT_PATHS,
    KEPT_SUFFIX,
    MISSION_PLACES,
    default_layout,
    work_dir,
)
from mosaic.store.mission_file import load_mission, with_session
from mosaic.store.moving_state import leave_state, move_state, names_to_move
from mosaic.store.state import MIGRATION, Standing, ensure_state_dir, is_older_place
from mosaic.text.jsondoc import parse_json_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.model import Text
    from mosaic.store.layout import Layout
    from mosaic.store.mission_file import MissionDocument

TODAY, OLDER = MISSION_PLACES
KEPT_KEYS = frozenset({"statuses", "runtimes", "budget", "imports"})
"""Objects whose keys are a user's own words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """What a migration does, or its undoing."""

    actions: tuple[str, ...]
    mission_file: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """What a migration does, for who carries it through or takes it back."""

    json_form = JsonForm(version=1)
    mission_file: Text
    """Where it was, relative to the project."""
    state_dir: Text
    """Where the state was; empty where it stays."""
    original: Text
    """What mission.json held."""
    written: Text
    """What it holds now."""
    committed: Text = ""
    """What git had in the place of the new one before."""
    is_done: bool = False


class _Plan(NamedTuple):
    target: Path
    text: str
    actions: tuple[str, ...]
    state_dir: Path | None
    """The folder that state moves from."""


def migrate_mission(
    mission_file: Path, *, dry_run: bool = False, refuse: Callable[[], None] = lambda: None
) -> Migration:
    """Bring a mission into today's layout; does nothing where there is nothing to do.

    Args:
        mission_file: its mission.json.
        dry_run: only say what would be done.
        refuse: raises where somebody is at work; called under the mission lock.
    """
    layout = load_mission(mission_file).layout
    ensure_state_dir(layout)
    with mission_lock(layout.mission_lock, holder="migrating the mission"):
        for known in (layout, default_layout(layout.project)):
            finish_intent(known.intent_file, root=layout.project, is_own_file=known.is_own_file)
            sweep_temporaries(known.mission_file.parent, intent=known.intent_file)
        plan = _plan(load_mission(mission_file))
        if plan.actions and not dry_run:
            refuse()
            _begin(layout, plan)
        return Migration(actions=plan.actions, mission_file=plan.target)


def finish_migration(mission_file: Path) -> Path:
    """Carry a move that was killed in between through; return where the mission is now.

    Only a mission in the older place is looked at.
    """
    if not is_older_place(mission_file):
        return mission_file
    project = mission_file.parents[len(OLDER) - 1]
    today = default_layout(project)
    note = find_note(today.state_dir)
    if not (note and not note.is_done) and not today.intent_file.exists():
        return mission_file
    doing = "finishing the mission's move"
    with contextlib.ExitStack() as locks:
        with contextlib.suppress(MissionError):  # it may be gone by now
            layout = load_mission(mission_file).layout
            if layout.state.standing is Standing.OURS and layout.state_dir != today.state_dir:
                locks.enter_context(mission_lock(layout.mission_lock, holder=doing))
        locks.enter_context(mission_lock(today.mission_lock, holder=doing))
        finish_intent(today.intent_file, root=project, is_own_file=today.is_own_file)
        for folder in (mission_file.parent, today.mission_file.parent):
            sweep_temporaries(folder, intent=today.intent_file)
        note = find_note(today.state_dir)
        if note and not note.is_done and mission_file.exists():
            document, text = load_mission(mission_file), read_text(mission_file).text
            if text != note.original:  # edited meanwhile
                note = replace(note, original=text, written=_plan(document).text)
                _write_note(today.state_dir, note)
            _carry_out(document.layout, today.mission_file, note)
    return today.mission_file if today.mission_file.exists() else mission_file


def committed_text(project: Path, path: Path) -> str:
    """Return what git has of a file in its last commit; empty where it has none."""
    from mosaic.git.git import answer_of  # start-up: hardly ever needed

    with contextlib.suppress(MissionError):
        return answer_of(["show", f"HEAD:./{path.relative_to(project)}"], project) or ""
    return ""


def _plan(document: MissionDocument) -> _Plan:
    path, layout = document.path, document.layout
    data = parse_json_document(read_text(path).text)
    actions: list[str] = []
    new = _renamed(data, actions)
    target, state_dir = path, None
    if is_older_place(path):
        target = layout.project.joinpath(*TODAY)
        if target.exists():
            raise MissionExistsError(target, hint="remove one of the two missions")
        state_dir = _name_paths(new, document, actions)
        actions.append(f"mission.json moves to `{layout.shown(target)}`")
    elif document.stray_project:
        new["projectPath"] = "."
        actions.append(f"`projectPath` becomes `.`: `{document.stray_project}` is another place")
    return _Plan(target, _dumped(new, document), tuple(actions), state_dir)


def _dumped(new: dict[str, Any], document: MissionDocument) -> str:
    """Return the text of a mission, a line for each session, with those that git took out."""
    marker = "the sessions of this mission"
    listed = new.get("sessions")
    whole = {**new, "sessions": marker} if isinstance(listed, list) and listed else new
    text = json.dumps(whole, ensure_ascii=False, indent=2) + "\n"
    if whole is not new:
        lines = ",\n    ".join(json.dumps(each, ensure_ascii=False) for each in listed or ())
        key = '"sessions": '
        text = text.replace(f'{key}"{marker}"', f"{key}[\n    {lines}\n  ]", 1)
    for session in document.mission.sessions.lost():
        text = with_session(text, session, in_order=True)
    return text


def _begin(layout: Layout, plan: _Plan) -> None:
    """Note what is to be done, and do it."""
    today = default_layout(layout.project)
    home = layout if plan.state_dir is None else today
    if plan.target != layout.mission_file:
        ensure_state_dir(today, is_made_here=layout.state.is_made_here)
    note = Note(
        mission_file=layout.shown(layout.mission_file),
        state_dir=layout.shown(plan.state_dir) if plan.state_dir else "",
        original=read_text(layout.mission_file).text,
        written=plan.text,
        committed=committed_text(layout.project, plan.target),
    )
    is_same = home.mission_lock == layout.mission_lock
    holding = mission_lock(home.mission_lock, holder="migrating the mission")
    with contextlib.nullcontext() if is_same else holding:
        _write_note(home.state_dir, note)
        _carry_out(layout, plan.target, note)


def _carry_out(layout: Layout, target: Path, note: Note) -> None:
    """Move and write what a note says; again, where that was begun already."""
    project, old = layout.project, layout.mission_file
    document, today = load_mission(old), default_layout(layout.project)
    home = today if note.state_dir else layout
    changes = [Change(path=target, data=note.written.encode())]
    if target != old:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The old file is kept under another name: its words are somebody's history.
        kept = old.with_suffix(KEPT_SUFFIX)
        signature = read_text(old).signature
        changes += [
            Change(path=kept, data=read_bytes(old)),
            Change(path=old, data=None, expect=signature),
        ]
    if note.state_dir:
        move_state(project / note.state_dir, home.state_dir, project)
    if target != old:
        follow(document, target)
    # Where the next command looks: it finds the new file first.
    intent = layout.intent_file if target == old else today.intent_file
    write_together(changes, intent=intent, root=project)
    _write_note(home.state_dir, replace(note, is_done=True))
    if target != old:
        leave_state(project / note.state_dir if note.state_dir else None, old.parent)


def follow(before: MissionDocument, target: Path) -> None:
    """Let what is known of a mission by its place be known of its new place."""
    with contextlib.suppress(MissionError, OSError):
        if os.path.lexists(work_dir(before.path)) and not os.path.lexists(work_dir(target)):
            os.rename(work_dir(before.path), work_dir(target))
        allowance = find_allowance(before.path)
        if allowance != type(allowance)():
            save_allowance(target, allowance)
        layout = replace(before.layout, mission_file=target)
        own = [each for each in before.mission.sessions if each.host == host_name()]
        note_sessions(layout, before.mission, own)


def find_note(state_dir: Path) -> Note | None:
    """Return what is noted of a migration; None where none is, or it cannot be read."""
    try:
        data = find_bytes(state_dir / MIGRATION)
        return load_record(Note, data, state_dir / MIGRATION) if data is not None else None
    except MissionError:
        return None


def _write_note(state_dir: Path, note: Note) -> None:
    write_private(state_dir / MIGRATION, dump_json(dump_record(note)), root=state_dir)


def _name_paths(new: dict[str, Any], document: MissionDocument, actions: list[str]) -> Path | None:
    """Name every file where it is, for a mission.json that moves away from them.

    Returned is the folder that the state moves from, where it stands beside mission.json.
    """
    stray = document.stray_project
    actions += [f"`projectPath` becomes `.`: `{stray}` is another place"] if stray else []
    new["projectPath"] = "."
    layout = document.layout
    places = {
        "tasksFile": layout.tasks_file,
        "tasksDir": layout.tasks_dir,
        "manifestFile": layout.manifest_file,
        "scratchpadFile": layout.scratchpad_file,
    }
    for key, path in places.items():
        shown = layout.shown(path)
        if shown != DEFAULT_PATHS[key]:
            new[key] = shown
            actions.append(f"`{key}` stays `{shown}`")
    state, today = layout.state.place, DEFAULT_PATHS["orchestratorDir"]
    if not state.is_relative_to(document.path.parent):
        return None
    new.pop("orchestratorDir", None)
    names = ", ".join(f"`{name}`" for name in names_to_move(state))
    actions.append(f"this machine's state moves to `{today}`{f': {names}' if names else ''}")
    return state


def _renamed(value: Any, actions: list[str], where: str = "") -> Any:
    if isinstance(value, list):
        return [_renamed(item, actions, where) for item in value]
    if not isinstance(value, dict):
        return value
    new: dict[str, Any] = {}
    for key, item in value.items():
        name = _camel(key)
        if name == "missionId" and not where and "id" not in value:
            name = "id"
        if name != key and name not in value:
            actions.append(f"`{where}{key}` becomes `{where}{name}`")
        else:
            name = key
        kept = name in KEPT_KEYS
        new[name] = item if kept else _renamed(item, actions, f"{where}{name}.")
    return new


def _camel(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
