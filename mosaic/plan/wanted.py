"""Which tasks are wanted: conditions on their fields, and words that stand in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.errors import UsageError
from mosaic.plan.statuses import named_status
from mosaic.records import NamedTuple
from mosaic.text.fields import FIELD_BY_NAME, Kind, field_value, shown_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mosaic.model import JsonValue, Status, Task

OTHER_NAMES = {
    "id": "task_id", "label": "labels", "dependencies": "depends_on", "scope": "write_scope",
}  # fmt: skip


class Condition(NamedTuple):
    """What a field of a wanted task holds."""

    field: str
    operator: str
    """`=`: one of the values; `!=`: none of them; `~`: one of them within its text."""
    values: tuple[str, ...]
    """Compared without case; an empty one stands for nothing at all."""

    def is_met_by(self, task: Task) -> bool:
        """Tell whether a task holds that."""
        held = [text.casefold() for text in _texts(task, self.field)] or [""]
        if self.operator == "~":
            return any(value in text for value in self.values for text in held)
        return any(value in held for value in self.values) is (self.operator == "=")


OPERATOR = re.compile(r"(!=|=|~)")


def parse_condition(
    text: str, tasks: Sequence[Task], statuses: Mapping[str, Status] | None = None
) -> Condition:
    """Return the condition that `FIELD=VALUE`, `FIELD!=VALUE` or `FIELD~TEXT` stands for.

    Several values, with commas between them, are alternatives. A field may be one of those that
    every task has, or any key or column that one of these tasks has besides.

    Raises:
        UsageError: it is none, or names an unknown field or status.
    """
    name, operator, written = (
        OPERATOR.split(text, maxsplit=1) if OPERATOR.search(text) else [""] * 3
    )
    if not name.strip():
        hint = "write `--where assignee=ann`, `--where 'labels!=ui'` or `--where title~login`"
        raise UsageError(f"`{text}` is not a condition", hint=hint)
    field = _field_name(name, tasks)
    values = [value.strip() for value in written.split(",")]
    if field == "status" and operator != "~":
        values = [named_status(value, statuses or {}).value for value in values]
    return Condition(field, operator, tuple(value.casefold() for value in values))


def holds_words(task: Task, words: Iterable[str]) -> bool:
    """Tell whether all these words, in lower case, stand somewhere in a task's fields."""
    names = [*FIELD_BY_NAME, *task.extra]
    text = "\n".join(text for name in names for text in _texts(task, name)).casefold()
    text += f"\n{task.notes or ''}".casefold()
    return all(word in text for word in words)


def _field_name(name: str, tasks: Sequence[Task]) -> str:
    plain = name.strip().replace("-", "_").lower()
    plain = OTHER_NAMES.get(plain, plain)
    if plain in FIELD_BY_NAME:
        return plain
    own = dict.fromkeys(key for task in tasks for key in task.extra)
    if (exact := next((key for key in own if key.lower() in (plain, name.lower())), None)) is None:
        known = [field for field in FIELD_BY_NAME if field != "imported"]
        raise UsageError(
            f"no task has a field `{name}`", detail=f"known: {', '.join([*known, *own])}"
        )
    return exact


def _texts(task: Task, name: str) -> list[str]:
    """Return what a task holds in a field, as texts; none where it holds nothing."""
    field = FIELD_BY_NAME.get(name)
    if field is None:
        return _plain_texts(task.extra.get(name))
    if field.kind is Kind.STATUS:
        return [shown_status(task)]
    value = field_value(task, name)
    return [value] if isinstance(value, str) else [*(value or ())]


def _plain_texts(value: JsonValue) -> list[str]:
    """Return the single values of an unknown key as texts."""
    if value is None or value == "":
        return []
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, str | int | float):
        return [str(value)]
    inner = value.values() if hasattr(value, "values") else value
    return [text for each in inner for text in _plain_texts(each)]
