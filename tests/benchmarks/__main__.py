"""Measures, prints and compares; see the package for what stands where."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from . import report, work
from .processes import Figure


def main(argv: list[str] | None = None) -> None:
    """Measure every row that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--tasks", default="100,1000,10000", help="sizes, separated by commas")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", action="append", choices=work.GROUPS, help="repeat for more")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--against", type=Path, help="an earlier JSON to compare with")
    parser.add_argument("--peers", action="store_true", help="other programs beside it")
    asked = parser.parse_args(argv)
    earlier = report.load(asked.against) if asked.against else {}
    groups = (*(asked.only or work.GROUPS), *(["peers"] if asked.peers else []))
    sizes = [int(size) for size in asked.tasks.split(",")]
    figures: list[Figure] = []
    facts = report.machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    with tempfile.TemporaryDirectory(prefix="mission-benchmarks-") as made:
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(made) / "compiled")
        os.environ["XDG_STATE_HOME"] = str(Path(made) / "person")
        for tasks in sizes:
            found = list(work.measure(Path(made), tasks, asked.rounds, groups))
            print("\n".join(["", *report.table(found, earlier)]), flush=True)
            figures += found
    if len(sizes) > 1:
        print("\n".join(["", *report.growth(figures)]))
    if asked.json:
        asked.json.write_text(report.dump(figures, asked.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
