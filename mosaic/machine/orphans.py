"""Finding and ending what a process left behind.

Killing a process group is not enough: tool shells of agents have groups and sessions
of their own, and go on when the agent is gone. A supervisor therefore becomes a child
subreaper before it starts the agent: whatever loses its parent becomes the
supervisor's child, where `sweep_orphans` finds it. When the supervisor itself has
died, `find_marked` finds them by a variable that they inherited.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from mosaic.machine.identity import (
    find_variables,
    identify,
    list_entries,
    list_pids,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from mosaic.model import ProcessIdentity

_PR_SET_CHILD_SUBREAPER = 36
_REAP_POLL_SECONDS = 0.005


def become_subreaper() -> bool:
    """Make orphans among our descendants our children from now on, instead of init's.

    Holds for this process until it ends; children do not inherit it.

    Returns:
        False where the system has no such thing (all but Linux).
    """
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return int(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False


def sweep_orphans(exclude: Collection[int] = (), *, timeout_seconds: float = 5.0) -> list[int]:
    """Kill and reap every child of this process, and what becomes its child by that.

    Meant for a subreaper that has finished with its agent. Every child counts, whoever
    started it: name those in `exclude` that are to live or that someone else waits for.

    Args:
        exclude: pids that are left alone.
        timeout_seconds: when to give up on processes that the kernel does not let die.

    Returns:
        The pids that were alive and killed.
    """
    until = time.monotonic() + timeout_seconds
    killed: list[int] = []
    me = os.getpid()
    while children := [
        entry for entry in list_entries() if entry.parent == me and entry.pid not in exclude
    ]:
        for entry in children:
            # Our own child keeps its number until we reap it, so this cannot hit another.
            if not entry.is_zombie and entry.pid not in killed:
                _kill(entry.pid)
                killed.append(entry.pid)
        for entry in children:
            _reap(entry.pid, until)
        if time.monotonic() > until:
            break
    return killed


def find_marked(variable: str, value: str) -> list[ProcessIdentity]:
    """Return this user's other processes that were started with `variable=value`.

    Empty where the system does not show environments (all but Linux).
    """
    return [identity for identity, found in list_marked(variable, under=value) if found == value]


def list_marked(variable: str, *, under: str) -> list[tuple[ProcessIdentity, str]]:
    """Return this user's other processes whose `variable` begins so, each with its value.

    Empty where the system does not show environments (all but Linux).
    """
    found: list[tuple[ProcessIdentity, str]] = []
    for pid in list_pids():
        if pid == os.getpid() or not (
            marks := find_variables(pid, os.fsencode(f"{variable}={under}"))
        ):
            continue
        # Read once more behind the identity: should the number have passed on to another
        # process in between, the identity is that of a process without the mark.
        identity = identify(pid)
        if identity is not None and find_variables(pid, marks[0]) == marks[:1]:
            found.append((identity, os.fsdecode(marks[0]).partition("=")[2]))
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return


def _reap(pid: int, until: float) -> None:
    """Wait until a killed child is gone, but not past `until`."""
    while True:
        try:
            reaped, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return
        if reaped or time.monotonic() > until:
            return
        time.sleep(_REAP_POLL_SECONDS)
