"""For authors of plugins: the contracts that Mosaic's own runtimes, sources and executors keep.

A plugin of pytest, in the package as `mosaic.testing`. A test file names what is to be tested:

    from mosaic.testing.executors import ExecutorContract
    from mosaic.testing.runtimes import HandOffContract, RuntimeContract
    from mosaic.testing.sources import Sample, SourceContract

    class TestExample(RuntimeContract, HandOffContract):
        runtime = "example"

The fixtures are a mission in a real git repository, and the scripted agent under any name.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mosaic.testing.missions import MissionRepo

pytest.register_assert_rewrite(
    *(f"mosaic.testing.{name}" for name in ("executors", "missions", "runtimes", "sources"))
)
STAND_IN = """\
import contextlib, io, json, os, pathlib, sys
sys.path.insert(0, {package!r})
from mosaic.demo_agent import Player
if "--version" in sys.argv:
    print("99.0.0")
    sys.exit()
sys.stdin.buffer.read()
capsule = pathlib.Path(os.environ["MISSION_RUN_DIR"], "capsule.json").read_text(encoding="utf-8")
with contextlib.redirect_stdout(io.StringIO()):
    Player(json.loads(capsule), resumed=False).play()
sys.stdout.write({output!r})
"""


@pytest.fixture(scope="session")
def mission_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MissionRepo]:
    """A repository with a mission and two tasks, and folders of nobody for what is kept beside it.

    Copied for each test; commands find nothing of the person who runs the tests.
    """
    from mosaic.testing.missions import make_mission

    place = tmp_path_factory.mktemp("mission")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(place / name))
        for name in ("MISSION_FILE", "MISSION_TASK", "MISSION_SESSION", "MISSION_RUN_DIR"):
            patch.delenv(name, raising=False)
        folder = place / "project"
        folder.mkdir()
        made = make_mission(folder, ("My first task", "My second task"))
        made.git("add", "--all")
        made.git("commit", "-qm", "Plan")
        yield made


@pytest.fixture
def mission_repo(mission_template: MissionRepo, tmp_path: Path) -> Iterator[MissionRepo]:
    """A git repository with a mission that has two tasks, `T-001` and `T-002`."""
    from mosaic.testing.missions import MissionRepo

    folder = tmp_path / "project"
    shutil.copytree(mission_template.path, folder, symlinks=True)
    made = MissionRepo(folder, {**mission_template.environ, "HOME": str(tmp_path)})
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def scripted_agent(mission_repo: MissionRepo, tmp_path: Path) -> Callable[[str, str], None]:
    """Return what puts the scripted agent on the PATH of the mission, as a program of any name.

    It plays the script of its task (`mission_repo.script`) and then prints an output, such as
    one that was recorded from the real agent.
    """
    from mosaic.testing.missions import PACKAGE_PARENT

    folder = tmp_path / "agents"

    def install(program: str, output: str) -> None:
        folder.mkdir(exist_ok=True)
        script = folder / f"{program}.py"
        script.write_text(STAND_IN.format(package=PACKAGE_PARENT, output=output), encoding="utf-8")
        start = shlex.join([sys.executable, "-P", str(script)])
        (folder / program).write_text(f'#!/bin/sh\nexec {start} "$@"\n', encoding="utf-8")
        (folder / program).chmod(0o755)
        mission_repo.environ["PATH"] = f"{folder}:{mission_repo.environ['PATH']}"

    return install
