"""`python -m tests.fuzz TARGET --seconds N`: mutate until the time is over.

With `--atheris` new inputs are chosen by the coverage that they reach; it needs
`pip install atheris`. Without it they are made from seeded dice (`--seed`).
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from random import Random

CORPUS = Path(__file__).parent / "corpus"
WITHOUT_ATHERIS = "atheris is not installed here: `pip install atheris`, or leave out `--atheris`"


def run_dice(target: str, seconds: float, seed: int) -> None:
    """Try inputs made by seeded mutation; the first that fails is written to stderr."""
    from tests.fuzz.mutation import mutated
    from tests.fuzz.targets import TARGETS, seeds_of

    dice, done, end = Random(seed), 0, time.monotonic() + seconds
    seeds = seeds_of(target)
    while time.monotonic() < end:
        data = mutated(dice, seeds)
        done += 1
        try:
            TARGETS[target](data)
        except Exception:
            sys.stderr.write(f"input {done}: {data!r}\n")
            raise
    sys.stdout.write(f"{target}: {done} inputs, no finding\n")


def run_atheris(target: str, seconds: float, seed: int) -> None:
    """Try inputs guided by coverage; one that fails is kept as `crash-…` where this runs."""
    import atheris

    with atheris.instrument_imports(include=["mosaic"]):
        from tests.fuzz.targets import TARGETS
    with tempfile.TemporaryDirectory(prefix="mission-fuzz-") as found:
        options = (f"-max_total_time={max(1, int(seconds))}", f"-seed={seed + 1}", "-max_len=16384")
        # What is found goes into the first folder; the corpus is only read.
        atheris.Setup([sys.argv[0], *options, found, str(CORPUS / target)], TARGETS[target])
        atheris.Fuzz()


def main() -> None:
    """Run one target."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", choices=sorted(path.name for path in CORPUS.iterdir()))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true", help="guided by coverage")
    asked = parser.parse_args()
    if asked.atheris and importlib.util.find_spec("atheris") is None:
        parser.error(WITHOUT_ATHERIS)
    run = run_atheris if asked.atheris else run_dice
    run(asked.target, asked.seconds, asked.seed)


main()
