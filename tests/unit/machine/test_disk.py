"""Reading files, and writing one so that it is always whole."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mosaic
from mosaic.errors import FileAccessError, FileChangedError, PathOutsideError
from mosaic.machine.disk import (
    append_next,
    create_private_dir,
    find_bytes,
    find_text,
    read_bytes,
    read_text,
    write_atomic,
)
from mosaic.machine.signature import find_signature

if TYPE_CHECKING:
    from collections.abc import Iterator


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o777)
    yield
    os.umask(before)


@pytest.fixture
def lax_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    answer = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if answer.returncode != 0:
        pytest.skip("mounting a small file system is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


# Reading


def test_text_keeps_every_byte(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbfone\r\ntwo\rthree\n\xe4\xbb\xbb\0"
    (tmp_path / "a").write_bytes(data)
    read = read_text(tmp_path / "a")
    assert read.text.encode() == data
    assert read.signature == find_signature(tmp_path / "a")


def test_a_missing_file_is_none_to_find_and_an_error_to_read(tmp_path: Path) -> None:
    assert find_text(tmp_path / "a") is None
    assert find_bytes(tmp_path / "a") is None
    with pytest.raises(FileAccessError) as caught:
        read_bytes(tmp_path / "a")
    assert caught.value.detail == "there is no such file"


def test_the_line_of_the_first_bad_byte_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"good\ngood\nb\xffd\n\xfe")
    with pytest.raises(FileAccessError) as caught:
        read_text(tmp_path / "a")
    assert (caught.value.line, caught.value.detail) == (3, "byte 0xff")


def test_utf_16_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("hello".encode("utf-16"))
    with pytest.raises(FileAccessError) as caught:
        read_text(tmp_path / "a")
    assert caught.value.detail == "it looks like UTF-16"


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
@pytest.mark.timeout(10)
def test_only_regular_files_are_read_and_nothing_is_waited_for(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "a"
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to("/dev/zero")
    with pytest.raises(FileAccessError):
        find_text(place)


def test_a_file_above_the_limit_is_refused_and_one_at_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", limit_bytes=5) == b"12345"
    with pytest.raises(FileAccessError, match="too large"):
        read_bytes(tmp_path / "a", limit_bytes=4)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_the_limit_also_holds_for_files_that_tell_no_size() -> None:
    with pytest.raises(FileAccessError, match="too large"):
        read_bytes("/proc/self/status", limit_bytes=10)


def test_a_path_that_no_system_takes_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError):
        find_text("a\0b")
    with pytest.raises(FileAccessError):
        append_line(Path("a\0b"), b"x")
    with pytest.raises(FileAccessError):
        write_atomic("a\0b", b"x", root=tmp_path)


def test_symlinks_that_lead_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(FileAccessError):
        find_text(tmp_path / "a")


# Writing


def test_a_file_is_written_and_its_new_signature_returned(tmp_path: Path) -> None:
    signature = write_atomic(tmp_path / "a", b"new", root=tmp_path)
    assert read_text(tmp_path / "a").signature == signature
    assert os.listdir(tmp_path) == ["a"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=5000))
def test_what_was_written_is_what_is_read(tmp_path: Path, data: bytes) -> None:
    write_atomic(tmp_path / "a", data, root=tmp_path)
    assert read_bytes(tmp_path / "a") == data


def test_the_mode_of_an_existing_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o751)
    write_atomic(tmp_path / "a", b"new", root=tmp_path)
    assert mode_of(tmp_path / "a") == 0o751


def test_a_given_mode_holds_under_any_umask(tmp_path: Path, strict_umask: None) -> None:
    write_atomic(tmp_path / "a", b"new", root=tmp_path, mode=0o600)
    assert mode_of(tmp_path / "a") == 0o600


def test_a_given_mode_also_closes_an_existing_file(tmp_path: Path, lax_umask: None) -> None:
    (tmp_path / "a").write_bytes(b"old")
    write_atomic(tmp_path / "a", b"new", root=tmp_path, mode=0o600)
    assert mode_of(tmp_path / "a") == 0o600


def test_a_new_file_gets_what_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a", b"new", root=tmp_path)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "a") == 0o640


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_the_owner_of_an_existing_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    os.chown(tmp_path / "a", 1234, 2345)
    write_atomic(tmp_path / "a", b"new", root=tmp_path)
    status = (tmp_path / "a").stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)


def test_a_symlink_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_bytes(b"old")
    (tmp_path / "a").symlink_to("real/a")
    write_atomic(tmp_path / "a", b"new", root=tmp_path)
    assert os.readlink(tmp_path / "a") == "real/a"
    assert (tmp_path / "real" / "a").read_bytes() == b"new"


@pytest.mark.parametrize("through", ["file", "folder"])
def test_a_symlink_out_of_the_root_is_not_written_through(tmp_path: Path, through: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "a").write_bytes(b"theirs")
    if through == "file":
        (root / "a").symlink_to(outside / "a")
        target = root / "a"
    else:
        (root / "folder").symlink_to(outside)
        target = root / "folder" / "a"
    with pytest.raises(PathOutsideError):
        write_atomic(target, b"ours", root=root)
    assert (outside / "a").read_bytes() == b"theirs"
    assert os.listdir(outside) == ["a"]


def test_a_root_that_is_itself_a_symlink_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    write_atomic(tmp_path / "root" / "a", b"new", root=tmp_path / "root")
    assert (tmp_path / "real" / "a").read_bytes() == b"new"


def test_a_file_edited_since_it_was_read_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    read = read_text(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"their edit")
    with pytest.raises(FileChangedError) as caught:
        write_atomic(tmp_path / "a", b"ours", root=tmp_path, expect=read.signature)
    assert caught.value.detail == "it was edited; nothing was written"
    assert (tmp_path / "a").read_bytes() == b"their edit"
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_replaced_by_one_of_the_same_size_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    read = read_text(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"new")
    os.utime(tmp_path / "b", ns=(read.signature.mtime_ns, read.signature.mtime_ns))
    os.replace(tmp_path / "b", tmp_path / "a")
    with pytest.raises(FileChangedError):
        write_atomic(tmp_path / "a", b"ours", root=tmp_path, expect=read.signature)


def test_a_file_that_must_be_new_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"theirs")
    with pytest.raises(FileChangedError) as caught:
        write_atomic(tmp_path / "a", b"ours", root=tmp_path, expect=None)
    assert caught.value.detail == "it is there now; nothing was written"
    assert (tmp_path / "a").read_bytes() == b"theirs"


def test_a_file_that_was_removed_meanwhile_is_not_brought_back(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    read = read_text(tmp_path / "a")
    (tmp_path / "a").unlink()
    with pytest.raises(FileChangedError) as caught:
        write_atomic(tmp_path / "a", b"ours", root=tmp_path, expect=read.signature)
    assert caught.value.detail == "it was removed; nothing was written"
    assert os.listdir(tmp_path) == []


def test_the_signature_that_a_write_returns_is_good_for_the_next(tmp_path: Path) -> None:
    signature = write_atomic(tmp_path / "a", b"one", root=tmp_path, expect=None)
    write_atomic(tmp_path / "a", b"two", root=tmp_path, expect=signature)
    assert (tmp_path / "a").read_bytes() == b"two"


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(tmp_path / "a")
    else:
        (tmp_path / "a").mkdir()
    with pytest.raises(FileAccessError, match="not a regular file"):
        write_atomic(tmp_path / "a", b"new", root=tmp_path)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError) as caught:
        write_atomic(tmp_path / "no" / "a", b"new", root=tmp_path)
    assert caught.value.detail == "no such file or directory"


def test_a_full_disk_leaves_the_old_file_whole(small_disk: Path) -> None:
    (small_disk / "a").write_bytes(b"old")
    with pytest.raises(FileAccessError) as caught:
        write_atomic(small_disk / "a", b"x" * 200_000, root=small_disk)
    assert caught.value.detail == "the disk is full; what was there before is whole"
    assert (small_disk / "a").read_bytes() == b"old"
    assert os.listdir(small_disk) == ["a"]


def test_a_read_only_file_system_is_told(small_disk: Path) -> None:
    (small_disk / "a").write_bytes(b"old")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(FileAccessError):
        write_atomic(small_disk / "a", b"new", root=small_disk)
    assert (small_disk / "a").read_bytes() == b"old"


AS_NOBODY = """
import os
from mosaic.errors import MissionError
from mosaic.machine.disk import find_text, write_atomic
os.setgid(65534)
os.setuid(65534)
for act in (lambda: write_atomic("a", b"new", root="."), lambda: find_text("secret")):
    try:
        act()
    except MissionError as error:
        print(error.code, error.detail)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to act as someone else")
