"""`mission export`."""

from typing import TYPE_CHECKING

from typer import Argument, Option

from mosaic.app.moving import export_tasks, push_states
from mosaic.cli.options import Json, MissionPath, complete_source
from mosaic.cli.output import answer, clean, clean_block, paint, warn
from mosaic.errors import ExitCode, UsageError
from mosaic.sources import PLACES
from mosaic.store.reading import locate_mission
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.app.moving import Exported

EXAMPLES = (
    ("mission export backlog", "print all tasks in the form of another tool"),
    ("mission export checklist TODO.md --write", "write them into a file"),
)


def export_command(
    form: str = Argument(
        metavar="FORM", autocompletion=complete_source, help=f"One of {', '.join(PLACES)}."
    ),
    path: str | None = Argument(None, metavar="[PATH]", help="The file or folder to write."),
    write: bool = Option(False, "--write", help="Do it; without it the files are printed."),
    force: bool = Option(False, "--force", help="Replace files that are there."),
    push: bool = Option(False, "--push", help="Of `github`: close and reopen issues by `gh`."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Give all tasks back in the form of another tool, and say what it cannot hold.

    With `github --push`, PATH is `OWNER/REPO`, and issues are closed whose tasks were.
    """
    place = locate_mission(mission)
    if push and form != "github":
        raise UsageError("`--push` is for `github` alone", hint=f"`mission export {form} PATH`")
    if push:
        done = push_states(place, path, write=write)
    else:
        done = export_tasks(place, form, path, write=write, force=force)
    for field, count in done.losses.items():
        warn(f"{paint('lost:', 'yellow', err=True)} `{clean(field)}` of {counted(count, 'task')}")
    return answer(
        "mission.export",
        done,
        list(_lines(done)),
        as_is=True,
        exit_code=ExitCode.FAILED if any(e.conflict for e in done.pushes) else ExitCode.OK,
        as_json=as_json,
    )


def _lines(done: "Exported") -> "Iterator[str]":
    if done.written:
        files = counted(len(done.written), "file")
        yield f"wrote {counted(done.tasks, 'task')} to {files}: {clean(done.place)}"
        return
    for name, text in done.texts.items():
        if name:
            yield paint(f"==> {clean(name)} <==", "bold")
        yield from clean_block(text)
    for each in done.pushes:
        if each.conflict:
            yield clean(f"{each.key} is {each.conflict} there by now: left alone; import first")
        else:
            verb = "set" if done.pushed else "would set"
            yield clean(f"{verb} {each.key} to {each.status}, as {each.task_id} is")
    if not done.texts and not done.pushes:
        yield paint("nothing to push", "dim")
