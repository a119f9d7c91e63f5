"""Processes: who they are, whether they live, how they are started and ended.

A pid alone proves nothing: it is taken again by others. A process is told by pid, start
time, boot and host together, and a zombie counts as gone. Linux tells from /proc; other
systems are asked through `ps`.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import ProgramNotFoundError
from mosaic.model import ProcessIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROC = Path("/proc")
PR_SET_CHILD_SUBREAPER = 36
SWEEP_SECONDS = 5.0
ZOMBIE_STATES = ("Z", "X")


@functools.cache
def boot_id() -> str:
    """Return what tells this boot of the machine from every other."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        found = _output_of(["sysctl", "-n", "kern.boottime"])
        return found.strip() or "unknown"


@functools.cache
def host_name() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of a living process; None when there is none, or a zombie."""
    started = start_time(pid)
    if started is None:
        return None
    return ProcessIdentity(pid=pid, started_at=started, boot_id=boot_id(), host=host_name())


def own_identity() -> ProcessIdentity:
    """Return the identity of this process."""
    pid = os.getpid()
    return ProcessIdentity(
        pid=pid, started_at=start_time(pid) or "", boot_id=boot_id(), host=host_name()
    )


def is_same_process(identity: ProcessIdentity) -> bool | None:
    """Tell whether that very process still lives; None when it cannot be told from here."""
    if identity.host != host_name():
        return None
    if identity.boot_id != boot_id():
        return False
    started = start_time(identity.pid)
    if started is None:
        return False
    return started == identity.started_at if identity.started_at else None


def start_time(pid: int) -> str | None:
    """Return when a living process started, as the kernel tells it; None when it does not live."""
    if pid <= 0:
        return None
    if not (PROC / "self/stat").exists():
        return _start_time_from_ps(pid)
    fields = _stat_fields(pid)
    if fields is None or fields[0] in ZOMBIE_STATES:
        return None
    return fields[19]


def _stat_fields(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from `state` on; the name before may hold anything."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _start_time_from_ps(pid: int) -> str | None:
    state, _, started = _output_of(["ps", "-o", "stat=,lstart=", "-p", str(pid)]).partition(" ")
    if not state or state.startswith(ZOMBIE_STATES):
        return None
    return started.strip()


def _output_of(argv: Sequence[str]) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def spawn(
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    stdin: int | None,
    stdout: int | None,
    stderr: int | None,
    new_session: bool,
) -> subprocess.Popen[bytes]:
    """Start a program; descriptors that are None are this process's own.

    Raises:
        ProgramNotFoundError: it cannot be started; says which it was and why.
    """
    program = argv[0]
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=new_session,
        )
    except OSError as error:
        raise _not_started(program, cwd, error) from None
    except ValueError as error:
        raise ProgramNotFoundError(
            program, problem=str(error), hint="remove NUL bytes from its arguments"
        ) from None


def _not_started(program: str, cwd: str, error: OSError) -> ProgramNotFoundError:
    if not os.path.isdir(cwd):
        return ProgramNotFoundError(
            program, problem=f"the folder `{cwd}` is gone", hint="create it, or name another"
        )
    if error.errno == errno.E2BIG:
        return ProgramNotFoundError(
            program,
            problem="its arguments are too long for the system",
            hint="give it the prompt by stdin or file: `prompt` of the runtime in mission.json",
        )
    if error.errno == errno.ENOENT:
        return ProgramNotFoundError(
            program,
            problem="there is no such program on the PATH",
            hint=f"install `{program}`, or set `runtimes` in mission.json; "
            "`mission doctor` shows what is found",
        )
    return ProgramNotFoundError(
        program,
        problem=error.strerror or str(error),
        hint=f"make `{program}` a program that you may run",
    )


def find_program(name: str) -> str | None:
    """Return where a program is; None when it is not on the PATH."""
    return shutil.which(name)


def become_subreaper() -> bool:
    """Have orphaned descendants become children of this process, where the system can."""
    if sys.platform != "linux":
        return False
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def children_of(pid: int) -> list[int]:
    """Return the pids of a process's children, zombies too."""
    if (PROC / "self/stat").exists():
        found = []
        for name in os.listdir(PROC):
            if name.isdigit():
                fields = _stat_fields(int(name))
                if fields is not None and int(fields[1]) == pid:
                    found.append(int(name))
        return found
    lines = _output_of(["ps", "-A", "-o", "pid=,ppid="]).splitlines()
    pairs = [line.split() for line in lines]
    return [int(child) for child, parent in pairs if int(parent) == pid]


def sweep_orphans(*, exclude: set[int]) -> list[int]:
    """Kill and reap every child of this process until none is left.

    As a subreaper this process is the parent of every orphan below it. A child is not
    reaped by anybody else, so its pid is its own when the signal is sent.

    Args:
        exclude: children to leave alone.

    Returns:
        The pids that were still running.
    """
    killed: list[int] = []
    deadline = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < deadline:
        children = [pid for pid in children_of(os.getpid()) if pid not in exclude]
        if not children:
            break
        for pid in children:
            if start_time(pid) is not None:
                killed.append(pid)
                _kill_quietly(pid)
            _reap(pid)
    return sorted(set(killed))


def _kill_quietly(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def send_signal(identity: ProcessIdentity, number: signal.Signals) -> bool:
    """Signal that very process, or nobody.

    Where the kernel has pidfds the process is held by one before it is looked at, so that
    its pid cannot become another's in between.

    Returns:
        Whether the signal was sent.
    """
    try:
        held = os.pidfd_open(identity.pid)
    except AttributeError:
        held = None
    except OSError:
        return False
    try:
        if is_same_process(identity) is not True:
            return False
        if held is not None:
            signal.pidfd_send_signal(held, number)
        else:
            os.kill(identity.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        if held is not None:
            os.close(held)
    return True


def find_marked(variable: str, value: str) -> list[ProcessIdentity]:
    """Return the user's processes that were started with a variable set to a value."""
    mark = f"{variable}={value}".encode()
    found = []
    own = os.getpid()
    for name in os.listdir(PROC) if PROC.is_dir() else []:
        if not name.isdigit() or int(name) == own:
            continue
        try:
            environ = (PROC / name / "environ").read_bytes()
        except OSError:
            continue
        if mark in environ.split(b"\0") and (identity := identify(int(name))):
            found.append(identity)
    return found
