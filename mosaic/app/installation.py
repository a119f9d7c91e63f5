"""How this copy of Mosaic was installed, and which of its extras are there."""

from __future__ import annotations

import json
import os
import site
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mosaic
from mosaic.records import NamedTuple

DISTRIBUTION = "mosaic-mission"
ALL = "all"
"""The extra that brings all the others."""


class Extra(NamedTuple):
    """What one extra brings."""

    packages: tuple[str, ...]
    purpose: str


EXTRAS = {
    "board": Extra(("textual",), "`mission board`, the board in the terminal"),
    "web": Extra(("starlette", "uvicorn"), "`mission web`, the board in the browser"),
    "mcp": Extra(("mcp", "jsonschema"), "`mission mcp`, for agents by the Model Context Protocol"),
    "fleet": Extra(("distributed",), "fleets, agents on many machines through Dask"),
}
"""Those that a person may want, as pyproject.toml has them."""


class Installation(NamedTuple):
    """How it was installed."""

    words: str
    install: str
    """What installs it again."""
    what: str = DISTRIBUTION
    """What that is given, the name of an extra left out."""

    def with_extra(self, name: str) -> str:
        """Return the command that installs it again with an extra."""
        return f"{self.install} '{self.what}[{name}]'"


def find_installation() -> Installation:
    """Return how this copy was installed, as files beside it tell."""
    home = Path(mosaic.__file__).resolve().parents[1]
    try:
        found = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return _from_source(home)
    if os.path.realpath(str(found.locate_file("mosaic"))) == str(home / "mosaic"):
        return _from_package(home, (found.read_text("INSTALLER") or "").strip())
    if _editable_source(found) == home:
        return Installation(f"editable, from `{home}`, {_place()}", f"{_install()} -e", str(home))
    return _from_source(home)  # another copy is installed


def missing_extras() -> tuple[str, ...]:
    """Return the names of the extras of which a package is not installed."""
    return tuple(name for name, each in EXTRAS.items() if not all(map(_is_there, each.packages)))


def _from_source(home: Path) -> Installation:
    words = f"no: it runs from its source in `{home}`"
    return Installation(words, f"{_install()} -e", str(home))


def _from_package(home: Path, installer: str) -> Installation:
    prefix = Path(sys.prefix)
    if (prefix / "pipx_metadata.json").is_file():
        return Installation(f"by pipx, in `{prefix}`", "pipx install --force")
    if (prefix / "uv-receipt.toml").is_file():
        return Installation(f"by `uv tool`, in `{prefix}`", "uv tool install")
    installer = installer or "an unknown installer"
    if str(home) == os.path.realpath(site.getusersitepackages()):
        words = f"by {installer}, for this user alone, in `{home}`"
    else:
        words = f"by {installer}, {_place()}"
    return Installation(words, _install())


def _place() -> str:
    if sys.prefix != sys.base_prefix:
        return f"in the virtual environment `{sys.prefix}`"
    if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
        return f"in the conda environment `{sys.prefix}`"
    return f"in the Python of the system, `{sys.prefix}`"


def _install() -> str:
    """Return what installs a package here; a virtual environment made by uv has no pip."""
    if find_spec("pip") is not None:
        return f"{sys.executable} -m pip install"
    return f"uv pip install --python {sys.executable}"


def _editable_source(found: metadata.Distribution) -> Path | None:
    """Return the folder that an editable installation runs from."""
    try:
        url = json.loads(found.read_text("direct_url.json") or "{}")
        if not url.get("dir_info", {}).get("editable"):
            return None
        return Path(unquote(urlsplit(url["url"]).path)).resolve()
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def _is_there(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
