"""Find a mission and read it whole: the entrance that every command uses."""

from __future__ import annotations

import os
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic import __version__
from mosaic.errors import MissionError, MissionNotFoundError, TaskNotFoundError, UsageError
from mosaic.machine.disk import find_bytes, find_signed, read_text
from mosaic.machine.person import person_dir
from mosaic.store.allowance import note_named, refuse_other_owner
from mosaic.store.assemble import build_entry, build_snapshot
from mosaic.store.index import (
    dump_index,
    find_records,
    find_tasks,
    is_settled,
    is_sound,
    pack_signature,
    parse_index,
    split_signatures,
)
from mosaic.store.layout import MISSION_PLACES, WORK, WORKTREES
from mosaic.store.mission_file import load_mission, look_at_mission
from mosaic.store.scan import Scan, list_files, look_at, scan_listed
from mosaic.store.session_entries import refuse_ended_session
from mosaic.store.state import is_marked, save_cache
from mosaic.store.sync import parse_base
from mosaic.store.tasks import Snapshot
from mosaic.text.lines import refuse_conflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.model import Task
    from mosaic.store.index import FoundTasks, Index
    from mosaic.store.layout import Layout
    from mosaic.store.mission_file import MissionDocument
    from mosaic.store.scan import Listing
    from mosaic.store.sync import Base, Side
    from mosaic.store.tasks import Entry


LARGEST_INDEX = 1 << 30
MOST_TRIES = 5


def locate_mission(named: Path | None) -> Path:
    """Return the path of the mission.json that a command is about."""
    if named is None and os.environ.get("MISSION_FILE"):
        named = Path(os.environ["MISSION_FILE"])
    return _settled(named_mission_file(named) if named is not None else _find_mission_file())


def locate_for_agent(named: Path) -> Path:
    """Return the mission.json that an agent names by itself, or by a folder of its project.

    No person named it, so one of another user is refused.
    """
    if named.is_dir():
        return _settled(_find_mission_file(named))
    if not named.is_file():
        raise UsageError(f"there is no folder `{named}`", hint="name the project by its whole path")
    refuse_other_owner(named)
    return _settled(named)


def _settled(found: Path) -> Path:
    if found.parent.name != MISSION_PLACES[1][-2]:
        return found
    from mosaic.store.migrate import finish_migration  # start-up: the older place alone needs it

    return finish_migration(found)


def locate_to_change(named: Path | None, *, in_conflict: bool = False) -> Path:
    """Return the mission.json that a command changes something of.

    Raises MergeConflictError where git left it in conflict, unless that is what is changed.
    """
    path = locate_mission(named)
    if not in_conflict:
        refuse_conflict(read_text(path).text, path=str(path))
    if os.environ.get("MISSION_SESSION"):
        refuse_ended_session(path, look_at_mission(path).mission)
    return path


def _find_mission_file(start: Path | None = None) -> Path:
    """Return the path of the nearest mission.json from this folder, or another, upwards.

    In a worker's worktree that is the mission it was made for: the copy there does not count.
    """
    folder = start or Path.cwd()
    folders = (folder, *folder.parents)
    for place in folders:
        if place.parent.name == WORKTREES and (leader := _leader_of(place)) is not None:
            return leader
    for candidate in (place.joinpath(*parts) for place in folders for parts in MISSION_PLACES):
        # A link that leads nowhere is found too: reading it says what is wrong.
        if os.path.isfile(candidate) or os.path.islink(candidate):
            refuse_other_owner(candidate, start=None if start else folder)
            return candidate
    raise MissionNotFoundError(folder)


def _leader_of(place: Path) -> Path | None:
    """Return the mission that a worktree was made for, if that mission keeps its worktrees there.

    Any repository may hold a folder of this name.
    """
    from mosaic.workspaces.record import workspace_at  # start-up: hardly any command is in one

    try:
        folder = place.parent.parent
        is_ours = is_marked(folder) or folder.parent == person_dir() / WORK
        workspace = workspace_at(place) if is_ours else None
        if workspace is None:
            return None
        refuse_other_owner(workspace.mission_file)
        folder = load_mission(workspace.mission_file).layout.worktrees_dir
    except MissionError:
        return None
    is_its_own = os.path.realpath(folder) == os.path.realpath(place.parent)
    return workspace.mission_file if is_its_own else None


def named_mission_file(named: Path) -> Path:
    """Return the mission.json that `--mission` or `$MISSION_FILE` names: the file or its folder."""
    path = Path(os.path.abspath(named))
    if path.is_dir():
        places = (path.joinpath(*parts) for parts in (*MISSION_PLACES, ("mission.json",)))
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise MissionNotFoundError(path)
    elif path.is_file():
        found = path
    else:
        raise UsageError(f"no mission file at `{named}`", hint="name mission.json or its project")
    note_named(found)
    return found


