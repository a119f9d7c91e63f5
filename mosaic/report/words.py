"""What both forms of a report say in the same words."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING

from mosaic.plan.durations import format_duration
from mosaic.plan.ends import usage_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mosaic.app.report import Report, TaskHandoff
    from mosaic.app.spend import Share


def moment_words(moment: datetime) -> str:
    """Return a moment in UTC: whoever reads it may be anywhere."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its word."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def since_words(report: Report) -> str:
    """Return since when it tells; empty where it tells all."""
    since = report.since
    if since is None:
        return ""
    named = f" ({since.words})" if since.words else ""
    return f"since {moment_words(since.moment)}{named}"


def standing_words(report: Report) -> list[str]:
    """Return where the mission stands: facts in a few words each."""
    status = report.board.status
    done, live = status.progress, len(report.board.live)
    facts = [f"{status.mission.status}", f"{done.done} of {done.total} done ({done.pct} %)"]
    facts += [f"{done.to_merge} to merge"] if done.to_merge else []
    facts += [f"{counted(live, 'session')} at work"] if live else []
    asks = len(report.board.inbox)
    facts += [f"{asks} {'waits' if asks == 1 else 'wait'} for a person"] if asks else []
    return facts


def next_words(report: Report) -> str:
    """Return what comes next, or why nothing does."""
    status = report.board.status
    if status.next_task is None:
        return f"nothing is ready: {status.why_nothing}"
    more = status.ready_total - 1
    also = f", and {more} more ready" if more else ""
    return f"{status.next_task.id} {status.next_task.title}{also}"


def claim_words(handoff: TaskHandoff) -> str:
    """Return how the claims of a handoff stand; empty where there are none."""
    review = handoff.review
    if review is None:
        return ""
    standings = [each.standing.value for each in review.judged.files]
    counts = Counter([*standings, *(each.standing.value for each in review.judged.commands)])
    words = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return f"{words} of {counted(counts.total(), 'claim')}" if counts else ""


def share_cells(share: Share) -> tuple[str, ...]:
    """Return what some sessions took, as cells of a table."""
    took, used = format_duration(share.seconds), usage_words(share.usage)
    return share.name, str(share.sessions), took, used


def cut_words(report: Report) -> Iterator[str]:
    """Yield what the report leaves out of the record that it is made of."""
    if count := report.sessions_left_out:
        yield f"{counted(count, 'earlier session')}: `mission sessions`"
    if count := report.handoffs_left_out:
        yield f"{counted(count, 'handoff')}: `mission review ID`"
    if count := report.decisions_left_out:
        yield f"{counted(count, 'earlier decision')}: `mission show ID`"
