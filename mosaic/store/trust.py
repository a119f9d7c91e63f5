"""Which state folder is ours: the one door to everything that is kept in `.state`.

A state folder holds locks, run records, notes of unfinished changes, records of worktrees and
caches, and all of these are obeyed. A clone can bring such a folder, a pull can put files into
one, and a setting can name any folder. So a state folder is believed only where it

- carries a mark (`.state/mark`, 32 hexadecimal digits) that this person's own folder knows:
  this user made it on this machine (see `mosaic.machine.person`);
- is a folder and no symlink;
- belongs to this user, to the owner of the mission, or to one whom the person accepted;
- is not tracked by git, in any repository that it lies in.

Every other one counts as absent: `Layout.state_dir` then leads nowhere, so that nothing in it
can be read by mistake, and it is never written into. One that is not there, or is empty, is
made and marked by the first command that has to keep something.
"""

from __future__ import annotations

import os
import re
import stat
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import GitRefusedError, MissionError, StateNotOursError
from mosaic.machine.disk import create_private_dir, write_private
from mosaic.machine.git_dir import find_git_dir
from mosaic.machine.person import find_note, write_note
from mosaic.machine.signature import find_owner, find_signature
from mosaic.machine.staging import is_temporary
from mosaic.records import dataclass
from mosaic.store.allowance import find_allowance

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = "mark"
IGNORE_FILE = ".gitignore"
NOWHERE = Path("/proc/no/state")
"""A place that is not there and that nobody can make, not even root."""
KEPT = frozenset(
    {
        MARK, "mission.lock", "session.lock", "sessions", "next-task.json", "index",
        "mission.index", "preview", "sync.json", "intent.json", "versions.json", "runs",
        "worktrees", "ends", "restore.json", "attempts.json", "changed-rules.json", "written.json",
    }
)  # fmt: skip
"""What stands in a state folder; in the older layout it stands beside tracked files."""
_MARK = re.compile(rb"[0-9a-f]{32}")
_MARK_BYTES = 64


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
    standing: Standing
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

    @property
    def is_ours(self) -> bool:
        """Whether what it holds may be believed."""
        return self.standing is Standing.OURS

    def refusal(self) -> StateNotOursError:
        """Return the error for a command that would have to write into it."""
        return StateNotOursError(self.place, because=self.because, way_out=self.way_out)


def look_at_state(place: Path, mission_file: Path) -> StateFolder:
    """Judge a state folder. Writes nothing into it."""
    try:
        status = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return StateFolder(place=place, standing=Standing.NEW)
    except OSError as error:
        return _closed(place, error)
    if stat.S_ISLNK(status.st_mode):
        return _unused(
            place,
            "is a symlink",
            "remove it; to keep state elsewhere, set `orchestratorDir` and allow the place: "
            "`mission trust PATH`",
        )
    if not stat.S_ISDIR(status.st_mode):
        return _unused(place, "is not a folder", "move it away")
    try:
        mark = read_mark(place)
        names = [] if mark else os.listdir(place)
    except OSError as error:
        return _closed(place, error)
    if mark is None:
        return _judge_unmarked(place, names, mission_file)
    note = find_note("states", mark)
    if note is None:
        return _foreign(place, "carries a mark that is not yours")
    if not _may_be_mine(status.st_uid, mission_file):
        return _foreign(place, f"belongs to the user with id {status.st_uid}")
    if tracked := _find_tracked(place, mission_file, mark, note):
        return _unused(
            place,
            f"is tracked by git (`{tracked}`), so it may be somebody else's",
            f"`git rm -r --cached {place}`, then move it away",
        )
    is_made_here = note.get("made_here") is True
    return StateFolder(place=place, standing=Standing.OURS, mark=mark, is_made_here=is_made_here)


def is_marked(place: Path) -> bool:
    """Tell whether a folder carries a mark of this person; the quick half of the question."""
    try:
        mark = read_mark(place)
    except OSError:
        return False
    return mark is not None and find_note("states", mark) is not None


