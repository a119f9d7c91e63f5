"""`mission check`."""

from collections.abc import Iterator

from typer import Option

from mosaic.app.mission import check
from mosaic.cli.finding_formats import FORMATS
from mosaic.cli.options import Json, MissionPath, complete_format
from mosaic.cli.output import answer, clean, clean_block, paint
from mosaic.errors import UsageError
from mosaic.plan.check import Finding
from mosaic.store.reading import locate_mission
from mosaic.text.lines import counted

EXAMPLES = (
    ("mission check", "everything that is wrong, each with file and line"),
    ("mission check --fix", "mend what has one right answer"),
    ("mission check --format github", "the same as annotations of a pull request"),
)
JSON_AND_FORMAT = "`--json` and `--format` are two ways to say the same"


def check_command(
    fix: bool = Option(False, "--fix", help="Mend what has one right answer."),
    form: str = Option(
        "text",
        "--format",
        metavar="text|lines|github|sarif",
        autocompletion=complete_format,
        help="For people; a line each, for editors; GitHub's annotations; SARIF.",
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Look for everything that is wrong, each with file and line."""
    if form != "text" and (form not in FORMATS or as_json):
        message = f"there is no format `{form}`" if form not in FORMATS else JSON_AND_FORMAT
        raise UsageError(message, hint=f"use one of text, {', '.join(FORMATS)}")
    path = locate_mission(mission)
    report = check(path, fix=fix)
    if form != "text":
        lines = FORMATS[form](report.findings, path)
        return answer(
            "mission.check", report, lines, ok=not report.errors, as_is=True, as_json=False
        )
    lines = [f"mended: {clean(line)}" for line in report.mended]
    for finding in report.findings:
        lines += _finding_lines(finding)
    count = len(report.findings)
    lines.append(
        f"{counted(report.errors, 'error')}, {counted(count - report.errors, 'warning')}"
        if count
        else paint("nothing is wrong", "green")
    )
    can_fix = any(finding.fixable for finding in report.findings)
    return answer(
        "mission.check",
        report,
        lines,
        ok=not report.errors,
        then=["mission check --fix"] if can_fix else [],
        show_next=True,
        as_json=as_json,
    )


def _finding_lines(finding: Finding) -> Iterator[str]:
    color = "red" if finding.level == "error" else "yellow"
    yield f"{paint(f'{finding.level}:', color)} {clean(finding.message)}"
    if finding.path:
        yield f"  --> {clean(finding.path)}{f':{finding.line}' if finding.line else ''}"
    for line in clean_block(finding.detail or ""):
        yield f"  {line}"
    if finding.hint:
        yield f"  {paint('hint:', 'cyan')} {clean(finding.hint)}"
