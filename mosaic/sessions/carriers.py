"""Who carries an agent's run: in this process, or as the background supervisor's program.

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
from mosaic.sessions.carry import RunCarrier
from mosaic.sessions.finish import examine_work

if TYPE_CHECKING:
    from collections.abc import Callable

    from mosaic.ports import Order
    from mosaic.sessions.output import Progress


def session_carrier(
    run_dir: Path,
    order: Order,
    *,
    watch: Callable[[Progress], None] | None = None,
    heeds_interrupt: Callable[[], bool] = lambda: True,
) -> RunCarrier:
    """Return who carries an agent's run and examines its work."""
    return RunCarrier(
        run_dir, order, watch=watch, examine=examine_work, heeds_interrupt=heeds_interrupt
    )


def main() -> None:
    """Be the background supervisor of the run that the last argument names."""
    run_dir = Path(sys.argv[-1])
    answers = os.dup(1)
    try:
        order = parse_order(sys.stdin.buffer.readline())
        carrier = session_carrier(run_dir, order)
        started = carrier.start()
    except (MissionError, OSError, ValueError) as error:
        os.write(answers, dump_failure(error))
        sys.exit(1)
    _leave_terminal()
    os.write(answers, dump_started(started))
    os.close(answers)
    try:
        carrier.complete()
    except MissionError as error:
        print(f"{EventType.WORKER_EXITED}: not recorded: {error}", file=sys.stderr)
        sys.exit(1)


def _leave_terminal() -> None:
    """Let go of stdin and stdout, so that nobody waits for this process to end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)


if __name__ == "__main__":
    main()
