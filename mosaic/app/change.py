"""Changing tasks, and adding them."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from mosaic.app.tasks import TaskView
from mosaic.errors import AgainstEvidenceError, UsageError
from mosaic.machine.clock import utc_now
from mosaic.model import Status
from mosaic.plan.statuses import named_status
from mosaic.records import NamedTuple
from mosaic.sessions.attempt import forgive_attempts
from mosaic.store.draft import changing
from mosaic.store.reading import read_mission
from mosaic.store.state import list_kept_ends
from mosaic.text.fields import FIELD_BY_NAME, Kind, field_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.store.create import NewTask
    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout
    from mosaic.store.sync import Value
    from mosaic.store.tasks import Snapshot
    from mosaic.text.decisions import Decision

WORDS = {
    Status.DONE: "done",
    Status.BLOCKED: "blocked",
    Status.CANCELLED: "cancelled",
    Status.TODO: "reopened",
}
"""How the note about a new status begins."""
NEEDS_WHY = (Status.BLOCKED, Status.CANCELLED)


class Actor(StrEnum):
    """Who asks for an action."""

    PERSON = "person"
    AGENT = "agent"


def is_agent(actor: Actor | None, layout: Layout) -> bool:
    """Tell whether an agent acts; without an actor, look who started this process."""
    if actor is not None:
        return actor is Actor.AGENT
    from mosaic.sessions.liveness import is_agent_calling  # start-up: few changes ask that

    return is_agent_calling(layout)


def refuse_agent(layout: Layout, actor: Actor | None = None) -> None:
    """Make sure that a person decides."""
    if is_agent(actor, layout):
        raise UsageError("an agent cannot review", hint="a person decides")


class Change(NamedTuple):
    """What to do with one field."""

    field: str
    operator: str
    """`=` sets it; `+=` and `-=` add to a list and take from it."""
    text: str


class ChangedField(NamedTuple):
    """A field that was asked for, before and after."""

    name: str
    before: Value | None
    after: Value | None


class ChangedTask(NamedTuple):
    """A task after a change."""

    task: TaskView
    changed: bool
    fields: tuple[ChangedField, ...]
    asks_review: bool = False
    """An agent asked for `done`, and the task is in review."""
    notices: tuple[str, ...] = ()
    """What an interrupted change left, or what of this one is missing."""
    overruled: tuple[str, ...] = ()
    """The objections that a `done` with `force` overruled."""


@contextmanager
def editing(mission_file: Path, doing: str) -> Iterator[Draft]:
    """Give a draft of the mission, in which session ends that were kept are recorded first."""
    with changing(mission_file, doing=doing) as draft:
        if list_kept_ends(draft.layout):
            from mosaic.sessions.recovery import record_kept_ends  # start-up: hardly ever needed

            record_kept_ends(draft)
        yield draft


def save_change(draft: Draft) -> bool:
    """Save a person's change; see `save_and_number`."""
    if not draft.snapshot.rows_without_id:
        return draft.save()
    from mosaic.store.in_step import save_and_number  # start-up: hardly ever needed

    return save_and_number(draft)


def change_status(
    mission_file: Path,
    task_id: str,
    status: Status,
    why: str | None,
    actor: Actor | None = None,
    *,
    force: bool = False,
) -> ChangedTask:
    """Set a task's status, with the reason in its notes; some statuses need one.

    What a person says of a task that they open again, or accept, is kept among its decisions.
    """
    why = (why or "").strip()
    if status in NEEDS_WHY and not why:
        raise UsageError("`--why` is empty", hint="say why in a few words")
    change = Change("status", "=", status.value)
    return change_task(mission_file, task_id, [change], why=why, actor=actor, force=force)


def _refuse_branch(snapshot: Snapshot, task: Task, branch: str) -> None:
    """Make sure that git will be able to make a task's branch."""
    from mosaic.git.branches import branch_obstacle, is_branch_name  # start-up: seldom needed

    others = [t.branch for t in snapshot.tasks if t.branch and t.id != task.id]
    others = [each for each in others if is_branch_name(each)]
    why = f"`{branch}` is not a name that git takes for a branch"
    if is_branch_name(branch):
        why = branch_obstacle(snapshot.layout.project, branch, others) or ""
    if why:
        raise UsageError(why, hint=f"`mission set {task.id} branch=another/name`")


