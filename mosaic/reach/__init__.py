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

from mosaic.errors import HeldError
from mosaic.machine.lock import hold_folder
from mosaic.reach.hub import HubListener
from mosaic.reach.pipe import PipeListener
from mosaic.remote.sent import find_sent
from mosaic.runs.record import Run


def main() -> None:
    """Listen for the run that the last argument names."""
    run = Run(dir=Path(sys.argv[-1]))
    with contextlib.suppress(HeldError), hold_folder(run.dir):
        sent = find_sent(run)
        (HubListener if sent and sent.hub else PipeListener)(run).run()
