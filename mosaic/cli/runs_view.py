"""Runs as lines and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.cli.output import clean, paint, plain
from mosaic.errors import MissionError
from mosaic.runs.checkpoint import last_seq

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.model import JsonValue
    from mosaic.runs.record import Run, RunMeta, RunState

MOST_RUNS = 20
"""How many of a task's runs are shown: the newest."""


def run_rows(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """Return one row a run: id, step, attempt, where it stands, start, checkpoints, summary."""
    rows: list[tuple[str, ...]] = []
    for run in runs:
        meta, state = run.find_meta(), _find_state(run)
        if meta is None or state is None:
            rows.append((run.id, "", "", "unreadable", "", "", ""))
            continue
        step = (
            meta.step_id if meta.step_id == meta.step_kind else f"{meta.step_id} {meta.step_kind}"
        )
        started = state.started_at or meta.created_at
        rows.append(
            (
                run.id,
                step,
                f"#{meta.attempt}",
                stands(run, state),
                f"{started.astimezone():%Y-%m-%d %H:%M}",
                f"checkpoint {last_seq(run)}" if last_seq(run) else "",
                state.summary,
            )
        )
    return rows


def run_values(run: Run) -> dict[str, JsonValue]:
    """Return a run as JSON."""
    meta, state = run.find_meta(), _find_state(run)
    values: dict[str, JsonValue] = {"run_id": run.id, "dir": str(run.dir), "status": "unreadable"}
    if meta is None or state is None:
        return values
    return {
        **values,
        **_chosen(meta, ("step_id", "step_kind", "attempt", "session_id", "created_at")),
        **_chosen(state, ("started_at", "finished_at", "exit_code", "summary", "checkpoint_seq")),
        "reason": state.reason.value if state.reason else None,
        "status": stands(run, state),
    }


def asked_lines(result: Mapping[str, Any]) -> list[str]:
    """Return what a result asks of people: a decision, further steps, a look at warnings."""
    lines = [
        f"  {paint('warning:', 'yellow')} {clean(text)}" for text in result.get("warnings") or ()
    ]
    asked = str(result.get("report") or "")
    if result.get("needs_human") and asked not in str(result.get("summary")):
        lines.append(f"  needs a human: {clean(asked)}")
    for each in result.get("suggested_followup") or ():
        kind = f" ({clean(each['step_kind'])})" if each.get("step_kind") else ""
        why = f": {clean(each['reason'])}" if each.get("reason") else ""
        lines.append(f"  suggested: {clean(each['step_name'])}{kind}{why}")
    return lines


def stands(run: Run, state: RunState) -> str:
    """Return where a run stands, in one word; one whose process is gone has crashed."""
    from mosaic.model import RunStatus
    from mosaic.sessions.recovery import is_dead

    if state.status is RunStatus.RUNNING and is_dead(run, state):
        return "crashed"
    return state.status.value


def _chosen(record: RunMeta | RunState, names: Sequence[str]) -> dict[str, JsonValue]:
    return {name: plain(getattr(record, name)) for name in names}


def _find_state(run: Run) -> RunState | None:
    try:
        return run.state()
    except MissionError:
        return None
