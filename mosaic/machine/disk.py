"""Reading files, and writing one file, or one line of it, so that it is always whole.

Owns how a file is read (regular, bounded, UTF-8 without loss) and how one is replaced:
a temporary file beside it, fsync, rename, fsync of the folder. Knows no format.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError
from mosaic.machine.signature import Expected, Signature, access_error, expect_unchanged
from mosaic.machine.staging import discard, resolve_target, stage, sync_folder, temporary_beside
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE_LIMIT_BYTES = 16 * 1024 * 1024
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
_BLOCK_BYTES = 4096
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW


@dataclass(frozen=True, kw_only=True, slots=True)
class TextFile:
    """A file's text without any loss (BOM and CRLF included), and what it was read at."""

    text: str
    signature: Signature


def read_bytes(path: Path | str, *, limit_bytes: int = SIZE_LIMIT_BYTES) -> bytes:
    """Return a regular file's bytes; FileAccessError also where there is no such file."""
    data = find_bytes(path, limit_bytes=limit_bytes)
    if data is None:
        raise _missing(path)
    return data


def find_bytes(path: Path | str, *, limit_bytes: int = SIZE_LIMIT_BYTES) -> bytes | None:
    """Return a regular file's bytes, or None when there is no such file; see `find_signed`."""
    found = find_signed(path, limit_bytes=limit_bytes)
    return None if found is None else found[0]


def read_text(path: Path | str, *, limit_bytes: int = SIZE_LIMIT_BYTES) -> TextFile:
    """Return a UTF-8 file's text; FileAccessError also where there is no such file."""
    found = find_text(path, limit_bytes=limit_bytes)
    if found is None:
        raise _missing(path)
    return found


def find_text(path: Path | str, *, limit_bytes: int = SIZE_LIMIT_BYTES) -> TextFile | None:
    """Return a UTF-8 file's text, or None when there is no such file.

    FileAccessError: as `find_signed`; or not UTF-8, with the line of the first bad byte.
    """
    found = find_signed(path, limit_bytes=limit_bytes)
    if found is None:
        return None
    data, signature = found
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        is_utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise FileAccessError(
            f"`{path}` is not UTF-8",
            path=path,
            line=data.count(b"\n", 0, error.start) + 1,
            detail="it looks like UTF-16" if is_utf_16 else f"byte 0x{data[error.start]:02x}",
            hint="save it as UTF-8",
        ) from None
    return TextFile(text=text, signature=signature)


