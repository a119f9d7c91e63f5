"""Help that teaches: what each command takes, with examples.

The examples of a command stand in its module: `EXAMPLES`, pairs of a command line and what it
does. `--help` shows them; the reference, the man page and `mission help --json` are made of the
same facts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Example(NamedTuple):
    """A command line and what it does."""

    command: str
    meaning: str


class Named(NamedTuple):
    """An option or an operand as it is typed, with what may stand there."""

    name: str
    meaning: str


class CommandHelp(NamedTuple):
    """All that help says of a command."""

    path: str
    """The words that call it: `mission panel start`."""
    operands: Sequence[Named]
    meaning: str
    options: Sequence[Named]
    examples: Sequence[Example]
    commands: Sequence[CommandHelp]
    """Those below it."""

    @property
    def call(self) -> str:
        """How it is called, without its options."""
        return " ".join((self.path, *(each.name for each in self.operands)))


class TaughtCommand(TyperCommand):
    """A command whose help ends with examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        super().format_help(ctx, formatter)
        _write_examples(ctx.command_path, formatter)


class TaughtGroup(TyperGroup):
    """A group of commands whose help ends with examples of each."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        super().format_help(ctx, formatter)
        _write_examples(ctx.command_path, formatter)


def _write_examples(path: str, formatter: Any) -> None:
    examples = examples_of(path)
    if not examples:
        return
    with formatter.section("Examples"):
        margin = " " * formatter.current_indent
        for example in examples:
            # Never wrapped: a command line is there to be copied.
            formatter.write(f"{margin}# {example.meaning}\n{margin}{example.command}\n")


def examples_of(path: str) -> list[Example]:
    """Return the examples of a command and of those below it."""
    _, *words = path.split()
    if not words:
        return []
    name = words[0]
    module = import_module(f"mosaic.cli.{name.replace('-', '_')}")
    pairs = [Example(*pair) for pair in getattr(module, "EXAMPLES", ())]
    return [each for each in pairs if f"{each.command} ".startswith(f"{path} ")]


def describe(command: Any, path: str) -> CommandHelp:
    """Return what help says of a command, Typer's own, that is called by a path."""
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    return CommandHelp(
        path,
        [_operand(each) for each in shown if each.param_type_name == "argument"],
        " ".join((command.help or "").split()),
        [
            _option(each)
            for each in shown
            if each.param_type_name == "option" and "--help" not in each.opts
        ],
        examples_of(path),
        [describe(each, f"{path} {name}") for name, each in below(command)],
    )


def below(command: Any) -> Iterator[tuple[str, Any]]:
    """Return the commands below a command, by name."""
    yield from getattr(command, "commands", {}).items()


def _operand(param: Any) -> Named:
    return Named(param.metavar or param.name.upper(), param.help or "")


def _option(param: Any) -> Named:
    names = ", ".join((*param.opts, *param.secondary_opts))
    return Named(f"{names} {values_of(param)}".strip(), param.help or "")


def values_of(param: Any) -> str:
    """Return what stands behind an option; nothing for a flag."""
    if param.is_flag:
        return ""
    return str(param.metavar or param.type.name.upper())
