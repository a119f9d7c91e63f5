"""Small programs that tests start, and how they are awaited."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import mosaic

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDS_EXTRA = ("mosaic.board", "mosaic.web", "mosaic.mcp", "mosaic.testing")
"""Modules that import packages of an extra, which may not be installed."""


def environment(**added: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(mosaic.__file__).parents[1]), **added}


@contextlib.contextmanager
def running(
    source: str, *args: object, new_session: bool = False, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program; it is killed at the end of the block if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-c", source, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(**variables),
        start_new_session=new_session,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    """Wait for a line that the program prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()
