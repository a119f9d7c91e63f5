"""Several files written as one, and settled after a crash.

First every new content stands on disk in a temporary file beside its target, then an
intent note is written, and only then are the temporary files renamed over their
targets. The next process that takes the mission lock calls `finish_intent`: a note that it finds
is what a crash left, and the change is carried through or dropped as a whole. Nothing
here looks at what the files mean.
"""

from __future__ import annotations

import contextlib
import os
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError, FileChangedError, PathOutsideError
from mosaic.machine.disk import PRIVATE_FILE, find_bytes, find_signed, write_atomic
from mosaic.machine.intent import PlannedFile, digest, dump_note, parse_note, state_of
from mosaic.machine.signature import (
    Expected,
    Signature,
    access_error,
    expect_unchanged,
    find_signature,
)
from mosaic.machine.staging import (
    discard,
    resolve_target,
    stage,
    sync_folder,
    temporary_beside,
)
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One file of a set that is written as one."""

    path: Path
    data: bytes | None
    """The new content; None removes the file."""
    expect: Signature | Expected | None = Expected.ANYTHING
    """As `write_atomic`."""
    mode: int | None = None
    """As `write_atomic`."""


class Settled(StrEnum):
    """What became of one file of an interrupted change."""

    ALREADY_WRITTEN = "already-written"
    """It had been written before the crash."""
    WRITTEN = "written"
    """It was written now."""
    DROPPED = "dropped"
    """Nothing of the change had been written, so none of it was: the old content stands."""
    LEFT_EDITED = "left-edited"
    """Someone edited it since; their content stands, the change to it is lost."""
    LOST = "lost"
    """The new content is gone: the old one stands although other files are new."""
    NOTE_UNREADABLE = "note-unreadable"
    """The note itself is broken; it was moved aside to this path, no file was touched."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IntentOutcome:
    """How one file of an interrupted change was settled."""

    path: Path
    settled: Settled

    @property
    def needs_a_look(self) -> bool:
        """Whether the user should be told: files that belong together may disagree."""
        return self.settled in (Settled.LEFT_EDITED, Settled.LOST, Settled.NOTE_UNREADABLE)


def write_together(
    changes: Sequence[Change], *, intent: Path, root: Path | str, also: Sequence[Path] = ()
) -> dict[Path, Signature | None]:
    """Write several files so that a crash leaves all old or, once settled, all new.

    Call it under the mission lock. Files whose content would not change are left alone.
    Whatever is expected of a file, it must not change while this runs: also an edit in the
    very moment of writing is noticed and stands, where the system can (see
    `mosaic.machine.intent`).

    Args:
        intent: where the note stands meanwhile; its folder must exist.
        root: folder that every real target must lie in.

    Returns:
        For each path as given: the signature it has now, None when it is gone.

    Raises:
        FileChangedError: a file is not what was expected. Nothing was written, but for
            an edit in the very moment of writing, where the error tells so.
        FileAccessError: not permitted, disk full. Nothing was written, or the note still
            stands and the next `finish_intent` carries the change through; the error says
            which.
        PathOutsideError: a target lies outside of all these folders.
    """
    if os.path.lexists(intent):
        raise FileAccessError(
            "an earlier change was not finished",
            path=intent,
            hint="`mission check` finishes it",
        )
    targets = _resolve_all(changes, root, also)
    planned: list[PlannedFile] = []
    read_at: dict[Path, Signature | None] = {}
    try:
        for change, target in zip(changes, targets, strict=True):
            found, read_at[target] = find_signed(target) or (None, None)
            if change.expect not in (Expected.ANYTHING, read_at[target]):
                expect_unchanged(target, change.expect)
            if change.data != found:
                planned.append(_prepare(change, target, found))
        if planned:
            _commit(planned, read_at, intent, root)
    except BaseException as error:
        # While the note stands, the temporary files are what it is carried through with.
        is_begun = os.path.lexists(intent)
        if not is_begun:
            _discard(planned)
        refusal = error.__cause__ if isinstance(error, FileAccessError) else error
        if isinstance(refusal, OSError):
            raise _refused(refusal, intent, is_begun=is_begun) from error
        raise
    return {
        change.path: find_signature(target) for change, target in zip(changes, targets, strict=True)
    }


