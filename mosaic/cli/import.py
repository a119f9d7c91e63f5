"""`mission import`."""  # noqa: N999 - a module has its command's name

from typing import TYPE_CHECKING, Any

from typer import Argument, Option

from mosaic.app.moving import import_tasks
from mosaic.cli.options import Json, MissionPath, complete_source, one_of
from mosaic.cli.output import answer, clean, paint
from mosaic.cli.table import ID, STATUS, TITLE, Column, table
from mosaic.cli.tasks_view import report_notices
from mosaic.errors import ExitCode
from mosaic.sources import PLACES
from mosaic.store.reading import locate_mission
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.app.moving import Imported

EXAMPLES = (
    ("mission import task-master", "what would come in; nothing is written"),
    ("mission import github owner/repository --write", "take in the issues of a repository"),
)
MOST_SHOWN = 50


def import_command(
    source: str = Argument(
        metavar="SOURCE", autocompletion=complete_source, help=f"One of {', '.join(PLACES)}."
    ),
    path: str | None = Argument(
        None, metavar="[PATH]", help="Its file or folder; `-` is stdin; else the usual place."
    ),
    write: bool = Option(False, "--write", help="Do it; without it nothing is changed."),
    prefer: str = Option(
        "", **one_of("source", "mission"), help="What wins where both sides changed a value."
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Take in tasks of another tool; what was imported before follows its source.

    Without `--write` it only shows what it would do. What people changed here since the last
    import stays.
    """
    done = import_tasks(locate_mission(mission), source, path, write=write, prefer=prefer)
    report_notices(done.notices)
    plan = done.plan
    again = f"mission import {source}{f' {path}' if path else ''} --write"
    is_open = bool(plan.new or plan.updates) and not write
    return answer(
        "mission.import",
        _values(done),
        list(_lines(done)),
        exit_code=ExitCode.FAILED if plan.conflicts or plan.faults else ExitCode.OK,
        then=[again] if is_open else ["mission list", "mission next"],
        show_next=is_open,
        as_json=as_json,
    )


def _lines(done: "Imported") -> "Iterator[str]":
    plan = done.plan
    verb = "imported" if done.written else "would import"
    yield (
        f"{verb} {len(plan.new)} new, {len(plan.updates)} changed, {plan.unchanged} the same "
        f"from {clean(done.place)}"
    )
    shown = plan.new[:MOST_SHOWN]
    rows = [
        (f"+ {each.id}", str(each.values["status"]), str(each.values["milestone"]),
         ", ".join(each.values["depends_on"]), str(each.values["title"]))
        for each in shown
    ]  # fmt: skip
    yield from table(rows, (ID, STATUS, Column(leaves=1), Column(lines=2), TITLE))
    if len(plan.new) > len(shown):
        yield f"  and {len(plan.new) - len(shown)} more"
    yield from (clean(f"milestone {key}: {name}") for key, name in plan.milestones)
    for update in plan.updates:
        yield clean(f"~ {update.task_id}: {', '.join(update.values) or 'what is known of it'}")
    for each in plan.conflicts:
        yield paint(clean(f"conflict: {each.field} of {each.task_id} changed on both sides"), "red")
        yield f"  here:   {clean(_shown(each.here))}"
        yield f"  source: {clean(_shown(each.there))}"
    if plan.conflicts:
        yield "  nothing of these was changed; `--prefer source` or `--prefer mission` settles them"
    for name, count in plan.kept.items():
        yield clean(f"no field for `{name}`: kept in the text of {counted(count, 'task')}")
    if plan.deleted:
        yield f"left out: {counted(plan.deleted, 'deleted task')}"
    for task_id in plan.gone:
        yield clean(f"{task_id} is not in the source any more; it stays as it is")
    for fault in plan.faults:
        yield paint(clean(f"{fault.where}: {fault.what}"), "yellow")
    if not done.written:
        yield paint("nothing was written", "dim")


def _shown(value: "str | tuple[str, ...]") -> str:
    text = value if isinstance(value, str) else ", ".join(value)
    lines = text.split("\n")
    return lines[0] + (f" … ({len(lines)} lines)" if len(lines) > 1 else "")


def _values(done: "Imported") -> dict[str, Any]:
    plan = done.plan
    return {
        "source": done.source,
        "place": done.place,
        "written": done.written,
        "new": [
            {"id": a.id, "key": a.item.key, "where": a.item.where, **a.values} for a in plan.new
        ],
        "updates": [{"id": u.task_id, "fields": list(u.values)} for u in plan.updates],
        "conflicts": plan.conflicts,
        "unchanged": plan.unchanged,
        "milestones": [{"id": key, "name": name} for key, name in plan.milestones],
        "gone": list(plan.gone),
        "kept_in_text": dict(plan.kept),
        "deleted": plan.deleted,
        "faults": plan.faults,
    }
