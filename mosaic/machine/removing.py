"""Removing folders and files of our own, and nothing that a symlink leads to.

A place is reached from its root by open descriptors, one folder after the other and no
symlink among them. What is put in the place of a folder meanwhile is then not followed.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from mosaic.errors import PathOutsideError
from mosaic.machine.signature import access_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ALL_OF_OWNER = 0o700


def find_symlink(root: Path, place: Path) -> Path | None:
    """Return the first symlink below `root` on the way to `place`, which counts as well."""
    found = root
    for part in _parts(root, place):
        found = found / part
        if found.is_symlink():
            return found
    return None


@contextlib.contextmanager
def folder_below(root: Path, folder: Path) -> Iterator[int]:
    """Hold a folder open for the length of a `with` block: `root` itself, or one below it.

    PathOutsideError: `folder` is not below `root` by its name.
    OSError: one of the folders on the way is missing, or is a symlink.
    """
    parts = _parts(root, folder)
    descriptor = os.open(root, _FOLDER)
    try:
        for part in parts:
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def remove_folder(root: Path, folder: Path) -> None:
    """Remove a folder below `root` with all that is in it; a missing one is passed over.

    Folders in it that their owner closed are opened first.
    FileAccessError: something in it cannot be removed; the rest may be gone.
    """
    try:
        with folder_below(root, folder.parent) as parent:
            _remove(folder.name, parent, folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise access_error("removed", error.filename or folder, error) from error


def remove_empty_folder(root: Path, folder: Path) -> bool:
    """Remove a folder below `root` if nothing is in it, and tell whether it is gone."""
    try:
        with folder_below(root, folder.parent) as parent:
            os.rmdir(folder.name, dir_fd=parent)
    except OSError:
        return False
    return True


def remove_file(root: Path, path: Path) -> None:
    """Remove a regular file below `root`; a missing one is passed over, and another kind stays."""
    try:
        with folder_below(root, path.parent) as parent:
            found = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode):
                os.unlink(path.name, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise access_error("removed", path, error) from error


def rename_folder(root: Path, folder: Path, name: str) -> Path:
    """Give a folder below `root` another name beside its own, and return its new place.

    FileAccessError: it is missing or a symlink, or the name is taken.
    """
    try:
        with folder_below(root, folder), folder_below(root, folder.parent) as parent:
            os.rename(folder.name, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError as error:
        raise access_error("removed", folder, error) from error
    return folder.with_name(name)


def _parts(root: Path, place: Path) -> tuple[str, ...]:
    try:
        parts = place.relative_to(root).parts
    except ValueError:
        parts = ("..",)
    if ".." in parts:
        raise PathOutsideError(f"`{place}` is not inside `{root}`", path=place)
    return parts


def _remove(name: str, parent: int, shown: Path) -> None:
    with _named(shown):
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=parent)
        except PermissionError:
            _open_up(name, parent)
            descriptor = os.open(name, _FOLDER, dir_fd=parent)
    try:
        with os.scandir(descriptor) as entries:
            names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        if names and os.fstat(descriptor).st_mode & _ALL_OF_OWNER != _ALL_OF_OWNER:
            with contextlib.suppress(PermissionError):  # another's, and open to us all the same
                os.fchmod(descriptor, _ALL_OF_OWNER)
        for inner, is_folder in names:
            if is_folder:
                _remove(inner, descriptor, shown / inner)
                continue
            with _named(shown / inner), contextlib.suppress(FileNotFoundError):
                os.unlink(inner, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    with _named(shown):
        os.rmdir(name, dir_fd=parent)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from None


def _open_up(name: str, parent: int) -> None:
    # Give the owner of a folder all rights to it; never to what a symlink leads to.
    if os.chmod in os.supports_follow_symlinks:
        os.chmod(name, _ALL_OF_OWNER, dir_fd=parent, follow_symlinks=False)
        return
    # Linux: by a descriptor that needs no right to read.
    place = os.open(name, os.O_PATH | _FOLDER, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{place}", _ALL_OF_OWNER)
    finally:
        os.close(place)
