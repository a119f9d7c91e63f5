"""The mission's files are broken, or cannot be read or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors.base import ExitCode, MissionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_REASON_CHARACTERS = 500
_NAME_CHARACTERS = 100
_REMEDIES = (
    (("dubious ownership", "unsafe"), "`git config --global --add safe.directory {top}`"),
    (("config",), "mend `.git/config`; `git config --list` names the next line that is wrong"),
    (("extension", "repo version"), "install a newer git: this one does not know the format"),
    (("repository: ", "gitfile"), "`git worktree repair` in the main work tree, or clone again"),
    (("not a git",), "mend `.git/HEAD`: it holds `ref: refs/heads/` and a branch's name"),
    (("index",), "move `.git/index` away; `git reset` then makes it again"),
    (("ermission",), "`ls -ld .git` shows whose it is; run the command as that user"),
    (("object", "tree", "ref"), "`git fsck` names what is missing; fetch it, or clone again"),
)
"""What to do about a reason of git's; the first that fits."""


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
            f"`{word}` is not a status",
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


class MergeConflictError(BrokenFileError):
    """A file holds a merge of git's that is not resolved; nothing is written into it."""

    code = "MERGE_CONFLICT"

    def __init__(self, first: int, last: int, other: str) -> None:
        """Take the first and the last line of the conflict, and what git calls the other side."""
        super().__init__(
            "the file holds a merge that is not resolved",
            line=first,
            detail=f"git's conflict marks stand in lines {first} to {last}; "
            f"the other side is `{other.strip()[:_NAME_CHARACTERS]}`",
            hint="resolve it in an editor, `git add` it and finish the merge, "
            "or take the merge back: `git merge --abort`",
        )


class GitRefusedError(BrokenFileError):
    """There is a repository, and git does not work with it."""

    code = "GIT_REFUSED"

    def __init__(self, top: Path | str, stderr: str) -> None:
        """Take the top of the work tree, and what git wrote."""
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        reason = lines[0] if lines else "nothing"
        for word in ("fatal: ", "error: "):
            reason = reason.removeprefix(word)
        if reason.endswith(":") and len(lines) > 1:
            reason = f"{reason} {lines[1]}"
        super().__init__(
            "git refuses the repository",
            path=top,
            detail=f"git says: {reason[:_REASON_CHARACTERS]}",
            hint=_remedy(str(top), reason, lines),
        )
        self.reason = reason


def _remedy(top: str, reason: str, lines: Sequence[str]) -> str:
    for line in lines:  # git knows the name that it compares with
        if line.startswith("git config ") and "safe.directory" in line:
            return f"if you trust its owner: `{line}`"
    for words, hint in _REMEDIES:
        if any(word in reason for word in words):
            return hint.format(top=top)
    return "`git status` in that folder says more"


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
