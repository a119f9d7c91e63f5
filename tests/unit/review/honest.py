"""Handoffs of honest agents, in as many styles as agents write them. All tell of `CHANGED`, `RAN`.

What they describe: `src/load.py` caches now, `src/cache.py` and `tests/test_cache.py` are new,
`docs/old.md` became `docs/cache.md`, `legacy.txt` is gone, and `Makefile`, `README.md`,
`config.yaml` and `my notes.txt` were changed. `src/store.py` and `src/util.py` were only read.
"""

from pathlib import Path

from mosaic.review.claims import Kind
from mosaic.review.matching import ChangedFile, RanCommand

CHANGED = (
    ChangedFile(path="Makefile", kind=Kind.CHANGED),
    ChangedFile(path="README.md", kind=Kind.CHANGED),
    ChangedFile(path="config.yaml", kind=Kind.CHANGED),
    ChangedFile(path="docs/cache.md", kind=Kind.RENAMED, old_path="docs/old.md"),
    ChangedFile(path="legacy.txt", kind=Kind.DELETED),
    ChangedFile(path="my notes.txt", kind=Kind.CHANGED),
    ChangedFile(path="src/cache.py", kind=Kind.ADDED),
    ChangedFile(path="src/load.py", kind=Kind.CHANGED),
    ChangedFile(path="tests/test_cache.py", kind=Kind.ADDED),
)
RAN = (
    RanCommand(command="pytest -q", exit_code=1, failed=True, source="run"),
    RanCommand(
        command="/bin/bash -lc 'python -m pytest -q tests/test_cache.py 2>&1 | tail -5'",
        exit_code=0, failed=False, source="run",
    ),
    RanCommand(command="pytest -q", exit_code=0, failed=False, source="run"),
    RanCommand(command="uv run ruff check .", exit_code=0, failed=False, source="run"),
    RanCommand(command="npm run lint", exit_code=2, failed=True, source="run"),
    RanCommand(command="grep -rn old_cache src", exit_code=1, failed=True, source="run"),
    RanCommand(command="cd docs && make html", exit_code=0, failed=False, source="run"),
)  # fmt: skip


def _styles(section: str) -> dict[str, str]:
    text = (Path(__file__).parents[2] / "data" / "handoffs" / f"{section}.txt").read_text("utf-8")
    parts = (part.partition("\n") for part in text.split("==== ")[1:])
    return {name: content for name, _, content in parts}


FILES = _styles("files_changed")
COMMANDS = _styles("commands_run")
