"""The mission in a repository that the integration tests have, for these tests too."""

from tests.support.planned import planned, repo

__all__ = ["planned", "repo"]
