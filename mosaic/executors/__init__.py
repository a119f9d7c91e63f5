"""Where a supervisor is started: in this terminal, in the background, in a tmux pane.

`get_executor` starts one; `executor_of` reaches it afterwards. No other room knows an
executor by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.executors.background import Supervised
    from mosaic.ports import Executor
    from mosaic.runs.record import Run

NAMES = ("process", "tmux")
"""The executors that outlive the command that starts them."""
INTERACTIVE = ("tmux",)
"""Those of them in which an agent can be talked to."""
HOST_FILE = "host.json"
"""In the record of a run that was sent to another machine; see `mosaic.remote.sent`."""
PROGRAMS = {"tmux": ("-V", "install tmux; only workers in panes need it")}
"""What they need beside us: how each tells its version, and what to do without it."""


def get_executor(name: str, mission_file: Path) -> Executor:
    """Return the executor of a name, for supervisors that outlive this process."""
    if name == "process":
        from mosaic.executors.background import BackgroundExecutor

        return BackgroundExecutor()
    if name == "tmux":
        from mosaic.executors.tmux import TmuxExecutor
        from mosaic.store.layout import project_above

        return TmuxExecutor(project_above(mission_file))
    known = " or ".join(f"`{each}`" for each in NAMES)
    raise UsageError(f"`{name}` is not an executor", hint=f"use {known}")


def executor_of(run: Run) -> Supervised:
    """Return the way to a run's supervisor, from where the record says it was started."""
    if (run.dir / HOST_FILE).exists():
        from mosaic.executors.ssh import OnHost

        return OnHost(run)
    if run.find_place().get("executor") == "tmux":
        from mosaic.executors.tmux import InPane

        return InPane(run)
    from mosaic.executors.background import Supervised

    return Supervised(run)


def keep_in_touch(run: Run) -> None:
    """Have somebody listen to the other machine that a run is on, where nobody does."""
    from mosaic.executors.ssh import listen

    listen(run)


def find_problem(name: str) -> str | None:
    """Return why an executor cannot be used here; None when it can."""
    if name != "tmux":
        return None
    from mosaic.machine.tmux import Tmux

    return Tmux().problem()


def list_panes(runs_dir: Path) -> list[str]:
    """Return in words the panes that are open for runs in a folder."""
    from mosaic.machine.tmux import Tmux

    return [
        f"{name.partition(' ')[2]} of {state.mark.rpartition('/')[2]}"
        f"{' (ended)' if state.is_dead else ''}"
        for name, state in Tmux().panes().items()
        if state.mark.startswith(f"{runs_dir}/")
    ]
