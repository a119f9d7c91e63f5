"""Quality gates: commands that must pass, as mission.json names them.

    "qualityGates": "ruff check . && pytest -q"
    "qualityGates": ["ruff check .", {"name": "tests", "command": "pytest -q",
                     "timeout": "10m", "scope": ["src/**", "tests/**"]}]

A command that is text goes through the shell; a list of arguments does not. A gate with a
scope counts only where a file of that scope was changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionFileError, UsageError
from mosaic.plan.durations import parse_duration
from mosaic.records import dataclass

if TYPE_CHECKING:
    from mosaic.model import JsonValue

UNNAMED = "gate"
LONGEST_NAME = 40
VARIABLE = re.compile(r"[A-Za-z_]\w*=")
"""Set before a program; its value may be a secret, and a name goes into records."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """One command that must pass."""

    name: str
    argv: tuple[str, ...]
    shown: str
    """The command as it was written."""
    timeout_seconds: float | None = None
    scope: tuple[str, ...] = ()

    @property
    def step(self) -> str:
        """The name of the step that it runs as."""
        return f"gate:{self.name}"


def parse_gates(value: JsonValue) -> tuple[Gate, ...]:
    """Return the gates that `qualityGates` names, in order; each name is its own.

    Raises MissionFileError.
    """
    entries = [value] if isinstance(value, str) else value
    gates: list[Gate] = []
    for entry in entries if isinstance(entries, list) else []:
        gate = _parse_gate(entry, {gate.name for gate in gates})
        if gate is not None:
            gates.append(gate)
    return tuple(gates)


def _parse_gate(entry: object, taken: set[str]) -> Gate | None:
    values: dict[str, Any] = entry if isinstance(entry, dict) else {"command": entry}
    command = values.get("command")
    if isinstance(command, str):
        if not command.strip():
            return None
        argv, shown = ("sh", "-c", command), command
    elif isinstance(command, list) and command and all(isinstance(part, str) for part in command):
        argv, shown = tuple(command), " ".join(command)
    else:
        raise MissionFileError(f"`{entry}` is not a gate", hint="write a command")
    timeout = values.get("timeout")
    scope = values.get("scope", [])
    scope = [scope] if isinstance(scope, str) else scope
    if not isinstance(scope, list) or not all(isinstance(glob, str) for glob in scope):
        message = "`scope` of a gate is not a list of globs"
        raise MissionFileError(message, hint='write `["src/**"]`')
    try:
        seconds = parse_duration(str(timeout)) if timeout is not None else None
    except UsageError as error:
        raise MissionFileError(f"`timeout` of a gate: {error.message}", hint=error.hint) from None
    return Gate(
        name=_free_name(values.get("name"), shown, taken),
        argv=argv,
        shown=shown,
        timeout_seconds=seconds,
        scope=tuple(scope),
    )


def _free_name(name: object, command: str, taken: set[str]) -> str:
    if not name:
        words = (word for word in command.split() if not VARIABLE.match(word))
        name = next(words, UNNAMED).rpartition("/")[2]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", str(name)).strip("-.")[:LONGEST_NAME] or UNNAMED
    number, free = 2, plain
    while free in taken:
        free, number = f"{plain}-{number}", number + 1
    return free
