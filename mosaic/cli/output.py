"""Results for people and for programs: aligned text, or one JSON document.

    {"schema_version": 1, "kind": "task.list", …, "next_commands": ["mission next"]}

Errors go to stderr, as text or as the same facts in JSON; as JSON to stdout for who wants that
(`put_json_errors`). Everything that comes from files
or agents is made harmless (`mosaic.text.harmless`) before it reaches a terminal.
"""

from __future__ import annotations

import errno
import json
import os
import re
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from mosaic.errors import ExitCode
from mosaic.text.harmless import escaped_signs, harmless_line, harmless_text, is_harmless_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mosaic.cli.pager import Pager
    from mosaic.errors import MissionError
    from mosaic.model import JsonValue

SCHEMA_VERSION = 1
READER_GONE = (errno.EPIPE, errno.EIO)
"""What a write says when the pipe's reader, or the terminal, has gone."""
COLORS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
OUR_COLORS = r"(\x1b\[(?:[0-2]|3[1-6])m)"
ERROR_PLACES = ("stderr", "stdout")
"""Where errors may go with `--json`."""
_pagers: list[Pager] = []
"""The one that takes what is printed to the terminal, while a command uses one."""
_errors_go_to = [ERROR_PLACES[0]]
STATUS_COLORS = {
    "in-progress": "yellow",
    "review": "cyan",
    "blocked": "red",
    "done": "green",
    "cancelled": "dim",
}


def answer(
    kind: str,
    data: Any,
    lines: Sequence[str] = (),
    *,
    as_json: bool,
    ok: bool = True,
    exit_code: ExitCode = ExitCode.OK,
    then: Sequence[str] = (),
    show_next: bool = False,
    goes_on: bool = False,
    as_is: bool = False,
) -> int:
    """Print what a command found or did, as far as anybody reads it, and return its exit code.

    Args:
        kind: the kind of the JSON document.
        data: a record, or a mapping of what JSON can hold.
        lines: the same for people.
        as_json: whether the document is printed instead of the lines.
        ok: False makes the exit code that of a failure.
        exit_code: any other code.
        then: commands that a user is likely to run next.
        show_next: whether people are shown the first of them too.
        goes_on: whether more follows; then a reader that has gone is an OSError.
        as_is: whether lines that are too long for the terminal stay whole.
    """
    try:
        if as_json:
            head = {"schema_version": SCHEMA_VERSION, "kind": kind}
            document = {**head, **plain(data), "next_commands": list(then)}
            sys.stdout.write(_encodable(to_json(document, sys.stdout, indent=2), sys.stdout))
        elif lines:
            write("\n".join(lines if as_is else folded(lines)))
        if show_next and then and not as_json:
            write(paint(f"next: {then[0]}", "dim"))
    except OSError as error:
        if goes_on or error.errno not in READER_GONE:
            raise
        mute(sys.stdout)
    return int(exit_code if ok else ExitCode.FAILED)


def write(text: str) -> None:
    """Print text to stdout, whatever the locale can show."""
    line = _encodable(_shown(text, err=False), sys.stdout)
    if _pagers:
        write_bytes(line.encode(sys.stdout.encoding or "utf-8"))
    else:
        sys.stdout.write(line)


def write_bytes(data: bytes) -> None:
    """Print bytes to stdout as they are."""
    if _pagers:
        _pagers[-1].write(data)
    else:
        sys.stdout.buffer.write(data)


def use_pager(pager: Pager) -> None:
    """Let what is printed from now on go through a pager."""
    _pagers.append(pager)


def leave_pager() -> None:
    """Print what a pager has not shown yet, or wait for the person who reads in it."""
    while _pagers:
        _pagers.pop().finish()


def drawable(lines: Iterable[str]) -> list[str]:
    """Return lines as `write` prints them, for those who draw them in places of their own."""
    return [_encodable(_shown(line, err=False), sys.stdout)[:-1] for line in lines]


def warn(text: str) -> None:
    """Print text to stderr."""
    text = "\n".join(folded(text.split("\n"), err=True))
    draw(_encodable(_shown(text, err=True), sys.stderr))


def _encodable(text: str, stream: TextIO) -> str:
    """Return a line that a stream's encoding can carry."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding) + "\n"


def _shown(text: str, *, err: bool) -> str:
    """Return text without anything that a terminal would obey or hide but our own colours.

    What comes from files is cleaned where its line is made, and there put on one line. This is
    the last door, for what was forgotten.
    """
    if all(map(is_harmless_line, text.split("\n"))):
        return text
    if not has_color(err=err):
        return harmless_text(text)
    parts = re.split(OUR_COLORS, text)
    return "".join(part if number % 2 else harmless_text(part) for number, part in enumerate(parts))


def draw(text: str, *, to: TextIO | None = None) -> None:
    """Write to stderr, or `to`, as it is; nothing depends on anybody reading it."""
    stream = to or sys.stderr
    try:
        if _pagers and stream.isatty():
            return _pagers[-1].write(text.encode(stream.encoding or "utf-8"))
        stream.write(text)
        stream.flush()
    except OSError as error:
        if error.errno in READER_GONE:
            mute(stream)


def mute(stream: TextIO) -> None:
    """Let what is written to a stream go nowhere from now on."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, stream.fileno())
    os.close(descriptor)


