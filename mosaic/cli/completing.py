"""What a shell's completion of task ids is answered with, without Typer.

The scripts that `mission --install-completion` writes are Typer's, and so is the shape of the
answer for each shell. Whatever is not plainly the first operand of a command that takes a
task id is completed by Typer itself; a test holds both to the same answer.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mosaic.model import Task
    from mosaic.store.tasks import Snapshot

COMMANDS = frozenset(
    {
        "show", "set", "done", "block", "cancel", "reopen", "resume", "sync", "exec", "handoff",
        "gates", "review", "merge",
    }
)  # fmt: skip
"""Those whose first operand is a task's id."""
PLAIN_LINE = re.compile(r"[\w.:/-]+ +(\w+) +((?:[\w.][\w.-]*)?)")
"""The program, a command, and the beginning of an id; without quotes, flags and more words."""
OPERAND = 2
"""The place of a command's first operand among the words of a line."""
UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\\]+")
"""What no shell's list can show, and what would escape the sign behind it."""


def find_completion(environ: Mapping[str, str]) -> Callable[[], int] | None:
    """Return what answers a shell that completes a task's id; None when it is Typer's.

    Args:
        environ: what Typer's completion scripts hand over.
    """
    shell = environ.get("_MISSION_COMPLETE", "").removeprefix("complete_")
    answer = ANSWERS.get(shell)
    if answer is None:
        return None
    line = environ.get("_TYPER_COMPLETE_ARGS", "")
    if shell == "bash":
        # One word a line; the last one may be empty, and then it is not there.
        words = environ.get("COMP_WORDS", "").split()
        line = " ".join(words if len(words) > OPERAND else [*words, ""])
    is_asked = {
        "bash": environ.get("COMP_CWORD") == str(OPERAND),
        "fish": environ.get("_TYPER_COMPLETE_FISH_ACTION") == "get-args",
    }
    found = PLAIN_LINE.fullmatch(line) if is_asked.get(shell, True) else None
    if found is None or found[1] not in COMMANDS:
        return None

    def complete() -> int:
        from mosaic.cli.hot import look_ahead_from_here

        look_ahead_from_here(environ)
        sys.stdout.write(f"{answer(_begun(found[2]))}\n")
        return 0

    return complete


def complete_task(incomplete: str) -> list[tuple[str, str]]:
    """Complete the id of any task."""
    return [(task.id, _help(task)) for task in _begun(incomplete)]


def _begun(incomplete: str) -> list[Task]:
    snapshot = find_snapshot()
    tasks = snapshot.tasks if snapshot else ()
    return [task for task in tasks if task.id.startswith(incomplete)]


def _help(task: Task) -> str:
    return f"{task.status.value}: {UNSPEAKABLE.sub(' ', task.title)}"


def find_snapshot() -> Snapshot | None:
    """Read the mission for a completion; no mission, or a broken one, completes nothing."""
    from mosaic.errors import MissionError
    from mosaic.store.reading import locate_mission, read_mission

    try:
        return read_mission(locate_mission(None))
    except MissionError:
        return None


def _for_bash(tasks: Iterable[Task]) -> str:
    return "\n".join(task.id for task in tasks)


def _for_zsh(tasks: Iterable[Task]) -> str:
    lines = "\n".join(f'"{_quoted(task.id)}":"{_quoted(_help(task))}"' for task in tasks)
    return f"_arguments '*: :(({lines}))'" if lines else "_files"


def _quoted(text: str) -> str:
    """Return a text as Typer hands it to zsh, which evaluates the answer."""
    for sign, written in (('"', '""'), ("'", "''"), ("$", r"\$"), ("`", r"\`"), (":", r"\\:")):
        text = text.replace(sign, written)
    return text


def _for_fish(tasks: Iterable[Task]) -> str:
    return "\n".join(f"{task.id}\t{_help(task)}" for task in tasks)


ANSWERS: Mapping[str, Callable[[Iterable[Task]], str]] = {
    "bash": _for_bash,
    "zsh": _for_zsh,
    "fish": _for_fish,
}
