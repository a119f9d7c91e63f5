"""What the last runs of a task ask of the next agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.records import dataclass
from mosaic.runs.tails import output_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.runs.record import Run

GATE_STEP = "gate:"
LONGEST_OUTPUT = 2_000
MOST_GATES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Decisions that people were asked for, and steps that were suggested."""

    needs_human: tuple[str, ...] = ()
    followups: tuple[str, ...] = ()
    failed_gates: tuple[str, ...] = ()
    """Each with the end of what it wrote."""


def find_asked(runs: Sequence[Run]) -> Asked:
    """Return what a task's last agent asked, and every recorded step since.

    Args:
        runs: the task's runs, oldest first.
    """
    needs_human: list[str] = []
    followups: list[str] = []
    gates: dict[str, str] = {}
    for run in reversed(runs):
        result = run.find_result()
        if result.get("needs_human") is True:
            words = result.get("report") or result.get("summary") or "it did not say what for"
            needs_human.append(f"{result.get('step_id')}: {words}")
        for each in result.get("suggested_followup") or ():
            kind = f" ({each['step_kind']})" if each.get("step_kind") else ""
            why = f": {each['reason']}" if each.get("reason") else ""
            followups.append(f"{each.get('step_name')}{kind}{why}")
        step = str(result.get("step_id") or "")
        if step.startswith(GATE_STEP) and step not in gates:
            green = result.get("outcome") == "completed"
            gates[step] = "" if green else f"{step} failed:\n{output_tail(run)[-LONGEST_OUTPUT:]}"
        if result.get("session_id"):
            break
    return Asked(
        needs_human=tuple(dict.fromkeys(needs_human)),
        followups=tuple(dict.fromkeys(followups)),
        failed_gates=tuple(reversed([text for text in gates.values() if text][:MOST_GATES])),
    )
