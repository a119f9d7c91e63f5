"""Following a run: what its logs get, until it has ended and everything was read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mosaic.errors import RecordError
from mosaic.machine.identity import is_same_process
from mosaic.machine.lock import is_file_held, is_folder_held
from mosaic.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mosaic.runs.record import Run

POLL_SECONDS = 0.1
LAST_WORDS_SECONDS = 10.0
"""How long the end of a log is waited for when its run has ended: as its supervisor does."""
FINAL = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.BLOCKED)


def has_ended(run: Run) -> bool:
    """Tell whether a run is over: its record says so, or supervisor and agent are gone.

    A run that is prepared and not started is not over.

    Raises:
        FileAccessError: that cannot be found out.
    """
    try:
        state = run.state()
    except RecordError:
        return not is_folder_held(run.dir)
    if state.status in FINAL:
        return True
    if state.status is RunStatus.PREPARED or is_folder_held(run.dir):
        return False
    return state.agent is None or is_same_process(state.agent) is False


def follow(
    run: Run,
    log: Path,
    read: Callable[[], Iterator[bytes]],
    *,
    held_to_the_end: bool,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[bytes]:
    """Return what `read` returns, again and again, until the run is over and all was read.

    Args:
        run: the run.
        log: the file that `read` reads.
        read: reads what is new.
        held_to_the_end: whether the log's writer locks it until it has written everything,
            which may be later than the end of the run.
        is_wanted: asked again and again; False ends it.

    Raises:
        RecordError: the run's folder is gone.
    """
    patience: float | None = None
    while is_wanted():
        if not run.dir.is_dir():
            raise RecordError(
                f"the record of run `{run.id}` was removed while it was followed", path=run.dir
            )
        is_over = has_ended(run)
        # Not looked at earlier: a look at the wrong instant would keep the writer from it.
        if is_over and held_to_the_end and is_file_held(log):
            patience = patience or time.monotonic() + LAST_WORDS_SECONDS
            is_over = time.monotonic() > patience
        yield from read()
        if is_over:
            return
        time.sleep(POLL_SECONDS)
