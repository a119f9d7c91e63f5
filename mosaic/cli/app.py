"""The command line as Typer describes it: every command, help, completion, and wrong calls.

Only the module that holds the command that is called is imported; help and completion see
them all.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import Abort, Exit, TyperException

from mosaic import __version__
from mosaic.cli.options import one_of
from mosaic.cli.output import ERROR_PLACES, emit_error, has_color
from mosaic.cli.teaching import TaughtCommand, TaughtGroup
from mosaic.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

PANELS = {
    "Plan": (
        "init", "add", "list", "show", "edit", "set", "done", "block", "cancel", "reopen", "mv",
        "split", "rm", "milestone", "graph", "sync", "check",
    ),
    "Hand off": (
        "next", "resume", "pause", "unpause", "sessions", "stop", "logs", "exec", "checkpoint",
        "hosts", "fleet",
    ),
    "Review": ("handoff", "gates", "review", "answer", "status", "board", "report", "web"),
    "Parallel": ("panel", "merge", "pr"),
    "In git": ("resolve", "renumber"),
    "Around it": (
        "demo", "help", "doctor", "clean", "config", "trust", "import", "export", "migrate",
        "schema", "setup", "mcp",
    ),
}  # fmt: skip
"""Every command, by the job it does. Each is in the module of its name."""
HIDDEN = ("remind", "merge-file")
"""What agents and git call by themselves."""
COMMANDS = {name: panel for panel, names in PANELS.items() for name in names}
COMMANDS |= dict.fromkeys(HIDDEN, "")
HELP = """Plan in markdown, hand tasks to coding agents, keep the thread between sessions.

Begin with `mission demo` to see a whole mission, or `mission init` in your repository.
`mission help` also lists topics: files, statuses, review and more."""


class GroupedCommands(TaughtGroup):
    """Lists commands under the job they do, also where there is no colour."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the command list of `--help`."""
        for panel, names in PANELS.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, each.get_short_help_str(limit=100)) for name, each in found if each]
            if rows:
                with formatter.section(panel):
                    formatter.write_dl(rows)


def _tell_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"mission {__version__}\n")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool,
        # By a callback of its own: this function is not reached where no command is named.
        typer.Option("--version", "-V", callback=_tell_version, help="Print the version."),
    ] = False,
    _no_pager: Annotated[
        # Taken away before this is called: see `mosaic.cli.pager.take_no_pager`.
        bool,
        typer.Option("--no-pager", help="Print long output without a pager."),
    ] = False,
    _json_errors: Annotated[
        # Taken away as well: see `mosaic.cli.take_json_errors`.
        str | None,
        typer.Option(
            "--json-errors",
            **one_of(*ERROR_PLACES),
            help="Where errors go with `--json`; usually stderr.",
        ),
    ] = None,
    _mission: Annotated[
        # Put behind the command before this is called: see `mosaic.cli.command_first`.
        str | None,
        typer.Option("--mission", metavar="PATH", help="mission.json, or its project."),
    ] = None,
) -> None:
    return None


def build_app(wanted: str | None) -> typer.Typer:
    """Return the command line, with only the command that is wanted, or with all."""
    rich = has_color()
    app = typer.Typer(
        name="mission",
        cls=GroupedCommands,
        help=HELP,
        rich_markup_mode="markdown" if rich else None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    for name in [wanted] if wanted else COMMANDS:
        own = name.replace("-", "_")
        module = import_module(f"mosaic.cli.{own}")
        if group := getattr(module, f"{own}_app", None):
            for each in group.registered_commands:
                each.cls = TaughtCommand
            panel = COMMANDS[name]
            app.add_typer(group, name=name, cls=TaughtGroup, rich_help_panel=panel)
        else:
            function = getattr(module, f"{own}_command")
            app.command(
                name,
                cls=TaughtCommand,
                rich_help_panel=COMMANDS[name],
                hidden=name in HIDDEN,
            )(function)
    return app


def call(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code.

    Raises:
        MissionError: what the command says went wrong.
    """
    app = build_app(_wanted(arguments))
    _use_own_scripts()
    if os.environ.get("_MISSION_COMPLETE", "").startswith("complete_"):
        return _complete(app)
    try:
        answer = app(list(arguments) or ["--help"], prog_name="mission", standalone_mode=False)
    except Abort:
        return int(ExitCode.INTERRUPTED)
    except Exit as exit_:
        return exit_.exit_code
    except TyperException as error:
        return _usage(error, as_json="--json" in arguments)
    return int(answer or 0)


def _wanted(arguments: Sequence[str]) -> str | None:
    """Return the command that is called; None where help or completion needs all of them."""
    words = list(arguments)
    if "_MISSION_COMPLETE" in os.environ:
        from mosaic.cli.completing import read_line

        line = read_line(os.environ["_MISSION_COMPLETE"].removeprefix("complete_"), os.environ)
        words = [*line.words] if line else []
    return words[0] if words and words[0] in COMMANDS else None


def _use_own_scripts() -> None:
    """Give bash and zsh our scripts where Typer would give its own, to show or to install them."""
    from typer import _completion_shared as shared
    from typer._completion_classes import BashComplete, ZshComplete

    from mosaic.cli.completing import BASH_SCRIPT, ZSH_SCRIPT

    scripts = shared._completion_scripts  # noqa: SLF001 - there is no public door
    scripts |= {"bash": BASH_SCRIPT, "zsh": ZSH_SCRIPT}
    BashComplete.source_template = BASH_SCRIPT
    ZshComplete.source_template = ZSH_SCRIPT


def _complete(app: typer.Typer) -> int:
    """Answer a shell with what Typer finds, but not in Typer's words: see `print_words`."""
    from mosaic.cli.completers import offer
    from mosaic.cli.completing import SHELLS, print_words, read_line

    shell = os.environ["_MISSION_COMPLETE"].removeprefix("complete_")
    line = read_line(shell, os.environ) if shell in SHELLS else None
    if line is None:
        return 1  # the script of a shell says where the cursor stands
    command = typer.main.get_command(app)
    return print_words(
        shell,
        lambda: offer(command, line),
        begun=line.begun,
        cut=line.cut,
        is_shown=os.environ.get("_TYPER_COMPLETE_FISH_ACTION") != "is-args",
    )


def _usage(error: Exception, *, as_json: bool) -> int:
    """Print how a command was called wrongly, in Typer's words."""
    message = getattr(error, "format_message", error.__str__)()
    path = getattr(getattr(error, "ctx", None), "command_path", "mission")
    wrong = UsageError(message.rstrip("."), hint=f"`{path} --help` shows how it is called")
    return emit_error(wrong, as_json=as_json)
