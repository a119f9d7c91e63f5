"""Programs started with little time and little memory: what cannot be bounded ends in them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from mosaic.errors import ExitCode
from tests.support.mission import Answer

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 30
MEMORY = 1 << 30
START = """\
import contextlib, resource, runpy, sys
seconds, memory, module = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
with contextlib.suppress(ValueError):  # macOS has no such limit
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
sys.argv[:] = [module, *sys.argv[4:]]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def run_module(module: str, *arguments: str, cwd: Path, seconds: int = SECONDS) -> Answer:
    """Run a module of Python with limits of processor time and memory."""
    done = subprocess.run(
        [sys.executable, "-c", START, str(seconds), str(MEMORY), module, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    return Answer(done.returncode, out, err)


def run_mission(folder: Path, *arguments: str) -> Answer:
    """Run `mission` within the limits; it must end as it says it does, whatever it met."""
    answer = run_module("mosaic", *arguments, cwd=folder)
    assert answer.exit_code in list(ExitCode), (answer.exit_code, answer.stderr[-2000:])
    assert "Traceback" not in answer.stderr, answer.stderr[-2000:]
    return answer
