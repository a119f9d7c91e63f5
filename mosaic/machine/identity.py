"""Which process is which, and what can be seen of it. Only looks, never signals.

A pid alone proves nothing: it is used again. A process is told apart by pid, start
time, boot, host and namespace, and a zombie counts as gone.

A pid counts in its pid namespace only, and the kernel shows start times as the time
namespace of the reading process has it. So nothing is known of a process of another namespace
but what it says of itself: the variables that it was started with.

Linux is read through /proc, other systems through `ps`. Where there is neither, or /proc shows
another namespace than ours, nothing is known of any process, and so none is signalled.
Variables, folders, locks and ignored signals are seen on Linux only, of this user's processes.
"""

from __future__ import annotations

import os
from functools import cache

from mosaic.machine.environment import child_environment
from mosaic.model import ProcessIdentity
from mosaic.records import dataclass

_STOPPED_STATES = "Tt"
_PS_SECONDS = 10
_PS_COLUMNS = ("pid", "ppid", "pgid", "stat", "lstart")
DELETED = " (deleted)"
"""Ends the path of a folder that was removed while a process has it."""
_FIRST_NAMESPACE = "4026531836"
"""The pid namespace that a Linux system starts with: from it every process is seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessEntry:
    """One row of the process table."""

    pid: int
    parent: int
    group: int
    started_at: str
    """In the kernel's own units; comparable on one boot of one host only."""
    is_zombie: bool
    is_stopped: bool = False
    """Whether a signal or a debugger holds it."""


@cache
def boot_id() -> str:
    """Return what tells this boot from every other; empty when the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return _output_of(["sysctl", "-n", "kern.bootsessionuuid"])[1].strip()


def host_name() -> str:
    """Return this machine's name."""
    return os.uname().nodename


@cache
def own_namespace() -> str:
    """Return what tells our pid and time namespace from others; empty where there are none."""
    try:
        numbers = [os.stat(f"/proc/self/ns/{kind}").st_ino for kind in ("pid", "time")]
    except OSError:
        try:  # Linux before 5.6 has no time namespaces
            numbers = [os.stat("/proc/self/ns/pid").st_ino]
        except OSError:
            return ""
    return "-".join(map(str, numbers))


def is_elsewhere(identity: ProcessIdentity) -> bool:
    """Tell whether a process is of another namespace than ours, as far as that is known."""
    own = own_namespace()
    return bool(identity.namespace and own and identity.namespace != own)


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of a living process; None when there is none, or a zombie."""
    entry = find_entry(pid)
    if entry is None or entry.is_zombie:
        return None
    return unseen_identity(pid, started_at=entry.started_at)


def own_identity() -> ProcessIdentity:
    """Return this process's own identity."""
    return identity_of_child(os.getpid())


def identity_of_child(pid: int) -> ProcessIdentity:
    """Return the identity of a child of ours: also of one that has ended, or is not shown."""
    entry = find_entry(pid)
    return unseen_identity(pid, started_at=entry.started_at if entry is not None else "")


def unseen_identity(pid: int, *, started_at: str = "") -> ProcessIdentity:
    """Return the identity of a process of ours that the process table need not show."""
    return ProcessIdentity(
        pid=pid,
        started_at=started_at,
        boot_id=boot_id(),
        host=host_name(),
        namespace=own_namespace(),
    )


def is_same_process(identity: ProcessIdentity) -> bool | None:
    """Tell whether the process still lives: True, False, or None where it cannot be known.

    So it is of another host or namespace, of a pid that was not there yet (0), and of a process
    that this user may not look at.
    """
    if identity.host != host_name() or identity.pid <= 0 or not identity.boot_id:
        return None
    if identity.boot_id != boot_id():
        return False
    if is_elsewhere(identity):
        return None
    entry = find_entry(identity.pid)
    if entry is None:
        return None if _is_hidden(identity.pid) else False
    if entry.is_zombie:
        return False
    if not identity.started_at:
        return None
    return entry.started_at == identity.started_at


def find_entry(pid: int) -> ProcessEntry | None:
    """Return the row of one process, zombies included; None when there is none to be seen."""
    if pid <= 0:
        return None
    if not has_proc():
        return next(iter(_ps("-p", str(pid))), None)
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return parse_stat(stream.read())
    except (OSError, ValueError, IndexError):
        return None


def list_entries() -> list[ProcessEntry]:
    """Return the whole process table, zombies included, as far as this user may see it."""
    if not has_proc():
        return _ps("-A")
    return [entry for pid in list_pids() if (entry := find_entry(pid))]


