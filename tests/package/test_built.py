"""The wheel and the sdist: the same bytes wherever they are built, and what is in them."""

from __future__ import annotations

import re
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from mosaic import __version__
from mosaic.app.installation import ALL, EXTRAS
from tests.package.building import OWNERS_ALONE, PLACES, build, copy_source, unpack
from tests.support.mission import ROOT

pytest.importorskip("hatchling", reason="hatchling builds the package")
FOR_WORK_ON_IT = {"test", "dev"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("built")
    return build(copy_source(folder / "source"), folder / "dist", "wheel", "sdist")


def test_the_same_source_gives_the_same_bytes(built: list[Path], tmp_path: Path) -> None:
    other = copy_source(tmp_path / "elsewhere", umask=OWNERS_ALONE, second=2_000_000_000)
    again = build(other, tmp_path / "dist", "wheel", "sdist")
    assert [path.name for path in again] == [path.name for path in built]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in built]
    sdist, wheel = built if built[0].suffix == ".gz" else built[::-1]
    (from_sdist,) = build(unpack(sdist, tmp_path / "unpacked"), tmp_path / "from-sdist", "wheel")
    assert from_sdist.read_bytes() == wheel.read_bytes()


def test_the_wheel_holds_what_it_should_and_nothing_else(built: list[Path]) -> None:
    (path,) = (each for each in built if each.suffix == ".whl")
    with zipfile.ZipFile(path) as wheel:
        held = {name: wheel.read(name) for name in wheel.namelist()}
    assert {name.partition("/")[0] for name in held} == {
        "mosaic",
        f"mosaic_mission-{__version__}.dist-info",
        f"mosaic_mission-{__version__}.data",
    }
    code = {f"mosaic/{each.relative_to(ROOT / 'mosaic')}" for each in files(ROOT / "mosaic")}
    other = {
        f"mosaic/{name}/{each.relative_to(folder)}"
        for name, folder in (("templates", ROOT / "templates"), ("schemas", ROOT / "docs/schemas"))
        for each in files(folder)
    }
    assert {name for name in held if name.startswith("mosaic/")} == code | other
    assert "mosaic/py.typed" in held
    data = f"mosaic_mission-{__version__}.data/data/"
    for place, source in PLACES.items():
        assert held[data + place] == source.read_bytes(), place

    info = f"mosaic_mission-{__version__}.dist-info/"
    told = message_from_bytes(held[f"{info}METADATA"])
    assert told["License-Expression"] == "MIT"
    assert told.get_payload(decode=True) == (ROOT / "README.md").read_bytes()
    assert set(told.get_all("Provides-Extra", [])) == {*EXTRAS, ALL, *FOR_WORK_ON_IT}
    scripts = held[f"{info}entry_points.txt"].decode()
    for name in ("mission", "mosaic-mission"):
        assert f"\n{name} = mosaic.cli:main\n" in scripts


def files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]


def test_every_extra_is_known_to_doctor_and_among_all_of_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert set(extras) == {*EXTRAS, ALL, *FOR_WORK_ON_IT}
    for name, known in EXTRAS.items():
        assert [re.split(r"[<>=!~;\[ ]", each)[0] for each in extras[name]] == [*known.packages]
    assert extras[ALL] == [f"mosaic-mission[{','.join(EXTRAS)}]"]
