"""What runs inside a fleet's scheduler and workers: named to them by Dask, so they need us too.

The scheduler only tells what it knows. A worker starts programs of `mosaic.there`, by name, since
they stand above this room; they outlive it.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic import __version__
from mosaic.executors.background import PACKAGE_PARENT
from mosaic.machine.disk import create_private_dir
from mosaic.machine.environment import child_environment
from mosaic.remote.frames import read_frames

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_PREFIX = "mission-"
AGENTS = "agents"
"""The resource that a worker offers: how many agents may work there at once."""
CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from mosaic.there import main; main()"
ANSWER_SECONDS = 50.0
MOST_SAID = 2000
STARTS = 5
"""How often a run's carrier is started that is killed again and again."""
CLOSING = ("closing", "closed", "failed")
POLL_SECONDS = 0.25


def key_of(run_id: str, token: str) -> str:
    """Return the key of the one Dask task that a run is: submitted again, it is the same task."""
    return f"{KEY_PREFIX}{run_id}-{token}"


def run_of_key(key: str) -> str:
    """Return the run that a task of ours carries."""
    return key.removeprefix(KEY_PREFIX).rpartition("-")[0]


def tell_versions() -> dict[str, str]:
    """Return the versions that must be the same everywhere."""
    from importlib.metadata import version

    python = ".".join(map(str, sys.version_info[:2]))
    return {"mosaic": __version__, "distributed": version("distributed"), "python": python}


def see_scheduler(dask_scheduler: Any) -> dict[str, Any]:
    """Return the workers of a scheduler, what each runs of ours, and what waits for one."""
    workers = [
        {
            "name": str(worker.name),
            "address": worker.address,
            "machine": worker.host,
            "threads": worker.nthreads,
            "resources": {str(name): int(many) for name, many in worker.resources.items()},
            "running": _ours(worker.executing),
            "given": _ours(worker.processing),
        }
        for worker in dask_scheduler.workers.values()
    ]
    unplaced = _ours([*dask_scheduler.unrunnable, *dask_scheduler.queued])
    return {"workers": workers, "unplaced": unplaced, "versions": tell_versions()}


def _ours(tasks: Any) -> list[str]:
    return sorted(task.key for task in tasks if str(task.key).startswith(KEY_PREFIX))


async def answer_here(
    folder: str, path: list[str], op: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Answer a question on a worker's machine, as `mosaic.there` does over SSH, with versions."""
    said = await asyncio.to_thread(_ask_there, folder, path, {"op": op, **values})
    return {**said, "versions": tell_versions()}


def _ask_there(folder: str, path: list[str], question: Mapping[str, Any]) -> dict[str, Any]:
    # A program of its own, since it sets variables that a worker has for all its threads.
    word = secrets.token_hex(8)
    done = subprocess.run(
        [sys.executable, "-P", "-c", CODE, PACKAGE_PARENT, folder, *path],
        input=json.dumps({**question, "word": word}).encode() + b"\n",
        capture_output=True,
        cwd="/",
        env=child_environment(),
        timeout=ANSWER_SECONDS,
        check=False,
    )
    for frame in read_frames(BytesIO(done.stdout), word):
        return dict(frame.values)
    raise RuntimeError(done.stderr.decode("utf-8", "replace").strip()[-MOST_SAID:])


async def adopt_here(folder: str, path: list[str], values: Mapping[str, Any]) -> bool:
    """Have a run carried on where a worker's machine keeps it, and tell whether it does."""
    carry = import_module("mosaic.there.carry")
    kept: bool = await asyncio.to_thread(carry.adopt, _place(folder), values, path)
    return kept


def carry_here(folder: str, path: list[str], values: Mapping[str, Any]) -> str:
    """Carry a run on a worker's machine, and return how that went when it is over.

    What carries it outlives the worker. Run a second time, it begins nothing: it waits where this
    machine carries the run already, and is over at once where another one does.
    """
    from distributed import get_worker

    carry = import_module("mosaic.there.carry")
    place, worker = _place(folder), get_worker()
    for _ in range(STARTS):
        process = carry.start_carrier(place, values, path)
        while process.poll() is None or carry.is_carried(place, values):
            if worker.status.name in CLOSING:
                process.returncode = 0  # it goes on by itself; its next parent reaps it
                return "the worker closed, and the run goes on"
            time.sleep(POLL_SECONDS)
        if process.returncode >= 0:
            break
        # It was killed: the next one sees what became of the agent, and says so.
    return f"its carrier ended with {process.returncode}"


def _place(folder: str) -> Path:
    return create_private_dir(Path(os.path.realpath(os.path.expanduser(folder))))
