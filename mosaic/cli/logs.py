"""`mission logs`: what a run wrote, whole, its end, or as it comes."""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING

from typer import Argument, Option

from mosaic.cli.options import MissionPath, complete_logged
from mosaic.cli.output import clean, has_reader, warn, write_bytes
from mosaic.errors import MissionError, UsageError
from mosaic.executors import executor_of
from mosaic.machine.log_writer import LOST_NAME
from mosaic.model import Mode, RunStatus
from mosaic.records import NamedTuple
from mosaic.store.reading import locate_mission
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mosaic.cli.logs_view import View
    from mosaic.ports import OutputReader
    from mosaic.runs.reading import LogFile, Stream
    from mosaic.runs.record import Run
    from mosaic.store.mission_file import MissionDocument

EXAMPLES = (
    ("mission logs -f", "follow the newest run to its end"),
    ("mission logs T-001 --transcript --tail 50", "the last that the agent of T-001 wrote and did"),
    ("mission logs T-001 --stderr --since 10m", "what it wrote to stderr in the last ten minutes"),
)
WARM_UP_LINES = 500
"""How many lines of a transcript are read before its last ones, which may depend on them."""
IN_TOUCH_SECONDS = 2.0
"""How often it is made sure that somebody listens to the machine that a run is on."""


class Asked(NamedTuple):
    """What is to be shown of which run, and how."""

    document: MissionDocument
    run: Run
    stream: Stream
    follow: bool
    since: datetime | None
    tail: int | None
    as_json: bool
    raw: bool


def logs_command(
    name: str | None = Argument(
        None,
        metavar="[RUN|ID]",
        autocompletion=complete_logged,
        help="A run, a task (its newest run) or a session; else the newest session's run.",
    ),
    follow: bool = Option(False, "--follow", "-f", help="Continue until the run has ended."),
    stderr: bool = Option(False, "--stderr", help="Its stderr, not its stdout."),
    events: bool = Option(False, "--events", help="What happened to the run."),
    transcript: bool = Option(False, "--transcript", help="What the agent wrote and did."),
    since: str | None = Option(
        None, "--since", metavar="10m|10:30|TIME", help="Only what was written since."
    ),
    tail: int | None = Option(
        None, "--tail", "-n", metavar="N", min=0, help="Only the last N lines."
    ),
    raw: bool = Option(False, "--raw", help="The very bytes of stdout or stderr."),
    as_json: bool = Option(False, "--json", help="One JSON object a line."),
    mission: MissionPath = None,
) -> int:
    """Show what a run wrote, whole or as it comes.

    On a terminal that is the readable transcript, where the agent's output has one; `--raw`
    shows its stream. Terminal control sequences are taken out; `--raw` leaves them in.
    """
    from mosaic.app.runs import find_logged_run
    from mosaic.machine.clock import utc_now
    from mosaic.runs.reading import Stream, log_of, parse_moment
    from mosaic.store.mission_file import look_at_mission

    logs = {Stream.STDERR: stderr, Stream.EVENTS: events, Stream.TRANSCRIPT: transcript}
    chosen = [stream for stream, is_chosen in logs.items() if is_chosen]
    if len(chosen) > 1:
        raise UsageError(
            "`--stderr`, `--events` and `--transcript` are different logs", hint="choose one"
        )
    stream = chosen[0] if chosen else Stream.STDOUT
    if raw and (as_json or stream.has_json_lines):
        raise UsageError(
            "`--raw` shows the very bytes of stdout or stderr",
            hint="leave out `--json`, `--events` and `--transcript`",
        )
    # Without the tasks: reading them all may write their index.
    document = look_at_mission(locate_mission(mission))
    run = find_logged_run(document, name)
    is_plain = not (chosen or raw or as_json) and since is None
    if is_plain and sys.stdout.isatty() and run.transcript.exists():
        stream = Stream.TRANSCRIPT
    moment = parse_moment(since, utc_now()) if since is not None else None
    asked = Asked(document, run, stream, follow, moment, tail, as_json, raw)
    with closing(log_of(run, stream)) as log:
        if not log.is_there():
            _note_missing(asked)
        view = _begin(asked, log)
        is_over = _show_rest(asked, log, view)
        _write(view.finish(), flush=True)
        _note_left_out(asked, log, view, is_over=is_over)
    return 0


