"""The baseline of a first call: what one would write in an hour, with the same libraries.

    python tests/benchmarks/naive.py FOLDER

Imports Typer, reads every task file, loads each front matter with the C loader, and parses
the table with mistune. Prints how many there were.
"""

from __future__ import annotations

import os
import sys

import mistune
import typer
import yaml


def main(folder: str) -> None:
    """Read a mission."""
    tasks = []
    place = os.path.join(folder, "coordination", "tasks")
    for name in sorted(os.listdir(place)):
        with open(os.path.join(place, name), encoding="utf-8") as file:
            text = file.read()
        tasks.append(yaml.load(text.split("\n---\n", 1)[0], Loader=yaml.CSafeLoader))
    with open(os.path.join(folder, "coordination", "TASKS.md"), encoding="utf-8") as file:
        table = mistune.create_markdown(renderer=None, plugins=["table"])(file.read())
    typer.echo(f"{len(tasks)} files, {len(table)} blocks")


if __name__ == "__main__":
    main(sys.argv[1])
