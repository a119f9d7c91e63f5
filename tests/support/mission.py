"""A mission in a real git repository, and the real command: as authors of plugins have it."""

from __future__ import annotations

import os
from pathlib import Path

from mosaic.testing.missions import (
    PATIENCE_SECONDS,
    Answer,
    MissionRepo,
    hear_signals,
    is_running,
    make_environ,
    wait_for,
)

__all__ = [
    "PATIENCE_SECONDS",
    "ROOT",
    "Answer",
    "MissionRepo",
    "hear_signals",
    "is_running",
    "make_environ",
    "pids_with",
    "wait_for",
]

ROOT = Path(__file__).resolve().parents[2]


def pids_with(*words: str) -> list[int]:
    """Return the processes whose command line holds all of these words."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if all(word in line for word in words):
            found.append(int(pid))
    return found
