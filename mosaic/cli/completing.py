"""What a shell's completion is answered with: plain words only.

The scripts that `mission --install-completion` writes are Typer's, but for those of bash and zsh,
which are below. The one for zsh evaluates the answer, and zsh evaluates it once more; bash splits
and expands it; fish cuts it at tabs and newlines. Ids, titles and names come from files that a
clone brings. So every answer, of ours and of Typer's, leaves by `print_words`, which offers only
what no shell reads as more than a word.

Whatever is not plainly the first operand of a command that takes a task id is found by Typer
itself; a test holds both to the same answer.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from mosaic.records import NamedTuple
from mosaic.text.harmless import harmless_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

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
ID_BEGUN = re.compile(r"(?:[\w.][\w.-]*)?")
"""The beginning of an id; what else is begun is Typer's."""
HOT_SHELLS = ("bash", "zsh", "fish")
SHELLS = (*HOT_SHELLS, "powershell", "pwsh")
GLUE = frozenset("=:")
"""What ends a word for bash, and is a word of its own then, where we see one word."""
BASH_SCRIPT = """
%(complete_func)s() {
    local IFS=$'\\n' code
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" \\
                   COMP_CWORD=$COMP_CWORD \\
                   %(autocomplete_var)s=complete_bash $1 ) )
    code=$?
    if [[ $code == 1 ]]; then compopt -o default; fi
    if [[ ${COMPREPLY[0]-} == *= ]]; then compopt -o nospace; fi
    return 0
}

complete -F %(complete_func)s %(prog_name)s
"""
"""As Typer's, but files are completed only where we answer with 1: one is meant."""
ZSH_SCRIPT = """
#compdef %(prog_name)s

%(complete_func)s() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" \\
            %(autocomplete_var)s=complete_zsh %(prog_name)s)
}

compdef %(complete_func)s %(prog_name)s
if [[ $funcstack[1] == _%(prog_name)s ]]; then %(complete_func)s; fi
"""
"""As Typer's, but where zsh reads it at the first TAB, that TAB is answered too."""
PLAIN_ASCII = re.compile(r"[\w./+=,@%:-]*", re.ASCII)
"""What no shell expands, splits or quotes, anywhere in a word."""
NOT_PLAIN_ASCII = re.compile(r"[^\w./+=,@%:\x80-\U0010ffff-]+", re.ASCII)
NO_ASCII = re.compile(r"[^\x00-\x7f]+")
DROPPED_FROM_HELP = re.compile("[\"'`()]")
"""What a text can be read without; any other sign that is not plain becomes a blank."""
LONGEST_VALUE = 200
"""Characters of a word; what is longer is not offered."""
LONGEST_HELP = 100
"""Characters of a help; the rest is cut off."""


class Offer(NamedTuple):
    """What may stand where the cursor is."""

    words: Iterable[Word]
    files: str = ""
    """What zsh calls to offer files where there are no words; empty where no file is meant."""


class Line(NamedTuple):
    """A line of a shell up to its cursor."""

    words: Sequence[str]
    """Those behind the program that are finished."""
    begun: str
    """What there is of the one that is completed."""
    cut: int = 0
    """How many characters of that the shell does not replace: bash ends words at `=` and `:`."""


def read_line(shell: str, environ: Mapping[str, str]) -> Line | None:
    """Return what a shell's script hands over; None where it lacks something."""
    if shell == "bash":
        return _read_bash(environ)
    text = environ.get("_TYPER_COMPLETE_ARGS", "")
    words = split_words(text)[1:]
    if shell not in HOT_SHELLS:
        begun = environ.get("_TYPER_COMPLETE_WORD_TO_COMPLETE", "")
        return Line(words[:-1] if begun else words, begun)
    if not words or text.endswith(" "):
        return Line(words, "")
    return Line(words[:-1], words[-1])


def _read_bash(environ: Mapping[str, str]) -> Line | None:
    text = environ.get("COMP_WORDS", "")
    found = text.split("\n" if "\n" in text else " ")
    place = environ.get("COMP_CWORD", "")
    if not place.isdecimal() or not 0 < int(place) <= len(found):
        return None
    words: list[str] = []
    cut, glued = 0, False
    for raw in [*found, ""][1 : int(place) + 1]:
        word = "".join(split_words(raw))
        is_glue = bool(raw) and GLUE.issuperset(raw)
        if words and (is_glue or glued):
            words[-1] += word
        else:
            words.append(word)
            cut = 0
        cut = len(words[-1]) if is_glue else cut
        glued = is_glue
    return Line(words[:-1], words[-1], cut)


def split_words(text: str) -> list[str]:
    """Return the words of a line as a shell does; a quote may still be open."""
    if not _has_quotes(text):
        return text.split()
    import shlex  # start-up: hardly any line has quotes

    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words = list[str]()
    try:
        words += lexer
    except ValueError:
        words.append(lexer.token)
    return words


