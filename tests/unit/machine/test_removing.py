"""Removing what is ours: never through a symlink, and whole where its owner had closed it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.errors import FileAccessError, PathOutsideError
from mosaic.machine.removing import (
    find_symlink,
    folder_below,
    remove_empty_folder,
    remove_file,
    remove_folder,
    rename_folder,
)

SOMEBODY = 4321


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "d").mkdir(parents=True)
    (folder / "d" / "f").write_text("x")
    (folder / "d").chmod(0o555)
    return folder


def as_somebody(work: Callable[[], object], place: Path) -> None:
    """Do something as a user without privileges who owns a folder with all in it."""
    if os.geteuid() != 0:
        work()
        return
    for folder in (place, *(p for p in place.parents if p.stat().st_uid == 0 and p != Path("/"))):
        folder.chmod(folder.stat().st_mode | 0o011)
    for path in [place, *place.rglob("*")]:
        os.lchown(path, SOMEBODY, SOMEBODY)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(SOMEBODY)
            os.setuid(SOMEBODY)
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - the exit code tells it
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_folder_goes_with_all_in_it_and_nothing_behind_its_links(
    tmp_path: Path, outside: Path
) -> None:
    folder = tmp_path / "root" / "a"
    (folder / "b" / "c").mkdir(parents=True)
    (folder / "b" / "f").write_text("x")
    (folder / "link").symlink_to(outside)
    (folder / "b" / "broken").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    remove_folder(tmp_path / "root", folder)
    assert not folder.exists()
    assert (outside / "d" / "f").read_text() == "x"
    remove_folder(tmp_path / "root", folder)  # gone already


def test_folders_that_were_closed_are_opened_and_what_links_lead_to_is_not(
    tmp_path: Path, outside: Path
) -> None:
    root = tmp_path / "root"
    folder = root / "a"
    (folder / "closed" / "in").mkdir(parents=True)
    (folder / "closed" / "in" / "f").write_text("x")
    (folder / "closed" / "link").symlink_to(outside / "d")
    (folder / "none").mkdir()
    for place, mode in (("closed/in", 0o500), ("closed", 0o100), ("none", 0), (".", 0o500)):
        (folder / place).chmod(mode)
    as_somebody(lambda: remove_folder(root, folder), root)
    assert not folder.exists()
    assert (outside / "d").stat().st_mode & 0o777 == 0o555


@pytest.mark.parametrize("place", ["link", "link/inner", "a/link", "a/link/inner"])
def test_a_link_on_the_way_is_not_followed(tmp_path: Path, outside: Path, place: str) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (outside / "inner").mkdir()
    (outside / "file").write_text("x")
    for link in (root / "link", root / "a" / "link"):
        link.symlink_to(outside)
    target = root / place
    with pytest.raises(FileAccessError):
        remove_folder(root, target)
    with pytest.raises(FileAccessError):
        rename_folder(root, target, "gone")
    assert not remove_empty_folder(root, target)
    with pytest.raises(FileAccessError):
        remove_file(root, root / "link" / "file")
    assert sorted(path.name for path in outside.iterdir()) == ["d", "file", "inner"]
    assert find_symlink(root, target) == root / place.removesuffix("/inner")


def test_what_is_not_below_the_root_is_refused(tmp_path: Path, outside: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for place in (outside, root / ".." / "outside", root / "a" / ".." / ".." / "outside"):
        with pytest.raises(PathOutsideError):
            remove_folder(root, place / "d")
        with pytest.raises(PathOutsideError):
            find_symlink(root, place)
    assert (outside / "d" / "f").exists()


def test_only_a_regular_file_is_removed_as_one(tmp_path: Path) -> None:
    for name in ("file", "target"):
        (tmp_path / name).write_text("x")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "folder").mkdir()
    for name in ("file", "link", "folder", "missing"):
        remove_file(tmp_path, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "target"]


def test_a_folder_that_is_not_empty_stays(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert not remove_empty_folder(tmp_path, tmp_path / "a")
    assert remove_empty_folder(tmp_path, tmp_path / "a" / "b")
    assert not remove_empty_folder(tmp_path, tmp_path / "a" / "b")


def test_a_folder_that_is_held_open_is_the_one_that_stood_there(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with folder_below(tmp_path, tmp_path / "a" / "b") as held:
        (tmp_path / "a").rename(tmp_path / "moved")
        os.close(os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=held))
    assert (tmp_path / "moved" / "b" / "new").exists()