def has_reader(stream: TextIO) -> bool:
    """Tell whether what is written to a stream still reaches anybody."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
    except OSError:
        return True  # it has no descriptor
    return not poll.poll(0)


def to_json(document: Mapping[str, JsonValue], stream: TextIO, indent: int | None = None) -> str:
    """Return a document as JSON; what a terminal obeys, or a stream cannot carry, is escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    if text.isascii():
        return text
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(document, indent=indent)
    # JSON itself escapes what comes before the space only.
    return escaped_signs(text)


def put_json_errors(place: str) -> None:
    """Let errors go to `stdout` or `stderr` with `--json`; an empty word stands for stderr."""
    _errors_go_to[:] = [place if place in ERROR_PLACES else ERROR_PLACES[0]]
    if place and place not in ERROR_PLACES:
        from mosaic.errors import UsageError

        known = " or ".join(f"`{word}`" for word in ERROR_PLACES)
        raise UsageError(f"errors cannot go to `{place}`", hint=f"use {known}")


def emit_error(error: MissionError, *, as_json: bool) -> int:
    """Print an error and return its exit code."""
    if as_json:
        stream = sys.stdout if _errors_go_to == ["stdout"] else sys.stderr
        draw(_encodable(to_json(error.json_values(), stream), stream), to=stream)
    else:
        for line in error_lines(error):
            warn(line)
    return int(error.exit_code)


def error_lines(error: MissionError, *, stops: bool = True) -> list[str]:
    """Return an error as people read it, or a warning where the command goes on."""
    word, color = ("error:", "red") if stops else ("warning:", "yellow")
    lines = [f"{paint(word, color, err=True)} {clean(error.message)}"]
    if error.path is not None:
        place = f"{error.path}:{error.line}" if error.line is not None else error.path
        lines.append(f"  --> {clean(place)}")
    lines += [f"  {line}" for line in clean_block(error.detail or "")]
    if error.hint:
        lines += ["", f"{paint('hint:', 'cyan', err=True)} {clean(error.hint)}"]
    return lines


def clean(text: object) -> str:
    """Return a text on one line, without anything that a terminal would obey or hide."""
    return harmless_line(str(text))


def diff_line(line: str) -> str:
    """Return a line of a change as `diff -u` writes it, in colours."""
    color = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
    return paint(clean(line.rstrip("\r")) if line.strip() else "", color)


def clean_block(text: str) -> list[str]:
    """Return a text's lines without anything that a terminal would obey or hide.

    Only newlines end a line: a title within it cannot begin one of its own.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    return [clean(line.replace("\t", "    ")) for line in lines] if text else []


def is_screen() -> bool:
    """Tell whether stdout is a terminal that can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def has_color(*, err: bool = False) -> bool:
    """Tell whether a stream takes colour: as a person says, else where it is a terminal."""
    from mosaic.store.own_settings import NOT_FORCED, own_settings  # start-up: not for programs

    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced not in NOT_FORCED
    if (wanted := own_settings().colour) in ("always", "never"):
        return wanted == "always"
    stream = sys.stderr if err else sys.stdout
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, color: str, *, err: bool = False) -> str:
    """Return a text in a colour, where there is colour."""
    return f"\x1b[{COLORS[color]}m{text}\x1b[0m" if color and has_color(err=err) else text


def paint_status(status: str) -> str:
    """Return a status word in its colour."""
    return paint(status, STATUS_COLORS.get(status, ""))


def room(*, err: bool = False) -> int:
    """Return how many cells a line of a stream has; 0 where it is not a terminal: any number."""
    stream = sys.stderr if err else sys.stdout
    with suppress(OSError):
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    return 0


def folded(lines: Iterable[str], *, hang: int | None = None, err: bool = False) -> list[str]:
    """Return lines broken at words where the terminal is too narrow for them.

    Further lines are indented by `hang`, else two more than the line that they belong to.
    """
    width = room(err=err)
    if not width:
        return [*lines]
    from mosaic.text.folding import fold  # start-up: in a pipe nothing is folded

    return [
        part
        for line in lines
        for part in fold(
            line, width, hang=len(line) - len(line.lstrip(" ")) + 2 if hang is None else hang
        )
    ]


def bar(pct: int, width: int = 20) -> str:
    """Return a progress bar; of plain signs where it is not printed to a terminal."""
    full = width * pct // 100
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return "█" * full + "░" * (width - full)
    return f"[{'#' * full}{'-' * (width - full)}]"


def plain(value: Any) -> Any:
    """Return a value as `--json` prints it: a record is an object of its fields."""
    from mosaic.codec import JsonForm, dump_value  # start-up: people need none of it

    return dump_value(value, JsonForm(times="iso"))


def merge_commands(task_ids: Sequence[str]) -> list[str]:
    """Return the command that brings home what waits in branches, if anything does."""
    if not task_ids:
        return []
    return [f"mission merge {task_ids[0]}" if len(task_ids) == 1 else "mission merge"]
