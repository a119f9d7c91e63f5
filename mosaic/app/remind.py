"""What an agent is asked for before it ends: the handoff that it has not left yet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.machine.disk import PRIVATE_FILE
from mosaic.model import Status
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from pathlib import Path

NAME = "reminded"
"""The file of a run that says it was asked."""


def remind(mission_file: Path, task_id: str, run_dir: Path) -> str | None:
    """Return what an agent still owes; None where that is nothing, or it was asked before."""
    entry = read_mission(mission_file).get(task_id)
    status = entry.task.status
    missing = entry.file.missing_sections if entry.file else ()
    if status in (Status.BLOCKED, Status.CANCELLED):
        return None
    if status in (Status.REVIEW, Status.DONE) and not missing:
        return None
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        os.close(os.open(run_dir / NAME, flags, PRIVATE_FILE))
    except FileExistsError:
        return None
    fill = ""
    if missing:
        sections = ", ".join(missing)
        fill = (
            f"fill {sections} of its handoff (`mission handoff {task_id} --set {missing[0]}=-`), "
        )
    return (
        f"Before you end, hand {task_id} over: {fill}then `mission set {task_id} status=review`. "
        f'If you cannot go on, `mission block {task_id} --why "what is missing"`. If you wait for '
        "an answer of the person here, say so and end. You are asked this once."
    )
