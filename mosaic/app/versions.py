"""Changing a task only as it was seen: what tells one state of it from another."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mosaic.store.draft import holding
from mosaic.store.mission_file import load_mission
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def versions_of(mission_file: Path, task_ids: Sequence[str]) -> dict[str, str]:
    """Return what tells one state of tasks from another, by their ids; those that are there."""
    snapshot = read_mission(mission_file)
    found = {task_id: snapshot.find_task(task_id) for task_id in task_ids}
    return {name: snapshot.version(task) for name, task in found.items() if task}


@contextmanager
def unmoved(mission_file: Path, task_id: str, version: str) -> Iterator[None]:
    """Let a task be changed only as it was seen: nobody else changes it within the block.

    `version` is that of `versions_of`. Raises FileChangedError where it moved since.
    """
    layout = load_mission(mission_file).layout
    with holding(layout, doing=f"changing {task_id}"):
        read_mission(mission_file).refuse_moved(task_id, version)
        yield
