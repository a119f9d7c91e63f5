"""A mission in a real git repository, and the real command: as authors of plugins have it."""

from __future__ import annotations

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
    "wait_for",
]

ROOT = Path(__file__).resolve().parents[2]
