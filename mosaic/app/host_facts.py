"""What another machine said of itself, as items of a check."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.app.doctor import Item, State
from mosaic.git.git import find_work_tree
from mosaic.git.remote_refs import address_of
from mosaic.plan.sizes import format_size
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mosaic.settings import HostSpec

LITTLE_BYTES = 1 << 30
MOST_CLOCK_SECONDS = 60.0


class KeptHere(NamedTuple):
    """What the mission here has on record of its attempts on other machines."""

    mission: str = ""
    """The name that it has there; empty: no mission is looked at."""
    attempts: frozenset[tuple[str, str]] = frozenset()
    """All of them: the name of the mission there, and the run."""


def fact_items(about: Mapping[str, Any], here: KeptHere, host: str) -> Iterator[Item]:
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
    yield _attempts(about["attempts"], here, host)


def _attempts(kept: Sequence[Mapping[str, Any]], here: KeptHere, host: str) -> Item:
    """Tell whose attempts a machine keeps: those that are on record here, and others."""
    at_work = sum(bool(each.get("at_work")) for each in kept)
    words = [f"{len(kept)} kept there" + (f", {at_work} at work" if at_work else "")]
    others = [each for each in kept if (each["mission"], each["run"]) not in here.attempts]
    lost = [each["run"] for each in others if each["mission"] == here.mission]
    if lost:
        words.append(f"not on record here: {', '.join(f'`{each}`' for each in lost)}")
    counts = Counter(each["mission"] for each in others if each["mission"] != here.mission)
    words += [f"{count} of `{name}`" for name, count in sorted(counts.items())]
    hint = f"`mission hosts clean {host} --of {here.mission}` ends and removes them"
    return Item("runs", State.MISSING if lost else State.OK, "; ".join(words), hint)


def hub_of(spec: HostSpec) -> str:
    """Return the address of a host's hub, seen from the current folder; empty: it has none."""
    here = Path.cwd()
    return address_of(find_work_tree(here) or here, spec.remote) if spec.remote else ""


def hub_item(hub: str, about: Mapping[str, Any]) -> Item:
    """Return whether a machine that was asked about a hub reaches it."""
    if why := about.get("hub_problem"):
        hint = "name a git remote, a URL or a path that both sides can push to: `--remote`"
        return Item("hub", State.BAD, f"`{hub}` cannot be reached from there: {why}", hint)
    return Item("hub", State.OK, f"`{hub}`")


def clock_item(theirs: float, began: float) -> Item:
    """Return how far a clock is from ours; both are seconds of the epoch."""
    after = time.time()
    apart = max(0.0, began - 1 - theirs, theirs - after)
    words = "as here" if apart < 1 else f"{apart:.0f} s apart from here"
    state = State.OK if apart < MOST_CLOCK_SECONDS else State.MISSING
    return Item("clock", state, words, "set the clock there; times in records are of there")
