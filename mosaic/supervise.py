"""The background supervisor's program: carries one run to its end, whatever kind it is.

python -c '… main()' RUN_DIR      the order by stdin, readiness by stdout
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.executors.background import dump_failure, dump_started, parse_order
from mosaic.runs.events import EventType
from mosaic.runs.record import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from mosaic.ports import Order
    from mosaic.sessions.carry import RunCarrier
    from mosaic.sessions.output import Progress


def carrier_of(
    run_dir: Path, order: Order, *, watch: Callable[[Progress], None] | None = None
) -> RunCarrier:
    """Return who carries a run: a session's, or that of a panel's worker."""
    if Run(dir=run_dir).meta().panel_id is not None:
        from mosaic.panels.life import WorkerCarrier  # start-up: sessions need none of it

        return WorkerCarrier(run_dir, order, watch=watch)
    from mosaic.sessions.examine import SessionCarrier

    return SessionCarrier(run_dir, order, watch=watch)


def main() -> None:
    """Be the background supervisor of the run that the last argument names."""
    run_dir = Path(sys.argv[-1])
    answers = os.dup(1)
    try:
        carrier = carrier_of(run_dir, parse_order(sys.stdin.buffer.readline()))
        started = carrier.start()
    except (MissionError, OSError, ValueError) as error:
        os.write(answers, dump_failure(error))
        sys.exit(1)
    # Let go of stdin and stdout, so that no reader waits for this process to end.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    os.write(answers, dump_started(started))
    os.close(answers)
    try:
        carrier.complete()
        if carrier.uncalled:
            sys.stderr.write(f"{carrier.uncalled}\n")
    except MissionError as error:
        print(f"{EventType.WORKER_EXITED}: not recorded: {error}", file=sys.stderr)
        sys.exit(1)
