"""How agents are told of this server: an entry of a person's own, good for every folder."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, ProgramNotFoundError, UsageError
from mosaic.machine.environment import outer_environment
from mosaic.machine.process import find_tool
from mosaic.records import NamedTuple
from mosaic.sessions.briefing import own_command

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "mission"
"""What the server is called in a client."""
HANDED_ON = ("MISSION_STATE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")
"""What says where a person's own files are; many clients start a server without it."""
ADD_SECONDS = 60.0
LONGEST_WORDS = 2000


class Client(NamedTuple):
    """A program that talks to servers."""

    file: str
    """Where it keeps a person's own servers."""
    key: str = "mcpServers"
    """Under which key, of a JSON file."""
    program: str = ""
    """Its command; empty where it has none that adds a server."""
    adds: tuple[str, ...] = ()
    """What the command is called with to add one, before what is added."""


CLIENTS = {
    "claude": Client(
        "~/.claude.json", program="claude", adds=("mcp", "add", "--scope", "user", NAME)
    ),
    "codex": Client("~/.codex/config.toml", program="codex", adds=("mcp", "add", NAME)),
    "cursor": Client("~/.cursor/mcp.json"),
    "vscode": Client(
        "mcp.json (the command `MCP: Open User Configuration`)",
        key="servers",
        program="code",
        adds=("--add-mcp",),
    ),
}


def server_command(*, writes: bool) -> list[str]:
    """Return the command that starts this server, from whatever folder."""
    own = own_command()
    # Without -P, a folder `mosaic` where it is started would be taken for this program.
    start = [os.path.abspath(own)] if own else [sys.executable, "-P", "-m", "mosaic"]
    return [*start, "mcp", *(["--write"] if writes else [])]


def entry_of(name: str, command: Sequence[str]) -> str:
    """Return the entry of the server in the form of a client's own file."""
    client, (program, *arguments) = _client(name), command
    if name == "codex":  # JSON's texts and lists of texts are TOML's too
        lines = [f"[mcp_servers.{NAME}]", f"command = {_dump(program)}"]
        lines.append(f"args = {_dump(arguments)}")
        if environ := _environ():
            pairs = ", ".join(f"{key} = {_dump(value)}" for key, value in environ.items())
            lines.append(f"env = {{ {pairs} }}")
        return "\n".join(lines)
    return _dump({client.key: {NAME: _server(program, arguments)}}, indent=2)


def install_entry(name: str, command: Sequence[str]) -> str:
    """Add the server to a client by the client's own command, and return what it printed.

    Raises:
        UsageError: it has no such command.
        ProgramNotFoundError: it is not installed.
        FailedError: it refused.
    """
    client = _client(name)
    if not client.program:
        hint = f"`mission mcp --config {name}` prints what goes into {client.file}"
        raise UsageError(f"`{name}` has no command that adds a server", hint=hint)
    program = find_tool(client.program)
    if program is None:
        raise ProgramNotFoundError(
            client.program,
            problem="it is not on the PATH, or only in a repository",
            hint=f"`mission mcp --config {name}` prints what goes into {client.file}",
        )
    import subprocess  # start-up: the server itself needs none

    words = [f"--env={key}={value}" for key, value in _environ().items()]
    words += ["--", *command]
    if name == "vscode":
        words = [_dump({"name": NAME, **_server(command[0], command[1:])})]
    try:
        done = subprocess.run(
            [program, *client.adds, *words],
            env=outer_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ADD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"`{client.program}` could not add the server"
        raise FailedError(message, detail=str(error)) from None
    printed = done.stdout.decode("utf-8", "replace").strip()[-LONGEST_WORDS:]
    if done.returncode:
        raise FailedError(
            f"`{client.program}` did not add the server",
            detail=printed or f"exit code {done.returncode}",
            hint=f"one of the name is replaced when it is removed first; {client.file} has it",
        )
    return printed


def _client(name: str) -> Client:
    if name not in CLIENTS:
        known = ", ".join(f"`{each}`" for each in CLIENTS)
        raise UsageError(f"`{name}` is not a client that is known", detail=f"known: {known}")
    return CLIENTS[name]


def _server(program: str, arguments: Sequence[str]) -> dict[str, object]:
    entry: dict[str, object] = {"type": "stdio", "command": program, "args": [*arguments]}
    environ = _environ()
    return {**entry, "env": environ} if environ else entry


def _environ() -> dict[str, str]:
    return {name: os.environ[name] for name in HANDED_ON if os.environ.get(name)}


def _dump(value: object, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent)
