"""Who asks for an action: a person or an agent."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mosaic.store.layout import Layout


class Actor(StrEnum):
    """Who asks for an action."""

    PERSON = "person"
    AGENT = "agent"


def is_agent(actor: Actor | None, layout: Layout) -> bool:
    """Tell whether an agent acts; without an actor, look who started this process."""
    if actor is not None:
        return actor is Actor.AGENT
    from mosaic.sessions.liveness import is_agent_calling  # start-up: few changes ask that

    return is_agent_calling(layout)
