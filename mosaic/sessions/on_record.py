"""What the record of a run says of its work, where nobody stayed to the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MissionError, RecordError
from mosaic.model import GatePolicy, Mode
from mosaic.plan.gates import parse_gates
from mosaic.plan.rules import judged_by
from mosaic.runs.events import EventType, read_events
from mosaic.sessions.run_rules import read_rules

if TYPE_CHECKING:
    from mosaic.model import Mission
    from mosaic.runs.record import Run, RunMeta


def lacks_on_record(run: Run, meta: RunMeta, mission: Mission) -> tuple[str, ...]:
    """Return what the record of a run that nobody ended says of its work.

    Gates that were due and did not come to run are lacking too.
    """
    try:
        mission = judged_by(mission, read_rules(run, meta))
    except RecordError:
        return ()  # told when the end is recorded: nothing can be held against its work
    lacks, passed = [], 0
    for event in read_events(run).events:
        if (
            event.type == EventType.SCOPE_VIOLATED and not mission.review.allow_out_of_scope
        ) or event.type == EventType.GATE_FAILED:
            lacks.append(event.message)
        elif event.type == EventType.GATE_PASSED:
            passed += 1
    due = meta.mode is Mode.HEADLESS and mission.review.gates is not GatePolicy.NEVER
    try:
        expected = len(parse_gates(mission.quality_gates)) if due else 0
    except MissionError:
        expected = 0
    if passed < expected and not lacks:
        lacks.append("its gates were not run to their end")
    return tuple(lacks)
