"""Changing several files as one: an intent note first, so that a crash is settled later.

The note lists for every file its temporary file and the digests of old and new content:

    {"version": 1, "files": [{"target": "…", "temporary": "…", "old": null, "new": "<sha256>"}]}

It is written when every temporary file is complete, and removed when every rename is done.
Whoever takes the mission lock next goes through a note that is still there: what is not
yet renamed is renamed. A target that is neither old nor new was changed by somebody else
meanwhile; it is left alone and its temporary file dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import FileAccessError, MissionError
from mosaic.machine.disk import (
    TEMPORARY_SUFFIX,
    Signature,
    access_error,
    discard,
    find_bytes,
    prepare_file,
    refuse_changed,
    sync_folder,
    target_inside,
    write_private,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A file's new content. `expect` is what it looked like when read; None: it is new."""

    path: Path
    data: bytes
    expect: Signature | None
    mode: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Step:
    target: Path
    temporary: Path
    old: str | None
    new: str


def write_together(changes: Sequence[Change], *, intent: Path, root: Path) -> None:
    """Write several files; after a crash at any point `finish_intent` completes it.

    Args:
        changes: the files; none is replaced if anybody changed one since it was read.
        intent: path of the note.
        root: nothing outside this folder is written.

    Raises:
        FileChangedError: somebody changed one of them meanwhile; nothing was written.
        FileAccessError: one cannot be written; nothing was changed.
        PathOutsideError: one lies outside `root`.
    """
    steps: list[_Step] = []
    try:
        for change in changes:
            steps.append(_prepare(change, root))
        for change in changes:
            refuse_changed(change.path, change.expect)
        if len(steps) > 1:
            write_private(intent, _dump(steps), root=root)
    except BaseException:
        for step in steps:
            discard(step.temporary)
        raise
    try:
        for step in steps:
            os.rename(step.temporary, step.target)
        for folder in {step.target.parent for step in steps}:
            sync_folder(folder)
    except OSError as error:
        # With the note in place the next command goes on from here.
        raise access_error("the files cannot be written", steps[0].target, error) from None
    if len(steps) > 1:
        _remove_note(intent)


def finish_intent(intent: Path, *, root: Path) -> tuple[str, ...]:
    """Go through a note that an interrupted change left; call it under the mission lock.

    Returns:
        One line for each file that somebody else changed meanwhile, so that it was left alone.

    Raises:
        FileAccessError: a file cannot be renamed.
    """
    data = find_bytes(intent)
    if data is None:
        return ()
    try:
        steps = _parse(data, root)
    except (ValueError, KeyError, TypeError, AttributeError, MissionError):
        # The note itself is written atomically, so this is not our crash: keep it to look at.
        aside = intent.with_suffix(".broken")
        os.replace(intent, aside)
        return (f"`{intent.name}` could not be read; it is kept as `{aside.name}`",)
    left = [line for step in steps if (line := _finish(step))]
    for folder in {step.target.parent for step in steps}:
        sync_folder(folder)
    _remove_note(intent)
    return tuple(left)


def _prepare(change: Change, root: Path) -> _Step:
    target = target_inside(change.path, root)
    old = find_bytes(target)
    temporary = prepare_file(target, change.data, change.mode)
    return _Step(
        target=target,
        temporary=temporary,
        old=_digest(old) if old is not None else None,
        new=_digest(change.data),
    )


def _finish(step: _Step) -> str | None:
    prepared = find_bytes(step.temporary)
    now = find_bytes(step.target)
    digest = _digest(now) if now is not None else None
    if prepared is None or digest == step.new:
        discard(step.temporary)
        return None
    if digest == step.old and _digest(prepared) == step.new:
        try:
            os.rename(step.temporary, step.target)
        except OSError as error:
            raise access_error("the file cannot be written", step.target, error) from None
        return None
    discard(step.temporary)
    return f"`{step.target}` was changed by somebody else meanwhile, and left alone"


def _remove_note(intent: Path) -> None:
    try:
        os.unlink(intent)
        sync_folder(intent.parent)
    except OSError as error:
        raise access_error("the note cannot be removed", intent, error) from None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _dump(steps: Sequence[_Step]) -> bytes:
    files = [
        {
            "target": str(step.target),
            "temporary": step.temporary.name,
            "old": step.old,
            "new": step.new,
        }
        for step in steps
    ]
    return json.dumps({"version": FORMAT_VERSION, "files": files}, indent=1).encode()


def _parse(data: bytes, root: Path) -> list[_Step]:
    document: dict[str, Any] = json.loads(data)
    if document["version"] != FORMAT_VERSION:
        raise FileAccessError("the note is of another version")
    steps = []
    for item in document["files"]:
        target = target_inside(Path(item["target"]), root)
        name = str(item["temporary"])
        if os.sep in name or not name.endswith(TEMPORARY_SUFFIX):
            raise ValueError(name)
        steps.append(
            _Step(
                target=target,
                temporary=target.parent / name,
                old=item["old"],
                new=str(item["new"]),
            )
        )
    return steps
