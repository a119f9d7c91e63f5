"""Where run records are: one folder a task, one below it a run.

runs/<task_id>/<run_id>/      `r001-…`, `r002-…` in the order of the task's runs
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mosaic.errors import MissionError, RunNotFoundError
from mosaic.machine.disk import create_private_dir
from mosaic.machine.lock import hold_folder, is_folder_held
from mosaic.machine.paths import confined, safe_segment
from mosaic.machine.staging import is_temporary
from mosaic.runs.record import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mosaic.model import Session

GONE_PREFIX = ".gone-"
"""Begins the name of a record that is being removed."""
NEW_PREFIX = ".new-"
"""Begins the name of one that is just being made."""
RUN_NAME = re.compile(r"r\d{3,}-[0-9a-f]{6}")
BEGUN_NAME = re.compile(rf"{re.escape(NEW_PREFIX)}[0-9a-f]{{6}}")
"""The name of a folder that a run is prepared in, before the run has its own."""
MOST_CLOSEST = 3
GONE_NAME = re.compile(rf"{re.escape(GONE_PREFIX)}{RUN_NAME.pattern}")
_LAID_OUT_FOLDERS = ("checkpoints", "artifacts")
_LAID_OUT_FILES = (
    "prompt.md", "capsule.json", "task.md", "schema.json", "rules.json", "meta.json", "state.json",
    "worker.log",
)  # fmt: skip
"""What may stand in a record that is not complete."""


@contextmanager
def laying_out(runs_dir: Path, task_id: str, run_id: str | None = None) -> Iterator[Run]:
    """Make a run's folder, locked by this process until the `with` block has filled it.

    Its name is new even among runs started at the same instant, unless it is given. Where the
    block fails, the folder is removed; where this process is killed, nobody locks it, and it is
    removed when the task's next run is made. A symlink that leads out of the folder of runs is
    refused.
    """
    parent = runs_dir / safe_segment(task_id)
    confined(runs_dir, parent)
    create_private_dir(parent)
    sweep_half_laid_out(parent)
    token = os.urandom(3).hex()
    # Held before it gets its name: the lock is the folder's, whatever it is called.
    hidden = create_private_dir(parent / f"{NEW_PREFIX}{token}")
    with hold_folder(hidden):
        run = Run(dir=parent / (run_id or new_run_id(parent, token)))
        hidden.rename(run.dir)
        try:
            for folder in (run.checkpoints, run.artifacts):
                create_private_dir(folder)
            yield run
        except BaseException:
            _remove(run.dir)
            raise


def new_run_id(folder: Path, token: str) -> str:
    """Return the id of the next run in a task's folder; no other run has this token."""
    earlier = runs_in(folder)
    number = 1 + (_order(earlier[-1].id)[0] if earlier else 0)
    return f"r{number:03d}-{token}"


def _remove(folder: Path) -> None:
    from mosaic.machine.removing import remove_folder  # start-up: hardly ever needed

    with suppress(MissionError):
        remove_folder(folder.parent, folder)


def is_half_laid_out(run: Run) -> bool:
    """Tell whether a run was killed while it was prepared: it never began, and nobody locks it.

    A folder of another name, or with anything in it that a run is not made of, is not
    a run at all.
    """
    # In this order: who lays it out lets go of it only when everything is there.
    if not RUN_NAME.fullmatch(run.id) or is_folder_held(run.dir):
        return False
    try:
        entries = list(os.scandir(run.dir))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    names = {entry.name for entry in entries}
    if {"meta.json", "state.json"} <= names:
        return False
    return all(_is_laid_out(entry) for entry in entries)


