"""The scripted agent that ships with Mosaic: needs no network, no login, no model.

It is a program of its own, `python -m mosaic.demo_agent`, and writes the JSON lines of
`mosaic.runtimes.command`. What it does for a task stands in the task's own file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.ports import Invocation, Probe, PromptChannel
from mosaic.records import replace
from mosaic.runtimes.command import CommandRuntime

if TYPE_CHECKING:
    from mosaic.model import Mode, RuntimeSpec
    from mosaic.ports import Launch, OutputReader

PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
# `-P`: a repository may hold a folder called `mosaic` or a `json.py`.
START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from mosaic.demo_agent import main; main()"
)


class Demo(CommandRuntime):
    """The scripted agent."""

    is_built_in = True

    def __init__(self, spec: RuntimeSpec) -> None:
        super().__init__(replace(spec, command=()))  # it is always this program

    def own_invocation(self, launch: Launch) -> Invocation:
        """Say how to start it."""
        resume = ("--resume", launch.conversation) if launch.conversation else ()
        start = (sys.executable, "-P", "-c", START, PACKAGE_PARENT)
        argv = (*start, "--capsule", str(launch.capsule_file), *resume, *self.spec.args)
        return Invocation(argv=argv, channel=PromptChannel.STDIN)

    def reader(self, mode: Mode) -> OutputReader:
        """Return a fresh reader for one run's stdout, which is captured in every mode."""
        del mode
        return self.headless_reader()

    def probe(self) -> Probe:
        """Return what is known of it without a look: it is always there."""
        from mosaic import __version__

        return Probe(program=self.name, path=sys.executable, version=__version__)
