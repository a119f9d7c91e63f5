"""Packages that add to Mosaic, installed into a folder as an installer leaves them."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example_plugin"
Groups = Mapping[str, Mapping[str, str]]


def install(project: Path, site: Path) -> None:
    """Install a project with its modules and the metadata of its pyproject.toml."""
    described = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for path in project.iterdir():
        if (path / "__init__.py").is_file():
            shutil.copytree(path, site / path.name, dirs_exist_ok=True)
    write_metadata(site, described["name"], described["entry-points"], described["version"])


def write_metadata(site: Path, name: str, groups: Groups, version: str = "1.0") -> None:
    """Write what says that a package of a name and with some entry points is installed."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()), "")
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines))
