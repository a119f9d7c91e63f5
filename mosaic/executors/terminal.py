"""In this terminal: the process that handed off carries the run itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.ports import Carrier, Order, Started


class TerminalExecutor:
    """Carries runs in this process: no second interpreter has to start."""

    def __init__(self, carrier: Callable[[Path, Order], Carrier]) -> None:
        self._make = carrier
        self._carrier: Carrier | None = None

    def start(self, run_dir: Path, order: Order) -> Started:
        """Start the agent."""
        self._carrier = self._make(run_dir, order)
        return self._carrier.start()

    def wait(self) -> bool:
        """Carry the run to its end."""
        if self._carrier is not None:
            self._carrier.complete()
        return True