def _is_laid_out(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir(follow_symlinks=False):
        return entry.name in _LAID_OUT_FOLDERS and not os.listdir(entry.path)
    is_ours = entry.name in _LAID_OUT_FILES or is_temporary(entry.name)
    return is_ours and entry.is_file(follow_symlinks=False)


def sweep_half_laid_out(folder: Path) -> list[Run]:
    """Remove the runs in a task's folder that were never prepared to their end."""
    swept = []
    for run in runs_in(folder):
        if is_half_laid_out(run):
            _remove(run.dir)
            swept.append(run)
    return swept


def is_session_run(run: Run) -> bool:
    """Tell whether a run is an agent's; one that cannot be read counts as one."""
    meta = run.find_meta()
    return meta is None or meta.session_id is not None


def runs_of_task(runs_dir: Path, task_id: str) -> list[Run]:
    """Return a task's runs, oldest first."""
    return runs_in(runs_dir / safe_segment(task_id))


def task_folders(runs_dir: Path) -> list[Path]:
    """Return the folders that hold the runs of one task each."""
    return [runs_dir / name for name in sorted(_folders_in(runs_dir))]


def runs_in(folder: Path) -> list[Run]:
    """Return the runs in a task's folder, oldest first."""
    names = (name for name in _folders_in(folder) if not name.startswith("."))
    return [Run(dir=folder / name) for name in sorted(names, key=_order)]


def _folders_in(folder: Path) -> list[str]:
    """Return the names of the folders in it; a symlink is not ours."""
    try:
        return [each.name for each in os.scandir(folder) if each.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _order(run_id: str) -> tuple[int, str]:
    """Return what puts run ids in their order, `r1000` after `r999`."""
    number = run_id[1:].partition("-")[0]
    return (int(number) if number.isdecimal() else 0, run_id)


def run_of(runs_dir: Path, task_id: str, run_id: str) -> Run:
    """Return the run of a task that has this id, whether it is there or not."""
    return Run(dir=runs_dir / safe_segment(task_id) / safe_segment(run_id))


def find_run(runs_dir: Path, run_id: str) -> Run | None:
    """Return the run with this id, of whatever task."""
    if safe_segment(run_id) != run_id:
        return None
    places = (folder / run_id for folder in task_folders(runs_dir))
    return next((Run(dir=p) for p in places if p.is_dir() and not p.is_symlink()), None)


def find_named_run(runs_dir: Path, sessions: Sequence[Session], name: str) -> Run | None:
    """Return the run of this id, the run of a session, or a task's newest run of an agent.

    A task that no agent worked on has its newest step; None where it names none of these. Raises
    RunNotFoundError where a session's record is gone, or it looks like an id and is none.
    """
    from mosaic.plan.session_ids import sessions_called  # start-up: only a name needs it

    run = find_run(runs_dir, name)
    if run is not None:
        return run
    ids = sessions_called(name, [session.id for session in sessions])
    if len(ids) > 1:
        raise RunNotFoundError(f"several sessions are called `{name}`", ids)
    for session in sessions:
        if session.id in ids:
            return run_of_session(runs_dir, session)
    of_task = runs_of_task(runs_dir, name) if name else []
    if of_task:
        agents = (run for run in reversed(of_task) if is_session_run(run))
        return next(agents, of_task[-1])
    if re.fullmatch(r"(?i)(r\d+|sess)-.*|r\d+|sess", name):
        raise RunNotFoundError(
            f"no run or session matches `{name}`", _closest(name, runs_dir, sessions)
        )
    return None


def newest_run(runs_dir: Path, sessions: Sequence[Session]) -> Run:
    """Return the run of the newest session; raises `RunNotFoundError` where it has none."""
    if not sessions:
        raise RunNotFoundError("nothing was handed off yet", hint="`mission next` hands a task off")
    return run_of_session(runs_dir, max(reversed(sessions), key=lambda each: each.started_at))


def run_of_session(runs_dir: Path, session: Session) -> Run:
    """Return a session's run; raises `RunNotFoundError` where its record is gone."""
    run = find_run(runs_dir, session.run_id) if session.run_id else None
    if run is None:
        raise RunNotFoundError(
            f"the run of session `{session.id}` no longer has a record",
            hint="`mission sessions` lists what is known of it",
        )
    return run


def _closest(name: str, runs_dir: Path, sessions: Sequence[Session]) -> list[str]:
    """Return ids that begin with a name, else those that look like it; the newest first."""
    runs = [run.id for folder in task_folders(runs_dir) for run in runs_in(folder)]
    known = runs[::-1] + [session.id for session in reversed(sessions)]
    begun = [each for each in known if each.startswith(name)]
    if not begun:
        from difflib import get_close_matches  # start-up: only a wrong name needs it

        begun = get_close_matches(name, known, n=MOST_CLOSEST)
    return begun[:MOST_CLOSEST]
