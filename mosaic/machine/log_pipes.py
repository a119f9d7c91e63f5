"""Where an agent's output goes: two pipes, and the program that writes them into log files."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.codec import load_record
from mosaic.errors import FailedError, RecordError
from mosaic.machine import log_writer
from mosaic.machine.disk import PRIVATE_FILE, find_bytes
from mosaic.machine.environment import outer_environment
from mosaic.machine.lock import is_file_held
from mosaic.machine.signature import access_error
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

RESERVE_BYTES = 256 << 10
"""Room set aside for the record's end, should the disk be full by then."""
DRAIN_SECONDS = 10.0
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Output that could not be written."""

    stream: str
    offset: int
    """Where in the log the bytes are missing."""
    bytes: int
    reason: str


class Outlet:
    """The writing ends for one agent, and the process behind them. Close, then wait."""

    def __init__(self, folder: Path) -> None:
        import subprocess  # start-up: most only look what was lost

        self._folder = folder
        for path in (folder / "stdout.log", folder / "stderr.log"):
            try:
                os.close(os.open(path, _CREATE, PRIVATE_FILE))
            except OSError as error:  # here, where it can still be told
                raise access_error("made", path, error) from error
        _reserve_room(folder / log_writer.RESERVE_NAME)
        reading, self.stdout = os.pipe()
        reading_errors, self.stderr = os.pipe()
        argv = [sys.executable, "-I", "-S", str(Path(log_writer.__file__)), str(folder)]
        try:
            self._process = subprocess.Popen(
                [*argv, str(reading), str(reading_errors)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(reading, reading_errors),
                # A signal for the supervisor's group is not for it: it ends with its input.
                start_new_session=True,
                cwd="/",
                # Without the mark of the run in which this command may itself be running.
                env=outer_environment(),
            )
        except OSError as error:
            self.close()
            raise FailedError(
                "the agent's output cannot be recorded", detail=error.strerror
            ) from None
        finally:
            os.close(reading)
            os.close(reading_errors)

    @property
    def pid(self) -> int:
        """The process that writes the logs."""
        return self._process.pid

    def close(self) -> None:
        """Let go of the writing ends: the agent has its own."""
        for descriptor in (self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self.stdout = self.stderr = -1

    def wait(self) -> bool:
        """Wait until everything is written; False when something still holds the pipes."""
        until = time.monotonic() + DRAIN_SECONDS
        while (is_running := self._process.poll() is None) and time.monotonic() < until:
            time.sleep(0.005)
        return not is_running

    def give_up_reserve(self) -> None:
        """Free the room that was set aside for the record's end."""
        with contextlib.suppress(OSError):  # the agent may have removed the whole record
            (self._folder / log_writer.RESERVE_NAME).unlink(missing_ok=True)


def wait_until_written(logs: Sequence[Path], seconds: float = DRAIN_SECONDS) -> bool:
    """Wait until nobody writes logs any more, after a supervisor that could not wait itself."""
    deadline = time.monotonic() + seconds
    while any(is_file_held(path) for path in logs):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def find_gaps(folder: Path) -> list[Gap]:
    """Return what of a run's output could not be written."""
    data = find_bytes(folder / log_writer.LOST_NAME) or b""
    gaps = []
    for line in data.splitlines():
        with contextlib.suppress(RecordError):
            gaps.append(load_record(Gap, line, folder / log_writer.LOST_NAME))
    return gaps


def _reserve_room(path: Path) -> None:
    # Without it the record's end may be lost on a full disk, and no more.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, _CREATE, PRIVATE_FILE)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            else:
                os.write(descriptor, bytes(RESERVE_BYTES))
        finally:
            os.close(descriptor)
