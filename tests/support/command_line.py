"""The real command line, asked whether it takes a call; nothing is run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import typer.main
from typer.exceptions import Exit, TyperException

from mosaic.cli.app import HIDDEN, build_app
from mosaic.cli.teaching import below


@cache
def root() -> Any:
    """Return the whole command line, of Typer's."""
    return typer.main.get_command(build_app(None))


def every_command() -> Iterator[tuple[str, Any]]:
    """Yield every command that people call, with the words that call it, the outer ones first."""
    waiting = [(f"mission {name}", each) for name, each in below(root()) if name not in HIDDEN]
    while waiting:
        path, command = waiting.pop(0)
        yield path, command
        waiting[:0] = [(f"{path} {name}", each) for name, each in below(command)]


def refusal(words: Sequence[str]) -> str | None:
    """Return why the command line does not take the words behind `mission`; None if it does."""
    command, rest = root(), list(words)
    options = {name: each for each in command.params for name in each.opts}
    if rest[:1] and rest[0].startswith("-"):
        # Never parsed: `--install-completion` would install, whoever asks.
        if rest[0] in ("-h", "--help"):
            return None
        if (option := options.get(rest[0])) is None:
            return f"No such option: {rest[0]}"
        if option.is_flag:
            return None
        rest = rest[2:]
    try:
        context = command.make_context("mission", rest, resilient_parsing=True)
        while hasattr(command, "commands"):
            rest = [*context._protected_args, *context.args]
            if not rest:
                return None
            name, command, rest = command.resolve_command(context, rest)
            if command is None:
                return f"No such command: {context.args}"
            context = command.make_context(name, rest, parent=context)
    except Exit:
        return None  # `--help` and `--version` have answered
    except TyperException as error:
        return str(getattr(error, "format_message", error.__str__)())
    return None


def calls_in(line: str) -> list[list[str]]:
    """Return what stands behind `mission` wherever a line of shell calls it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>&;")
    lexer.whitespace_split = True
    lexer.commenters = ""
    calls: list[list[str]] = [[]]
    skips = False
    for word in lexer:
        if set(word) <= {"|", "&", ";"}:
            calls.append([])
        elif set(word) <= {"<", ">"}:
            skips = True
        elif skips:
            skips = False
        else:
            calls[-1].append(word)
    return [words[1:] for words in calls if words[:1] == ["mission"]]
