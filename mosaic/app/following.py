"""A run's log as it comes, in lines for people."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.executors import executor_of
from mosaic.runs.reading import POLL_SECONDS, Stream, follow, has_ended, log_of
from mosaic.sessions.following import reader_of
from mosaic.sessions.output import words_for
from mosaic.text.harmless import HarmlessText, harmless_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mosaic.ports import OutputReader
    from mosaic.runs.record import Run
    from mosaic.store.mission_file import MissionDocument


def follow_words(
    document: MissionDocument, run: Run, *, most: int, is_wanted: Callable[[], bool]
) -> Iterator[list[str]]:
    """Return what an agent writes and does in harmless lines, some at a time, until it ends.

    That is its transcript where it has one, else its stdout. It begins about `most` lines before
    the end. It ends too when `is_wanted` answers False, which is asked often.

    Raises:
        RecordError: the run's folder was removed meanwhile.
        FileAccessError: its log cannot be read.
    """
    executor_of(run).keep_in_touch()
    while is_wanted() and not _has_begun(run):
        time.sleep(POLL_SECONDS)
    stream = Stream.TRANSCRIPT if run.transcript.exists() else Stream.STDOUT
    has_lines = stream.has_json_lines
    text, rest = HarmlessText(), ""
    reader = _find_reader(document, run)
    with closing(log_of(run, stream)) as log:
        if log.is_there():
            log.offset = log.tail_offset(most, whole=has_lines)
        read = log.read_lines if has_lines else log.read
        for block in follow(
            run, log.path, read, held_to_the_end=not has_lines, is_wanted=is_wanted
        ):
            if has_lines:
                yield _told(reader, block)
            else:
                *lines, rest = (rest + text.feed(block)).split("\n")
                yield lines
    yield [line for line in (rest + text.finish()).split("\n") if line]


def _has_begun(run: Run) -> bool:
    wrote = run.stdout_log.exists() and run.stdout_log.stat().st_size
    return bool(wrote) or run.transcript.exists() or has_ended(run)


def _find_reader(document: MissionDocument, run: Run) -> OutputReader | None:
    try:
        return reader_of(run, run.meta(), document.mission)
    except MissionError:
        return None  # nothing understands it any more


def _told(reader: OutputReader | None, block: bytes) -> list[str]:
    lines = block.removesuffix(b"\n").split(b"\n")
    if reader is None:
        return [harmless_line(line.decode("utf-8", "replace")) for line in lines]
    words = (harmless_line(words_for(seen)) for line in lines for seen in reader.feed(line))
    return [each for each in words if each]
