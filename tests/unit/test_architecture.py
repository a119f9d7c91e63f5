"""The direction of the arrows: imports go downwards only, and no file grows a second concept."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mosaic"
FLOORS = (
    ("model", "ports", "errors", "records", "codec"),
    ("machine", "git"),
    ("text",),
    ("plan",),
    ("prompts",),
    ("store", "runs", "runtimes", "executors", "workspaces"),
    ("sessions",),
    ("review", "workers", "panels"),
    ("app",),
    ("cli", "supervise", "demo", "demo_agent", "doctor", "__main__"),
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
LONGEST_MODULE = 400
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts != ("__init__.py",)
)


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    parts = [name.split(".") for name in names if name.startswith("mosaic.")]
    return {part[1] for part in parts}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_from_its_own_floor_or_below(path: Path) -> None:
    floor = FLOOR_OF[room_of(path)]
    above = {room for room in imported_rooms(path) if FLOOR_OF[room] > floor}
    assert above == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_holds_one_concept(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("room", ["text", "plan", "prompts"])
def test_a_pure_room_touches_no_outside_thing(room: str) -> None:
    outside = {
        "os",
        "subprocess",
        "socket",
        "pathlib",
        "time",
        "shutil",
        "tempfile",
        "mosaic.machine",
    }
    for path in (PACKAGE / room).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            assert not outside.intersection(names), f"{path.name} imports {names}"


def test_records_are_made_by_our_own_decorator() -> None:
    """The standard one would be imported by every command; see `mosaic.records`."""
    using = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
    ]
    assert using == []
