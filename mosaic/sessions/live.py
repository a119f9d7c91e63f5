"""How the live sessions get on, as far as their records tell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.records import dataclass
from mosaic.runs.folders import run_of
from mosaic.sessions.output import Progress

if TYPE_CHECKING:
    from mosaic.sessions.session_lock import FoundLock
    from mosaic.store.layout import Layout


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveSession:
    """One session that works now."""

    found: FoundLock
    progress: Progress


def observe_session(found: FoundLock, layout: Layout) -> LiveSession:
    """Return how a live session gets on; what its record does not tell stays empty."""
    lock = found.lock
    run = run_of(layout.runs_dir, lock.task_id, lock.run_id)
    elapsed = (utc_now() - lock.started_at).total_seconds()
    try:
        state = run.state()
    except MissionError:
        progress = Progress(elapsed_seconds=elapsed, last="", output_bytes=0, usage=None)
        return LiveSession(found=found, progress=progress)
    if state.started_at is not None:
        elapsed = (utc_now() - state.started_at).total_seconds()
    spoke = [log.stat().st_mtime for log in (run.stdout_log, run.stderr_log) if log.exists()]
    return LiveSession(
        found=found,
        progress=Progress(
            elapsed_seconds=max(0.0, elapsed),
            last=state.last_activity,
            output_bytes=run.output_bytes(),
            usage=state.usage,
            silent_seconds=max(0.0, time.time() - max(spoke)) if spoke else 0.0,
        ),
    )
