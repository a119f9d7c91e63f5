"""The mission lock, and the lock of a living supervisor on its run."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from mosaic.errors import FileAccessError, HeldError, LockTimeoutError
from mosaic.machine.lock import hold_folder, is_folder_held, mission_lock
from tests.support.programs import environment, next_line, running

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys
from mosaic.machine.lock import mission_lock
with mission_lock(sys.argv[1], holder="mission set T-001"):
    print("held", flush=True)
    sys.stdin.read()
"""

FOLDER_HOLDER = """
import subprocess, sys
from mosaic.machine.lock import hold_folder
lock = hold_folder(sys.argv[1])
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"])
print(child.pid, flush=True)
sys.stdin.read()
"""

COUNT_UP = """
import sys
from pathlib import Path
from mosaic.machine.lock import mission_lock
counter = Path(sys.argv[1]) / "counter"
for _ in range(20):
    with mission_lock(Path(sys.argv[1]) / "lock", holder="count", timeout_seconds=60):
        counter.write_text(str(int(counter.read_text()) + 1))
"""


BAD_PID = b'{"command": "", "since": "", "pid": 1e999, "started_at": "", "boot_id": "", "host": ""}'


def test_the_next_holder_learns_that_the_one_before_was_killed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with running(HOLDER, lock) as process:
        assert next_line(process) == "held"
        process.kill()
        process.wait()
    with (
        mission_lock(lock, holder="next") as was_killed,
        mission_lock(lock, holder="inner") as was_killed_inside,
    ):
        assert (was_killed, was_killed_inside) == (True, False)
    with mission_lock(lock, holder="after") as was_killed:
        assert not was_killed


def test_the_one_who_waits_in_vain_is_told_who_holds_it(tmp_path: Path) -> None:
    with running(HOLDER, tmp_path / "lock") as process:
        assert next_line(process) == "held"
        with (
            pytest.raises(LockTimeoutError) as caught,
            mission_lock(tmp_path / "lock", holder="me", timeout_seconds=0.1),
        ):
            pytest.fail("two hold the lock")
    assert caught.value.detail is not None
    assert caught.value.detail.startswith(f"locked by `mission set T-001`, pid {process.pid} on `")


def test_the_lock_is_free_at_once_when_its_holder_is_killed(tmp_path: Path) -> None:
    with running(HOLDER, tmp_path / "lock") as process:
        assert next_line(process) == "held"
        process.kill()
        process.wait()
        with mission_lock(tmp_path / "lock", holder="me", timeout_seconds=0):
            pass


def test_the_name_of_a_killed_holder_is_not_passed_off_as_the_new_one(tmp_path: Path) -> None:
    with running(HOLDER, tmp_path / "lock") as process:
        assert next_line(process) == "held"
        process.kill()
        process.wait()
    note = tmp_path / "lock.holder"
    left = note.read_bytes()
    with running(HOLDER, tmp_path / "lock") as process:
        assert next_line(process) == "held"
        note.write_bytes(left)
        with (
            pytest.raises(LockTimeoutError) as caught,
            mission_lock(tmp_path / "lock", holder="me", timeout_seconds=0),
        ):
            pytest.fail("two hold the lock")
    assert caught.value.detail == "the holder left no name"


@pytest.mark.parametrize(
    "note", [b"", b"{}", b"[1]", b"\xff\x00", b'{"pid": "x"}', b"[" * 9999, BAD_PID]
)
def test_a_broken_holder_note_does_not_hide_that_it_is_locked(tmp_path: Path, note: bytes) -> None:
    with running(HOLDER, tmp_path / "lock") as process:
        assert next_line(process) == "held"
        (tmp_path / "lock.holder").write_bytes(note)
        with (
            pytest.raises(LockTimeoutError),
            mission_lock(tmp_path / "lock", holder="me", timeout_seconds=0),
        ):
            pytest.fail("two hold the lock")


def test_control_characters_in_the_holders_name_do_not_reach_the_message(tmp_path: Path) -> None:
    with running(HOLDER, tmp_path / "lock") as process:
        assert next_line(process) == "held"
        note = json.loads((tmp_path / "lock.holder").read_bytes())
        (tmp_path / "lock.holder").write_text(json.dumps({**note, "command": "a\x1b[2Jb"}))
        with (
            pytest.raises(LockTimeoutError) as caught,
            mission_lock(tmp_path / "lock", holder="me", timeout_seconds=0),
        ):
            pytest.fail("two hold the lock")
    assert caught.value.detail is not None
    assert "a [2Jb" in caught.value.detail


