"""`mission checkpoint`: take, list, restore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.completing import complete_task
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import Result, align, clean, emit, paint, plain, warn
from mosaic.errors import UsageError
from mosaic.plan.sizes import format_size
from mosaic.records import replace
from mosaic.store.ended_session import locate_to_change
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from mosaic.model import JsonValue
    from mosaic.runs.checkpoint import FoundCheckpoint
    from mosaic.store.tasks import Snapshot

SHORT = 10
LIST_WORDS = 2
RESTORE_WORDS = 2


def checkpoint_command(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID] | list ID | restore [ID SEQ]",
            autocompletion=complete_task,
            help="Take one now; list a task's; rebuild one.",
            show_default=False,
        ),
    ] = None,
    note: Annotated[str, typer.Option("--note", "-n", help="A note for it.")] = "",
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
    abort: Annotated[
        bool,
        typer.Option("--abort", help="With `restore`: take back one that was interrupted."),
    ] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Save the work tree as it is, list what was saved, or rebuild it.

    `mission checkpoint T-001 --note "before the rewrite"`, `mission checkpoint list T-001`,
    `mission checkpoint restore T-001 3 --into ../look`. A restore that was interrupted is
    finished by `mission checkpoint restore`, and taken back with `--abort`.
    """
    named = words or []
    locate = locate_mission if named[:1] == ["list"] else locate_to_change
    snapshot = read_mission(locate(mission))
    if named[:1] == ["list"]:
        if len(named) != LIST_WORDS:
            raise UsageError("`list` takes a task", hint="`mission checkpoint list T-001`")
        return _list(snapshot, named[1], as_json=as_json)
    if abort and named != ["restore"]:
        raise UsageError("`--abort` is used with `restore` only")
    if named[:1] == ["restore"]:
        return _restore(snapshot, named[1:], into, back=abort, as_json=as_json)
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
        lines=lines + _left_out_lines(found) + _no_patch_lines(found),
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
        lines=[
            *(align(rows, headers=headers) or [paint("no checkpoints", "dim")]),
            *(line for found in read.found for line in _no_patch_lines(found)),
        ],
        next_commands=[f"mission checkpoint restore {task_id} SEQ"],
    )
    return emit(result, as_json=as_json)


def _restore(
    snapshot: Snapshot, words: list[str], into: Path | None, *, back: bool, as_json: bool
) -> int:
    from mosaic.app.checkpoint import restore, settle_interrupted

    if not words:
        done = settle_interrupted(snapshot, into, back=back)
    elif len(words) == RESTORE_WORDS and words[1].isdecimal():
        done = restore(snapshot, words[0], int(words[1]), into)
    else:
        raise UsageError(
            "`restore` takes a task and a number", hint="`mission checkpoint restore T-001 3`"
        )
    what = f"checkpoint {paint(str(done.seq), 'bold')} of {clean(done.task_id)}"
    place, saved = clean(done.place), (done.saved_commit or "")[:SHORT]
    lines = [
        f"the restore of {what} was taken back: {place} is as it was before"
        if done.is_aborted
        else f"{what} is restored in {place}, tree {done.tree[:SHORT]} compared and the same"
    ]
    for paths, words_ in (
        (done.kept, "left as it is"),
        (done.extra, "there before, and not in it"),
        (done.left, "changed since, and left as it is"),
    ):
        lines += [f"  {words_}: {clean(path)}" for path in paths]
    lines += [
        f"  had something else, kept as `git show {saved}:{clean(path)}`" for path in done.replaced
    ]
    values = plain(replace(done, found=None))
    del values["found"]
    if done.found is not None:
        values["checkpoint"] = _values(done.found)
        lines += _left_out_lines(done.found)
    result = Result(
        kind="checkpoint.restore_aborted" if done.is_aborted else "checkpoint.restored",
        data=values,
        lines=lines,
        next_commands=[f"mission resume {done.task_id}"],
    )
    return emit(result, as_json=as_json)


def _no_patch_lines(found: FoundCheckpoint) -> list[str]:
    why = found.checkpoint.patch_left_out
    return [f"  no patch beside {found.checkpoint.seq}: {clean(why)}"] if why else []


def _left_out_lines(found: FoundCheckpoint) -> list[str]:
    return [
        f"  not in it: {clean(each.path)}, {each.reason}, {format_size(each.size_bytes)}"
        for each in found.checkpoint.left_out
    ]


def _values(found: FoundCheckpoint) -> dict[str, JsonValue]:
    return {**plain(found.checkpoint), "dir": str(found.run.checkpoints)}
