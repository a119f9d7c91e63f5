"""What every condition has in common; and that what was asked for cannot be done, or failed."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_DIRTY_PATHS_SHOWN = 10


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

    def __init_subclass__(cls, *, code: str, exit_code: ExitCode | None = None) -> None:
        cls.code = code
        cls.exit_code = exit_code or cls.exit_code

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

    def at(self, path: Path | str, line: int | None = None) -> Self:
        """Return this error with its place, for those who raise it and know no paths."""
        if self.path is None:
            self.path = str(path)
            self.line = self.line or line
        return self


class UsageError(MissionError, code="USAGE", exit_code=ExitCode.USAGE):
    """The command was called in a way that cannot be carried out."""


class MissionNotFoundError(UsageError, code="MISSION_NOT_FOUND"):
    """No mission in the start folder or above it."""

    def __init__(self, start: Path | str) -> None:
        super().__init__(
            f"no mission in `{start}` or any folder above it",
            hint='`mission init --name "My goal"` makes one here',
        )


class MissionOwnerError(UsageError, code="MISSION_OWNER"):
    """The mission that was found belongs to another user, and nobody named it."""

    def __init__(self, mission_file: Path | str, owner: str) -> None:
        super().__init__(
            f"the mission belongs to {owner}",
            path=mission_file,
            detail="a mission of another user is used only when you name it",
            hint=f"`--mission {mission_file}` names it once, `mission trust {mission_file}` "
            "for good",
        )


class MissionExistsError(UsageError, code="MISSION_EXISTS"):
    """`init` would overwrite something."""

    def __init__(self, path: Path | str, *, hint: str | None = None) -> None:
        super().__init__(f"`{path}` is already there", path=path, hint=hint)


class TaskNotFoundError(UsageError, code="TASK_NOT_FOUND"):
    """No task has this id."""

    def __init__(self, task_id: str, closest: Sequence[str] = ()) -> None:
        super().__init__(
            f"no task matches `{task_id}`",
            detail=f"closest: {_listed(closest)}" if closest else None,
            hint="`mission list --all` also shows done and cancelled tasks",
        )


class SessionNotFoundError(UsageError, code="SESSION_NOT_FOUND"):
    """No session or run has this id, or none is live."""

    def __init__(self, message: str, closest: Sequence[str] = ()) -> None:
        detail = f"closest: {_listed(closest)}" if closest else None
        super().__init__(message, detail=detail, hint="`mission sessions` lists them all")


class CheckpointNotFoundError(UsageError, code="CHECKPOINT_NOT_FOUND"):
    """A task has no checkpoint of this number."""

    def __init__(self, task_id: str, seq: int, known: Sequence[int]) -> None:
        super().__init__(
            f"`{task_id}` has no checkpoint `{seq}`",
            detail=f"it has: {_listed(known) or 'none'}",
            hint=f"`mission checkpoint list {task_id}`",
        )


class RunNotFoundError(UsageError, code="RUN_NOT_FOUND"):
    """No run has this id, or there is none of what was named."""

    def __init__(
        self,
        message: str,
        closest: Sequence[str] = (),
        *,
        hint: str = "`mission show ID` lists a task's runs",
    ) -> None:
        detail = f"closest: {_listed(closest)}" if closest else None
        super().__init__(message, detail=detail, hint=hint)


class PanelNotFoundError(UsageError, code="PANEL_NOT_FOUND"):
    """No panel has this id."""

    def __init__(self, panel_id: str, known: Sequence[str]) -> None:
        super().__init__(
            f"no panel is called `{panel_id}`",
            detail=f"newest: {_listed(known[-5:]) or 'there is none'}",
            hint="`mission panel list` shows them all",
        )


class RuntimeUnknownError(UsageError, code="RUNTIME_UNKNOWN"):
    """No runtime has this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"no runtime is called `{name}`",
            detail=f"known: {_listed(known)}",
            hint="add it under `runtimes` in mission.json",
        )


class NotReadyError(MissionError, code="NOT_READY", exit_code=ExitCode.NOTHING_TO_DO):
    """There is nothing to do as things stand."""


class TaskNotReadyError(NotReadyError, code="TASK_NOT_READY"):
    """The task that was asked for cannot be handed off now."""

    def __init__(self, task_id: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"task `{task_id}` cannot be handed off", detail=reason, hint=hint)


class NothingReadyError(NotReadyError, code="NOTHING_READY"):
    """No task is ready."""

    def __init__(self, detail: str, *, has_tasks: bool = True) -> None:
        reasons = "`mission next --explain` gives the reason for each task"
        hint = reasons if has_tasks else '`mission add "A task"` makes the first one'
        super().__init__("nothing is ready", detail=detail, hint=hint)


class ConsentNeededError(MissionError, code="CONSENT_NEEDED", exit_code=ExitCode.REFUSED):
    """The mission names commands that the person has not allowed to run."""

    def __init__(self, commands: Sequence[str], *, path: Path | str, digest: str) -> None:
        super().__init__(
            "this mission names commands that you have not allowed yet",
            path=path,
            detail="\n".join(commands),
            hint=f"read them, then `mission trust` allows them; in CI `MISSION_TRUST={digest}`",
        )
        self.whole = f"{self.message}: {'; '.join(commands)}; `mission trust` allows them"
        """The condition and its remedy in one line."""


