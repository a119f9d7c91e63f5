"""The fixtures of the integration tests."""

from tests.support.browsing import board_scene
from tests.support.planned import planned, repo

__all__ = ["board_scene", "planned", "repo"]
