"""By a git remote alone: what is needed is pushed there, and some machine is asked to carry it.

Nothing here has to reach the machine that does, and it need not be known which one that will be. A
subclass asks: what it gives away is one line of JSON, for `mosaic.there.carry` there.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.executors.away import AwayExecutor
from mosaic.git.claims import held_by
from mosaic.git.remote_refs import address_of
from mosaic.records import replace
from mosaic.remote.hub import ORDER_NAME, HubRun, forget_refs, write_values
from mosaic.remote.send import (
    commits_to_send,
    earlier_tokens,
    files_to_send,
    variables_to_send,
)
from mosaic.remote.sent import write_sent
from mosaic.runs.record import Run
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.model import JsonValue
    from mosaic.ports import Order, Started
    from mosaic.remote.sent import Sent
    from mosaic.runs.record import RunMeta
    from mosaic.settings import HostSpec
    from mosaic.workspaces.record import Workspace


class HubExecutor(AwayExecutor, ABC):
    """Has runs carried by whichever machine takes them. The host's `remote` says which hub."""

    _is_only_sent = False
    """Whether the hub has what nobody was asked to carry yet."""

    @abstractmethod
    def submit(self, sent: Sent, values: Mapping[str, JsonValue]) -> None:
        """Ask some machine to start a carrier with these values, once, and return at once.

        They are `mosaic.there.carry`'s: what they hold under `env` is given to nobody else.
        MissionError: nobody could be asked, and nobody will begin.
        """

    def send_ahead(self, workspace: Workspace, session_id: str, run_id: str) -> None:
        """Push what the work needs; nobody begins, as nobody has the claim."""
        layout, top = load_mission(self._mission_file).layout, workspace.home
        hub = address_of(top, self._host.remote)
        commits = commits_to_send(workspace)
        self._sent = replace(
            self._sent,
            hub=hub,
            project=self._project,
            work=commits["work"],
            tree=commits.get("tree"),
        )
        self._run = HubRun(top, hub, run_id, workspace.owner, self._project)
        found = self._run.find_claim()
        over = self._over(workspace.owner)
        if found is not None and over is not None and found.token not in over:
            raise held_by(found)
        self._values = self._order(workspace, session_id, run_id, commits)
        self._files = [*files_to_send(layout, workspace)]
        self._is_only_sent = True
        self._run.send({**commits, "parcel": self._parcel({})})

    def close(self) -> None:
        """Remove what was pushed, where it did not come to a begin."""
        if self._is_only_sent:
            with contextlib.suppress(MissionError):  # why it did not says more
                forget_refs(self._run.top, self._run.hub, self._run.run_id)

    def start(self, run_dir: Path, order: Order) -> Started:  # noqa: ARG002 - made anew there
        """Take the claim, ask for somebody to carry it, and have somebody here listen.

        HeldError: another attempt has the task; nothing is left behind.
        """
        run = Run(dir=run_dir)
        meta = run.meta()
        parcel = self._parcel(
            {
                **self._asked,
                "runtime": meta.runtime,
                "timeout_seconds": meta.timeout_seconds,
            }
        )
        sent = write_sent(run, self._sent, went=True)
        try:
            self._claim(meta, parcel)
            self.submit(sent, carrier_values(run, sent, parcel, self._host))
        except MissionError:
            write_sent(run, sent, went=False)
            with contextlib.suppress(MissionError):
                self._run.remove(sent.token)
            raise
        self._is_only_sent = False
        run.worker_log.unlink(missing_ok=True)  # that of there takes its place
        return self._record_start(run)

    def _claim(self, meta: RunMeta, parcel: str) -> None:
        self._run.claim(self._sent.token, self._by(meta), self._over(meta.task_id), parcel)

    def _over(self, task_id: str) -> list[str] | None:
        """Return the tokens of attempts that this one may follow; None: any."""
        if self._asked.get("force"):
            return None
        return earlier_tokens(load_mission(self._mission_file).layout, task_id)

    def _parcel(self, late: Mapping[str, JsonValue]) -> str:
        order = {**self._values, **late}
        return write_values(self._run.top, ORDER_NAME, order, self._files)


def carrier_values(run: Run, sent: Sent, parcel: str, host: HostSpec) -> dict[str, JsonValue]:
    """Return what a machine needs to carry a run, the variables that may go there included."""
    return {
        "hub": sent.hub,
        "parcel": parcel,
        "mission": sent.mission,
        "project": sent.project,
        "task": run.meta().task_id,
        "run": run.id,
        "token": sent.token,
        "env": dict(variables_to_send(host)),
    }
