"""How a supervisor is reached: by its run's own record, wherever it was started."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, MissionError
from mosaic.machine.identity import identify, ignores_signal, is_elsewhere
from mosaic.machine.lock import is_folder_held
from mosaic.machine.process import send_signal

if TYPE_CHECKING:
    from mosaic.model import ProcessIdentity
    from mosaic.runs.record import Run

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
    """A run that a supervisor carries: whether it lives, how it is stopped and looked at."""

    words = "in the background"
    can_be_typed_into = False

    def __init__(self, run: Run) -> None:
        self.run = run

    def is_alive(self) -> bool:
        """Tell whether the supervisor lives: it holds the run's folder as long as it does."""
        return is_folder_held(self.run.dir)

    def stop(self, *, now: bool = False) -> bool:
        """Ask the supervisor to stop its agent, or with `now` to kill it at once.

        Returns:
            Whether there was one to ask; it ends when it has recorded the end.
        """
        supervisor = self.find_supervisor()
        return supervisor is not None and ask_to_stop(supervisor, now=now)

    def find_supervisor(self) -> ProcessIdentity | None:
        """Return the living supervisor, as the record names it."""
        try:
            state = self.run.state()
        except MissionError:
            return None
        if not state.supervisor_pid or (state.agent is not None and is_elsewhere(state.agent)):
            return None  # the number means another process here
        supervisor = identify(state.supervisor_pid)
        # Looked at after the identity was taken: who holds the folder then is that process.
        return supervisor if self.is_alive() else None

    def attach(self) -> tuple[str, ...]:
        """Return what a person types to see the run."""
        return ("mission", "logs", self.run.id, "-f")

    def screen(self) -> tuple[str, ...]:
        """Return what shows the screen that the run has for itself; empty where there is none.

        Empty also where it is in view.
        """
        return ()

    def paste(self, text: str) -> None:  # noqa: ARG002 - for those that have a screen
        """Type a text to the agent.

        Raises:
            FailedError: there is no screen in which it listens.
        """
        raise FailedError(f"run `{self.run.id}` has no pane")

    def close(self) -> bool:
        """Close the run's screen; tell whether there was one."""
        return False
