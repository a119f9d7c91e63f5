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
from mosaic.git.file_trees import commit_files, list_files, read_files, store_files
from mosaic.machine.disk import create_private_dir, write_private
from mosaic.machine.log_writer import RESERVE_NAME
from mosaic.machine.paths import confined
from mosaic.machine.staging import is_temporary
from mosaic.records import NamedTuple
from mosaic.remote.sent import OF_HERE
from mosaic.runs.folders import RUN_NAME, runs_in
from mosaic.runs.record import Run, tail_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGEST_LOG_BYTES = 64 << 20
"""What a log has beyond that stays where it is, but for its end, which the record has."""
LARGEST_FILE_BYTES = 16 << 20
MOST_FILES = 5000
STEPS = "steps/"
ENDS = "ends/"
"""The ends of logs that are too large to be sent."""
TOO_MANY = "too many"
CHUNKS = "log-parts/"
"""Parts of the logs, where a record goes by itself: each `<log>/<offset>`, and of one size."""
CHUNK_BYTES = 256 << 10
MIRRORED = ("stdout.log", "stderr.log", "worker.log", "transcript.jsonl", "output.index")
"""What is followed while it grows, and is not taken from the record again."""


def commit_record(
    top: Path, run: Run, *, chunks: Mapping[str, str] | None = None, parent: str | None = None
) -> str:
    """Write a run's record as a commit into a repository, and return it; no ref names it yet.

    With `chunks`, ids by name, these are in it in place of the logs. `parent` is an earlier one:
    what that has need not be sent again.
    """
    with tempfile.TemporaryDirectory(prefix="mosaic-") as scratch:
        found = [(_name_sent(name, path), path) for name, path in _files(run)]
        if chunks is not None:
            found = [(name, path) for name, path in found if name not in MIRRORED]
        for step in _steps_of(run):
            found += [(f"{STEPS}{step.id}/{name}", path) for name, path in _files(step)]
        ids = store_files(top, [_bounded(path, Path(scratch)) for _, path in found])
    files = dict(zip((name for name, _ in found), ids, strict=True))
    return commit_files(top, {**files, **(chunks or {})}, f"Record of run {run.id}", parent=parent)


def _name_sent(name: str, path: Path) -> str:
    """Return what a file of a record is called on its way: the end of a log is not the log."""
    is_cut = name in MIRRORED and path.stat().st_size > LARGEST_LOG_BYTES
    return f"{ENDS}{name}" if is_cut else name


def read_record(top: Path, commit: str, run: Run, seen: dict[str, str] | None = None) -> None:
    """Write what a record has into a run's folder here, but what this side has of its own.

    What `seen` has, ids by name, was written before; it learns what is new.
    """
    before = {} if seen is None else seen
    wanted = {
        name: oid
        for name, oid in list_files(top, commit).items()
        if name not in (*MIRRORED, *OF_HERE)
        and not name.startswith(CHUNKS)
        and before.get(name) != oid
    }
    for name, data in read_files(top, wanted):
        place = _place_of(name, run)
        if place is not None:
            create_private_dir(place.parent)
            write_private(place, data, root=run.dir.parent)
    before.update(wanted)


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
    """Return the files of a record that are taken, by their names."""
    for name, path, why in _listed(run):
        if not why:
            yield name, path


def _listed(run: Run) -> Iterator[tuple[str, Path, str]]:
    """Return the regular files of a record by their names, each with why it is not taken."""
    count = 0
    for folder, _, names in os.walk(run.dir):
        for name in sorted(names):
            path = Path(folder, name)
            shown = path.relative_to(run.dir).as_posix()
            if name == RESERVE_NAME or is_temporary(name):
                continue
            try:
                is_file = stat.S_ISREG(path.lstat().st_mode)
            except OSError:
                continue
            if not is_file:
                continue
            why = ""
            if not shown.isprintable():
                why = "its name has signs that cannot be shown"
            elif ".git" in path.parts[len(run.dir.parts) :]:
                why = "it is part of a repository"
            else:
                count += 1
                why = TOO_MANY if count > MOST_FILES else ""
            yield shown, path, why


class Cut(NamedTuple):
    """What of a record stays where it was made."""

    name: str
    offset: int
    """From which byte on."""
    bytes: int
    why: str


def cuts_of(run: Run) -> list[Cut]:
    """Return what of a record is not sent, the files that are too many as one."""
    cuts = []
    too_many: list[int] = []
    for name, path, why in _listed(run):
        try:
            size = path.stat().st_size
        except OSError:
            continue
        if why == TOO_MANY:
            too_many.append(size)
        elif why:
            cuts.append(Cut(f"{name!r}"[1:-1], 0, size, why))
        elif name in MIRRORED and size > LARGEST_LOG_BYTES:
            end = (
                f"of a log {_shown_size(LARGEST_LOG_BYTES)} are sent; its end is in `{ENDS}{name}`"
            )
            cuts.append(Cut(name, LARGEST_LOG_BYTES, size - LARGEST_LOG_BYTES, end))
        elif name not in MIRRORED and size > LARGEST_FILE_BYTES:
            words = f"of a file the last {_shown_size(LARGEST_FILE_BYTES)} are sent"
            cuts.append(Cut(name, 0, size - LARGEST_FILE_BYTES, words))
    if too_many:
        words = f"{len(too_many)} files: a record brings {MOST_FILES}"
        cuts.append(Cut("", 0, sum(too_many), words))
    return cuts


def _shown_size(count: int) -> str:
    return f"{count >> 20} MB"


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
