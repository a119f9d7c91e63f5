"""What a program and all that it started did to the machine, as strace saw it.

    trace_argv(folder)   stands before a command line: one file for each process
    read_trace(folder)   reads those files into deeds

A deed is a program started, a file written or removed, a signal sent or a connection opened.
Calls that failed did nothing and are no deeds, except connections: those count when tried.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

STARTS = ("execve", "execveat")
OPENS = ("open", "openat", "openat2", "creat")
REMOVES = ("unlink", "unlinkat", "rmdir")
BY_NAME = (
    "rename", "renameat", "renameat2", "mkdir", "mkdirat", "symlink", "symlinkat", "link",
    "linkat", "mknod", "mknodat", "chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat",
    "truncate", "utime", "utimes", "utimensat", "setxattr", "lsetxattr", "removexattr",
)  # fmt: skip
BY_DESCRIPTOR = ("fchmod", "fchown", "ftruncate", "fsetxattr", "fallocate")
SIGNALS = ("kill", "tkill", "tgkill", "pidfd_send_signal")
FORKS = ("clone", "clone3", "fork", "vfork")
FOLDERS = ("chdir", "fchdir")
TRACED = (
    *STARTS, *OPENS, *REMOVES, *BY_NAME, *BY_DESCRIPTOR, *SIGNALS, *FORKS, *FOLDERS, "connect",
)  # fmt: skip

CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)(?:<((?:[^>\\]|\\.)*)>)?(.*)", re.DOTALL)
TEXT = r'"((?:[^"\\]|\\.)*)"(?:\.\.\.)?'
NAME = re.compile(rf"(?:(?:AT_FDCWD|\d+)(?:<((?:[^>\\]|\\.)*)>)?(?:\(deleted\))?, )?{TEXT}")
DESCRIPTOR = re.compile(r"\d+<((?:[^>\\]|\\.)*)>")
WORDS = re.compile(rf"\[((?:{TEXT}(?:, )?)*)")
WRITING = re.compile(r"\bO_(?:WRONLY|RDWR|CREAT|TRUNC|TMPFILE)\b")
TARGET = re.compile(r"-?\d+")
ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}


class Kind(StrEnum):
    """What a deed did."""

    START = "started"
    WRITE = "wrote"
    REMOVE = "removed"
    SIGNAL = "sent a signal to"
    CONNECT = "connected to"


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One thing that one process did."""

    pid: int
    kind: Kind
    what: str
    """An absolute path; a pid for a signal; an address for a connection."""
    argv: tuple[str, ...] = ()
    """Of a program that was started."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """All deeds of a program and its children."""

    deeds: tuple[Deed, ...]
    parents: Mapping[int, int]

    def ancestors(self, pid: int) -> Iterator[int]:
        """Yield a process, its parent, and so on up to the first one that was traced."""
        yield pid
        while (above := self.parents.get(pid)) is not None:
            yield (pid := above)


@functools.cache
def find_strace() -> tuple[str, ...] | None:
    """Return how strace is called on this machine; None where it is missing or not allowed."""
    program = shutil.which("strace")
    if program is None:
        return None
    plain = (program, "-ff", "-qq", "-y", "-s", "8192", "-e", "signal=none")
    for call in ((*plain, "--seccomp-bpf"), plain):  # the option is younger, and much faster
        with tempfile.TemporaryDirectory() as folder:
            argv = [*call, "-e", "trace=openat", "-o", f"{folder}/trace", "true"]
            if subprocess.run(argv, capture_output=True, check=False).returncode == 0:
                return call
    return None


def trace_argv(folder: Path) -> list[str]:
    """Return what stands before a command line to have it traced into a new folder."""
    call = find_strace()
    assert call is not None
    folder.mkdir()
    calls = ",".join(f"?{name}" for name in TRACED)  # not every machine has every call
    return [*call, "-e", f"trace={calls}", "-o", str(folder / "trace"), "--"]


def run_to_end(
    argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str], seconds: float
) -> str:
    """Run a program to its end, and return what it printed.

    Args:
        argv: the program; under strace the end of all that it started is waited for.
        cwd: where it runs.
        environ: all of its environment.
        seconds: when it and its process group are killed, and the test has failed.
    """
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said = process.communicate(timeout=seconds)[0].decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise AssertionError(f"{argv[-2:]} did not end in {seconds:g} s") from None
    assert process.returncode == 0, said
    return said


def read_trace(folder: Path, cwd: Path) -> Trace:
    """Read the trace of a run.

    Args:
        folder: what `trace_argv` was given.
        cwd: where the program was started.
    """
    calls = {
        int(path.suffix[1:]): list(_calls(path.read_text("utf-8", "surrogateescape")))
        for path in folder.glob("trace.*")
    }
    parents = {
        result: pid for pid, made in calls.items() for name, _, result, _ in made if name in FORKS
    }
    deeds: list[Deed] = []
    waiting = [(pid, str(cwd)) for pid in calls if pid not in parents]
    while waiting:
        pid, folder_of = waiting.pop()
        for name, arguments, result, shown in calls.get(pid, ()):
            if name in FORKS:
                waiting.append((result, folder_of))
            elif name == "fchdir" and (found := DESCRIPTOR.match(arguments)):
                folder_of = _plain(found[1])
            elif name == "chdir" and (found := NAME.search(arguments)):
                folder_of = os.path.join(folder_of, _plain(found[2]))
            else:
                deeds.extend(_deeds(pid, name, arguments, shown, folder_of))
    return Trace(deeds=tuple(deeds), parents=parents)


def _calls(text: str) -> Iterator[tuple[str, str, int, str]]:
    """Yield the calls that did something: name, arguments, result, path of that descriptor."""
    for line in text.splitlines():
        found = CALL.fullmatch(line)
        if found is None or found[3] == "?":
            continue
        if not found[3].startswith("-") or found[1] == "connect":
            yield found[1], found[2], int(found[3]), _plain(found[4] or "")


def _deeds(pid: int, name: str, arguments: str, shown: str, cwd: str) -> Iterator[Deed]:
    names = [
        os.path.join(cwd, _plain(base or ""), _plain(text))
        for base, text in NAME.findall(arguments.partition("[")[0] if name in STARTS else arguments)
    ]
    if name in STARTS:
        found = WORDS.search(arguments)
        argv = tuple(_plain(text) for text in re.findall(TEXT, found[1])) if found else ()
        yield Deed(pid=pid, kind=Kind.START, what=names[0], argv=argv)
    elif name in OPENS:
        if name == "creat" or WRITING.search(arguments):
            path = shown if shown.startswith("/") else names[0]
            yield Deed(pid=pid, kind=Kind.WRITE, what=path.removesuffix(" (deleted)"))
    elif name in SIGNALS:
        target = TARGET.match(arguments)
        if not re.search(r", (?:0|SIG_0)\b", arguments):  # asks only whether somebody is there
            yield Deed(pid=pid, kind=Kind.SIGNAL, what=target[0] if target else arguments)
    elif name == "connect":
        if "AF_INET" in arguments:
            yield Deed(pid=pid, kind=Kind.CONNECT, what=arguments.partition(", ")[2])
    elif name in BY_DESCRIPTOR or (name == "utimensat" and not names):
        descriptor = DESCRIPTOR.match(arguments)
        yield Deed(pid=pid, kind=Kind.WRITE, what=_plain(descriptor[1]) if descriptor else "?")
    else:
        kind = Kind.REMOVE if name in REMOVES else Kind.WRITE
        made = names[1:] if name in ("symlink", "symlinkat", "link", "linkat") else names
        yield from (Deed(pid=pid, kind=kind, what=path) for path in made)


def _plain(text: str) -> str:
    """Return what strace wrote with escapes."""

    def sign(found: re.Match[bytes]) -> bytes:
        word = found[1]
        if word[:1].isdigit():
            return bytes([int(word, 8)])
        return bytes([int(word[1:], 16)]) if word[:1] == b"x" else ESCAPED.get(word, word)

    return os.fsdecode(ESCAPE.sub(sign, os.fsencode(text)))
