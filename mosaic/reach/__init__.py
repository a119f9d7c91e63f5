"""The program that listens to another machine for one run, until its end is recorded here.

python -c '… main()' RUN_DIR

It holds the run's folder, so there is one. What it hears goes into the record as it comes; a link
that is cut is made again, for as long as it takes. It may be killed at any time: the next command
that looks starts another.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import HeldError
from mosaic.machine.lock import hold_folder
from mosaic.reach.hub import HubListener
from mosaic.reach.pipe import PipeListener
from mosaic.remote.sent import find_sent
from mosaic.runs.record import Run

if TYPE_CHECKING:
    from mosaic.reach.listener import Listener
    from mosaic.remote.sent import Sent


def main() -> None:
    """Listen for the run that the last argument names."""
    run = Run(dir=Path(sys.argv[-1]))
    with contextlib.suppress(HeldError), hold_folder(run.dir):
        sent = find_sent(run)
        listener_for(sent)(run).run()


def listener_for(sent: Sent | None) -> type[Listener]:
    """Return what listens to a run, by how it was sent."""
    if sent is not None and sent.executor == "dask":
        from mosaic.reach.fleet import FleetListener  # start-up: the others need no fleet

        return FleetListener
    return HubListener if sent is not None and sent.hub else PipeListener
