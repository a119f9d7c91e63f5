"""`mission fleet`: agents on many machines through Dask, or several on this one."""

from typing import TYPE_CHECKING

from typer import Argument, Option, Typer

from mosaic.app import fleet as app
from mosaic.app.hosts import check_host, kept_here
from mosaic.cli.hosts_view import found_lines, is_fit
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, paint
from mosaic.cli.table import WHOLE, Column, table
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

EXAMPLES = (
    ("mission fleet connect tcp://gate.example:8786", "a Dask scheduler; its workers carry agents"),
    ("mission fleet connect tls://gate.example:8786 --name lab --max 20 --label gpu", "more of it"),
    ("mission fleet local 4", "four workers on this machine, to be used by `next --on local`"),
    ("mission fleet list", "workers, what they run, what waits for one"),
    ("mission fleet stop", "stop the workers on this machine; their agents work on"),
)
fleet_app = Typer(no_args_is_help=True, help="Agents on many machines, through Dask.")
FLEET, LOCAL = "fleet", "local"
WORKERS = (
    Column("fleet"), Column("worker"), Column("machine"), Column("agents", is_number=True),
    Column("labels"), WHOLE._replace(head="runs"),
)  # fmt: skip


@fleet_app.command("connect")
def connect_command(
    scheduler: str = Argument(
        metavar="SCHEDULER", help="`tcp://machine:8786`, `tls://…`, or a scheduler file."
    ),
    name: str = Option(FLEET, "--name", metavar="NAME", help="A name of your own for it."),
    most: int | None = Option(None, "--max", min=1, metavar="N", help="Sessions at once there."),
    labels: list[str] | None = Option(
        None, "--label", metavar="WORD", help="A resource of its workers that tasks may ask for."
    ),
    remote: str | None = Option(
        None, metavar="REMOTE", help="The git remote that all workers reach: a URL or a path."
    ),
    folder: str | None = Option(
        None, metavar="DIR", help="Where workers keep everything of ours; usually `~/.mosaic`."
    ),
    env: list[str] | None = Option(
        None, "--env", metavar="NAME", help="A variable of here that may go there."
    ),
    paths: list[str] | None = Option(
        None, "--path", metavar="DIR", help="A folder there that comes first on the PATH."
    ),
    as_json: Json = False,
) -> int:
    """Add a fleet to your own settings, or change what is set of it, and look at it."""
    values = {
        "max": most,
        "labels": labels,
        "remote": remote,
        "folder": folder,
        "env": env,
        "path": paths,
    }
    spec = app.connect_fleet(name, scheduler, values)
    found = {spec.name: [*check_host(spec, kept_here(None))]}
    ok = is_fit(found)
    return answer(
        "fleet.connected",
        {"host": spec, "hosts": found},
        [f"fleet {clean(spec.name)} is `{clean(spec.scheduler)}`", *found_lines(found)],
        ok=ok,
        then=[f"mission next --on {spec.name}" if ok else f"mission hosts check {spec.name}"],
        show_next=True,
        as_json=as_json,
    )


@fleet_app.command("local")
def local_command(
    agents: int = Argument(metavar="N", min=1, help="How many agents may work at once."),
    name: str = Option(LOCAL, "--name", metavar="NAME", help="A name of your own for it."),
    labels: list[str] | None = Option(
        None, "--label", metavar="WORD", help="What tasks may ask for there by `runs_on`."
    ),
    as_json: Json = False,
) -> int:
    """Start a fleet on this machine, in the background, and add it to your own settings.

    It listens on 127.0.0.1: every user of this machine could have it run programs as you.
    """
    spec = app.start_fleet_here(name, agents, labels or ())
    words = f"fleet {clean(spec.name)} takes {counted(agents, 'agent')} at once on this machine"
    return answer(
        "fleet.started",
        {"host": spec, "agents": agents},
        [words],
        then=[f"mission next --on {spec.name}", f"mission fleet stop {spec.name}"],
        show_next=True,
        as_json=as_json,
    )


@fleet_app.command("list")
def list_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """List the workers of all fleets, what they run, and what waits for one."""
    found = app.list_fleets(mission)
    rows = [row for fleet in found for row in _rows(fleet)]
    return answer(
        "fleet.list",
        {"fleets": found},
        table(rows, WORKERS, headed=True) or [paint("no fleets", "dim")],
        then=["mission hosts check", "mission fleet local 2"],
        as_json=as_json,
    )


def _rows(fleet: app.ListedFleet) -> "Iterable[tuple[str, ...]]":
    name = clean(fleet.name)
    for worker in fleet.workers:
        labels = ", ".join(f"{label}={many}" for label, many in worker.labels.items())
        runs = [*worker.running, *(f"{run} (waits)" for run in worker.waiting)]
        yield (
            name,
            clean(worker.name),
            clean(worker.machine),
            str(worker.agents),
            clean(labels),
            clean(", ".join(runs)),
        )
    if fleet.unplaced:
        words = f"no worker can take {', '.join(fleet.unplaced)}"
        yield name, "--", "", "", "", clean(words)
    if fleet.problem:
        yield name, "--", "", "", "", clean(fleet.problem)
    elif not fleet.workers:
        yield name, "--", "", "0", "", "no worker yet"


@fleet_app.command("stop")
def stop_command(
    name: str = Argument(LOCAL, metavar="[NAME]", help="The fleet; usually `local`."),
    as_json: Json = False,
) -> int:
    """Stop a fleet on this machine. Its agents work on, and end as if it were there."""
    was_running = app.stop_fleet_here(name)
    words = "is stopped; its agents work on" if was_running else "was not running"
    return answer(
        "fleet.stopped",
        {"name": name, "was_running": was_running},
        [f"fleet {clean(name)} {words}"],
        then=["mission fleet local N", "mission sessions --live"],
        as_json=as_json,
    )
