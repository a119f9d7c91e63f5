"""Where a supervisor is started: in this terminal, in the background, in a tmux pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.ports import Executor

NAMES = ("process", "tmux")
"""The executors that outlive the command that starts them."""


def get_executor(name: str, mission_file: Path) -> Executor:
    """Return the executor of a name, for supervisors that outlive this process.

    Raises:
        UsageError: there is none.
    """
    if name == "process":
        from mosaic.executors.background import BackgroundExecutor

        return BackgroundExecutor()
    if name == "tmux":
        from mosaic.executors.tmux import TmuxExecutor
        from mosaic.store.layout import project_above

        return TmuxExecutor(project_above(mission_file))
    known = ", ".join(f"`{each}`" for each in NAMES)
    raise UsageError(f"`{name}` is no executor", hint=f"use one of {known}")
