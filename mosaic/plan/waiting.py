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
WAITS_FOR = {
    Reason.READY: "ready",
    Reason.RESUMABLE: "ready to go on",
    Reason.DONE: "",
    Reason.CANCELLED: "",
    Reason.TO_MERGE: "a merge",
    Reason.IN_REVIEW: "a review",
    Reason.BLOCKED: "a person",
    Reason.STATUS_UNKNOWN: "a status that is understood",
    Reason.BROKEN: "`mission check`",
    Reason.LIVE_SESSION: "its session",
    Reason.SCOPE_OVERLAP: "{}, on the same files",
    Reason.BRANCH_IN_USE: "{}, on the same branch",
    Reason.WAITS: "{}",
}
"""What tasks wait for, in few words; `{}` stands for other tasks."""
MOST_WAITED_FOR = 3


def explain_selection(selection: Selection) -> list[tuple[str, str, str]]:
    """Return of each task its rank, its id and why it was chosen or not, the chosen one first."""
    rows = [
        ("next" if rank == 1 else f"#{rank}", verdict.task.id, verdict.detail)
        for rank, verdict in enumerate(selection.ready, 1)
    ]
    return rows + [
        ("-", verdict.task.id, verdict.detail)
        for verdict in selection.verdicts
        if not verdict.is_ready and _is_unfinished(verdict)
    ]


def explain_notes(selection: Selection) -> list[str]:
    """Return what else is to be known of a choice: what runs alone, and long cycles."""
    lines = []
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


def waits_for(verdict: Verdict) -> str:
    """Return what a task waits for in few words, or that it is ready."""
    words = WAITS_FOR.get(verdict.reason)
    if words is None or (not verdict.on and "{}" in words):
        return verdict.detail.removeprefix("is ")
    if not verdict.on:
        return words
    more = len(verdict.on) - MOST_WAITED_FOR
    names = ", ".join(verdict.on[:MOST_WAITED_FOR]) + (f" and {more} more" if more > 0 else "")
    return words.format(names)


def _is_unfinished(verdict: Verdict) -> bool:
    return not verdict.task.status.is_closed or verdict.reason is Reason.TO_MERGE


def _short_reason(verdict: Verdict, selection: Selection) -> str:
    if verdict.reason is Reason.WAITS:
        return f"on {selection.first_missing(verdict.task)}"
    if verdict.reason is Reason.IN_CYCLE:
        return verdict.detail.removeprefix("is ")
    return SHORT_REASONS.get(verdict.reason, verdict.detail)
