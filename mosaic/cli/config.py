"""`mission config`: a person's own settings, for every mission."""

import shlex

from typer import Argument, Context, Typer

from mosaic.app.config import (
    OwnConfig,
    Setting,
    find_doubt,
    read_config,
    set_config,
    unset_config,
)
from mosaic.cli.options import Json, MissionPath, complete_executor, complete_runtime
from mosaic.cli.output import answer, clean, paint
from mosaic.cli.table import Column, table
from mosaic.cli.tasks_view import report_notices
from mosaic.store.own_settings import COLOURS

EXAMPLES = (
    ("mission config", "each of your own settings, and what says so"),
    ("mission config set models.claude opus", "what `claude` is asked for in every mission"),
    ('mission config set editor "code --wait"', "a command is one word: quote it"),
    ("mission config unset editor", "as before"),
)
config_app = Typer(
    help="Your own settings, for every mission: each value, and what says so.",
    invoke_without_command=True,
)
WHERE_UNSET = {"runtime": "the first installed", "notify": "nobody is called"}


def complete_key(incomplete: str) -> list[tuple[str, str]]:
    """Complete a key."""
    found = [(each.key, _shown(each)) for each in read_config(None).settings]
    return [word for word in found if word[0].startswith(incomplete)]


def complete_value(context: Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete a value of the key that stands before it."""
    key = str(context.params.get("key"))
    if complete := {"runtime": complete_runtime, "executor": complete_executor}.get(key):
        return complete(incomplete)
    return [(word, "") for word in COLOURS if key == "colour" and word.startswith(incomplete)]


@config_app.callback()
def show_command(context: Context, as_json: Json = False, mission: MissionPath = None) -> int:
    """Show each of your own settings as it counts here, and what says so."""
    if context.invoked_subcommand is not None:
        return 0
    return _show(read_config(mission), as_json=as_json)


@config_app.command("set")
def set_command(
    key: str = Argument(metavar="KEY", autocompletion=complete_key, help="As `config` lists it."),
    value: str = Argument(
        metavar="VALUE", autocompletion=complete_value, help="A command is one word: quote it."
    ),
    as_json: Json = False,
) -> int:
    """Set a value in your own file: `mission config set models.claude opus`."""
    place = set_config(key, value)
    doubt = find_doubt(key, value)
    report_notices([doubt] if doubt and not as_json else ())
    return _changed(key, str(place), as_json=as_json)


@config_app.command("unset")
def unset_command(
    key: str = Argument(metavar="KEY", autocompletion=complete_key, help="As `config` lists it."),
    as_json: Json = False,
) -> int:
    """Take a value out of your own file."""
    return _changed(key, str(unset_config(key)), as_json=as_json)


def _show(config: OwnConfig, *, as_json: bool) -> int:
    rows = [(each.key, _shown(each), _place(each)) for each in config.settings]
    columns = (Column("setting"), Column("value", lines=2), Column("from", lines=2))
    lines = table(rows, columns, headed=True)
    if config.path:
        state = "" if config.exists else "; not there yet, `mission config set KEY VALUE` makes it"
        lines.append(paint(f"your file: {clean(config.path)}{state}", "dim"))
    return answer("config", config, lines, as_json=as_json)


def _changed(key: str, place: str, *, as_json: bool) -> int:
    """Say what counts now: another setting may come first."""
    now = next((each for each in read_config(None).settings if each.key == key), None)
    lines = [f"{clean(place)} is saved"]
    if now is not None:
        lines = [f"{clean(key)} is {_shown(now)} ({_place(now)})"]
    return answer("config.changed", {"path": place, "setting": now}, lines, as_json=as_json)


def _place(setting: Setting) -> str:
    """Return what says so, short: the files are known."""
    if setting.source == "own":
        return f"line {setting.where.rpartition(':')[2]} of your file"
    return "mission.json" if setting.source == "mission" else setting.where or setting.source


def _shown(setting: Setting) -> str:
    value = setting.value
    if isinstance(value, list):
        value = shlex.join(map(str, value)) or "none"
    if value is None or (value == "none" and setting.key == "notify"):
        usual = "the runtime's own" if setting.key.startswith("models.") else ""
        return WHERE_UNSET.get(setting.key, usual)
    return clean(str(value))
