"""`mission handoff`: the six sections that an agent leaves to the next one."""

from pathlib import Path

from typer import Argument, Option

from mosaic.app.change import Filling, fill_handoff, find_section
from mosaic.app.tasks import read_handoff
from mosaic.cli.completers import complete_criterion, complete_remark
from mosaic.cli.options import STDIN, Json, MissionPath, TaskId, read_stdin
from mosaic.cli.output import answer, clean_block, paint
from mosaic.cli.tasks_view import criteria_lines, report_notices
from mosaic.errors import UsageError
from mosaic.machine.disk import read_text
from mosaic.store.reading import locate_mission, read_mission
from mosaic.text.sections import HANDOFF_SECTIONS

EXAMPLES = (
    ("mission handoff T-001", "the six sections, and what is missing"),
    ('mission handoff T-001 --set result --text "All criteria are met."', "fill one section"),
    (
        "mission handoff T-001 --append notes=notes.md --tick 2",
        "add a file to one, and tick criterion 2",
    ),
)
LARGEST_BYTES = 4 << 20


def complete_section(incomplete: str) -> list[tuple[str, str]]:
    """Complete the name of a handoff section."""
    return [(f"{name}=", "") for name in HANDOFF_SECTIONS if name.startswith(incomplete.lower())]


def handoff_command(
    task_id: TaskId,
    words: list[str] | None = Argument(None, metavar="", hidden=True),
    replace: list[str] | None = Option(
        None,
        "--set",
        metavar="SECTION=FILE|-",
        autocompletion=complete_section,
        help="Fill a section from a file or stdin; `SECTION` alone with `--text`.",
    ),
    append: list[str] | None = Option(
        None,
        "--append",
        metavar="SECTION=FILE|-",
        autocompletion=complete_section,
        help="Add to what is there.",
    ),
    text: str | None = Option(
        None, "--text", metavar="TEXT", help="The text itself, for one section."
    ),
    answers: list[int] | None = Option(
        None,
        "--answer",
        autocompletion=complete_remark,
        metavar='N "…"',
        help="Say how remark N of the review was followed.",
    ),
    tick: list[int] | None = Option(
        None,
        "--tick",
        metavar="N",
        autocompletion=complete_criterion,
        help="Tick an acceptance criterion that holds, by its number.",
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Show the six handoff sections and what is missing; fill them, and tick criteria."""
    fillings = _fillings(replace or [], append or [], text)
    path = locate_mission(mission)
    answered = _answer(path, task_id, answers or [], words or [])
    if fillings or tick:
        report_notices(fill_handoff(path, task_id, fillings, tick or ()))
    handoff = read_handoff(read_mission(path), task_id)
    missing = handoff.missing
    lines: list[str] = [f"{handoff.task_id}  remark {number} answered" for number in answered]
    if fillings:
        lines += [f"{handoff.task_id}  filled: {', '.join(each.section for each in fillings)}"]
    if tick:
        lines += [f"{handoff.task_id}  ticked: {', '.join(map(str, tick))}"]
    if not (fillings or tick or answered):
        for name, content in handoff.sections.items():
            lines += [paint(name, "bold"), *(f"  {line}" for line in clean_block(content.strip()))]
            if not content.strip():
                lines.append(paint("  missing" if name in missing else "  nothing", "yellow"))
    if not handoff.file:
        lines = [f"{handoff.task_id} is in the table only: it has no handoff sections"]
    else:
        lines += criteria_lines(handoff.acceptance_criteria)
        lines.append(f"missing: {', '.join(missing)}" if missing else "the handoff is complete")
    then = f"mission set {handoff.task_id} status=review"
    if missing:
        then = f"mission handoff {handoff.task_id} --set {missing[0]}=-"
    return answer("task.handoff", handoff, lines, then=[then], as_json=as_json)


def _fillings(replace: list[str], append: list[str], text: str | None) -> list[Filling]:
    asked = [(*each.partition("="), False) for each in replace]
    asked += [(*each.partition("="), True) for each in append]
    if text is not None and (len(asked) != 1 or asked[0][1]):
        raise UsageError(
            "`--text` takes one section", hint='`--set result --text "all criteria met"`'
        )
    if sum(source == STDIN for _, _, source, _ in asked) > 1:
        raise UsageError("stdin can fill one section only")
    return [
        Filling(
            section=find_section(name),
            content=_content(name, source) if text is None else text,
            append=adds,
        )
        for name, _, source, adds in asked
    ]


def _answer(path: Path, task_id: str, numbers: list[int], words: list[str]) -> list[int]:
    if len(numbers) != len(words):
        raise UsageError("each answer is a number and a text", hint='`--answer 2 "what you did"`')
    if numbers:
        from mosaic.app.decisions import answer_remarks  # start-up: most handoffs answer none

        answers = list(zip(numbers, words, strict=True))
        report_notices(answer_remarks(path, task_id, answers))
    return numbers


def _content(name: str, source: str) -> str:
    if not source:
        raise UsageError(
            f"`{name}` has no content",
            hint=f'`--set {name}=FILE`, `--set {name}=-` or `--set {name} --text "…"`',
        )
    if source != STDIN:
        return read_text(Path(source), limit_bytes=LARGEST_BYTES).text
    return read_stdin("a section", largest_bytes=LARGEST_BYTES)