def finish_intent(
    intent: Path,
    *,
    root: Path | str,
    is_own_file: Callable[[Path], bool],
    also: Sequence[Path] = (),
) -> list[IntentOutcome]:
    """Settle a change that a crash interrupted; call it under the mission lock.

    When nothing of the change was written and someone edited a file since, or new
    content is gone, all of it is dropped. Else it is carried through, but a file that
    someone edited since is left as it is.

    Args:
        intent: where the note would stand.
        is_own_file: tells of a real path whether such a change may name it; a note that names
            any other file is moved aside unread.

    Returns:
        What became of each file; empty when there is no note.

    Raises:
        FileAccessError: the change cannot be carried through now; the note still stands.
    """
    try:
        note = find_bytes(intent)
        planned = [] if note is None else parse_note(note, root, is_own_file, also)
    except (FileAccessError, PathOutsideError, ValueError):
        return [IntentOutcome(path=_move_aside(intent), settled=Settled.NOTE_UNREADABLE)]
    if note is None:
        return []
    try:
        for plan in planned:
            if state_of(plan.target) == plan.new_sha256:
                plan.put_back_edit()
        settled = _judge(planned)
        for number, plan in enumerate(planned):
            if settled[number] is Settled.WRITTEN:
                try:
                    plan.carry_out()
                except FileChangedError:
                    settled[number] = Settled.LEFT_EDITED
        _sync_folders(planned)
        _remove_note(intent)
    except OSError as error:
        raise _refused(error, intent, is_begun=True) from error
    _discard(planned)
    return [
        IntentOutcome(path=plan.target, settled=outcome)
        for plan, outcome in zip(planned, settled, strict=True)
    ]


def _resolve_all(changes: Sequence[Change], root: Path | str, also: Sequence[Path]) -> list[Path]:
    targets: list[Path] = []
    for change in changes:
        target = resolve_target(change.path, root=root, also=also)
        if target in targets:
            raise FileAccessError(
                f"`{change.path}` is to be written twice at once",
                path=change.path,
                detail="two of the mission's files are one and the same",
            )
        targets.append(target)
    return targets


def _prepare(change: Change, target: Path, old: bytes | None) -> PlannedFile:
    temporary = None
    if change.data is not None:
        temporary = temporary_beside(target, in_set=True)
        os.close(stage(target, temporary, change.data, mode=change.mode))
    return PlannedFile(
        target=target,
        temporary=temporary,
        old_sha256=digest(old),
        new_sha256=digest(change.data),
    )


def _commit(
    planned: Sequence[PlannedFile],
    read_at: Mapping[Path, Signature | None],
    intent: Path,
    root: Path | str,
) -> None:
    _sync_folders(planned)
    written = 0
    edited: list[Path] = []
    try:
        write_atomic(
            intent, dump_note(planned, root), root=intent.parent, mode=PRIVATE_FILE, expect=None
        )
        for plan in planned:
            expect_unchanged(plan.target, read_at[plan.target])
        for plan in planned:
            try:
                expect_unchanged(plan.target, read_at[plan.target])
                plan.carry_out()
            except FileChangedError:
                if not written:
                    raise
                edited.append(plan.target)
                continue
            written += 1
    except Exception:
        if not written and os.path.lexists(intent):
            _remove_note(intent)
        raise
    _sync_folders(planned)
    _remove_note(intent)
    _discard(planned)
    if edited:
        raise FileChangedError(edited[0], written="it was left as it is, the others were written")


def _refused(error: OSError, intent: Path, *, is_begun: bool) -> FileAccessError:
    """Say what the system refused, and whether anything of the change is on the disk."""
    path = error.filename2 or error.filename or intent
    if not is_begun:
        return access_error("written", path, error, state="nothing was changed")
    fault = access_error("written", path, error)
    return FileAccessError(
        "a change was begun and could not be completed",
        path=path,
        detail=f"{fault.detail}; the next command that changes the mission completes it",
        hint="make room or mend the disk, then `mission sync` completes it; "
        "do not run the same command again",
    )


def _judge(planned: Sequence[PlannedFile]) -> list[Settled]:
    """Decide what becomes of each file of an interrupted change; changes nothing."""
    first: list[Settled] = []
    for plan in planned:
        now = state_of(plan.target)
        if now == plan.new_sha256:
            first.append(Settled.ALREADY_WRITTEN)
        elif now != plan.old_sha256:
            first.append(Settled.LEFT_EDITED)
        elif plan.temporary is None or state_of(plan.temporary) == plan.new_sha256:
            first.append(Settled.WRITTEN)
        else:
            first.append(Settled.LOST)
    is_begun = Settled.ALREADY_WRITTEN in first
    is_whole = not {Settled.LEFT_EDITED, Settled.LOST} & set(first)
    if is_begun or is_whole:
        return first
    return [Settled.DROPPED] * len(first)


def _move_aside(intent: Path) -> Path:
    aside = intent.with_name(f"{intent.name}.broken-{os.urandom(4).hex()}")
    try:
        os.rename(intent, aside)
    except OSError as error:
        raise access_error("moved aside", intent, error) from error
    return aside


def _remove_note(intent: Path) -> None:
    os.unlink(intent)
    # One that a power failure brings back speaks of what is written already.
    with contextlib.suppress(OSError):
        sync_folder(intent.parent)


def _sync_folders(planned: Iterable[PlannedFile]) -> None:
    for folder in {plan.target.parent for plan in planned}:
        # A folder that is gone takes its files along: there is nothing to make durable.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            sync_folder(folder)


def _discard(planned: Iterable[PlannedFile]) -> None:
    for plan in planned:
        if plan.temporary is not None:
            discard(plan.temporary)
