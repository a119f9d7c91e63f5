"""Reading much output quickly: which lines of a block are worth a closer look.

An agent can write faster than its lines can be parsed. Its output is then read in haste: only
lines that hold one of its runtime's marks are looked at (see `OutputReader.marks`), and of
those only the last few of each block. Pure: blocks of bytes in, lines out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.plan.sizes import format_size
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FLOOD_BYTES = 64 << 10
"""In a longer stretch of output, lines of free text are passed over but for the last."""
LAST_LINES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Unread:
    """How much of an agent's stdout was not looked at line by line."""

    passed_over_bytes: int = 0
    """Read in haste; the transcript has it all the same."""
    skipped_bytes: int = 0
    """Not read at all; the transcript ends before it."""

    def words(self) -> tuple[str, ...]:
        """Return it in words; nothing when everything was read."""
        words = []
        if self.passed_over_bytes:
            words.append(
                f"{format_size(self.passed_over_bytes)} of stdout came too fast to be read along: "
                "only lines that tell of the end or of commands were looked at"
            )
        if self.skipped_bytes:
            words.append(
                f"{format_size(self.skipped_bytes)} of stdout were not read along, and the "
                "transcript ends before them"
            )
        return tuple(words)


def lines_worth_reading(block: bytes, start: int, stop: int) -> Iterator[bytes]:
    """Return the whole lines between two places, `stop` being the last newline.

    Of a flood only those that may be structured, and the last few: a fast writer must not
    wait for us, and we must not fall behind for lines that nobody looks at.
    """
    if stop < start:
        return
    if stop - start <= FLOOD_BYTES:
        yield from block[start:stop].split(b"\n")
        return
    rest = _last_lines(block, start, stop)
    place = start - 1  # the newline before the first of these lines
    while place >= 0 and place < rest:
        if block[place + 1 : place + 2] == b"{":
            end = block.find(b"\n", place + 1)
            yield block[place + 1 : end]
            place = end - 1
        place = block.find(b"\n{", place + 1, rest)
    yield from block[rest + 1 : stop].split(b"\n")


def telling_lines(block: bytes, start: int, stop: int, marks: Sequence[bytes]) -> list[bytes]:
    """Return the last lines between two places that hold a mark, and the very last, in order.

    Args:
        block: what was read.
        start: where the first of these lines begins; a newline stands before it.
        stop: the last newline.
        marks: what makes a line worth reading.
    """
    if stop < start:
        return []
    rest = _last_lines(block, start, stop)
    lines = marked_lines(block, start, rest, marks, most=LAST_LINES)
    return lines + block[rest + 1 : stop].split(b"\n")


def marked_lines(
    block: bytes, start: int, stop: int, marks: Sequence[bytes], *, most: int
) -> list[bytes]:
    """Return the lines between two places that hold a mark, in order: the last of each mark."""
    places = set()
    for mark in marks:
        end = stop
        for _ in range(most):
            found = block.rfind(mark, start, max(start, end))
            if found < 0:
                break
            end = block.rfind(b"\n", 0, found)
            places.add(end + 1)
    return [block[place : block.find(b"\n", place)] for place in sorted(places)]


def structured_part(block: bytes, start: int, stop: int) -> bytes:
    """Return the whole lines between two places that begin as JSON objects do."""
    part = block[start : stop + 1]
    if part[:1] == b"{" and part.count(b"\n{") == part.count(b"\n") - 1:
        return part
    return b"".join(line + b"\n" for line in part.split(b"\n") if line[:1] == b"{")


def _last_lines(block: bytes, start: int, stop: int) -> int:
    """Return the newline before the last few lines."""
    rest = stop
    for _ in range(LAST_LINES):
        found = block.rfind(b"\n", start, rest)
        if found < 0:
            return start - 1
        rest = found
    return rest
