"""By a fleet: a Dask scheduler is asked for a worker that carries the run, and a hub does the rest.

A run is one Dask task, which Dask does not repeat when it fails. Where it does, as a worker was
lost, the second one begins nothing: the claim in the hub has begun once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.executors.hub import HubExecutor
from mosaic.git.git import common_dir, run_git
from mosaic.plan.hosts import wanted_words
from mosaic.records import replace
from mosaic.remote.fleet import submit_run
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.model import JsonValue
    from mosaic.remote.sent import Sent
    from mosaic.settings import HostSpec
    from mosaic.workspaces.record import Workspace

HUB = "mosaic/hub.git"
"""The hub of a fleet that names none, below the git folder: reached by machines with this disk."""


class DaskExecutor(HubExecutor):
    """Has runs carried by the workers of one fleet."""

    name = "dask"

    def send_ahead(self, workspace: Workspace, session_id: str, run_id: str) -> None:
        """Push what the work needs, into a hub beside the git folder where none is named."""
        self._host = with_hub(self._host, workspace.home)
        super().send_ahead(workspace, session_id, run_id)

    def submit(self, sent: Sent, values: Mapping[str, JsonValue]) -> None:
        """Give the run to the fleet as one task.

        UnreachableError: its scheduler does not answer.
        """
        labels = asked_labels(self._mission_file, str(values["task"]), self._host)
        submit_run(self._host, str(values["run"]), sent.token, values, labels)


def asked_labels(mission_file: Path, task_id: str, host: HostSpec) -> list[str]:
    """Return what a task asks of its worker, as names of Dask resources."""
    entry = read_mission(mission_file).find(task_id)
    words = wanted_words(entry.task) if entry else ()
    return [word for word in words if word != host.name]


def with_hub(host: HostSpec, top: Path) -> HostSpec:
    """Return a fleet with its hub, which is made beside the git folder where it names none."""
    shared = common_dir(top)
    if host.remote or shared is None:
        return host
    hub = shared / HUB
    if not (hub / "HEAD").exists():
        hub.parent.mkdir(exist_ok=True)
        run_git(["init", "--quiet", "--bare", "--template=", str(hub)], top)
    return replace(host, remote=str(hub))
