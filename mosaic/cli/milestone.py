"""`mission milestone`: list, add, rename, finish, reopen, move."""

from typer import Argument, Option, Typer

from mosaic.app import milestones as app
from mosaic.cli.options import Json, MissionPath, complete_milestone
from mosaic.cli.output import answer, clean, paint
from mosaic.cli.table import WHOLE, Column, table
from mosaic.cli.tasks_view import report_notices, report_problems
from mosaic.store.reading import locate_mission, read_mission

EXAMPLES = (
    ("mission milestone list", "how far each has come, and which is the current one"),
    ('mission milestone add "M2: Runs anywhere"', "declare one more, the last"),
    ('mission milestone rename M2 "Runs on three systems"', "its id stays, and headings follow"),
    ("mission milestone mv M2 --before M1", "what comes first is worked on first"),
    ("mission milestone done M2 --force", "nothing of it is handed off any more"),
    ("mission milestone reopen M2", "open again"),
)
milestone_app = Typer(no_args_is_help=True, help="List milestones and change them.")
COLUMNS = (
    Column("id"), WHOLE._replace(head="name"), Column("done", is_number=True), Column("standing"),
)  # fmt: skip
Name = Argument(metavar="MILESTONE", autocompletion=complete_milestone, help="By its id or name.")


@milestone_app.command("list")
def list_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """List all milestones: how far each has come, which is the current one."""
    found = app.list_milestones(read_mission(locate_mission(mission)))
    rows = [
        (
            each.milestone.id,
            each.milestone.name if each.milestone.name != each.milestone.id else "",
            f"{each.progress.done}/{each.progress.total}",
            "not declared" if each.milestone.id in found.undeclared else each.words,
        )
        for each in found.milestones
    ]
    return answer(
        "milestone.list",
        found,
        table(rows, COLUMNS, headed=True) or [paint("no milestones", "dim")],
        exit_code=report_problems(found.problems, as_json=as_json),
        then=["mission list", 'mission milestone add "M1: Name"'],
        as_json=as_json,
    )


@milestone_app.command("add")
def add_command(
    name: str = Argument(metavar="NAME", help='`"M3: Its name"`, or the name alone.'),
    before: str | None = Option(
        None,
        "--before",
        metavar="MILESTONE",
        autocompletion=complete_milestone,
        help="Before this one; else it comes last.",
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Declare a milestone: `mission milestone add "M3: Ship it"`."""
    return _show(app.add_milestone(locate_mission(mission), name, before=before), as_json=as_json)


@milestone_app.command("rename")
def rename_command(
    milestone: str = Name,
    name: str = Argument(metavar="NAME", help="Its new name; the id stays."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Give a milestone another name; headings that name it follow."""
    return _show(app.rename_milestone(locate_mission(mission), milestone, name), as_json=as_json)


@milestone_app.command("done")
def done_command(
    milestone: str = Name,
    force: bool = Option(False, "--force", help="Also with open tasks."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Call a milestone completed: nothing of it is handed off any more."""
    path = locate_mission(mission)
    return _show(app.finish_milestone(path, milestone, force=force), as_json=as_json)


@milestone_app.command("reopen")
def reopen_command(
    milestone: str = Name, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Call a milestone open again."""
    return _show(app.reopen_milestone(locate_mission(mission), milestone), as_json=as_json)


@milestone_app.command("mv")
def mv_command(
    milestone: str = Name,
    before: str | None = Option(
        None, "--before", metavar="MILESTONE", autocompletion=complete_milestone, help="Before it."
    ),
    after: str | None = Option(
        None, "--after", metavar="MILESTONE", autocompletion=complete_milestone, help="After it."
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Move a milestone: the first with open tasks is the current one."""
    path = locate_mission(mission)
    moved = app.move_milestone(path, milestone, before=before, after=after)
    return _show(moved, as_json=as_json)


def _show(done: app.ChangedMilestone, *, as_json: bool) -> int:
    report_notices(done.notices)
    each = done.milestone
    facts = [f"{each.progress.done}/{each.progress.total} done", each.words]
    words = ", ".join(filter(None, facts)) if done.changed else "already so"
    name = f"{each.milestone.id} {clean(each.milestone.name)}"
    return answer(
        "milestone.changed",
        done,
        [f"{paint(name, 'bold')}  {done.place}. in order; {words}"],
        then=["mission milestone list"],
        as_json=as_json,
    )
