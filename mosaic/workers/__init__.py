"""Missions that run on their own: one task after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.sessions.output import LiveSession
    from mosaic.workers.ledger import Ended
    from mosaic.workers.pool import Worker


class Face:
    """Hears what a loop or a pool does, and is asked whether to stop; this one is silent."""

    def say(self, text: str) -> None:
        """Print one line."""

    def worker_ended(self, worker: Worker, end: Ended) -> None:
        """Hear how a worker of a pool ended."""

    def show(self, live: Sequence[LiveSession], starting: Sequence[str]) -> None:
        """Show the workers of a pool, and the tasks whose worktree is being made."""

    def stops_wanted(self) -> int:
        """Return how often the person asked to stop: start no more; stop them; kill them."""
        return 0
