"""What had to be settled when two copies of the mission were put together, in a run's record.

Nothing of it is lost: a value that did not win stands in the event, and the file that has it among
the run's artifacts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.machine.disk import create_private_dir, write_private
from mosaic.prompts.bounded import one_line
from mosaic.runs.events import EventLog, EventType
from mosaic.text.merge3 import OURS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.runs.record import Run
    from mosaic.store.unite import United, Version

FOLDER = "elsewhere"
LONGEST_VALUE = 200


def note_united(run: Run, united: United, others: Mapping[Path, Version], *, here: str) -> None:
    """Note what was settled; the files of the side that lost are kept where they come from there.

    `here` is the side that won, as for `unite`.
    """
    log = EventLog(run)
    for old, new in united.renumbered:
        words = f"the task that was added as `{old}` is `{new}`: `{old}` was in use here"
        log.append(EventType.PLAN_UNITED, words, level="warn", data={"old": old, "new": new})
    for each in united.disagreements:
        won, lost = (each.ours, each.theirs) if here == OURS else (each.theirs, each.ours)
        words = f"`{each.name}` was changed here and by the agent: {_shown(won)} stays, "
        words += f"the agent's was {_shown(lost)}"
        data = {"name": each.name, "here": won, "agent": lost}
        log.append(EventType.PLAN_UNITED, words, level="warn", data=data)
    if united.passed_by and here == OURS:
        keys = ", ".join(f"`{key}`" for key in united.passed_by)
        words = f"changed in mission.json elsewhere, and not taken over: {keys}"
        log.append(EventType.PLAN_UNITED, words, level="warn", data={"keys": [*united.passed_by]})
    for fault in united.faults:
        log.append(EventType.PLAN_UNITED, f"not taken over: {fault}", level="warn")
    if here == OURS:
        for path in united.apart:
            if (text := others[path].after if path in others else None) is not None:
                place = create_private_dir(run.artifacts / FOLDER) / path.name
                write_private(place, text.encode(), root=run.dir)


def _shown(value: str | None) -> str:
    return "nothing" if value is None else f"`{one_line(value, LONGEST_VALUE)}`"


def words_of(united: United) -> str:
    """Return what a person should look at in a few words, for the summary of a session."""
    words = []
    if names := ", ".join(f"`{each.name}`" for each in united.disagreements):
        words.append(f"changed here and by the agent: {names}; what is here stays")
    words += [f"not taken over: {fault}" for fault in united.faults]
    return "; ".join(words)
