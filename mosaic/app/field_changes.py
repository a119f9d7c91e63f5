"""What a person writes behind a field's name, as the value that the field gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import UsageError
from mosaic.model import Status
from mosaic.plan.names import closest_names, meant_ids, named_milestone
from mosaic.plan.statuses import named_status
from mosaic.store.parsed import ids_in_cell
from mosaic.text.fields import FIELD_BY_NAME, Kind, field_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.app.change import Change
    from mosaic.model import Task
    from mosaic.store.draft import Draft
    from mosaic.store.sync import Value
    from mosaic.store.tasks import Snapshot


def read_changes(draft: Draft, task: Task, changes: Sequence[Change]) -> dict[str, Value]:
    """Return the fields of a task as changes set them (or raise UsageError)."""
    values: dict[str, Value] = {}
    for change in changes:
        name = change.field.replace("-", "_").lower()
        field = FIELD_BY_NAME.get("title" if name == "description" else name)
        if field is None or not field.settable:
            names = [f.name for f in FIELD_BY_NAME.values() if f.settable]
            known, near = ", ".join(names), closest_names(name, names, 1)
            detail = f"nearest: `{near[0]}`; known: {known}" if near else f"known: {known}"
            raise UsageError(f"`{name}` is not a field that can be set", detail=detail)
        text = change.text.strip()
        if field.kind is Kind.LIST:
            old = values.get(field.name, field_value(task, field.name))
            values[field.name] = _new_list(draft, task, field.name, change, old)
        elif change.operator != "=":
            raise UsageError(f"`{field.name}` is not a list", hint=f"write `{field.name}={text}`")
        elif field.kind is Kind.STATUS:
            own = draft.snapshot.document.mission.statuses
            values[field.name] = named_status(text, own).value
        elif field.name == "milestone" and text:
            snapshot = draft.snapshot
            declared = snapshot.document.mission.milestones
            values[field.name] = named_milestone(text, declared, snapshot.tasks)
        elif field.name == "title" and not text:
            raise UsageError("a title cannot be empty")
        elif "\n" in text or "\r" in text:
            raise UsageError(
                f"`{field.name}` is one line", hint="put long text into the task's file"
            )
        else:
            values[field.name] = text
    if values.get("branch"):
        _refuse_branch(draft.snapshot, task, str(values["branch"]))
    return values


def refuse_decision(task: Task, status: Value | None) -> None:
    """Make sure that a new status does not open again what is closed or waits for a person.

    A decision of that kind is a person's. UsageError: it does.
    """
    is_theirs = task.status in (Status.BLOCKED, Status.DONE, Status.CANCELLED)
    opens = status != task.status if is_theirs else task.status is Status.REVIEW
    if status is not None and opens and (is_theirs or status == Status.TODO):
        way = f"`mission reopen {task.id}`"
        if task.status is Status.BLOCKED:
            way = f'`mission answer {task.id} "…"`'
        raise UsageError(
            f"`{task.id}` is {task.status.value}, and an agent cannot open it again",
            hint=f"a person decides: {way}",
        )


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


def _new_list(draft: Draft, task: Task, name: str, change: Change, old: object) -> tuple[str, ...]:
    operator = change.operator
    present = tuple(old) if isinstance(old, tuple) else ()
    if name == "depends_on":
        items = [
            _meant_dependency(draft, item, present, operator) for item in ids_in_cell(change.text)
        ]
        if task.id in items and operator != "-=":
            raise UsageError(f"`{task.id}` cannot depend on itself")
    else:
        items = [item.strip() for item in change.text.split(",") if item.strip()]
    if operator == "=":
        return tuple(dict.fromkeys(items))
    if operator == "+=":
        return tuple(dict.fromkeys((*present, *items)))
    unknown = [item for item in items if item not in present]
    if unknown:
        raise UsageError(f"`{name}` of `{task.id}` does not contain `{unknown[0]}`")
    return tuple(item for item in present if item not in items)


def _meant_dependency(draft: Draft, word: str, present: Sequence[str], operator: str) -> str:
    """Return the id that a word names: of any task; where it is taken away, of those present."""
    if operator != "-=":
        return draft.snapshot.get_task(word).id
    found = meant_ids(word, present)
    return found[0] if len(found) == 1 else word
