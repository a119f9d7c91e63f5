"""`mission list`."""

from typing import Annotated

from typer import Option

from mosaic.cli.options import (
    Json,
    MilestoneId,
    MissionPath,
    complete_field,
    complete_runtime,
    complete_status,
)
from mosaic.cli.tasks_view import print_list

Some = Annotated[list[str] | None, Option(help="Only with this one; of several, with any.")]


def list_command(
    status: list[str] | None = Option(
        None, "--status", "-s", autocompletion=complete_status, help="May be given more than once."
    ),
    milestone: MilestoneId = None,
    ready: bool = Option(False, "--ready", help="Only what can be handed off now."),
    blocked: bool = Option(
        False, "--blocked", help="Only what cannot go on: blocked, or waiting for others."
    ),
    label: list[str] | None = Option(
        None, "--label", "-l", help="Only with this label; of several, with all."
    ),
    assignee: Some = None,
    runtime: list[str] | None = Option(
        None,
        "--runtime",
        "-r",
        autocompletion=complete_runtime,
        help="Only with this one; of several, with any.",
    ),
    priority: Some = None,
    where: list[str] | None = Option(
        None,
        "--where",
        "-w",
        metavar="FIELD=VALUE",
        autocompletion=complete_field,
        help="Only where a field has a value; also `!=`, and `~` for text within it.",
    ),
    search: str = Option("", "--search", metavar="WORDS", help="Only where all words stand."),
    sort: str = Option("plan", help="plan, id, status, priority, milestone or updated."),
    every: bool = Option(False, "--all", "-a", help="Also those that are done or cancelled."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """List the tasks, in plan order: where each stands, what it waits for, who works on it.

    `mission list --ready --label ui`, `mission list --where 'assignee=ann,ben' --search login`.
    """
    any_of = (("assignee", assignee), ("runtime", runtime), ("priority", priority))
    conditions = [*(where or ()), *(f"labels={each}" for each in label or ())]
    conditions += [f"{name}={','.join(values)}" for name, values in any_of if values]
    return print_list(
        statuses=status or (),
        milestone=milestone,
        ready=ready,
        blocked=blocked,
        where=conditions,
        search=search,
        sort=sort,
        every=every,
        as_json=as_json,
        mission=mission,
    )
