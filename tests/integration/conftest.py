"""The fixtures of the integration tests."""

from tests.support.planned import planned, repo

__all__ = ["planned", "repo"]
