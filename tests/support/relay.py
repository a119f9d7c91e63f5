"""The Python of a machine whose links are cut.

    python -m tests.support.relay PLAN CONTROL PYTHON …

It starts the real one, hands on what goes through its pipes, and has the connection cut at the byte
that the plan names. See `tests.support.links`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

BLOCK = 1 << 16


def take_cut(plan: Path, way: str, op: str, frame: set[str]) -> dict[str, Any] | None:
    """Return the cut that belongs to a message, and take it from the plan."""
    with open(plan, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        cuts = json.load(file)
        taken = None
        for cut in cuts:
            fits = cut["op"] == op and cut["way"] == way
            if not fits or (cut.get("frame") and cut["frame"] not in frame):
                continue
            if cut.get("skip"):
                cut["skip"] -= 1
                continue
            taken = cut
            break
        if taken is not None:
            cuts.remove(taken)
        file.seek(0)
        file.truncate()
        json.dump(cuts, file)
        return taken


class Relay:
    """One call."""

    def __init__(self, plan: Path, control: int, process: subprocess.Popen[bytes]) -> None:
        self._plan = plan
        self._control = control
        self._process = process
        self._op = ""
        self._known = threading.Event()
        self._is_cut = False

    def up(self, source: IO[bytes], target: IO[bytes]) -> None:
        """Hand on the questions, and what is said later."""
        while head := source.readline():
            try:
                values = json.loads(head)
            except ValueError:
                values = {}
            if "op" not in values:
                target.write(head)
                target.flush()
                continue
            self._op = str(values["op"])
            self._known.set()
            cut, size = self._find_cut("up", set()), int(values["data"])
            if cut is None:
                target.write(head)
                self._copy(source, target, size)
                continue
            left = int((len(head) + size) * cut["at"])
            target.write(head[:left])
            self._copy(source, target, left - len(head))
            self._cut(cut)
            while source.read(BLOCK):
                pass  # what comes after a cut never came
        target.close()

    def down(self, source: IO[bytes], target: IO[bytes]) -> None:
        """Hand on the answers."""
        while line := source.readline():
            fields = line.split()
            if fields[:1] != [b"MOSAIC"]:
                target.write(line)
                continue
            self._known.wait()
            text = source.read(int(fields[2]))
            # What nobody hears any more needs no cut: the plan keeps it for another call.
            cut = self._find_cut("down", set(json.loads(text)))
            size = int(fields[3])
            if cut is None:
                target.write(line + text)
                self._copy(source, target, size)
                target.flush()
                continue
            whole = line + text + source.read(size)
            target.write(whole[: int(len(whole) * cut["at"])])
            target.flush()
            self._cut(cut)
        target.flush()

    def _find_cut(self, way: str, frame: set[str]) -> dict[str, Any] | None:
        return None if self._is_cut else take_cut(self._plan, way, self._op, frame)

    def _copy(self, source: IO[bytes], target: IO[bytes], size: int) -> None:
        while size > 0 and (data := source.read(min(size, BLOCK))):
            target.write(data)
            size -= len(data)
        target.flush()

    def _cut(self, cut: dict[str, Any]) -> None:
        self._is_cut = True
        port = os.environ["SSH_CONNECTION"].split()[1]
        with socket.create_connection(("127.0.0.1", self._control)) as asked:
            asked.sendall(f"{cut['how']} {port}".encode())
            asked.recv(16)


def main() -> None:
    plan, control, *command = sys.argv[1:]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    relay = Relay(Path(plan), int(control), process)
    up = threading.Thread(target=_quietly, args=(relay.up, sys.stdin.buffer, process.stdin))
    up.daemon = True
    up.start()
    _quietly(relay.down, process.stdout, sys.stdout.buffer)
    process.stdout.close()
    os._exit(process.wait())


def _quietly(work: Any, *streams: Any) -> None:
    try:
        work(*streams)
    except OSError:
        for each in streams:
            with contextlib.suppress(OSError):
                each.close()


if __name__ == "__main__":
    main()
