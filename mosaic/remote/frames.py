r"""What two machines say to each other through a pipe that others may write into too.

    \nMOSAIC <word> <bytes of JSON> <bytes of data> <CRC-32 of both>\n<JSON><data>

`<word>` is made anew for each call. What a login shell prints before, between or after frames, such
as a banner, is passed by; a frame that it prints into counts as torn. All numbers are decimal; the
data may be empty.
"""

from __future__ import annotations

import json
import zlib
from typing import IO, TYPE_CHECKING, Any

from mosaic.errors import FailedError
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAGIC = b"MOSAIC"
LARGEST_JSON = 64 << 20
LARGEST_DATA = 4 << 30
LONGEST_NOISE = 1 << 20
"""A line that is longer is read in parts: a frame begins on a line of its own."""
_HEADER_FIELDS = 5


class Frame(NamedTuple):
    """One message."""

    values: Mapping[str, Any]
    data: bytes = b""


def write_frame(stream: IO[bytes], word: str, values: Mapping[str, Any], data: bytes = b"") -> None:
    """Write one message as a whole."""
    text = json.dumps(values).encode()
    sums = len(text), len(data), zlib.crc32(data, zlib.crc32(text))
    stream.write(b"\n%s %s %d %d %d\n" % (MAGIC, word.encode(), *sums))
    stream.write(text)
    stream.write(data)
    stream.flush()


def read_frames(stream: IO[bytes], word: str) -> Iterator[Frame]:
    """Return the messages of a stream to its end; a ConnectionError where one is torn."""
    while line := stream.readline(LONGEST_NOISE):
        fields = line.split()
        is_frame = len(fields) == _HEADER_FIELDS and fields[:2] == [MAGIC, word.encode()]
        if not (is_frame and all(each.isdigit() for each in fields[2:])):
            continue
        *sizes, expected = map(int, fields[2:])
        if sizes[0] > LARGEST_JSON or sizes[1] > LARGEST_DATA:
            raise FailedError("the other side sends more than can be taken")
        text, data = (_read_exactly(stream, size) for size in sizes)
        if zlib.crc32(data, zlib.crc32(text)) != expected:
            raise ConnectionError("somebody else wrote into a message")
        yield Frame(json.loads(text), data)


def _read_exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise ConnectionError("the link was cut in the middle of a message")
    return data
