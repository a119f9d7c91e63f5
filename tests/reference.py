"""Writes `docs/reference.md` from the code: `python -m tests.reference`."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from mosaic import errors, model
from mosaic import settings as kinds
from mosaic.cli.app import PANELS, build_app
from mosaic.errors import ExitCode, MissionError
from mosaic.text.fields import FIELDS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference.md"
GOLDEN = ROOT / "tests" / "golden" / "kept"
SETTINGS = (
    ("", model.Mission),
    ("runs", kinds.RunSettings),
    ("review", kinds.ReviewSettings),
    ("worktrees", kinds.WorktreeSettings),
    ("pullRequest", kinds.PullRequestSettings),
    ("runtimes.NAME", kinds.RuntimeSpec),
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
    """Write the page."""
    PAGE.write_text(make_page(), encoding="utf-8")


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
            yield from describe(root.commands[name], f"mission {name}")  # type: ignore[attr-defined]


def describe(command: Any, path: str) -> Iterator[str]:
    """Return the parts of one command, and of those below it."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [
        each
        for each in command.params
        if each.param_type_name == "option" and not each.hidden and "--help" not in each.opts
    ]
    words = " ".join((each.metavar or each.name.upper()) for each in arguments)
    inner = getattr(command, "commands", {})
    yield f"#### `{f'{path} {words}'.strip()}`"
    if command.help:
        yield " ".join(command.help.split())
    rows = [(f"`{', '.join((*each.opts, *each.secondary_opts))}`", each.help) for each in options]
    if rows:
        yield table(("option", "meaning"), iter(rows))
    for name, each in inner.items():
        yield from describe(each, f"{path} {name}")


def exit_codes() -> Iterator[str]:
    yield "## Exit codes"
    meanings = docs_of(ExitCode)
    yield table(("code", "meaning"), ((str(int(each)), meanings[each.name]) for each in ExitCode))


def error_codes() -> Iterator[str]:
    yield "## Errors"
    yield (
        "With `--json` an error is one document on stderr: `code`, `message`, and where they "
        "apply `path`, `line`, `detail`, `hint`."
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
        ((f"`{name}`", kind, where, meaning) for name, kind, where, meaning in describe_fields()),
    )


def describe_fields() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, where it stands and meaning of every field, for the documentation."""
    for field in FIELDS:
        also = f"; `{field.also}` is read as the same" if field.also else ""
        place = "file and table" if field.synced or not field.settable else "file"
        yield field.name, field.kind.value, place, field.meaning + also


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
        if prefix == "runtimes.NAME" and name == "name":
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


def docs_of(kind: type) -> dict[str, str]:
    """Return the text below each attribute of a class, in one line; without one, an empty text."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    last = ""
    for statement in body.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            last = statement.target.id
            found[last] = ""
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            last = statement.targets[0].id
            found[last] = ""
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            if last:
                found[last] = " ".join(str(statement.value.value).split())
            last = ""
        else:
            last = ""
    return found


def documents() -> Iterator[str]:
    yield "## JSON documents"
    yield (
        "Each has `schema_version` and `kind`. Keys are only ever added. What each command "
        "printed on a scripted mission is in `tests/golden/kept`."
    )
    keys: dict[str, set[str]] = {}
    for path in sorted(GOLDEN.glob("*.json")):
        for call in json.loads(path.read_text(encoding="utf-8")):
            if isinstance(call["stdout"], dict) and "kind" in call["stdout"]:
                keys.setdefault(call["stdout"]["kind"], set()).update(call["stdout"])
    rows = (
        (f"`{kind}`", ", ".join(f"`{key}`" for key in sorted(found - {"kind", "schema_version"})))
        for kind, found in sorted(keys.items())
    )
    yield table(("kind", "keys"), rows)


def environment() -> Iterator[str]:
    yield "## Environment"
    rows = {
        "MISSION_FILE": "the mission to use: mission.json or its project",
        "MISSION_TRUST": "allows a mission's commands where a person cannot be asked (CI): the "
        "digest that `mission trust --list` shows, or `all`",
        "MISSION_STATE_HOME": "your own state folder; else `$XDG_STATE_HOME/mosaic`, else "
        "`~/.local/state/mosaic`",
        "MISSION_DEBUG": "`1` shows tracebacks",
        "XDG_CONFIG_HOME": "holds `mosaic/config.toml`, your own settings; else `~/.config`",
        "MISSION_PAGER": "the pager of long output, else `pager` of your own settings, `PAGER` "
        "or `less`; `cat` is none",
        "MISSION_EDITOR": "the editor, else `editor` of your own settings, `VISUAL`, `EDITOR` "
        "or `vi`",
        "NO_COLOR": "turns colour off",
        "FORCE_COLOR": "turns colour on, also in a pipe; `0` turns it off",
        "MISSION_TASK, MISSION_SESSION, MISSION_RUN_DIR": "set for an agent: what it works on",
    }
    yield table(("variable", "meaning"), ((f"`{key}`", text) for key, text in rows.items()))


if __name__ == "__main__":
    main()
