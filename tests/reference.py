"""Writes what is made from the code: `python -m tests.reference`.

`docs/reference.md`, the man page, and the scripts of shells in `docs/completions`.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from mosaic import errors, model
from mosaic import settings as kinds
from mosaic.app.schemas import OUTPUT, read_schema, schema_kinds
from mosaic.cli.app import PANELS, build_app
from mosaic.cli.teaching import CommandHelp, describe
from mosaic.cli.topics import ENVIRONMENT, docs_of, exit_code_rows, field_rows
from mosaic.errors import MissionError
from tests.manual import MANUAL, make_manual
from tests.support.mission import MissionRepo, make_environ

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference.md"
SCRIPTS = {
    "bash": ROOT / "docs" / "completions" / "mission.bash",
    "zsh": ROOT / "docs" / "completions" / "_mission",
    "fish": ROOT / "docs" / "completions" / "mission.fish",
}
SETTINGS = (
    ("", model.Mission),
    ("runs", kinds.RunSettings),
    ("review", kinds.ReviewSettings),
    ("worktrees", kinds.WorktreeSettings),
    ("pullRequest", kinds.PullRequestSettings),
    ("runtimes.NAME", kinds.RuntimeSpec),
    ("hosts.NAME", kinds.HostSpec),
)
SECTIONS = {prefix for prefix, _ in SETTINGS}
NOT_SET_BY_HAND = {"id", "created_at", "sessions", "removed_tasks"}
MEANINGS = {
    "name": "What the mission is called",
    "description": "The same in a sentence",
    "status": "`active`, `inactive`, `completed` or `paused`",
    "taskPrefix": "What new ids begin with",
    "milestones": '`[{"id": "M1", "name": "…", "status": "pending"}]`, in order',
    "runtimes": "Agents by name: a command, or changes to a built-in one",
    "budget": "What a loop may use: `maxSessions`, `maxCostUsd`, `maxTime`, `maxAttempts`, "
    "`retryDelay`",
    "landing": "When branches of done tasks are merged by themselves: `manual`, `approved` or "
    "`green`; or `pull-request`",
    "landingUpdate": "How a branch is brought up to date before it lands: `merge` or `rebase`",
    "runs.privateFiles": "`leave-out` or `keep`: untracked files that only their owner may read",
    "review.gates": "When gates run by themselves: `finished`, `always` or `never`",
    "worktrees.setupTimeout": "How long the setup may take",
    "runtimes.NAME.env": "Variables for the agent",
    "runtimes.NAME.timeout": "How long a run may take",
    "runtimes.NAME.model": "The model to ask for",
}
PATHS = {
    "tasksFile": "the tasks table",
    "tasksDir": "the folder of task files",
    "manifestFile": "MISSION.md",
    "scratchpadFile": "the scratchpad",
    "orchestratorDir": "the state folder",
}
OUTSIDE = (
    "`inside` the state folder or `outside`, in your own folder: where runs and worktrees are kept"
)
UNITS = ("_seconds", "_bytes")


def main() -> None:
    """Write them all."""
    PAGE.write_text(make_page(), encoding="utf-8")
    MANUAL.write_text(make_manual(), encoding="ascii")
    for shell, path in SCRIPTS.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(make_script(shell), encoding="ascii")


def make_script(shell: str) -> str:
    """Return what a shell is given to complete `mission`."""
    answer = MissionRepo(ROOT, make_environ(ROOT)).run(_MISSION_COMPLETE=f"source_{shell}")
    return f"{answer.stdout.strip()}\n"


def make_page() -> str:
    """Return the whole reference."""
    parts = [
        "# Reference",
        "Made from the code by `python -m tests.reference`: do not edit it by hand.",
        "- [Commands](#commands)\n- [Exit codes](#exit-codes)\n- [Errors](#errors)\n"
        "- [Task fields](#task-fields)\n- [Settings](#settings)\n"
        "- [JSON documents](#json-documents)\n- [Environment](#environment)",
        *commands(),
        *exit_codes(),
        *error_codes(),
        *task_fields(),
        *settings(),
        *documents(),
        *environment(),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """Return a table in markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def commands() -> Iterator[str]:
    yield "## Commands"
    yield "Every command takes `--json` for one JSON document, and `-h` for its help."
    root = typer.main.get_command(build_app(None))
    for panel, names in PANELS.items():
        yield f"### {panel}"
        for name in names:
            command = root.commands[name]  # type: ignore[attr-defined]
            yield from describe_command(describe(command, f"mission {name}"))


