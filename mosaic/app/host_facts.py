"""What another machine said of itself, as items of a check."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mosaic.app.doctor import Item, State
from mosaic.plan.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LITTLE_BYTES = 1 << 30
MOST_CLOCK_SECONDS = 60.0


def fact_items(about: Mapping[str, Any]) -> Iterator[Item]:
    """Return what a machine said of its disk, its agents and the attempts that it keeps."""
    free = int(about["free_bytes"])
    state = State.OK if free > LITTLE_BYTES else State.BAD
    yield Item("disk", state, f"{format_size(free)} free", "make room there")
    for agent in about["agents"]:
        name, problem = agent["name"], agent["problem"]
        if problem:
            hint = "install it there, or name its folder in `path` of the host"
            yield Item(name, State.MISSING, problem, hint)
        elif not agent["has_login"]:
            words = f"{agent['version']}, no login seen"
            yield Item(name, State.MISSING, words, "log in there; no login is ever sent")
        else:
            yield Item(name, State.OK, f"{agent['version']}, with a login")
    runs = about["runs"]
    yield Item("runs", State.OK, f"{len(runs)} kept there")


def clock_item(theirs: float, began: float) -> Item:
    """Return how far a clock is from ours; both are seconds of the epoch."""
    after = time.time()
    apart = max(0.0, began - 1 - theirs, theirs - after)
    words = "as here" if apart < 1 else f"{apart:.0f} s apart from here"
    state = State.OK if apart < MOST_CLOCK_SECONDS else State.MISSING
    return Item("clock", state, words, "set the clock there; times in records are of there")
