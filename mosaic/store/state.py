"""This machine's own folder, `.state`: which one is ours, and how it is made and marked.

It holds locks, run records, notes of unfinished changes, records of worktrees and caches, and
all of these are obeyed. A clone can bring such a folder, a pull can put files into one, and a
setting can name any folder. So a state folder is believed only where it

- carries a mark (`.state/mark`, 32 hexadecimal digits) that this person's own folder knows:
  this user made it on this machine (see `mosaic.machine.person`);
- is a folder and no symlink;
- belongs to this user, to the owner of the mission, or to one whom the person accepted;
- is not tracked by git, in any repository that it lies in.

Every other one counts as absent: `Layout.state_dir` then leads nowhere, so that nothing in it
can be read by mistake, and it is never written into. One that is not there, or is empty, is
made, marked and hidden from git by the first command that has to keep something.

Ends of sessions that cannot be recorded in mission.json wait in

    .state/ends/<run_id>.json                     while mission.json is gone or broken
    <git's common folder>/mosaic/ends/…           where the state folder is gone too
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.codec import parse_json
from mosaic.errors import GitRefusedError, MissionError, StateNotOursError
from mosaic.machine.disk import create_private_dir, find_bytes, write_atomic, write_private
from mosaic.machine.git_dir import find_git_dir
from mosaic.machine.paths import confined
from mosaic.machine.person import find_note, write_note
from mosaic.machine.signature import find_owner, find_signature
from mosaic.machine.staging import is_temporary
from mosaic.records import dataclass
from mosaic.store.allowance import find_allowance, refuse_other_owner

if TYPE_CHECKING:
    from mosaic.store.layout import Layout

MARK = "mark"
ENDS = "ends"
MIGRATION = "migration.json"
OF_MISSION = "mission"
"""Beside what a mission keeps outside: the mark of its state folder, and where it was."""
IGNORE_FILE = ".gitignore"
IGNORE = b"# This machine's own: locks, runs, caches. Never tracked.\n*\n"
NOWHERE = Path("/proc/no/state")
"""A place that is not there and that nobody can make, not even root."""
KEPT = frozenset(
    {
        MARK, "mission.lock", "session.lock", "sessions", "next-task.json", "index",
        "mission.index", "preview", "sync.json", "intent.json", "versions.json", "runs",
        "worktrees", ENDS, "restore.json", "attempts.json", "changed-rules.json", "written.json",
        MIGRATION, "removed", "before-edit.json",
    }
)  # fmt: skip
"""What stands in a state folder; in the older layout it stands beside tracked files."""
IGNORE_KEPT = "".join(
    [
        "# This machine's own: locks, runs, caches. Never tracked.\n",
        *(f"/{name}\n" for name in sorted({IGNORE_FILE, *KEPT})),
        "/mission.lock.holder\n/.*.mission-tmp\n",
    ]
).encode()
"""The same for the older layout, where mission.json stands there too."""
OF_COORDINATOR = frozenset({"session.lock", "next-task.json"})
"""What the older coordinator leaves beside mission.json, which is read and has no mark."""
_MARK_BYTES = 64
_OBEYED = KEPT - {"next-task.json"}
"""What of it is read again, and so must not come with a clone."""


class Standing(Enum):
    """What a state folder is to us."""

    OURS = "ours"
    NEW = "new"
    """Not there, or empty: it is made when it is needed."""
    CLOSED = "closed"
    """It may not be entered: only looking is possible, and it counts as absent."""
    DOUBTED = "doubted"
    """Somebody else's, or nobody knows whose: it counts as absent and is left alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StateFolder:
    """A state folder as it was found."""

    place: Path
    """Where the mission's settings put it."""
    standing: Standing = Standing.DOUBTED
    because: str = ""
    """Why it is not used, as the end of a sentence about it."""
    way_out: str = ""
    """What a person can do about that."""
    mark: str = ""
    """The mark of one that is ours."""
    is_made_here: bool = False
    """Whether `mission init` of this person made the mission."""
    can_be_adopted: bool = False
    """Whether a person's word makes it ours."""
    lacks_mark: bool = False
    """Whether that is because nobody's mark is in it."""

    @property
    def dir(self) -> Path:
        """Where state is read from; leads nowhere unless the folder is ours, or new."""
        usable = self.standing in (Standing.OURS, Standing.NEW)
        return self.place if usable else NOWHERE

    def refusal(self) -> StateNotOursError:
        """Return the error for a command that would have to write into it."""
        return StateNotOursError(self.place, because=self.because, way_out=self.way_out)


