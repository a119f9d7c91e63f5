"""What every condition has in common, and what `mission` exits with."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from pathlib import Path


class ExitCode(IntEnum):
    """What `mission` exits with; the meanings are the contract of the command line."""

    OK = 0
    """Done."""
    FAILED = 1
    """What was asked for failed."""
    USAGE = 2
    """The command was called wrongly, or names what does not exist."""
    NOTHING_TO_DO = 3
    """There is nothing to do."""
    REFUSED = 4
    """A session, a lock or a missing permission is in the way."""
    BROKEN = 5
    """The mission's files are broken, or cannot be read or written."""
    TIMEOUT = 124
    """A time-out was reached."""
    INTERRUPTED = 130
    """It was interrupted by Ctrl-C."""


class MissionError(Exception):
    """A condition that is reported to the user: what, where, and what to do next.

    Args:
        message: what is wrong, in one line, without a full stop; literals in backticks.
        path: the file at fault, if one is.
        line: 1-based line in `path`.
        detail: what was found and what was expected; may have several lines.
        hint: one command or edit that gets the user on.
    """

    code: ClassVar[str] = "ERROR"
    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(
        self,
        message: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = str(path) if path is not None else None
        self.line = line
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    def json_values(self) -> dict[str, str | int | None]:
        """Return its facts as the JSON document of an error has them."""
        facts = ("code", "message", "path", "line", "detail", "hint")
        document: dict[str, str | int | None] = {"schema_version": 1, "kind": "error"}
        return document | {name: getattr(self, name) for name in facts}

    @property
    def summary(self) -> str:
        """The message and the detail, for records and lists."""
        return "; ".join(filter(None, (self.message, self.detail)))

    def at(self, path: Path | str) -> Self:
        """Return this error with the file named, for text parsers that know no paths."""
        if self.path is None:
            self.path = str(path)
        return self
