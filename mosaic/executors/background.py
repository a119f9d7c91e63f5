"""In the background: a supervisor of its own, in a session of its own.

The order goes in by stdin and is stored nowhere; one line of JSON comes back when the
agent runs: `{"agent": {…}, "supervisor_pid": 1, "place": {…}}` or `{"error": {…}}`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, ProgramNotFoundError
from mosaic.machine.environment import child_environment
from mosaic.model import Mode, ProcessIdentity
from mosaic.ports import Order, PromptChannel, Started
from mosaic.records import asdict

if TYPE_CHECKING:
    from typing import Any

PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
# `-P` keeps the working directory out of the import path: a repository may hold a
# folder called `mosaic` or a `json.py`. The agent inherits the environment, so the
# path to the package goes by argument and not by PYTHONPATH.
START = "import sys; sys.path.insert(0, sys.argv[1]); from mosaic.supervise import main; main()"


class BackgroundExecutor:
    """Starts a supervisor that outlives this process and its terminal."""

    def start(self, run_dir: Path, order: Order) -> Started:
        """Start the supervisor and wait until its agent runs.

        Raises:
            ProgramNotFoundError: the agent's program cannot be started.
            FailedError: the supervisor died before it could tell.
        """
        errors = run_dir / "supervisor.log"
        descriptor = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", START, PACKAGE_PARENT, str(run_dir)],
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
            pipe.write(dump_order(order))
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
    agent = {name: getattr(started.agent, name) for name in started.agent.__dataclass_fields__}
    answer = {
        "agent": agent,
        "supervisor_pid": started.supervisor_pid,
        "place": dict(started.place),
    }
    return json.dumps(answer).encode() + b"\n"


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
