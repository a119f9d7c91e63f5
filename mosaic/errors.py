"""Every condition that Mosaic reports to a user, and the exit code of each.

One class per condition that a caller would treat differently. A class takes the
facts and builds the text; `code` is stable and what programs tell conditions
apart by. Printing and exiting happen in `mosaic.cli` alone.

    MissionError
    ├── UsageError                 2    USAGE
    │   ├── MissionNotFoundError        MISSION_NOT_FOUND
    │   ├── MissionExistsError          MISSION_EXISTS
    │   ├── TaskNotFoundError           TASK_NOT_FOUND
    │   ├── SessionNotFoundError        SESSION_NOT_FOUND
    │   └── RuntimeUnknownError         RUNTIME_UNKNOWN
    ├── NotReadyError              3    NOT_READY
    │   ├── TaskNotReadyError           TASK_NOT_READY
    │   └── NothingReadyError           NOTHING_READY
    ├── HeldError                  4    HELD
    │   ├── SessionLiveError            SESSION_LIVE
    │   └── LockTimeoutError            LOCK_TIMEOUT
    ├── BrokenFileError            5    FILE_INVALID
    │   ├── FrontMatterError            TASK_FRONTMATTER_INVALID
    │   ├── TableError                  TABLE_INVALID
    │   ├── StatusUnknownError          STATUS_UNKNOWN
    │   ├── TaskIdError                 TASK_ID_INVALID
    │   ├── MissionFileError            MISSION_FILE_INVALID
    │   ├── LockFileError               LOCK_UNREADABLE
    │   ├── RecordError                 RUN_RECORD_INVALID
    │   ├── TemplateError               TEMPLATE_INVALID
    │   ├── EditRefusedError            EDIT_REFUSED
    │   ├── FileAccessError             FILE_ACCESS
    │   ├── FileChangedError            FILE_CHANGED
    │   ├── PathOutsideError            PATH_OUTSIDE
    │   ├── DuplicateTaskError          TASK_DUPLICATE
    │   └── SyncConflictError           SYNC_CONFLICT
    └── FailedError                1    FAILED
        ├── ProgramNotFoundError        PROGRAM_NOT_FOUND
        └── GitError                    GIT_FAILED
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ExitCode(IntEnum):
    """What `mission` exits with; the meanings are the contract of the command line."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOTHING_TO_DO = 3
    REFUSED = 4
    BROKEN = 5
    TIMEOUT = 124
    INTERRUPTED = 130


class MissionError(Exception):
    """A condition that the user is told about: what, where, and what to do next.

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

    def at(self, path: Path | str) -> Self:
        """Return this error with the file named, for text parsers that know no paths."""
        if self.path is None:
            self.path = str(path)
        return self


class UsageError(MissionError):
    """The command was called in a way that cannot be carried out."""

    code = "USAGE"
    exit_code = ExitCode.USAGE


class MissionNotFoundError(UsageError):
    """No mission in the start folder or above it."""

    code = "MISSION_NOT_FOUND"

    def __init__(self, start: Path | str) -> None:
        super().__init__(
            f"no mission in `{start}` or any folder above it",
            hint='`mission init --name "My goal"` lays one here',
        )


class MissionExistsError(UsageError):
    """`init` would overwrite something."""

    code = "MISSION_EXISTS"

    def __init__(self, path: Path | str, *, hint: str | None = None) -> None:
        super().__init__(f"`{path}` is already there", path=path, hint=hint)


class TaskNotFoundError(UsageError):
    """No task has this id."""

    code = "TASK_NOT_FOUND"

    def __init__(self, task_id: str, closest: Sequence[str] = ()) -> None:
        near = ", ".join(f"`{name}`" for name in closest)
        super().__init__(
            f"no task matches `{task_id}`",
            detail=f"closest: {near}" if near else None,
            hint="`mission list --all` also shows done and cancelled tasks",
        )


class SessionNotFoundError(UsageError):
    """No session or run has this id, or none is live."""

    code = "SESSION_NOT_FOUND"

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="`mission sessions` lists them all")


class RuntimeUnknownError(UsageError):
    """No runtime has this name."""

    code = "RUNTIME_UNKNOWN"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        names = ", ".join(f"`{item}`" for item in known)
        super().__init__(
            f"no runtime is called `{name}`",
            detail=f"known: {names}",
            hint="add it under `runtimes` in mission.json",
        )


class NotReadyError(MissionError):
    """There is nothing to do as things stand."""

    code = "NOT_READY"
    exit_code = ExitCode.NOTHING_TO_DO


class TaskNotReadyError(NotReadyError):
    """The task that was asked for cannot be handed off now."""

    code = "TASK_NOT_READY"

    def __init__(self, task_id: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"task `{task_id}` cannot be handed off", detail=reason, hint=hint)


class NothingReadyError(NotReadyError):
    """No task is ready."""

    code = "NOTHING_READY"

    def __init__(self, detail: str) -> None:
        super().__init__(
            "nothing is ready",
            detail=detail,
            hint="`mission next --explain` gives the reason for each task",
        )


class HeldError(MissionError):
    """Someone else holds what was asked for."""

    code = "HELD"
    exit_code = ExitCode.REFUSED


class SessionLiveError(HeldError):
    """A live session stands in the way."""

    code = "SESSION_LIVE"

    def __init__(self, session_id: str, message: str, *, detail: str, hint: str) -> None:
        super().__init__(message, detail=detail, hint=hint)
        self.session_id = session_id


class LockTimeoutError(HeldError):
    """The mission lock was not free within the time allowed."""

    code = "LOCK_TIMEOUT"

    def __init__(self, path: Path | str, waited_seconds: float, holder: str | None) -> None:
        super().__init__(
            f"the mission is locked, waited {waited_seconds:g} s",
            path=path,
            detail=f"held by {holder}" if holder else "the holder left no name",
            hint="try again when it has finished; the lock frees itself when its process ends",
        )


class BrokenFileError(MissionError):
    """A file of the mission is broken, or must not be changed as asked; nothing was written."""

    code = "FILE_INVALID"
    exit_code = ExitCode.BROKEN


class FrontMatterError(BrokenFileError):
    """A task file's front matter cannot be read."""

    code = "TASK_FRONTMATTER_INVALID"


