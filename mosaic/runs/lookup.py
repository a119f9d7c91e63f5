"""The run that a word names: a run's id, a session's, or a task's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.errors import RunNotFoundError
from mosaic.runs.folders import find_run, is_session_run, runs_in, runs_of_task, task_folders

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.model import Session
    from mosaic.runs.record import Run

RUN_OR_SESSION = re.compile(r"(?i)(r\d+|sess)-.*|r\d+|sess")
MOST_CLOSEST = 3


def find_named_run(runs_dir: Path, sessions: Sequence[Session], name: str) -> Run | None:
    """Return the run of this id, the run of a session, or a task's newest run of an agent.

    A task that no agent worked on has its newest step.

    None: it names none of them; a task that has no run is not known here.

    Raises:
        RunNotFoundError: it is a session whose record is gone, or looks like the id of a
            run or session and is none.
    """
    run = find_run(runs_dir, name)
    if run is not None:
        return run
    for session in sessions:
        if session.id.casefold() == name.casefold():
            return run_of_session(runs_dir, session)
    of_task = runs_of_task(runs_dir, name) if name else []
    if of_task:
        agents = (run for run in reversed(of_task) if is_session_run(run))
        return next(agents, of_task[-1])
    if RUN_OR_SESSION.fullmatch(name):
        raise RunNotFoundError(
            f"no run or session matches `{name}`", _closest(name, runs_dir, sessions)
        )
    return None


def newest_run(runs_dir: Path, sessions: Sequence[Session]) -> Run:
    """Return the run of the newest session.

    Raises:
        RunNotFoundError: there is no session, or its record is gone.
    """
    if not sessions:
        raise RunNotFoundError("nothing was handed off yet", hint="`mission next` does")
    return run_of_session(runs_dir, max(reversed(sessions), key=lambda each: each.started_at))


def run_of_session(runs_dir: Path, session: Session) -> Run:
    """Return a session's run.

    Raises:
        RunNotFoundError: its record is gone.
    """
    run = find_run(runs_dir, session.run_id) if session.run_id else None
    if run is None:
        raise RunNotFoundError(
            f"the run of session `{session.id}` has no record any more",
            hint="`mission sessions` lists what is known of it",
        )
    return run


def _closest(name: str, runs_dir: Path, sessions: Sequence[Session]) -> list[str]:
    """Return ids that begin with a name, else those that look like it; the newest first."""
    runs = [run.id for folder in task_folders(runs_dir) for run in runs_in(folder)]
    known = [*reversed(runs), *(session.id for session in reversed(sessions))]
    begun = [each for each in known if each.startswith(name)]
    if not begun:
        from difflib import get_close_matches  # start-up: only a wrong name needs it

        begun = get_close_matches(name, known, n=MOST_CLOSEST)
    return begun[:MOST_CLOSEST]
