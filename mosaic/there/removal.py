"""What is kept on this machine of attempts that are over, or never began, removed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mosaic.errors import HeldError, MissionError
from mosaic.executors import executor_of
from mosaic.git.claims import release_claim
from mosaic.machine.lock import hold_folder, is_folder_held
from mosaic.machine.paths import safe_segment
from mosaic.machine.removing import remove_folder
from mosaic.remote.hub import forget_refs
from mosaic.there.parts import remove_parts
from mosaic.there.receive import (
    TURN_SECONDS,
    Attempt,
    claim_of,
    find_attempt,
    get_attempt,
    place_of,
    remote_of,
    remove_attempt,
    repo_of,
    run_at,
    top_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.there import Asked


def drop(asked: Asked) -> None:
    """Remove an attempt that is over and was brought home, or never began; free its task."""
    place = place_of(asked)
    mission_dir = place.parent.parent
    if find_attempt(place) is None:
        with contextlib.suppress(HeldError):  # then it is just being taken in
            if place.is_dir():
                with hold_folder(place):
                    remove_folder(place.parent, place)
        asked.answer(dropped=False)
        return
    # Both: nobody may begin it, and nobody may take in another, in between.
    with (
        hold_folder(place, wait_seconds=TURN_SECONDS),
        hold_folder(mission_dir, wait_seconds=TURN_SECONDS),
    ):
        attempt = get_attempt(asked)
        is_at_work = attempt.went and is_folder_held(run_at(place, attempt).dir)
        if is_at_work or (attempt.went and not asked.values.get("brought_home")):
            asked.answer(dropped=False, went=True)
            return
        if attempt.went:
            executor_of(run_at(place, attempt)).close()  # the pane that it ended in
        _forget(place, attempt)
    asked.answer(dropped=True, unbegun=_unbegun_in(mission_dir))


def tell_unbegun(asked: Asked) -> None:
    """Answer with the attempts of a mission that were sent and never told to begin."""
    remove_parts(asked.folder)
    mission = safe_segment(str(asked.values["mission"]))
    asked.answer(unbegun=_unbegun_in(asked.folder / "missions" / mission))


def _unbegun_in(mission_dir: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for noted in sorted(mission_dir.glob("runs/*/work.json")):
        with contextlib.suppress(MissionError):  # one that cannot be read is left to people
            each = find_attempt(noted.parent)
            if each is not None and not (each.went or each.carrier):
                where = {"mission": each.mission, "run": each.run_id, "token": each.token}
                found.append({**where, "task": each.task_id})
    return found


def sweep(asked: Asked) -> None:
    """Remove what is kept for a mission beside attempts, where no attempt at it is left."""
    folder = asked.folder / "missions" / safe_segment(str(asked.values["mission"]))
    removed = False
    if folder.is_dir():
        with hold_folder(folder, wait_seconds=TURN_SECONDS):
            if not any(folder.glob("runs/*")):
                remove_folder(folder.parent, folder)
                removed = True
    asked.answer(removed=removed)


def _forget(place: Path, attempt: Attempt) -> None:
    repo = repo_of(place)
    if (repo / "HEAD").exists():  # else it was cut off before
        with contextlib.suppress(HeldError):  # another attempt has it by now
            release_claim(top_of(place), remote_of(place, attempt), claim_of(place, attempt))
        if attempt.hub:
            forget_refs(repo, attempt.hub, attempt.run_id)
    remove_attempt(place, attempt.run_id)
