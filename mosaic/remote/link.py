"""Calling another machine by the system's `ssh`, with a person's own settings of it.

What is run there is one fixed line of shell, which hands over to Python; folder and Python's name
are quoted words of it. Everything else, a prompt too, goes as data through the pipe.

    ssh … -- ADDRESS sh -c 'LINE' sh FOLDER PYTHON CODE PATH…

A call that fails after it was sent may have been heard: who must know asks again.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from mosaic import __version__
from mosaic.errors import FailedError, ProgramNotFoundError, UnreachableError
from mosaic.machine.environment import outer_environment
from mosaic.machine.process import find_tool
from mosaic.remote.frames import Frame, read_frames

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mosaic.errors import MissionError
    from mosaic.settings import HostSpec

OPTIONS = (
    "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15",
    "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3",
)  # fmt: skip
"""After a person's own, which count first: nobody is there to be asked, and a dead link is seen."""
HOME = 'd=$1; case $d in "~/"*) d=$HOME/${d#"~/"};; esac; '
CHOOSE = 'p=$d/venv/bin/python; [ -x "$p" ] || p=$2; '
LINE = HOME + CHOOSE + 'c=$3; shift 3; exec "$p" -P -c "$c" "$d" "$@"'
CODE = "from mosaic.there import main; main()"
CALL_SECONDS = 120.0
_SAID_CHARACTERS = 600


def ssh_command(host: HostSpec, words: Sequence[str]) -> list[str]:
    """Return the arguments that run a program on a host; each word arrives there as it is."""
    ssh = find_tool("ssh")
    if ssh is None:
        hint = "install OpenSSH's client; only work on other machines needs it"
        raise ProgramNotFoundError("ssh", problem="it is not on the PATH", hint=hint)
    return [ssh, *host.options, *OPTIONS, "--", host.address, shlex.join(words)]


class Conversation:
    """One `ssh` that runs our program on a host. Close it, or use it in a `with` block."""

    def __init__(self, host: HostSpec) -> None:
        self._host = host
        self._word = secrets.token_hex(8)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the rest
        words = ["sh", "-c", LINE, "sh", host.folder, host.python, CODE, *host.path]
        self._process = subprocess.Popen(
            ssh_command(host, words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=outer_environment(),
            start_new_session=True,  # Ctrl-C is for who asked, and the call ends with them
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def ask(self, values: dict[str, Any], data: bytes | Path = b"") -> None:
        """Send the question, with data or what is in a file."""
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        head = {**values, "word": self._word, "version": __version__, "data": size}
        with self._as_unreachable():
            self._pipe.write(json.dumps(head).encode() + b"\n")
            if isinstance(data, Path):
                with open(data, "rb") as file:
                    shutil.copyfileobj(file, self._pipe)
            else:
                self._pipe.write(data)
            self._pipe.flush()

    def tell(self, values: dict[str, Any]) -> None:
        """Send one more line, to a question that takes some."""
        with self._as_unreachable():
            self._pipe.write(json.dumps(values).encode() + b"\n")
            self._pipe.flush()

    def answers(self) -> Iterator[Frame]:
        """Return what the other side says, to its end; raises what it could not do."""
        assert self._process.stdout is not None
        try:
            for frame in read_frames(self._process.stdout, self._word):
                if error := frame.values.get("error"):
                    raise error_from(error)
                yield frame
        except (OSError, ValueError) as error:
            raise self._unreachable(str(error)) from None

    def answer(self, seconds: float = CALL_SECONDS) -> Frame:
        """Return the one thing that the other side says."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            for frame in self.answers():
                return frame
        finally:
            timer.cancel()
        raise self._unreachable("")

    def close(self) -> None:
        """End the call here; what it began there goes on."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        self._errors.close()

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @contextlib.contextmanager
    def _as_unreachable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise self._unreachable(str(error)) from None

    def _unreachable(self, words: str) -> UnreachableError:
        """Say what `ssh` said, or the shell there."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _SAID_CHARACTERS))
        said = self._errors.read().decode("utf-8", "replace").strip()
        code = self._process.poll()
        return UnreachableError(self._host.name, said or words or f"`ssh` ended with {code}")


def call(
    host: HostSpec,
    op: str,
    values: Mapping[str, Any],
    data: bytes | Path = b"",
    seconds: float = CALL_SECONDS,
) -> Frame:
    """Ask a host one thing and return its answer.

    Raises:
        UnreachableError: it did not answer; whether it heard is not known.
        MissionError: what it could not do.
    """
    with Conversation(host) as conversation:
        conversation.ask({"op": op, **values}, data)
        return conversation.answer(seconds)


def error_from(error: Mapping[str, Any]) -> MissionError:
    """Return an error of the other side as one of ours."""
    from mosaic import errors

    detail, hint = error.get("detail"), error.get("hint")
    if program := error.get("program"):
        return ProgramNotFoundError(program, problem=detail or "", hint=hint or "")
    kind = errors.HeldError if error.get("code") == errors.HeldError.code else FailedError
    return kind(str(error.get("message")), detail=detail, hint=hint)
