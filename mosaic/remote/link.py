"""Calling another machine by the system's `ssh`, with a person's own settings of it.

What is run there is one fixed line of shell, which hands over to Python (`mosaic.remote.shell`).
Everything else, a prompt too, goes as data through the pipe.

    ssh … -- ADDRESS sh -c 'LINE' sh FOLDER PYTHON CODE PATH…

A call that fails after it was sent may have been heard: who must know asks again.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import select
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from mosaic import __version__
from mosaic.errors import FailedError, ProgramNotFoundError, UnreachableError
from mosaic.machine.environment import outer_environment
from mosaic.remote.frames import Frame, read_frames
from mosaic.remote.shell import LINE, refuse_unready, ssh_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mosaic.errors import MissionError
    from mosaic.settings import HostSpec

CODE = "from mosaic.there import main; main()"
CALL_SECONDS = 120.0
SSH_FAILED = 255
"""What `ssh` ends with where it is its own fault."""
_SAID_CHARACTERS = 600


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
        # Where the other side takes no more, it says why, or nothing: `answers` finds out.
        with self._as_unreachable(), contextlib.suppress(BrokenPipeError):
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

    def answers(self, quiet_seconds: float | None = None) -> Iterator[Frame]:
        """Return what the other side says, to its end; raises what it could not do.

        With `quiet_seconds`, an UnreachableError when not a byte came for so long. `ssh` sees a
        dead link itself, but not where it shares a connection that was made without that.
        """
        try:
            for frame in read_frames(self._heard(quiet_seconds), self._word):
                if error := frame.values.get("error"):
                    raise error_from(error, self._host.name)
                yield frame
        except (OSError, ValueError) as error:
            raise self._unreachable(str(error)) from None

    def answer(self) -> Frame:
        """Return the one thing that the other side says."""
        for frame in self.answers():
            return frame
        raise self._unreachable("")

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """End the call if the `with` block takes longer."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _heard(self, quiet_seconds: float | None) -> IO[bytes]:
        assert self._process.stdout is not None
        if quiet_seconds is None:
            return self._process.stdout
        return io.BufferedReader(_Attentive(self._process.stdout.fileno(), quiet_seconds))

    def was_refused(self) -> bool:
        """Tell whether the machine was reached, and our program ended there without an answer."""
        return self._process.poll() not in (None, SSH_FAILED) and self._process.returncode >= 0

    def call(
        self,
        op: str,
        values: Mapping[str, Any],
        data: bytes | Path = b"",
        seconds: float = CALL_SECONDS,
    ) -> Frame:
        """Ask one thing and return its answer, as `call` does.

        What has work begin may be asked by one conversation, one thing after the other.
        """
        with self.within(seconds):
            self.ask({"op": op, **values}, data)
            try:
                return self.answer()
            except UnreachableError:
                if self.was_refused():
                    refuse_unready(self._host)
                raise

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
        HostNotReadyError: there is not what could hear: another Python, no `mission`.
        MissionError: what it could not do.
    """
    with Conversation(host) as conversation:
        return conversation.call(op, values, data, seconds)


class _Attentive(io.RawIOBase):
    """Reads a pipe, and raises a TimeoutError when nothing comes through it for too long."""

    def __init__(self, descriptor: int, quiet_seconds: float) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._quiet_seconds = quiet_seconds
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there as soon as there is something."""
        if not self._poll.poll(self._quiet_seconds * 1000):
            raise TimeoutError(f"nothing came for {self._quiet_seconds:g} s")
        data = os.read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)


def error_from(error: Mapping[str, Any], host: str) -> MissionError:
    """Return an error of the other side as one of ours, with the name of that."""
    from mosaic import errors

    detail, hint = error.get("detail"), error.get("hint")
    if program := error.get("program"):
        problem = f"on `{host}`: {detail or ''}"
        return ProgramNotFoundError(program, problem=problem, hint=hint or "")
    kind = errors.HeldError if error.get("code") == errors.HeldError.code else FailedError
    return kind(f"on `{host}`: {error.get('message')}", detail=detail, hint=hint)
