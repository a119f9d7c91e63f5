"""`mission migrate`: older missions in today's words and today's place.

Two things are rewritten: snake_case keys of mission.json become camelCase, and a mission
in `.mosaic/orchestrator/` gets a mission.json in `coordination/` that names the files where
they are. Tasks, table, manifest and scratchpad are not moved and not touched.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionExistsError
from mosaic.machine.disk import read_bytes, read_text
from mosaic.machine.lock import mission_lock
from mosaic.machine.staging import sweep_temporaries
from mosaic.machine.transaction import Change, finish_intent, write_together
from mosaic.records import dataclass
from mosaic.store.layout import DEFAULT_PATHS, MISSION_PLACES, default_layout
from mosaic.store.mission_file import load_mission
from mosaic.store.state import ensure_state_dir
from mosaic.text.jsondoc import parse_json_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.store.layout import Layout

TODAY, OLDER = MISSION_PLACES
KEPT_KEYS = frozenset({"statuses", "runtimes", "budget"})
"""Objects whose keys are a user's own words."""
KEPT_SUFFIX = ".json.migrated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """What a migration does."""

    actions: tuple[str, ...]
    mission_file: Path


def migrate_mission(mission_file: Path, *, dry_run: bool = False) -> Migration:
    """Bring a mission into today's layout; does nothing where there is nothing to do."""
    layout = load_mission(mission_file).layout
    ensure_state_dir(layout)
    with mission_lock(layout.mission_lock, holder="migrating the mission"):
        for known in (layout, default_layout(layout.project)):
            finish_intent(
                known.intent_file, root=layout.project, is_own_file=_own_files(layout.project)
            )
            sweep_temporaries(known.mission_file.parent, intent=known.intent_file)
        data = parse_json_document(read_text(mission_file).text)
        actions: list[str] = []
        new = _camel_keys(data, actions)
        target = mission_file
        if mission_file.parts[-len(OLDER) :] == OLDER:
            target = layout.project.joinpath(*TODAY)
            if target.exists():
                raise MissionExistsError(target, hint="remove one of the two missions")
            _name_paths(new, layout, mission_file, actions)
            actions.append(f"mission.json moves to `{layout.shown(target)}`")
        if actions and not dry_run:
            _write(mission_file, target, new, layout)
        return Migration(actions=tuple(actions), mission_file=target)


def finish_migration(mission_file: Path) -> Path:
    """Carry a move that was killed in between through; return where the mission is now.

    Only a mission in the older place is looked at.
    """
    if mission_file.parts[-len(OLDER) :] != OLDER:
        return mission_file
    project = mission_file.parents[len(OLDER) - 1]
    today = default_layout(project)
    if not today.intent_file.exists():
        return mission_file
    with mission_lock(today.mission_lock, holder="finishing the mission's move"):
        finish_intent(today.intent_file, root=project, is_own_file=_own_files(project))
    return today.mission_file if today.mission_file.exists() else mission_file


def _own_files(project: Path) -> Callable[[Path], bool]:
    """Return what tells of a real path whether a move of the mission writes it."""
    places = [project.joinpath(*parts) for parts in MISSION_PLACES]
    own = {os.path.realpath(place) for place in places}
    own |= {os.path.realpath(place.with_suffix(KEPT_SUFFIX)) for place in places}
    today = default_layout(project)
    return lambda path: str(path) in own or today.is_own_file(path)


def _write(old: Path, target: Path, new: dict[str, Any], layout: Layout) -> None:
    text = json.dumps(new, ensure_ascii=False, indent=2) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    changes = [Change(path=target, data=text.encode())]
    intent = layout.intent_file
    if target != old:
        # The old file is kept under another name: its words are somebody's history.
        kept = old.with_suffix(KEPT_SUFFIX)
        changes += [Change(path=kept, data=read_bytes(old)), Change(path=old, data=None)]
        # Where the next command looks: it finds the new file first.
        today = default_layout(layout.project)
        ensure_state_dir(today)
        intent = today.intent_file
    write_together(changes, intent=intent, root=layout.project)


def _name_paths(
    new: dict[str, Any], layout: Layout, mission_file: Path, actions: list[str]
) -> None:
    """Name every file where it is, for a mission.json that moves away from them."""
    new["projectPath"] = "."
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
    if new.pop("orchestratorDir", None) is not None or layout.state_dir == mission_file.parent:
        actions.append("this machine's state moves to `coordination/.state`")


def _camel_keys(value: Any, actions: list[str], where: str = "") -> Any:
    if isinstance(value, list):
        return [_camel_keys(item, actions, where) for item in value]
    if not isinstance(value, dict):
        return value
    new: dict[str, Any] = {}
    for key, item in value.items():
        name = _camel(key)
        if name != key and name not in value:
            actions.append(f"`{where}{key}` becomes `{where}{name}`")
        else:
            name = key
        kept = name in KEPT_KEYS
        new[name] = item if kept else _camel_keys(item, actions, f"{where}{name}.")
    return new


def _camel(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
