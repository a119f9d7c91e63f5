"""`python -m tests.fuzz TARGET --seconds N --seed S`: mutate until the time is over."""

from __future__ import annotations

import argparse
import sys
import time
from random import Random

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import SEEDS, TARGETS

parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
parser.add_argument("target", choices=TARGETS)
parser.add_argument("--seconds", type=float, default=60)
parser.add_argument("--seed", type=int, default=0)
asked = parser.parse_args()
dice, done, end = Random(asked.seed), 0, time.monotonic() + asked.seconds
while time.monotonic() < end:
    data = mutated(dice, SEEDS[asked.target])
    done += 1
    try:
        TARGETS[asked.target](data)
    except Exception:
        sys.stderr.write(f"input {done}: {data!r}\n")
        raise
sys.stdout.write(f"{asked.target}: {done} inputs, no finding\n")
