"""`mission clean`."""

import re

from typer import Option

from mosaic.app.mission import CleanedMission, clean_mission
from mosaic.cli.completers import complete_worktree
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean
from mosaic.errors import UsageError
from mosaic.plan.durations import parse_duration
from mosaic.plan.sizes import format_size
from mosaic.sessions.housekeeping import Kind, checkpoint_bytes
from mosaic.sessions.worktrees import drop_worktree
from mosaic.store.layout import Layout
from mosaic.store.reading import locate_to_change, read_mission
from mosaic.text.lines import counted

EXAMPLES = (
    ("mission clean --dry-run", "only say what would be removed"),
    ("mission clean --older-than 7d", "run records that ended before, and finished worktrees"),
    (
        "mission clean --worktree T-001 --force",
        "one worktree, also when its work is merged nowhere",
    ),
)
MUCH_SAVED_BYTES = 10**8
"""Kept checkpoints that take more are named."""


def clean_command(
    older_than: str = Option(
        "30d", "--older-than", metavar="30d", help="Only records that ended before."
    ),
    worktree: str | None = Option(
        None,
        "--worktree",
        metavar="NAME",
        autocompletion=complete_worktree,
        help="Remove this worktree, and nothing else.",
    ),
    force: bool = Option(False, "--force", help="With `--worktree`: also what is merged nowhere."),
    dry_run: bool = Option(False, "--dry-run", help="Only say what would be removed."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Remove old run records and finished worktrees; never what is still needed."""
    snapshot = read_mission(locate_to_change(mission))
    verb = "would remove" if dry_run else "removed"
    then = ["mission doctor"]
    if worktree is not None:
        gone = drop_worktree(snapshot, worktree, force=force, dry_run=dry_run)
        data = {"dry_run": dry_run, "name": gone.name, "path": gone.path, "branch": gone.branch}
        lines = [f"{verb} worktree {clean(gone.name)}"]
        return answer("worktree.removed", data, lines, then=then, as_json=as_json)
    if force:
        raise UsageError("`--force` is used with `--worktree NAME`")
    seconds = 0.0 if re.fullmatch(r"0+[dhms]?", older_than.strip()) else parse_duration(older_than)
    done = clean_mission(snapshot, older_than_seconds=seconds, dry_run=dry_run)
    lines = _lines(done, snapshot.layout, verb)
    return answer("runs.cleaned", done, lines, then=then, as_json=as_json)


def _lines(done: CleanedMission, layout: Layout, verb: str) -> list[str]:
    others = [
        (each.path, each.kind.value) for each in done.runs.removed if each.kind is not Kind.RECORD
    ]
    others += [(each.path, "temporary file of a killed process") for each in done.runs.leftovers]
    records = counted(len(done.removed_records), "run record")
    lines = [f"{verb} {records}, {format_size(done.size_bytes)}"]
    lines += [f"  {verb} {clean(layout.shown(path))}: {kind}" for path, kind in others]
    lines += [f"  kept {clean(path)}: {clean(because)}" for path, because in done.kept_paths]
    for tree in done.worktrees:
        name, branch = clean(tree.workspace.name), clean(tree.workspace.branch)
        if tree.kept_because is not None:
            lines.append(f"  kept worktree {name}: {clean(tree.kept_because)}")
        else:
            also = f" and branch {branch}" if tree.branch_goes else ""
            lines.append(f"{verb} worktree {name}{also}")
    if (saved := checkpoint_bytes(layout.runs_dir)) >= MUCH_SAVED_BYTES:
        lines.append(f"checkpoints that are kept take {format_size(saved)}")
    return lines