class HeldError(MissionError, code="HELD", exit_code=ExitCode.REFUSED):
    """Someone else holds what was asked for."""


class HostsFullError(HeldError, code="HOSTS_FULL"):
    """As many sessions work on other machines as may at once."""

    def __init__(self, task_id: str, load: Mapping[str, int]) -> None:
        """Take how many work on each machine that would do."""
        super().__init__(
            f"no host has room for `{task_id}` now",
            detail=", ".join(f"{count} on `{name}`" for name, count in load.items()),
            hint="`max` of the host says how many; `mission sessions --live` shows them",
        )


class SessionLiveError(HeldError, code="SESSION_LIVE"):
    """A live session stands in the way."""


class RestoreUnfinishedError(HeldError, code="RESTORE_UNFINISHED"):
    """A checkpoint stands half in a work tree: its restore was interrupted."""

    def __init__(self, task_id: str, seq: int, place: Path | str, *, is_live: bool = False) -> None:
        what = f"checkpoint {seq} of `{task_id}`"
        message = f"{what} is being restored"
        detail, hint = "a process restores it at this moment", "wait for its end"
        if not is_live:
            message = f"a restore of {what} was interrupted"
            detail = "the work tree is a mixture of before and after"
            hint = (
                "`mission checkpoint restore` finishes it; "
                "`mission checkpoint restore --abort` goes back"
            )
        super().__init__(message, path=place, detail=detail, hint=hint)


class SessionOverError(HeldError, code="SESSION_OVER"):
    """A command was called by an agent whose session is over."""

    def __init__(self, session_id: str, why: str) -> None:
        super().__init__(
            f"session `{session_id}` has ended; its work is no longer accepted",
            detail=why,
            hint="an agent stops here; a person runs `unset MISSION_SESSION` first",
        )


class LockTimeoutError(HeldError, code="LOCK_TIMEOUT"):
    """The mission lock was not free within the time allowed."""

    def __init__(self, path: Path | str, waited_seconds: float, holder: str | None) -> None:
        super().__init__(
            f"the mission is locked, waited {waited_seconds:g} s",
            path=path,
            detail=f"locked by {holder}" if holder else "the holder left no name",
            hint="try again when it has finished; the lock frees itself when its process ends",
        )


class FailedError(MissionError, code="FAILED"):
    """The thing asked for failed."""


class AgainstEvidenceError(FailedError, code="AGAINST_EVIDENCE"):
    """A task would be done against what the evidence shows."""

    def __init__(self, task_id: str, objections: Sequence[str], *, hint: str) -> None:
        detail = "\n".join(objections)
        super().__init__(f"the evidence contradicts `{task_id}`", detail=detail, hint=hint)


class ProgramNotFoundError(FailedError, code="PROGRAM_NOT_FOUND"):
    """A program that a runtime needs cannot be started."""

    def __init__(self, program: str, *, problem: str, hint: str) -> None:
        super().__init__(f"`{program}` cannot be started", detail=problem, hint=hint)
        self.program = program


class UnreachableError(FailedError, code="HOST_UNREACHABLE"):
    """Another machine does not answer, or not as ours."""

    def __init__(self, host: str, detail: str) -> None:
        """Take what `ssh` or the other side said."""
        hint = f"`mission hosts check {host}` says what is missing"
        super().__init__(f"host `{host}` cannot be reached", detail=detail, hint=hint)
        self.host = host


class HostNotReadyError(FailedError, code="HOST_NOT_READY"):
    """Another machine answers, and lacks something that work there needs."""

    def __init__(self, host: str, lack: str, *, hint: str) -> None:
        super().__init__(f"host `{host}` cannot take work", detail=lack, hint=hint)


class ExtraMissingError(FailedError, code="EXTRA_MISSING"):
    """What is asked for needs packages that are installed with an extra of ours."""

    def __init__(self, what: str, extra: str, package: str) -> None:
        super().__init__(
            f"{what} needs the package `{package}`, which is not installed",
            hint=f"`pip install 'mosaic-mission[{extra}]'` installs it",
        )


class PluginError(FailedError, code="PLUGIN_BROKEN"):
    """What another package adds cannot be used."""

    def __init__(self, kind: str, name: str, package: str, why: str) -> None:
        super().__init__(
            f"the {kind} `{name}` of {package} cannot be used",
            detail=why,
            hint=f"upgrade or uninstall {package}; `mission doctor` lists all plugins",
        )


class GitError(FailedError, code="GIT_FAILED"):
    """A git command failed."""


class PullRequestError(FailedError, code="PULL_REQUEST_FAILED"):
    """`gh`, `glab` or the remote did not do what a pull request needs."""


class DirtyTreeError(FailedError, code="TREE_DIRTY"):
    """A work tree holds changes that would be overwritten."""

    def __init__(self, top: Path | str, paths: Sequence[str]) -> None:
        more = len(paths) - _DIRTY_PATHS_SHOWN
        super().__init__(
            "the work tree has changes that are not committed",
            path=top,
            detail=_listed(paths[:_DIRTY_PATHS_SHOWN]) + (f" and {more} more" if more > 0 else ""),
            hint="commit them or `git stash -u`; or rebuild elsewhere with `--into DIR`",
        )
        self.paths = tuple(paths)


def _listed(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names)
