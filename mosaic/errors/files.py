"""The mission's files are broken, or cannot be read or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors.base import ExitCode, MissionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


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


class StateNotOursError(BrokenFileError):
    """The state folder may be somebody else's: it is not believed and not written into."""

    code = "STATE_NOT_OURS"

    def __init__(self, place: Path | str, *, because: str, way_out: str) -> None:
        super().__init__(
            "this mission's state folder is not used",
            path=place,
            detail=f"it {because}",
            hint=way_out,
        )


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