def change_task(
    mission_file: Path,
    task_id: str,
    changes: Sequence[Change],
    *,
    why: str = "",
    actor: Actor | None = None,
    force: bool = False,
) -> ChangedTask:
    """Change fields of a task in its file and its row; `why` a new status is kept with it.

    An agent's `done` becomes `review`: only people and evidence set a task done. A person's counts
    as an approval: of work by agents, against the evidence, it needs `force`. What a person
    sets back to `todo` is tried again as if it were new.

    Raises:
        UsageError: a field does not exist, or cannot have that value.
        AgainstEvidenceError: there are objections to `done`, and `force` is not set.
        BrokenFileError: an edit cannot be made cleanly; nothing was written.
    """
    with editing(mission_file, f"changing {task_id}") as draft:
        if not _approves(draft.snapshot, task_id, changes, actor):
            return _change(draft, task_id, changes, why, actor)
    from mosaic.review.verdict import review_task  # start-up: git, and what reads transcripts

    snapshot = read_mission(mission_file)
    overruled = tuple(review_task(snapshot, snapshot.get(task_id).task).objections)
    if overruled and not force:
        hint = f"`mission review {task_id}` shows it; `mission done {task_id} --force` overrules"
        raise AgainstEvidenceError(task_id, overruled, hint=hint)
    with editing(mission_file, f"changing {task_id}") as draft:
        return _change(draft, task_id, changes, why, actor, overruled=overruled)


def _approves(
    snapshot: Snapshot, task_id: str, changes: Sequence[Change], actor: Actor | None
) -> bool:
    """Tell whether a person sets work of agents done, which counts as an approval."""
    task, mission = snapshot.get(task_id).task, snapshot.document.mission
    words = [change.text.strip() for change in changes if change.field.lower() == "status"]
    is_by_agents = task.status is Status.REVIEW or bool(mission.sessions.of_task(task.id))
    return (
        bool(words)
        and task.status is not Status.DONE
        and is_by_agents
        and named_status(words[-1], mission.statuses) is Status.DONE
        and not is_agent(actor, snapshot.layout)
    )


def _change(
    draft: Draft,
    task_id: str,
    changes: Sequence[Change],
    why: str,
    actor: Actor | None,
    *,
    overruled: tuple[str, ...] = (),
) -> ChangedTask:
    entry = draft.snapshot.get(task_id)
    before = entry.task
    values = _values(draft, before, changes)
    if values.get("branch"):
        _refuse_branch(draft.snapshot, before, str(values["branch"]))
    asks_done = values.get("status") == Status.DONE
    decides = values.get("status") in (Status.DONE, Status.TODO) or "write_scope" in values
    is_person = decides and not is_agent(actor, draft.layout)
    if asks_done and not is_person:
        values["status"] = Status.REVIEW.value
    now = utc_now().astimezone()
    made = _decide(draft, before, values.get("status"), why, now) if is_person else None
    draft.edit_task(before.id, values, now)
    if why and made is None:
        draft.note(before.id, f"{now:%Y-%m-%d} {WORDS[Status(str(values['status']))]}: {why}")
    changed = save_change(draft)
    if made is not None:
        from mosaic.review.filing import note_saved  # start-up: few changes are decisions

        note_saved(draft, before.id, [made])
    if values.get("status") == Status.TODO and is_person:
        forgive_attempts(draft.snapshot, before.id)
    if "write_scope" in values and is_person:
        from mosaic.sessions.rules import note_persons_scope  # start-up

        note_persons_scope(draft.snapshot, draft.snapshot.get(before.id).task)
    task = draft.saved_task(entry)
    return ChangedTask(
        task=TaskView(task),
        changed=changed,
        fields=tuple(
            ChangedField(name, field_value(before, name), field_value(task, name))
            for name in values
        ),
        asks_review=asks_done and task.status is Status.REVIEW,
        notices=tuple(draft.notices),
        overruled=overruled,
    )


