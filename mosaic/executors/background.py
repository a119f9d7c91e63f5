"""Runs in this terminal or in the background, and how a supervisor is reached.

In this terminal the process that handed off carries the run itself. In the background a
supervisor has a session of its own: the order goes in by stdin and is stored nowhere; one line
of JSON comes back when the agent runs: `{"agent": {…}, "supervisor_pid": 1, "place": {…}}` or
`{"error": {…}}`. Afterwards it is reached by its run's record, wherever it was started.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, ProgramNotFoundError
from mosaic.machine.environment import child_environment
from mosaic.machine.identity import identify, ignores_signal, is_elsewhere
from mosaic.machine.lock import is_folder_held
from mosaic.machine.process import send_signal
from mosaic.model import Mode, ProcessIdentity
from mosaic.ports import Order, PromptChannel, Started
from mosaic.records import asdict, replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mosaic.ports import Carrier
    from mosaic.runs.record import Run

STOP_SIGNAL = signal.SIGTERM
KILL_SIGNAL = signal.SIGUSR1
"""What a supervisor takes for the request to kill its agent at once."""
PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
# `-P` keeps the working directory out of the import path: a repository may hold a
# folder called `mosaic` or a `json.py`. The agent inherits the environment, so the
# path to the package goes by argument and not by PYTHONPATH.
START = "import sys; sys.path.insert(0, sys.argv[1]); from mosaic.supervise import main; main()"


class TerminalExecutor:
    """Carries runs in this process: no second interpreter has to start."""

    def __init__(self, carrier: Callable[[Path, Order], Carrier]) -> None:
        self._make = carrier
        self._carrier: Carrier | None = None

    def start(self, run_dir: Path, order: Order) -> Started:
        """Start the agent."""
        self._carrier = self._make(run_dir, order)
        return self._carrier.start()

    def wait(self) -> bool:
        """Carry the run to its end."""
        if self._carrier is not None:
            self._carrier.complete()
        return True


class BackgroundExecutor:
    """Starts a supervisor that outlives this process and its terminal.

    Others that start one on this machine may be a subclass with a `name` and a `command`.
    """

    name = "process"
    is_interactive = False

    def __init__(self, project: Path) -> None:
        self.project = project

    @staticmethod
    def find_problem() -> str | None:
        """Return why it cannot be used here."""
        return None

    @staticmethod
    def reach(run: Run) -> Supervised:
        """Return the way to a run that was started by it."""
        return Supervised(run)

    def command(self, run_dir: Path) -> list[str]:
        """Return what starts the supervisor of a run."""
        return [sys.executable, "-P", "-c", START, PACKAGE_PARENT, str(run_dir)]

    def start(self, run_dir: Path, order: Order) -> Started:
        """Start the supervisor and wait until its agent runs; errors as `read_answer`."""
        import subprocess  # start-up: most that reach a supervisor start none

        errors = run_dir / "supervisor.log"
        descriptor = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(
                self.command(run_dir),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=descriptor,
                start_new_session=True,
                cwd="/",
                env=child_environment(),
            )
        finally:
            os.close(descriptor)
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin as pipe:
            pipe.write(dump_order(replace(order, place={"executor": self.name})))
        with process.stdout as answers:
            answer = answers.readline()
        # The supervisor goes on by itself; its next parent reaps it.
        process.returncode = 0
        return read_answer(answer, errors)

    def wait(self) -> bool:
        """Return at once: the supervisor goes on without this process."""
        return False


def dump_order(order: Order) -> bytes:
    """Return an order as one line of JSON."""
    return json.dumps(asdict(order), default=str).encode() + b"\n"


def parse_order(line: bytes) -> Order:
    """Read an order from one line of JSON."""
    values: dict[str, Any] = json.loads(line)
    values["argv"] = tuple(values["argv"])
    values["unset"] = tuple(values["unset"])
    values["mode"] = Mode(values["mode"])
    values["channel"] = PromptChannel(values["channel"])
    return Order(**values)


def dump_started(started: Started) -> bytes:
    """Return the answer that the agent runs."""
    return json.dumps(asdict(started)).encode() + b"\n"


def dump_failure(error: Exception) -> bytes:
    """Return the answer that the agent could not be started."""
    facts = {
        "message": str(error),
        "detail": getattr(error, "detail", None),
        "hint": getattr(error, "hint", None),
        "program": error.program if isinstance(error, ProgramNotFoundError) else None,
    }
    return json.dumps({"error": facts}).encode() + b"\n"


def read_answer(line: bytes, errors: Path) -> Started:
    """Read what a supervisor answers when its agent runs, or does not.

    Raises:
        ProgramNotFoundError: the agent's program cannot be started.
        FailedError: the supervisor died before it could tell, or failed.
    """
    if not line:
        raise FailedError(
            "the supervisor ended before its agent ran",
            path=errors,
            detail=errors.read_text(errors="replace")[-2000:] or None,
        )
    answer = json.loads(line)
    if failure := answer.get("error"):
        if failure["program"] is not None:
            raise ProgramNotFoundError(
                failure["program"], problem=failure["detail"] or "", hint=failure["hint"] or ""
            )
        raise FailedError(failure["message"], detail=failure["detail"], hint=failure["hint"])
    return Started(
        agent=ProcessIdentity(**answer["agent"]),
        supervisor_pid=int(answer["supervisor_pid"]),
        place=answer["place"],
    )


def ask_to_stop(supervisor: ProcessIdentity, *, now: bool) -> bool:
    """Ask a supervisor to stop its agent, or to kill it at once; also one that is stopped.

    One that was started where the polite signal is ignored only hears the other.
    """
    is_deaf = ignores_signal(supervisor.pid, STOP_SIGNAL)
    asked = send_signal(supervisor, KILL_SIGNAL if now or is_deaf else STOP_SIGNAL)
    return asked and send_signal(supervisor, signal.SIGCONT)


class Supervised:
    """A run that a supervisor carries, wherever: whether it lives, is stopped, is looked at."""

    words = "in the background"
    can_be_typed_into = False

    def __init__(self, run: Run) -> None:
        self.run = run

    def is_alive(self) -> bool:
        """Tell whether the supervisor lives: it holds the run's folder as long as it does."""
        return is_folder_held(self.run.dir)

    def stop(self, *, now: bool = False) -> bool:
        """Ask the supervisor to stop its agent, or with `now` to kill it; False if there is none.

        It ends when it has recorded the end.
        """
        supervisor = self.find_supervisor()
        return supervisor is not None and ask_to_stop(supervisor, now=now)

    def keep_in_touch(self) -> None:
        """See to it that what the run does is heard of here, where it is elsewhere."""

    def give_up(self) -> None:
        """Take from a run what it needs to bring anything later; one of this machine has nothing.

        MissionError: what keeps that cannot be reached.
        """

    def find_supervisor(self) -> ProcessIdentity | None:
        """Return the living supervisor, as the record names it."""
        state = self.run.find_state()
        if state is None or not state.supervisor_pid:
            return None
        if state.agent is not None and is_elsewhere(state.agent):
            return None  # the number means another process here
        supervisor = identify(state.supervisor_pid)
        # Looked at after the identity was taken: who holds the folder then is that process.
        return supervisor if self.is_alive() else None

    def attach(self) -> tuple[str, ...]:
        """Return what a person types to see the run."""
        return ("mission", "logs", self.run.id, "-f")

    def screen(self) -> tuple[str, ...]:
        """Return what shows the run's own screen; empty where it has none, or it is in view."""
        return ()

    def paste(self, text: str) -> None:  # noqa: ARG002 - for those that have a screen
        """Type a text to the agent; FailedError where there is no screen in which it listens."""
        raise FailedError(f"run `{self.run.id}` has no pane")

    def close(self) -> bool:
        """Close the run's screen; tell whether there was one."""
        return False
