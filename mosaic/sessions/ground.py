"""What write scopes are compared on: the files that are there, and those that agents claim."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.git import find_work_tree, run_git
from mosaic.model import Status
from mosaic.plan.scope_meeting import Ground
from mosaic.store.project_paths import project_paths
from mosaic.text.sections import handoff_texts

if TYPE_CHECKING:
    from mosaic.store.tasks import Snapshot

_PATH = re.compile(r"[^\s`'\"<>|(),;:*（），；：、]+")
_AT_WORK = (Status.IN_PROGRESS, Status.REVIEW)


def ground_of(snapshot: Snapshot) -> Ground:
    """Return what the write scopes of a mission are compared on; git is asked when it is needed."""
    return Ground(
        folder=project_paths(snapshot.layout).folder, find_paths=lambda: _find_paths(snapshot)
    )


def _find_paths(snapshot: Snapshot) -> set[str] | None:
    top = find_work_tree(snapshot.layout.project)
    if top is None:
        return None
    try:
        command = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        found = {*run_git(command, top).text.split("\0")} - {""}
        return found | _claimed(snapshot)
    except MissionError:
        return None


def _claimed(snapshot: Snapshot) -> set[str]:
    """Return what stands like a path in the handoffs of tasks that are not decided."""
    in_tree = project_paths(snapshot.layout).in_tree
    texts = (snapshot.task_text(task) for task in snapshot.tasks if task.status in _AT_WORK)
    claims = (handoff_texts(text)["files_changed"] for text in texts if text)
    words = {word.strip(".") for text in claims for word in _PATH.findall(text)}
    names = (posixpath.normpath(in_tree(word)) for word in words if "/" in word or "." in word)
    return {name for name in names if not name.startswith(("..", "/"))}
