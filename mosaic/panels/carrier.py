"""Who carries the run of a panel's worker: settles its worktree, then looks at its mailbox."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.panels.mailbox import deliver
from mosaic.panels.record import Panel
from mosaic.panels.refresh import refresh_panel
from mosaic.panels.settle import settle_tree
from mosaic.sessions.carry import RunCarrier
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from collections.abc import Callable

    from mosaic.ports import Order
    from mosaic.sessions.output import Progress
    from mosaic.sessions.record_end import EndedWork


class WorkerCarrier(RunCarrier):
    """Carries a worker's run, and has the panel take note of its end."""

    def complete(self) -> None:
        """Stay to the end and record it; then begin a turn with messages that came meanwhile."""
        super().complete()
        # Whatever fails here, the next command that looks at the panel does it.
        with contextlib.suppress(MissionError):
            document = load_mission(Path(self.meta.mission_file))
            panel = Panel(dir=self.run.dir.parent)
            refresh_panel(panel, document.mission)
            deliver(document, panel, self.meta.step_id)


def worker_carrier(
    run_dir: Path, order: Order, *, watch: Callable[[Progress], None] | None = None
) -> WorkerCarrier:
    """Return who carries the run of a panel's worker."""
    return WorkerCarrier(run_dir, order, watch=watch, examine=_settle)


def _settle(work: EndedWork) -> tuple[str, ...]:
    settle_tree(work.run)
    return ()
