"""`mission hosts`: other machines, added, looked at, listed."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, Typer

from mosaic.app import hosts as app
from mosaic.cli.hosts_view import found_lines, is_fit
from mosaic.cli.options import Json, MissionPath, complete_host
from mosaic.cli.output import answer, clean, paint
from mosaic.cli.table import Column, table
from mosaic.errors import UsageError

EXAMPLES = (
    ("mission hosts add box me@box --max 2 --label gpu", "a machine that `ssh` reaches"),
    ("mission hosts check box", "what is there, what is missing, and what to do about it"),
    ("mission hosts check box --install", "put this version of `mission` into its folder there"),
    ("mission hosts list", "all of them: how busy each is, and what it runs"),
    ("mission hosts clean", "remove what is left there of sessions that were given up"),
    ("mission hosts clean box --of rocket-0f3a9c2b51d4", "the same for a mission that is gone"),
)
MaybeHost = Annotated[
    str | None, Argument(metavar="[NAME]", autocompletion=complete_host, help="Only this one.")
]
hosts_app = Typer(no_args_is_help=True, help="Other machines that tasks are handed to.")
COLUMNS = (
    Column("host"), Column("address"), Column("folder", leaves=2),
    Column("at work", is_number=True), Column("labels", leaves=1), Column("set in", leaves=3),
    Column("what runs there", lines=4),
)  # fmt: skip
SOURCES = {"own": "your settings", "mission": "mission.json"}


@hosts_app.command("list")
def list_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """List all machines, the mission's and your own: how busy they are, and what they run."""
    found = app.list_hosts(mission)
    rows = [
        (
            clean(spec.name),
            clean(spec.where),
            clean(spec.folder),
            view.load_words,
            clean(", ".join(spec.labels)),
            SOURCES.get(view.source, ""),
            clean("; ".join(filter(None, (view.runs_words, view.trouble_words)))),
        )
        for spec, view in found
    ]
    return answer(
        "hosts.list",
        {"hosts": found},
        table(rows, COLUMNS, headed=True) or [paint("no hosts", "dim")],
        then=["mission hosts add NAME user@machine"],
        as_json=as_json,
    )


@hosts_app.command("add")
def add_command(
    name: str = Argument(metavar="NAME", help="A name of your own for it."),
    address: str = Argument(metavar="ADDRESS", help="As `ssh` takes it: `user@machine`."),
    folder: str | None = Option(
        None, metavar="DIR", help="Where everything is kept there; usually `~/.mosaic`."
    ),
    most: int | None = Option(None, "--max", min=1, metavar="N", help="Sessions at once there."),
    labels: list[str] | None = Option(None, "--label", metavar="WORD", help="What it offers."),
    options: list[str] | None = Option(
        None, "--ssh-option", metavar="WORD", help="A word for `ssh`, before the address."
    ),
    env: list[str] | None = Option(
        None, "--env", metavar="NAME", help="A variable of here that may go there."
    ),
    paths: list[str] | None = Option(
        None, "--path", metavar="DIR", help="A folder there that comes first on the PATH."
    ),
    python: str | None = Option(None, metavar="PROGRAM", help="The Python there with `mission`."),
    remote: str | None = Option(
        None, metavar="REMOTE", help="A git remote that both sides reach: a name, a URL or a path."
    ),
    as_json: Json = False,
) -> int:
    """Add a machine to your own settings, or change what is set of it."""
    values = {
        "address": address,
        "folder": folder,
        "max": most,
        "labels": labels,
        "options": options,
        "env": env,
        "path": paths,
        "python": python,
        "remote": remote,
    }
    spec = app.add_host(name, values)
    return answer(
        "hosts.added",
        {"host": spec},
        [f"host {clean(spec.name)} is `{clean(spec.address)}`"],
        then=[f"mission hosts check {spec.name}"],
        show_next=True,
        as_json=as_json,
    )


@hosts_app.command("check")
def check_command(
    name: MaybeHost = None,
    install: bool = Option(
        False, "--install", help="First put this version of `mission` into its folder there."
    ),
    wheel: Path | None = Option(
        None, metavar="FILE", help="The wheel to install; else one is made of what runs here."
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Look whether tasks can be handed to a machine or a fleet: what is there, what is missing."""
    specs = app.hosts_to_check(mission, name)
    if install or wheel is not None:
        for spec in specs:
            app.install_on(spec, wheel)
    here = app.kept_here(mission)
    found = {spec.name: [*app.check_host(spec, here)] for spec in specs}
    ok = is_fit(found)
    return answer(
        "hosts.check",
        {"hosts": found},
        found_lines(found) or [paint("no hosts", "dim")],
        ok=ok,
        then=["mission next --on NAME"] if ok else ["mission hosts check --install"],
        as_json=as_json,
    )


@hosts_app.command("clean")
def clean_command(
    name: MaybeHost = None,
    lost: str | None = Option(
        None,
        "--of",
        metavar="MISSION",
        help="What is not on record here, of the mission of this name there; ends its agents.",
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Remove what machines still keep of sessions that are over here, or were given up."""
    if lost is None:
        found = app.clean_hosts(mission, name)
    elif name is None:
        hint = f"`mission hosts clean NAME --of {lost}`"
        raise UsageError("`--of` is about one machine", hint=hint)
    else:
        found = app.clean_lost(mission, name, lost)
    lines = [
        f"{clean(host)}: {run_id} {f'stays: {clean(why)}' if why else 'is removed'}"
        for host, run_id, why in found
    ]
    return answer(
        "hosts.cleaned",
        {"attempts": found},
        lines or [paint("nothing is left there", "dim")],
        ok=not any(each.kept_because for each in found),
        then=["mission hosts check"],
        as_json=as_json,
    )
