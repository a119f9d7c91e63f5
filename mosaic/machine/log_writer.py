"""The program that stands between an agent and its log files: it always takes what is written.

    python -I -S log_writer.py FOLDER STDOUT_FD STDERR_FD

The bytes go to FOLDER/stdout.log and FOLDER/stderr.log. It outlives a supervisor that is killed,
so an agent never writes into a pipe without a reader. When the disk is full it goes on taking,
so an agent is not ended by its own log: what could not be written is counted, and the newest
of it is kept and written once there is room.

Files beside the logs, one JSON array or object a line:

    output.index   ["stdout", 8192, "2026-03-21T11:41:39.120Z"]
                   bytes from this offset on were written then or later; one a second at most
    output.lost    {"stream": "stdout", "offset": 8192, "bytes": 400, "reason": "…"}
                   so many bytes are missing at this offset

`reserve` in FOLDER is room that was set aside; it is given up at the end if it is needed.
Runs alone: it imports nothing of Mosaic, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import time

BLOCK_BYTES = 1 << 20
PIPE_BYTES = 1 << 20
KEPT_BYTES = 64 << 10
"""How much of what could not be written is kept: an agent's last words decide its end."""
INDEX_SECONDS = 1.0
RETRY_SECONDS = 1.0
HOLD_SECONDS = 0.5
INDEX_NAME = "output.index"
LOST_NAME = "output.lost"
RESERVE_NAME = "reserve"


class Log:
    """One stream's log file."""

    def __init__(self, folder: str, name: str) -> None:
        self.name = name
        self._folder = folder
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(os.path.join(folder, f"{name}.log"), flags, 0o600)
        hold(self._file)
        self._offset = os.lseek(self._file, 0, os.SEEK_END)
        self._lost = 0
        self._kept = bytearray()
        self._gaps: list[tuple[int, int]] = []
        self._reason = ""
        self._next_try = 0.0
        self._next_index = 0.0

    def take(self, data: memoryview) -> None:
        """Write a block; what cannot be written is counted, and its newest part kept."""
        if self._lost:
            self._keep(data)
            if time.monotonic() >= self._next_try:
                self._write_kept()
            return
        self._note_time()
        written = self._write(data)
        if written < len(data):
            self._keep(data[written:])

    def finish(self) -> None:
        """Write what was kept, and say what is lost for good."""
        if self._lost:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._folder, RESERVE_NAME))
            self._write_kept()
            if self._lost:
                self._gaps.append((self._offset, self._lost))
        self._tell_gaps()
        os.close(self._file)

    def _write(self, data: memoryview | bytearray) -> int:
        view = memoryview(data)
        done = 0
        try:
            while done < len(view):
                done += os.write(self._file, view[done:])
        except OSError as error:
            self._reason = error.strerror or str(error)
            self._next_try = time.monotonic() + RETRY_SECONDS
        self._offset += done
        view.release()
        return done

    def _keep(self, data: memoryview) -> None:
        self._lost += len(data)
        self._kept += data[-KEPT_BYTES:]
        del self._kept[:-KEPT_BYTES]

    def _write_kept(self) -> None:
        offset, missing = self._offset, self._lost - len(self._kept)
        written = self._write(self._kept)
        if not written:
            return
        del self._kept[:written]
        self._lost = len(self._kept)
        if missing:
            self._gaps.append((offset, missing))
            self._tell_gaps()

    def _tell_gaps(self) -> None:
        while self._gaps:
            offset, count = self._gaps[0]
            entry = {"stream": self.name, "offset": offset, "bytes": count, "reason": self._reason}
            if not append(self._folder, LOST_NAME, entry):
                return
            del self._gaps[0]

    def _note_time(self) -> None:
        now = time.monotonic()
        if now >= self._next_index:
            self._next_index = now + INDEX_SECONDS
            seconds, fraction = divmod(time.time_ns() // 1_000_000, 1000)
            moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
            append(self._folder, INDEX_NAME, [self.name, self._offset, f"{moment}.{fraction:03d}Z"])


def hold(file: int) -> None:
    """Lock a log to the end, if it can be: others see by it whether everything is written."""
    until = time.monotonic() + HOLD_SECONDS  # one who just looks has it for an instant
    while time.monotonic() < until:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.001)
        except OSError:
            return
        else:
            return


def append(folder: str, name: str, entry: object) -> bool:
    """Append a line of JSON; tell whether it could be written whole."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    line = json.dumps(entry).encode() + b"\n"
    try:
        file = os.open(os.path.join(folder, name), flags, 0o600)
        try:
            size = os.lseek(file, 0, os.SEEK_END)
            written = os.write(file, line)
            if written < len(line):
                os.ftruncate(file, size)
            return written == len(line)
        finally:
            os.close(file)
    except OSError:
        return False


def drain(folder: str, descriptors: dict[int, str]) -> None:
    """Take everything that comes from the descriptors, by stream name, to their end."""
    logs = {number: Log(folder, name) for number, name in descriptors.items()}
    ready = select.poll()
    for number in logs:
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(number, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        ready.register(number, select.POLLIN | select.POLLHUP)
    block = bytearray(BLOCK_BYTES)
    view = memoryview(block)
    while logs:
        for number, _ in ready.poll():
            count = os.readv(number, [block])
            if count:
                logs[number].take(view[:count])
            else:
                ready.unregister(number)
                logs.pop(number).finish()


def main() -> None:
    """Be the program."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    folder, stdout, stderr = sys.argv[1:4]
    drain(folder, {int(stdout): "stdout", int(stderr): "stderr"})


if __name__ == "__main__":
    main()
