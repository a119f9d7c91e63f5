"""In a tmux pane: a supervisor that a person can watch, and whose agent they can talk to.

The pane's program is started with the path of a socket, and is told the order and our
environment through it: a tmux server has an environment of its own, and what is typed on a
command line can be read by everybody.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from mosaic.errors import FailedError
from mosaic.executors.background import PACKAGE_PARENT, Supervised, dump_order, read_answer
from mosaic.machine.environment import child_environment
from mosaic.machine.tmux import Pane, Tmux, session_name
from mosaic.runs.record import Run

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.ports import Order, Started

START = "import sys; sys.path.insert(0, sys.argv[1]); from mosaic.cli.pane import main; main()"
CONNECT_SECONDS = 30.0
ANSWER_SECONDS = 120.0
POLL_SECONDS = 0.2
OF_THE_PANE = ("TMUX", "TMUX_PANE", "TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "COLORTERM")
"""Variables that are the pane's own and not those of who started it."""


class TmuxExecutor:
    """Starts supervisors in tmux panes."""

    is_interactive = True

    def __init__(self, project: Path) -> None:
        self._session = session_name(project)
        self._tmux = Tmux()

    @staticmethod
    def find_problem() -> str | None:
        """Return why it cannot be used here."""
        return Tmux().problem()

    @staticmethod
    def reach(run: Run) -> Supervised:
        """Return the way to a run in a pane."""
        return InPane(run)

    def start(self, run_dir: Path, order: Order) -> Started:
        """Start the supervisor in a new pane and wait until its agent runs.

        ProgramNotFoundError: tmux, or the agent's program, cannot be started.
        FailedError: tmux refused, or the supervisor died before it could tell.
        """
        errors = run_dir / "supervisor.log"
        meta = Run(dir=run_dir).meta()
        with (
            tempfile.TemporaryDirectory(prefix="mosaic-", ignore_cleanup_errors=True) as folder,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server,
        ):
            path = f"{folder}/s"
            server.bind(path)
            server.listen(1)
            pane = self._tmux.open_pane(
                [sys.executable, "-P", "-c", START, PACKAGE_PARENT, path, str(run_dir)],
                session=self._session,
                title=f"{meta.task_id} {meta.step_id}",
                mark=str(run_dir),
            )
            try:
                with self._accept(server, pane, errors) as line:
                    line.settimeout(ANSWER_SECONDS)
                    line.sendall(_message(order, pane))
                    with line.makefile("rb") as answers:
                        return read_answer(answers.readline(), errors)
            except OSError as error:
                raise FailedError(
                    "the supervisor in the pane does not answer", path=errors, detail=str(error)
                ) from None
            except BaseException:
                self._tmux.close_pane(pane)
                raise

    def wait(self) -> bool:
        """Return at once: the supervisor goes on in its pane."""
        return False

    def _accept(self, server: socket.socket, pane: Pane, errors: Path) -> socket.socket:
        until = time.monotonic() + CONNECT_SECONDS
        server.settimeout(POLL_SECONDS)
        while True:
            try:
                return server.accept()[0]
            except TimeoutError:
                state = self._tmux.state_of(pane)
                if state is None or state.is_dead or time.monotonic() > until:
                    raise FailedError(
                        "the supervisor did not start in its pane",
                        path=errors,
                        hint="`--executor process` does without tmux",
                    ) from None


class InPane(Supervised):
    """A run whose supervisor was started in a tmux pane."""

    words = "in a tmux pane"
    can_be_typed_into = True

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        place = run.find_place()
        self._pane = Pane(
            id=str(place.get("pane")),
            server_pid=int(str(place.get("server_pid") or 0)),
            session=str(place.get("session")),
        )

    def attach(self) -> tuple[str, ...]:
        """Return what a person types to see the run's pane."""
        return Tmux().attach_command(self._pane.session)

    def screen(self) -> tuple[str, ...]:
        """Return the same, where no pane of the server is in view."""
        return self.attach() if Tmux().own_pane is None else ()

    def paste(self, text: str) -> None:
        """Type a text into the pane; FailedError where it is gone, or its program has ended."""
        Tmux().paste(self._pane, text)

    def close(self) -> bool:
        """Close the pane; tell whether it was there."""
        return Tmux().close_pane(self._pane)


def _message(order: Order, pane: Pane) -> bytes:
    place = {
        "executor": "tmux",
        "pane": pane.id,
        "server_pid": pane.server_pid,
        "session": pane.session,
    }
    given = {"environ": child_environment(), "place": place}
    return json.dumps(given).encode() + b"\n" + dump_order(order)
