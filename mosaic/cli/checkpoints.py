"""Checkpoints: taken, listed, restored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.completing import complete_task
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import Result, align, clean, emit, paint, plain, warn
from mosaic.errors import UsageError
from mosaic.plan.sizes import format_size
from mosaic.records import asdict
from mosaic.store.fence import locate_to_change
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from mosaic.model import JsonValue
    from mosaic.runs.checkpoint import FoundCheckpoint
    from mosaic.store.tasks import Snapshot

SHORT = 10
LIST_WORDS = 2
RESTORE_WORDS = 3


def checkpoint_command(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID] | list ID | restore ID SEQ",
            autocompletion=complete_task,
            help="Take one now; list a task's; rebuild one.",
            show_default=False,
        ),
    ] = None,
    note: Annotated[str, typer.Option("--note", "-n", help="What you say of it.")] = "",
    base: Annotated[
        str | None, typer.Option("--base", metavar="REF", help="What to compare with.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="DIR",
            help="Rebuild there: a clean work tree, or a new folder that becomes a worktree.",
        ),
    ] = None,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Save the work tree as it stands, list what was saved, or rebuild it.

    `mission checkpoint T-001 --note "before the rewrite"`, `mission checkpoint list T-001`,
    `mission checkpoint restore T-001 3 --into ../look`.
    """
    named = words or []
    locate = locate_mission if named[:1] == ["list"] else locate_to_change
    snapshot = read_mission(locate(mission))
    if named[:1] == ["list"]:
        if len(named) != LIST_WORDS:
            raise UsageError("`list` takes a task", hint="`mission checkpoint list T-001`")
        return _list(snapshot, named[1], as_json=as_json)
    if named[:1] == ["restore"]:
        if len(named) != RESTORE_WORDS or not named[2].isdecimal():
            raise UsageError(
                "`restore` takes a task and a number", hint="`mission checkpoint restore T-001 3`"
            )
        return _restore(snapshot, named[1], int(named[2]), into, as_json=as_json)
    if len(named) > 1 or into is not None:
        raise UsageError(
            "that is neither a task, nor `list ID`, nor `restore ID SEQ`",
            hint="`mission checkpoint T-001`",
        )
    return _take(snapshot, named[0] if named else None, note, base, as_json=as_json)


def _take(
    snapshot: Snapshot, task_id: str | None, note: str, base: str | None, *, as_json: bool
) -> int:
    from mosaic.sessions.checkpoints import checkpoint_task

    found = checkpoint_task(snapshot, task_id, note=note, base=base)
    checkpoint = found.checkpoint
    what = checkpoint.stat or f"no tree: {checkpoint.problem}"
    lines = [
        f"checkpoint {paint(str(checkpoint.seq), 'bold')} of {checkpoint.task_id}: {clean(what)}"
    ]
    result = Result(
        kind="checkpoint.taken",
        data={"checkpoint": _values(found)},
        lines=lines + _left_out_lines(found),
        next_commands=[f"mission checkpoint list {checkpoint.task_id}"],
    )
    return emit(result, as_json=as_json)


def _list(snapshot: Snapshot, task_id: str, *, as_json: bool) -> int:
    from mosaic.plan.durations import format_duration
    from mosaic.sessions.checkpoints import checkpoint_age_seconds, checkpoints_of

    read = checkpoints_of(snapshot, task_id)
    if not as_json:
        for error in read.broken:
            warn(f"warning: {clean(error.message)}: {clean(error.path)}")
    rows = [
        (
            str(checkpoint.seq),
            format_duration(checkpoint_age_seconds(checkpoint)),
            checkpoint.trigger,
            checkpoint.run_id,
            (checkpoint.tree or "none")[:SHORT],
            str(checkpoint.files_total),
            checkpoint.stat or checkpoint.problem or "",
            checkpoint.note,
        )
        for checkpoint in (found.checkpoint for found in read.found)
    ]
    headers = ("seq", "age", "taken", "run", "tree", "files", "stat", "note")
    result = Result(
        kind="checkpoint.list",
        data={
            "checkpoints": [_values(found) for found in read.found],
            "problems": [{"message": e.message, "path": e.path} for e in read.broken],
        },
        lines=align(rows, headers=headers) or [paint("no checkpoints", "dim")],
        next_commands=[f"mission checkpoint restore {task_id} SEQ"],
    )
    return emit(result, as_json=as_json)


def _restore(
    snapshot: Snapshot, task_id: str, seq: int, into: Path | None, *, as_json: bool
) -> int:
    from mosaic.sessions.checkpoints import find_checkpoint, restore_checkpoint

    found = find_checkpoint(snapshot, task_id, seq)
    restored = restore_checkpoint(snapshot, found, into=into)
    lines = [
        f"checkpoint {paint(str(seq), 'bold')} of {found.checkpoint.task_id} stands in "
        f"{clean(restored.place)}, tree {restored.tree[:SHORT]} compared and the same"
    ]
    lines += [f"  left as it is: {clean(path)}" for path in restored.kept]
    lines += [f"  there before, and not in it: {clean(path)}" for path in restored.extra]
    result = Result(
        kind="checkpoint.restored",
        data={
            "checkpoint": _values(found),
            "place": str(restored.place),
            "tree": restored.tree,
            "kept": list(restored.kept),
            "extra": list(restored.extra),
        },
        lines=lines + _left_out_lines(found),
        next_commands=[f"mission resume {found.checkpoint.task_id}"],
    )
    return emit(result, as_json=as_json)


def _left_out_lines(found: FoundCheckpoint) -> list[str]:
    return [
        f"  not in it: {clean(each.path)}, {each.reason}, {format_size(each.size_bytes)}"
        for each in found.checkpoint.left_out
    ]


def _values(found: FoundCheckpoint) -> dict[str, JsonValue]:
    values = {key: plain(value) for key, value in asdict(found.checkpoint).items()}
    return {**values, "dir": str(found.run.checkpoints)}
