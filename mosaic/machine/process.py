"""Starting a program, signalling one, ending what it left behind, and hearing signals.

Killing a process group is not enough: tool shells of agents have groups and sessions of
their own, and go on when the agent is gone. A supervisor therefore becomes a child subreaper
before it starts the agent: whatever loses its parent becomes the supervisor's child, where
`sweep_orphans` finds it. When the supervisor itself has died, `find_marked` finds them by a
variable that they inherited.

A signal that was ignored when this program was started stays ignored, as `nohup` and a shell
without job control want it; and so it is for every program that is started from here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
import time
from typing import IO, TYPE_CHECKING, TypeAlias

from mosaic.errors import ProgramNotFoundError
from mosaic.machine.environment import child_environment
from mosaic.machine.identity import (
    boot_id,
    find_folder,
    find_variables,
    identify,
    is_elsewhere,
    is_same_process,
    list_entries,
    list_pids,
)
from mosaic.machine.paths import is_inside

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

    from mosaic.model import ProcessIdentity

Stream: TypeAlias = "int | IO[bytes] | None"
"""What a child's stdin, stdout or stderr is: a descriptor, a file, or None to inherit."""
_PR_SET_CHILD_SUBREAPER = 36


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str] | None,
    stdin: Stream,
    stdout: Stream,
    stderr: Stream,
    new_session: bool,
    inherits: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program; no shell, and nothing inherited but the three streams and `inherits`.

    Args:
        argv: the program, looked up on the PATH of `env` or relative to `cwd`, and its arguments.
        env: its whole environment; None for `child_environment`.
        new_session: give it a session and process group of its own, whose number is its pid.

    Raises:
        ProgramNotFoundError: it cannot be started; says why and what to do.
    """
    import subprocess  # here: it costs 12 ms that most commands need not pay

    if not argv:
        raise ProgramNotFoundError(
            "", problem="the command is empty", hint="give the command at least a program"
        )
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=child_environment() if env is None else dict(env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=new_session,
            pass_fds=inherits,
        )
    except (OSError, ValueError) as error:
        raise _start_error(argv, cwd, env, error) from error


def find_tool(name: str, cwd: Path | str | None = None) -> str | None:
    """Return where a tool that we call by ourselves is: on the PATH, and in no repository here.

    A relative folder on the PATH, or one inside of a repository, may hold a program of that
    name that somebody else put there. None where no other is found.
    """
    from mosaic.machine.git_dir import find_git_dir  # start-up: what starts nothing

    tops = []
    for folder in (os.curdir, *(() if cwd is None else (cwd,))):
        with contextlib.suppress(FileNotFoundError):  # the working directory may be gone
            found = find_git_dir(folder)
            tops += [str(found[0])] if found else []
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        place = os.path.join(folder, name)
        if not os.path.isabs(place) or not os.access(place, os.X_OK) or os.path.isdir(place):
            continue
        real = os.path.realpath(place)
        if not any(is_inside(top, real) for top in tops):
            return place
    return None


def install_path(program: str) -> str | None:
    """Return where a program is installed, None when it is not on the PATH."""
    from shutil import which

    return which(program)


def send_signal(identity: ProcessIdentity, number: int) -> bool:
    """Signal one process, if it is verified to be that very one, and tell whether that was done."""
    if identity.pid <= 1:
        return False
    try:
        if not hasattr(os, "pidfd_open"):
            if is_same_process(identity) is not True:
                return False
            os.kill(identity.pid, number)
            return True
        # From here on the descriptor means one process, even if its number is used again.
        descriptor = os.pidfd_open(identity.pid)
        try:
            if is_same_process(identity) is not True:
                return False
            signal.pidfd_send_signal(descriptor, number)
            return True
        finally:
            os.close(descriptor)
    except (OSError, OverflowError):
        return False


def _start_error(
    argv: Sequence[str], cwd: Path | str, env: Mapping[str, str] | None, error: OSError | ValueError
) -> ProgramNotFoundError:
    # The system gives one number for many causes.
    from shutil import which

    program = argv[0]
    number, words = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
    if os.sep in program:
        place = os.path.join(cwd, program)
        found = place if os.path.lexists(place) else None
    else:
        found = which(program, path=(os.environ if env is None else env).get("PATH"))
    problem = words or str(error)
    hint = "try it by hand in the same folder"
    if not os.path.isdir(cwd):
        problem = f"its working folder `{cwd}` is not there"
        hint = "`mission check` finds worktrees that are gone"
    elif number == errno.E2BIG:
        size = sum(len(os.fsencode(part)) + 1 for part in argv)
        problem = f"its arguments are too long for the system ({size} bytes)"
        hint = 'hand the prompt in by `"prompt": "stdin"` or `"file"` under `runtimes`'
    elif number == errno.ENOENT and found:
        problem = f"`{found}` is there, but not the interpreter that its first line names"
        hint = "mend its first line, or install the interpreter"
    elif number == errno.ENOENT:
        problem = "there is no such file" if os.sep in program else "it is not on the PATH"
        hint = "install it, or set another command under `runtimes` in mission.json"
    elif number == errno.ENOEXEC:
        problem = (
            f"`{found or program}` is not a program: it has no `#!` line or is for another system"
        )
        hint = "give it a first line such as `#!/bin/sh`"
    elif number in (errno.EACCES, errno.EPERM):
        problem = f"`{found or program}` may not be executed by this user"
        hint = f"`chmod +x {found or program}` if it is meant to be a program"
    return ProgramNotFoundError(program, problem=problem, hint=hint)


def become_subreaper() -> bool:
    """Make orphans among our descendants our children from now on, instead of init's.

    Holds for this process alone, until it ends. False where there is no such thing (all but Linux).
    """
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        return int(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False


def sweep_orphans(exclude: Collection[int] = (), *, timeout_seconds: float = 5.0) -> list[int]:
    """Kill and reap every child of this process, and what becomes its child by that.

    Meant for a subreaper that has finished with its agent. Every child counts, whichever
    process started it: name those in `exclude` that are to live or that someone else waits for.

    Args:
        timeout_seconds: when to give up on processes that the kernel does not let die.

    Returns:
        The pids that were alive and killed.
    """
    until = time.monotonic() + timeout_seconds
    killed: list[int] = []
    me = os.getpid()
    while children := [e for e in list_entries() if e.parent == me and e.pid not in exclude]:
        for entry in children:
            # Our own child keeps its number until we reap it, so this cannot hit another.
            if not entry.is_zombie and entry.pid not in killed:
                with contextlib.suppress(OSError):
                    os.kill(entry.pid, signal.SIGKILL)
                killed.append(entry.pid)
        for entry in children:
            _reap(entry.pid, until)
        if time.monotonic() > until:
            break
    return killed


def find_marked(variable: str, value: str) -> list[ProcessIdentity]:
    """Return this user's other processes that were started with `variable=value` (on Linux)."""
    return [identity for identity, found in list_marked(variable, under=value) if found == value]


