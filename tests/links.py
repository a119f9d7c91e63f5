"""Links that are cut at random, for as long as is wanted; and many tasks on several machines.

    python -m tests.links                       20 rounds of random cuts, 24 tasks, 60 kills
    python -m tests.links --rounds 200 --seed 7 --tasks 24 --kills 100

Each round has a seed, which its test is named after: the same one cuts at the same places.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from tests.support.mission import ROOT

FILE = "tests/integration/test_links.py"


def main() -> int:
    """Run the tests of links at length."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20, help="rounds of random cuts")
    parser.add_argument("--seed", type=int, default=1, help="that of the first round")
    parser.add_argument("--tasks", type=int, default=24, help="tasks on three machines")
    parser.add_argument("--kills", type=int, default=60, help="most kills of who listens")
    parser.add_argument("rest", nargs="*", help="words for pytest, such as `-n 2`; after `--`")
    asked = parser.parse_args()
    numbers = {
        f"MISSION_LINKS_{name.upper()}": str(getattr(asked, name))
        for name in ("rounds", "seed", "tasks", "kills")
    }
    command = [sys.executable, "-m", "pytest", "-q", FILE, *asked.rest]
    return subprocess.call(command, cwd=ROOT, env={**os.environ, **numbers})


if __name__ == "__main__":
    sys.exit(main())
