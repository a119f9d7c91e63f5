"""Reading in haste: the same lines as one by one would find, of those that tell something."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.runs.record import Run
from mosaic.runs.transcript import LAST_LINES, marked_lines, structured_part, telling_lines
from mosaic.runtimes.claude_output import ClaudeReader
from mosaic.sessions import output
from mosaic.sessions.output import OutputFollower

LINES = st.lists(st.sampled_from([b"", b"a", b"{", b"{mark}", b"x mark mark", b"{other}", b"\0"]))
MARKS = (b"mark", b"other")


@given(LINES, st.integers(min_value=0, max_value=3))
def test_marked_lines_are_those_that_hold_a_mark(lines: list[bytes], skipped: int) -> None:
    head = b"mark\n" * skipped
    block = head + b"".join(line + b"\n" for line in lines)
    wanted = [line for line in lines if any(mark in line for mark in MARKS)]
    assert marked_lines(block, len(head), len(block), MARKS, most=10_000) == wanted


@given(LINES)
def test_the_last_lines_are_read_whatever_they_hold(lines: list[bytes]) -> None:
    block = b"".join(line + b"\n" for line in lines)
    found = telling_lines(block, 0, len(block) - 1, MARKS)
    assert found[-LAST_LINES:] == lines[-LAST_LINES:]
    assert set(found) <= set(lines)


@given(LINES)
def test_the_structured_part_is_every_line_that_begins_an_object(lines: list[bytes]) -> None:
    block = b"".join(line + b"\n" for line in lines)
    wanted = b"".join(line + b"\n" for line in lines if line.startswith(b"{"))
    assert structured_part(block, 0, len(block) - 1) == wanted


def test_few_lines_of_a_mark_are_read_of_each_block() -> None:
    block = b"{mark}\n" * 10_000
    assert len(telling_lines(block, 0, len(block) - 1, MARKS)) == 2 * LAST_LINES


def test_what_is_too_far_behind_is_skipped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "MOST_BEHIND_BYTES", 1_000)
    run = Run(dir=tmp_path)
    first, line = b'{"type": "system", "session_id": "s"}\n', b'{"type": "x"}\n'
    last = b'{"type": "result", "result": "end"}\n'
    run.stdout_log.write_bytes(first)
    reader = ClaudeReader()
    follower = OutputFollower(run, reader)
    follower.read()
    with open(run.stdout_log, "ab") as log:
        log.write(line * 1_000 + last)
    follower.read(limit_bytes=None)
    follower.finish()
    follower.close()
    assert reader.answer == "end"
    assert follower.conversation == "s"
    assert follower.unread.skipped_bytes == len(line) * 1_000 + len(last) - 1_000
    assert run.transcript.read_bytes() == first
    assert "transcript ends before them" in follower.unread.words()[0]
