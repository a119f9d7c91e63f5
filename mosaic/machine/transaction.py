"""Several files written as one, and settled after a crash.

First every new content stands on disk in a temporary file beside its target, then an
intent note is written, and only then are the temporary files renamed over their
targets. The next process that takes the mission lock calls `finish_intent`: a note that it finds
is what a crash left, and the change is carried through or dropped as a whole. Nothing
here looks at what the files mean.

The note (JSON; targets relative to the root that was given, temporary files beside them;
`old_sha256` is null where there was no file, `temporary` and `new_sha256` where it is removed):

    {"version": 1, "files": [{"target": "coordination/TASKS.md",
      "temporary": ".0123456789abcdef-set.mission-tmp",
      "old_sha256": "…", "new_sha256": "…"}]}
"""

from __future__ import annotations

import contextlib
import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.codec import parse_json
from mosaic.errors import FileAccessError, FileChangedError
from mosaic.machine.disk import digest, find_bytes, find_signed, state_of, write_private
from mosaic.machine.paths import is_inside
from mosaic.machine.signature import (
    Expected,
    Signature,
    access_error,
    expect_unchanged,
    find_signature,
)
from mosaic.machine.staging import (
    discard,
    exchange,
    is_set_temporary,
    rename_to_free,
    resolve_target,
    stage,
    sync_folder,
    temporary_beside,
)
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One file of a set that is written as one; `expect` and `mode` are as for `write_atomic`."""

    path: Path
    data: bytes | None
    """The new content; None removes the file."""
    expect: Signature | Expected | None = Expected.ANYTHING
    mode: int | None = None
    needs_all: bool = False
    """It says what those before it hold, and is not written where one was left as edited."""


class Settled(StrEnum):
    """What became of one file of an interrupted change."""

    ALREADY_WRITTEN = "already-written"  # before the crash
    WRITTEN = "written"  # now
    # Nothing of the change had been written, so none of it was: the old content stands.
    DROPPED = "dropped"
    # Someone edited it since; their content stands, the change to it is lost.
    LEFT_EDITED = "left-edited"
    # The new content is gone: the old one stands although other files are new.
    LOST = "lost"
    # The note itself is broken; it was moved aside to this path, no file was touched.
    NOTE_UNREADABLE = "note-unreadable"

    @property
    def needs_a_look(self) -> bool:
        """Whether the user should be told: files that belong together may disagree."""
        return self in (Settled.LEFT_EDITED, Settled.LOST, Settled.NOTE_UNREADABLE)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedFile:
    """One file of a set: what it held, and where the new content waits."""

    target: Path
    temporary: Path | None
    old_sha256: str | None
    new_sha256: str | None
    read_at: Signature | None = None
    needs_all: bool = False

    def carry_out(self) -> None:
        """Replace or remove the target.

        FileChangedError: somebody edited it in this very moment; it is left as they made it.
        """
        if self.temporary is None:
            os.unlink(self.target)
            return
        try:
            if self.old_sha256 is None:
                rename_to_free(self.temporary, self.target)
            elif not exchange(self.temporary, self.target):
                os.rename(self.temporary, self.target)
        except (FileExistsError, FileNotFoundError) as error:
            if not os.path.lexists(self.temporary):
                raise
            is_gone = isinstance(error, FileNotFoundError)
            raise FileChangedError(self.target, gone=is_gone, appeared=not is_gone) from None
        if self.put_back_edit():
            raise FileChangedError(self.target)

    def put_back_edit(self) -> bool:
        """Undo an exchange that took away what somebody had edited; tell whether it had."""
        known = (None, self.old_sha256, self.new_sha256)
        if self.temporary is None or state_of(self.temporary) in known:
            return False
        exchange(self.temporary, self.target)
        if state_of(self.temporary) != self.new_sha256:
            exchange(self.temporary, self.target)  # edited once more meanwhile: that stands
        return True


def write_together(
    changes: Sequence[Change], *, intent: Path, root: Path | str, also: Sequence[Path] = ()
) -> dict[Path, Signature | None]:
    """Write several files so that a crash leaves all old or, once settled, all new.

    Call it under the mission lock. Files whose content would not change are left alone.
    Whatever is expected of a file, it must not change while this runs: also an edit in the
    very moment of writing is noticed and stands, where the system can (see `exchange`).

    Args:
        intent: where the note stands meanwhile; its folder must exist.
        root: folder that every real target must lie in, or in one of `also`.

    Returns the signature that each path as given has now, None when it is gone.

    Raises:
        FileChangedError: a file is not what was expected. Nothing was written; or the others
            were, where it was edited in the very moment of writing. The error says which.
        FileAccessError: not permitted, disk full. Nothing was written, or the note still stands
            and the next `finish_intent` carries the change through. The error says which.
    """
    if os.path.lexists(intent):
        raise FileAccessError(
            "an earlier change was not finished", path=intent, hint="`mission check` finishes it"
        )
    targets = _resolve_all(changes, root, also)
    planned: list[PlannedFile] = []
    try:
        for change, target in zip(changes, targets, strict=True):
            found, read_at = find_signed(target) or (None, None)
            if change.expect not in (Expected.ANYTHING, read_at):
                expect_unchanged(target, change.expect)
            if change.data != found:
                planned.append(_prepare(change, target, found, read_at))
        if planned:
            _commit(planned, intent, root)
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
) -> dict[Path, Settled]:
    """Settle a change that a crash interrupted, if there is one, and say what became of each file.

    Call it under the mission lock. When nothing of the change was written and someone edited a
    file since, or new content is gone, all of it is dropped. Else it is carried through, but a
    file that someone edited since is left as it is.

    Args:
        is_own_file: tells of a real path whether such a change may name it; a note that names
            any other file is moved aside unread.

    Raises:
        FileAccessError: the change cannot be carried through now; the note still stands.
    """
    try:
        note = find_bytes(intent)
        planned = [] if note is None else parse_note(note, root, is_own_file, also)
    except (FileAccessError, ValueError):
        aside = intent.with_name(f"{intent.name}.broken-{os.urandom(4).hex()}")
        try:
            os.rename(intent, aside)
        except OSError as error:
            raise access_error("moved aside", intent, error) from error
        return {aside: Settled.NOTE_UNREADABLE}
    if note is None:
        return {}
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
    return {plan.target: outcome for plan, outcome in zip(planned, settled, strict=True)}


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


def _prepare(
    change: Change, target: Path, old: bytes | None, read_at: Signature | None
) -> PlannedFile:
    temporary = None
    if change.data is not None:
        temporary = temporary_beside(target, in_set=True)
        os.close(stage(target, temporary, change.data, mode=change.mode))
    return PlannedFile(
        target=target,
        temporary=temporary,
        old_sha256=digest(old),
        new_sha256=digest(change.data),
        read_at=read_at,
        needs_all=change.needs_all,
    )


def _commit(planned: Sequence[PlannedFile], intent: Path, root: Path | str) -> None:
    _sync_folders(planned)
    written = 0
    edited: list[Path] = []
    try:
        write_private(intent, dump_note(planned, root), root=intent.parent, expect=None)
        for plan in planned:
            expect_unchanged(plan.target, plan.read_at)
        for plan in planned:
            if edited and plan.needs_all:
                continue
            try:
                expect_unchanged(plan.target, plan.read_at)
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
    path = error.filename2 or error.filename or intent
    fault = access_error("written", path, error, state="" if is_begun else "nothing was changed")
    if not is_begun:
        return fault
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
    return first if is_begun or is_whole else [Settled.DROPPED] * len(first)


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
        discard(plan.temporary)


def dump_note(planned: Iterable[PlannedFile], root: Path | str) -> bytes:
    """Return the note for `planned`."""
    base = os.path.realpath(root)
    files = [
        {
            "target": os.path.relpath(plan.target, base),
            "temporary": plan.temporary.name if plan.temporary else None,
            "old_sha256": plan.old_sha256,
            "new_sha256": plan.new_sha256,
        }
        for plan in planned
    ]
    return (json.dumps({"version": 1, "files": files}, indent=2) + "\n").encode()


def parse_note(
    data: bytes, root: Path | str, is_own_file: Callable[[Path], bool], also: Sequence[Path] = ()
) -> list[PlannedFile]:
    """Read a note; it is not trusted: it names only files of ours and our temporaries.

    ValueError: it cannot be a note of this version, or names a file that is not ours.
    """
    try:
        note = parse_json(data)
        if note["version"] != 1:
            raise ValueError("unknown version")
        roots = [os.path.realpath(each) for each in (root, *also)]
        planned = [_parse_file(entry, roots) for entry in note["files"]]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("not an intent note") from error
    if not all(is_own_file(plan.target) for plan in planned):
        raise ValueError("it names a file that is not ours")
    return planned


def _parse_file(entry: Mapping[str, object], roots: Sequence[str]) -> PlannedFile:
    target, temporary = entry["target"], entry["temporary"]
    old, new = entry["old_sha256"], entry["new_sha256"]
    if not isinstance(target, str) or not Path(target).name or Path(target).name == "..":
        raise ValueError("no target")
    if not (isinstance(old, str | None) and isinstance(new, str | None)):
        raise TypeError("no digest")
    folder = Path(os.path.realpath(os.path.join(roots[0], os.path.dirname(target))))
    if not any(is_inside(root, str(folder)) for root in roots):
        raise ValueError("outside of all folders")
    if temporary is None and new is None:
        beside = None
    elif isinstance(temporary, str) and new is not None and is_set_temporary(temporary):
        beside = folder / temporary
    else:
        raise ValueError("not our temporary file")
    return PlannedFile(
        target=folder / Path(target).name, temporary=beside, old_sha256=old, new_sha256=new
    )
