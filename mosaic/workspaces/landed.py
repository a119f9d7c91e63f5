"""Which done tasks have work that waits in a branch: asked of git once, for all of them.

Work has landed when what is checked out in the mission's work tree has it: merged, rebased or
squashed. What is merged git says in one call. Other branches are compared, and what came of it is
kept by the commit at their tip, in `landed.json` in the state folder:

    {"4f1c…": {"head": "9a0e…", "has_landed": true}}     compared with that `HEAD`

Deleting it loses nothing: git is asked again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError
from mosaic.machine.disk import find_bytes
from mosaic.machine.paths import safe_segment
from mosaic.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.store.layout import Layout

OWN = "mission"
"""Begins the names of branches that are made for workers."""
WORKER = "work"
"""The worker in the name of a branch that is made for a task."""
LARGEST_REFS_BYTES = 64 << 20


def find_unlanded(layout: Layout, tasks: Iterable[Task]) -> dict[str, str]:
    """Return the branches of done tasks whose work waits there, by the task's id, in order.

    A task that was worked on in no branch has landed; so has one whose branch is gone, or has no
    commit of its own. Starts no process where no task has a branch. What git refuses to tell is
    not said here: `mission check` does.
    """
    done = [task for task in tasks if task.status is Status.DONE]
    if not done:
        return {}
    try:
        branches, bases = _branches_of(layout, done)
        waiting = _waiting_in(layout, branches, bases) if branches else set()
    except MissionError:
        return {}
    return {name: branch for name, branch in branches.items() if branch in waiting}


def _branches_of(layout: Layout, done: list[Task]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the branches that tasks may have been worked on in, and the commits they began at."""
    branches: dict[str, str] = {}
    bases: dict[str, str] = {}
    records = {}
    if layout.worktrees_dir.is_dir():
        from mosaic.workspaces.record import list_workspaces  # start-up: few missions have any

        records = {each.owner: each for each in list_workspaces(layout)}
    has_others: bool | None = None
    for task in done:
        record = records.get(task.id)
        if record is not None:
            if record.branch is not None:
                branches[task.id] = record.branch
                if record.is_own_branch:
                    bases[record.branch] = record.base_commit
        elif task.branch:
            branches[task.id] = task.branch
        else:
            if has_others is None:
                has_others = _has_own_branches(layout.project)
            if has_others:  # its record may be lost, and its work not
                branches[task.id] = "/".join((OWN, safe_segment(task.id), WORKER))
    return branches, bases


def _has_own_branches(project: Path) -> bool:
    from mosaic.git.git import common_dir  # start-up: a mission without done tasks needs no git

    shared = common_dir(project)
    if shared is None:
        return False
    folder = f"refs/heads/{OWN}"
    packed = find_bytes(shared / "packed-refs", limit_bytes=LARGEST_REFS_BYTES) or b""
    return (shared / folder).is_dir() or os.fsencode(f" {folder}/") in packed


def _waiting_in(layout: Layout, branches: Mapping[str, str], bases: Mapping[str, str]) -> set[str]:
    """Return those of some branches whose work is not in what is checked out."""
    from mosaic.git.git import find_work_tree, head_commit, run_git  # start-up, as above
    from mosaic.git.worktrees import BRANCHES
    from mosaic.store.state import find_object

    home = find_work_tree(layout.project)
    head = head_commit(home) if home is not None else None
    if home is None or head is None:
        return set()
    names = {f"{BRANCHES}{name}": name for name in branches.values()}
    command = ["for-each-ref", "--format=%(objectname) %(refname)", f"--no-merged={head}"]
    lines = run_git([*command, *sorted(names)], home).text.splitlines()
    found = (line.partition(" ") for line in lines)
    tips = {names[ref]: tip for tip, _, ref in found if ref in names}
    tips = {name: tip for name, tip in tips.items() if tip != bases.get(name)}
    if not tips:
        return set()
    known = find_object(layout.landed_file)
    kept: dict[str, Any] = {}
    waiting = set()
    for name, tip in tips.items():
        try:
            has_landed = _has_landed(home, tip, head, known.get(tip))
            kept[tip] = {"head": head, "has_landed": has_landed}
        except MissionError:  # it waits until git can tell
            has_landed = False
        if not has_landed:
            waiting.add(name)
    if any(known.get(tip) != value for tip, value in kept.items()):
        from mosaic.codec import dump_json
        from mosaic.store.state import save_cache

        save_cache(layout, layout.landed_file, dump_json(kept))
    return waiting


def _has_landed(home: Path, tip: str, head: str, known: Any) -> bool:
    """Tell whether a commit that is not merged has landed; `known` is what was found earlier."""
    from mosaic.git.git import answer_of
    from mosaic.git.worktrees import has_content, has_patch

    if isinstance(known, dict) and isinstance(known.get("head"), str):
        if known["head"] == head:
            return known.get("has_landed") is True
        # What was changed since does not take it back; an undone merge does.
        is_ancestor = ["merge-base", "--is-ancestor", known["head"], head]
        if known.get("has_landed") is True and answer_of(is_ancestor, home) is not None:
            return True
    return has_content(home, tip, head) or has_patch(home, tip, head)
