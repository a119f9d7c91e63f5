"""Which commands only look, and which change the mission's files and nothing else.

Every command of `mosaic.cli.app.PANELS` stands in `LOOKS` or in `ACTS`, some in both; a test
refuses one that stands in neither. `CHANGES` are calls of commands that act on the mission's
own files alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Shell = Literal["bash", "zsh", "fish"]
SHELLS: tuple[Shell, ...] = ("bash", "zsh", "fish")

LOOKS: Mapping[str, tuple[str, ...]] = {
    "list": ("", "--all --json"),
    "milestone": ("list",),
    "show": ("T-001", "T-003 --json"),
    "graph": ("", "--dot --open"),
    "check": ("",),
    "next": ("--print", "--print --task T-004 --json", "--print --runtime codex", "--explain"),
    "sessions": ("", "--live --json"),
    "logs": ("T-001", "T-003 --events", "T-001 --transcript"),
    "checkpoint": ("list T-001",),
    "handoff": ("T-001",),
    "review": ("", "T-001 --diff", "T-003 --json"),
    "status": ("", "--json"),
    "report": ("", "--html -", "--json --since 2d"),
    "panel": ("list", "show last", "result last"),
    "doctor": ("",),
    "clean": ("--dry-run", "--dry-run --older-than 0s"),
    "import": ("checklist coordination/TASKS.md", "taskmd coordination/tasks --json"),
    "export": ("checklist", "backlog --json"),
    "migrate": ("--dry-run",),
    "renumber": ("T-001", "T-002 T-900 --json"),
    "setup": ("git --dry-run", "claude --dry-run"),
    "merge": ("--dry-run",),
    "help": ("", "statuses"),
    "config": ("", "--json"),
    "hosts": ("list", "list --json"),
    "schema": ("", "task"),
}
"""By command, the forms of it that look. What never ends by itself (`status --watch`,
`logs --follow`) and what writes where it was told to (`review --html`) is not among them."""

ACTS = frozenset(
    {
        "init", "add", "set", "done", "block", "cancel", "reopen", "edit", "rm", "mv", "split",
        "milestone", "pause",
        "unpause", "answer", "sync", "check",
        "next", "resume", "stop", "exec", "checkpoint", "handoff", "gates", "review", "panel",
        "merge", "pr", "demo", "clean", "migrate", "trust", "import", "export", "resolve",
        "renumber", "setup", "web", "board", "config", "mcp", "hosts",
        "fleet",
    }
)  # fmt: skip
"""Commands with forms that change something or may start a program."""

PANEL_LOOKS = frozenset({"list", "show", "result"})
PANEL_ACTS = frozenset({"start", "refresh", "send", "stop", "resume", "shutdown", "merge"})

CHANGES = (
    "set T-004 labels+=x", "mv T-003 --before T-001", "add Another", "block T-004 --why later",
    "done T-002", "split T-004 One Two", "rm T-005 --yes", "milestone add New",
    "milestone rename M1 Other", "pause", "unpause",
    "handoff T-001 --append notes --text x", "review T-001 --reject --why no",
    "sync --prefer file", "check --fix", "resolve --ours", "renumber T-002 T-900 --write", "stop",
    "clean", "clean --older-than 0s", "init new --name New",
    "import taskmd coordination/tasks --write", "export checklist new/TODO.md --write --force",
)  # fmt: skip
"""Called one after the other. None may start a program but git."""

LINES = (
    "show ", "set T-001 milestone=", "set T-001 runtime=", "next --runtime ",
    "list --milestone ", "logs s", "stop ", "panel start x --role ",
)  # fmt: skip
"""What stands behind `mission` when TAB is pressed in a real shell: each kind of value that
comes from a mission."""
KINDS = ("next --runtime ", "list --milestone ", "stop ")
"""Those of them whose values are free text: each hostile one is asked for by its beginning."""
MORE_LINES = ("s", "next --task ", "panel show ")
"""Other lines, asked as a shell's script asks."""
SOME_LINES = ("show ", "set T-001 runtime=", "logs ")
"""By their own code and by Typer's; where values come from is the same for all shells."""


@dataclass(frozen=True)
class Call:
    """One call of the command."""

    argv: tuple[str, ...]
    changes: bool = False
    """Whether it may change the mission's own files."""
    environ: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        if shell := self.environ.get("_MISSION_COMPLETE", "").removeprefix("complete_"):
            words = self.environ.get("_TYPER_COMPLETE_ARGS") or self.environ["COMP_WORDS"]
            return f"TAB in {shell} behind `{' '.join(words.splitlines())}`"
        return f"`{' '.join(('mission', *self.argv))}`"


def looks() -> list[Call]:
    """Return every call that only looks, completion by each shell's protocol included."""
    calls = [Call(()), Call(("--version",)), Call(("next", "--help"))]
    calls += [Call((name, *form.split())) for name, forms in LOOKS.items() for form in forms]
    calls += [completion("zsh", line) for line in (*LINES, *MORE_LINES)]
    return calls + [completion(shell, line) for shell in ("bash", "fish") for line in SOME_LINES]


def looks_of_each_kind() -> list[Call]:
    """Return a few of them, for where each costs a whole Python: hot forms, Typer's, a TAB."""
    forms = ("status", "list", "show T-001", "check", "next --print", "doctor", "review T-001")
    calls = [Call(tuple(form.split())) for form in forms]
    return calls + [completion(shell, line) for shell in SHELLS for line in ("show ", "logs ")]


def changes() -> list[Call]:
    """Return calls that change the mission's files."""
    return [Call(tuple(form.split()), changes=True) for form in CHANGES]


def completion(shell: Shell, line: str) -> Call:
    """Return what a shell's script calls when TAB is pressed behind a line."""
    environ = {"_MISSION_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        words = f"mission {line}".split(" ")
        environ |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    else:
        environ["_TYPER_COMPLETE_ARGS"] = f"mission {line}"
    if shell == "fish":
        environ["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    return Call((), environ=environ)
