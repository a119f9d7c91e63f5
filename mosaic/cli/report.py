"""The handoff: what an agent leaves to whoever comes next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.changing import record_kept_ends
from mosaic.cli.options import Json, MissionPath, TaskId, read_stdin
from mosaic.cli.output import Result, clean_block, emit, paint
from mosaic.cli.tasks_view import report_notices
from mosaic.errors import UsageError
from mosaic.records import dataclass
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from mosaic.store.tasks import Snapshot

STDIN = "-"
LARGEST_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Filling:
    """One section and what goes into it."""

    section: str
    content: str
    append: bool


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
            help="Add to what stands there.",
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="The text itself, for one section.")
    ] = None,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Show the six handoff sections and what is missing; fill them."""
    fillings = _fillings(replace or [], append or [], text)
    path = locate_mission(mission)
    if fillings:
        _fill(path, task_id, fillings)
    return _show(read_mission(path), task_id, fillings, as_json=as_json)


def _fillings(replace: list[str], append: list[str], text: str | None) -> list[Filling]:
    asked = [(each, False) for each in replace] + [(each, True) for each in append]
    if text is not None and (len(asked) != 1 or "=" in asked[0][0]):
        raise UsageError(
            "`--text` goes with one section", hint='`--set result --text "all criteria met"`'
        )
    if sum(each.partition("=")[2] == STDIN for each, _ in asked) > 1:
        raise UsageError("stdin can fill one section only")
    return [
        Filling(
            section=_section(each.partition("=")[0]),
            content=text if text is not None else _content(each),
            append=adds,
        )
        for each, adds in asked
    ]


def _section(name: str) -> str:
    from mosaic.text.sections import HANDOFF_SECTIONS, canonical_name

    section = canonical_name(name.strip())
    if section not in HANDOFF_SECTIONS:
        known = ", ".join(f"`{each}`" for each in HANDOFF_SECTIONS)
        raise UsageError(f"`{name}` is no handoff section", detail=f"known: {known}")
    return section


def _content(asked: str) -> str:
    from mosaic.machine.disk import read_text

    name, equals, source = asked.partition("=")
    if not equals or not source:
        raise UsageError(
            f"nothing is said of what goes into `{name}`",
            hint=f'`--set {name}=FILE`, `--set {name}=-` or `--set {name} --text "…"`',
        )
    if source != STDIN:
        return read_text(Path(source), limit_bytes=LARGEST_BYTES).text
    return read_stdin("a section", largest_bytes=LARGEST_BYTES)


def _fill(path: Path, task_id: str, fillings: list[Filling]) -> None:
    from mosaic.store.draft import changing

    with changing(path, doing=f"filling the handoff of {task_id}") as draft:
        record_kept_ends(draft)
        task = draft.snapshot.get(task_id).task
        for filling in fillings:
            draft.fill_section(task.id, filling.section, filling.content, append=filling.append)
        draft.save()
        report_notices(draft.notices)


def _show(snapshot: Snapshot, task_id: str, fillings: list[Filling], *, as_json: bool) -> int:
    from mosaic.machine.disk import find_text
    from mosaic.text.sections import handoff_texts, missing_sections

    entry = snapshot.get(task_id)
    file = find_text(snapshot.layout.tasks_dir / entry.file.name) if entry.file else None
    text = file.text if file else ""
    sections = handoff_texts(text)
    missing = list(missing_sections(text)) if file else []
    lines: list[str] = []
    if fillings:
        lines += [f"{entry.task.id}  filled: {', '.join(each.section for each in fillings)}"]
    else:
        for name, content in sections.items():
            lines += [paint(name, "bold"), *(f"  {line}" for line in clean_block(content.strip()))]
            if not content.strip():
                lines.append(paint("  missing" if name in missing else "  nothing", "yellow"))
    if not file:
        lines = [f"{entry.task.id} stands in the table alone: it has no handoff sections"]
    elif missing:
        lines.append(f"missing: {', '.join(missing)}")
    else:
        lines.append("the handoff is whole")
    result = Result(
        kind="task.handoff",
        data={
            "task_id": entry.task.id,
            "sections": dict(sections),
            "missing": missing,
            "file": entry.task.file,
        },
        lines=lines,
        next_commands=[f"mission set {entry.task.id} status=review"]
        if not missing
        else [f"mission handoff {entry.task.id} --set {missing[0]}=-"],
    )
    return emit(result, as_json=as_json)
