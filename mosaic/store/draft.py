"""Changing a mission: hold its lock, draft edits of several files, save them as one.

Every change goes the same way: the mission lock is taken, an unfinished change of an
earlier process is finished or undone, everything is read afresh, edits are drafted on
the texts, and `save` writes them together. A file that someone saved meanwhile without
the lock (an editor) is noticed right before it would be replaced, and nothing is lost.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mosaic.errors import EditRefusedError, FileAccessError, MissionError
from mosaic.machine.disk import find_signed, find_text, write_private
from mosaic.machine.lock import mission_lock
from mosaic.machine.staging import sweep_temporaries
from mosaic.machine.transaction import Change, finish_intent, write_together
from mosaic.model import Status
from mosaic.records import dataclass
from mosaic.store.assemble import build_changed
from mosaic.store.journal import note_sessions, take_back_notes
from mosaic.store.mission_file import load_mission, with_session, with_status
from mosaic.store.parsed import plain_value, refuse_hidden_ids
from mosaic.store.reading import read_mission
from mosaic.store.session_entries import refuse_ended_session
from mosaic.store.state import ensure_state_dir
from mosaic.store.sync import cell_text, cell_value, dump_base, file_value, same_value
from mosaic.store.written import note_written
from mosaic.text.fields import SYNCED
from mosaic.text.lines import refuse_conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from mosaic.machine.disk import TextFile
    from mosaic.model import MissionStatus, Session, Task
    from mosaic.store.layout import Layout
    from mosaic.store.sync import Side, Value
    from mosaic.store.tasks import Entry, Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class _Edited:
    """A file with a drafted text; `file` is None where it is new, `after` where it goes."""

    file: TextFile | None
    after: str | None

    @property
    def before(self) -> str | None:
        return self.file.text if self.file else None


@contextmanager
def holding(
    layout: Layout, *, doing: str, timeout_seconds: float | None = None
) -> Iterator[tuple[str, ...]]:
    """Hold the mission lock, with an unfinished change of an earlier process settled.

    Gives what a person should know of that change. Raises LockTimeoutError.
    """
    ensure_state_dir(layout)
    with mission_lock(
        layout.mission_lock, timeout_seconds=timeout_seconds, holder=doing
    ) as was_killed:
        finished = finish_intent(
            layout.intent_file,
            root=layout.project,
            also=layout.other_folders,
            is_own_file=layout.is_own_file,
        )
        if was_killed:
            folders = {path.parent for path in layout.own_files}
            for folder in {layout.tasks_dir, layout.state_dir, *folders}:
                sweep_temporaries(folder, intent=layout.intent_file)
        yield tuple(
            f"an interrupted change left `{layout.shown(path)}` {outcome.value}; "
            "look at it with `git diff`"
            for path, outcome in finished.items()
            if outcome.needs_a_look
        )


@contextmanager
def changing(
    mission_file: Path,
    *,
    doing: str,
    prefer: Side | None = None,
    timeout_seconds: float | None = None,
    fenced: bool = True,
) -> Iterator[Draft]:
    """Hold the mission lock and draft changes; nothing is written before `Draft.save`.

    Args:
        mission_file: path of mission.json.
        doing: what holds the lock, in words, for those who wait.
        prefer: the side that wins where table and file disagree.
        timeout_seconds: how long to wait for the lock; None: as long as commands do.
        fenced: False where ends of sessions are recorded, whatever session calls.

    Raises LockTimeoutError; SessionOverError where an agent calls whose session is over;
    BrokenFileError where mission.json cannot be read.
    """
    layout = load_mission(mission_file).layout
    with holding(layout, doing=doing, timeout_seconds=timeout_seconds) as notices:
        snapshot = read_mission(mission_file, prefer=prefer, keep=False)
        if fenced:
            refuse_ended_session(mission_file, snapshot.document.mission)
        yield Draft(snapshot, notices)


class Draft:
    """Edits of a mission's files that are saved together, under the mission lock."""

    def __init__(self, snapshot: Snapshot, notices: Iterable[str] = ()) -> None:
        self._document = snapshot.document
        self.layout = snapshot.layout
        """Where the mission's files are."""
        self.notices = [*filter(None, [snapshot.document.stray_words]), *notices]
        """What a person should know: of an interrupted change before, or of this one."""
        self._snapshot: Snapshot | None = snapshot
        self._edited: dict[Path, _Edited] = {}
        self._agreed: dict[str, Mapping[str, Value]] = {}
        """What table and file of a task agree on by these edits."""
        self._forgotten: set[str] = set()
        self._sessions: dict[str, Session] = {}
        self._noted: set[str] = set()
        self._is_free = False
        """Whether a text was drafted that may hold tasks nobody has seen yet."""
        self._saved: list[tuple[Path, str | None, str | None]] = []
        self._words = snapshot.document.mission.statuses
        for session in snapshot.document.mission.sessions.lost():
            self.put_session(session, in_order=True)

    @property
    def snapshot(self) -> Snapshot:
        """The mission as it was read, or as it was saved last."""
        if self._snapshot is None:
            self._snapshot = read_mission(self.layout.mission_file, keep=False)
        return self._snapshot

    def text(self, path: Path) -> str | None:
        """Return a file's text as drafted so far; None when there is no such file."""
        if path in self._edited:
            return self._edited[path].after
        file = find_text(path)
        if file is None:
            return None
        refuse_conflict(file.text, path=self.layout.shown(path))
        self._edited[path] = _Edited(file=file, after=file.text)
        return file.text

    def put(self, path: Path, text: str) -> None:
        """Draft a file's whole text."""
        self._is_free = True
        self._put(path, text)

    def remove(self, path: Path) -> None:
        """Draft that a file goes."""
        if self.text(path) is not None:
            self._edited[path] = _Edited(file=self._edited[path].file, after=None)

    def forget(self, task_id: str) -> None:
        """Draft that row and file of a task, which goes, agree on nothing any more."""
        self._forgotten.add(task_id)

    def _put(self, path: Path, text: str) -> None:
        is_there = self.text(path) is not None
        self._edited[path] = _Edited(file=self._edited[path].file if is_there else None, after=text)

    def edit_task(self, task_id: str, changes: Mapping[str, Value], now: datetime) -> None:
        """Draft other values of one task, in its row and its file; other bytes stay.

        What only one of the two had changed by hand before is carried over as well. Raises
        TaskNotFoundError, or BrokenFileError where an edit cannot be made cleanly.
        """
        entry = self.snapshot.get(task_id)
        wanted: dict[str, Value] = {carry.field: carry.value for carry in entry.carries}
        wanted.update(changes)
        if entry.file:
            self._edit_file(entry, entry.file.name, wanted, now)
        if entry.row:
            self._edit_row(entry, entry.row.cells, wanted)
        self._agree(entry, wanted)

    def note(self, task_id: str, text: str) -> None:
        """Draft one more line in a task's `notes`: the file's section, else the row's cell."""
        entry = self.snapshot.get(task_id)
        one_line = " ".join(text.split())
        if entry.file:
            self.fill_section(task_id, "notes", f"- {one_line}", append=True)
            return
        old = plain_value(entry.row.cells.get("notes", "")) if entry.row else ""
        self._set_cell(entry, "notes", f"{old}; {one_line}" if old else one_line)

    def fill_section(self, task_id: str, section: str, content: str, *, append: bool) -> None:
        """Draft the content of one section of a task's file."""
        from mosaic.text.sections import append_section, set_section  # start-up: writers only

        edit = append_section if append else set_section
        self.edit_text(task_id, lambda text: edit(text, section, content))

    def edit_text(self, task_id: str, edit: Callable[[str], str]) -> None:
        """Draft another text of a task's file (or raise EditRefusedError where it has none)."""
        entry = self.snapshot.get(task_id)
        if entry.file is None:
            raise EditRefusedError(
                f"`{task_id}` stands in the table alone and has no sections",
                hint=f"make `{self.layout.shown(self.layout.tasks_dir)}/{task_id}.md` first",
            )
        path = self.layout.tasks_dir / entry.file.name
        try:
            self._put(path, edit(self._existing(path)))
        except MissionError as error:
            raise error.at(self.layout.shown(path)) from None

    def set_mission_status(self, status: MissionStatus) -> None:
        """Draft the mission's own status."""
        if self.snapshot.document.mission.status is not status:
            self._put(self._document.path, with_status(self._existing(self._document.path), status))

    def put_session(self, session: Session, *, in_order: bool = False) -> None:
        """Draft a session's entry in mission.json: added, or brought up to date."""
        text = with_session(self._existing(self._document.path), session, in_order=in_order)
        self._put(self._document.path, text)
        self._sessions[session.id] = session

    def agree_everywhere(self) -> None:
        """Draft the sync base for every task whose row and file agree."""
        for task_id in self.snapshot.unagreed():
            if task_id not in self._agreed and (entry := self.snapshot.find(task_id)):
                self._agree(entry, {})

    def save(self) -> bool:
        """Write all drafted files as one, and tell whether anything was written.

        Raises FileChangedError where someone else saved one meanwhile, or FileAccessError.
        """
        edited = {path: each for path, each in self._edited.items() if each.after != each.before}
        changes = [
            Change(
                path=path,
                data=None if each.after is None else each.after.encode(),
                expect=each.file.signature if each.file else None,
            )
            for path, each in edited.items()
        ]
        self.agree_everywhere()
        if self._agreed or self._forgotten:
            sync = self.layout.sync_file
            before, expect = find_signed(sync) or (b"", None)
            base = dump_base(self._base())
            if base != before:
                changes.append(Change(path=sync, data=base, expect=expect, needs_all=True))
        if changes:
            for path in [path for path, each in edited.items() if each.file is None]:
                with suppress(OSError):  # git keeps no empty folder; why it fails, writing says
                    path.parent.mkdir(parents=True, exist_ok=True)
            write_together(
                changes,
                intent=self.layout.intent_file,
                root=self.layout.project,
                also=self.layout.other_folders,
            )
            self._saved += (made := [(path, e.before, e.after) for path, e in edited.items()])
            note_written(self.layout, made)
            note_sessions(self.layout, self._document.mission, self._sessions.values())
            self._noted |= self._sessions.keys()
            self._snapshot = None
        for drafted in (self._edited, self._agreed, self._forgotten, self._sessions):
            drafted.clear()
        if self._is_free:
            self._is_free = False
            self._record_agreement()
        return bool(changes)

    def _base(self) -> dict[str, Mapping[str, Value]]:
        """Return what tables and files agree on by what is drafted."""
        known = {**self.snapshot.base(), **self._agreed}
        return {name: values for name, values in known.items() if name not in self._forgotten}

    def _record_agreement(self) -> None:
        """Bring sync.json up to date with tasks that agree and were not known to, as new ones."""
        self.agree_everywhere()
        if self._agreed:
            base = dump_base(self._base())
            try:
                write_private(self.layout.sync_file, base, root=self.layout.state_dir)
            except FileAccessError as error:  # the next change records it
                self.notices.append(f"the change is written, but {error}: {error.detail}")
            self._agreed.clear()
            self._snapshot = None

    def start_over(self) -> None:
        """Forget what was drafted since the last save, and read the mission again when needed."""
        for drafted in (self._edited, self._agreed, self._forgotten, self._sessions):
            drafted.clear()
        self._is_free = False
        self._snapshot = None

    def saved_task(self, entry: Entry) -> Task:
        """Return a task as it was saved, by what was written; no other task is read again."""
        saved = {path: after for path, _, after in self._saved}
        file_text = saved.get(self.layout.tasks_dir / entry.file.name) if entry.file else None
        table_text = saved.get(self.layout.tasks_file)
        return build_changed(self._document, entry, file_text, table_text).task

    def undo(self) -> None:
        """Put back what was saved so far, newest first, where nobody changed it since."""
        self._edited.clear()
        self._is_free = True
        for path, before, after in reversed(self._saved):
            if before is not None and self.text(path) == after:
                self._put(path, before)
        self._saved.clear()
        self.save()
        take_back_notes(self.layout, self._document.mission, self._noted)

    def _existing(self, path: Path) -> str:
        text = self.text(path)
        if text is None:
            shown = self.layout.shown(path)
            raise EditRefusedError("the file is gone", path=shown, hint="run the command again")
        return text

    def _edit_file(
        self, entry: Entry, name: str, wanted: Mapping[str, Value], now: datetime
    ) -> None:
        from mosaic.text.set_frontmatter import set_front_matter  # start-up: only writers need it

        path = self.layout.tasks_dir / name
        text = before = self._existing(path)
        try:
            for field, value in wanted.items():
                if not same_value(file_value(entry, field, self._words), value):
                    text = set_front_matter(text, field, None if value == "" else value)
                    if field == "depends_on":
                        refuse_hidden_ids(name, text, value)
            if text != before:
                text = set_front_matter(text, "updated_at", now.isoformat(timespec="seconds"))
        except MissionError as error:
            raise error.at(self.layout.shown(path)) from None
        self._put(path, text)

    def _edit_row(
        self, entry: Entry, cells: Mapping[str, str], wanted: Mapping[str, Value]
    ) -> None:
        lacking = [field for field in wanted if field not in cells]
        if lacking and not entry.file:
            raise EditRefusedError(
                f"task `{entry.task.id}` has no file, and the table has no `{lacking[0]}` column",
                path=self.layout.shown(self.layout.tasks_file),
                line=entry.task.table_line,
                hint=f"add the column, or a file `{entry.task.id}.md` to "
                f"`{self.layout.shown(self.layout.tasks_dir)}`",
            )
        for field, value in wanted.items():
            if field in lacking or (field not in SYNCED and entry.file):
                continue
            if not same_value(cell_value(field, cells[field], self._words), value):
                self._set_cell(entry, field, cell_text(self.snapshot, field, value))

    def _set_cell(self, entry: Entry, column: str, value: str) -> None:
        from mosaic.store.rows import find_row  # start-up: only writers
        from mosaic.text.table import set_cell

        path = self.layout.tasks_file
        text = self._existing(path)
        found = find_row(text, entry.row.line) if entry.row else None
        if found is None:
            raise EditRefusedError(
                f"the row of `{entry.task.id}` is gone",
                path=self.layout.shown(path),
                hint="run the command again",
            )
        try:
            self._put(path, set_cell(text, *found, column, value))
        except MissionError as error:
            raise error.at(self.layout.shown(path)) from None

    def _agree(self, entry: Entry, wanted: Mapping[str, Value]) -> None:
        if not (entry.row and entry.file):
            return
        known = self.snapshot.base().get(entry.task.id, {})
        agreed = {
            field: wanted.get(field, file_value(entry, field, self._words))
            for field in SYNCED
            if field in entry.row.cells
        }
        if entry.task.status is Status.UNKNOWN and "status" not in wanted:
            agreed.pop("status", None)  # no word that is not understood was agreed on
            agreed.update({"status": known["status"]} if "status" in known else {})
        self._agreed[entry.task.id] = agreed
