"""Resolving merges of the mission's files by task and field, and merging as git's driver."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.app.change import is_agent
from mosaic.errors import BrokenFileError, MissionError, UsageError
from mosaic.git.git import find_work_tree
from mosaic.git.stages import command_to_go_on, find_unmerged, read_stage, stage_resolved
from mosaic.machine.disk import find_text
from mosaic.machine.transaction import Change, write_together
from mosaic.model import Status
from mosaic.plan.statuses import named_status
from mosaic.records import NamedTuple
from mosaic.store.draft import holding
from mosaic.store.merge_files import Form, form_of, merge_file
from mosaic.store.mission_file import look_at_mission
from mosaic.store.renumber import find_twins
from mosaic.store.written import note_files
from mosaic.text.lines import conflict_sides, find_conflicts, split_lines
from mosaic.text.merge3 import OURS, THEIRS, Disagreement, Merger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mosaic.machine.signature import Signature
    from mosaic.store.layout import Layout


class Unmerged(NamedTuple):
    """One of the mission's files that holds, or waits for, a merge."""

    path: Path
    sides: tuple[str | None, ...]
    """Base, ours and theirs; None where the file was not there."""
    here: str | None
    """What stands in the work tree."""
    signature: Signature | None

    @property
    def edited_line(self) -> int | None:
        """The first line that neither side has, nor git wrote: somebody works on the file."""
        known = {line.rstrip() for side in self.sides for line in (side or "").split("\n")}
        marks = {
            number
            for each in find_conflicts(self.here or "")
            for number in (each.first, each.base, each.middle, each.last)
        }
        for number, line in enumerate(split_lines(self.here or ""), 1):
            if number not in marks and line.rstrip() not in known:
                return number
        return None


class ResolvedFile(NamedTuple):
    """What became of one file."""

    path: str
    resolved: bool
    why: str = ""
    """Why it was left as it is."""
    removed: bool = False


class Resolution(NamedTuple):
    """What was resolved, and what a person has to decide."""

    files: tuple[ResolvedFile, ...]
    open: tuple[Disagreement, ...]
    twins: tuple[str, ...] = ()
    """Ids that two tasks have now."""
    go_on: str | None = None
    """The command of git that finishes what is under way."""
    notices: tuple[str, ...] = ()


class _Merged(NamedTuple):
    file: Unmerged
    text: str | None
    merger: Merger


def resolve_conflicts(
    mission_file: Path,
    names: Sequence[Path] = (),
    answers: Mapping[str, str] | None = None,
    *,
    side: str | None = None,
    ask: Callable[[Sequence[Disagreement]], Mapping[str, str]] | None = None,
) -> Resolution:
    """Merge files that git left in conflict; write and stage those that nothing is open about.

    Args:
        mission_file: path of mission.json, which may be in conflict itself.
        names: only these files.
        answers: a side or a value by the name of a disagreement.
        side: decides about all other disagreements.
        ask: asks a person about what is open, before anything is locked.

    Raises UsageError where a name is not that of a disagreement or file, or a value cannot be.
    """
    layout = look_at_mission(mission_file).layout
    given = dict(answers or {})
    planned = _merge_all(layout, names, given, side)
    _refuse_unknown(given, planned)
    if ask is not None and (still_open := _open(planned)):
        given |= ask(still_open)
    given = {name: _checked(layout, name, value) for name, value in given.items()}
    with holding(layout, doing="resolving a merge") as notices:
        done = _merge_all(layout, names, given, side)
        _refuse_unused(given, done)
        _write(layout, done)
    top = find_work_tree(layout.project)
    still_open = _open(done)
    is_whole = not still_open and all(_left_because(each) is None for each in done)
    return Resolution(
        files=tuple(_result(layout, each) for each in done),
        open=still_open,
        twins=_twins(mission_file) if is_whole else (),
        go_on=command_to_go_on(top) if top and is_whole else None,
        notices=notices,
    )


def _merge_all(
    layout: Layout, names: Sequence[Path], answers: Mapping[str, str], side: str | None
) -> list[_Merged]:
    merged = []
    for file in _find_files(layout, names):
        merger = Merger(answers, side)
        text = file.here
        if _left_because_of(file) is None:
            name = file.path.name
            is_notes = file.path == layout.scratchpad_file
            texts = [each for each in file.sides if each is not None]
            form = Form.NOTES if is_notes else form_of(name, texts)
            text = merge_file(merger, form, name, file.sides)
        merged.append(_Merged(file, text, merger))
    return merged


