"""What a shell's completion is answered with: plain words only.

The scripts that `mission --install-completion` writes are Typer's. The one for zsh evaluates
the answer, and zsh evaluates it once more; bash splits and expands it; fish cuts it at tabs
and newlines. Ids, titles and names come from files that a clone brings. So every answer, of
ours and of Typer's, leaves by `print_words`, which offers only what no shell reads as more
than a word.

Whatever is not plainly the first operand of a command that takes a task id is found by Typer
itself; a test holds both to the same answer.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from mosaic.text.harmless import harmless_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mosaic.store.tasks import Snapshot

Word = tuple[str, str]
"""What is offered, with its help."""
COMMANDS = frozenset(
    {
        "show", "edit", "set", "done", "block", "cancel", "reopen", "rm", "mv", "split", "renumber",
        "answer", "next", "resume", "sync", "exec", "handoff", "gates", "review", "merge", "pr",
    }
)  # fmt: skip
"""Those whose first operand is a task's id."""
PLAIN_LINE = re.compile(r"[\w.:/-]+ +(\w+) +((?:[\w.][\w.-]*)?)")
"""The program, a command, and the beginning of an id; without quotes, flags and more words."""
HOT_SHELLS = ("bash", "zsh", "fish")
SHELLS = (*HOT_SHELLS, "powershell", "pwsh")
OPERAND = 2
"""The place of a command's first operand among the words of a line."""
PLAIN_ASCII = re.compile(r"[\w./+=,@%:-]*", re.ASCII)
"""What no shell expands, splits or quotes, anywhere in a word."""
DROPPED_FROM_HELP = re.compile("[\"'`()]")
"""What a text can be read without; any other sign that is not plain becomes a blank."""
LONGEST_VALUE = 200
"""Characters of a word; what is longer is not offered."""
LONGEST_HELP = 100
"""Characters of a help; the rest is cut off."""


def find_completion(environ: Mapping[str, str]) -> Callable[[], int] | None:
    """Return what answers a shell that completes a task's id; None when it is Typer's."""
    shell = environ.get("_MISSION_COMPLETE", "").removeprefix("complete_")
    if shell not in HOT_SHELLS:
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
        print_words(shell, lambda: complete_task(found[2]), begun=found[2])
        return 0

    return complete


def print_words(
    shell: str, find: Callable[[], Iterable[Word]], *, begun: str, is_shown: bool = True
) -> bool:
    """Answer a shell and return whether there is something to offer. Never fails.

    A person who presses TAB has not asked for an error: whatever goes wrong offers nothing. What
    is printed on the way, such as the version, never reaches the shell, which would evaluate it.

    Args:
        shell: one of `SHELLS`.
        find: returns the words with their help.
        begun: what is in the line already; options are offered only after a `-`.
        is_shown: False where the shell only asks whether there is something.
    """
    from contextlib import redirect_stdout
    from io import StringIO

    try:
        with redirect_stdout(StringIO()):
            words = plain_words(find(), begun=begun, is_utf8=_is_utf8())
    except (Exception, SystemExit):  # noqa: BLE001 - whatever it is, see above
        words = []
    if is_shown:
        sys.stdout.write(f"{_answer(shell, words)}\n")
    return bool(words)


def _is_utf8() -> bool:
    # A letter may hold the byte of a backslash in other encodings.
    return (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"


def plain_words(words: Iterable[Word], *, begun: str, is_utf8: bool = True) -> list[Word]:
    """Return the words that every shell takes for plain words, with help of plain words."""
    refused = ("=",) if begun.startswith("-") else ("=", "-")  # `=x` is a path in zsh
    return [
        (value, _plain_help(help_, is_utf8=is_utf8))
        for value, help_ in words
        if value
        and len(value) <= LONGEST_VALUE
        and not value.startswith(refused)
        and all(map(_is_plain, value))
        and (value.isascii() or is_utf8)
    ]


def _is_plain(sign: str) -> bool:
    if sign.isascii():
        return PLAIN_ASCII.fullmatch(sign) is not None
    if sign.isalnum():
        return harmless_text(sign) == sign
    from unicodedata import category  # start-up: few words need it

    # Vowels of many languages are marks.
    return category(sign) in ("Mn", "Mc") and harmless_text(sign) == sign


def _plain_help(text: str, *, is_utf8: bool) -> str:
    # More than is shown, and still cheap.
    read = DROPPED_FROM_HELP.sub("", text[: 10 * LONGEST_HELP])
    signs = (sign if _is_plain(sign) and (is_utf8 or sign.isascii()) else " " for sign in read)
    return " ".join("".join(signs).split())[:LONGEST_HELP].rstrip()


def complete_task(incomplete: str) -> list[tuple[str, str]]:
    """Complete the id of any task."""
    snapshot = find_snapshot()
    tasks = snapshot.tasks if snapshot else ()
    return [
        (task.id, f"{task.status.value}: {task.title}")
        for task in tasks
        if task.id.startswith(incomplete)
    ]


def find_snapshot() -> Snapshot | None:
    """Read the mission for a completion; no mission, or a broken one, completes nothing."""
    from mosaic.errors import MissionError
    from mosaic.store.reading import locate_mission, read_mission

    try:
        return read_mission(locate_mission(None))
    except MissionError:
        return None


def _answer(shell: str, words: list[Word]) -> str:
    """Return what Typer's script of a shell reads; the words are plain already."""
    if shell == "zsh":
        # A colon ends the value.
        pairs = [[text.replace(":", r"\\:") for text in word if text] for word in words]
        quoted = "\n".join(":".join(f'"{text}"' for text in pair) for pair in pairs)
        return f"_arguments '*: :(({quoted}))'" if words else "_files"
    if shell == "bash":
        lines = [value for value, _ in words]
    elif shell == "fish":
        lines = [f"{value}\t{help_}" if help_ else value for value, help_ in words]
    else:
        lines = [f"{value}:::{help_ or ' '}" for value, help_ in words]
    return "\n".join(lines)
