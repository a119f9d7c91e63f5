"""`mission checkpoint`: take, list, restore."""

from pathlib import Path
from typing import Any

from typer import Argument, Option

from mosaic.app.task_work import restore, settle_interrupted
from mosaic.cli.completers import complete_checkpoint
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, paint, plain, warn
from mosaic.cli.table import Column, table
from mosaic.errors import UsageError
from mosaic.machine.clock import utc_now
from mosaic.plan.durations import format_duration
from mosaic.plan.sizes import format_size
from mosaic.runs.checkpoint import FoundCheckpoint
from mosaic.sessions.checkpoints import checkpoint_task, checkpoints_of
from mosaic.sessions.restoring import RestoredTree
from mosaic.store.reading import locate_mission, locate_to_change, read_mission
from mosaic.store.tasks import Snapshot

EXAMPLES = (
    ('mission checkpoint T-001 --note "before the rewrite"', "save the work tree as it is"),
    ("mission checkpoint list T-001", "what was saved, with numbers"),
    (
        "mission checkpoint restore T-001 3 --into ../look",
        "rebuild number 3 in a folder of its own",
    ),
)
SHORT = 10
COLUMNS = (
    Column("seq", is_number=True), Column("age", is_number=True), Column("taken", leaves=1),
    Column("run", leaves=3), Column("tree", leaves=4), Column("files", is_number=True, leaves=2),
    Column("stat", lines=3), Column("note", lines=3),
)  # fmt: skip