def list_pids() -> list[int]:
    """Return the pid of every process in /proc; empty where there is none."""
    if not has_proc():
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def parse_stat(data: bytes) -> ProcessEntry:
    """Read /proc/<pid>/stat, see proc_pid_stat(5); ValueError or IndexError where it is not."""
    # The name stands in brackets, unescaped: it may hold spaces and brackets itself.
    pid = int(data[: data.index(b"(")])
    fields = data[data.rindex(b")") + 1 :].split()
    state = fields[0].decode("ascii", "replace")
    return ProcessEntry(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        started_at=str(int(fields[19])),
        is_zombie=state in "ZXx",
        is_stopped=state in _STOPPED_STATES,
    )


def parse_ps(text: str) -> list[ProcessEntry]:
    """Read the answer of `ps -o pid=,ppid=,pgid=,stat=,lstart=`; other lines are passed over."""
    entries: list[ProcessEntry] = []
    for line in text.splitlines():
        fields = line.split(maxsplit=len(_PS_COLUMNS) - 1)
        if len(fields) == len(_PS_COLUMNS) and all(field.isdecimal() for field in fields[:3]):
            entries.append(
                ProcessEntry(
                    pid=int(fields[0]),
                    parent=int(fields[1]),
                    group=int(fields[2]),
                    started_at=" ".join(fields[4].split()),
                    is_zombie=fields[3].startswith("Z"),
                    is_stopped=fields[3].startswith(tuple(_STOPPED_STATES)),
                )
            )
    return entries


@cache
def has_proc() -> bool:
    """Tell whether this system shows its process table under /proc."""
    return os.path.exists("/proc/self/stat") and not _is_proc_elsewhere()


def find_process_table() -> str | None:
    """Return where processes are looked up: `/proc` or `ps`; None where there is neither."""
    if has_proc():
        return "/proc"
    return "ps" if find_entry(os.getpid()) else None


def _is_proc_elsewhere() -> bool:
    # Another pid namespace's processes are shown after `unshare --pid` without a mount of its
    # own, and then a pid of ours means another process there. `ps` reads the same.
    try:
        return os.readlink("/proc/self") != str(os.getpid())
    except OSError:
        return False


def find_variables(pid: int, beginning: bytes) -> list[bytes]:
    """Return the variables that a process was started with and that begin so.

    Empty for another user's process, and without /proc.
    """
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as stream:
            if os.fstat(stream.fileno()).st_uid != os.getuid():
                return []
            data = stream.read()
    except OSError:
        return []
    if beginning not in data:  # nearly always, and quicker than to look at each variable
        return []
    return [each for each in data.split(b"\0") if each.startswith(beginning)]


def _is_hidden(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    # Signalled but not shown: it came or went just now, or /proc hides it.
    return find_entry(pid) is None


def _ps(*which: str) -> list[ProcessEntry]:
    if _is_proc_elsewhere():
        return []
    columns = ",".join(f"{name}=" for name in _PS_COLUMNS)
    ps_pid, text = _output_of(["ps", "-o", columns, *which])
    return [entry for entry in parse_ps(text) if entry.pid != ps_pid]


def _output_of(argv: list[str]) -> tuple[int, str]:
    """Return the pid that a small system program had and what it printed; empty on failure."""
    import subprocess  # here: it costs 12 ms, and Linux never comes here

    environment = {**child_environment(), "LC_ALL": "C", "TZ": "UTC0"}
    try:
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
    except OSError:
        return 0, ""
    with process:
        try:
            output, _ = process.communicate(timeout=_PS_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.pid, ""
    return process.pid, output.decode("utf-8", "replace")


def find_environment(pid: int, prefix: str) -> dict[str, str]:
    """Return the variables that a process was started with and that begin so, by name."""
    pairs = (os.fsdecode(each).partition("=") for each in find_variables(pid, prefix.encode()))
    return {name: value for name, _, value in pairs}


def find_folder(pid: int) -> str | None:
    """Return the folder a process works in, with `DELETED` if it was removed; None if not seen."""
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

    Those of a namespace beside ours or above it are hidden.
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
    """Return when a process was started, in seconds since 1970, to a second or two, if known."""
    if not entry.started_at.isdecimal():
        return None
    try:
        with open("/proc/stat", "rb") as stream:
            booted = next(int(line.split()[1]) for line in stream if line.startswith(b"btime"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return booted + int(entry.started_at) / os.sysconf("SC_CLK_TCK")
