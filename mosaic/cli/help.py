"""`mission help`: a command's help, or what a topic is about."""

from difflib import get_close_matches
from typing import Any

import typer

from mosaic.cli.app import COMMANDS, HIDDEN, build_app, call
from mosaic.cli.completing import Word
from mosaic.cli.options import Json
from mosaic.cli.output import answer
from mosaic.cli.teaching import CommandHelp, below, describe
from mosaic.cli.topics import TOPICS, Block, find_topic
from mosaic.errors import ExitCode, UsageError

EXAMPLES = (
    ("mission help add", "what a command takes, with examples"),
    ("mission help panel start", "the same for a command below another"),
    ("mission help statuses", "what each status means"),
)


def complete_help(incomplete: str) -> list[Word]:
    """Complete a command or a topic."""
    words = [(name, "") for name in COMMANDS if name not in HIDDEN]
    words += [(name.replace(" ", "-"), about) for name, (about, _) in TOPICS.items()]
    return [word for word in dict(words).items() if word[0].startswith(incomplete)]


def help_command(
    context: typer.Context,
    words: list[str] | None = typer.Argument(
        None,
        metavar="[COMMAND|TOPIC]",
        autocompletion=complete_help,
        help=f"A command; or {', '.join(TOPICS)}.",
        show_default=False,
    ),
    as_json: Json = False,
) -> int:
    """Explain a command, with examples, or a topic; without one, list what there is."""
    named = words or []
    topic = find_topic(" ".join(named))
    command = _find_command(named)
    if named and command is None and topic is None:
        raise _unknown(" ".join(named))
    blocks = list(TOPICS[topic][1]()) if topic else []
    if as_json:
        return answer("help", _values(named, command, topic, blocks), as_json=True)
    if command is not None or not named:
        code = call([*named, "--help"])
        if code != ExitCode.OK:
            return code
    lines = _lines(context, topic, blocks) if topic else [] if named else _list_topics(context)
    return answer("help", {}, lines, as_json=False)


def _find_command(words: list[str]) -> Any:
    """Return a command of Typer's by the words that call it; None where there is none."""
    if not words or words[0] not in COMMANDS:
        return None
    found: Any = typer.main.get_command(build_app(words[0]))
    for word in words:
        found = dict(below(found)).get(word)
    return found


def _unknown(word: str) -> UsageError:
    names = [name for name in COMMANDS if name not in HIDDEN]
    near = get_close_matches(word, [*names, *TOPICS], 1)
    hint = f"`mission help {near[0]}`" if near else "`mission help` lists all commands and topics"
    return UsageError(f"there is no command or topic `{word}`", hint=hint)


def _lines(context: typer.Context, topic: str, blocks: list[Block]) -> list[str]:
    formatter = context.make_formatter()
    formatter.write_text(f"{topic}: {TOPICS[topic][0]}")
    for block in blocks:
        formatter.write_paragraph()
        with formatter.indentation():
            if isinstance(block, str):
                formatter.write_text(block)
            else:
                formatter.write_dl(block)
    return str(formatter.getvalue()).rstrip("\n").split("\n")


def _list_topics(context: typer.Context) -> list[str]:
    formatter = context.make_formatter()
    with formatter.section("Topics, for `mission help TOPIC`"):
        formatter.write_dl([(name, about) for name, (about, _) in TOPICS.items()])
    return ["", *str(formatter.getvalue()).rstrip("\n").split("\n")]


def _values(
    words: list[str], command: Any, topic: str | None, blocks: list[Block]
) -> dict[str, Any]:
    found: CommandHelp | None = None
    if command is not None:
        found = describe(command, f"mission {' '.join(words)}")
    return {
        "command": found,
        "topic": topic,
        "text": [block if isinstance(block, str) else dict(block) for block in blocks],
        "commands": [] if words else [name for name in COMMANDS if name not in HIDDEN],
        "topics": {} if words else {name: about for name, (about, _) in TOPICS.items()},
    }
