"""Where run records are: one folder a task, one below it a run.

runs/<task_id>/<run_id>/      `r001-…`, `r002-…` in the order of the task's runs
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from mosaic.machine.disk import create_private_dir
from mosaic.machine.paths import safe_segment
from mosaic.runs.record import Run

GONE_PREFIX = ".gone-"
"""Begins the name of a record that is being removed."""


def create_run(runs_dir: Path, task_id: str) -> Run:
    """Create a run's folder; its name is new even among runs started at the same instant.

    Names are in the order of a task's runs: `r001-…`, `r002-…`.
    """
    parent = runs_dir / safe_segment(task_id)
    create_private_dir(parent)
    earlier = runs_of_task(runs_dir, task_id)
    number = 1 + (_order(earlier[-1].id)[0] if earlier else 0)
    run = Run(dir=parent / f"r{number:03d}-{secrets.token_hex(3)}")
    for folder in (run.dir, run.checkpoints, run.artifacts):
        create_private_dir(folder)
    return run


def is_session_run(run: Run) -> bool:
    """Tell whether a run is an agent's; one that cannot be read counts as one."""
    meta = run.find_meta()
    return meta is None or meta.session_id is not None


def runs_of_task(runs_dir: Path, task_id: str) -> list[Run]:
    """Return a task's runs, oldest first."""
    return runs_in(runs_dir / safe_segment(task_id))


def task_folders(runs_dir: Path) -> list[Path]:
    """Return the folders that hold the runs of one task each."""
    try:
        return sorted(Path(entry.path) for entry in os.scandir(runs_dir) if entry.is_dir())
    except FileNotFoundError:
        return []


def runs_in(folder: Path) -> list[Run]:
    """Return the runs in a task's folder, oldest first."""
    try:
        names = [
            entry.name
            for entry in os.scandir(folder)
            if not entry.name.startswith(GONE_PREFIX) and entry.is_dir()
        ]
    except FileNotFoundError:
        return []
    return [Run(dir=folder / name) for name in sorted(names, key=_order)]


def _order(run_id: str) -> tuple[int, str]:
    """Return what puts run ids in their order, `r1000` after `r999`."""
    number = run_id[1:].partition("-")[0]
    return (int(number) if number.isdecimal() else 0, run_id)


def run_of(runs_dir: Path, task_id: str, run_id: str) -> Run:
    """Return the run of a task that has this id, whether it is there or not."""
    return Run(dir=runs_dir / safe_segment(task_id) / safe_segment(run_id))


def find_run(runs_dir: Path, run_id: str) -> Run | None:
    """Return the run with this id, of whatever task."""
    if safe_segment(run_id) != run_id or not runs_dir.is_dir():
        return None
    for task_dir in sorted(runs_dir.iterdir()):
        if (task_dir / run_id).is_dir():
            return Run(dir=task_dir / run_id)
    return None
