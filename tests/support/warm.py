"""Commands forked from a process that has everything imported: most of their work is imports.

A command has a process, an environment, a working directory and pipes of its own here too, so
what it does is the same. `MISSION_TEST_COLD=1` starts each anew, as people do.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import mosaic
from mosaic.testing.missions import (
    PACKAGE_PARENT,
    PATIENCE_SECONDS,
    Answer,
    MissionRepo,
    make_environ,
)

READ_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "TZ", "MALLOC_")
"""Variables that Python and the loader read before any code of ours: these need a fresh start."""
LEFT_OUT = ("__main__", "board", "mcp", "supervise", "testing", "web")
"""What few commands need; those import it themselves."""


@contextlib.contextmanager
def warm_commands() -> Iterator[Callable[..., Answer]]:
    """Start the process that commands are forked from; yield what runs a command of a mission."""
    environ = make_environ(Path.home())
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.run(
            [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())],
            cwd=PACKAGE_PARENT,
            env=environ,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            check=True,
        )
    run_anew = MissionRepo.run

    def run(repo: MissionRepo, *arguments: str, **more: str) -> Answer:
        told = {**repo.environ, **more}
        if _of_the_start(told) != _of_the_start(environ):
            return run_anew(repo, *arguments, **more)
        return _run_warm(ours, repo, arguments, told)

    with ours:
        yield run


def _of_the_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environ.items() if key.startswith(READ_AT_START)}


def _run_warm(
    server: socket.socket, repo: MissionRepo, arguments: tuple[str, ...], told: dict[str, str]
) -> Answer:
    ours, theirs = socket.socketpair()
    pipes = [os.pipe() for _ in range(2)]
    socket.send_fds(server, [b"."], [theirs.fileno(), *(write for _, write in pipes)])
    theirs.close()
    for _, write in pipes:
        os.close(write)
    with ours, ours.makefile("rw") as link:
        json.dump({"arguments": arguments, "folder": str(repo.path), "environ": told}, link)
        link.write("\n")
        link.flush()
        pid = int(link.readline())
        said = _read_both([read for read, _ in pipes], pid, arguments)
        code = int(link.readline())
    answer = Answer(code, *said)
    assert "Traceback" not in answer.stderr, answer.stderr
    return answer


def _read_both(pipes: list[int], pid: int, arguments: tuple[str, ...]) -> list[str]:
    """Read what a command prints to its end, and close the pipes."""
    deadline, parts = time.monotonic() + PATIENCE_SECONDS, {each: bytearray() for each in pipes}
    with selectors.DefaultSelector() as waiting:
        for each in pipes:
            waiting.register(each, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(deadline - time.monotonic())
            if not ready:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(["mission", *arguments], PATIENCE_SECONDS)
            for key, _ in ready:
                if part := os.read(key.fd, 65536):
                    parts[key.fd] += part
                else:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    return [io.TextIOWrapper(io.BytesIO(each)).read() for each in parts.values()]


# In the process that commands are forked from


def serve(calls: socket.socket) -> None:
    """Fork a command for each call, until nobody is there to call."""
    for each in pkgutil.walk_packages(mosaic.__path__, "mosaic."):
        if each.name.split(".")[1] not in LEFT_OUT:
            importlib.import_module(each.name)
    gc.freeze()
    # Not below the tests: `mission exec`, called in their process, ends what it finds below that.
    if os.fork() > 0:
        return
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how those who attend ended
    while True:
        message, descriptors, _, _ = socket.recv_fds(calls, 1, 3)
        if not message:
            return
        if os.fork() == 0:
            calls.close()
            _attend(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _attend(connection: int, out: int, err: int) -> NoReturn:
    """Fork the command, and say its pid and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=connection) as link:
        call = json.loads(link.makefile().readline())
        pid = os.fork()
        if pid == 0:
            link.close()
            _be(call["arguments"], call["folder"], call["environ"], out, err)
        os.close(out)
        os.close(err)
        link.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(BrokenPipeError):
            link.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _be(arguments: list[str], folder: str, environ: dict[str, str], out: int, err: int) -> NoReturn:
    """Be a command, as `python -m mosaic` would be."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, max(out, err) + 1)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = [os.path.join(mosaic.__path__[0], "__main__.py"), *arguments]
    sys.path[0] = os.getcwd()
    try:
        from mosaic.cli import main

        main()
    except BaseException:  # noqa: BLE001 - as Python says it of a process of its own
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(1)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