def mark_state(place: Path, mission_file: Path, *, is_made_here: bool) -> None:
    """Make a state folder ours: note a new mark, then put it into the folder."""
    mark = os.urandom(16).hex()
    mission = os.path.realpath(mission_file)
    # The note first: a mark that nobody knows would shut us out of our own folder.
    write_note("states", mark, {"mission": mission, "made_here": is_made_here})
    write_mark(place, mission_file, mark)


def write_mark(place: Path, mission_file: Path, mark: str) -> None:
    """Put a mark that is noted already into a folder, which is made where it is not there."""
    if mission_file.parent != place:  # in the older layout others may look into it
        create_private_dir(place)
    write_private(place / MARK, f"{mark}\n".encode(), root=place)


def adopt_state(state: StateFolder, mission_file: Path) -> None:
    """Take over a state folder that a person says is theirs."""
    if not state.can_be_adopted:
        raise state.refusal()
    mark_state(state.place, mission_file, is_made_here=False)


def read_mark(place: Path) -> str | None:
    """Return the mark of a state folder; None where there is none.

    Raises:
        OSError: the folder may not be entered.
    """
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
    return text.decode() if _MARK.fullmatch(text) else None


def _may_be_mine(owner: int, mission_file: Path) -> bool:
    """Tell whether the owner of a folder with our mark speaks for it being ours still.

    A project that was given away as a whole is judged by whose mission it is.
    """
    if owner == os.geteuid() or owner == find_owner(mission_file.parent):
        return True
    return owner in find_allowance(mission_file).owners


def _judge_unmarked(place: Path, names: Sequence[str], mission_file: Path) -> StateFolder:
    if mission_file.parent == place:
        # The older layout: the mission's own files stand there too.
        in_the_way = [name for name in names if name in KEPT]
    else:
        # A process that was killed while making it leaves a temporary file.
        in_the_way = [n for n in names if n != IGNORE_FILE and not is_temporary(n)]
    if not in_the_way:
        return StateFolder(place=place, standing=Standing.NEW)
    return _foreign(place, "was not made by you on this machine", lacks_mark=True)


def _find_tracked(place: Path, mission_file: Path, mark: str, note: dict[str, Any]) -> str | None:
    """Return something in the folder that git tracks.

    Git is asked only where its index has changed since it was asked last.
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
    from mosaic.git.git import answer_of  # start-up: the index has hardly ever changed

    try:
        answer = answer_of(["ls-files", "-z", "--", f":(literal){place.name}"], place.parent)
    except GitRefusedError:
        answer = None
    if answer is None:
        return None  # git cannot say; the mark itself is ours
    for name in filter(None, answer.split("\0")):
        first = name.removeprefix(f"{place.name}/").partition("/")[0]
        if first != IGNORE_FILE and (mission_file.parent != place or first in KEPT):
            return name
    try:
        write_note("states", mark, {**note, "untracked_at": seen})
    except MissionError:
        return None  # asked again next time
    return None


def _closed(place: Path, error: OSError) -> StateFolder:
    words = (error.strerror or str(error)).lower()
    hint = "become the user who owns it; commands that only look work without it"
    return _unused(place, f"may not be entered: {words}", hint, standing=Standing.CLOSED)


def _foreign(place: Path, because: str, *, lacks_mark: bool = False) -> StateFolder:
    hint = "`mission trust` takes it over if it is yours; else move it away"
    return _unused(place, because, hint, can_be_adopted=True, lacks_mark=lacks_mark)


def _unused(
    place: Path,
    because: str,
    way_out: str,
    *,
    standing: Standing = Standing.DOUBTED,
    can_be_adopted: bool = False,
    lacks_mark: bool = False,
) -> StateFolder:
    return StateFolder(
        place=place,
        standing=standing,
        because=because,
        way_out=way_out,
        can_be_adopted=can_be_adopted,
        lacks_mark=lacks_mark,
    )
