"""The direction of the arrows: imports go downwards, never in a ring, and a file is one concept."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mosaic"
FLOORS = (
    ("model", "settings", "ports", "errors", "records", "codec", "plugins"),
    ("machine",),
    ("git",),
    ("text",),
    ("plan",),
    ("prompts",),
    ("store", "runs", "runtimes", "executors", "workspaces", "sources", "remote"),
    ("sessions",),
    ("review", "workers", "panels"),
    ("app",),
    (
        "cli",
        "report",
        "board",
        "web",
        "mcp",
        "supervise",
        "reach",
        "there",
        "demo",
        "demo_agent",
        "testing",
        "__main__",
    ),
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
PURE_ROOMS = ("text", "plan", "prompts")
OUTSIDE = (
    "os",
    "subprocess",
    "socket",
    "pathlib",
    "time",
    "shutil",
    "tempfile",
    "mosaic.machine",
    "mosaic.git",
)
LONGEST_MODULE = 400


def find_modules(package: Path) -> dict[str, Path]:
    """Return every module below a package by its dotted name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = find_modules(PACKAGE)


@cache
def find_imports(source: str, *, with_types: bool) -> frozenset[tuple[str, str]]:
    """Return what a source imports anywhere, inside functions too: a module and a name of it.

    Args:
        source: a module's text.
        with_types: whether imports that only a type checker sees count.
    """
    tree = ast.parse(source)
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
        if not with_types
    }
    found: set[tuple[str, str]] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.update((node.module, alias.name) for alias in node.names)
    return frozenset(found)


def find_ring(sources: Mapping[str, str]) -> list[str]:
    """Return the modules of one import cycle; an empty list where there is none."""
    graph = {}
    for name, source in sources.items():
        used = {
            inner if (inner := f"{module}.{attribute}") in sources else module
            for module, attribute in find_imports(source, with_types=False)
        }
        graph[name] = used & (sources.keys() - {name})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def names_of(source: str) -> set[str]:
    """Return the dotted names of what a source imports, modules and what is taken from them."""
    imports = find_imports(source, with_types=True)
    return {name for module, attribute in imports for name in (module, f"{module}.{attribute}")}


def find_forbidden(source: str, prefixes: tuple[str, ...]) -> set[str]:
    """Return what a source imports of some modules or of anything inside them."""
    return {
        name
        for name in names_of(source)
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
    }


def find_above(room: str, source: str) -> set[str]:
    """Return the rooms on a higher floor that a source of a room imports."""
    rooms = {name.split(".")[1] for name in names_of(source) if name.startswith("mosaic.")}
    return {each for each in rooms & FLOOR_OF.keys() if FLOOR_OF[each] > FLOOR_OF[room]}


def read_all() -> dict[str, str]:
    return {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}


SOURCES = read_all()
INSIDE = [name for name in MODULES if name != "mosaic"]


def test_modules_import_from_their_own_floor_or_below() -> None:
    above = {name: find_above(name.split(".")[1], SOURCES[name]) for name in INSIDE}
    assert {name: rooms for name, rooms in above.items() if rooms} == {}


def test_a_module_holds_one_concept() -> None:
    lengths = {name: len(SOURCES[name].splitlines()) for name in INSIDE}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_pure_rooms_touch_no_outside_thing() -> None:
    pure = [name for name in INSIDE if name.split(".")[1] in PURE_ROOMS]
    found = {name: find_forbidden(SOURCES[name], OUTSIDE) for name in pure}
    assert {name: imports for name, imports in found.items() if imports} == {}


def test_no_modules_import_each_other_in_a_ring() -> None:
    assert find_ring(SOURCES) == []


@pytest.mark.parametrize(
    "planted",
    [
        "import mosaic.machine.disk",
        "from mosaic.machine.disk import read_text",
        "from mosaic.machine import disk",
        "from mosaic import machine",
        "import os.path",
        "def late():\n    from pathlib import Path",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pathlib import Path",
    ],
)
def test_a_planted_import_of_an_outside_thing_is_found(planted: str) -> None:
    source = SOURCES["mosaic.text.table"]
    assert find_forbidden(source, OUTSIDE) == set()
    assert find_forbidden(f"{source}\n{planted}\n", OUTSIDE)


@pytest.mark.parametrize(
    "planted",
    [
        "import mosaic.cli.output",
        "from mosaic.cli import output",
        "from mosaic import cli",
        "def late():\n    from mosaic.sessions.session import hand_off",
    ],
)
def test_a_planted_import_from_above_is_found(planted: str) -> None:
    source = SOURCES["mosaic.store.index"]
    assert find_above("store", f"{source}\n{planted}\n")


@pytest.mark.parametrize(
    ("from_module", "planted"),
    [
        ("mosaic.records", "from mosaic.store.index import TaskIndex"),
        ("mosaic.records", "from mosaic.store import index"),
        ("mosaic.records", "def late():\n    import mosaic.cli.output"),
    ],
)
def test_a_planted_ring_is_found(from_module: str, planted: str) -> None:
    ring = find_ring({**SOURCES, from_module: f"{SOURCES[from_module]}\n{planted}\n"})
    assert from_module in ring


def test_an_import_for_types_alone_makes_no_ring() -> None:
    source = SOURCES["mosaic.records"]
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import mosaic.cli.output\n"
    before = find_ring(SOURCES)
    assert find_ring({**SOURCES, "mosaic.records": f"{source}\n{types}"}) == before


def test_records_are_made_by_our_own_decorator() -> None:
    """The standard one would be imported by every command; see `mosaic.records`."""
    using = [
        name
        for name in INSIDE
        for node in ast.parse(SOURCES[name]).body
        if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
    ]
    assert using == []


EXTRAS = {
    "board": ("textual",),
    "web": ("starlette", "uvicorn"),
    "mcp": ("mcp",),
    "testing": ("pytest",),
}
"""Rooms that need an extra of pyproject.toml, and what only they may import."""


def find_strays(sources: Mapping[str, str]) -> list[str]:
    """Return imports of an extra's packages outside its room, and of such a room by others."""
    strays = []
    for name, source in sources.items():
        room = name.split(".")[1] if "." in name else ""
        for extra, packages in EXTRAS.items():
            own = find_forbidden(source, (f"mosaic.{extra}",)) if room != extra else set()
            if room != extra and find_forbidden(source, packages):
                strays.append(f"{name} imports {', '.join(packages)}")
            if own and name not in (f"mosaic.cli.{extra}", f"mosaic.cli.{extra}_view"):
                strays.append(f"{name} imports mosaic.{extra}")
    return strays


def test_only_the_face_that_needs_an_extra_imports_it() -> None:
    assert find_strays(SOURCES) == []


@pytest.mark.parametrize(
    "planted", ["import textual", "def late():\n    from mosaic.web import server"]
)
def test_a_planted_import_of_an_extra_is_found(planted: str) -> None:
    status = "mosaic.cli.status_view"
    assert find_strays({**SOURCES, status: f"{SOURCES[status]}\n{planted}\n"})