def _find_files(layout: Layout, names: Sequence[Path]) -> list[Unmerged]:
    """Return the mission's files that git lists as not merged, or that hold its marks."""
    top = find_work_tree(layout.project)
    places = [*layout.own_files, layout.tasks_dir]
    listed = find_unmerged(top, places) if top else {}
    listed = {_as_named(layout, path): stages for path, stages in listed.items()}
    wanted = {_as_named(layout, Path(os.path.realpath(name))) for name in names}
    found: dict[Path, Unmerged] = {}
    for path in dict.fromkeys((*_own_paths(layout), *listed)):
        file = find_text(path)
        here, signature = (file.text, file.signature) if file else (None, None)
        if top is not None and path in listed:
            stages = listed[path]
            sides = tuple(None if e is None else _read_side(top, path, e) for e in stages)
        elif here is not None and find_conflicts(here):
            sides = (None, *(side.text for side in conflict_sides(here)))
        else:
            continue
        found[path] = Unmerged(path, sides, here, signature)
    if unknown := [each for each in wanted if each not in found]:
        raise UsageError(
            f"`{layout.shown(unknown[0])}` is not a file of the mission that waits for a merge",
            hint="`git status` shows what git has not merged; other files are for an editor",
        )
    return [file for path, file in found.items() if not wanted or path in wanted]


def _as_named(layout: Layout, path: Path) -> Path:
    """Return a real path as the mission's layout has it."""
    for named in (*layout.own_files, layout.tasks_dir / path.name):
        if os.path.realpath(named) == str(path):
            return named
    return path


def _read_side(top: Path, path: Path, object_id: str) -> str:
    try:
        return read_stage(top, path, object_id).decode()
    except UnicodeDecodeError:
        raise BrokenFileError(
            "one side of the merge is not UTF-8", path=path, hint="resolve it in an editor"
        ) from None


def _own_paths(layout: Layout) -> Iterator[Path]:
    yield from layout.own_files
    try:
        yield from sorted(each for each in layout.tasks_dir.iterdir() if each.suffix == ".md")
    except OSError:
        return


def _left_because_of(file: Unmerged) -> str | None:
    """Say why a file is not touched; None where it can be merged."""
    if file.here is None or file.sides[1] is None or file.sides[2] is None:
        return None
    if file.here == file.sides[1]:
        return None
    if not find_conflicts(file.here):
        return "it holds no marks of git any more; `git add` it when it is as it should be"
    if line := file.edited_line:
        return (
            f"line {line} was written after the merge; finish it in an editor and `git add` it, or "
            "put the merge back as git made it: `git checkout --merge -- FILE`"
        )
    return None


def _left_because(merged: _Merged) -> str | None:
    return _left_because_of(merged.file)


def _open(merged: Sequence[_Merged]) -> tuple[Disagreement, ...]:
    """Return what nothing decides, each by its name once: a row and a file may disagree alike."""
    found = {each.name: each for one in reversed(merged) for each in reversed(one.merger.open)}
    return tuple(reversed(found.values()))


def _refuse_unknown(answers: Mapping[str, str], merged: Sequence[_Merged]) -> None:
    known = {name for each in merged for name in each.merger.asked}
    for name in answers:
        if name not in known:
            names = ", ".join(f"`{each}`" for each in known)
            raise UsageError(
                f"nothing disagrees about `{name}`",
                detail=f"open: {names}" if names else None,
                hint="`mission resolve` shows what does",
            )


def _checked(layout: Layout, name: str, value: str) -> str:
    """Return an answer as it counts: an agent's `done` is `review`, as everywhere."""
    if not name.endswith(".status") or value in (OURS, THEIRS):
        return value
    status = named_status(value, {})
    is_asking = status is Status.DONE and is_agent(None, layout)
    return Status.REVIEW.value if is_asking else value


def _refuse_unused(answers: Mapping[str, str], merged: Sequence[_Merged]) -> None:
    for each in _open(merged):
        if each.name in answers:
            raise UsageError(
                f"`{each.name}` takes no value of its own",
                hint=f"`{each.name}={OURS}` or `{each.name}={THEIRS}`; or write it in an editor",
            )


def _write(layout: Layout, merged: Sequence[_Merged]) -> None:
    """Write and stage what is wholly merged."""
    whole = [each for each in merged if not each.merger.open and _left_because(each) is None]
    changes = [
        Change(
            path=each.file.path,
            data=None if each.text is None else each.text.encode(),
            expect=each.file.signature,
        )
        for each in whole
        if each.text != each.file.here
    ]
    if changes:
        write_together(
            changes, intent=layout.intent_file, root=layout.project, also=layout.other_folders
        )
        note_files(layout, [change.path for change in changes])
    top = find_work_tree(layout.project)
    if top is not None and whole:
        stage_resolved(top, [each.file.path for each in whole])


def _result(layout: Layout, merged: _Merged) -> ResolvedFile:
    path, why = layout.shown(merged.file.path), _left_because(merged)
    if why is None and merged.merger.open:
        count = len(merged.merger.open)
        why = f"{count} disagreement{'s' if count > 1 else ''}"
    return ResolvedFile(path, why is None, (why or "").replace("FILE", path), merged.text is None)


def _twins(mission_file: Path) -> tuple[str, ...]:
    try:
        return find_twins(mission_file)
    except MissionError:
        return ()
