"""Every condition that Mosaic reports to a user, and the exit code of each.

One class per condition that a caller would treat differently. A class takes the facts and builds
the text; `code` is stable and what programs tell conditions apart by. Printing and exiting
happen in `mosaic.cli` alone. `docs/reference.md` lists them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors.refusals import *  # noqa: F403 - the other half
from mosaic.errors.refusals import ExitCode, MissionError

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


class BrokenFileError(MissionError, code="FILE_INVALID", exit_code=ExitCode.BROKEN):
    """A file of the mission is broken, or must not be changed as asked; nothing was written."""


class FrontMatterError(BrokenFileError, code="TASK_FRONTMATTER_INVALID"):
    """A task file's front matter cannot be read."""


class TableError(BrokenFileError, code="TABLE_INVALID"):
    """The tasks table cannot be read."""


class TaskIdError(BrokenFileError, code="TASK_ID_INVALID"):
    """An id that cannot be a branch, a folder and a word on a command line at once."""

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"`{task_id}` cannot be a task id",
            detail="an id is 1 to 64 of A-Z a-z 0-9 `.` `_` `-`, begins with a letter or digit "
            "and holds no `..`",
            hint="give the task another id, such as `T-001`",
        )


class MissionFileError(BrokenFileError, code="MISSION_FILE_INVALID"):
    """mission.json cannot be read."""


class OwnSettingsError(BrokenFileError, code="CONFIG_INVALID"):
    """A person's own settings cannot be read, or one of them makes no sense."""


class LockFileError(BrokenFileError, code="LOCK_UNREADABLE"):
    """A session lock cannot be read; it is reported and never silently replaced."""


class RecordError(BrokenFileError, code="RUN_RECORD_INVALID"):
    """A run record cannot be read."""


class TemplateError(BrokenFileError, code="TEMPLATE_INVALID"):
    """A template cannot be rendered."""


class EditRefusedError(BrokenFileError, code="EDIT_REFUSED"):
    """An edit would have changed more than it was asked to, so nothing was written."""


class FileAccessError(BrokenFileError, code="FILE_ACCESS"):
    """A file cannot be read or written: permissions, encoding, size, kind, disk full."""


class FileChangedError(BrokenFileError, code="FILE_CHANGED"):
    """Someone else changed a file between our reading and our writing; theirs was kept."""

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


class MergeConflictError(BrokenFileError, code="MERGE_CONFLICT"):
    """A file holds a merge of git's that is not resolved; nothing is written into it."""

    def __init__(self, first: int, last: int, other: str) -> None:
        """Take the first and the last line of the conflict, and what git calls the other side."""
        super().__init__(
            "the file holds a merge that is not resolved",
            line=first,
            detail=f"git's conflict marks stand in lines {first} to {last}; "
            f"the other side is `{other.strip()[:_NAME_CHARACTERS]}`",
            hint="`mission resolve` merges it by task and field; or edit it and `git add` it, "
            "or take the merge back: `git merge --abort`",
        )


class GitRefusedError(BrokenFileError, code="GIT_REFUSED"):
    """There is a repository, and git does not work with it."""

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


class PathOutsideError(BrokenFileError, code="PATH_OUTSIDE"):
    """A path or id would lead out of the mission."""


class StateNotOursError(BrokenFileError, code="STATE_NOT_OURS"):
    """The state folder may be somebody else's: it is not believed and not written into."""

    def __init__(self, place: Path | str, *, because: str, way_out: str) -> None:
        message = "this mission's state folder is not used"
        super().__init__(message, path=place, detail=f"it {because}", hint=way_out)


class DuplicateTaskError(BrokenFileError, code="TASK_DUPLICATE"):
    """Two files or two rows claim one id."""

    def __init__(self, task_id: str, places: Sequence[str]) -> None:
        super().__init__(
            f"task `{task_id}` stands in {len(places)} places",
            path=places[0].rpartition(":")[0] or places[0],
            detail="\n".join(places),
            hint="give all but one of them another id",
        )


class SyncConflictError(BrokenFileError, code="SYNC_CONFLICT"):
    """Table and task file disagree and neither can be taken for the newer."""

    def __init__(self, task_id: str, detail: str) -> None:
        super().__init__(
            f"table and file of task `{task_id}` disagree",
            detail=detail,
            hint=f"`mission sync {task_id} --prefer table` or `--prefer file` settles it",
        )


def _remedy(top: str, reason: str, lines: Sequence[str]) -> str:
    for line in lines:  # git knows the name that it compares with
        if line.startswith("git config ") and "safe.directory" in line:
            return f"if you trust its owner: `{line}`"
    for words, hint in _REMEDIES:
        if any(word in reason for word in words):
            return hint.format(top=top)
    return "`git status` in that folder says more"