def look_at_state(place: Path, mission_file: Path) -> StateFolder:
    """Judge a state folder. Writes nothing into it."""
    try:
        status = os.lstat(place)
        if stat.S_ISLNK(status.st_mode):
            return StateFolder(
                place=place,
                because="is a symlink",
                way_out="remove it; to keep state elsewhere, set `orchestratorDir` and allow the "
                "place: `mission trust PATH`",
            )
        if not stat.S_ISDIR(status.st_mode):
            return StateFolder(place=place, because="is not a folder", way_out="move it away")
        mark = _read_mark(place)
        if mark is None:
            return _judge_unmarked(place, os.listdir(place), mission_file)
    except (FileNotFoundError, NotADirectoryError):
        return StateFolder(place=place, standing=Standing.NEW)
    except OSError as error:
        return StateFolder(
            place=place,
            standing=Standing.CLOSED,
            because=f"may not be entered: {(error.strerror or str(error)).lower()}",
            way_out="become the user who owns it; commands that only look work without it",
        )
    note = find_note("states", mark)
    if note is None:
        return _foreign(place, "carries a mark that is not yours")
    # A project that was given away as a whole is judged by whose mission it is.
    owners = (os.geteuid(), find_owner(mission_file.parent))
    if status.st_uid not in owners and status.st_uid not in find_allowance(mission_file).owners:
        return _foreign(place, f"belongs to the user with id {status.st_uid}")
    if tracked := _find_tracked(place, mission_file, mark, note):
        return StateFolder(
            place=place,
            because=f"is tracked by git (`{tracked}`), so it may be somebody else's",
            way_out=_untracking(place, mission_file, tracked),
        )
    is_made_here = note.get("made_here") is True
    return StateFolder(place=place, standing=Standing.OURS, mark=mark, is_made_here=is_made_here)


def is_marked(place: Path) -> bool:
    """Tell whether a folder carries a mark of this person; the quick half of the question."""
    try:
        mark = _read_mark(place)
    except OSError:
        return False
    return mark is not None and find_note("states", mark) is not None


def mark_state(place: Path, mission_file: Path, *, is_made_here: bool) -> None:
    """Make a state folder ours: note a new mark, then put it into the folder."""
    mark = os.urandom(16).hex()
    mission = os.path.realpath(mission_file)
    # The note first: a mark that nobody knows would shut us out of our own folder.
    write_note("states", mark, {"mission": mission, "made_here": is_made_here})
    _write_mark(place, mission_file, mark)


def adopt_state(state: StateFolder, mission_file: Path) -> None:
    """Take over a state folder that a person says is theirs."""
    if not state.can_be_adopted:
        raise state.refusal()
    mark_state(state.place, mission_file, is_made_here=False)


def ensure_state_dir(layout: Layout, *, is_made_here: bool = False) -> None:
    """Make the state folder, mark it as ours, and have git leave it alone.

    In the older layout it may hold tracked files too, mission.json among them; there git leaves
    our own names alone, unless somebody wrote another `.gitignore`. Raises StateNotOursError,
    MissionOwnerError, FileAccessError, or PathOutsideError where a folder in it leads out of it.
    """
    folder = layout.state.place
    # Looked at once more: another process may have made it meanwhile.
    state = look_at_state(folder, layout.mission_file)
    is_gone = state.lacks_mark or state.standing is Standing.NEW
    if layout.state.standing is Standing.OURS and is_gone:
        # Removed while this process was at work, which has known it as ours.
        state = layout.state
        _write_mark(folder, layout.mission_file, state.mark)
    if state.standing in (Standing.DOUBTED, Standing.CLOSED):
        raise state.refusal()
    if state.standing is Standing.NEW:
        refuse_other_owner(layout.mission_file)
        mark_state(folder, layout.mission_file, is_made_here=is_made_here)
    refuse_links_out(layout)
    for place in layout.outside.values():
        note = place.parent / OF_MISSION
        if find_bytes(note) is None:
            create_private_dir(place.parent)
            text = f"{look_at_state(folder, layout.mission_file).mark}\n{layout.mission_file}\n"
            write_private(note, os.fsencode(text), root=place.parent)
    ignore = folder / IGNORE_FILE
    is_beside = layout.mission_file.is_relative_to(folder)
    if (not is_beside or is_older_place(layout.mission_file)) and find_bytes(ignore) is None:
        write_atomic(ignore, IGNORE_KEPT if is_beside else IGNORE, root=folder)


def is_older_place(mission_file: Path) -> bool:
    """Tell whether a mission is in the older layout."""
    return mission_file.parts[-3:-1] == (".mosaic", "orchestrator")


def refuse_links_out(layout: Layout) -> None:
    """Refuse a folder in the state folder that a symlink leads out of it with."""
    for folder in (layout.runs_dir, layout.worktrees_dir, layout.session_locks_dir):
        confined(folder.parent if folder in layout.outside.values() else layout.state_dir, folder)