class TableError(BrokenFileError):
    """The tasks table cannot be read."""

    code = "TABLE_INVALID"


class StatusUnknownError(BrokenFileError):
    """A status word that means nothing here."""

    code = "STATUS_UNKNOWN"

    def __init__(
        self,
        word: str,
        nearest: str | None,
        *,
        path: Path | str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(
            f"`{word}` is no status",
            path=path,
            line=line,
            detail=f"nearest: `{nearest}`" if nearest else None,
            hint="use todo, in-progress, review, blocked, done or cancelled, "
            "or add the word under `statuses` in mission.json",
        )


class TaskIdError(BrokenFileError):
    """An id that cannot be a branch, a folder and a word on a command line at once."""

    code = "TASK_ID_INVALID"

    def __init__(
        self, task_id: str, *, path: Path | str | None = None, line: int | None = None
    ) -> None:
        super().__init__(
            f"`{task_id}` cannot be a task id",
            path=path,
            line=line,
            detail="an id is 1 to 64 of A-Z a-z 0-9 `.` `_` `-`, begins with a letter or digit "
            "and holds no `..`",
            hint="give the task another id, such as `T-001`",
        )


class MissionFileError(BrokenFileError):
    """mission.json cannot be read."""

    code = "MISSION_FILE_INVALID"


class LockFileError(BrokenFileError):
    """A session lock cannot be read; it is reported and never silently replaced."""

    code = "LOCK_UNREADABLE"


class RecordError(BrokenFileError):
    """A run record cannot be read."""

    code = "RUN_RECORD_INVALID"


class TemplateError(BrokenFileError):
    """A template cannot be rendered."""

    code = "TEMPLATE_INVALID"


class EditRefusedError(BrokenFileError):
    """An edit would have changed more than it was asked to, so nothing was written."""

    code = "EDIT_REFUSED"


class FileAccessError(BrokenFileError):
    """A file cannot be read or written: permissions, encoding, size, kind, disk full."""

    code = "FILE_ACCESS"


class FileChangedError(BrokenFileError):
    """Someone else changed a file between our reading and our writing; theirs was kept."""

    code = "FILE_CHANGED"

    def __init__(
        self, path: Path | str, *, gone: bool = False, appeared: bool = False, written: str = ""
    ) -> None:
        found = "it was removed" if gone else "it is there now" if appeared else "it was edited"
        super().__init__(
            f"someone else changed `{path}` meanwhile",
            path=path,
            detail=f"{found}; {written or 'nothing was written'}",
            hint="run the command again",
        )


class PathOutsideError(BrokenFileError):
    """A path or id would lead out of the mission."""

    code = "PATH_OUTSIDE"


class DuplicateTaskError(BrokenFileError):
    """Two files or two rows claim one id."""

    code = "TASK_DUPLICATE"

    def __init__(self, task_id: str, places: Sequence[str]) -> None:
        super().__init__(
            f"task `{task_id}` stands in {len(places)} places",
            path=places[0].rpartition(":")[0] or places[0],
            detail="\n".join(places),
            hint="give all but one of them another id",
        )


class SyncConflictError(BrokenFileError):
    """Table and task file disagree and neither can be taken for the newer."""

    code = "SYNC_CONFLICT"

    def __init__(self, task_id: str, detail: str, *, path: Path | str, line: int | None) -> None:
        super().__init__(
            f"table and file of task `{task_id}` disagree",
            path=path,
            line=line,
            detail=detail,
            hint=f"`mission sync {task_id} --prefer table` or `--prefer file` settles it",
        )


class FailedError(MissionError):
    """The thing asked for failed."""

    code = "FAILED"


class ProgramNotFoundError(FailedError):
    """A program that a runtime needs cannot be started."""

    code = "PROGRAM_NOT_FOUND"

    def __init__(self, program: str, *, problem: str, hint: str) -> None:
        super().__init__(f"`{program}` cannot be started", detail=problem, hint=hint)
        self.program = program


class GitError(FailedError):
    """Git said no."""

    code = "GIT_FAILED"