def find_in_session(leader: ProcessIdentity, folder: str) -> list[ProcessIdentity]:
    """Return what is left in a folder of the session that a process began, once that has ended.

    For processes that carry no mark: codex starts MCP servers with an environment of their own.
    A session that has members keeps its number; the folder guards against one that came later.
    """
    is_known = leader.boot_id == boot_id() and not is_elsewhere(leader)
    if not is_known or identify(leader.pid) is not None:
        return []
    found = []
    for pid in list_pids():
        with contextlib.suppress(OSError):
            place = find_folder(pid) if os.getsid(pid) == leader.pid else None
            if place is not None and is_inside(folder, place) and (one := identify(pid)):
                found.append(one)
    return found


def list_marked(variable: str, *, under: str) -> list[tuple[ProcessIdentity, str]]:
    """Return this user's other processes whose `variable` begins so, each with its value."""
    found: list[tuple[ProcessIdentity, str]] = []
    beginning = os.fsencode(f"{variable}={under}")
    for pid in list_pids():
        if pid != os.getpid() and (marks := find_variables(pid, beginning)):
            # Read once more behind the identity: should the number have passed on to another
            # process in between, the identity is that of a process without the mark.
            identity = identify(pid)
            if identity is not None and find_variables(pid, marks[0]) == marks[:1]:
                found.append((identity, os.fsdecode(marks[0]).partition("=")[2]))
    return found


def _reap(pid: int, until: float) -> None:
    with contextlib.suppress(ChildProcessError):
        while not os.waitpid(pid, os.WNOHANG)[0] and time.monotonic() <= until:
            time.sleep(0.005)


class SignalQueue:
    """Signals that wake a loop, which then acts on them in its own time.

    `listen` once, `close` in the end. One may listen while another does: what comes meanwhile
    is the inner one's.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._handlers: dict[int, object] = {}
        self._before = -1

    def listen(self, numbers: Iterable[int], *, even_ignored: Iterable[int] = ()) -> None:
        """Take these signals from now on; those in `numbers` only where they are not ignored."""
        heard = [each for each in numbers if not is_ignored(each)]
        for number in (*heard, *even_ignored):
            self._handlers[number] = signal.signal(number, _take_note)
        self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def wait(self, seconds: float) -> list[int]:
        """Return the signals that came, as soon as one does or the time is up."""
        ready, _, _ = select.select([self._reader], [], [], seconds)
        return list(os.read(self._reader, 4096)) if ready else []

    def close(self) -> None:
        """Give the signals back to their earlier handlers."""
        if self._writer < 0:
            return
        if self._handlers:
            signal.set_wakeup_fd(self._before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._handlers.clear()
        os.close(self._reader)
        os.close(self._writer)
        self._reader = self._writer = -1


def is_ignored(number: int) -> bool:
    """Tell whether this process ignores a signal."""
    return signal.getsignal(number) is signal.SIG_IGN


def _take_note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the descriptor that is written to is what wakes the loop."""
