"""What people change in the mission while an agent works here, brought into the copy that it has.

What arrives are the mission's files as they stand where people are. What they have in common with
the copy from then on is `mosaic.remote.plan.PLAN_REF`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.file_trees import changes_of, commit_files, list_files, store_files
from mosaic.git.git import answer_of
from mosaic.machine.disk import create_private_dir
from mosaic.machine.lock import hold_folder
from mosaic.remote.plan import common_plan, note_common, versions
from mosaic.sessions.rules import note_decision, note_persons_scope
from mosaic.sessions.united import note_united
from mosaic.store.draft import changing
from mosaic.store.unite import unite
from mosaic.text.merge3 import THEIRS
from mosaic.there.receive import TURN_SECONDS, Attempt, home_of, layout_at, run_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.store.draft import Draft
    from mosaic.store.unite import Version

MESSAGE = "The mission's files, as of "


def take_plan(place: Path, attempt: Attempt, texts: Mapping[str, str | None], at: int) -> None:
    """Bring files of the mission into the copy, as far as they changed since they came last.

    Args:
        place: the folder of the attempt.
        attempt: the attempt.
        texts: by their names in the repository; None: the file is gone.
        at: what counts up with each sending; what is older than the last one is passed by.
    """
    home = home_of(place)
    with hold_folder(create_private_dir(place / "plan"), wait_seconds=TURN_SECONDS):
        base = common_plan(home)
        said = answer_of(["log", "-1", "--no-show-signature", "--format=%s", base], home) or ""
        number = said.removeprefix(MESSAGE)
        if number.isdigit() and at <= int(number):
            return
        new = _commit(home, base, texts, at)
        layout, run = layout_at(place, attempt), run_at(place, attempt)
        others = versions(layout, home, changes_of(home, new))
        if others:
            doing = "taking over what people changed"
            with changing(layout.mission_file, doing=doing, fenced=False) as draft:
                before = draft.snapshot.find_task(attempt.task_id)
                united = unite(draft, others, task_id=attempt.task_id, here=THEIRS)
                draft.save()
                note_united(run, united, others, here=THEIRS)
                _note_words(draft, attempt.task_id, others)
                after = draft.snapshot.find_task(attempt.task_id)
                if before and after and before.write_scope != after.write_scope:
                    note_persons_scope(draft.snapshot, after)
        note_common(home, new)


def _commit(home: Path, base: str, texts: Mapping[str, str | None], at: int) -> str:
    files = {name: oid for name, oid in list_files(home, base).items() if name not in texts}
    with tempfile.TemporaryDirectory(prefix="mosaic-") as scratch:
        places = {
            name: Path(scratch, str(number))
            for number, (name, text) in enumerate(texts.items())
            if text is not None
        }
        for name, path in places.items():
            path.write_bytes((texts[name] or "").encode())
        ids = store_files(home, [*places.values()])
    files |= dict(zip(places, ids, strict=True))
    return commit_files(home, files, f"{MESSAGE}{at}", parent=base)


def _note_words(draft: Draft, task_id: str, others: Mapping[Path, Version]) -> None:
    """Note what people decided on the task: by that it is theirs, and not written by hand here."""
    from mosaic.text.decisions import read_decisions

    task = draft.snapshot.find_task(task_id)
    version = others.get(draft.layout.project / task.file) if task and task.file else None
    if version is None:
        return
    try:
        before, after = (
            [each.identity for each in read_decisions(text or "")]
            for text in (version.before, version.after)
        )
    except MissionError:
        return
    for entry in after:
        if entry not in before:
            note_decision(draft.snapshot, task_id, entry)
