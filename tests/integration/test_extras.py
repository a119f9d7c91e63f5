"""What needs no extra works where none is installed."""

from __future__ import annotations

import subprocess
import sys

from tests.support.mission import ROOT, MissionRepo

EXTRAS = ("textual", "starlette", "uvicorn", "mcp", "distributed")
CALLS = (
    "status", "list --all", "show T-001", "set T-001 priority=high", "next --print",
    "next --explain", "sessions", "graph", "check", "report", "report --html -", "review",
    "--help", "status --help",
)  # fmt: skip
MAIN = """
import sys
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None  # as where it is not installed: importing it fails
sys.path.insert(0, sys.argv.pop(1))
from mosaic.cli import main
for call in sys.argv[1:]:
    try:
        main(call.split())
    except SystemExit as end:
        assert end.code == 0, call
faces = ("mosaic.board.", "mosaic.web.", "mosaic.mcp.")
assert not [name for name in sys.modules if name.startswith(faces)]
"""


def test_commands_without_an_extra_import_none(repo: MissionRepo) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", MAIN, ",".join(EXTRAS), str(ROOT), *CALLS],
        cwd=repo.path,
        env=repo.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
