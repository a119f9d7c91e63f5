"""What every executor has in common: the run's own record tells how its supervisor is."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.identity import identify, is_elsewhere
from mosaic.machine.lock import is_folder_held
from mosaic.machine.process import send_signal
from mosaic.machine.traces import ignores_signal
from mosaic.runs.record import Run

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import ProcessIdentity

STOP_SIGNAL = signal.SIGTERM
KILL_SIGNAL = signal.SIGUSR1
"""What a supervisor takes for the request to kill its agent at once."""


def ask_to_stop(supervisor: ProcessIdentity, *, now: bool) -> bool:
    """Ask a supervisor to stop its agent, or to kill it at once; also one that is stopped.

    One that was started where the polite signal is ignored only hears the other.
    """
    is_deaf = ignores_signal(supervisor.pid, STOP_SIGNAL)
    asked = send_signal(supervisor, KILL_SIGNAL if now or is_deaf else STOP_SIGNAL)
    return asked and send_signal(supervisor, signal.SIGCONT)


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
        supervisor = self.find_supervisor(run_dir)
        return supervisor is not None and ask_to_stop(supervisor, now=now)

    def find_supervisor(self, run_dir: Path) -> ProcessIdentity | None:
        """Return the living supervisor of a run, as its record names it."""
        try:
            state = Run(dir=run_dir).state()
        except MissionError:
            return None
        if not state.supervisor_pid or (state.agent is not None and is_elsewhere(state.agent)):
            return None  # the number means another process here
        supervisor = identify(state.supervisor_pid)
        # Looked at after the identity was taken: who holds the folder then is that process.
        return supervisor if is_folder_held(run_dir) else None

    def attach(self, run_dir: Path) -> tuple[str, ...]:
        """Return what a person types to see a run."""
        return ("mission", "logs", run_dir.name, "-f")
