"""Reading logs: from any place, in any size, without touching anything."""

from __future__ import annotations

import json
import os
import tracemalloc
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.errors import FileAccessError, RunNotFoundError, UsageError
from mosaic.model import Session
from mosaic.runs import reading
from mosaic.runs.folders import find_named_run, newest_run
from mosaic.runs.reading import (
    BLOCK_BYTES,
    LineSplitter,
    LogFile,
    Stream,
    parse_moment,
    since_offset,
)
from mosaic.runs.record import Run

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LINES = st.lists(st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"")), max_size=12)


def log_with(folder: Path, data: bytes) -> LogFile:
    path = folder / "a.log"
    path.write_bytes(data)
    log = LogFile(path)
    assert log.is_there()
    return log


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@given(lines=LINES, count=st.integers(0, 14), torn=st.booleans(), block=st.integers(1, 9))
def test_the_last_lines_are_those_of_a_whole_reading(
    folder: Path, lines: list[bytes], count: int, torn: bool, block: int
) -> None:
    data = b"\n".join(lines) + (b"" if torn else b"\n")
    every = _lines(data)
    whole = [line for line in every if line.endswith(b"\n")]
    log = log_with(folder, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK_BYTES", block)
        for only_whole, wanted in ((False, every), (True, whole)):
            start = log.tail_offset(count, whole=only_whole)
            end = len(b"".join(wanted))
            assert data[start:end] == b"".join(wanted[len(wanted) - min(count, len(wanted)) :])
    log.close()


def _lines(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def test_the_last_lines_of_a_huge_log_are_found_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "huge.log"
    with open(path, "wb") as file:
        file.truncate(5 << 30)  # a hole: reading it all would take seconds and be noticed
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast but one\nlast\n")
    log = LogFile(path)
    assert log.is_there()
    asked: list[int] = []
    real = log._pread

    def counting(size: int, offset: int) -> bytes:
        asked.append(size)
        return real(size, offset)

    log._pread = counting  # type: ignore[method-assign]
    log.offset = log.tail_offset(2, whole=False)
    assert b"".join(log.read()) == b"last but one\nlast\n"
    assert sum(asked) <= 4 * BLOCK_BYTES
    log.close()


def test_memory_stays_flat_for_one_line_of_very_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "line.log"
    with open(path, "wb") as file:
        file.truncate(300 << 20)
    log = LogFile(path)
    pieces = LineSplitter(0, 1 << 20)
    tracemalloc.start()
    count = sum(1 for block in log.read() for _ in pieces.feed(block)) + len(list(pieces.finish()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    log.close()
    assert count == 300
    assert peak < 8 << 20


@given(data=st.binary(max_size=60), cuts=st.lists(st.integers(0, 60)), longest=st.integers(1, 9))
def test_where_lines_are_parted_does_not_depend_on_the_blocks(
    data: bytes, cuts: list[int], longest: int
) -> None:
    def parted(places: list[int]) -> list[reading.Piece]:
        splitter = LineSplitter(7, longest)
        edges = [0, *sorted(places), len(data)]
        blocks = [data[a:b] for a, b in pairwise(edges)]
        pieces = [piece for block in blocks for piece in splitter.feed(block)]
        return pieces + list(splitter.finish())

    pieces = parted([place for place in cuts if place <= len(data)])
    assert pieces == parted([])
    assert b"".join(p.data + b"\n" * p.has_newline for p in pieces) == data
    for piece in pieces:
        assert data[piece.offset - 7 :].startswith(piece.data)
        assert len(piece.data) == longest if piece.is_partial else len(piece.data) <= longest


def test_a_line_without_an_end_is_left_until_it_has_one(tmp_path: Path) -> None:
    log = log_with(tmp_path, b'{"a": 1}\n{"to')
    assert b"".join(log.read_lines()) == b'{"a": 1}\n'
    assert (log.offset, log.size()) == (9, 13)
    log.path.write_bytes(b'{"a": 1}\n{"other": 2}\n')  # cut off, and another line written
    assert b"".join(log.read_lines()) == b'{"other": 2}\n'
    assert not log.has_rest
    log.close()


def test_a_line_that_is_too_long_is_passed_over_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 4)
    monkeypatch.setattr(reading, "LONGEST_LINE_BYTES", 16)
    log = log_with(tmp_path, b"one\n" + b"x" * 100 + b"\ntwo\n" + b"y" * 12 + b"\n")
    assert b"".join(log.read_lines()) == b"one\ntwo\n" + b"y" * 12 + b"\n"
    assert log.lines_passed_over == 1
    log.close()


def test_reading_stops_where_it_is_told_to(tmp_path: Path) -> None:
    log = log_with(tmp_path, b"one\ntwo\nthree\n")
    assert b"".join(log.read_lines(9)) == b"one\ntwo\n"
    assert b"".join(log.read(10)) == b"th"
    log.close()


def test_a_log_that_is_not_there_yet_is_empty_and_then_read(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "later.log")
    assert not log.is_there()
    assert list(log.read()) == []
    assert (log.size(), log.has_rest) == (0, False)
    log.path.write_bytes(b"now")
    assert list(log.read()) == [b"now"]
    log.close()


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder"])
def test_only_a_file_of_the_record_itself_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "stdout.log"
    if kind == "symlink":
        (tmp_path / "secret").write_text("secret")
        path.symlink_to(tmp_path / "secret")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(FileAccessError):
        LogFile(path).is_there()


def indexed(folder: Path, *lines: object) -> Run:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "output.index").write_text(text)
    return Run(dir=folder)


def test_the_index_tells_from_where_never_less_than_asked(tmp_path: Path) -> None:
    run = indexed(
        tmp_path,
        ["stdout", 0, "2026-11-21T11:00:00.000Z"],
        ["stderr", 5, "2026-11-21T11:05:00.000Z"],
        "torn [",
        ["stdout", "x", None],
        ["stdout", 100, "2026-11-21T11:10:00.000Z"],
        ["stdout", 200, "2026-11-21T11:20:00.000Z"],
        # The clock was set back: what came in between is not lost.
        ["stdout", 300, "2026-11-21T11:01:00.000Z"],
    )
    for minutes, offset in ((-1, 0), (0, 0), (9, 0), (10, 100), (19, 100), (20, 300), (99, 300)):
        moment = datetime(2026, 11, 21, 11, 0, tzinfo=UTC) + timedelta(minutes=minutes)
        assert since_offset(run, Stream.STDOUT, moment) == offset, minutes
    assert since_offset(run, Stream.STDERR, NOON) == 5


def test_without_an_index_it_is_the_whole_log(tmp_path: Path) -> None:
    assert since_offset(Run(dir=tmp_path), Stream.STDOUT, NOON) == 0


def test_moments_as_people_write_them() -> None:
    assert parse_moment("10m", NOON) == NOON - timedelta(minutes=10)
    assert parse_moment("2026-11-21T10:00:00Z", NOON) == NOON - timedelta(hours=2)
    local = NOON.astimezone()
    before = parse_moment("00:00", NOON)
    assert before.astimezone() == local.replace(hour=0, minute=0)
    later = (local + timedelta(minutes=1)).time().isoformat("minutes")
    assert NOON - timedelta(days=1, hours=2) < parse_moment(later, NOON) < NOON
    assert parse_moment("2026-11-21", NOON).astimezone().hour == 0


@pytest.mark.parametrize("text", ["", "soon", "25:00", "10:3", "9" * 400, "999999999999d", "-5m"])
def test_what_is_no_moment_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as found:
        parse_moment(text, NOON)
    assert found.value.hint is not None
    assert "10m" in found.value.hint


def make_runs(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).mkdir(parents=True)


def make_session(number: int, run_id: str | None) -> Session:
    return Session(
        id=f"sess-{number:03d}",
        runtime="r",
        started_at=NOON + timedelta(minutes=number),
        run_id=run_id,
    )


def test_a_run_is_named_by_its_id_its_session_or_its_task(tmp_path: Path) -> None:
    make_runs(tmp_path, "T-1/r001-aaaaaa", "T-1/r002-bbbbbb", "T-2/r001-cccccc")
    sessions = [make_session(2, "r001-cccccc"), make_session(1, "r001-aaaaaa")]

    def found(name: str) -> str | None:
        run = find_named_run(tmp_path, sessions, name)
        return run.id if run else None

    assert found("r001-aaaaaa") == "r001-aaaaaa"
    assert found("sess-001") == "r001-aaaaaa"
    assert found("SESS-002") == "r001-cccccc"
    assert found("T-1") == "r002-bbbbbb"
    assert found("T-9") is None
    assert found("../T-1") is None
    assert found("") is None
    assert newest_run(tmp_path, sessions).id == "r001-cccccc"


@pytest.mark.parametrize(
    ("name", "closest"),
    [("r001", "r001-aaaaaa"), ("r001-aaaaab", "r001-aaaaaa"), ("sess-002", "sess-001")],
)
def test_an_unknown_run_is_told_with_what_is_closest(
    tmp_path: Path, name: str, closest: str
) -> None:
    make_runs(tmp_path, "T-1/r001-aaaaaa")
    with pytest.raises(RunNotFoundError) as found:
        find_named_run(tmp_path, [make_session(1, "r001-aaaaaa")], name)
    assert found.value.detail == f"closest: `{closest}`"
    assert found.value.hint == "`mission show ID` lists a task's runs"


def test_a_session_whose_record_is_gone_is_told(tmp_path: Path) -> None:
    for session in (make_session(1, "r001-aaaaaa"), make_session(1, None)):
        with pytest.raises(RunNotFoundError, match="no longer has a record"):
            find_named_run(tmp_path, [session], "sess-001")
    with pytest.raises(RunNotFoundError, match="nothing was handed off"):
        newest_run(tmp_path, [])