def _has_quotes(text: str) -> bool:
    return any(sign in text for sign in "\"'\\")


def find_completion(environ: Mapping[str, str]) -> Callable[[], int] | None:
    """Return what answers a shell that completes a task's id; None when it is Typer's."""
    shell = environ.get("_MISSION_COMPLETE", "").removeprefix("complete_")
    line = read_line(shell, environ) if shell in HOT_SHELLS else None
    if line is None or (
        shell == "fish" and environ.get("_TYPER_COMPLETE_FISH_ACTION") != "get-args"
    ):
        return None
    begun = line.begun
    is_first = len(line.words) == 1 and line.words[0] in COMMANDS
    raw = environ.get("COMP_WORDS" if shell == "bash" else "_TYPER_COMPLETE_ARGS", "")
    if not is_first or line.cut or _has_quotes(raw) or ID_BEGUN.fullmatch(begun) is None:
        return None

    def complete() -> int:
        return print_words(shell, lambda: Offer(complete_task(begun)), begun=begun)

    return complete


def print_words(
    shell: str, find: Callable[[], Offer], *, begun: str, cut: int = 0, is_shown: bool = True
) -> int:
    """Answer a shell and return the exit code: 1 where files are to be offered. Never fails.

    A person who presses TAB has not asked for an error: whatever goes wrong offers nothing. What
    is printed on the way, such as the version, never reaches the shell, which would evaluate it.

    Args:
        shell: one of `SHELLS`.
        find: returns the words with their help, or that a file is meant.
        begun: what is in the line already; options are offered only after a `-`.
        cut: how many characters of each word the shell keeps by itself.
        is_shown: False where the shell only asks for the exit code.
    """
    from contextlib import redirect_stdout
    from io import StringIO

    words, files = list[Word](), ""
    try:
        with redirect_stdout(StringIO()):
            found, files = find()
            words = plain_words(found, begun=begun, is_utf8=_is_utf8(), helps=shell != "bash")
    except (Exception, SystemExit):  # noqa: BLE001, S110 - whatever it is, see above
        pass
    if is_shown:
        shown = [(value[cut:], help_) for value, help_ in words] if cut else words
        sys.stdout.write(f"{_answer(shell, shown, files)}\n")
    return int(bool(files) and not words)


def _is_utf8() -> bool:
    # A letter may hold the byte of a backslash in other encodings.
    return (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"


def plain_words(
    words: Iterable[Word], *, begun: str, is_utf8: bool = True, helps: bool = True
) -> list[Word]:
    """Return the words that every shell takes for plain words, with help of plain words."""
    refused = ("=",) if begun.startswith("-") else ("=", "-")  # `=x` is a path in zsh
    return [
        (value, _plain_help(help_, is_utf8=is_utf8) if helps else "")
        for value, help_ in words
        if value
        and len(value) <= LONGEST_VALUE
        and not value.startswith(refused)
        and (_is_plain(value) if value.isascii() else is_utf8 and all(map(_is_plain, value)))
    ]


def _is_plain(sign: str) -> bool:
    """Tell whether one sign, or a text in ASCII, is plain."""
    if sign.isascii():
        return PLAIN_ASCII.fullmatch(sign) is not None
    if sign.isalnum():
        return harmless_text(sign) == sign
    from unicodedata import category  # start-up: few words need it

    # Vowels of many languages are marks.
    return category(sign) in ("Mn", "Mc") and harmless_text(sign) == sign


def _plain_help(text: str, *, is_utf8: bool) -> str:
    def plain(found: re.Match[str]) -> str:
        return "".join(sign if is_utf8 and _is_plain(sign) else " " for sign in found[0])

    # More than is shown, and still cheap.
    read = DROPPED_FROM_HELP.sub("", text[: 10 * LONGEST_HELP])
    read = NOT_PLAIN_ASCII.sub(" ", NO_ASCII.sub(plain, read))
    return " ".join(read.split())[:LONGEST_HELP].rstrip()


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


def _answer(shell: str, words: list[Word], files: str) -> str:
    """Return what the script of a shell reads; the words are plain already."""
    if shell == "zsh":
        return _answer_zsh(words) if words else files
    if shell == "bash":
        lines = [value for value, _ in words]
    elif shell == "fish":
        lines = [f"{value}\t{help_}" if help_ else value for value, help_ in words]
    else:
        lines = [f"{value}:::{help_ or ' '}" for value, help_ in words]
    return "\n".join(lines)


def _answer_zsh(words: list[Word]) -> str:
    if all(value.endswith("=") for value, _ in words):
        # A value follows, so: no blank behind it.
        return f"compadd -S '' -- {' '.join(value for value, _ in words)}"
    # A colon ends the value.
    pairs = [[text.replace(":", r"\\:") for text in word if text] for word in words]
    quoted = "\n".join(":".join(f'"{text}"' for text in pair) for pair in pairs)
    return f"_arguments '*: :(({quoted}))'"
