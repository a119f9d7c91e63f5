"""What a run wrote: whole, its end, or as it grows."""

from __future__ import annotations

import difflib
import json
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosaic.cli.options import Json, MissionPath, complete_task
from mosaic.cli.output import SCHEMA_VERSION, clean, write
from mosaic.errors import RunNotFoundError, UsageError
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mosaic.ports import OutputReader
    from mosaic.runs.record import Run
    from mosaic.store.tasks import Snapshot

LONGEST_LINE_BYTES = 1 << 20
"""A longer line comes in parts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What of a log is to be shown."""

    tail: int | None
    since: datetime | None
    follow: bool


def logs_command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|ID]",
            autocompletion=complete_task,
            help="A run, a task (its newest run) or a session; else the newest session's run.",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="Its errors.")] = False,
    events: Annotated[bool, typer.Option("--events", help="What happened to it.")] = False,
    transcript: Annotated[
        bool, typer.Option("--transcript", help="What the agent did, in words.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", "-n", min=0, metavar="N", help="The last lines only.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="10m", help="Only what is newer: a length or a time."),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The very bytes.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Show what a run wrote; control sequences are made harmless."""
    if stderr + events + transcript > 1 or (raw and (as_json or events or transcript)):
        raise UsageError("these options do not go together", hint="`mission logs --help`")
    snapshot = read_mission(locate_mission(mission))
    run = find_named_run(snapshot, name)
    wanted = Wanted(tail=tail, since=_moment(since) if since else None, follow=follow)
    if events:
        lines = _records(run, run.worker_log, wanted, "created_at")
        for line in lines:
            _show_event(line, as_json=as_json)
    elif transcript:
        _show_transcript(snapshot, run, wanted, as_json=as_json)
    else:
        _show_stream(run, "stderr" if stderr else "stdout", wanted, raw=raw, as_json=as_json)
    return 0


def find_named_run(snapshot: Snapshot, name: str | None) -> Run:
    """Return the run that a run id, a task or a session names; without a name the newest.

    Raises:
        RunNotFoundError: there is none.
    """
    from mosaic.runs.record import find_run, runs_of_task

    runs_dir = snapshot.layout.runs_dir
    sessions = snapshot.document.mission.sessions
    if name is None:
        last = [session.run_id for session in sessions if session.run_id]
        run = find_run(runs_dir, last[-1]) if last else None
        if run is None:
            raise RunNotFoundError("no session has a run on this machine", [])
        return run
    run = find_run(runs_dir, name)
    if run is not None:
        return run
    session = next((s for s in sessions if s.id == name and s.run_id), None)
    if session is not None and (run := find_run(runs_dir, session.run_id or "")) is not None:
        return run
    entry = snapshot.find(name)
    runs = runs_of_task(runs_dir, entry.task.id) if entry else []
    if runs:
        return runs[-1]
    if entry is not None:
        raise RunNotFoundError(f"`{entry.task.id}` has no run on this machine", [])
    known = [*snapshot.entries, *(session.id for session in sessions)]
    near = difflib.get_close_matches(name, known, n=3)
    raise RunNotFoundError(f"no run, task or session is called `{name}`", near)


def _moment(text: str) -> datetime:
    """Return a moment from a length of time before now, a time of today, or a whole time."""
    from mosaic.machine.clock import utc_now
    from mosaic.plan.durations import parse_duration

    try:
        return utc_now() - timedelta(seconds=parse_duration(text))
    except UsageError:
        pass
    now = utc_now().astimezone()
    for form in (text, f"{now:%Y-%m-%d}T{text}"):
        try:
            found = datetime.fromisoformat(form)
        except ValueError:
            continue
        return found if found.tzinfo else found.astimezone()
    raise UsageError(f"`{text}` is no time", hint="write `10m`, `14:30` or `2026-03-21T14:30:00Z`")


def _show_stream(run: Run, stream: str, wanted: Wanted, *, raw: bool, as_json: bool) -> None:
    from mosaic.text.terminal import TerminalSanitizer

    path = run.dir / f"{stream}.log"
    if not path.exists():
        _note(f"run `{run.id}` has no {stream}: its agent has the terminal, or has not begun")
        if not wanted.follow:
            return
    offset = _offset(run, path, stream, wanted)
    pieces = _pieces(run, path, offset, wanted)
    if as_json:
        for place, line, partial in _lines(pieces, offset):
            _show_line(run, stream, place, line, partial=partial)
        return
    sanitizer = TerminalSanitizer()
    for piece in pieces:
        if raw:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            _put(sanitizer.feed(piece))
    if not raw:
        _put(sanitizer.finish())
    for words in _lost_words(run, stream):
        _note(words)


def _offset(run: Run, path: Path, stream: str, wanted: Wanted) -> int:
    from mosaic.runs.reading import offset_at, tail_offset

    offset = offset_at(run, stream, wanted.since) if wanted.since else 0
    return max(offset, tail_offset(path, wanted.tail)) if wanted.tail is not None else offset


def _pieces(run: Run, path: Path, offset: int, wanted: Wanted) -> Iterator[bytes]:
    from mosaic.runs.reading import follow, read_from

    return follow(run, path, offset) if wanted.follow else read_from(path, offset)


def _lines(pieces: Iterator[bytes], offset: int) -> Iterator[tuple[int, bytes, bool]]:
    """Return each line with its place, and whether it is only a part of one."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while True:
            end = held.find(b"\n")
            if end < 0 and len(held) <= LONGEST_LINE_BYTES:
                break
            is_part = end < 0 or end > LONGEST_LINE_BYTES
            size = LONGEST_LINE_BYTES if is_part else end
            yield offset, bytes(held[:size]), is_part
            size += not is_part
            offset += size
            del held[:size]
    if held:
        yield offset, bytes(held), False


def _show_line(run: Run, stream: str, offset: int, line: bytes, *, partial: bool) -> None:
    from mosaic.text.terminal import TerminalSanitizer

    sanitizer = TerminalSanitizer()
    values: dict[str, Any] = {
        "run_id": run.id,
        "stream": stream,
        "offset": offset,
        "text": (sanitizer.feed(line) + sanitizer.finish()).removesuffix("\n"),
    }
    _emit("log.line", {**values, "partial": True} if partial else values)


def _records(run: Run, path: Path, wanted: Wanted, time_key: str) -> Iterator[dict[str, Any]]:
    """Return the JSON objects of a log, one a line; what is none is left out and told."""
    offset = _offset(run, path, "", Wanted(tail=wanted.tail, since=None, follow=wanted.follow))
    for _, line, _ in _lines(_pieces(run, path, offset, wanted), offset):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            _note(f"a line of {path.name} is torn and left out")
        elif not _is_older(record, wanted.since, time_key):
            yield record


def _is_older(record: dict[str, Any], since: datetime | None, time_key: str) -> bool:
    moment = record.get(time_key)
    if since is None or not isinstance(moment, str):
        return False
    try:
        written = datetime.fromisoformat(moment)
    except ValueError:
        return False
    return (written if written.tzinfo else written.astimezone()) < since


def _show_event(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _emit("log.event", event)
        return
    try:
        moment = datetime.fromisoformat(str(event.get("created_at"))).astimezone()
        shown = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
    except ValueError:
        shown = "??:??:??.???"
    _put(f"{shown}  {clean(event.get('type')):<21}  {clean(event.get('message'))}\n")


def _show_transcript(snapshot: Snapshot, run: Run, wanted: Wanted, *, as_json: bool) -> None:
    from mosaic.sessions.output import words_for

    reader = None if as_json else _find_reader(snapshot, run)
    for record in _records(run, run.transcript, wanted, "timestamp"):
        if as_json:
            _emit("log.transcript", {"event": record})
            continue
        line = json.dumps(record, ensure_ascii=False)
        if reader is None:
            _put(clean(line) + "\n")
            continue
        for seen in reader.feed(line.encode("utf-8", "replace")):
            words = clean(words_for(seen))
            if words:
                _put(words + "\n")


def _find_reader(snapshot: Snapshot, run: Run) -> OutputReader | None:
    from mosaic.errors import MissionError
    from mosaic.sessions.output import reader_of

    try:
        meta = run.meta()
        return reader_of(meta, snapshot.document.mission, meta.mode)
    except MissionError:
        return None


def _lost_words(run: Run, stream: str) -> list[str]:
    from mosaic.machine.outlet import find_gaps

    return [
        f"{gap.bytes} bytes are missing at {gap.offset}: {gap.reason}"
        for gap in find_gaps(run.dir)
        if gap.stream == stream
    ]


def _emit(kind: str, values: dict[str, Any]) -> None:
    write(json.dumps({"schema_version": SCHEMA_VERSION, "kind": kind, **values}))
    sys.stdout.flush()


def _put(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def _note(text: str) -> None:
    sys.stderr.write(f"note: {clean(text)}\n")
