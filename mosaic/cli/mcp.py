"""`mission mcp`."""

import sys
from importlib.util import find_spec
from pathlib import Path

from typer import Option

from mosaic.app.installation import EXTRAS
from mosaic.cli.options import MissionPath, one_of
from mosaic.cli.output import clean_block, warn, write
from mosaic.errors import ExtraMissingError, UsageError

EXAMPLES = (
    ("mission mcp --install claude", "Claude Code can read every mission of yours"),
    ("mission mcp --config codex --write", "what codex needs, to change tasks too"),
)
CLIENTS = one_of("claude", "codex", "cursor", "vscode")


def mcp_command(
    writes: bool = Option(
        False, "--write", help="Offer add, set and handoff too; else only looks."
    ),
    config: str | None = Option(
        None, "--config", **CLIENTS, help="Print the entry for a client; serve nothing."
    ),
    install: str | None = Option(
        None, "--install", **CLIENTS, help="Add it by the client's own command; serve nothing."
    ),
    mission: MissionPath = None,
) -> int:
    """Serve agents by the Model Context Protocol, on stdin and stdout, until they go.

    One entry works in every folder: a call names its mission, else it is searched from where the
    server was started. An agent's `done` asks for review, and decisions stay a person's.
    """
    if config and install:
        raise UsageError("`--config` only prints, and `--install` adds", hint="leave one out")
    missing = next((name for name in EXTRAS["mcp"].packages if not _is_installed(name)), None)
    if missing is not None:
        raise ExtraMissingError("`mission mcp`", "mcp", missing)
    if config or install:
        return _tell(config, install, mission, writes=writes)
    from mosaic.mcp.server import serve

    if sys.stdin.isatty():
        warn("an agent starts this and talks to it: `mission mcp --install claude`; Ctrl-C ends it")
    serve(mission, writes=writes)
    return 0


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:
        return False


def _tell(config: str | None, install: str | None, mission: Path | None, *, writes: bool) -> int:
    from mosaic.mcp.entries import entry_of, install_entry, server_command

    command = server_command(writes=writes)
    if mission is not None:
        command += ["--mission", str(mission.absolute())]
    if install is None:
        write(entry_of(config or "", command))
        return 0
    printed = install_entry(install, command)
    write("\n".join(clean_block(printed) or ["added"]))
    warn(f"{install} starts it as: {' '.join(command)}")
    return 0
