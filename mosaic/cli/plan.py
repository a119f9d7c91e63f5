"""`mission check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.options import (
    Json,
    MissionPath,
)
from mosaic.cli.output import Result, clean, clean_block, emit, paint, plain
from mosaic.errors import ExitCode
from mosaic.store.reading import locate_mission

if TYPE_CHECKING:
    from mosaic.plan.check import Finding

# Imports inside commands keep others quick to start; see decision 0002.


def check_command(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what has one right answer.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Look for everything that is wrong, each with file and line."""
    from mosaic.plan.check import Level
    from mosaic.sessions.inspect import inspect_mission, mend_mission

    path = locate_mission(mission)
    mended = mend_mission(path) if fix else []
    findings = inspect_mission(path)
    errors = [finding for finding in findings if finding.level is Level.ERROR]
    lines = [f"mended: {clean(line)}" for line in mended]
    for finding in findings:
        lines += _finding_lines(finding)
    if not findings:
        lines.append(paint("nothing is wrong", "green"))
    else:
        lines.append(f"{len(errors)} errors, {len(findings) - len(errors)} warnings")
    result = Result(
        kind="mission.check",
        data={
            "findings": [
                {name: plain(getattr(f, name)) for name in f.__dataclass_fields__} for f in findings
            ],
            "mended": mended,
        },
        lines=lines,
        exit_code=ExitCode.FAILED if errors else ExitCode.OK,
        next_commands=["mission check --fix"] if any(f.fixable for f in findings) else [],
        show_next=True,
    )
    return emit(result, as_json=as_json)


def _finding_lines(finding: Finding) -> list[str]:
    color = "red" if finding.level == "error" else "yellow"
    lines = [f"{paint(f'{finding.level}:', color)} {clean(finding.message)}"]
    if finding.path:
        lines.append(f"  --> {clean(finding.path)}{f':{finding.line}' if finding.line else ''}")
    lines += [f"  {line}" for line in clean_block(finding.detail or "")]
    if finding.hint:
        lines.append(f"  {paint('hint:', 'cyan')} {clean(finding.hint)}")
    return lines
