"""Launches of agents, for tests of runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mosaic.model import Mode
from mosaic.ports import Launch


def make_launch(**changes: Any) -> Launch:
    """Return a launch without a terminal; `changes` replace its values."""
    given: dict[str, Any] = {
        "mode": Mode.HEADLESS,
        "cwd": Path("/w"),
        "run_dir": Path("/r"),
        "prompt": "# Task\n",
        "prompt_file": Path("/r/prompt.md"),
        "capsule_file": Path("/c.json"),
        "task_id": "T-1",
        "task_file": None,
        **changes,
    }
    return Launch(**given)
