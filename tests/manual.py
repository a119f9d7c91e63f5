"""The man page, made from the code: `python -m tests.reference` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer.main

from mosaic.cli.app import HELP, PANELS, build_app
from mosaic.cli.teaching import CommandHelp, describe
from mosaic.cli.topics import TOPICS

MANUAL = Path(__file__).resolve().parents[1] / "docs" / "mission.1"
ABOUT = "plan in markdown, hand tasks to coding agents, keep the thread between sessions"


def make_manual() -> str:
    """Return the whole page, in roff's man macros and plain ASCII."""
    return "\n".join((*head(), *commands(), *topics(), *foot())) + "\n"


def head() -> Iterator[str]:
    yield '.\\" Made from the code by `python -m tests.reference`: do not edit it by hand.'
    yield '.TH MISSION 1 "" "Mosaic" "Mosaic"'
    yield ".SH NAME"
    yield f"mission \\- {roff(ABOUT)}"
    yield ".SH SYNOPSIS"
    yield ".B mission"
    yield "\\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]"
    yield ".br"
    yield ".B mission help"
    yield "[\\fICOMMAND\\fR|\\fITOPIC\\fR]"
    yield ".SH DESCRIPTION"
    paragraphs = HELP.split("\n\n")
    for number, paragraph in enumerate(paragraphs):
        yield from [".PP"] * bool(number)
        yield roff(" ".join(paragraph.split()))


def commands() -> Iterator[str]:
    yield ".SH COMMANDS"
    yield roff("Every command takes `-h` for its help, and nearly all `--json`.")
    root = typer.main.get_command(build_app(None))
    for panel, names in PANELS.items():
        yield f".SS {roff(panel)}"
        for name in names:
            command = root.commands[name]  # type: ignore[attr-defined]
            yield from describe_command(describe(command, f"mission {name}"))


def describe_command(found: CommandHelp) -> Iterator[str]:
    yield from (".TP", f"\\fB{roff(found.path)}\\fR {roff(found.call[len(found.path) :].strip())}")
    yield roff(found.meaning)
    yield ".RS"
    yield from rows((each.name, each.meaning) for each in found.options)
    if found.examples and not found.commands:
        yield from (".PP", "Examples:", ".PP", ".nf", ".RS 4")
        for example in found.examples:
            yield from (roff(f"# {example.meaning}"), roff(example.command))
        yield from (".RE", ".fi")
    yield ".RE"
    for each in found.commands:
        yield from describe_command(each)


def topics() -> Iterator[str]:
    for name, (_, make_blocks) in TOPICS.items():
        yield f".SH {roff({'exit codes': 'exit status'}.get(name, name)).upper()}"
        for block in make_blocks():
            if isinstance(block, str):
                yield from (".PP", roff(block))
            else:
                yield from rows(block)


def foot() -> Iterator[str]:
    yield ".SH SEE ALSO"
    yield "\\fBgit\\fR(1)"


def rows(pairs: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for word, meaning in pairs:
        yield from (".TP", f"\\fB{roff(word)}\\fR", roff(meaning))


def roff(text: str) -> str:
    """Return a line of text as roff reads it: what is in backticks is bold."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    text = text.replace("^", "\\(ha").replace("~", "\\(ti")
    text = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", text)
    text = re.sub(r"[^\x00-\x7f]", lambda sign: f"\\[u{ord(sign[0]):04X}]", text)
    return f"\\&{text}" if text.startswith((".", "'")) else text
