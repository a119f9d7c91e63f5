"""`mission check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import Result, clean, clean_block, emit, paint
from mosaic.errors import ExitCode
from mosaic.store.reading import locate_mission

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.plan.check import Finding


def check_command(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what has one right answer.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Look for everything that is wrong, each with file and line."""
    from mosaic.app.check import check

    report = check(locate_mission(mission), fix=fix)
    lines = [f"mended: {clean(line)}" for line in report.mended]
    for finding in report.findings:
        lines += _finding_lines(finding)
    count = len(report.findings)
    lines.append(
        f"{report.errors} errors, {count - report.errors} warnings"
        if count
        else paint("nothing is wrong", "green")
    )
    can_fix = any(finding.fixable for finding in report.findings)
    result = Result(
        kind="mission.check",
        data=report,
        lines=lines,
        exit_code=ExitCode.FAILED if report.errors else ExitCode.OK,
        next_commands=["mission check --fix"] if can_fix else [],
        show_next=True,
    )
    return emit(result, as_json=as_json)


def _finding_lines(finding: Finding) -> Iterator[str]:
    color = "red" if finding.level == "error" else "yellow"
    yield f"{paint(f'{finding.level}:', color)} {clean(finding.message)}"
    if finding.path:
        yield f"  --> {clean(finding.path)}{f':{finding.line}' if finding.line else ''}"
    for line in clean_block(finding.detail or ""):
        yield f"  {line}"
    if finding.hint:
        yield f"  {paint('hint:', 'cyan')} {clean(finding.hint)}"