def _decide(draft: Draft, task: Task, status: object, why: str, now: datetime) -> Decision | None:
    """Draft what a person decides by a new status; None where that is not a decision.

    Work that was handed off and is opened again with a reason is sent back: its handoff is filed
    away. A reason to go on with a blocked task is the answer to its question.
    """
    is_handed_off = task.status in (Status.REVIEW, Status.DONE)
    if status == Status.TODO and why:
        kind = "answered" if task.status is Status.BLOCKED else "reopened"
    elif status == Status.DONE and task.status is Status.REVIEW:
        kind = "approved"
    else:
        return None
    from mosaic.plan.questions import question_of
    from mosaic.review.filing import draft_decision  # start-up: few changes are decisions
    from mosaic.text.decisions import Kind

    sessions = draft.snapshot.document.mission.sessions.of_task(task.id)
    question = question_of(task, sessions)
    notes = [("question", question.line)] if question else []
    away = is_handed_off and status == Status.TODO
    return draft_decision(draft, task.id, Kind(kind), why, now, notes=notes, files_away=away)


def add_task(mission_file: Path, new: NewTask) -> ChangedTask:
    """Add a task with the next free id."""
    from mosaic.store.create import add_task as add_to

    with editing(mission_file, "adding a task") as draft:
        task_id = add_to(draft, new, utc_now())
        save_change(draft)
        task = TaskView(draft.snapshot.get(task_id).task)
        return ChangedTask(task=task, changed=True, fields=(), notices=tuple(draft.notices))


class Filling(NamedTuple):
    """A section of a handoff, and what goes into it."""

    section: str
    content: str
    append: bool


def find_section(name: str) -> str:
    """Return the canonical name of a handoff section."""
    from mosaic.text.sections import HANDOFF_SECTIONS, canonical_name

    section = canonical_name(name.strip())
    if section not in HANDOFF_SECTIONS:
        known = ", ".join(f"`{each}`" for each in HANDOFF_SECTIONS)
        raise UsageError(f"`{name}` is not a handoff section", detail=f"known: {known}")
    return section


def fill_handoff(
    mission_file: Path, task_id: str, fillings: Sequence[Filling], ticks: Sequence[int] = ()
) -> tuple[str, ...]:
    """Fill sections of a task's handoff, and return what the person is to be warned of.

    `ticks` are numbers of acceptance criteria that hold, counted from 1.
    """
    from mosaic.text.criteria import tick_criterion

    with editing(mission_file, f"filling the handoff of {task_id}") as draft:
        task = draft.snapshot.get_task(task_id)
        for section, content, append in fillings:
            draft.fill_section(task.id, section, content, append=append)
        for number in ticks:
            draft.edit_text(task.id, partial(tick_criterion, number=number))
        save_change(draft)
        return tuple(draft.notices)


def _values(draft: Draft, task: Task, changes: Sequence[Change]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for change in changes:
        name = change.field.replace("-", "_").lower()
        field = FIELD_BY_NAME.get("title" if name == "description" else name)
        if field is None or not field.settable:
            known = ", ".join(f.name for f in FIELD_BY_NAME.values() if f.settable)
            raise UsageError(f"`{name}` is not a field that can be set", detail=f"known: {known}")
        text = change.text.strip()
        if field.kind is Kind.LIST:
            old = values.get(field.name, field_value(task, field.name))
            values[field.name] = _new_list(draft, task, field.name, change, old)
        elif change.operator != "=":
            raise UsageError(f"`{field.name}` is not a list", hint=f"write `{field.name}={text}`")
        elif field.kind is Kind.STATUS:
            own = draft.snapshot.document.mission.statuses
            values[field.name] = named_status(text, own).value
        elif field.name == "title" and not text:
            raise UsageError("a title cannot be empty")
        elif "\n" in text or "\r" in text:
            raise UsageError(
                f"`{field.name}` is one line", hint="put long text into the task's file"
            )
        else:
            values[field.name] = text
    return values


def _new_list(draft: Draft, task: Task, name: str, change: Change, old: object) -> tuple[str, ...]:
    operator = change.operator
    present = tuple(old) if isinstance(old, tuple) else ()
    items = [item.strip() for item in change.text.split(",") if item.strip()]
    if name == "depends_on" and operator != "-=":
        items = [draft.snapshot.get(item).task.id for item in items]
        if task.id in items:
            raise UsageError(f"`{task.id}` cannot depend on itself")
    if operator == "=":
        return tuple(dict.fromkeys(items))
    if operator == "+=":
        return tuple(dict.fromkeys((*present, *items)))
    unknown = [item for item in items if item not in present]
    if unknown:
        raise UsageError(f"`{name}` of `{task.id}` does not contain `{unknown[0]}`")
    return tuple(item for item in present if item not in items)
