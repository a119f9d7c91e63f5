"""The rules that a run is judged by, kept in its record: `rules.json`.

    {"layout_version": 1, "settings": {…}, "write_scope": ["src/**"], "has_file": true}

The digest of that file is in `meta.json`. An agent may write in both: its supervisor holds
the rules from before the agent is started, and puts the record right when it has ended.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mosaic.codec import dump_json, parse_json
from mosaic.errors import RecordError
from mosaic.machine.disk import find_bytes, write_private
from mosaic.plan.rules import Rules, rule_settings
from mosaic.runs.record import LAYOUT_VERSION

if TYPE_CHECKING:
    from mosaic.model import JsonValue, Task
    from mosaic.runs.record import Run, RunMeta
    from mosaic.store.mission_file import MissionDocument

RULES_NAME = "rules.json"


def settings_of(document: MissionDocument) -> dict[str, JsonValue]:
    """Return what mission.json says of rules, and where it says that the mission's files are."""
    layout = document.layout
    places = {
        "projectPath": layout.project,
        "tasksFile": layout.tasks_file,
        "tasksDir": layout.tasks_dir,
        "scratchpadFile": layout.scratchpad_file,
        "orchestratorDir": layout.state_dir,
    }
    # From mission.json on: a project that is moved as a whole is the same.
    here = layout.mission_file.parent
    return {
        **rule_settings(document.mission),
        **{key: os.path.relpath(path, here) for key, path in places.items()},
    }


def rules_of(document: MissionDocument, task: Task) -> Rules:
    """Return the rules as they stand in a mission's files."""
    return Rules(
        settings=settings_of(document),
        write_scope=task.write_scope,
        has_file=task.file is not None,
    )


def rules_values(rules: Rules) -> dict[str, JsonValue]:
    """Return rules as their file holds them."""
    return {
        "layout_version": LAYOUT_VERSION,
        "settings": rules.settings,
        "write_scope": list(rules.write_scope),
        "has_file": rules.has_file,
    }


def rules_from(values: dict[str, Any]) -> Rules:
    """Return what `rules_values` gave."""
    return Rules(
        settings=values["settings"],
        write_scope=tuple(values["write_scope"]),
        has_file=values["has_file"],
    )


def write_rules(run: Run, rules: Rules) -> str:
    """Write rules.json, and return its digest.

    Raises:
        FileAccessError: it cannot be written.
    """
    data = dump_json(rules_values(rules))
    write_private(run.dir / RULES_NAME, data, root=run.dir)
    return digest_of(data)


def digest_of(data: bytes) -> str:
    """Return the digest by which meta.json knows rules.json."""
    from hashlib import sha256  # start-up

    return sha256(data).hexdigest()


def read_rules(run: Run, meta: RunMeta) -> Rules | None:
    """Return the rules that a run began with; None for a run of an earlier Mosaic.

    Raises:
        RecordError: they are gone, or are not what they were.
    """
    if meta.rules_sha256 is None:
        return None
    path = run.dir / RULES_NAME
    data = find_bytes(path)
    if data is None or digest_of(data) != meta.rules_sha256:
        raise RecordError(
            f"the rules that run `{run.id}` began with are not known",
            path=path,
            detail="the file is gone" if data is None else "the file was changed since",
        )
    return rules_from(parse_json(data))
