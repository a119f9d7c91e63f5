"""Whether two command lines are the same command, whatever was wrapped around them."""

from __future__ import annotations

import re
import shlex

SHELLS = {"sh", "bash", "zsh", "dash"}
LONGEST_COMMAND = 10_000
# What only shows or hides output, at the end of a line. Tried once a run of blanks, not at
# each of them: else many blanks cost the square of their number.
_TRAIL = re.compile(
    r"(?<!\s)\s*+(?:\d?>&\d|&?\d?>>?\s*/dev/null|\|\s*(?:tail|head|cat|tee)(?:\s+[\w./-]+)*"
    r"|;\s*echo\s+[\"']?[^;&|]{0,40}\$\?[^;&|]{0,10}[\"']?)\s*$"
)
_ENV = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=\S*$")
_CD = re.compile(r"^cd\s+(?:'[^']*'|\"[^\"]*\"|\S+)\s*(?:&&|;)\s*")


def unwrapped(command: str) -> str:
    """Return a command line without shell wrapper, leading `cd` and what trims its output."""
    text = command.strip()[:LONGEST_COMMAND]
    for _ in range(8):
        before = text
        words = _words(text)
        if len(words) > 2 and _program(words[0]) in SHELLS and re.fullmatch(r"-\w*c", words[1]):  # noqa: PLR2004 - `sh -c x`
            text = words[2].strip()
        text = _CD.sub("", text)
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
    return (_program(words[0]), *words[1:])


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