def _begin(asked: Asked, log: LogFile) -> View:
    """Go to where showing begins, and return how it is shown."""
    from mosaic.cli.logs_view import View, events_view, json_lines_view, json_view, text_view
    from mosaic.runs.reading import Stream, since_offset

    stream, since = asked.stream, asked.since
    if stream is Stream.TRANSCRIPT and not asked.as_json:
        return _begin_transcript(asked, log)
    if asked.tail is not None and log.is_there():
        log.offset = log.tail_offset(asked.tail, whole=stream.has_json_lines)
    if stream is Stream.EVENTS:
        if asked.as_json:
            return json_view("log.event", "created_at", since)
        return events_view(since)
    if stream is Stream.TRANSCRIPT:
        return json_view("log.transcript", "timestamp", since, key="event")
    if since is not None and log.is_there():
        log.offset = max(log.offset, log.line_start(since_offset(asked.run, stream, since)))
    if asked.as_json:
        return json_lines_view(asked.run.id, stream, log.offset)
    return View(lambda block: block) if asked.raw else text_view()


def _begin_transcript(asked: Asked, log: LogFile) -> View:
    """Show the last lines if only they are wanted; a line of the file may be none or several."""
    from mosaic.cli.logs_view import joined, transcript_view

    wanted = asked.tail
    if wanted is None or not log.is_there():
        return transcript_view(_reader(asked), asked.since)
    lines, until = wanted + WARM_UP_LINES, log.size()
    while True:
        view = transcript_view(_reader(asked), asked.since)
        begin = log.offset = log.tail_offset(lines, whole=True)
        last: deque[str] = deque(maxlen=wanted)
        for block in log.read_lines(until):
            last.extend(view.lines(block))
        if begin == 0 or len(last) == wanted:
            _write(joined(last), flush=True)
            return view
        lines *= 4


def _reader(asked: Asked) -> OutputReader | None:
    """Return what understands the transcript; None when nothing does any more."""
    from mosaic.sessions.following import reader_of

    try:
        meta = asked.run.meta()
        return reader_of(asked.run, meta, asked.document.mission)
    except MissionError:
        return None


def _show_rest(asked: Asked, log: LogFile, view: View) -> bool:
    """Show what comes, and tell whether the run was over before that was read."""
    from mosaic.runs.reading import follow, has_ended

    has_lines = asked.stream.has_json_lines
    read = log.read_lines if has_lines else log.read
    is_over = asked.follow or (has_lines and has_ended(asked.run))
    if asked.follow:
        blocks = follow(
            asked.run,
            log.path,
            read,
            held_to_the_end=not has_lines,
            is_wanted=_reading(asked.run),
        )
    else:
        log.is_there()
        blocks = read(log.size())  # an agent that writes quickly would keep us for ever
    for block in blocks:
        _write(view.feed(block), flush=asked.follow)
    return is_over


def _reading(run: Run) -> Callable[[], bool]:
    """Return what tells whether somebody reads, and sees to it that there is something to read."""
    supervised, looked_at = executor_of(run), 0.0

    def is_wanted() -> bool:
        nonlocal looked_at
        if time.monotonic() > looked_at + IN_TOUCH_SECONDS:
            looked_at = time.monotonic()
            supervised.keep_in_touch()
        return has_reader(sys.stdout)

    return is_wanted


def _write(data: bytes, *, flush: bool) -> None:
    write_bytes(data)
    if flush:
        sys.stdout.buffer.flush()


def _note_missing(asked: Asked) -> None:
    run, meta, state = asked.run, asked.run.find_meta(), asked.run.find_state()
    if state is not None and state.status is RunStatus.PREPARED:
        _note(f"run {run.id} has not started yet")
    elif meta is not None and meta.mode is Mode.INTERACTIVE:
        _note(f"the agent had the terminal, so there is no {asked.stream} of it")
    elif asked.stream == "transcript":
        _note(f"run {run.id} has no transcript: its agent wrote no events")
    else:
        _note(f"run {run.id} has no log of {asked.stream}")


def _note_left_out(asked: Asked, log: LogFile, view: View, *, is_over: bool) -> None:
    """Say what of a log could not be shown, or was never written."""
    name = log.path.name
    damaged = log.lines_passed_over + view.damaged
    if damaged:
        _note(f"{counted(damaged, 'line')} of {name} could not be read: left out")
    if asked.stream.has_json_lines and is_over and log.has_rest:
        _note(f"the last line of {name} is torn and left out")
    if (asked.run.dir / LOST_NAME).exists():
        from mosaic.runs.result import lost_output_words

        for words in lost_output_words(asked.run, [asked.stream]):
            _note(words)


def _note(text: str) -> None:
    sys.stdout.flush()
    warn(f"note: {clean(text)}")