def read_mission(
    mission_file: Path,
    *,
    prefer: Side | None = None,
    use_index: bool = True,
    keep: bool = True,
    tries_left: int = MOST_TRIES,
) -> Snapshot:
    """Read a mission with all its tasks. Takes no lock and writes nothing but the index.

    Args:
        mission_file: path of mission.json.
        prefer: the side that wins where table and file disagree.
        use_index: False parses everything, whatever the index says.
        keep: False leaves the index as it is, for those who change right away what it holds.
        tries_left: how often to read again where somebody saves meanwhile.

    Raises FileAccessError, or MissionFileError. (Broken tasks become problems instead.)
    """
    document = look_at_mission(mission_file)
    layout = document.layout
    use_index = use_index and document.conflict is None
    known = _read_index(layout) if use_index else b""
    found = find_tasks(known) if prefer is None else None
    now_ns = time.time_ns()
    listing = list_files(layout)
    sync = look_at(layout.sync_file)
    stamp = make_stamp(document, listing, sync)
    if found is not None and found.stamp == stamp:
        return Indexed(document, found, known)
    index = parse_index(known)
    scan = scan_listed(layout, listing, index)
    base = find_signed(layout.sync_file)
    agreed_on = parse_base(base[0]) if base else {}
    snapshot = build_snapshot(document, scan, agreed_on, prefer=prefer)
    if snapshot.asks_git and tries_left and list_files(layout) != listing:
        # Read while a command saved both: what differed is the same by now.
        return read_mission(
            mission_file, prefer=prefer, use_index=use_index, keep=keep, tries_left=tries_left - 1
        )
    if use_index and keep and prefer is None:
        is_same_base = (pack_signature(base[1]) if base else None) == sync
        settled = is_same_base and (base is None or is_settled(base[1].ctime_ns, now_ns))
        is_clear = not snapshot.problems and not snapshot.asks_git
        believed = settled and is_clear and _holds(index, listing)
        if believed or index.changed:
            stamp = stamp if believed else b""
            agreed = not snapshot.unagreed()
            data = dump_index(
                index,
                stamp=stamp,
                tasks=snapshot.tasks,
                agreed=agreed,
                left_out=snapshot.left_out,
            )
            save_cache(layout, layout.index_file, data)
    return snapshot


def _read_index(layout: Layout) -> bytes:
    """Return the index; nothing where there is none, or none that can be read."""
    try:
        return find_bytes(layout.index_file, limit_bytes=LARGEST_INDEX) or b""
    except MissionError:
        return b""


def make_stamp(document: MissionDocument, listing: Listing, sync: bytes | None) -> bytes:
    """Return all that tasks are made of: when two stamps are the same, so are the tasks."""
    layout = document.layout
    said = {word: status.value for word, status in document.mission.statuses.items()}
    places = (layout.shown(layout.tasks_file), layout.shown(layout.tasks_dir))
    milestones = repr([(each.id, each.name) for each in document.mission.milestones])
    texts = "\0".join((__version__, repr(said), milestones, *places)).encode(
        "utf-8", "surrogateescape"
    )
    own = repr((len(listing.joined_names), listing.table, sync)).encode()
    return b"\0".join((own, texts, listing.joined_names, listing.signatures))


def _holds(index: Index, listing: Listing) -> bool:
    """Tell whether an index knows the table and every file just as they were listed."""
    table = index.table[0] if index.table else None
    return table == listing.table and all(
        name in index.files and index.files[name][0] == signature
        for name, signature in zip(listing.names, split_signatures(listing.signatures), strict=True)
    )


class Indexed(Snapshot):
    """A snapshot whose tasks came from the index; entries are made when they are needed."""

    def __init__(self, document: MissionDocument, found: FoundTasks, data: bytes) -> None:
        super().__init__(document, {}, {}, (), left_out=found.left_out)
        self.tasks = found.tasks
        self._is_agreed = found.is_agreed
        self._found_data = data

    def entry(self, task: Task) -> Entry:
        """Return one of the tasks with where it comes from."""
        found = find_records(self._data, task)
        if found is None:
            entries = self.entries()
            if task.id not in entries:
                raise TaskNotFoundError(task.id, ())
            return entries[task.id]
        entry = build_entry(self.document, task, *found, {})
        if not entry.carries and not entry.conflicts:
            return entry  # row and file agree: it matters nothing what they last agreed on
        return build_entry(self.document, task, *found, self.base())

    def entries(self) -> Mapping[str, Entry]:
        """Return all tasks with where they come from, by id, in plan order."""
        return self._whole.entries()

    def base(self) -> Base:
        """Return what table and files last agreed on."""
        return self._parsed_base

    def unagreed(self) -> Sequence[str]:
        """Return ids of tasks whose row and file agree on what the base does not say."""
        return () if self._is_agreed else self._whole.unagreed()

    @cached_property
    def _data(self) -> bytes:
        """All of the index; nothing where its records are damaged."""
        return self._found_data if is_sound(self._found_data) else b""

    @cached_property
    def _parsed_base(self) -> Base:
        data = find_bytes(self.layout.sync_file)
        return parse_base(data) if data else {}

    @cached_property
    def _whole(self) -> Snapshot:
        index = parse_index(self._data)
        rows = index.table[1] if index.table else ()
        files = tuple(index.files[name][1] for name in sorted(index.files))
        scan = Scan(rows=rows, files=files, problems=())
        snapshot = build_snapshot(self.document, scan, self.base())
        if snapshot.tasks == self.tasks:
            return snapshot
        return read_mission(self.document.path, use_index=False)  # its records are damaged
