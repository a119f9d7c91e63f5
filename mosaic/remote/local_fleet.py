"""Fleets on this machine: a scheduler and workers in a process of ours that outlives the command.

    <person's state folder>/fleets/<name>/    held by that process, so there is one of a name
        scheduler.json    the scheduler's address, as Dask's own scheduler files
        process.json      the process
        log               what Dask says
        work/             what the workers keep of us: the host's `folder`

The scheduler listens on 127.0.0.1 alone. Started again, it is found by the same file.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, HeldError
from mosaic.executors.background import PACKAGE_PARENT
from mosaic.machine.disk import create_private_dir, find_bytes
from mosaic.machine.environment import outer_environment
from mosaic.machine.lock import is_folder_held
from mosaic.machine.paths import safe_segment
from mosaic.machine.person import person_dir
from mosaic.machine.process import send_signal
from mosaic.model import ProcessIdentity
from mosaic.remote.fleet import require_distributed
from mosaic.runs.record import tail_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START = "import sys; sys.path.insert(0, sys.argv[1]); from mosaic.there.cluster import main; main()"
SCHEDULER_FILE, PROCESS_FILE, LOG_FILE, WORK = "scheduler.json", "process.json", "log", "work"
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05
_TOLD_BYTES = 2000


def local_fleet_dir(name: str) -> Path:
    """Return the folder of a fleet on this machine, whether it exists or not."""
    return person_dir() / "fleets" / safe_segment(name)


def is_running(name: str) -> bool:
    """Tell whether a fleet of that name runs on this machine."""
    return is_folder_held(local_fleet_dir(name))


def start_local_fleet(name: str, agents: int, labels: Sequence[str] = ()) -> Path:
    """Start a fleet of so many workers, each for one agent, and return its folder.

    Its workers offer `labels` to tasks that ask for them.

    Raises:
        HeldError: one of that name runs already.
        ExtraMissingError: Dask is not installed.
        FailedError: it does not start.
    """
    require_distributed()
    folder = local_fleet_dir(name)
    if is_running(name):
        raise HeldError(
            f"fleet `{name}` runs already",
            path=folder,
            hint=f"`mission fleet stop {name}` stops it; its agents work on",
        )
    for each in (folder.parent.parent, folder.parent, folder, folder / WORK):
        create_private_dir(each)
    log = folder / LOG_FILE
    with open(log, "wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, PACKAGE_PARENT, str(folder), str(agents), *labels],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            cwd="/",
            env=outer_environment(),
        )
    assert process.stdout is not None
    with process.stdout as answers:
        is_up = bool(answers.readline())
    if not is_up:
        process.wait()
        told = tail_bytes(log, _TOLD_BYTES).decode("utf-8", "replace").strip()
        raise FailedError(f"fleet `{name}` does not start", path=log, detail=told or None)
    process.returncode = 0  # it goes on by itself; its next parent reaps it
    return folder


def stop_local_fleet(name: str) -> bool:
    """Stop a fleet on this machine and tell whether it ran. Its agents work on.

    A FailedError where it does not end.
    """
    folder = local_fleet_dir(name)
    if not is_folder_held(folder):
        return False
    identity = None
    with contextlib.suppress(ValueError, TypeError):
        identity = ProcessIdentity(**json.loads(find_bytes(folder / PROCESS_FILE) or b"{}"))
    for number in (signal.SIGTERM, signal.SIGKILL):
        if identity is not None:
            send_signal(identity, number)
        until = time.monotonic() + STOP_SECONDS
        while is_folder_held(folder) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        if not is_folder_held(folder):
            return True
    raise FailedError(f"fleet `{name}` does not end", path=folder / LOG_FILE)
