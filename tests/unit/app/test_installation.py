"""Files beside the package tell how it was installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mosaic.app.installation import find_installation
from tests.support.mission import ROOT

WANTED = "'mosaic-mission[web]'"
EDITABLE = '"dir_info": {"editable": true}}'


def lay(site: Path, *, is_linked: bool, **files: str) -> None:
    """Lay down what an installer leaves beside a package."""
    notes = site / "mosaic_mission-0.1.0.dist-info"
    notes.mkdir(parents=True)
    for name, text in {"METADATA": "Name: mosaic-mission\nVersion: 0.1.0\n", **files}.items():
        (notes / name.replace("direct_url", "direct_url.json")).write_text(text)
    if is_linked:
        (site / "mosaic").symlink_to(ROOT / "mosaic")


@pytest.mark.parametrize(
    ("marker", "words", "command"),
    [
        ("", "by pip, in the virtual environment `{prefix}`", f"-m pip install {WANTED}"),
        ("pipx_metadata.json", "by pipx, in `{prefix}`", f"pipx install --force {WANTED}"),
        ("uv-receipt.toml", "by `uv tool`, in `{prefix}`", f"uv tool install {WANTED}"),
    ],
)
def test_a_wheel_is_known_by_what_stands_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str, words: str, command: str
) -> None:
    lay(tmp_path / "site", is_linked=True, INSTALLER="pip\n")
    if marker:
        (tmp_path / marker).write_text("")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    found = find_installation()
    assert found.words == words.format(prefix=tmp_path)
    assert found.with_extra("web").endswith(command)


def test_the_python_of_the_system_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path / "site", is_linked=True, INSTALLER="debian")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert find_installation().words == f"by debian, in the Python of the system, `{sys.prefix}`"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f'{{"url": "file://{ROOT}", {EDITABLE}', f"editable, from `{ROOT}`"),
        (f'{{"url": "file:///elsewhere", {EDITABLE}', "no: it runs from its source"),
        (f'{{"url": "file://{ROOT}"}}', "no: "),
        ("[", "no: "),
        ("[]", "no: "),
        ('{"dir_info": {"editable": 1}}', "no: "),
    ],
)  # fmt: skip
def test_a_source_tree_is_editable_where_it_is_the_one_that_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    lay(tmp_path, is_linked=False, direct_url=url)
    monkeypatch.syspath_prepend(tmp_path)
    found = find_installation()
    assert found.words.startswith(words)
    assert found.with_extra("web").endswith(f" install -e '{ROOT}[web]'")
