"""Plan: set, done, block, cancel, reopen."""

from __future__ import annotations

from typing import Annotated

import typer

from mosaic.cli.changing import set_fields
from mosaic.cli.options import Json, MissionPath, TaskId, complete_field
from mosaic.errors import UsageError

Why = Annotated[str, typer.Option("--why", help="Why; appended to the task's notes.")]
MaybeWhy = Annotated[str | None, typer.Option("--why", help="Appended to the task's notes.")]


def set_command(
    task_id: TaskId,
    changes: Annotated[
        list[str],
        typer.Argument(metavar="FIELD=VALUE...", autocompletion=complete_field),
    ],
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Change fields in file and table: `status=done`, `depends_on+=T-003`, `labels-=x`."""
    return set_fields(task_id, changes, as_json=as_json, mission=mission)


def done_command(
    task_id: TaskId, why: MaybeWhy = None, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Set a task done. Called by an agent in its session, it asks for review instead."""
    note = f"done: {why}" if why else None
    return set_fields(task_id, ["status=done"], note=note, as_json=as_json, mission=mission)


def block_command(
    task_id: TaskId, why: Why, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Set a task blocked, and say why."""
    return set_fields(
        task_id, ["status=blocked"], note=f"blocked: {_said(why)}", as_json=as_json, mission=mission
    )


def cancel_command(
    task_id: TaskId, why: Why, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Set a task cancelled, and say why."""
    return set_fields(
        task_id,
        ["status=cancelled"],
        note=f"cancelled: {_said(why)}",
        as_json=as_json,
        mission=mission,
    )


def reopen_command(
    task_id: TaskId, why: MaybeWhy = None, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Set a task back to todo."""
    note = f"reopened: {why}" if why else None
    return set_fields(task_id, ["status=todo"], note=note, as_json=as_json, mission=mission)


def _said(why: str) -> str:
    if not why.strip():
        raise UsageError("`--why` says nothing", hint="say why in a few words")
    return why