def save_cache(layout: Layout, path: Path, data: bytes) -> None:
    """Save a cache in the state folder where that is possible; it is not worth an error."""
    state = look_at_state(layout.state.place, layout.mission_file)
    if state.standing is Standing.OURS:
        with contextlib.suppress(MissionError, OSError):
            refuse_links_out(layout)
            write_private(path, data, root=layout.state_dir)


def find_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one where none can be read."""
    try:
        values = parse_json(find_bytes(path) or b"{}")
    except (MissionError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def folders_of_ends(layout: Layout) -> list[Path]:
    """Return the folders that may hold ends, whether they are there or not."""
    folders = [layout.state_dir / ENDS]
    found = find_git_dir(layout.project)
    if found is None:
        return folders
    shared: Path | None = found[1]
    if found[1].name != ".git":
        from mosaic.git.git import common_dir  # start-up: only a linked work tree needs it

        shared = common_dir(layout.project)
    return folders if shared is None else [*folders, shared / "mosaic" / ENDS]


def list_kept_ends(layout: Layout) -> list[Path]:
    """Return the ends that wait to be recorded, also those of other missions of a repository."""
    found = []
    for folder in folders_of_ends(layout):
        with contextlib.suppress(OSError):
            found += [folder / n for n in sorted(os.listdir(folder)) if n.endswith(".json")]
    return found


def _read_mark(place: Path) -> str | None:
    """Return the mark of a state folder; an OSError where the folder may not be entered."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    try:
        descriptor = os.open(place / MARK, flags)
    except PermissionError:
        raise
    except OSError:
        return None
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        text = os.read(descriptor, _MARK_BYTES).strip() if is_file else b""
    finally:
        os.close(descriptor)
    return text.decode() if re.fullmatch(rb"[0-9a-f]{32}", text) else None


def _write_mark(place: Path, mission_file: Path, mark: str) -> None:
    if mission_file.parent != place:  # in the older layout others may look into it
        create_private_dir(place)
    write_private(place / MARK, f"{mark}\n".encode(), root=place)


def _judge_unmarked(place: Path, names: list[str], mission_file: Path) -> StateFolder:
    if mission_file.parent == place:
        # The older layout: the mission's own files stand there too.
        in_the_way = [name for name in names if name in KEPT]
        if is_older_place(mission_file) and OF_COORDINATOR.issuperset(in_the_way):
            # What git tracks came with a clone, and says nothing of this machine.
            tracked = _ask_tracked(place) if in_the_way and find_git_dir(place) else []
            if tracked is not None:
                known = {name.rpartition("/")[2] for name in tracked}
                in_the_way = [name for name in in_the_way if name in known & _OBEYED]
    else:
        # A process that was killed while making it leaves a temporary file.
        in_the_way = [n for n in names if n != IGNORE_FILE and not is_temporary(n)]
    if not in_the_way:
        return StateFolder(place=place, standing=Standing.NEW)
    return _foreign(place, "was not made by you on this machine", lacks_mark=True)


def _untracking(place: Path, mission_file: Path, tracked: str) -> str:
    if mission_file.parent == place:  # mission.json is there too, and stays tracked
        return f"`git rm -r --cached {place.parent / tracked}`"
    return f"`git rm -r --cached {place}`, then move it away"


def _foreign(place: Path, because: str, *, lacks_mark: bool = False) -> StateFolder:
    return StateFolder(
        place=place,
        because=because,
        way_out="`mission trust` takes it over if it is yours; else move it away",
        can_be_adopted=True,
        lacks_mark=lacks_mark,
    )


def _find_tracked(place: Path, mission_file: Path, mark: str, note: dict[str, Any]) -> str | None:
    """Return something in the folder that git tracks.

    Git is asked only where its index has changed since it was asked last. Where it cannot say,
    nothing is tracked: the mark itself is ours.
    """
    found = find_git_dir(place.parent)
    if found is None:
        return None
    index = found[1] / "index"
    try:
        signature = find_signature(index)
    except MissionError:
        return None
    if signature is None:
        return None
    seen = [str(index), signature.size, signature.mtime_ns, signature.ctime_ns, signature.inode]
    if note.get("untracked_at") == seen:
        return None
    names = _ask_tracked(place)
    if names is None:
        return None
    for name in names:
        first = name.removeprefix(f"{place.name}/").partition("/")[0]
        if first != IGNORE_FILE and (mission_file.parent != place or first in _OBEYED):
            return name
    with contextlib.suppress(MissionError):  # asked again next time
        write_note("states", mark, {**note, "untracked_at": seen})
    return None


def _ask_tracked(place: Path) -> list[str] | None:
    """Return what git tracks in a folder, relative to the folder above it; None: it cannot say."""
    from mosaic.git.git import answer_of  # start-up: hardly ever needed

    try:
        answer = answer_of(["ls-files", "-z", "--", f":(literal){place.name}"], place.parent)
    except GitRefusedError:
        return None
    return None if answer is None else [name for name in answer.split("\0") if name]
