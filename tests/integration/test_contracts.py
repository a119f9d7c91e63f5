"""The contracts that authors of plugins get, kept by what is built in; see `mosaic.testing`."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.executors import BUILT_IN
from mosaic.testing.executors import ExecutorContract
from mosaic.testing.missions import MissionRepo
from mosaic.testing.runtimes import HandOffContract

RECORDED = Path(__file__).resolve().parents[1] / "data" / "runtimes" / "codex.json"


class TestEveryExecutor(ExecutorContract):
    @pytest.fixture(params=BUILT_IN)
    def executor_name(self, request: pytest.FixtureRequest) -> str:
        name: str = request.param
        if name == "tmux":
            request.getfixturevalue("tmux_server")
        return name


@pytest.fixture
def tmux_server(mission_repo: MissionRepo) -> Iterator[None]:
    """A tmux server of the test's own."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    # Not below the test's own folder: a socket's path has room for some hundred characters.
    folder = tempfile.mkdtemp(prefix="tmux-")
    mission_repo.environ["MISSION_TMUX_SOCKET"] = f"{folder}/s"
    yield
    subprocess.run(["tmux", "-S", f"{folder}/s", "kill-server"], capture_output=True, check=False)
    shutil.rmtree(folder)


class TestCodex(HandOffContract):
    runtime = "codex"
    output = "\n".join(json.loads(RECORDED.read_text(encoding="utf-8"))["success"]["stdout"]) + "\n"
    answer = "all done"
