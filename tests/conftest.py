"""What all tests share: a scrubbed environment, and property tests that repeat in CI."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import settings

collect_ignore = ["data"]  # an example of a plugin there has tests of its own
# In CI a failure must be the change's own and not the dice's; elsewhere the dice go on looking.
# Nowhere is it the clock's: what may take how much work is held in tests/fuzz, by counting.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("patient", deadline=None)
is_ci = any(os.environ.get(name) for name in ("CI", "MISSION_TEST_REPEATABLE"))
settings.load_profile("ci" if is_ci else "patient")

TESTS = Path(__file__).parent
UNIT = TESTS / "unit"
OWN_FOLDERS = ("XDG_STATE_HOME", "XDG_CONFIG_HOME")
OF_A_PERSON = ("NO_COLOR", "FORCE_COLOR", "PAGER", "VISUAL", "EDITOR")
MARKS = ("MISSION_", "CLAUDE", "CODEX", "ANTHROPIC_", "OPENAI_")


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Answer `-n auto` with one more than there are cores: a test waits as much as it works."""
    return (yield) + 1


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out of `-m fast` what holds no fast test: importing it takes half of the time."""
    if config.option.markexpr != "fast":
        return None
    return TESTS in collection_path.parents and not (
        collection_path == UNIT or UNIT in collection_path.parents
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make `pytest -m fast` the loop of somebody who changes the code."""
    for item in items:
        if item.path.is_relative_to(UNIT) and item.get_closest_marker("slow") is None:
            item.add_marker("fast")


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what an agent, a mission or a person around the tests would tell them."""
    for name in list(os.environ):
        is_mark = name.startswith(MARKS) and not name.startswith("MISSION_TEST_")
        if is_mark or name in OF_A_PERSON:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def documents_fit_their_schemas() -> Iterator[None]:
    """Hold every document that a test reads against the schema of its kind."""
    from mosaic.testing.missions import Answer
    from tests.support.documents import check_document

    read = Answer.json

    def read_checked(answer: Answer) -> Any:
        document = read(answer)
        check_document(document)
        return document

    with mock.patch.object(Answer, "json", read_checked):
        yield


@pytest.fixture(autouse=True, scope="session")
def warm_commands(own_folders: None) -> Iterator[None]:
    """Fork commands from a process that has everything imported, unless that is not wanted."""
    from mosaic.testing.missions import MissionRepo
    from tests.support.warm import warm_commands as forking

    if os.environ.get("MISSION_TEST_COLD"):
        yield
        return
    with forking() as run, mock.patch.object(MissionRepo, "run", run):
        yield


@pytest.fixture(autouse=True, scope="session")
def own_folders() -> Iterator[None]:
    """Keep what the tests allow and mark away from the person who runs them, and their settings."""
    before = {name: os.environ.get(name) for name in OWN_FOLDERS}
    folder = Path(tempfile.mkdtemp(prefix="mission-tests-"))
    os.environ |= {name: str(folder / name) for name in OWN_FOLDERS}
    yield
    shutil.rmtree(folder, ignore_errors=True)
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
