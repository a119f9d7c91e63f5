"""Checking a mission: everything that is wrong, and mending what has one right answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mosaic.plan.check import Level
from mosaic.sessions.inspect import inspect_mission, mend_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.plan.check import Finding


class CheckReport(NamedTuple):
    """What was found."""

    findings: tuple[Finding, ...]
    mended: tuple[str, ...]
    errors: int
    """How many findings are errors; the others are warnings."""


def check(mission_file: Path, *, fix: bool = False) -> CheckReport:
    """Look for everything that is wrong, after mending what can be mended if `fix` is set."""
    mended = tuple(mend_mission(mission_file)) if fix else ()
    findings = tuple(inspect_mission(mission_file))
    errors = sum(finding.level is Level.ERROR for finding in findings)
    return CheckReport(findings=findings, mended=mended, errors=errors)