@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "told"),
    [(0o444, 0o777, "the file is read-only"), (0o666, 0o755, "permission denied")],
)
def test_what_this_user_may_not_do_is_told(file_mode: int, folder_mode: int, told: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a").write_bytes(b"old")
        (folder / "a").chmod(file_mode)
        (folder / "secret").write_bytes(b"")
        (folder / "secret").chmod(0o600)
        folder.chmod(folder_mode)
        answer = subprocess.run(
            [sys.executable, "-c", AS_NOBODY],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(mosaic.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.splitlines() == [
            f"FILE_ACCESS {told}",
            "FILE_ACCESS permission denied",
        ]
        assert (folder / "a").read_bytes() == b"old"


# Appending and folders


def append_line(path: Path, line: bytes) -> None:
    append_next(path, lambda _last: line)


def test_a_line_is_made_from_the_last_whole_one(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def count(last: bytes) -> bytes:
        seen.append(last)
        return b"%d\n" % (len(last) + 1)

    log = tmp_path / "log"
    append_next(log, count)
    log.write_bytes(b"x" * 10_000 + b"\n" + b"torn" * 3_000)
    append_next(log, count)
    assert seen == [b"", b"x" * 10_000]
    assert log.read_bytes() == b"x" * 10_000 + b"\n10001\n"


def test_many_processes_number_their_lines_without_a_hole(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from mosaic.machine.disk import append_next\n"
        "for _ in range(50):\n"
        "    append_next(Path(sys.argv[1]), lambda last: b'%d\\n' % (int(last or b'0') + 1))\n"
    )
    log = tmp_path / "log"
    writers = [subprocess.Popen([sys.executable, "-c", program, str(log)]) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    assert log.read_bytes().split() == [b"%d" % number for number in range(1, 201)]


def test_lines_are_appended_to_a_private_file(tmp_path: Path, lax_umask: None) -> None:
    append_line(tmp_path / "log", b"one\n")
    append_line(tmp_path / "log", b"two\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert mode_of(tmp_path / "log") == 0o600


def test_a_private_file_is_private_under_a_strict_umask_too(
    tmp_path: Path, strict_umask: None
) -> None:
    append_line(tmp_path / "log", b"one\n")
    assert mode_of(tmp_path / "log") == 0o600


def test_nothing_is_appended_through_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("elsewhere")
    with pytest.raises(FileAccessError):
        append_line(tmp_path / "log", b"one\n")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.timeout(10)
def test_nothing_is_appended_to_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(FileAccessError):
        append_line(tmp_path / "log", b"one\n")


def test_a_line_that_no_longer_fits_is_taken_back(small_disk: Path) -> None:
    append_line(small_disk / "log", b"one\n")
    with pytest.raises(FileAccessError, match="cannot be appended to"):
        append_line(small_disk / "log", b"x" * 200_000 + b"\n")
    assert (small_disk / "log").read_bytes() == b"one\n"


def test_a_private_folder_is_private_under_any_umask(tmp_path: Path, strict_umask: None) -> None:
    create_private_dir(tmp_path / "runs" / "T-001" / "r-1")
    assert mode_of(tmp_path / "runs") == 0o700
    assert mode_of(tmp_path / "runs" / "T-001" / "r-1") == 0o700


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    assert create_private_dir(tmp_path / "state") == tmp_path / "state"
    assert mode_of(tmp_path / "state") == 0o700


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(FileAccessError):
        create_private_dir(tmp_path / "state")
    with pytest.raises(FileAccessError):
        create_private_dir(tmp_path / "state" / "runs")
