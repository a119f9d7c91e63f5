"""What every executor has in common: the run's own record tells how its supervisor is."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.identity import identify
from mosaic.machine.lock import is_folder_held
from mosaic.machine.process import send_signal
from mosaic.runs.record import Run

if TYPE_CHECKING:
    from pathlib import Path

STOP_SIGNAL = signal.SIGTERM
KILL_SIGNAL = signal.SIGUSR1
"""What a supervisor takes for the request to kill its agent at once."""


class Supervised:
    """Looks at supervisors and asks them to stop, wherever they were started."""

    def is_alive(self, run_dir: Path) -> bool:
        """Tell whether a run's supervisor lives: it holds the run's folder as long as it does."""
        return is_folder_held(run_dir)

    def stop(self, run_dir: Path, *, now: bool = False) -> bool:
        """Ask a run's supervisor to stop its agent, or with `now` to kill it at once.

        Returns:
            Whether there was one to ask; it ends when it has recorded the end.
        """
        try:
            pid = Run(dir=run_dir).state().supervisor_pid
        except MissionError:
            return False
        supervisor = identify(pid) if pid else None
        # Looked at after the identity was taken: who holds the folder then is that process.
        if supervisor is None or not is_folder_held(run_dir):
            return False
        return send_signal(supervisor, KILL_SIGNAL if now else STOP_SIGNAL)

    def attach(self, run_dir: Path) -> tuple[str, ...]:
        """Return what a person types to see a run."""
        return ("mission", "logs", run_dir.name, "-f")
