"""Launches of agents, for tests of runtimes."""

from __future__ import annotations

from mosaic.testing.runtimes import make_launch

__all__ = ["make_launch"]
