"""The program in a pane: a supervisor that shows what its agent does.

python -c '… main()' SOCKET RUN_DIR      environment, place and order come by the socket
"""

import contextlib
import json
import os
import socket
import sys
from pathlib import Path

from mosaic.cli.output import clean, paint, paint_status
from mosaic.cli.sessions_view import progress_words
from mosaic.errors import MissionError
from mosaic.executors.background import dump_failure, dump_started, parse_order
from mosaic.executors.tmux import OF_THE_PANE
from mosaic.model import Mode
from mosaic.ports import Order
from mosaic.records import replace
from mosaic.sessions.carry import RunCarrier
from mosaic.sessions.output import Progress
from mosaic.supervise import carrier_of


class PaneView:
    """Shows a headless agent's doing, a line whenever it does something else."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, progress: Progress) -> None:
        """Print what is new."""
        if progress.last and progress.last != self._last:
            self._last = progress.last
            print("  ".join(filter(None, map(clean, progress_words(progress)))), flush=True)


def main() -> None:
    """Be the supervisor in a pane, of the run that the last argument names."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            line.connect(sys.argv[-2])
        except OSError:
            sys.exit("the command that opened this pane has ended; the pane can be closed")
        with line.makefile("rb") as asked:
            given = json.loads(asked.readline())
            order = replace(parse_order(asked.readline()), place=given["place"])
        _take_environment(given["environ"])
        try:
            carrier = _carrier(Path(sys.argv[-1]), order)
            started = carrier.start()
        except (MissionError, OSError, ValueError) as error:
            line.sendall(dump_failure(error))
            sys.exit(1)
        line.sendall(dump_started(started))
    _carry(carrier)


def _carrier(run_dir: Path, order: Order) -> RunCarrier:
    is_headless = order.mode is Mode.HEADLESS
    carrier = carrier_of(run_dir, order, watch=PaneView().tell if is_headless else None)
    if is_headless:
        meta = carrier.meta
        about = f"{clean(meta.runtime)}, run {clean(meta.run_id)}"
        print(f"{paint(clean(meta.task_id), 'bold')} → {about}", flush=True)
    return carrier


def _carry(carrier: RunCarrier) -> None:
    try:
        carrier.complete()
    except MissionError as error:
        with contextlib.suppress(OSError):  # the pane may be closed by now
            print(f"the end could not be recorded: {clean(error.message)}", flush=True)
        sys.exit(1)
    outcome, settled = carrier.outcome, carrier.settled
    if outcome is not None:
        status = settled.task_status.value if settled and settled.task_status else ""
        words = f" ({paint_status(status)})" if status else ""
        with contextlib.suppress(OSError):
            print(f"\n{outcome.reason.value}{words}: {clean(outcome.summary)}", flush=True)


def _take_environment(environ: dict[str, str]) -> None:
    """Become what started the pane, but for what belongs to the pane."""
    own = {name: os.environ[name] for name in OF_THE_PANE if name in os.environ}
    os.environ.clear()
    os.environ.update({name: v for name, v in environ.items() if name not in OF_THE_PANE})
    os.environ.update(own)
