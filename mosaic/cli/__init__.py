"""The `mission` command: assembly, the only error boundary, the only exit.

Typer describes every command. To answer quickly, only the module that holds the command
that is called is imported; help and completion see them all.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, Exit, TyperException

from mosaic import __version__
from mosaic.errors import ExitCode, MissionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

PANELS = {
    "Plan": {
        "init": "plan",
        "add": "plan",
        "list": "browse",
        "show": "browse",
        "set": "change",
        "done": "change",
        "block": "change",
        "cancel": "change",
        "reopen": "change",
        "graph": "browse",
        "sync": "plan",
        "check": "plan",
    },
    "Hand off": {
        "next": "handoff",
        "resume": "handoff",
        "sessions": "sessions",
        "stop": "sessions",
        "logs": "logs",
        "exec": "steps",
        "checkpoint": "checkpoints",
    },
    "Review": {"handoff": "report", "gates": "gates", "review": "review", "status": "look"},
    "Parallel": {"panel": "panel", "merge": "merging"},
    "Around it": {
        "demo": "around",
        "doctor": "around",
        "clean": "around",
        "migrate": "around",
    },
}
"""Every command, by the job it does, with the module that holds it."""

HELP = """Plan in markdown, hand tasks to coding agents, keep the thread between sessions.

Begin with `mission demo` to see a whole mission, or `mission init` in your repository."""


class GroupedCommands(TyperGroup):
    """Lists commands under the job they do, also where there is no colour."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the command list of `--help`."""
        for panel, modules in PANELS.items():
            rows = [
                (name, command.get_short_help_str(limit=100))
                for name in modules
                if (command := self.get_command(ctx, name)) is not None
            ]
            if rows:
                with formatter.section(panel):
                    formatter.write_dl(rows)


def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> int | None:
    if version:
        sys.stdout.write(f"mission {__version__}\n")
        raise typer.Exit
    return None


def build_app(wanted: str | None) -> typer.Typer:
    """Return the command line, with only the command that is wanted, or with all.

    Args:
        wanted: a command's name; anything else builds them all.
    """
    rich = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    app = typer.Typer(
        name="mission",
        cls=GroupedCommands,
        help=HELP,
        rich_markup_mode="markdown" if rich else None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    for panel, modules in PANELS.items():
        for name, module in modules.items():
            if wanted in (None, name):
                commands = import_module(f"mosaic.cli.{module}")
                group = getattr(commands, f"{name}_app", None)
                if group is not None:
                    app.add_typer(group, name=name, rich_help_panel=panel)
                    continue
                function = getattr(commands, f"{name}_command")
                app.command(name, rich_help_panel=panel)(function)
    return app


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    sys.exit(_run(arguments))


def _run(arguments: list[str]) -> int:
    from mosaic.cli.output import emit_error

    as_json = "--json" in arguments
    try:
        answer = build_app(_wanted(arguments))(
            arguments or ["--help"], prog_name="mission", standalone_mode=False
        )
        sys.stdout.flush()
    except MissionError as error:
        if os.environ.get("MISSION_DEBUG"):
            raise
        return emit_error(error, as_json=as_json)
    except (Abort, KeyboardInterrupt):
        return int(ExitCode.INTERRUPTED)
    except Exit as exit_:
        return exit_.exit_code
    except TyperException as error:
        return _usage(error, as_json=as_json)
    except (BrokenPipeError, SystemExit):
        # The reader went away, as `| head` does; there is nobody left to tell. Typer exits
        # where it sees that first.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except OSError as error:
        if os.environ.get("MISSION_DEBUG"):
            raise
        return emit_error(_from_system(error), as_json=as_json)
    return int(answer or 0)


def _wanted(arguments: list[str]) -> str | None:
    """Return the command that is called; None where help or completion needs all of them."""
    if any(key.startswith("_") and key.endswith("_COMPLETE") for key in os.environ):
        return None
    first = arguments[0] if arguments else ""
    known = {name for modules in PANELS.values() for name in modules}
    return first if first in known else None


def _usage(error: Exception, *, as_json: bool) -> int:
    """Tell how a command was called wrongly, with Typer's own words."""
    from mosaic.cli.output import emit_error

    describe = getattr(error, "format_message", None)
    message = describe() if callable(describe) else str(error)
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "mission")
    wrong = UsageError(message.rstrip("."), hint=f"`{path} --help` shows how it is called")
    return emit_error(wrong, as_json=as_json)


def _from_system(error: OSError) -> MissionError:
    from mosaic.errors import FileAccessError

    return FileAccessError(
        "the system said no",
        path=error.filename if isinstance(error.filename, str) else None,
        detail=error.strerror or str(error),
        hint="`MISSION_DEBUG=1` shows where",
    )
