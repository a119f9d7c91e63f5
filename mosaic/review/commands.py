"""What a command line runs: its program and arguments, without what is around them."""

from __future__ import annotations

import re
import shlex

from mosaic.review.claims import CD

SHELLS = {"sh", "bash", "zsh", "dash"}
RUNNERS = (
    ("python", "-m"), ("uv", "run"), ("poetry", "run"), ("pipenv", "run"), ("npx",),
    ("pnpm", "exec"), ("bundle", "exec"),
)  # fmt: skip
"""What may stand before a program without making it another command."""
OWN_PROGRAMS = {"mission", "mosaic"}
PREPARING = {
    "cd", "echo", "printf", "cat", "mktemp", "true", "test", "[", "export", "rm", "mkdir", "for",
    "done", "set",
}  # fmt: skip
"""Programs that get ready what a call of Mosaic reads, and nothing of the work."""
LONGEST_COMMAND = 10_000
# What only shows or hides output, at the end of a line. Tried once per run of blanks, not at
# each of them: else many blanks cost the square of their number.
_TRAIL = re.compile(
    r"(?<!\s)\s*+(?:\d?>&\d|&?\d?>>?\s*/dev/null|\|\s*(?:tail|head|cat|tee)(?:\s+[\w./-]+)*"
    r"|;\s*echo\s+[\"']?[^;&|]{0,40}\$\?[^;&|]{0,10}[\"']?)\s*$"
)
_HERE_DOCUMENT = re.compile(
    r"<<-?[ \t]*(['\"]?)(\w{1,40})\1(?:[^\n]*)\n(?:(?!\2\b)[^\n]*\n)*+[ \t]*(?:\2\b|\Z)"
)
_QUOTED = re.compile(r"'(?:([\w./~-]+)|[^']*)'|\"(?:([\w./~-]+)|[^\"]*)\"")
"""What stands in quotes; a single word, as the path of a program, as a group."""
_ENV = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=\S*$")


def is_own_call(command: str) -> bool:
    """Tell whether a line does nothing but call Mosaic, with what it writes or prints for that."""
    text = _HERE_DOCUMENT.sub("", unwrapped(command))
    text = _QUOTED.sub(lambda found: found[1] or found[2] or "x", text).replace("|", ";")
    forms = [form[1:] if form[0] in ("do", "then") else form for form in parts_of(text)]
    programs = {form[0] for form in forms if form}
    return bool(programs & OWN_PROGRAMS) and programs <= OWN_PROGRAMS | PREPARING


def unwrapped(command: str) -> str:
    """Return a command line without shell wrapper, leading `cd` and what trims its output."""
    text = command.strip()[:LONGEST_COMMAND]
    for _ in range(8):
        before = text
        words = _words(text)
        if len(words) > 2 and _program(words[0]) in SHELLS and re.fullmatch(r"-\w*c", words[1]):  # noqa: PLR2004 - `sh -c x`
            text = words[2].strip()
        text = CD.sub("", text)
        text = _TRAIL.sub("", text).strip()
        if text == before:
            break
    return text


def normal_form(command: str) -> tuple[str, ...]:
    """Return the words that make a command what it is: its program by name, its arguments."""
    words = _words(unwrapped(command))
    while words and (_ENV.match(words[0]) or words[0] in ("time", "env", "command")):
        words = words[1:]
    if not words:
        return ()
    form = (_program(words[0]), *words[1:])
    runner = next((each for each in RUNNERS if form[: len(each)] == each), ())
    return form[len(runner) :] or form


def parts_of(command: str) -> list[tuple[str, ...]]:
    """Return the commands of a line that runs several, `a && b; c`, each in normal form."""
    text = unwrapped(command)
    parts = re.split(r"&&|;|\n", text)
    forms = [normal_form(part) for part in parts if part.strip()]
    return [form for form in forms if form]


def runs_all_or_stops(command: str) -> bool:
    """Tell whether a line that ended well ran all its parts well: joined by `&&` alone."""
    return re.search(r";|\|\||\n", unwrapped(command)) is None


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _program(word: str) -> str:
    """Return a program's name: without its folder, `python3.11` and `python3` as `python`."""
    name = word.rpartition("/")[2] or word
    return re.sub(r"^(python|pip)\d(?:\.\d+)?$", r"\1", name)
