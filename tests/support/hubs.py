"""A hub, an executor that leaves its lines in a file, and machines that take them: carriers.

python -m tests.support.hubs MISSION_FILE HUB LINES
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.mission import Answer, MissionRepo, make_environ

ENV = ("PYTHON", "PYTHONPATH", "DOES", "NOFINISH")
CREW = "crew"
CARRY = "from mosaic.there.carry import main; main()"
ADOPT = (
    "import json, sys, pathlib; from mosaic.there.carry import adopt; "
    "print(adopt(pathlib.Path(sys.argv[1]), json.loads(sys.stdin.readline())))"
)


def hand_to_hub(repo: MissionRepo, hub: Path, environ: Mapping[str, str] | None = None) -> Answer:
    """Hand the next task to whichever machine takes the line that this leaves, as `line_of` has it.

    Its only machine-independent name is `crew`.
    """
    mission_file = repo.path / "coordination" / "mission.json"
    words = [str(mission_file), str(hub), str(repo.path.parent / "lines")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.hubs", *words],
        cwd=repo.path,
        env={**repo.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def lines_of(repo: MissionRepo) -> list[dict[str, Any]]:
    """Return all lines that were left, the last one last."""
    return [json.loads(line) for line in (repo.path.parent / "lines").read_text().splitlines()]


@dataclass
class Taker:
    """A machine that takes lines."""

    folder: Path

    @property
    def works(self) -> Path:
        """Where everything of ours is kept there."""
        return self.folder / "kept here"

    def take(self, line: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        """Start a carrier, as an engine does."""
        started: subprocess.Popen[bytes] = self._start(CARRY, line)
        return started

    def adopt(self, line: Mapping[str, Any]) -> bool:
        """Have what is kept there of a line carried on; tell whether there is anything."""
        process = self._start(ADOPT, line, stdout=subprocess.PIPE)
        said: bytes = process.communicate()[0]
        return said.strip() == b"True"

    def attempts(self) -> list[Path]:
        """Return what is kept of attempts there."""
        return sorted(self.works.glob("missions/*/runs/*"))

    def supervisor(self) -> int:
        """Return the process that carries the agent there."""
        (state,) = self.works.glob("missions/*/runs/*/home/coordination/.state/runs/*/*/state.json")
        return int(json.loads(state.read_text())["supervisor_pid"])

    def _start(self, code: str, line: Mapping[str, Any], stdout: Any = None) -> Any:
        self.folder.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(self.works)],
            stdin=subprocess.PIPE,
            stdout=stdout,
            env=make_environ(self.folder),
            cwd="/",
        )
        assert process.stdin is not None
        with process.stdin as pipe:
            pipe.write(json.dumps(dict(line)).encode() + b"\n")
        process.stdin = None
        return process


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process at once."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def main() -> None:
    """Hand the next task off; what a machine is to be given goes into a file as a line."""
    from mosaic.errors import MissionError
    from mosaic.executors.hub import HubExecutor
    from mosaic.remote.sent import Sent
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.sessions.session import hand_off
    from mosaic.settings import HostSpec

    mission_file, hub, lines = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])

    class Leaving(HubExecutor):
        """Leaves what it would give to a machine."""

        name = "leaving"

        def submit(self, sent: Sent, values: Mapping[str, Any]) -> None:
            assert sent.token == values["token"]
            with open(lines, "a") as file:
                print(json.dumps(dict(values)), file=file)

    asked = {"force": False, "model": None, "resuming": False, "fresh": False}
    executor = Leaving(mission_file, HostSpec(name=CREW, remote=hub, env=ENV), asked)
    try:
        with closing(executor):
            hand_off(mission_file, HandOffRequest(worktree=True), executor, executor.send_ahead)
    except MissionError as error:
        sys.exit(f"{error.summary}: {error.detail}")


if __name__ == "__main__":
    main()
