"""Where a supervisor is started: in this terminal, in the background, in a tmux pane.

`get_executor` starts one; `executor_of` reaches it afterwards. No other room knows an
executor by its name. A new one is a file here and a line in `BUILT_IN`, or a plugin.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from mosaic.errors import PluginError, UsageError
from mosaic.plugins import Plugins, skip
from mosaic.store.layout import HOST_FILE, project_above

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.executors.background import Supervised
    from mosaic.executors.dask import DaskExecutor
    from mosaic.executors.ssh import SshExecutor
    from mosaic.ports import Executor
    from mosaic.runs.record import Run
    from mosaic.settings import HostSpec

# Module and class by name: start-up, only the executor that is used is imported.
BUILT_IN = {
    "process": ("mosaic.executors.background", "BackgroundExecutor"),
    "tmux": ("mosaic.executors.tmux", "TmuxExecutor"),
}
"""The executors that outlive the command that starts them."""
PLUGINS = Plugins(
    "executor", BUILT_IN, needs=("is_interactive", "find_problem", "reach", "start", "wait")
)
"""Those of other packages: a class that is an `ExecutorKind`."""
PROGRAMS = {"tmux": ("-V", "install tmux; only workers in panes need it")}
"""What they need beside us: how each tells its version, and what to do without it."""


class ExecutorKind(Protocol):
    """An executor that outlives the command that starts it, as its class or a plugin has it."""

    @property
    def is_interactive(self) -> bool:
        """Whether an agent in it can be talked to."""

    def __call__(self, project: Path) -> Executor:
        """Return an executor for the supervisors of a project."""

    def find_problem(self) -> str | None:
        """Return why it cannot be used here, in words; None when it can."""

    def reach(self, run: Run) -> Supervised:
        """Return the way to a run that it started: whether it lives, how to stop or see it."""


def get_executor(name: str, mission_file: Path) -> Executor:
    """Return the executor of a name, for supervisors that outlive this process.

    Raises:
        UsageError: there is none.
        PluginError: a plugin has this name and cannot be used.
    """
    return _kind_of(name)(project_above(mission_file))


def executor_of(run: Run) -> Supervised:
    """Return the way to a run's supervisor, from where the record says it was started.

    Without the plugin that started it, its kernel lock and its process still tell whether it
    lives, and stop it.
    """
    if (run.dir / HOST_FILE).exists():
        from mosaic.executors.away import OnHost  # start-up: few runs are elsewhere

        return OnHost(run)
    name = str(run.find_place().get("executor") or "process")
    try:
        return _kind_of(name).reach(run)
    except PluginError as error:
        skip(error)
    except UsageError:
        pass
    return _kind_of("process").reach(run)


def get_away_kind(host: HostSpec) -> type[DaskExecutor | SshExecutor]:
    """Return the executor by which a task is handed to another machine, or to a fleet."""
    if host.scheduler:
        from mosaic.executors.dask import DaskExecutor  # start-up: only the one that is used

        return DaskExecutor
    from mosaic.executors.ssh import SshExecutor

    return SshExecutor


def known_executors(*, asked: object = None) -> list[str]:
    """Return the names of all; where one of ours is `asked` for, without those of plugins."""
    return [*BUILT_IN] if asked in [*BUILT_IN] else [*BUILT_IN, *PLUGINS.names()]


def is_interactive(name: str) -> bool:
    """Tell whether an agent in an executor can be talked to."""
    return _kind_of(name).is_interactive


def keep_in_touch(run: Run) -> None:
    """Have somebody listen to the other machine that a run is on, where nobody does."""
    from mosaic.executors.away import listen

    listen(run)


def find_problem(name: str) -> str | None:
    """Return why an executor cannot be used here; None when it can."""
    return _kind_of(name).find_problem()


def _kind_of(name: str) -> ExecutorKind:
    if name in BUILT_IN:
        module, kind = BUILT_IN[name]
        return cast("ExecutorKind", getattr(import_module(module), kind))
    found = PLUGINS.find(name)
    if found is None:
        known = " or ".join(f"`{each}`" for each in known_executors())
        raise UsageError(f"`{name}` is not an executor", hint=f"use {known}")
    return cast("ExecutorKind", found)


def list_panes(runs_dir: Path) -> list[str]:
    """Return in words the panes that are open for runs in a folder."""
    from mosaic.machine.tmux import Tmux

    return [
        f"{name.partition(' ')[2]} of {state.mark.rpartition('/')[2]}"
        f"{' (ended)' if state.is_dead else ''}"
        for name, state in Tmux().panes().items()
        if state.mark.startswith(f"{runs_dir}/")
    ]
