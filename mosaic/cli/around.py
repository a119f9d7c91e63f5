"""Around it: demo, doctor, clean, migrate."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import Result, clean, emit, paint, write
from mosaic.errors import ExitCode, UsageError
from mosaic.plan.sizes import format_size
from mosaic.store.ended_session import locate_to_change
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.model import JsonValue
    from mosaic.sessions.housekeeping import Cleaned, Found
    from mosaic.sessions.worktrees import SweptWorktree
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

MUCH_SAVED_BYTES = 10**8
"""Kept checkpoints that take more are named by `clean`."""


def demo_command(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="An empty folder; else a temporary one.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Play a whole mission with a scripted agent: offline, in a temporary folder."""
    from mosaic.demo import Demo, new_folder
    from mosaic.errors import MissionExistsError

    folder = directory.absolute() if directory else new_folder()
    if folder.is_dir() and any(folder.iterdir()):
        raise MissionExistsError(folder, hint="name an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    demo = Demo(folder, (lambda _: None) if as_json else _show)
    finished = demo.play()
    result = Result(
        kind="demo",
        data={
            "folder": str(folder),
            "finished": finished,
            "steps": [
                {"say": s.say, "command": ["mission", *s.arguments], "exit_code": s.exit_code}
                for s in demo.steps
            ],
        },
        lines=["", f"The mission is left for a look in {folder}"],
        exit_code=ExitCode.OK if finished else ExitCode.FAILED,
        next_commands=[f"cd {folder} && mission status"],
        show_next=True,
    )
    return emit(result, as_json=as_json)


def _show(line: str) -> None:
    color = "bold" if line.startswith(("#", "\n#")) else "cyan" if line.startswith("$") else ""
    write(paint(line, color))


def clean_command(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="30d", help="Only records that ended before.")
    ] = "30d",
    worktree: Annotated[
        str | None,
        typer.Option("--worktree", metavar="NAME", help="Remove this worktree, and nothing else."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With `--worktree`: also what is merged nowhere.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Remove old run records and finished worktrees; never what anybody still needs."""
    from mosaic.plan.durations import parse_duration
    from mosaic.sessions.housekeeping import clean_runs
    from mosaic.sessions.worktrees import sweep_worktrees, unknown_worktrees

    snapshot = read_mission(locate_to_change(mission))
    if worktree is not None:
        return _drop_worktree(snapshot, worktree, force=force, dry_run=dry_run, as_json=as_json)
    if force:
        raise UsageError("`--force` goes with `--worktree NAME`")
    seconds = 0.0 if re.fullmatch(r"0+[dhms]?", older_than.strip()) else parse_duration(older_than)
    swept = sweep_worktrees(snapshot, dry_run=dry_run)
    gone = {each.workspace.name for each in swept if each.kept_because is None}
    cleaned = clean_runs(snapshot, older_than_seconds=seconds, dry_run=dry_run, gone_worktrees=gone)
    layout = snapshot.layout
    kept = [(layout.shown(each.path), each.kept_because or "") for each in cleaned.kept]
    kept += [
        (layout.shown(path), "not a worktree of this mission")
        for path in unknown_worktrees(snapshot)
    ]
    result = Result(
        kind="runs.cleaned",
        data=_cleaned_values(cleaned, swept, kept, dry_run=dry_run),
        lines=_cleaned_lines(layout, cleaned, swept, kept, dry_run=dry_run),
        next_commands=["mission doctor"],
    )
    return emit(result, as_json=as_json)


def _cleaned_lines(
    layout: Layout,
    cleaned: Cleaned,
    swept: Sequence[SweptWorktree],
    kept: Sequence[tuple[str, str]],
    *,
    dry_run: bool,
) -> list[str]:
    from mosaic.sessions.housekeeping import Kind, checkpoint_bytes

    verb = "would remove" if dry_run else "removed"
    records = [each for each in cleaned.removed if each.kind is Kind.RECORD]
    size = format_size(sum(each.size_bytes for each in records))
    lines = [f"{verb} {len(records)} run records, {size}"]
    lines += [
        f"  {verb} {clean(layout.shown(each.path))}: {each.kind.value}"
        for each in cleaned.removed
        if each.kind is not Kind.RECORD
    ]
    lines += [
        f"  {verb} {clean(layout.shown(each.path))}: temporary file of a killed process"
        for each in cleaned.leftovers
    ]
    lines += [f"  kept {clean(path)}: {clean(because)}" for path, because in kept]
    for each in swept:
        because, name = each.kept_because, clean(each.workspace.name)
        branch = f" and branch {clean(each.workspace.branch)}" if each.branch_goes else ""
        lines.append(
            f"  kept worktree {name}: {clean(because)}"
            if because
            else f"{verb} worktree {name}{branch}"
        )
    saved = checkpoint_bytes(layout.runs_dir)
    if saved >= MUCH_SAVED_BYTES:
        lines.append(f"checkpoints that are kept take {format_size(saved)}")
    return lines


def _cleaned_values(
    cleaned: Cleaned,
    swept: Sequence[SweptWorktree],
    kept: Sequence[tuple[str, str]],
    *,
    dry_run: bool,
) -> dict[str, JsonValue]:
    from mosaic.sessions.housekeeping import Kind

    def is_record(each: Found) -> bool:
        return each.kind is Kind.RECORD

    return {
        "dry_run": dry_run,
        "removed": [
            {"run_id": r.path.name, "dir": str(r.path), "size_bytes": r.size_bytes}
            for r in filter(is_record, cleaned.removed)
        ],
        "kept": [
            {"run_id": r.path.name, "size_bytes": r.size_bytes, "because": r.kept_because}
            for r in filter(is_record, cleaned.kept)
        ],
        "size_bytes": sum(each.size_bytes for each in filter(is_record, cleaned.removed)),
        "removed_paths": [
            {"path": str(each.path), "kind": each.kind.name.lower()} for each in cleaned.removed
        ]
        + [{"path": str(each.path), "kind": "temporary"} for each in cleaned.leftovers],
        "kept_paths": [{"path": path, "because": because} for path, because in kept],
        "worktrees": [
            {
                "name": each.workspace.name,
                "path": str(each.workspace.path),
                "branch": each.workspace.branch,
                "removed": each.kept_because is None,
                "branch_removed": each.branch_goes,
                "because": each.kept_because,
            }
            for each in swept
        ],
    }


def _drop_worktree(
    snapshot: Snapshot, name: str, *, force: bool, dry_run: bool, as_json: bool
) -> int:
    from mosaic.sessions.worktrees import drop_worktree

    gone = drop_worktree(snapshot, name, force=force, dry_run=dry_run)
    verb = "would remove" if dry_run else "removed"
    result = Result(
        kind="worktree.removed",
        data={
            "dry_run": dry_run,
            "name": gone.name,
            "path": str(gone.path),
            "branch": gone.branch,
        },
        lines=[f"{verb} worktree {clean(gone.name)}"],
        next_commands=["mission doctor"],
    )
    return emit(result, as_json=as_json)
