"""Who carries a session's run, and examines its work at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.sessions.carry import RunCarrier
from mosaic.sessions.examine import examine_work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.ports import Order
    from mosaic.sessions.output import Progress


def session_carrier(
    run_dir: Path,
    order: Order,
    *,
    watch: Callable[[Progress], None] | None = None,
    heeds_interrupt: Callable[[], bool] = lambda: True,
) -> RunCarrier:
    """Return who carries an agent's run and examines its work."""
    return RunCarrier(
        run_dir, order, watch=watch, examine=examine_work, heeds_interrupt=heeds_interrupt
    )
