"""What the tests of git's room share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.git import ENVIRONMENT


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let git know nothing of who runs the tests."""
    for name, value in ENVIRONMENT.items():
        if name.startswith("GIT_"):
            monkeypatch.setenv(name, value)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder for temporary indexes."""
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"
