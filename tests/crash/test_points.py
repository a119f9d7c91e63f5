"""A command killed at any call that changes the disk leaves nothing that the next cannot settle.

CI tries a share of the points, with every kind of command; `MISSION_POINTS_EVERY=1`, or
`python -m tests.crash.points`, tries them all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .points import CASES

ROOT = Path(__file__).resolve().parents[2]
QUICK_EVERY, SESSION_EVERY = 24, 120


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_command_killed_at_a_point_leaves_the_old_or_the_new(case: object) -> None:
    name = str(getattr(case, "name", ""))
    usual = SESSION_EVERY if getattr(case, "is_session", False) else QUICK_EVERY
    every = os.environ.get("MISSION_POINTS_EVERY", str(usual))
    # A program of its own: it forks for each point, which a test runner's threads do not bear.
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.points", name, "--every", every, "--json"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("MISSION_")}
        | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)[name]
    assert found["faults"] == []
    assert found["points"] > 0
