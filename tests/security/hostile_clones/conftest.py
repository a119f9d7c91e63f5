"""A lab for each test, copied from one in which a mission was really worked on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from tests.security.hostile_clones.lab import Lab, copy_lab, make_base


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The lab that all others are copies of, made once for all workers of a test run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    lab = Lab(folder / "hostile-clones")
    with FileLock(folder / "hostile-clones.lock"):
        if not (folder / "hostile-clones.made").exists():
            make_base(lab)
            (folder / "hostile-clones.made").touch()
    return lab


@pytest.fixture
def lab(base: Lab, tmp_path: Path) -> Lab:
    return copy_lab(base, tmp_path / "lab")
