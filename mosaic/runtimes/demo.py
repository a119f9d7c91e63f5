"""The scripted agent that ships with Mosaic: needs no network, no login, no model.

It is a program of its own, `python -m mosaic.demo_agent`, and speaks the JSON lines of
`mosaic.runtimes.command`. What it does for a task stands in the task's own file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.ports import Invocation, Launch, OutputReader, Probe, PromptChannel
from mosaic.runtimes.command import LineReader
from mosaic.runtimes.common import PARENT_MARKS

if TYPE_CHECKING:
    from mosaic.model import Mode, RuntimeSpec

PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
# `-P`: a repository may hold a folder called `mosaic` or a `json.py`.
START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from mosaic.demo_agent import main; main()"
)


class Demo:
    """The scripted agent."""

    name = "demo"

    def __init__(self, spec: RuntimeSpec) -> None:
        self._spec = spec

    def invocation(self, launch: Launch) -> Invocation:
        """Say how to start it."""
        resume = ("--resume", launch.conversation) if launch.conversation else ()
        return Invocation(
            argv=(
                sys.executable,
                "-P",
                "-c",
                START,
                PACKAGE_PARENT,
                "--capsule",
                str(launch.capsule_file),
                *resume,
                *self._spec.args,
            ),
            channel=PromptChannel.STDIN,
            env=self._spec.env,
            unset=PARENT_MARKS,
            conversation=launch.conversation,
        )

    def can_continue(self, conversation: str) -> bool:
        """Tell that any conversation can be continued: it keeps none."""
        return bool(conversation)

    def reader(self, mode: Mode) -> OutputReader:
        """Return a fresh reader for one run's stdout."""
        del mode
        return LineReader("demo")

    def probe(self) -> Probe:
        """Tell that it is always there."""
        from mosaic import __version__

        return Probe(program="demo", path=sys.executable, version=__version__)
