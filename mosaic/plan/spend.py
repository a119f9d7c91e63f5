"""What sessions consumed together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.model import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mosaic.model import Session


def total_usage(sessions: Iterable[Session]) -> Usage | None:
    """Return what sessions consumed; None when none of them tells."""
    known = [session.usage for session in sessions if session.usage is not None]
    if not known:
        return None
    costs = [usage.cost_usd for usage in known if usage.cost_usd is not None]
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in known),
        output_tokens=sum(usage.output_tokens for usage in known),
        cached_input_tokens=sum(usage.cached_input_tokens for usage in known),
        cost_usd=sum(costs) if costs else None,
    )
