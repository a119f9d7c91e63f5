"""Why tasks come next, or wait, in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mosaic.plan.graph import ARROW, LONGEST_CYCLE_SHOWN
from mosaic.plan.ready import Reason, list_names

if TYPE_CHECKING:
    from mosaic.plan.ready import Selection, Verdict

MOST_REASONS = 8
"""Reasons that are named when nothing is ready."""
SHORT_REASONS = {
    Reason.LIVE_SESSION: "claimed",
    Reason.IN_REVIEW: "in review",
    Reason.BLOCKED: "blocked",
    Reason.BROKEN: "cannot be read",
    Reason.STATUS_UNKNOWN: "with a status that is not understood",
    Reason.OTHER_MILESTONE: "of other milestones",
    Reason.TO_MERGE: "to merge",
    Reason.MISSION_PAUSED: "for a mission that is paused",
}


def explain_selection(selection: Selection) -> list[str]:
    """Say of each task why it was chosen or not, the chosen one first."""
    lines = []
    for rank, verdict in enumerate(selection.ready, 1):
        mark = "next" if rank == 1 else f"#{rank}"
        lines.append(f"{mark:>5}  {verdict.task.id}  {verdict.detail}")
    lines += [
        f"    -  {verdict.task.id}  {verdict.detail}"
        for verdict in selection.verdicts
        if not verdict.is_ready and _is_unfinished(verdict)
    ]
    if alone := selection.runs_alone:
        names = list_names([f"`{name}`" for name in alone])
        lines.append(
            f"`-j` runs each of these beside no other, as it names no write scope: {names}"
        )
    long = [cycle for cycle in selection.cycles if len(cycle) > LONGEST_CYCLE_SHOWN + 1]
    return lines + [f"cycle: {ARROW.join(cycle)}" for cycle in long]


def summarize_waiting(selection: Selection) -> str:
    """Say in a sentence why nothing is ready."""
    waiting = [verdict for verdict in selection.verdicts if _is_unfinished(verdict)]
    if not waiting:
        return "every task is done or cancelled" if selection.verdicts else "there are no tasks"
    counts = Counter(_short_reason(verdict, selection) for verdict in waiting).most_common()
    if selection.is_paused:
        return "the mission is paused; `mission unpause` goes on"
    parts = ", ".join(f"{count} {words}" for words, count in counts[:MOST_REASONS])
    if others := sum(count for _, count in counts[MOST_REASONS:]):
        parts += f", {others} for other reasons (`mission next --explain` names them)"
    return f"{len(waiting)} {'task waits' if len(waiting) == 1 else 'tasks wait'}: {parts}"


def _is_unfinished(verdict: Verdict) -> bool:
    return not verdict.task.status.is_closed or verdict.reason is Reason.TO_MERGE


def _short_reason(verdict: Verdict, selection: Selection) -> str:
    if verdict.reason is Reason.WAITS:
        return f"on {selection.first_missing(verdict.task)}"
    if verdict.reason is Reason.IN_CYCLE:
        return verdict.detail.removeprefix("is ")
    return SHORT_REASONS.get(verdict.reason, verdict.detail)