def describe_command(found: CommandHelp) -> Iterator[str]:
    """Return the parts of one command, and of those below it."""
    yield f"#### `{found.call}`"
    if found.meaning:
        yield found.meaning
    rows = [(f"`{each.name}`", each.meaning) for each in found.options]
    if rows:
        yield table(("option", "meaning"), iter(rows))
    if found.examples and not found.commands:
        lines = (line for each in found.examples for line in (f"# {each.meaning}", each.command))
        yield "\n".join(("```sh", *lines, "```"))
    for each in found.commands:
        yield from describe_command(each)


def exit_codes() -> Iterator[str]:
    yield "## Exit codes"
    yield table(("code", "meaning"), ((str(code), words) for code, words in exit_code_rows()))


def error_codes() -> Iterator[str]:
    yield "## Errors"
    yield (
        "With `--json` an error is one document on stderr, or with `--json-errors=stdout` on "
        "stdout: `code`, `message`, and where they apply `path`, `line`, `detail`, `hint`."
    )
    found = [
        each
        for each in vars(errors).values()
        if inspect.isclass(each) and issubclass(each, MissionError) and each is not MissionError
    ]
    rows = sorted({(each.code, int(each.exit_code), first_line(each)) for each in found})
    yield table(("code", "exit", "meaning"), ((f"`{c}`", str(e), d) for c, e, d in rows))


def first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def task_fields() -> Iterator[str]:
    yield "## Task fields"
    yield "Front matter of a task file, and columns of the tasks table. Unknown keys are kept."
    yield table(
        ("field", "type", "stands in", "meaning"),
        ((f"`{name}`", kind, where, meaning) for name, kind, where, meaning in field_rows()),
    )


def settings() -> Iterator[str]:
    yield "## Settings"
    yield 'Keys of `mission.json`. Durations are `90s`, `10m`, `4h`; `"off"` turns a clock off.'
    rows = [
        *(row for prefix, kind in SETTINGS for row in settings_of(prefix, kind)),
        *((f"`{key}`", "", f"Another place for {words}") for key, words in PATHS.items()),
        ("`stateFolders`", "`inside`", OUTSIDE),
    ]
    yield table(("key", "default", "meaning"), iter(rows))


def settings_of(prefix: str, kind: type) -> Iterator[tuple[str, str, str]]:
    defaults = {name: each.default for name, each in kind.__dataclass_fields__.items()}  # type: ignore[attr-defined]
    for name, meaning in docs_of(kind).items():
        if name in NOT_SET_BY_HAND or (not prefix and camel(name) in SECTIONS):
            continue
        if prefix.endswith(".NAME") and name == "name":
            continue
        key = f"{prefix}.{camel(name)}" if prefix else camel(name)
        default = shown(name, defaults.get(name))
        none = '`"off"`:' if name.endswith("_seconds") else "not set:"
        yield f"`{key}`", default, (meaning or MEANINGS[key]).replace("None:", none)


def shown(name: str, default: object) -> str:
    """Return a default as it is written in mission.json; an empty text where there is none."""
    if name.endswith("_seconds") and isinstance(default, float):
        return f'`"{default / 60:g}m"`'
    if name.endswith("_bytes") and isinstance(default, int):
        return f'`"{default // 1_000_000}MB"`'
    if not isinstance(default, str | int | float) or default == "":
        return ""
    return f"`{json.dumps(getattr(default, 'value', default))}`"


def camel(name: str) -> str:
    for unit in UNITS:
        name = name.removesuffix(unit)
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def documents() -> Iterator[str]:
    yield "## JSON documents"
    yield (
        "Each has `schema_version` and `kind`. Keys are only ever added. `mission schema KIND` "
        "prints the JSON Schema, which is in `docs/schemas` too; what each command printed on a "
        "scripted mission is in `tests/golden/kept`."
    )
    kinds = [each.removeprefix(OUTPUT) for each in schema_kinds() if each.startswith(OUTPUT)]
    found = ((kind, json.loads(read_schema(f"{OUTPUT}{kind}"))["properties"]) for kind in kinds)
    rows = (
        (f"`{kind}`", ", ".join(f"`{key}`" for key in sorted({*keys} - {"kind", "schema_version"})))
        for kind, keys in found
    )
    yield table(("kind", "keys"), rows)


def environment() -> Iterator[str]:
    yield "## Environment"
    yield table(("variable", "meaning"), ((f"`{key}`", text) for key, text in ENVIRONMENT))


if __name__ == "__main__":
    main()
