"""A run's record as a commit: what of it goes back to where the mission is.

The tree has the files of the run's folder by their names, and below `steps/` those of the recorded
commands that ran for it, such as gates, by their runs. A file that is too large is cut: its end is
kept. The logs also go by themselves while they grow (`mosaic.there.work`).
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.branches import contents_of
from mosaic.git.file_commits import commit_files
from mosaic.git.git import run_git
from mosaic.machine.disk import create_private_dir, write_private
from mosaic.machine.log_writer import RESERVE_NAME
from mosaic.machine.paths import confined
from mosaic.machine.staging import is_temporary
from mosaic.remote.sent import OF_HERE
from mosaic.runs.folders import RUN_NAME, runs_in
from mosaic.runs.record import Run, tail_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_FILE_BYTES = 16 << 20
MOST_FILES = 5000
STEPS = "steps/"
MIRRORED = ("stdout.log", "stderr.log", "worker.log", "transcript.jsonl", "output.index")
"""What is followed while it grows, and is not taken from the record again."""


def commit_record(top: Path, run: Run) -> str:
    """Write a run's record as a commit into a repository, and return it; no ref names it yet."""
    with tempfile.TemporaryDirectory(prefix="mosaic-") as scratch:
        found = [(name, path) for name, path in _files(run)]
        for step in _steps_of(run):
            found += [(f"{STEPS}{step.id}/{name}", path) for name, path in _files(step)]
        files = [(name, _bounded(path, Path(scratch))) for name, path in found]
        return commit_files(top, files, f"Record of run {run.id}")


def read_record(top: Path, commit: str, run: Run) -> None:
    """Write what a record has into a run's folder here, but what this side has of its own."""
    listed = run_git(["ls-tree", "-r", "-z", commit], top).stdout
    rows = [row.partition(b"\t") for row in listed.split(b"\0") if row]
    ids = {os.fsdecode(name): facts.split()[2].decode() for facts, _, name in rows}
    wanted = {n: oid for n, oid in ids.items() if n not in (*MIRRORED, *OF_HERE)}
    contents = contents_of(top, [*wanted.values()])
    for (name, oid), known in zip(wanted.items(), contents, strict=True):
        place = _place_of(name, run)
        if place is None:
            continue
        data = known
        if data is None:
            data = run_git(["cat-file", "blob", oid], top).stdout
        create_private_dir(place.parent)
        write_private(place, data, root=run.dir.parent)


def _place_of(name: str, run: Run) -> Path | None:
    """Return where a file of a record belongs; None for what is no part of it."""
    if not name.startswith(STEPS):
        return confined(run.dir, name)
    step, _, rest = name.removeprefix(STEPS).partition("/")
    if not RUN_NAME.fullmatch(step) or step == run.id:
        return None
    folder = run.dir.parent / step
    known = Run(dir=folder).find_meta()
    is_another = known is not None and known.session_id is not None
    return None if is_another else confined(folder, rest)


def _steps_of(run: Run) -> Iterator[Run]:
    """Return the recorded commands of the task that began after a run did."""
    began = run.meta().created_at
    for each in runs_in(run.dir.parent):
        meta = each.find_meta() if each.id != run.id else None
        if meta is not None and meta.session_id is None and meta.created_at >= began:
            yield each


def _files(run: Run) -> Iterator[tuple[str, Path]]:
    """Return the regular files of a record by their names, as far as git can hold them."""
    count = 0
    for folder, _, names in os.walk(run.dir):
        for name in sorted(names):
            path = Path(folder, name)
            shown = path.relative_to(run.dir).as_posix()
            is_plain = shown.isprintable() and name != RESERVE_NAME and not is_temporary(name)
            if not is_plain or ".git" in path.parts[len(run.dir.parts) :]:
                continue
            try:
                is_file = stat.S_ISREG(path.lstat().st_mode)
            except OSError:
                continue
            count += is_file
            if count > MOST_FILES:
                return
            if is_file:
                yield shown, path


def _bounded(path: Path, scratch: Path) -> Path:
    """Return a file, or a copy of its end where it is too large."""
    try:
        if path.stat().st_size <= LARGEST_FILE_BYTES:
            return path
        cut = scratch / f"{len(os.listdir(scratch))}"
        cut.write_bytes(tail_bytes(path, LARGEST_FILE_BYTES))
    except OSError as error:
        raise MissionError(f"`{path}` cannot be read", detail=error.strerror) from None
    return cut