def test_lock_files_are_private_and_the_note_goes_with_the_holder(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with mission_lock(tmp_path / "lock", holder="me"):
            for name in ("lock", "lock.holder"):
                assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert os.listdir(tmp_path) == ["lock"]


def test_the_same_thread_may_take_the_lock_again(tmp_path: Path) -> None:
    with mission_lock(tmp_path / "lock", holder="outer"):
        with mission_lock(tmp_path / "lock", holder="inner", timeout_seconds=0):
            pass
        # The inner block must not have let go of it.
        assert "outer" in (tmp_path / "lock.holder").read_text()
        answer = subprocess.run(
            [sys.executable, "-c", TRY_ONCE, tmp_path / "lock"], env=environment(), check=False
        )
        assert answer.returncode == 4
    with mission_lock(tmp_path / "lock", holder="again", timeout_seconds=0):
        pass


TRY_ONCE = """
import sys
from mosaic.errors import LockTimeoutError
from mosaic.machine.lock import mission_lock
try:
    with mission_lock(sys.argv[1], holder="other", timeout_seconds=0):
        pass
except LockTimeoutError as error:
    sys.exit(error.exit_code)
"""


def test_it_is_the_lock_that_other_programs_know(tmp_path: Path) -> None:
    """`flock(2)` on the lock file, without the library, keeps us out and is kept out."""
    path = tmp_path / "mission.lock"
    path.touch(0o600)
    with path.open("r+b") as other:
        with mission_lock(path, holder="us"), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(LockTimeoutError), mission_lock(path, holder="us", timeout_seconds=0):
            pytest.fail("locked twice")
    with mission_lock(path, holder="us", timeout_seconds=0):
        pass
    assert os.listdir(tmp_path) == ["mission.lock"]


def test_a_fork_does_not_take_its_parents_lock_for_its_own(tmp_path: Path) -> None:
    with mission_lock(tmp_path / "lock", holder="parent"):
        child = os.fork()
        if child == 0:  # pragma: no cover - nothing of the test runs on in the child
            try:
                with mission_lock(tmp_path / "lock", holder="child", timeout_seconds=0):
                    os._exit(0)
            except LockTimeoutError as error:
                os._exit(error.exit_code)
            finally:
                os._exit(99)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
        answer = subprocess.run(
            [sys.executable, "-c", TRY_ONCE, tmp_path / "lock"], env=environment(), check=False
        )
        assert answer.returncode == 4


def test_a_lock_file_that_is_removed_is_no_lock_for_those_who_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a file that was removed meanwhile goes on with the one that is there."""
    path = tmp_path / "mission.lock"
    order: list[str] = []
    is_waiting = threading.Event()
    sleep = time.sleep

    def wait(seconds: float) -> None:
        is_waiting.set()
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", wait)
    with mission_lock(path, holder="first"):
        waiting = threading.Thread(target=lambda: _take(path, order))
        waiting.start()
        assert is_waiting.wait(30)
        path.unlink()
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]
    assert path.exists()


def _take(path: Path, order: list[str]) -> None:
    with mission_lock(path, holder="second"):
        assert os.stat(path).st_nlink == 1
        order.append("second")


def test_an_error_inside_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), mission_lock(tmp_path / "lock", holder="me"):
        raise KeyError
    with mission_lock(tmp_path / "lock", holder="me", timeout_seconds=0):
        pass


def test_another_thread_waits_like_another_process(tmp_path: Path) -> None:
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with mission_lock(tmp_path / "lock", holder="thread"):
            is_held.set()
            may_end.wait(30)

    with ThreadPoolExecutor() as pool:
        done = pool.submit(hold)
        assert is_held.wait(30)
        with (
            pytest.raises(LockTimeoutError),
            mission_lock(tmp_path / "lock", holder="me", timeout_seconds=0),
        ):
            pytest.fail("two hold the lock")
        may_end.set()
        done.result()


def test_no_update_is_lost_between_processes(tmp_path: Path) -> None:
    (tmp_path / "counter").write_text("0")
    programs = [
        subprocess.Popen([sys.executable, "-c", COUNT_UP, tmp_path], env=environment())
        for _ in range(4)
    ]
    assert [program.wait() for program in programs] == [0] * 4
    assert (tmp_path / "counter").read_text() == "80"


def test_a_child_that_outlives_the_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    with mission_lock(tmp_path / "lock", holder="me"):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            close_fds=False,
        )
    try:
        with mission_lock(tmp_path / "lock", holder="me", timeout_seconds=0):
            pass
    finally:
        child.communicate()


@pytest.mark.parametrize("kind", ["missing", "file", "folder", "symlink"])
def test_a_lock_file_that_cannot_be_is_told(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "lock"
    if kind == "missing":
        place = tmp_path / "no" / "lock"
    elif kind == "file":
        (tmp_path / "no").write_bytes(b"")
        place = tmp_path / "no" / "lock"
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to("lock")
    with (
        pytest.raises(FileAccessError, match="cannot be locked"),
        mission_lock(place, holder="me", timeout_seconds=0.1),
    ):
        pytest.fail("locked")
    assert not (tmp_path / "no").is_dir()


# Folders


def test_a_folder_is_held_until_it_is_released(tmp_path: Path) -> None:
    assert not is_folder_held(tmp_path)
    lock = hold_folder(tmp_path)
    assert is_folder_held(tmp_path)
    lock.release()
    lock.release()
    assert not is_folder_held(tmp_path)


def test_a_held_folder_is_not_held_twice(tmp_path: Path) -> None:
    with hold_folder(tmp_path), pytest.raises(HeldError):
        hold_folder(tmp_path)
    with hold_folder(tmp_path):
        pass


def test_a_killed_holder_lets_go_although_its_child_lives(tmp_path: Path) -> None:
    with running(FOLDER_HOLDER, tmp_path) as process:
        child = int(next_line(process))
        try:
            assert is_folder_held(tmp_path)
            process.kill()
            process.wait()
            assert not is_folder_held(tmp_path)
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)


def test_those_who_only_look_do_not_keep_a_holder_out(tmp_path: Path) -> None:
    may_end = threading.Event()

    def look() -> None:
        while not may_end.is_set():
            is_folder_held(tmp_path)

    with ThreadPoolExecutor() as pool:
        done = pool.submit(look)
        try:
            for _ in range(20):
                hold_folder(tmp_path).release()
        finally:
            may_end.set()
        done.result()


def test_a_missing_folder_is_not_held_and_cannot_be(tmp_path: Path) -> None:
    assert not is_folder_held(tmp_path / "no")
    (tmp_path / "file").write_bytes(b"")
    assert not is_folder_held(tmp_path / "file")
    for place in (tmp_path / "no", tmp_path / "file"):
        with pytest.raises(FileAccessError):
            hold_folder(place)
