"""Options that many commands take, and what the shell completes them with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.completing import complete_task, find_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable


LARGEST_INPUT = 64 << 20
"""Bytes of stdin that are taken where the command sets no limit of its own."""


def read_stdin(what: str, *, largest_bytes: int = LARGEST_INPUT) -> str:
    """Return what comes by stdin: UTF-8, as all of a mission's files, whatever the locale.

    Raises:
        UsageError: it is too much, or something else.
    """
    from mosaic.errors import UsageError

    data = sys.stdin.buffer.read(largest_bytes + 1)
    if len(data) > largest_bytes:
        raise UsageError(f"stdin holds too much for {what}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("stdin is not UTF-8", hint="`iconv -t UTF-8` makes it so") from None


def _starting(words: Iterable[tuple[str, str]], begun: str) -> list[tuple[str, str]]:
    return [(word, help_) for word, help_ in words if word.lower().startswith(begun.lower())]


def complete_status(incomplete: str) -> list[tuple[str, str]]:
    """Complete a status."""
    from mosaic.model import Status

    return _starting(((status.value, "") for status in Status), incomplete)


def complete_field(incomplete: str) -> list[tuple[str, str]]:
    """Complete a `FIELD=VALUE`: field names first, then what they can hold."""
    from mosaic.model import Status
    from mosaic.text.fields import FIELDS

    name, equals, begun = incomplete.partition("=")
    if not equals:
        fields = ((f"{field.name}=", field.meaning) for field in FIELDS if field.settable)
        return _starting(fields, incomplete)
    values: list[str] = []
    if name == "status":
        values = [status.value for status in Status]
    elif name == "runtime":
        values = [word for word, _ in complete_runtime("")]
    elif name.rstrip("+-") == "depends_on":
        values = [word for word, _ in complete_task("")]
    elif name == "milestone":
        values = [word for word, _ in complete_milestone("")]
    return [
        (f"{name}={word}", help_) for word, help_ in _starting(((v, "") for v in values), begun)
    ]


def complete_runtime(incomplete: str) -> list[tuple[str, str]]:
    """Complete the name of a runtime."""
    from mosaic.runtimes import known_runtimes

    snapshot = find_snapshot()
    specs = snapshot.document.mission.runtimes if snapshot else {}
    return _starting(((name, "") for name in known_runtimes(specs)), incomplete)


def complete_milestone(incomplete: str) -> list[tuple[str, str]]:
    """Complete the id of a milestone."""
    snapshot = find_snapshot()
    milestones = snapshot.document.mission.milestones if snapshot else ()
    return _starting(((milestone.id, milestone.name) for milestone in milestones), incomplete)


def complete_session(incomplete: str) -> list[tuple[str, str]]:
    """Complete the id of a session."""
    snapshot = find_snapshot()
    sessions = snapshot.document.mission.sessions if snapshot else ()
    return _starting(
        ((session.id, session.last_task_id or "") for session in reversed(sessions)), incomplete
    )


def complete_logged(incomplete: str) -> list[tuple[str, str]]:
    """Complete what names a run: its id, a session's, a task's."""
    from mosaic.runs.folders import runs_in, task_folders

    snapshot = find_snapshot()
    folders = task_folders(snapshot.layout.runs_dir) if snapshot else []
    runs = [(run.id, folder.name) for folder in folders for run in reversed(runs_in(folder))]
    return [
        *_starting(runs, incomplete),
        *complete_session(incomplete),
        *complete_task(incomplete),
    ]


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
MissionPath = Annotated[
    Path | None,
    typer.Option("--mission", metavar="PATH", help="mission.json, or its project; else searched."),
]
TaskId = Annotated[str, typer.Argument(metavar="ID", autocompletion=complete_task, help="A task.")]
MaybeTaskId = Annotated[
    str | None, typer.Argument(metavar="[ID]", autocompletion=complete_task, help="A task.")
]
Why = Annotated[str, typer.Option("--why", help="Why; appended to the task's notes.")]
MaybeWhy = Annotated[str | None, typer.Option("--why", help="Appended to the task's notes.")]
RuntimeName = Annotated[
    str | None,
    typer.Option("--runtime", "-r", autocompletion=complete_runtime, help="The agent to launch."),
]
MilestoneId = Annotated[
    str | None,
    typer.Option("--milestone", "-m", autocompletion=complete_milestone, help="A milestone."),
]


def complete_executor(incomplete: str) -> list[tuple[str, str]]:
    """Complete the name of an executor."""
    from mosaic.executors import NAMES

    return _starting(((name, "") for name in NAMES), incomplete)


ExecutorName = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="process|tmux",
        autocompletion=complete_executor,
        help="Where it runs: in the background, or in a tmux pane.",
    ),
]
ModelName = Annotated[str | None, typer.Option("--model", help="The model that the agent uses.")]
Headless = Annotated[
    bool,
    typer.Option(
        "--headless", help="Capture the agent's output instead of giving it the terminal."
    ),
]
Detach = Annotated[
    bool, typer.Option("--detach", "-d", help="Run in the background and return at once.")
]
Timeout = Annotated[
    str | None, typer.Option("--timeout", metavar="45m", help="Stop it after that.")
]
PrintOnly = Annotated[
    bool, typer.Option("--print", help="Print the prompt, write the capsule, change nothing.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin a new conversation with the agent.")]
WithChanges = Annotated[
    bool,
    typer.Option("--with-changes", help="Carry what is not committed here into the worktree."),
]


def seconds_of(duration: str | None) -> float | None:
    """Return the seconds of a duration that an option names."""
    from mosaic.plan.durations import parse_duration

    return parse_duration(duration) if duration else None
