"""What was asked for cannot be done, or failed: the files are in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors.base import ExitCode, MissionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DIRTY_PATHS_SHOWN = 10


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
            hint='`mission init --name "My goal"` makes one here',
        )


class MissionOwnerError(UsageError):
    """The mission that was found belongs to another user, and nobody named it."""

    code = "MISSION_OWNER"

    def __init__(self, mission_file: Path | str, owner: str) -> None:
        super().__init__(
            f"the mission belongs to {owner}",
            path=mission_file,
            detail="a mission of another user is used only when you name it",
            hint=f"`--mission {mission_file}` names it once, `mission trust {mission_file}` "
            "for good",
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


class ConsentNeededError(MissionError):
    """The mission names commands that the person has not allowed to run."""

    code = "CONSENT_NEEDED"
    exit_code = ExitCode.REFUSED

    def __init__(self, commands: Sequence[str], *, path: Path | str, digest: str) -> None:
        super().__init__(
            "this mission names commands that you have not allowed yet",
            path=path,
            detail="\n".join(commands),
            hint=f"read them, then `mission trust` allows them; in CI `MISSION_TRUST={digest}`",
        )
        self.whole = f"{self.message}: {'; '.join(commands)}; `mission trust` allows them"
        """The condition and its remedy in one line."""


class SessionNotFoundError(UsageError):
    """No session or run has this id, or none is live."""

    code = "SESSION_NOT_FOUND"

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="`mission sessions` lists them all")


class CheckpointNotFoundError(UsageError):
    """A task has no checkpoint of this number."""

    code = "CHECKPOINT_NOT_FOUND"

    def __init__(self, task_id: str, seq: int, known: Sequence[int]) -> None:
        shown = ", ".join(f"`{number}`" for number in known) or "none"
        super().__init__(
            f"`{task_id}` has no checkpoint `{seq}`",
            detail=f"it has: {shown}",
            hint=f"`mission checkpoint list {task_id}`",
        )


class RunNotFoundError(UsageError):
    """No run has this id, or there is none of what was named."""

    code = "RUN_NOT_FOUND"

    def __init__(
        self,
        message: str,
        closest: Sequence[str] = (),
        *,
        hint: str = "`mission show ID` lists a task's runs",
    ) -> None:
        near = ", ".join(f"`{name}`" for name in closest)
        super().__init__(message, detail=f"closest: {near}" if near else None, hint=hint)


class PanelNotFoundError(UsageError):
    """No panel has this id."""

    code = "PANEL_NOT_FOUND"

    def __init__(self, panel_id: str, known: Sequence[str]) -> None:
        shown = ", ".join(f"`{name}`" for name in known[-5:]) or "there is none"
        super().__init__(
            f"no panel is called `{panel_id}`",
            detail=f"newest: {shown}",
            hint="`mission panel list` shows them all",
        )


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


class RestoreUnfinishedError(HeldError):
    """A checkpoint stands half in a work tree: its restore was interrupted."""

    code = "RESTORE_UNFINISHED"

    def __init__(self, task_id: str, seq: int, place: Path | str, *, is_live: bool = False) -> None:
        what = f"checkpoint {seq} of `{task_id}`"
        super().__init__(
            f"{what} is being restored" if is_live else f"a restore of {what} was interrupted",
            path=place,
            detail="a process restores it at this moment"
            if is_live
            else "the work tree is a mixture of before and after",
            hint="wait for its end"
            if is_live
            else "`mission checkpoint restore` finishes it; "
            "`mission checkpoint restore --abort` goes back",
        )


class SessionOverError(HeldError):
    """A command was called by an agent whose session is over."""

    code = "SESSION_OVER"

    def __init__(self, session_id: str, why: str) -> None:
        super().__init__(
            f"session `{session_id}` has ended; its work is no longer accepted",
            detail=why,
            hint="an agent stops here; a person runs `unset MISSION_SESSION` first",
        )


class LockTimeoutError(HeldError):
    """The mission lock was not free within the time allowed."""

    code = "LOCK_TIMEOUT"

    def __init__(self, path: Path | str, waited_seconds: float, holder: str | None) -> None:
        super().__init__(
            f"the mission is locked, waited {waited_seconds:g} s",
            path=path,
            detail=f"locked by {holder}" if holder else "the holder left no name",
            hint="try again when it has finished; the lock frees itself when its process ends",
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
    """A git command failed."""

    code = "GIT_FAILED"


class DirtyTreeError(FailedError):
    """A work tree holds changes that would be overwritten."""

    code = "TREE_DIRTY"

    def __init__(self, top: Path | str, paths: Sequence[str]) -> None:
        shown = ", ".join(f"`{path}`" for path in paths[:DIRTY_PATHS_SHOWN])
        more = len(paths) - DIRTY_PATHS_SHOWN
        super().__init__(
            "the work tree has changes that are not committed",
            path=top,
            detail=shown + (f" and {more} more" if more > 0 else ""),
            hint="commit them or `git stash -u`; or rebuild elsewhere with `--into DIR`",
        )
        self.paths = tuple(paths)
