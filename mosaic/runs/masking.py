"""Argument lists fit to be recorded: without keys, and without the prompt.

What is masked is what a person can be expected to write: secrets behind options, variables and
headers that are called so, in addresses, and those that are known by their form; also within a
command line that is one argument, as in `sh -c`. A secret that looks like any other word is not
found.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.runs.secrets import MASK, is_reference, is_secret_name, masked_forms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROMPT_MARK = "{prompt}"
"""Stands in `meta.json` where the argument list holds the prompt itself."""
DEEPEST = 4
"""Command lines within command lines that are looked into."""
_OPTION = re.compile(r"(-{1,2}[A-Za-z][\w.-]*)(=?)")
_LONG_OPTION = re.compile(r"--[A-Za-z]")
_ASSIGNMENT = re.compile(r"([A-Za-z_][\w.-]*)\+?=")
_NAME = re.compile(r"[A-Za-z_]\w*")
_SHELL_WORD = re.compile(
    r"(?:[^\s'\"\\;|&()<>$]|\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"|\$\([^()]*\)|['\"\\$])+|[;|&()\n]"
)
_QUOTE = re.compile(r"['\"\\]")
_QUOTED_PART = re.compile(r"(?s)'([^']*)'|\"((?:\\.|[^\"\\])*)\"|\\(.)|(.)")
_ESCAPED = re.compile(r"\\([\"\\$`])")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "fish"})
_SETTERS = frozenset({"set", "setenv"})
"""Words behind which a name and its value are two arguments."""
_BEFORE_SECRETS = frozenset({
    ("curl", "-u"), ("curl", "--user"), ("curl", "-U"), ("curl", "--proxy-user"),
    ("sshpass", "-p"), ("redis-cli", "-a"),
})  # fmt: skip
"""Options that do not say by their name that a secret follows."""
_GLUED_TO_SECRETS = frozenset({
    ("curl", "-u"), ("curl", "-U"), ("sshpass", "-p"), ("redis-cli", "-a"),
    ("mysql", "-p"), ("mysqldump", "-p"), ("mysqladmin", "-p"), ("mariadb", "-p"),
})  # fmt: skip
_PROGRAMS = _SHELLS | {name for name, _ in _BEFORE_SECRETS | _GLUED_TO_SECRETS}


def masked_argv(argv: Sequence[str], prompt: str) -> tuple[str, ...]:
    """Return an argument list fit to be recorded: no keys, and the prompt by name only."""
    named = [each.replace(prompt, PROMPT_MARK) if prompt else each for each in argv]
    return tuple(_masked(named, depth=0))


def masked_line(line: str) -> str:
    """Return a command line as a shell reads it, fit to be shown and recorded."""
    return masked_forms(_masked_line(line, depth=1))


def _masked(words: Sequence[str], *, depth: int) -> Iterator[str]:
    """Yield the words of one command, masked.

    Args:
        words: without the quotes that a shell takes away.
        depth: how many command lines they are within.
    """
    program, before = "", ""
    is_secret = sets_names = False
    for word in words:
        # An option behind an option that takes a value: it was a switch.
        if is_secret and not _LONG_OPTION.match(word):
            yield word if depth and is_reference(word) else MASK
            is_secret, before = False, word
            continue
        name = word.rpartition("/")[2]
        program = name if name in _PROGRAMS else program
        sets_names = sets_names or word in _SETTERS
        is_script = program in _SHELLS and re.fullmatch(r"-\w*c", before) is not None
        is_secret = _announces(word, program, sets_names=sets_names)
        yield word if is_secret else _masked_word(word, program, depth=depth, is_script=is_script)
        before = word


def _announces(word: str, program: str, *, sets_names: bool) -> bool:
    """Tell whether the next word is a secret."""
    if (program, word) in _BEFORE_SECRETS:
        return True
    is_name = sets_names and _NAME.fullmatch(word)
    return bool(is_name or _OPTION.fullmatch(word)) and is_secret_name(word)


def _masked_word(word: str, program: str, *, depth: int, is_script: bool) -> str:
    if (program, word[:2]) in _GLUED_TO_SECRETS and len(word) > len("-p"):
        return f"{word[:2]}{MASK}"
    named = _OPTION.match(word) or _ASSIGNMENT.match(word)
    if named and named[0].endswith("=") and is_secret_name(named[1]) and not is_script:
        value = word[named.end() :]
        is_kept = not value or (depth and is_reference(value))
        return word if is_kept else f"{named[0]}{MASK}"
    if depth < DEEPEST and re.search(r"\s", word):
        word = _masked_line(word, depth=depth + 1)
    return masked_forms(word)


def _masked_line(line: str, *, depth: int) -> str:
    """Return a command line with its words masked, and all between them as it was."""
    pieces: list[str] = []
    command: list[re.Match[str]] = []
    at = 0

    def end_command() -> None:
        nonlocal at
        bare = [_unquoted(found[0]) for found in command]
        for found, before, after in zip(command, bare, _masked(bare, depth=depth), strict=True):
            pieces.append(line[at : found.start()])
            pieces.append(found[0] if before == after else _quoted(after, found[0]))
            at = found.end()
        command.clear()

    for found in _SHELL_WORD.finditer(line):
        if found[0] in ";|&()\n":
            end_command()
        else:
            command.append(found)
    end_command()
    return "".join((*pieces, line[at:]))


def _unquoted(word: str) -> str:
    """Return a word as its program gets it, save for what a shell would put into it."""
    if _QUOTE.search(word) is None:
        return word
    parts = _QUOTED_PART.findall(word)
    return "".join(a or _ESCAPED.sub(r"\1", b) or c or d for a, b, c, d in parts)


def _quoted(word: str, before: str) -> str:
    """Return a masked word between the quotes that it had, where it needs any."""
    if not re.search(r"[\s;|&()<>'\"\\]", word):
        return word
    quote = "'" if before.endswith("'") and "'" not in word else '"'
    return f"{quote}{word}{quote}"
