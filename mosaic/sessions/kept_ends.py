"""An end that could not be recorded: kept, and recorded once the mission is back.

While an agent works, mission.json may be removed, broken or locked. Its session then ends all
the same, and what is known of the end is kept as one file (see `mosaic.store.state`):

    {"layout_version": 1, "meta": {…}, "rules": {…}, "facts": {…}}     as records hold them
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from mosaic.codec import JsonForm, dump_json, dump_record, load_record
from mosaic.errors import MissionError
from mosaic.executors import executor_of
from mosaic.machine.disk import create_private_dir, find_bytes, write_private
from mosaic.machine.paths import safe_segment
from mosaic.model import EndReason
from mosaic.plan.rules import Rules  # noqa: TC001 - the codec looks these up
from mosaic.records import dataclass, replace
from mosaic.runs.folders import run_of
from mosaic.runs.record import RunMeta  # noqa: TC001
from mosaic.runs.result import RunEnd  # noqa: TC001
from mosaic.sessions.record_end import Settled, finish_record, record_end_in
from mosaic.store.state import ensure_state_dir, folders_of_ends, list_kept_ends

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptEnd:
    """An end that waits to be recorded."""

    json_form = JsonForm(version=1)
    meta: RunMeta
    rules: Rules | None
    facts: RunEnd


def keep_end(layout: Layout, meta: RunMeta, facts: RunEnd) -> Path | None:
    """Keep an end until it can be recorded; None where it can be kept nowhere."""
    folders = folders_of_ends(layout)
    if not layout.state_dir.is_dir():
        folders.reverse()  # git's own folder outlives a state folder that was cleaned away
    data = dump_json(dump_record(KeptEnd(meta=meta, rules=facts.rules, facts=facts)))
    for folder in folders:
        with contextlib.suppress(MissionError, OSError):
            if folder.is_relative_to(layout.state_dir):
                ensure_state_dir(layout)
            create_private_dir(folder)
            path = folder / f"{safe_segment(meta.run_id)}.json"
            write_private(path, data, root=folder)
            return path
    return None


def find_kept_ends(layout: Layout) -> list[tuple[Path, KeptEnd]]:
    """Return the ends that wait to be recorded; one that cannot be read is left to people."""
    own = os.path.realpath(layout.mission_file)
    found = []
    for path in list_kept_ends(layout):
        with contextlib.suppress(MissionError):
            kept = load_record(KeptEnd, find_bytes(path) or b"", path)
            if os.path.realpath(kept.meta.mission_file) == own:
                found.append((path, kept))
    return found


def record_kept_ends(draft: Draft) -> list[Settled]:
    """Record the ends that were kept, in a draft that has the mission lock."""
    recorded = []
    layout = draft.layout
    for path, kept in find_kept_ends(layout):
        meta = kept.meta
        run = run_of(layout.runs_dir, meta.task_id, meta.run_id)
        if executor_of(run).is_alive():
            continue  # its supervisor is about to finish the record
        if not _is_recorded(draft, meta):
            end = replace(kept.facts, rules=kept.rules)
            own = layout.session_locks_dir / f"{safe_segment(meta.session_id or '')}.lock"
            done = record_end_in(draft, meta, end, own if own.exists() else layout.session_lock)
            recorded.append(done)
            with contextlib.suppress(MissionError):  # the record may be gone
                words = "; recorded later"
                finish_record(run, meta, end, done.outcome, state=run.state(), words=words)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()  # only an empty one goes
    return recorded


def _is_recorded(draft: Draft, meta: RunMeta) -> bool:
    """Tell whether mission.json has the end already; one by guess is not it."""
    known = draft.snapshot.document.mission.sessions.find(meta.session_id or "")
    is_ended = known is not None and known.ended_at is not None
    return is_ended and known is not None and known.ended_reason is not EndReason.CRASHED
