"""When things of a run were written, and moments as people name them.

    output.index    ["stdout", 8192, "2026-03-21T11:41:39.120Z"]

is written with the logs, at most once a second for each: the bytes from this offset on
were written then or later.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from mosaic.codec import parse_json, read_moment
from mosaic.errors import UsageError
from mosaic.machine.log_writer import INDEX_NAME
from mosaic.plan.durations import parse_duration
from mosaic.runs.reading import LogFile

if TYPE_CHECKING:
    from mosaic.runs.reading import Stream
    from mosaic.runs.record import Run


def since_offset(run: Run, stream: Stream, moment: datetime) -> int:
    """Return where a log has everything from that was written since a moment, and little more.

    Where that is not known, it is the log's beginning.
    """
    index = LogFile(run.dir / INDEX_NAME)
    found = 0
    try:
        for block in index.read_lines():
            for line in block.split(b"\n"):
                entry = _parse_entry(line)
                if entry is None or entry[0] != stream:
                    continue
                if entry[2] > moment:
                    return found
                found = entry[1]
    finally:
        index.close()
    return found


def _parse_entry(line: bytes) -> tuple[str, int, datetime] | None:
    try:
        stream, offset, moment = parse_json(line)
        return str(stream), max(0, int(offset)), read_moment(moment)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def parse_time(text: object) -> datetime | None:
    """Return the time in a record, without a zone in UTC; None when it is not one."""
    try:
        return read_moment(text)
    except ValueError:
        return None


def parse_moment(text: str, now: datetime) -> datetime:
    """Return the moment that `10m` (ago), `10:30` or `2026-11-21T10:00:00Z` stands for.

    A time of day is the last one that was; it and a date without a zone are local.

    Raises:
        UsageError: it is not a moment.
    """
    for read in (_ago, _date, _time_of_day):
        try:
            return read(text.strip(), now)
        except (UsageError, ValueError, OverflowError, OSError):
            continue
    raise UsageError(
        f"`{text}` is not a moment", hint="write `10m`, `10:30` or `2026-11-21T10:00:00Z`"
    )


def _ago(text: str, now: datetime) -> datetime:
    return now - timedelta(seconds=parse_duration(text))


def _date(text: str, _now: datetime) -> datetime:
    return datetime.fromisoformat(text).astimezone()


def _time_of_day(text: str, now: datetime) -> datetime:
    today = datetime.combine(now.astimezone().date(), time.fromisoformat(text))
    if today.astimezone() > now:
        today -= timedelta(days=1)
    return today.astimezone()
