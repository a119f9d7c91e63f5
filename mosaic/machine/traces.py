"""What can be seen of processes beside their identity: variables, folder, locks, signals.

Only looks, and only on Linux; elsewhere, and of other users' processes, nothing is seen.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.machine.identity import (
    find_entry,
    find_variables,
    identify,
    list_pids,
    own_namespace,
)

if TYPE_CHECKING:
    from mosaic.machine.identity import ProcessEntry
    from mosaic.model import ProcessIdentity

DELETED = " (deleted)"
"""Ends the path of a folder that was removed while a process has it."""
_FIRST_NAMESPACE = "4026531836"
"""The pid namespace that a Linux system starts with: from it every process is seen."""


def find_environment(pid: int, prefix: str) -> dict[str, str]:
    """Return the variables that a process was started with, those that begin so."""
    pairs = (os.fsdecode(each).partition("=") for each in find_variables(pid, prefix.encode()))
    return {name: value for name, _, value in pairs}


def find_folder(pid: int) -> str | None:
    """Return the folder that a process works in; None where that is not to be seen.

    The path ends in `DELETED` where it was removed.
    """
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return None


def find_holder(folder: str) -> ProcessIdentity | None:
    """Return the process that is seen to hold a folder's kernel lock (`hold_folder`).

    It is found also where the folder was removed meanwhile, or the process is of a pid
    namespace below ours. Slow: looks at every open file of this user's processes.
    """
    for pid in list_pids():
        if pid != os.getpid() and _holds(pid, folder):
            identity = identify(pid)
            if identity is not None and _holds(pid, folder):
                return identity
    return None


def _holds(pid: int, folder: str) -> bool:
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for number in numbers:
        try:
            found = os.readlink(f"/proc/{pid}/fd/{number}")
            if found.removesuffix(DELETED) != folder:
                continue
            with open(f"/proc/{pid}/fdinfo/{number}", "rb") as stream:
                # A process that only looks has it open too, or shares the lock for an instant.
                if b"FLOCK  ADVISORY  WRITE" in stream.read():
                    return True
        except OSError:
            continue
    return False


def ignores_signal(pid: int, number: int) -> bool:
    """Tell whether a process is seen to ignore a signal."""
    try:
        with open(f"/proc/{pid}/status", "rb") as stream:
            mask = next(line.split()[1] for line in stream if line.startswith(b"SigIgn:"))
        return bool(int(mask, 16) >> (number - 1) & 1)
    except (OSError, ValueError, IndexError, StopIteration):
        return False


def has_process_in(namespace: str) -> bool:
    """Tell whether a process that is seen from here is in a namespace.

    None need be seen although it is full of processes: those of a namespace beside ours or
    above it are hidden.
    """
    wanted = namespace.partition("-")[0]
    for pid in list_pids():
        try:
            is_in = str(os.stat(f"/proc/{pid}/ns/pid").st_ino) == wanted
        except OSError:
            continue
        # One that has ended stays listed until somebody reaps it, which may be never.
        if is_in and (entry := find_entry(pid)) is not None and not entry.is_zombie:
            return True
    return False


def sees_every_process() -> bool:
    """Tell whether a process that is not found here is nowhere else on this machine."""
    return own_namespace().partition("-")[0] in (_FIRST_NAMESPACE, "")


def started_moment(entry: ProcessEntry) -> float | None:
    """Return when a process was started, as seconds since 1970; None where that is not known.

    Exact to a second or two, as far as the clock was not set since.
    """
    if not entry.started_at.isdecimal():
        return None
    try:
        with open("/proc/stat", "rb") as stream:
            booted = next(int(line.split()[1]) for line in stream if line.startswith(b"btime"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return booted + int(entry.started_at) / os.sysconf("SC_CLK_TCK")
