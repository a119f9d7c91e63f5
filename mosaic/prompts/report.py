"""What a finished task hands over to those that come after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.prompts.bounded import cut_text, plain_text
from mosaic.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.model import Task

_MOST_REPORTS = 30
_ALL_REPORTS = 24_000
_ONE_REPORT = 6_000
_LEAST_REPORT = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyReport:
    """A task that the next one depends on, and what it hands over."""

    id: str
    title: str = ""
    status: str | None = None
    """None when no task has this id."""
    next_handoff: str = ""
    risks: str = ""
    file: str | None = None
    """Where the whole handoff stands."""


def dependency_report(task: Task, sections: Mapping[str, str]) -> DependencyReport:
    """Return what a task hands over."""
    return DependencyReport(
        id=task.id,
        title=task.title,
        status=task.status.value,
        next_handoff=plain_text(sections.get("next_handoff", "")).strip(),
        risks=plain_text(sections.get("risks", "")).strip(),
        file=task.file,
    )


def bounded_reports(reports: Sequence[DependencyReport]) -> tuple[DependencyReport, ...]:
    """Return reports that fit into a prompt together, each text cut to its fair share.

    At most thirty are kept; what is cut says in which file the whole stands.
    """
    kept = reports[:_MOST_REPORTS]
    share = min(_ONE_REPORT, max(_LEAST_REPORT, _ALL_REPORTS // max(1, len(kept))))
    return tuple(
        replace(
            report,
            next_handoff=cut_text(report.next_handoff, share * 2 // 3, report.file),
            risks=cut_text(report.risks, share // 3, report.file),
        )
        for report in kept
    )