def checkpoint_command(
    words: list[str] | None = Argument(
        None,
        metavar="[ID] | list ID | restore [ID SEQ]",
        autocompletion=complete_checkpoint,
        help="Take one now; list a task's; rebuild one.",
        show_default=False,
    ),
    note: str = Option("", "--note", "-n", metavar="TEXT", help="A note for it."),
    base: str | None = Option(None, "--base", metavar="REF", help="What to compare with."),
    into: Path | None = Option(
        None,
        "--into",
        metavar="DIR",
        help="Rebuild there: a clean work tree, or a new folder that becomes a worktree.",
    ),
    abort: bool = Option(
        False, "--abort", help="With `restore`: take back one that was interrupted."
    ),
    whole: bool = Option(
        False, "--whole", help="With `restore`: all files, not only those that the task changed."
    ),
    force: bool = Option(
        False, "--force", help="With `restore`: take back what others changed since, too."
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Save the work tree as it is, list what was saved, or rebuild it.

    `mission checkpoint T-001 --note "before the rewrite"`, `mission checkpoint list T-001`,
    `mission checkpoint restore T-001 3 --into ../look`. Without `--into` it sets back the
    files that the task changed, and never the mission's own. A restore that was interrupted is
    finished by `mission checkpoint restore`, and taken back with `--abort`.
    """
    named = words or []
    locate = locate_mission if named[:1] == ["list"] else locate_to_change
    snapshot = read_mission(locate(mission))
    match named:
        case ["list", task_id]:
            return _list(snapshot, task_id, as_json=as_json)
        case ["list", *_]:
            raise UsageError("`list` takes a task", hint="`mission checkpoint list T-001`")
        case _ if abort and named != ["restore"]:
            raise UsageError("`--abort` is used with `restore` only")
        case _ if (whole or force) and named[:1] != ["restore"]:
            raise UsageError("`--whole` and `--force` are used with `restore` only")
        case ["restore"]:
            done = settle_interrupted(snapshot, into, back=abort)
        case ["restore", task_id, seq] if seq.isdecimal():
            done = restore(snapshot, task_id, int(seq), into, whole=whole, force=force)
        case ["restore", task_id, *_]:
            raise UsageError(
                "`restore` takes a task and a number",
                hint=f"`mission checkpoint list {task_id}` shows the numbers",
            )
        case [] | [_] if into is None:
            return _take(snapshot, named[0] if named else None, note, base, as_json=as_json)
        case _:
            raise UsageError(
                "that is neither a task, nor `list ID`, nor `restore ID SEQ`",
                hint="`mission checkpoint T-001`",
            )
    return _show_restored(done, as_json=as_json)


def _take(
    snapshot: Snapshot, task_id: str | None, note: str, base: str | None, *, as_json: bool
) -> int:
    found = checkpoint_task(snapshot, task_id, note=note, base=base)
    checkpoint = found.checkpoint
    what = checkpoint.stat or f"no tree: {checkpoint.problem}"
    line = f"checkpoint {paint(str(checkpoint.seq), 'bold')} of {checkpoint.task_id}: {clean(what)}"
    return answer(
        "checkpoint.taken",
        {"checkpoint": _values(found)},
        [line, *_left_out_lines(found), *_no_patch_lines(found)],
        then=[f"mission checkpoint list {checkpoint.task_id}"],
        as_json=as_json,
    )


def _list(snapshot: Snapshot, task_id: str, *, as_json: bool) -> int:
    read, now = checkpoints_of(snapshot, task_id), utc_now()
    if not as_json:
        for error in read.broken:
            warn(f"warning: {clean(error.message)}: {clean(error.path)}")
    rows = [
        (
            str(checkpoint.seq),
            format_duration(max(0.0, (now - checkpoint.created_at).total_seconds())),
            checkpoint.trigger,
            checkpoint.run_id,
            (checkpoint.tree or "none")[:SHORT],
            str(checkpoint.files_total),
            checkpoint.stat or checkpoint.problem or "",
            checkpoint.note,
        )
        for checkpoint in (found.checkpoint for found in read.found)
    ]
    lines = table(rows, COLUMNS, headed=True) or [paint("no checkpoints", "dim")]
    for found in read.found:
        lines += _no_patch_lines(found)
    problems = [{"message": error.message, "path": error.path} for error in read.broken]
    return answer(
        "checkpoint.list",
        {"checkpoints": [_values(found) for found in read.found], "problems": problems},
        lines,
        then=[f"mission checkpoint restore {task_id} SEQ"],
        as_json=as_json,
    )


def _show_restored(done: RestoredTree, *, as_json: bool) -> int:
    what = f"checkpoint {paint(str(done.seq), 'bold')} of {clean(done.task_id)}"
    place, saved = clean(done.place), (done.saved_commit or "")[:SHORT]
    lines = [
        f"the restore of {what} was taken back: {place} is as it was before"
        if done.is_aborted
        else f"{what} is restored in {place}, tree {done.tree[:SHORT]} compared and the same"
    ]
    for paths, how in (
        (done.kept, "left as it is"),
        (done.extra, "there before, and not in it"),
        (done.left, "changed since, and left as it is"),
    ):
        lines += [f"  {how}: {clean(path)}" for path in paths]
    lines += [
        f"  had something else, kept as `git show {saved}:{clean(path)}`" for path in done.replaced
    ]
    data = plain(done)
    if done.found is not None:
        data["checkpoint"] = _values(done.found)
        lines += _left_out_lines(done.found)
    return answer(
        "checkpoint.restore_aborted" if done.is_aborted else "checkpoint.restored",
        data,
        lines,
        then=[f"mission resume {done.task_id}"],
        as_json=as_json,
    )


def _no_patch_lines(found: FoundCheckpoint) -> list[str]:
    why = found.checkpoint.patch_left_out
    return [f"  no patch beside {found.checkpoint.seq}: {clean(why)}"] if why else []


def _left_out_lines(found: FoundCheckpoint) -> list[str]:
    return [
        f"  not in it: {clean(each.path)}, {each.reason}, {format_size(each.size_bytes)}"
        for each in found.checkpoint.left_out
    ]


def _values(found: FoundCheckpoint) -> dict[str, Any]:
    return {**plain(found.checkpoint), "dir": str(found.run.checkpoints)}
