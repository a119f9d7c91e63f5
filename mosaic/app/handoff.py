"""The handoff of a task: what an agent leaves to the one that comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.app.change import editing
from mosaic.errors import UsageError
from mosaic.records import dataclass
from mosaic.text.sections import HANDOFF_SECTIONS, canonical_name, handoff_texts, missing_sections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Filling:
    """One section and what goes into it."""

    section: str
    content: str
    append: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Handoff:
    """The six sections of a task's handoff."""

    task_id: str
    sections: Mapping[str, str]
    missing: tuple[str, ...]
    file: str | None
    """The task's file; None: it is in the table only and has no handoff."""


def find_section(name: str) -> str:
    """Return the canonical name of a handoff section."""
    section = canonical_name(name.strip())
    if section not in HANDOFF_SECTIONS:
        known = ", ".join(f"`{each}`" for each in HANDOFF_SECTIONS)
        raise UsageError(f"`{name}` is not a handoff section", detail=f"known: {known}")
    return section


def fill_handoff(mission_file: Path, task_id: str, fillings: Sequence[Filling]) -> tuple[str, ...]:
    """Fill sections of a task's handoff, and return what the person is to be warned of."""
    with editing(mission_file, f"filling the handoff of {task_id}") as draft:
        task = draft.snapshot.get(task_id).task
        for filling in fillings:
            draft.fill_section(task.id, filling.section, filling.content, append=filling.append)
        draft.save()
        return tuple(draft.notices)


def read_handoff(snapshot: Snapshot, task_id: str) -> Handoff:
    """Return a task's handoff as its file has it."""
    task = snapshot.get_task(task_id)
    text = snapshot.task_text(task)
    return Handoff(
        task_id=task.id,
        sections=dict(handoff_texts(text)),
        missing=tuple(missing_sections(text)) if text else (),
        file=task.file,
    )
