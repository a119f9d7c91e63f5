"""`mission handoff`: the six sections that an agent leaves to the next one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.options import Json, MissionPath, TaskId, read_stdin
from mosaic.cli.output import Result, clean_block, emit, paint
from mosaic.cli.tasks_view import report_notices
from mosaic.errors import UsageError
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from mosaic.app.handoff import Filling

STDIN = "-"
LARGEST_BYTES = 4 << 20


def complete_section(incomplete: str) -> list[tuple[str, str]]:
    """Complete the name of a handoff section."""
    from mosaic.text.sections import HANDOFF_SECTIONS

    return [(f"{name}=", "") for name in HANDOFF_SECTIONS if name.startswith(incomplete.lower())]


def handoff_command(
    task_id: TaskId,
    replace: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION=FILE|-",
            autocompletion=complete_section,
            help="Fill a section from a file or stdin; `SECTION` alone with `--text`.",
        ),
    ] = None,
    append: Annotated[
        list[str] | None,
        typer.Option(
            "--append",
            metavar="SECTION=FILE|-",
            autocompletion=complete_section,
            help="Add to what is there.",
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="The text itself, for one section.")
    ] = None,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Show the six handoff sections and what is missing; fill them."""
    from mosaic.app.handoff import fill_handoff, read_handoff

    fillings = _fillings(replace or [], append or [], text)
    path = locate_mission(mission)
    if fillings:
        report_notices(fill_handoff(path, task_id, fillings))
    handoff = read_handoff(read_mission(path), task_id)
    missing = handoff.missing
    lines: list[str] = []
    if fillings:
        lines += [f"{handoff.task_id}  filled: {', '.join(each.section for each in fillings)}"]
    else:
        for name, content in handoff.sections.items():
            lines += [paint(name, "bold"), *(f"  {line}" for line in clean_block(content.strip()))]
            if not content.strip():
                lines.append(paint("  missing" if name in missing else "  nothing", "yellow"))
    if not handoff.file:
        lines = [f"{handoff.task_id} is in the table only: it has no handoff sections"]
    else:
        lines.append(f"missing: {', '.join(missing)}" if missing else "the handoff is complete")
    result = Result(
        kind="task.handoff",
        data=handoff,
        lines=lines,
        next_commands=[f"mission set {handoff.task_id} status=review"]
        if not missing
        else [f"mission handoff {handoff.task_id} --set {missing[0]}=-"],
    )
    return emit(result, as_json=as_json)


def _fillings(replace: list[str], append: list[str], text: str | None) -> list[Filling]:
    from mosaic.app.handoff import Filling, find_section

    asked = [(each, False) for each in replace] + [(each, True) for each in append]
    if text is not None and (len(asked) != 1 or "=" in asked[0][0]):
        raise UsageError(
            "`--text` takes one section", hint='`--set result --text "all criteria met"`'
        )
    if sum(each.partition("=")[2] == STDIN for each, _ in asked) > 1:
        raise UsageError("stdin can fill one section only")
    return [
        Filling(
            section=find_section(each.partition("=")[0]),
            content=text if text is not None else _content(each),
            append=adds,
        )
        for each, adds in asked
    ]


def _content(asked: str) -> str:
    from mosaic.machine.disk import read_text

    name, equals, source = asked.partition("=")
    if not equals or not source:
        raise UsageError(
            f"`{name}` has no content",
            hint=f'`--set {name}=FILE`, `--set {name}=-` or `--set {name} --text "…"`',
        )
    if source != STDIN:
        return read_text(Path(source), limit_bytes=LARGEST_BYTES).text
    return read_stdin("a section", largest_bytes=LARGEST_BYTES)
