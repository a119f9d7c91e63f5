"""Listening for a run that a fleet was given: the hub tells of it, and the fleet is reminded.

A scheduler that was started anew knows nothing of what waited, and a machine that broke down has
the attempt, but nobody who carries it. So where nothing is heard the fleet is asked again; what has
begun never begins a second time by that.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, MissionError
from mosaic.executors.dask import asked_labels
from mosaic.executors.hub import carrier_values
from mosaic.reach.hub import HubListener
from mosaic.remote.fleet import adopt_run, is_known, submit_run, withdraw_run
from mosaic.remote.hub import PARCEL

if TYPE_CHECKING:
    from mosaic.remote.hub import HubRun
    from mosaic.runs.record import Run

REMIND_SECONDS = 20.0
"""How long nothing is heard of a run before the fleet is asked, and how often."""
WATCH_SECONDS = 5.0
"""How long a run that is given again is watched: what fails there fails at once."""


class FleetListener(HubListener):
    """Looks at a hub again and again, and reminds the fleet where nobody carries the run."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._reminded_at = time.monotonic()

    def _look(self, there: HubRun) -> bool:
        is_first = self._claim is None
        try:
            is_new = super()._look(there)
        except FailedError:  # its carrier is silent
            self._remind(there, is_first)
            raise
        self._remind(there, is_first)
        return is_new

    def _pass_wish(self, there: HubRun) -> None:
        super()._pass_wish(there)
        if self._sent.end:  # it never begins: what waits in the fleet would only find that out
            with contextlib.suppress(MissionError):
                withdraw_run(self._host(), self._run.id, self._sent.token)

    def _remind(self, there: HubRun, is_first: bool) -> None:
        """Ask the fleet to carry the run, or to carry it on, where that is due."""
        claim, now = self._claim, time.monotonic()
        if claim is None or self._sent.end:
            return
        since = max(self._renewed_at, self._reminded_at)
        # Who begins to listen does not know for how long nothing was heard.
        if now < since + REMIND_SECONDS and not (is_first and claim.carrier):
            return
        self._reminded_at = now
        parcel = there.look(claim)[0].get(PARCEL)
        if parcel is None:
            return
        host, run, sent = self._host(), self._run, self._sent
        values = carrier_values(run, sent, parcel, host)
        if claim.carrier:
            with contextlib.suppress(MissionError):  # that it is silent is what counts
                adopt_run(host, values)
            return
        if not is_known(host, run.id, sent.token):
            labels = asked_labels(Path(self._meta.mission_file), self._meta.task_id, host)
            submit_run(host, run.id, sent.token, values, labels, watch_seconds=WATCH_SECONDS)
        self._note_link(None)
