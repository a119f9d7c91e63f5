"""The `mission` command: the only error boundary, the only exit.

Typer describes every command (`mosaic.cli.app`). What is called most does not wait for it:
plain forms of hot commands are answered directly (`mosaic.cli.hot`).
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from mosaic.errors import ExitCode, MissionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEADING = {"--mission": True, "--json": False}
"""Options of every command that may stand before it, and whether a value follows them."""
JSON_ERRORS = "--json-errors"


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code.

    Without `argv` the arguments are those of this process, which ends here without tidying up
    thousands of values one by one.
    """
    _open_streams()
    os.umask(os.umask(0o077) & ~0o700)  # no umask shuts us out of the files that we make
    if argv is not None:
        sys.exit(_run([*argv]))  # `list`, once imported, is a command here
    code = _run(sys.argv[1:])
    with suppress(OSError):  # the reader is gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _open_streams() -> None:
    """Put the null device where a standard stream was closed.

    Else the first file that is opened would get the stream's number, and what a child
    prints would be written into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            os.set_inheritable(number, True)
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def command_first(arguments: Sequence[str]) -> list[str]:
    """Return a call with the options that stand before the command behind it."""
    rest = [*arguments]
    moved: list[str] = []  # `list`, once imported, is a command here
    while rest and rest[0].partition("=")[0] in LEADING:
        takes_next = LEADING[rest[0].partition("=")[0]] and "=" not in rest[0]
        count = 2 if takes_next else 1
        moved += rest[:count]
        del rest[:count]
    if not rest:
        return [*arguments]
    at = rest.index("--") if "--" in rest else len(rest)
    return [*rest[:at], *moved, *rest[at:]]


def take_json_errors(arguments: Sequence[str]) -> tuple[list[str], str]:
    """Return the arguments without `--json-errors`, and the word that it was given."""
    from mosaic.cli.pager import end_of_own

    end, place = end_of_own(arguments), ""
    kept: list[str] = []  # `list` and `next`, once imported, are commands here
    is_value = False
    for word in arguments[:end]:
        name, equals, value = word.partition("=")
        if is_value:
            place, is_value = word, False
        elif name == JSON_ERRORS:
            place, is_value = value if equals else "nothing", not equals
        else:
            kept.append(word)
    return [*kept, *arguments[end:]], place


def _run(arguments: list[str]) -> int:
    from mosaic.cli.output import (
        READER_GONE,
        emit_error,
        leave_pager,
        mute,
        put_json_errors,
        use_pager,
    )
    from mosaic.cli.pager import Pager, is_paged, take_no_pager

    arguments, is_refused = take_no_pager(arguments)
    arguments, place = take_json_errors(arguments)
    arguments = command_first(arguments)
    as_json = "--json" in arguments
    is_quiet = as_json or "_MISSION_COMPLETE" in os.environ
    code = int(ExitCode.OK)
    try:
        put_json_errors(place or os.environ.get("MISSION_JSON_ERRORS", ""))
        if not is_quiet:
            _look_at_own_settings()
            if not is_refused and is_paged(arguments):
                use_pager(Pager())
        code = _call(arguments)
        leave_pager()
        _name_skipped_plugins(is_quiet=is_quiet)
        sys.stdout.flush()
    except MissionError as error:
        if os.environ.get("MISSION_DEBUG"):
            raise
        return emit_error(error, as_json=as_json)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except (BrokenPipeError, SystemExit):
        # The reader went away, as `| head` does; there is nobody left to tell. Typer exits
        # where it sees that first. What was done before keeps its exit code.
        mute(sys.stdout)
        return code
    except (OSError, UnicodeEncodeError) as error:
        if isinstance(error, OSError) and error.errno in READER_GONE and not error.filename:
            mute(sys.stdout)
            return code
        if os.environ.get("MISSION_DEBUG"):
            raise
        return emit_error(_from_system(error), as_json=as_json)
    finally:
        with suppress(OSError):  # the reader is gone
            leave_pager()
    return code


def _call(arguments: list[str]) -> int:
    from mosaic.cli.hot import find_hot

    answer = find_hot(arguments, os.environ)
    if answer is not None:
        return answer()
    from mosaic.cli.app import call

    return call(arguments)


def _look_at_own_settings() -> None:
    """Say on stderr what is wrong with a person's settings."""
    from mosaic.store.own_settings import own_settings

    _warn_of(own_settings().faults.values())


def _name_skipped_plugins(*, is_quiet: bool) -> None:
    """Say on stderr which plugins the command did without."""
    plugins = sys.modules.get("mosaic.plugins")
    if plugins is not None and not is_quiet:
        _warn_of(plugins.skipped())


def _warn_of(errors: Iterable[MissionError]) -> None:
    from mosaic.cli.output import error_lines, warn

    for error in errors:
        for line in error_lines(error, stops=False):
            warn(line)


def _from_system(error: OSError | UnicodeEncodeError) -> MissionError:
    from mosaic.errors import FileAccessError, UsageError

    if isinstance(error, UnicodeEncodeError):
        encoding = sys.getfilesystemencoding()
        if encoding == "utf-8":
            raise error
        return UsageError(
            "a name or text here cannot be written in the encoding that Python uses",
            detail=f"the encoding is `{encoding}`",
            hint="set `LC_ALL=C.UTF-8`, and unset `PYTHONUTF8=0`",
        )
    try:
        os.getcwd()
    except OSError:
        return FileAccessError(
            "the current folder does not exist any more",
            hint="`cd` into another one, or name the mission by `--mission PATH`",
        )
    if isinstance(error.filename, str) and error.filename:
        from mosaic.machine.signature import access_error

        return access_error("used", error.filename, error)
    return FileAccessError(
        "the system refused an operation",
        detail=error.strerror or str(error),
        hint="`MISSION_DEBUG=1` shows where",
    )
