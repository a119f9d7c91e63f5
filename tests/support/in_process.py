"""The `mission` command called within this process, where a process of its own costs too much."""

from __future__ import annotations

from mosaic.testing.missions import Answer, call

__all__ = ["Answer", "call"]
