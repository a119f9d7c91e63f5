"""Changing tasks, and adding them."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from mosaic.app.field_changes import read_changes, refuse_decision
from mosaic.app.tasks import TaskView
from mosaic.errors import AgainstEvidenceError, UsageError
from mosaic.machine.clock import utc_now
from mosaic.model import Status
from mosaic.plan.names import named_milestone
from mosaic.plan.statuses import named_status
from mosaic.records import NamedTuple, replace
from mosaic.sessions.attempt import forgive_attempts
from mosaic.store.draft import changing
from mosaic.store.parsed import ids_in_cell
from mosaic.store.reading import read_mission
from mosaic.store.state import list_kept_ends
from mosaic.text.fields import field_value
from mosaic.workspaces.landed import find_unlanded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.store.create import NewTask
    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout
    from mosaic.store.sync import Value
    from mosaic.store.tasks import Snapshot
    from mosaic.text.decisions import Decision

WORDS: Mapping[str, str] = {
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


def refuse_agent(layout: Layout, actor: Actor | None = None, doing: str = "review") -> None:
    """Make sure that a person decides."""
    if is_agent(actor, layout):
        raise UsageError(f"an agent cannot {doing}", hint="a person decides")


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
    to_merge: str | None = None
    """The branch that the work of a task waits in which is done now."""


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
    """Set the status of a task: see `change_statuses`."""
    return change_statuses(mission_file, [task_id], status, why, actor, force=force)[0]


def change_statuses(
    mission_file: Path,
    task_ids: Sequence[str],
    status: Status,
    why: str | None,
    actor: Actor | None = None,
    *,
    force: bool = False,
) -> tuple[ChangedTask, ...]:
    """Set the status of tasks, with the reason in their notes; some statuses need one.

    What a person says of a task that they open again, or accept, is kept among its decisions.
    """
    why = (why or "").strip()
    if status in NEEDS_WHY and not why:
        raise UsageError("`--why` is empty", hint="say why in a few words")
    change = Change("status", "=", status.value)
    return change_tasks(mission_file, task_ids, [change], why=why, actor=actor, force=force)


def change_task(
    mission_file: Path,
    task_id: str,
    changes: Sequence[Change],
    *,
    why: str = "",
    actor: Actor | None = None,
    force: bool = False,
) -> ChangedTask:
    """Change fields of a task: see `change_tasks`."""
    return change_tasks(mission_file, [task_id], changes, why=why, actor=actor, force=force)[0]


def change_tasks(
    mission_file: Path,
    task_ids: Sequence[str],
    changes: Sequence[Change],
    *,
    why: str = "",
    actor: Actor | None = None,
    force: bool = False,
) -> tuple[ChangedTask, ...]:
    """Change fields of tasks, files and rows, as one; `why` a new status is kept with them.

    An agent's `done` becomes `review`: only people and evidence set a task done. A person's counts
    as an approval: of work by agents, against the evidence, it needs `force`. What a person
    sets back to `todo` is tried again as if it were new.

    Raises:
        UsageError: a field does not exist, or cannot have that value.
        AgainstEvidenceError: there are objections to `done`, and `force` is not set.
        BrokenFileError: an edit cannot be made cleanly; nothing was written.
    """
    doing = f"changing {', '.join(task_ids)}"
    with editing(mission_file, doing) as draft:
        names = [*dict.fromkeys(draft.snapshot.get_task(name).id for name in task_ids)]
        approved = [name for name in names if _approves(draft.snapshot, name, changes, actor)]
        if not approved:
            return _change(draft, names, changes, why, actor, overruled={})
    from mosaic.review.verdict import review_task  # start-up: git, and what reads transcripts

    snapshot = read_mission(mission_file)
    overruled: dict[str, tuple[str, ...]] = {}
    for name in approved:
        overruled[name] = tuple(review_task(snapshot, snapshot.get_task(name)).objections)
        if overruled[name] and not force:
            again = f"`mission done {' '.join(names)} --force` overrules"
            hint = f"`mission review {name}` shows it; {again}"
            raise AgainstEvidenceError(name, overruled[name], hint=hint)
    with editing(mission_file, doing) as draft:
        return _change(draft, names, changes, why, actor, overruled=overruled)


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


class _Wanted(NamedTuple):
    """What becomes of one task by a change."""

    task: Task
    values: Mapping[str, Value]
    is_person: bool
    """Whether a person changes what an agent may not decide."""
    decision: str
    """The kind of decision that it is; empty where it is none."""
    asks_review: bool


def _wanted(
    draft: Draft, task: Task, changes: Sequence[Change], why: str, actor: Actor | None
) -> _Wanted:
    values = read_changes(draft, task, changes)
    asks_done = values.get("status") == Status.DONE
    decides = values.get("status") in (Status.DONE, Status.TODO) or "write_scope" in values
    is_person = decides and not is_agent(actor, draft.layout)
    if asks_done and not is_person:
        values["status"] = Status.REVIEW.value
    if actor is Actor.AGENT:
        refuse_decision(task, values.get("status"))
    decision = _decision_kind(task, values.get("status"), why) if is_person else ""
    return _Wanted(task, values, is_person, decision, asks_done and not is_person)


def _change(
    draft: Draft,
    names: Sequence[str],
    changes: Sequence[Change],
    why: str,
    actor: Actor | None,
    *,
    overruled: Mapping[str, tuple[str, ...]],
) -> tuple[ChangedTask, ...]:
    tasks = [draft.snapshot.get_task(name) for name in names]
    if len(names) > 1 and any(
        change.field.lower() in ("title", "description") for change in changes
    ):
        raise UsageError("several tasks cannot have one title", hint="set it for one task")
    every = [_wanted(draft, task, changes, why, actor) for task in tasks]
    now = utc_now().astimezone()
    for each in every:
        if each.decision and not each.task.file:  # decisions are in files; this saves one
            from mosaic.store.create import add_file

            add_file(draft, each.task, now)
    entries = [draft.snapshot.get(name) for name in names]
    made = {each.task.id: _decide(draft, each, why, now) for each in every if each.decision}
    for each in every:
        draft.edit_task(each.task.id, each.values, now)
        if why and not each.decision:
            word = WORDS.get(status := str(each.values.get("status", "changed")), status)
            draft.note(each.task.id, f"{now:%Y-%m-%d} {word}: {why}")
    changed = save_change(draft)
    for each in every:
        _note_changed(draft, each, made.get(each.task.id))
    done = []
    saved = [*map(draft.saved_task, entries)]
    unlanded = find_unlanded(draft.layout, saved)
    for each, task in zip(every, saved, strict=True):
        fields = tuple(
            ChangedField(name, field_value(each.task, name), field_value(task, name))
            for name in each.values
        )
        is_other = len(every) == 1 or bool(why) or any(f.before != f.after for f in fields)
        done.append(
            ChangedTask(
                task=TaskView(task),
                changed=changed and is_other,
                fields=fields,
                asks_review=each.asks_review and task.status is Status.REVIEW,
                notices=tuple(draft.notices),
                overruled=overruled.get(task.id, ()),
                to_merge=unlanded.get(task.id),
            )
        )
    return tuple(done)


def _note_changed(draft: Draft, done: _Wanted, made: Decision | None) -> None:
    """Remember what a person decided by a change that was saved."""
    name = done.task.id
    if made is not None:
        from mosaic.review.filing import note_saved  # start-up: few changes are decisions

        note_saved(draft, name, [made])
    if done.values.get("status") == Status.TODO and done.is_person:
        forgive_attempts(draft.snapshot, name)
    if "write_scope" in done.values and done.is_person:
        from mosaic.sessions.rules import note_persons_scope  # start-up

        note_persons_scope(draft.snapshot, draft.snapshot.get(name).task)


def _decision_kind(task: Task, status: object, why: str) -> str:
    """Return what a person decides by a new status; nothing where that is not a decision.

    Work that was handed off and is opened again with a reason is sent back: its handoff is filed
    away. A reason to go on with a blocked task is the answer to its question.
    """
    if status == Status.TODO and why:
        return "answered" if task.status is Status.BLOCKED else "reopened"
    return "approved" if status == Status.DONE and task.status is Status.REVIEW else ""


def _decide(draft: Draft, wanted: _Wanted, why: str, now: datetime) -> Decision:
    from mosaic.plan.questions import question_of
    from mosaic.review.filing import draft_decision  # start-up: few changes are decisions
    from mosaic.text.decisions import Kind

    task, status = wanted.task, wanted.values["status"]
    sessions = draft.snapshot.document.mission.sessions.of_task(task.id)
    question = question_of(task, sessions)
    notes = [("question", question.line)] if question else []
    away = task.status in (Status.REVIEW, Status.DONE) and status == Status.TODO
    kind = Kind(wanted.decision)
    return draft_decision(draft, task.id, kind, why, now, notes=notes, files_away=away)


def add_task(mission_file: Path, new: NewTask) -> ChangedTask:
    """Add a task with the next free id."""
    from mosaic.store.create import add_task as add_to

    with editing(mission_file, "adding a task") as draft:
        snapshot = draft.snapshot
        if new.milestone:
            declared = snapshot.document.mission.milestones
            milestone = named_milestone(new.milestone, declared, snapshot.tasks)
            new = replace(new, milestone=milestone)
        needed = [name for each in new.depends_on for name in ids_in_cell(each)]
        new = replace(new, depends_on=tuple(dict.fromkeys(needed)))
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
