"""A hub: a git remote that this machine and those that carry runs reach, and nothing else.

    refs/mosaic/claims/MISSION/TASK       who has the task, and who carries it (`git.claims`)
    refs/mosaic/runs/RUN/head, work, tree what the work begins from
    refs/mosaic/runs/RUN/parcel           what else is sent, as files of a commit, and order.json
    refs/mosaic/runs/RUN/stop, now        a person's wish that it be stopped, or killed
    refs/mosaic/runs/RUN/branch, record … what it brings while it works, and `end` its work tree
    refs/mosaic/runs/RUN/ended            how it ended, as ended.json; nothing comes after it

Variables are in none of them: whoever asks a machine to carry a run gives it those.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import FailedError, GitError, HeldError
from mosaic.git.checkpoint_store import OUR_REFS
from mosaic.git.claims import claim_ref, find_claim, read_claim, release_claim, take_claim
from mosaic.git.file_trees import commit_files, list_files, read_files, store_files
from mosaic.git.remote_refs import list_refs, push_refs
from mosaic.machine.paths import confined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mosaic.git.claims import Claim

RUN_REFS = f"{OUR_REFS}/runs"
PARCEL, STOP, NOW, ENDED = "parcel", "stop", "now", "ended"
SENT = ("head", "work", "tree", PARCEL, STOP, NOW)
"""The refs of a run that this side makes."""
TRIES = 5
ORDER_NAME, ENDED_NAME = "order.json", "ended.json"


def run_ref(run_id: str, name: str) -> str:
    """Return a ref of a run."""
    return f"{RUN_REFS}/{run_id}/{name}"


def write_values(
    top: Path,
    name: str,
    values: Mapping[str, Any],
    files: Iterable[tuple[str, bytes]] = (),
    message: str = "What is sent",
) -> str:
    """Write values as a JSON file of a commit, beside other files, and return the commit."""
    named = [*files, (name, json.dumps(values, indent=2).encode())]
    with tempfile.TemporaryDirectory(prefix="mosaic-") as scratch:
        places = [Path(scratch, str(number)) for number in range(len(named))]
        for place, (_, data) in zip(places, named, strict=True):
            place.write_bytes(data)
        ids = store_files(top, places)
    return commit_files(top, dict(zip((each for each, _ in named), ids, strict=True)), message)


def read_values(top: Path, commit: str, name: str) -> dict[str, Any]:
    """Return the values that a commit has in a JSON file; a FailedError where it has none."""
    found = list_files(top, commit)
    if name not in found:
        raise FailedError(f"commit `{commit}` has no `{name}`")
    ((_, data),) = read_files(top, {name: found[name]})
    try:
        return dict(json.loads(data))
    except ValueError as error:
        raise FailedError(f"`{name}` of commit `{commit}` is broken", detail=str(error)) from None


def unpack(top: Path, parcel: str, folder: Path) -> dict[str, Any]:
    """Write the files of a parcel below a folder, and return its order."""
    files = {name: oid for name, oid in list_files(top, parcel).items() if name != ORDER_NAME}
    for name, data in read_files(top, files):
        place = confined(folder, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return read_values(top, parcel, ORDER_NAME)


class HubRun:
    """A run as the hub has it, looked at from where it was sent."""

    def __init__(self, top: Path, hub: str, run_id: str, task_id: str, project: str) -> None:
        self.top = top
        self.hub = hub
        self.run_id = run_id
        self._task_id = task_id
        self._project = project

    def seen_in(self, top: Path) -> HubRun:
        """Return the same run, looked at from another repository, which what is fetched goes to."""
        return HubRun(top, self.hub, self.run_id, self._task_id, self._project)

    def send(self, commits: Mapping[str, str]) -> None:
        """Push commits as refs of the run, by name."""
        push_refs(self.top, self.hub, self._specs(commits))

    def claim(self, token: str, by: str, over: Iterable[str] | None, parcel: str) -> Claim:
        """Take the task, and send the parcel with that; over attempts of some tokens, or any.

        HeldError: another attempt has it; nothing was sent.
        """
        found = self.find_claim()
        is_over = over is None or (found is not None and found.token in over)
        return take_claim(
            self.top,
            self.hub,
            self._task_id,
            token=token,
            by=by,
            mission=self._project,
            over=found if is_over else None,
            refs=self._specs({PARCEL: parcel}),
        )

    def find_claim(self) -> Claim | None:
        """Return who has the task."""
        return find_claim(self.top, self.hub, self._task_id, self._project)

    def look(self, known: Claim | None) -> tuple[dict[str, str], Claim | None]:
        """Return what the hub has of the run, commits by name, and who has the task.

        `known` is the claim as it was seen last.
        """
        prefix, ref = run_ref(self.run_id, ""), claim_ref(self._task_id, self._project)
        found = list_refs(self.top, self.hub, f"{prefix}*", ref)
        commit, claim = found.pop(ref, None), known
        refs = {name.removeprefix(prefix): each for name, each in found.items()}
        if commit is None:
            claim = None
        elif known is None or known.commit != commit:
            claim = read_claim(self.top, self.hub, self._task_id, commit, self._project)
        return refs, claim

    def wish_stop(self, *, now: bool, commit: str) -> None:
        """Leave word for who carries the run; `commit` is one that the hub has."""
        self.send({NOW if now else STOP: commit})

    def withdraw(self, token: str) -> bool:
        """Take the claim of an attempt away that nobody carries; tell whether nobody ever will."""
        claim = self.find_claim()
        if claim is None or claim.token != token:
            return True
        if claim.carrier:
            return False
        try:
            release_claim(self.top, self.hub, claim)
        except HeldError:
            return False  # somebody began just now
        return True

    def give_up(self, token: str) -> None:
        """Take the claim of an attempt away, whoever carries it: it can push nothing any more."""
        for left in reversed(range(TRIES)):
            claim = self.find_claim()
            if claim is None or claim.token != token:
                return
            try:
                release_claim(self.top, self.hub, claim)
            except (GitError, HeldError):  # its carrier may have renewed it meanwhile
                if not left:
                    raise

    def remove(self, token: str) -> None:
        """Remove everything of the run, and its claim."""
        self.give_up(token)
        forget_refs(self.top, self.hub, self.run_id)

    def _specs(self, commits: Mapping[str, str]) -> list[str]:
        return [f"+{oid}:{run_ref(self.run_id, name)}" for name, oid in commits.items()]


def forget_refs(top: Path, hub: str, run_id: str) -> None:
    """Remove what a hub has of a run, but for its claim."""
    if gone := list_refs(top, hub, f"{run_ref(run_id, '')}*"):
        push_refs(top, hub, [f":{name}" for name in gone])
