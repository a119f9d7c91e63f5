"""`mission list`."""

from typer import Option

from mosaic.cli.options import (
    Json,
    MilestoneId,
    MissionPath,
    complete_field,
    complete_priority,
    complete_runtime,
    complete_status,
    one_of,
)
from mosaic.cli.tasks_view import print_list

EXAMPLES = (
    ("mission list --ready", "what can be handed off now"),
    ("mission list --all --status done --milestone M1", "what is done in M1"),
    ('mission list --label api --search "time zone"', "those that speak of it"),
)


def list_command(
    status: list[str] | None = Option(
        None,
        "--status",
        "-s",
        metavar="STATUS",
        autocompletion=complete_status,
        help="Of this status; repeat for more.",
    ),
    milestone: MilestoneId = None,
    ready: bool = Option(False, "--ready", help="Only what can be handed off now."),
    blocked: bool = Option(
        False, "--blocked", help="Only what cannot go on: blocked, or waiting for others."
    ),
    label: list[str] | None = Option(
        None, "--label", "-l", metavar="WORD", help="Only with this label; of several, with all."
    ),
    assignee: list[str] | None = Option(
        None, "--assignee", metavar="NAME", help="Only with this one; of several, with any."
    ),
    runtime: list[str] | None = Option(
        None,
        "--runtime",
        "-r",
        metavar="NAME",
        autocompletion=complete_runtime,
        help="Only with this one; of several, with any.",
    ),
    priority: list[str] | None = Option(
        None,
        "--priority",
        metavar="LEVEL",
        autocompletion=complete_priority,
        help="Only with this one; of several, with any.",
    ),
    where: list[str] | None = Option(
        None,
        "--where",
        "-w",
        metavar="FIELD=VALUE",
        autocompletion=complete_field,
        help="Only where a field has a value; also `!=`, and `~` for text within it.",
    ),
    search: str = Option("", "--search", metavar="WORDS", help="Only where all words stand."),
    sort: str = Option(
        "plan",
        **one_of("plan", "id", "status", "priority", "milestone", "updated"),
        help="In which order.",
    ),
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
