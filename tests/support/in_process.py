"""The `mission` command called within this process, where a process of its own costs too much."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from mosaic.cli import main
from mosaic.store.own_settings import own_settings
from tests.support.mission import Answer

__all__ = ["Answer", "call"]


def call(folder: Path, *arguments: str) -> Answer:
    """Run a command in a folder, as a shell would, and return what it said.

    The working directory is the process's: one call at a time.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    before = os.getcwd()
    os.chdir(folder)
    own_settings.cache_clear()  # as in a process of its own
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(arguments)
    except SystemExit as end:
        code = end.code
    finally:
        os.chdir(before)
    assert isinstance(code, int), code
    told = []
    for stream in (out, err):
        stream.flush()
        told.append(stream.buffer.getvalue().decode())
    answer = Answer(code, *told)
    assert "Traceback" not in answer.stderr, answer.stderr
    return answer
