"""Options that many commands take, and what the shell completes them with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from mosaic.cli.completers import complete_tasks
from mosaic.cli.completing import Word, complete_task, find_snapshot
from mosaic.errors import UsageError
from mosaic.executors import BUILT_IN, known_executors
from mosaic.model import Mission, Status
from mosaic.plan.durations import parse_duration
from mosaic.text.fields import FIELDS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mosaic.settings import HostSpec

STDIN = "-"
"""What stands for stdin where a file or text is asked for."""
LARGEST_INPUT = 64 << 20
"""Bytes of stdin that are taken where the command sets no limit of its own."""


def read_stdin(what: str, *, largest_bytes: int = LARGEST_INPUT) -> str:
    """Return what comes by stdin: UTF-8, as all of a mission's files, whatever the locale."""
    data = sys.stdin.buffer.read(largest_bytes + 1)
    if len(data) > largest_bytes:
        raise UsageError(f"stdin holds too much for {what}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("stdin is not UTF-8", hint="`iconv -t UTF-8` makes it so") from None


def _completer(find: Callable[[], Iterable[Word]]) -> Callable[[str], list[Word]]:
    """Return what completes a word: each of those that are found which begins like it."""

    def complete(incomplete: str) -> list[Word]:
        return [word for word in find() if word[0].lower().startswith(incomplete.lower())]

    return complete


def _mission() -> Mission:
    snapshot = find_snapshot()
    return snapshot.document.mission if snapshot else Mission(id="", name="")


def _runs() -> Iterable[Word]:
    from mosaic.runs.folders import runs_in, task_folders  # start-up

    snapshot = find_snapshot()
    folders = task_folders(snapshot.layout.runs_dir) if snapshot else []
    return ((run.id, folder.name) for folder in folders for run in reversed(runs_in(folder)))


def _runtimes() -> list[str]:
    from mosaic.runtimes import known_runtimes  # start-up

    return known_runtimes(_mission().runtimes)


def _hosts() -> Iterable[HostSpec]:
    from mosaic.remote.hosts import known_hosts  # start-up: only completion needs it

    return known_hosts(_mission()).values()


def _sources() -> Iterable[str]:
    from mosaic.sources import known_sources  # start-up

    return known_sources()


def _priorities() -> Iterable[str]:
    from mosaic.plan.ready import PRIORITY_WORDS  # start-up

    return PRIORITY_WORDS


def _names(names: Iterable[str]) -> Iterable[Word]:
    return ((name, "") for name in names)


def one_of(*words: str) -> dict[str, Any]:
    """Return what an option takes that has only these values: help shows, shells complete them."""
    return {"metavar": "|".join(words), "autocompletion": _completer(lambda: _names(words))}


complete_status = _completer(
    lambda: _names(status for status in Status if status is not Status.UNKNOWN)
)
complete_format = _completer(lambda: _names(("text", "lines", "github", "sarif")))
complete_host = _completer(lambda: ((each.name, each.where) for each in _hosts()))
complete_executor = _completer(lambda: _names(known_executors()))
complete_runtime = _completer(lambda: _names(_runtimes()))
complete_milestone = _completer(lambda: ((each.id, each.name) for each in _mission().milestones))
complete_source = _completer(lambda: _names(_sources()))
complete_session = _completer(
    lambda: ((each.id, each.last_task_id or "") for each in reversed(_mission().sessions))
)
_complete_run = _completer(_runs)
complete_priority = _completer(lambda: _names(_priorities()))


def _complete_field_name(incomplete: str) -> list[Word]:
    sign = incomplete[-1:] if incomplete.endswith(("+", "-")) else ""
    begun = incomplete.removesuffix(sign).lower()
    return [
        (f"{field.name}{sign}=", field.meaning)
        for field in FIELDS
        if field.settable and field.name.startswith(begun)
        if not sign or field.kind is Kind.LIST
    ]


def complete_session_or_task(incomplete: str) -> list[Word]:
    """Complete what names sessions: a task, or one of them."""
    return complete_task(incomplete) + complete_session(incomplete)


def complete_logged(incomplete: str) -> list[Word]:
    """Complete what names a run: its id, a session's, a task's."""
    completers = (_complete_run, complete_session, complete_task)
    return [word for complete in completers for word in complete(incomplete)]


def complete_field(incomplete: str) -> list[Word]:
    """Complete a `FIELD=VALUE`: field names first, then what they can hold."""
    name, equals, begun = incomplete.partition("=")
    if not equals:
        return _complete_field_name(incomplete)
    completers = {
        "status": complete_status,
        "runtime": complete_runtime,
        "milestone": complete_milestone,
        "priority": complete_priority,
        **dict.fromkeys(("depends_on", "depends_on+", "depends_on-"), complete_tasks),
    }
    complete = completers.get(name)
    return [(f"{name}={word}", help_) for word, help_ in complete(begun)] if complete else []


def complete_change(incomplete: str) -> list[Word]:
    """Complete what stands behind the first task of `set`: a field and its value, or a task."""
    return complete_field(incomplete) or complete_task(incomplete)


Json = Annotated[bool, Option("--json", help="Print one JSON document and nothing else.")]
MissionPath = Annotated[
    Path | None,
    Option("--mission", metavar="PATH", help="mission.json, or its project; else searched."),
]
TaskId = Annotated[str, Argument(metavar="ID", autocompletion=complete_task, help="A task.")]
TaskIds = Annotated[
    list[str], Argument(metavar="ID...", autocompletion=complete_task, help="One task or more.")
]
MaybeTaskId = Annotated[
    str | None, Argument(metavar="[ID]", autocompletion=complete_task, help="A task.")
]
Why = Annotated[str, Option("--why", metavar="TEXT", help="Why; appended to the task's notes.")]
MaybeWhy = Annotated[
    str | None, Option("--why", metavar="TEXT", help="Appended to the task's notes.")
]
RuntimeName = Annotated[
    str | None,
    Option(
        "--runtime",
        "-r",
        metavar="NAME",
        autocompletion=complete_runtime,
        help="The agent to launch: `claude`, `codex`, `gemini` or one of mission.json.",
    ),
]
MilestoneId = Annotated[
    str | None,
    Option(
        "--milestone", "-m", metavar="ID", autocompletion=complete_milestone, help="A milestone."
    ),
]
ExecutorName = Annotated[
    str | None,
    Option(
        "--executor",
        metavar="|".join(BUILT_IN),
        autocompletion=complete_executor,
        help="Where it runs: in the background, or in a tmux pane.",
    ),
]
ModelName = Annotated[
    str | None, Option("--model", metavar="NAME", help="The model that the agent uses.")
]
Headless = Annotated[
    bool,
    Option("--headless", help="Capture the agent's output instead of giving it the terminal."),
]
Detach = Annotated[bool, Option("--detach", "-d", help="Run in the background and return at once.")]
Hosts = Annotated[
    list[str] | None,
    Option(
        "--on",
        metavar="HOST",
        autocompletion=complete_host,
        help="On another machine, or the freest of several.",
    ),
]
Timeout = Annotated[str | None, Option("--timeout", metavar="45m", help="Stop it after that.")]
PrintOnly = Annotated[
    bool, Option("--print", help="Print the prompt, write the capsule, change nothing.")
]
Fresh = Annotated[bool, Option("--fresh", help="Begin a new conversation with the agent.")]
WithChanges = Annotated[
    bool,
    Option("--with-changes", help="Carry what is not committed here into the worktree."),
]


def seconds_of(duration: str | None) -> float | None:
    """Return the seconds of a duration that an option names."""
    return parse_duration(duration) if duration else None
