"""What the end of a session, its length and its cost are called where a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.plan.durations import format_duration

if TYPE_CHECKING:
    from mosaic.model import Session, Usage

THOUSAND = 1000

_BY_CAUSE = {
    "incomplete": "incomplete",
    "left": "left by the person",
    "needs_human": "needs a person",
}
_BY_REASON = {"completed": "finished", "timeout": "timed out"}
_PHRASES = {
    "incomplete": "ended without finishing",
    "left by the person": "was left by the person",
    "needs a person": "ended with a question to a person",
    "blocked": "ended blocked",
    "stopped": "was stopped",
}


def end_words(session: Session) -> str:
    """Return how a session ended in one or two words; nothing while it has no end.

    One of: finished, incomplete, blocked, needs a person, failed, timed out, stopped, crashed,
    left by the person.
    """
    reason = session.ended_reason.value if session.ended_reason else ""
    if reason in ("completed", "blocked") and session.ended_cause in _BY_CAUSE:
        return _BY_CAUSE[session.ended_cause]
    return _BY_REASON.get(reason, reason)


def end_phrase(session: Session) -> str:
    """Return the same as the end of a sentence that begins with the session."""
    words = end_words(session)
    return _PHRASES.get(words, words) or "has not ended"


def seconds_taken(session: Session) -> int | None:
    """Return how long a session took; None while it has no end."""
    if session.duration_seconds is None and session.ended_at is not None:
        return max(0, int((session.ended_at - session.started_at).total_seconds()))
    return session.duration_seconds


def length_words(session: Session) -> str:
    """Return how long a session took in words; nothing while it has no end."""
    seconds = seconds_taken(session)
    return format_duration(seconds) if seconds is not None else ""


def token_count(usage: Usage) -> str:
    """Return how many tokens were consumed, as `450` or `12.3k`."""
    tokens = usage.input_tokens + usage.output_tokens
    return f"{tokens / THOUSAND:.1f}k" if tokens >= THOUSAND else str(tokens)


def usage_words(usage: Usage | None) -> str:
    """Return what was consumed: money where it is told, and tokens."""
    if usage is None:
        return ""
    tokens = token_count(usage)
    words = f"{tokens} {'token' if tokens == '1' else 'tokens'}"
    return f"${usage.cost_usd:.2f}, {words}" if usage.cost_usd is not None else words
