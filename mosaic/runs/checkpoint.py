"""Checkpoints: what stood in the work tree at some moment of a run, to be rebuilt.

    checkpoints/0001.json    this record
    checkpoints/0001.patch   tree against base commit, to read and to carry elsewhere; a large
                             one is left out, and `patch_left_out` says how to make it
    checkpoints/0001.log     the end of what the run wrote until then
    checkpoints/0001.gate    the end of the last gate's output

The JSON is written last: without it there is no checkpoint. Numbers go on over all runs
of a task. The tree is kept in the store beside the repository, under `ref`.
"""

from __future__ import annotations

import contextlib
import os
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.codec import JsonForm, dump_record, load_record
from mosaic.errors import RecordError
from mosaic.git.diff import FileChange  # noqa: TC001 - the codec looks it up
from mosaic.git.left_out import PRIVATE, LeftOut
from mosaic.machine.disk import find_bytes
from mosaic.records import NamedTuple, dataclass
from mosaic.runs.record import LAYOUT_VERSION, Run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import FileName, JsonValue, ObjectId, Text

FILES_LISTED = 2000
"""More changed files than these are counted only; the patch has them all."""
PATHS_SHOWN = 5
RECORD_NAME = re.compile(r"\d+\.json")


class CheckpointType(StrEnum):
    """What a checkpoint holds."""

    SUMMARY = "summary"
    GIT_DIFF = "git_diff"
    LOG_TAIL = "log_tail"
    GATE_OUTPUT = "gate_output"


class Trigger(StrEnum):
    """Why a checkpoint was taken."""

    COMMAND = "command"
    INTERVAL = "interval"
    STOP = "stop"
    TIMEOUT = "timeout"
    END = "end"


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """One checkpoint's record."""

    json_form = JsonForm(version=LAYOUT_VERSION)
    seq: int
    types: tuple[str, ...]
    created_at: datetime
    trigger: str
    summary: Text
    task_id: str
    run_id: str
    note: Text = ""
    base_ref: str | None = None
    """The branch or commit that was asked for; None for the run's own base commit."""
    base_commit: ObjectId | None = None
    """What `patch` is against; None: against nothing."""
    head: ObjectId | None = None
    branch: str | None = None
    tree: ObjectId | None = None
    commit: ObjectId | None = None
    ref: str | None = None
    files: tuple[FileChange, ...] = ()
    files_total: int = 0
    stat: Text = ""
    patch: FileName | None = None
    """File names beside the record."""
    log_tail: FileName | None = None
    gate_output: FileName | None = None
    left_out: tuple[LeftOut, ...] = ()
    problem: Text | None = None
    """Why there is no tree in it."""
    patch_left_out: str | None = None
    """Why a patch beside it is missing, and the command that makes it."""


class FoundCheckpoint(NamedTuple):
    """A checkpoint and the run that it belongs to."""

    run: Run
    checkpoint: Checkpoint

    @property
    def patch(self) -> Path | None:
        """Where its patch is."""
        name = self.checkpoint.patch
        return self.run.checkpoints / name if name else None


class CheckpointRead(NamedTuple):
    """A task's checkpoints in their order, and those that cannot be read."""

    found: tuple[FoundCheckpoint, ...] = ()
    broken: tuple[RecordError, ...] = ()


def read_checkpoints(runs: Iterable[Run]) -> CheckpointRead:
    """Return the checkpoints of runs, by number; a broken one hides no other."""
    found: list[FoundCheckpoint] = []
    broken: list[RecordError] = []
    for run in runs:
        for path in sorted(run.checkpoints.glob("*.json")):
            try:
                found.append(FoundCheckpoint(run, read_checkpoint(path)))
            except RecordError as error:
                broken.append(error)
    found.sort(key=lambda each: each.checkpoint.seq)
    return CheckpointRead(tuple(found), tuple(broken))


def last_checkpoint(runs: Iterable[Run]) -> FoundCheckpoint | None:
    """Return the checkpoint with the highest number that can be read; only those files are."""
    numbered = [(seq, run, name) for run in runs for seq, name in _numbered(run)]
    for _, run, name in sorted(numbered, key=lambda each: each[0], reverse=True):
        with contextlib.suppress(RecordError):
            return FoundCheckpoint(run, read_checkpoint(run.checkpoints / name))
    return None


def _numbered(run: Run) -> list[tuple[int, str]]:
    try:
        names = os.listdir(run.checkpoints)
    except OSError:
        return []
    return [
        (int(name.removesuffix(".json")), name)
        for name in names
        if re.fullmatch(r"\d+\.json", name)
    ]


def last_seq(run: Run) -> int:
    """Return the number of a run's last checkpoint, readable or not; 0 when it has none."""
    return max((seq for seq, _ in _numbered(run)), default=0)


def checkpoint_event(checkpoint: Checkpoint) -> tuple[str, str, dict[str, JsonValue]]:
    """Return message, level and data of the event that a checkpoint makes."""
    data: dict[str, JsonValue] = {
        "seq": checkpoint.seq,
        "trigger": checkpoint.trigger,
        "types": list(checkpoint.types),
        "tree": checkpoint.tree,
        "commit": checkpoint.commit,
        "problem": checkpoint.problem,
    }
    level = "warn" if checkpoint.problem else "info"
    message = f"checkpoint {checkpoint.seq} {checkpoint.summary}"
    private = [f"`{each.path}`" for each in checkpoint.left_out if each.reason == PRIVATE]
    if private:
        message += f"; left out: {PRIVATE} {', '.join(private[:PATHS_SHOWN])}"
    return message, level, data


def read_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint's record; a RecordError where it is missing, broken, or too new."""
    return load_record(Checkpoint, find_bytes(path) or b"", path, what="a checkpoint")


def write_checkpoint(run: Run, checkpoint: Checkpoint) -> None:
    """Write one checkpoint's record; what belongs to it is written already."""
    run.write_json(f"checkpoints/{checkpoint.seq:04d}.json", dump_record(checkpoint))
