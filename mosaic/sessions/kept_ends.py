"""An end that could not be recorded: kept, and recorded once the mission is back.

While an agent works, mission.json may be removed, broken or locked. Its session then ends all
the same, and what is known of the end is kept as one file (see `mosaic.store.state`):

    {"layout_version": 1, "meta": {…}, "rules": {…}, "facts": {…}}     as records hold them
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from mosaic.codec import format_moment
from mosaic.errors import MissionError
from mosaic.machine.clock import read_moment
from mosaic.machine.disk import create_private_dir, find_bytes, write_private
from mosaic.machine.json_data import dump_json, parse_json
from mosaic.machine.lock import is_folder_held
from mosaic.machine.paths import safe_segment
from mosaic.model import EndReason, Usage
from mosaic.ports import EndCause, Ending
from mosaic.records import asdict, dataclass
from mosaic.runs.folders import run_of
from mosaic.runs.record import (
    LAYOUT_VERSION,
    RunMeta,
    meta_from,
    meta_values,
)
from mosaic.runs.report import AgentReport, Artifact, Followup
from mosaic.sessions.record_end import EndFacts, Settled, finish_record, settle_in
from mosaic.sessions.rules import rules_from, rules_values
from mosaic.store.state import ensure_state_dir, folders_of_ends, list_kept_ends

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import JsonValue
    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptEnd:
    """An end that waits to be recorded."""

    path: Path
    meta: RunMeta
    facts: EndFacts


def keep_end(layout: Layout, meta: RunMeta, facts: EndFacts) -> Path | None:
    """Keep an end until it can be recorded; None where it can be kept nowhere."""
    folders = folders_of_ends(layout)
    if not layout.state_dir.is_dir():
        folders.reverse()  # git's own folder outlives a state folder that was cleaned away
    data = dump_json(_values(meta, facts))
    for folder in folders:
        with contextlib.suppress(MissionError, OSError):
            if folder.is_relative_to(layout.state_dir):
                ensure_state_dir(layout)
            create_private_dir(folder)
            path = folder / f"{safe_segment(meta.run_id)}.json"
            write_private(path, data, root=folder)
            return path
    return None


def find_kept_ends(layout: Layout) -> list[KeptEnd]:
    """Return the ends of a mission's sessions that wait to be recorded."""
    own = os.path.realpath(layout.mission_file)
    kept = [end for path in list_kept_ends(layout) if (end := _read(path)) is not None]
    return [end for end in kept if os.path.realpath(end.meta.mission_file) == own]


def settle_kept(draft: Draft) -> list[Settled]:
    """Record the ends that were kept, in a draft whose mission lock is held."""
    settled = []
    for kept in find_kept_ends(draft.layout):
        run = run_of(draft.layout.runs_dir, kept.meta.task_id, kept.meta.run_id)
        if is_folder_held(run.dir):
            continue  # its supervisor is about to finish the record
        if (done := _settle(draft, kept)) is not None:
            settled.append(done)
    return settled


def _settle(draft: Draft, kept: KeptEnd) -> Settled | None:
    layout, meta, facts = draft.layout, kept.meta, kept.facts
    settled = None
    if not _is_recorded(draft, meta):
        lock_file = layout.session_lock
        own = layout.session_locks_dir / f"{safe_segment(meta.session_id or '')}.lock"
        settled = settle_in(draft, meta, facts, own if own.exists() else lock_file)
        run, words = run_of(layout.runs_dir, meta.task_id, meta.run_id), "; recorded later"
        with contextlib.suppress(MissionError):  # the record may be gone
            finish_record(run, meta, facts, settled.outcome, state=run.state(), words=words)
    kept.path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        kept.path.parent.rmdir()  # only an empty one goes
    return settled


def _is_recorded(draft: Draft, meta: RunMeta) -> bool:
    """Tell whether mission.json has the end already; one by guess is not it."""
    known = draft.snapshot.document.mission.sessions.find(meta.session_id or "")
    is_ended = known is not None and known.ended_at is not None
    return is_ended and known is not None and known.ended_reason is not EndReason.CRASHED


def _values(meta: RunMeta, facts: EndFacts) -> dict[str, JsonValue]:
    ending = facts.ending
    return {
        "layout_version": LAYOUT_VERSION,
        "meta": meta_values(meta),
        "rules": rules_values(facts.rules) if facts.rules else None,
        "facts": {
            "ended": facts.ended.value,
            "ending": {**asdict(ending), "cause": ending.cause.value},
            "ended_at": format_moment(facts.ended_at),
            "duration_seconds": facts.duration_seconds,
            "exit_code": facts.exit_code,
            "conversation": facts.conversation,
            "usage": asdict(facts.usage) if facts.usage else None,
            "answer": facts.answer,
            "started_at": format_moment(facts.started_at) if facts.started_at else None,
            "lost_output": list(facts.lost_output),
            "report": asdict(facts.report),
            "lacks": list(facts.lacks),
        },
    }


def _read(path: Path) -> KeptEnd | None:
    """Return a kept end; None where it cannot be read, and is left for people to look at."""
    try:
        values: dict[str, Any] = parse_json(find_bytes(path) or b"")
        if values["layout_version"] > LAYOUT_VERSION:
            return None
        facts = _facts(values["facts"], values["rules"])
        return KeptEnd(path=path, meta=meta_from(values["meta"], path), facts=facts)
    except (MissionError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _facts(values: dict[str, Any], rules: dict[str, Any] | None) -> EndFacts:
    ending, report, started = values["ending"], values["report"], values["started_at"]
    return EndFacts(
        ended=EndReason(values["ended"]),
        ending=Ending(
            **{
                **ending,
                "cause": EndCause(ending["cause"]),
                "warnings": tuple(ending["warnings"]),
            }
        ),
        ended_at=read_moment(values["ended_at"]),
        duration_seconds=float(values["duration_seconds"]),
        exit_code=values["exit_code"],
        conversation=values["conversation"],
        usage=Usage(**values["usage"]) if values["usage"] else None,
        answer=str(values["answer"]),
        started_at=read_moment(started) if started else None,
        lost_output=tuple(values["lost_output"]),
        report=AgentReport(
            **{
                **report,
                "artifacts": tuple(Artifact(**each) for each in report["artifacts"]),
                "suggested_followup": tuple(
                    Followup(**each) for each in report["suggested_followup"]
                ),
            }
        ),
        lacks=tuple(values["lacks"]),
        rules=rules_from(rules) if rules else None,
    )
