"""The `mission` command called within this process, where a process of its own costs too much."""

from __future__ import annotations

import os
import sys
from unittest import mock

from mosaic.testing.missions import Answer, MissionRepo, call

__all__ = ["Answer", "QuickRepo", "call"]

QUICK = frozenset(
    (
        "add", "answer", "block", "cancel", "check", "done", "handoff", "list", "milestone", "mv",
        "reopen", "review", "rm", "sessions", "set", "show", "split", "status", "sync",
    )
)  # fmt: skip
"""Commands that start nothing but git, and leave nothing behind in the process."""


class QuickRepo(MissionRepo):
    """A mission whose plain commands are called within this process: a tenth of the work.

    For tests of what a command does to files and says of them. Those of what a command is told by
    its surroundings need a process; so do hand-offs, which have one here too.
    """

    def run(self, *arguments: str, **environ: str) -> Answer:
        """Run a command to its end, with more variables of the environment."""
        if environ or arguments[0] not in QUICK:
            return super().run(*arguments, **environ)
        told = mock.patch.dict(os.environ, self.environ, clear=True)
        with open(os.devnull) as nothing, told, mock.patch.object(sys, "stdin", nothing):
            return call(self.path, *arguments)
