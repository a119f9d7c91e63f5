"""`mission migrate --undo`: a migration that git does not have yet is taken back by its note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import UsageError
from mosaic.machine.disk import read_text
from mosaic.machine.lock import mission_lock
from mosaic.machine.transaction import Change, finish_intent, write_together
from mosaic.records import replace
from mosaic.store.layout import KEPT_SUFFIX
from mosaic.store.migrate import (
    Migration,
    committed_text,
    find_note,
    follow,
)
from mosaic.store.mission_file import load_mission, parse_mission, with_session, with_status
from mosaic.store.moving_state import leave_state, move_state
from mosaic.store.state import MIGRATION, ensure_state_dir, mark_state
from mosaic.text.jsondoc import parse_json_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.model import Session
    from mosaic.store.layout import Layout
    from mosaic.store.migrate import Note
from mosaic.store.mission_file import MissionDocument

FOLLOWED = frozenset({"sessions", "status"})
"""Keys that commands write: what they are now is taken back as well."""


def undo_migration(
    mission_file: Path, *, dry_run: bool = False, refuse: Callable[[], None] = lambda: None
) -> Migration:
    """Take a migration back that git does not have yet; sessions since then are kept.

    Raises:
        UsageError: there is none, git has it, or mission.json was edited since.
    """
    layout = load_mission(mission_file).layout
    project = layout.project
    with mission_lock(layout.mission_lock, holder="undoing a migration"):
        finish_intent(layout.intent_file, root=project, is_own_file=layout.is_own_file)
        note = find_note(layout.state_dir)
        if note is None or not _is_migrated(layout, note):
            raise UsageError(
                "there is no migration to undo", hint="what is committed, `git revert` takes back"
            )
        document = load_mission(mission_file)
        text = _text_before(document, note)
        old = project / note.mission_file
        actions = [f"`{note.mission_file}` is as it was before"]
        if note.state_dir:
            actions.append(f"this machine's state moves back to `{note.state_dir}`")
        if not dry_run:
            refuse()
            changes = [Change(path=old, data=text.encode())]
            if old != mission_file:
                kept = old.with_suffix(KEPT_SUFFIX)
                changes += [Change(path=p, data=None) for p in (mission_file, kept) if p.exists()]
            old.parent.mkdir(parents=True, exist_ok=True)
            if note.state_dir:
                state_dir = project / note.state_dir
                mark_state(state_dir, old, is_made_here=layout.state.is_made_here)
                move_state(layout.state_dir, state_dir, project)
            if old != mission_file:
                follow(document, old)
            write_together(changes, intent=layout.intent_file, root=project)
            (layout.state_dir / MIGRATION).unlink(missing_ok=True)
            ensure_state_dir(load_mission(old).layout)
    if not dry_run and old != mission_file:  # now that its lock is free
        leave_state(layout.state_dir if note.state_dir else None, mission_file.parent)
    return Migration(actions=tuple(actions), mission_file=old)


def _is_migrated(layout: Layout, note: Note) -> bool:
    old = layout.project / note.mission_file
    if old != layout.mission_file:
        return not old.exists()
    return read_text(old).text != note.original


def _text_before(document: MissionDocument, note: Note) -> str:
    """Return what mission.json held, with the sessions since (or raise UsageError)."""
    project, path = document.layout.project, document.path
    if committed_text(project, path) != note.committed:
        raise UsageError(
            "the migration is committed", hint="`git revert` takes the commit back instead"
        )
    now, then = (parse_json_document(each) for each in (read_text(path).text, note.written))
    changed = [
        key for key in (*now, *then) if key not in FOLLOWED and now.get(key) != then.get(key)
    ]
    if changed:
        raise UsageError(
            f"`{changed[0]}` of mission.json was edited since the migration",
            hint="set it back first, or stay with the migrated mission",
        )
    text, known = note.original, {*map(_anywhere, parse_mission(note.written).sessions)}
    for session in document.mission.sessions:
        if _anywhere(session) not in known:
            text = with_session(text, session)
    if now.get("status") != then.get("status"):
        text = with_status(text, document.mission.status)
    return text


def _anywhere(session: Session) -> Session:
    return replace(session, host="")
