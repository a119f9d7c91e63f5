"""The fixtures of the integration tests."""

import pytest

from mosaic.testing import scripted_agent
from mosaic.testing.missions import MissionRepo
from tests.support.browsing import board_scene
from tests.support.planned import planned, repo

__all__ = ["board_scene", "planned", "repo", "scripted_agent"]


@pytest.fixture
def mission_repo(repo: MissionRepo) -> MissionRepo:
    """The mission that the contracts are held in: here one that is made once and copied."""
    return repo
