"""Agents that leave the processor to others."""

from __future__ import annotations

from pathlib import Path
from shutil import which

from mosaic.executors.background import BackgroundExecutor


class Nice(BackgroundExecutor):
    """Starts supervisors in the background, by `nice`."""

    name = "nice"

    @staticmethod
    def find_problem() -> str | None:
        """Return why it cannot be used here."""
        return None if which("nice") else "`nice` is not on the PATH"

    def command(self, run_dir: Path) -> list[str]:
        """Return what starts the supervisor of a run."""
        return ["nice", "-n", "10", *super().command(run_dir)]
