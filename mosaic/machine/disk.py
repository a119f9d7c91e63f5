"""Reading files, and writing one file so that it is always whole.

Owns how a file is read (regular, bounded, UTF-8 without loss) and how one is replaced:
a temporary file beside it, fsync, rename, fsync of the folder. Knows no format.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from mosaic.errors import FileAccessError
from mosaic.machine.signature import Expected, Signature, access_error, expect_unchanged
from mosaic.machine.staging import discard, resolve_target, stage, sync_folder, temporary_beside
from mosaic.records import dataclass

SIZE_LIMIT_BYTES = 16 * 1024 * 1024
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


@dataclass(frozen=True, kw_only=True, slots=True)
class TextFile:
    """A file's text without any loss (BOM and CRLF included), and what it was read at."""

    text: str
    signature: Signature


def read_bytes(path: Path | str, *, limit_bytes: int = SIZE_LIMIT_BYTES) -> bytes:
    """Return a regular file's bytes.

    Raises:
        FileAccessError: missing, not permitted, not a regular file, over `limit_bytes`.
    """
    return _found(path, find_signed(path, limit_bytes=limit_bytes))[0]


def find_bytes(path: Path | str, *, limit_bytes: int = SIZE_LIMIT_BYTES) -> bytes | None:
    """Return a regular file's bytes, or None when there is no such file.

    Raises:
        FileAccessError: as `read_bytes`, but for a missing file.
    """
    found = find_signed(path, limit_bytes=limit_bytes)
    return None if found is None else found[0]


def read_text(path: Path | str, *, limit_bytes: int = SIZE_LIMIT_BYTES) -> TextFile:
    """Return a UTF-8 file's text.

    Raises:
        FileAccessError: as `read_bytes`; or not UTF-8, with the line of the first bad byte.
    """
    return _decoded(path, *_found(path, find_signed(path, limit_bytes=limit_bytes)))


def find_text(path: Path | str, *, limit_bytes: int = SIZE_LIMIT_BYTES) -> TextFile | None:
    """Return a UTF-8 file's text, or None when there is no such file.

    Raises:
        FileAccessError: as `read_text`, but for a missing file.
    """
    found = find_signed(path, limit_bytes=limit_bytes)
    return None if found is None else _decoded(path, *found)


def find_signed(
    path: Path | str, *, limit_bytes: int = SIZE_LIMIT_BYTES
) -> tuple[bytes, Signature] | None:
    """Return bytes and signature from one open descriptor, or None when there is no such file.

    Raises:
        FileAccessError: as `read_bytes`, but for a missing file.
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
        path: the file; its folder must exist.
        root: folder that the real target must lie in.
        mode: permission bits, whatever the umask; None keeps those of an existing file
            and leaves those of a new one to the umask.
        expect: signature that the target must still have just before it is replaced;
            None: there must be no file; ANYTHING: not looked at.

    Returns:
        The signature of the file as written.

    Raises:
        PathOutsideError: the target lies outside `root`.
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


def write_private(path: Path | str, data: bytes, *, root: Path | str) -> Signature:
    """Write one of the tool's own files, for the user's eyes alone; see `write_atomic`."""
    return write_atomic(path, data, root=root, mode=PRIVATE_FILE)


def create_private_dir(path: Path | str) -> Path:
    """Make a folder for its owner alone (0700, whatever the umask), and those above it.

    One that is there already is closed to others as well; folders above that are there
    already are left as they are.

    Raises:
        FileAccessError: not permitted, or what is there is not a folder.
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


def _found(path: Path | str, found: tuple[bytes, Signature] | None) -> tuple[bytes, Signature]:
    if found is None:
        raise FileAccessError(f"`{path}` cannot be read", path=path, detail="there is no such file")
    return found


def _decoded(path: Path | str, data: bytes, signature: Signature) -> TextFile:
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