def find_signed(
    path: Path | str, *, limit_bytes: int = SIZE_LIMIT_BYTES
) -> tuple[bytes, Signature] | None:
    """Return bytes and signature from one open descriptor, or None when there is no such file.

    FileAccessError: not permitted, not a regular file, over `limit_bytes`.
    """
    try:
        # Not blocking: opening a FIFO that nobody writes to would wait for ever.
        descriptor = os.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise access_error("read", path, error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileAccessError(f"`{path}` is not a regular file", path=path)
        size = status.st_size
        data = _read_all(descriptor, size, limit_bytes) if size <= limit_bytes else b""
    except OSError as error:
        raise access_error("read", path, error) from error
    finally:
        os.close(descriptor)
    if max(size, len(data)) > limit_bytes:
        raise FileAccessError(
            f"`{path}` is too large to read",
            path=path,
            detail=f"it has more than the {limit_bytes} bytes that are allowed",
        )
    return data, Signature.of(status)


def _read_all(descriptor: int, size: int, limit_bytes: int) -> bytes:
    data = os.read(descriptor, size + 1)
    if len(data) == size > 0:
        return data
    # It grows, or tells no size (as those below /proc), or is read in pieces.
    pieces = [data]
    rest = limit_bytes + 1 - len(data)
    while rest > 0 and (piece := os.read(descriptor, min(rest, 1 << 20))):
        pieces.append(piece)
        rest -= len(piece)
    return b"".join(pieces)


def _missing(path: Path | str) -> FileAccessError:
    return FileAccessError(f"`{path}` cannot be read", path=path, detail="there is no such file")


def state_of(path: Path) -> str | None:
    """Return the digest of a regular file, None for no file, `?` for anything else."""
    try:
        return "?" if path.is_symlink() else digest(find_bytes(path))
    except (FileAccessError, OSError):
        return "?"


def digest(data: bytes | None) -> str | None:
    """Return the sha256 of a content; None stands for no file."""
    from hashlib import sha256

    return None if data is None else sha256(data).hexdigest()


def write_atomic(
    path: Path | str,
    data: bytes,
    *,
    root: Path | str,
    mode: int | None = None,
    expect: Signature | Expected | None = Expected.ANYTHING,
) -> Signature:
    """Write a whole file so that a crash leaves the old or the new one, never a part.

    A symlink stays and its target is replaced. The owner of an existing file is kept
    where that is permitted.

    Args:
        path: the file; its folder must exist, and its real target lie in `root`.
        mode: permission bits, whatever the umask; None keeps those of an existing file
            and leaves those of a new one to the umask.
        expect: signature that the target must still have just before it is replaced;
            None: there must be no file; ANYTHING: not looked at.

    Returns:
        The signature of the file as written.

    Raises:
        FileChangedError: the target is not what was expected; it is left alone.
        FileAccessError: not permitted, disk full, no regular file; the old one is whole.
    """
    target = resolve_target(path, root=root)
    temporary = temporary_beside(target)
    state = "what was there before is whole"
    try:
        descriptor = stage(target, temporary, data, mode=mode)
        try:
            expect_unchanged(target, expect)
            os.rename(temporary, target)
            state = "the new content is there, but may not outlast a power failure"
            sync_folder(target.parent)
            return Signature.of(os.fstat(descriptor))
        except BaseException:
            discard(temporary)
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise access_error("written", path, error, state=state) from error


def write_private(
    path: Path | str,
    data: bytes,
    *,
    root: Path | str,
    expect: Signature | Expected | None = Expected.ANYTHING,
) -> Signature:
    """Write one of the tool's own files, for the user's eyes alone; see `write_atomic`."""
    return write_atomic(path, data, root=root, mode=PRIVATE_FILE, expect=expect)


def create_private_dir(path: Path | str) -> Path:
    """Make a folder for its owner alone (0700, whatever the umask), and those above it.

    One that is there already is closed to others as well; those above it are left as they are.
    """
    place = Path(path)
    try:
        missing = [place] if not place.is_dir() else []
        while missing and not missing[-1].parent.exists():
            missing.append(missing[-1].parent)
        for folder in reversed(missing):
            folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            folder.chmod(PRIVATE_FOLDER)
        if not missing and place.stat().st_mode & 0o777 != PRIVATE_FOLDER:
            # Someone else's folder stays as it is: the files in it are private themselves.
            with contextlib.suppress(PermissionError):
                place.chmod(PRIVATE_FOLDER)
    except (OSError, ValueError) as error:
        raise access_error("made", path, error) from error
    return place


def append_next(path: Path, make: Callable[[bytes], bytes]) -> None:
    """Append what `make` returns for the last whole line of a file of lines; make it durable.

    Several processes may do so at once: each holds a kernel lock on the file meanwhile. A torn
    line that a crash left at the end is cut off first.

    Args:
        path: the file, made when missing; its folder must exist.
        make: gets the last line without its newline, empty when there is none; returns
            whole lines.

    Raises:
        FileAccessError: not permitted, disk full, a symlink or no regular file; nothing
            was added.
    """
    try:
        descriptor, is_new = _open(path)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileAccessError(f"`{path}` is not a regular file", path=path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            last, end = _last_line(descriptor, size)
            if end < size:
                os.ftruncate(descriptor, end)
            data = make(last)
            if os.write(descriptor, data) < len(data):
                os.ftruncate(descriptor, end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
            if is_new:
                sync_folder(path.parent)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise access_error("appended to", path, error) from error


def _open(path: Path) -> tuple[int, bool]:
    try:
        return os.open(path, _APPEND), False
    except ValueError as error:
        raise access_error("appended to", path, error) from error
    except FileNotFoundError:
        descriptor = os.open(path, _APPEND | os.O_CREAT, PRIVATE_FILE)
        os.fchmod(descriptor, PRIVATE_FILE)
        return descriptor, True


def _last_line(descriptor: int, size: int) -> tuple[bytes, int]:
    """Return the last whole line and where it ends, its newline included."""
    tail, start = b"", size
    while True:
        end = tail.rfind(b"\n")
        begin = tail.rfind(b"\n", 0, end) if end > 0 else -1
        if begin >= 0 or start == 0:
            break
        length = min(start, max(_BLOCK_BYTES, len(tail)))
        start -= length
        tail = os.pread(descriptor, length, start) + tail
    if end < 0:
        return b"", 0
    return tail[begin + 1 : end], start + end + 1
