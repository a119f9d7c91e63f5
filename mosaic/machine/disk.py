"""Reading and writing files so that no crash, full disk or second writer loses anything.

A write goes to a temporary file in the same folder, is synced, renamed over the old file,
and the folder is synced. A symlinked file is replaced at its target. Nothing is written
outside the root that the caller names.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from mosaic.errors import FileAccessError, FileChangedError, PathOutsideError

LARGEST_FILE_BYTES = 64 << 20
TEMPORARY_SUFFIX = ".mission-tmp"
PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600
LONGEST_SEGMENT_BYTES = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """What tells one state of a file from another, as the descriptor that was read has it."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """Return the signature that a stat call tells."""
        return cls(
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            inode=status.st_ino,
            device=status.st_dev,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TextFile:
    """A file's text, and the signature of what was read."""

    path: Path
    text: str
    signature: Signature


def read_text(path: Path) -> TextFile:
    """Read a UTF-8 file whole; a BOM and every newline stay in the text.

    Raises:
        FileAccessError: it is missing, no regular file, too large, or not UTF-8.
    """
    file = find_text(path)
    if file is None:
        raise FileAccessError("the file is missing", path=path)
    return file


def find_text(path: Path) -> TextFile | None:
    """Read a UTF-8 file whole; None when there is none.

    Raises:
        FileAccessError: it is no regular file, too large, not readable, or not UTF-8.
    """
    found = _read(path, LARGEST_FILE_BYTES)
    if found is None:
        return None
    data, signature = found
    try:
        return TextFile(path=path, text=data.decode(), signature=signature)
    except UnicodeDecodeError as error:
        raise FileAccessError(
            "the file is not UTF-8",
            path=path,
            line=data.count(b"\n", 0, error.start) + 1,
            detail=f"byte 0x{data[error.start]:02x} at offset {error.start}",
            hint="save it as UTF-8",
        ) from None


def find_bytes(path: Path, *, limit_bytes: int = LARGEST_FILE_BYTES) -> bytes | None:
    """Read a file whole; None when there is none.

    Raises:
        FileAccessError: it is no regular file, too large, or not readable.
    """
    found = _read(path, limit_bytes)
    return found[0] if found else None


def _read(path: Path, limit_bytes: int) -> tuple[bytes, Signature] | None:
    try:
        # O_NONBLOCK: a FIFO in a file's place must not hang us before we have looked.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise access_error("the file cannot be read", path, error) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileAccessError("this is no regular file", path=path)
        if status.st_size > limit_bytes:
            raise FileAccessError(
                f"the file is larger than {limit_bytes >> 20} MiB",
                path=path,
                detail=f"{status.st_size:,} bytes",
            )
        return _read_all(descriptor, status.st_size), Signature.of(status)
    except OSError as error:
        raise access_error("the file cannot be read", path, error) from None
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, size: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, max(size + 1, 65536)):
        chunks.append(chunk)
        size = 65536
    return b"".join(chunks)


def write_atomic(
    path: Path, data: bytes, *, root: Path, mode: int | None = None, private: bool = False
) -> None:
    """Replace a file whole, or leave it as it was.

    Args:
        path: the file; where it is a symlink, its target is replaced.
        data: its new content.
        root: nothing outside this folder is written.
        mode: permissions; those of the file that is there, unless given.
        private: for the tool's own files: readable by the user alone.

    Raises:
        PathOutsideError: the file, symlinks followed, lies outside `root`.
        FileAccessError: it cannot be written; the old file is whole.
    """
    target = target_inside(path, root)
    temporary = prepare_file(target, data, PRIVATE_FILE if private else mode)
    try:
        os.rename(temporary, target)
        sync_folder(target.parent)
    except OSError as error:
        discard(temporary)
        raise access_error("the file cannot be written", path, error) from None


def write_private(path: Path, data: bytes, *, root: Path) -> None:
    """Replace one of the tool's own files, for the user's eyes alone; see `write_atomic`."""
    write_atomic(path, data, root=root, private=True)


def prepare_file(target: Path, data: bytes, mode: int | None = None) -> Path:
    """Write a synced temporary file beside a target, with the target's permissions.

    Raises:
        FileAccessError: it cannot be written; nothing is left behind.
    """
    temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    try:
        if mode is None:
            mode = _mode_of(target)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, mode if mode is not None else 0o666)
    except OSError as error:
        raise access_error("the file cannot be written", target, error) from None
    try:
        if mode is not None:
            os.fchmod(descriptor, mode)
        _write_all(descriptor, data)
        os.fsync(descriptor)
    except OSError as error:
        discard(temporary)
        raise access_error("the file cannot be written", target, error) from None
    finally:
        os.close(descriptor)
    return temporary


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _mode_of(path: Path) -> int | None:
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def discard(path: Path) -> None:
    """Remove a file if it is there."""
    try:
        os.unlink(path)
    except OSError:
        return


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def current_signature(path: Path) -> Signature | None:
    """Return what a file looks like now; None when there is none."""
    try:
        return Signature.of(os.stat(path))
    except FileNotFoundError:
        return None


def refuse_changed(path: Path, expect: Signature | None) -> None:
    """Make sure that nobody changed a file since it was read.

    Raises:
        FileChangedError: somebody did.
    """
    if current_signature(path) != expect:
        raise FileChangedError(path)


def target_inside(path: Path, root: Path) -> Path:
    """Return where a file really is, which must be inside a root.

    Raises:
        PathOutsideError: it is not.
    """
    target = Path(os.path.realpath(path))
    real_root = Path(os.path.realpath(root))
    if target == real_root or not target.is_relative_to(real_root):
        raise PathOutsideError(
            f"`{path}` leads out of `{root}`",
            path=path,
            detail=f"it is `{target}`",
            hint="keep the mission's files inside its project",
        )
    return target


def confined(root: Path, path: str) -> Path:
    """Return a path that may be relative to a root, if it stays inside.

    Raises:
        PathOutsideError: it does not.
    """
    full = Path(os.path.normpath(root / path))
    target_inside(full, root)
    return full


def safe_segment(text: str) -> str:
    """Return one path segment made from an id: no separator, no `..`, never empty.

    Texts that would become alike are told apart by a few digits of their digest, so also
    texts that differ only in case, which many file systems do not see.
    """
    kept = re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip(".-")
    kept = re.sub(r"\.{2,}", "_", kept).rstrip(".")
    if kept == text and 0 < len(kept) <= LONGEST_SEGMENT_BYTES:
        return kept
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kept[: LONGEST_SEGMENT_BYTES - 9] or 'id'}-{digest}"


def create_private_dir(path: Path) -> None:
    """Create a folder, and those above it, for the user's eyes alone.

    Raises:
        FileAccessError: it cannot be created.
    """
    try:
        for missing in reversed([p for p in (path, *path.parents) if not p.exists()]):
            try:
                os.mkdir(missing, PRIVATE_DIR)
            except FileExistsError:
                continue  # somebody was quicker
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder")
    except OSError as error:
        raise access_error("the folder cannot be created", path, error) from None


def access_error(message: str, path: Path, error: OSError) -> FileAccessError:
    """Return an operating system's refusal in words."""
    hints = {
        errno.ENOSPC: "free some space, then run the command again",
        errno.EDQUOT: "free some space, then run the command again",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "look at the permissions of the file and its folder",
    }
    number = error.errno or 0
    return FileAccessError(message, path=path, detail=error.strerror, hint=hints.get(number))
