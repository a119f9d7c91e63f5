"""Which process is which.

A pid alone proves nothing: it is used again. A process is told apart by pid, start
time, boot, host and namespace, and a zombie counts as gone. Only looks, never signals.

A pid counts in its pid namespace only, and the kernel shows start times as the time
namespace of the reading process has it. A process of another namespace can therefore be
neither found nor missed by its pid, and nothing is known of it from here. What it says of
itself still can be read: the variables that it was started with.

Linux is read through /proc, here and in `mosaic.machine.traces`; other systems through
`ps`. Where there is neither, or /proc shows another namespace than ours, nothing is known of
any process, and so none is signalled.
"""

from __future__ import annotations

import os
from functools import cache

from mosaic.machine.environment import child_environment
from mosaic.model import ProcessIdentity
from mosaic.records import dataclass

_ZOMBIE_STATES = "ZXx"
_STOPPED_STATES = "Tt"
_ENVIRON_BYTES = 16 * 1024
_PS_SECONDS = 10
_PS_COLUMNS = ("pid", "ppid", "pgid", "stat", "lstart")


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
    return _identity(pid, entry.started_at)


def own_identity() -> ProcessIdentity:
    """Return this process's own identity."""
    pid = os.getpid()
    return identify(pid) or unseen_identity(pid)


def unseen_identity(pid: int) -> ProcessIdentity:
    """Return the identity of a process of ours that the process table does not show."""
    return _identity(pid, "")


def identity_of_child(pid: int) -> ProcessIdentity:
    """Return the identity of a child of ours: also of one that has ended, or is not shown."""
    entry = find_entry(pid)
    return _identity(pid, entry.started_at if entry is not None else "")


def _identity(pid: int, started_at: str) -> ProcessIdentity:
    return ProcessIdentity(
        pid=pid,
        started_at=started_at,
        boot_id=boot_id(),
        host=host_name(),
        namespace=own_namespace(),
    )


def is_same_process(identity: ProcessIdentity) -> bool | None:
    """Tell whether the process still lives: True, False, or None where it cannot be known.

    It cannot be known of another host or namespace, of a pid that was not there yet (0),
    and of a process that this user may not look at.
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
    """Read /proc/<pid>/stat, see proc_pid_stat(5).

    Raises:
        ValueError: it is something else.
        IndexError: it is cut short.
    """
    # The name stands in brackets, unescaped: it may hold spaces and brackets itself.
    pid = int(data[: data.index(b"(")])
    fields = data[data.rindex(b")") + 1 :].split()
    return ProcessEntry(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        started_at=str(int(fields[19])),
        is_zombie=fields[0].decode("ascii", "replace") in _ZOMBIE_STATES,
        is_stopped=fields[0].decode("ascii", "replace") in _STOPPED_STATES,
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
    """Tell whether /proc shows the processes of another pid namespace than ours.

    So it does after `unshare --pid` without a mount of its own, and then a pid of ours means
    another process there. `ps` reads the same.
    """
    try:
        return os.readlink("/proc/self") != str(os.getpid())
    except OSError:
        return False


def find_variables(pid: int, beginning: bytes) -> list[bytes]:
    """Return a process's variables that begin so; empty for another user's, and without /proc.

    They are those that it was started with.
    """
    try:
        descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    pieces = []
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            return []
        while piece := os.read(descriptor, _ENVIRON_BYTES):
            pieces.append(piece)
    except OSError:
        return []
    finally:
        os.close(descriptor)
    data = b"".join(pieces)
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
