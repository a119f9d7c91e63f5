"""The process of a fleet on this machine: Dask's own LocalCluster, until a signal ends it.

python -P -c '… main()' PARENT FOLDER AGENTS LABEL…      one line by stdout when it takes work

It holds FOLDER, which `mosaic.remote.local_fleet` describes. Whatever way it ends, its workers end
with it, and the runs that they had begun go on: each has a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import ExtraMissingError, HeldError
from mosaic.machine.disk import write_private
from mosaic.machine.identity import own_identity
from mosaic.machine.lock import hold_folder
from mosaic.machine.process import SignalQueue
from mosaic.records import asdict
from mosaic.remote.local_fleet import PROCESS_FILE, SCHEDULER_FILE
from mosaic.remote.on_fleet import AGENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOPBACK = "127.0.0.1"
ANY_PORT = f"{LOOPBACK}:0"
WAIT_SECONDS = 3600.0


def main() -> None:
    """Be the fleet of a folder."""
    folder, agents, labels = Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    answers = os.dup(1)
    os.dup2(2, 1)  # what workers print goes to the log as well
    signals = SignalQueue()
    signals.listen((signal.SIGTERM, signal.SIGINT))
    try:
        with hold_folder(folder):
            _run(folder, agents, labels, answers, signals)
    except (ExtraMissingError, HeldError, OSError) as error:
        sys.exit(str(error))


def _run(
    folder: Path, agents: int, labels: Sequence[str], answers: int, signals: SignalQueue
) -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=agents,
        threads_per_worker=1,
        processes=True,
        resources=dict.fromkeys((AGENTS, *labels), 1),
        host=LOOPBACK,
        dashboard_address=ANY_PORT,
        worker_dashboard_address=ANY_PORT,
        local_directory=str(folder),
        memory_limit=0,  # agents are not of the worker's process, so its size says nothing
    ) as cluster:
        process = json.dumps(asdict(own_identity())).encode()
        write_private(folder / PROCESS_FILE, process, root=folder)
        address = json.dumps({"type": "Scheduler", "address": cluster.scheduler_address})
        write_private(folder / SCHEDULER_FILE, address.encode(), root=folder)
        os.write(answers, b"up\n")
        os.close(answers)
        while not signals.wait(WAIT_SECONDS):
            pass
    (folder / SCHEDULER_FILE).unlink(missing_ok=True)
