"""Who may change the mission's files, which supervisor is alive, and where locks do not hold.

Both are kernel locks (`flock(2)`), free at once when their process ends, however it ends.

- `mission_lock`: filelock's, held for the moment of one change, waited for. Beside it
  stands `<name>.holder`, a JSON object that names the holder to those who wait.
- `hold_folder`: held by a supervisor on its run's folder for as long as it lives, and
  never waited for. That it is held is the proof of life.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mosaic.codec import parse_json
from mosaic.errors import HeldError, LockTimeoutError, MissionError, UsageError
from mosaic.machine.disk import PRIVATE_FILE, find_bytes
from mosaic.machine.identity import is_same_process, own_identity
from mosaic.machine.signature import access_error
from mosaic.model import ProcessIdentity
from mosaic.records import asdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_SECONDS = 30.0
"""How long a command waits for another, as a rule: several may work on a loaded machine."""
_MOST_DIGITS = 6
_POLL_SECONDS = 0.03
_SHORTEST_POLL_SECONDS = 0.001
_NAME_CHARACTERS = 300
# Someone who only looks whether a folder is held takes it, shared, for an instant.
_LOOK_SECONDS = 0.5
# Served from elsewhere; `fuseblk` is not among them: that is a disk of this machine.
_FOREIGN = (
    r"(?:nfs4?|cifs|smb\w*|ncpfs|9p|afs|ceph|lustre|gfs2?|ocfs2|vboxsf|virtiofs|webdav|davfs"
    r"|osxfs|prl_fs|fuse(?:\..+)?)"
)
_MOUNT_POINT = 4
"""Which field of a line of mountinfo says where it is mounted."""


def patience_seconds() -> float:
    """Return how long a command waits for another: what `MISSION_PATIENCE` says, or the rule.

    Raises UsageError where that is not a number of seconds.
    """
    told = os.environ.get("MISSION_PATIENCE", "")
    if told.isascii() and told.isdecimal() and len(told) <= _MOST_DIGITS:
        return float(told)
    if told:
        raise UsageError(
            f"`MISSION_PATIENCE` is `{told}`, which is not a number of seconds",
            hint=f"set it to `5`, or unset it for {PATIENCE_SECONDS:g}",
        )
    return PATIENCE_SECONDS


@contextlib.contextmanager
def mission_lock(
    path: Path | str, *, holder: str, timeout_seconds: float | None = None
) -> Iterator[bool]:
    """Hold the mission lock for the length of a `with` block.

    A thread that has it already may take it again: the inner block joins the outer
    one, and the lock is free when the outermost ends. Children do not inherit it.
    The block is given whether the holder before was killed: it left its note behind.

    Args:
        path: the lock file; its folder must exist.
        holder: what holds it, in words for those who wait: `mission set T-001`.
        timeout_seconds: how long to wait; None: as long as commands do.

    Raises:
        LockTimeoutError: it was not free in time; names the holder.
    """
    # Imported here: it costs a command that only reads a third of its time.
    from filelock import FileLock, Timeout

    lock = FileLock(path, mode=PRIVATE_FILE, is_singleton=True, fallback_to_soft=False)
    patience = patience_seconds() if timeout_seconds is None else timeout_seconds

    def is_acquired() -> bool:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        return True

    try:
        # filelock would make a missing folder, open to everybody.
        os.stat(os.path.join(os.path.dirname(path), os.curdir))
        is_mine = _is_done_within(patience, is_acquired)
    except OSError as error:
        raise access_error("locked", path, error) from error
    if not is_mine:
        raise LockTimeoutError(path, patience, _find_holder(path))
    note = f"{os.fspath(path)}.holder"
    is_outermost = lock.lock_counter == 1
    try:
        was_left = is_outermost and os.path.lexists(note)
        if is_outermost:
            _leave_name(note, holder)
        yield was_left
    finally:
        if is_outermost:
            with contextlib.suppress(OSError):
                os.unlink(note)
        lock.release()


class FolderLock:
    """A folder that this process holds until `release`, or until it ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What holds it: a child that inherits that holds it on, should this process be killed."""
        return () if self._descriptor is None else (self._descriptor,)

    def release(self) -> None:
        """Let go of the folder; a second call does nothing."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        # Unlocked outright: a child between fork and exec still has the descriptor.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def hold_folder(path: Path | str, *, wait_seconds: float = _LOOK_SECONDS) -> FolderLock:
    """Hold a folder for as long as this process lives; HeldError where another one holds it.

    Args:
        wait_seconds: how long to wait for a holder; as given, only for one that looks.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        lock = FolderLock(Path(path), descriptor)
        try:
            if _is_done_within(wait_seconds, lambda: _try_lock(descriptor, fcntl.LOCK_EX)):
                return lock
        except BaseException:
            lock.release()
            raise
    except OSError as error:
        raise access_error("locked", path, error) from error
    lock.release()
    raise HeldError(
        f"`{path}` is in use by a living process",
        path=path,
        hint="`mission sessions --live` shows which",
    )


def is_folder_held(path: Path | str) -> bool:
    """Tell whether a living process holds a folder; one that is missing is not held."""
    return _is_held(path, os.O_DIRECTORY)


def is_file_held(path: Path | str) -> bool:
    """Tell the same of a file that a process locks for as long as it writes it."""
    return _is_held(path, os.O_NONBLOCK)


def _is_held(path: Path | str, flags: int) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
        try:
            # Shared, so that two who look do not take each other for the holder.
            return not _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise access_error("looked at", path, error) from error


def _is_done_within(wait_seconds: float, attempt: Callable[[], bool]) -> bool:
    until = time.monotonic() + wait_seconds
    while not attempt():
        left = until - time.monotonic()
        if left <= 0:
            return False
        # The one that has waited longest asks most often, so that each gets its turn.
        time.sleep(max(_SHORTEST_POLL_SECONDS, _POLL_SECONDS * (left / wait_seconds) ** 3))
    return True


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _leave_name(note: str, holder: str) -> None:
    # For people only, so nothing depends on its success.
    since = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"command": holder, "since": since, **asdict(own_identity())}
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with contextlib.suppress(OSError):
        descriptor = os.open(note, flags, PRIVATE_FILE)
        try:
            os.write(descriptor, json.dumps(content).encode())
        finally:
            os.close(descriptor)


def was_killed(path: Path | str) -> bool:
    """Tell whether the last holder of a mission lock was killed while it held it."""
    note = _read_note(path)
    return note is not None and is_same_process(note[1]) is False


def _find_holder(path: Path | str) -> str | None:
    note = _read_note(path)
    # A holder that was killed leaves its note to the next, who may not have come yet.
    if note is None or is_same_process(note[1]) is False:
        return None
    (command, since), identity = note
    words = f"`{command}`, pid {identity.pid} on `{identity.host}`, since {since}"
    return "".join(char if char.isprintable() else " " for char in words)[:_NAME_CHARACTERS]


def _read_note(path: Path | str) -> tuple[tuple[str, str], ProcessIdentity] | None:
    try:
        found = parse_json(find_bytes(f"{os.fspath(path)}.holder", limit_bytes=65536) or b"")
        about = (str(found.pop("command")), str(found.pop("since")))
        identity = ProcessIdentity(pid=int(found.pop("pid")), **found)
    except (MissionError, ValueError, TypeError, AttributeError, KeyError, OverflowError):
        return None
    is_text = all(isinstance(value, str) for value in found.values())
    return (about, identity) if is_text else None


def find_foreign_file_system(path: os.PathLike[str] | str) -> str | None:
    """Return the kind of a file system that another machine or program serves, such as `nfs4`.

    None for one of this machine's own, and where the system does not tell (all but Linux).
    """
    place = os.fsencode(os.path.realpath(path))
    try:
        with open("/proc/self/mountinfo", "rb") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return None
    kind, longest = "", -1
    for line in lines:
        # 36 35 98:0 /root /mount/point options [optional fields] - kind source options
        before, separator, after = line.partition(b" - ")
        fields = before.split()
        if not separator or len(fields) <= _MOUNT_POINT:
            continue
        point = re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), fields[_MOUNT_POINT])
        is_above = place == point or place.startswith(point.rstrip(b"/") + b"/")
        # The last one of the same point lies on top of the others.
        if is_above and len(point) >= longest:
            kind, longest = os.fsdecode(after.split()[0]), len(point)
    return kind if re.fullmatch(_FOREIGN, kind) else None
