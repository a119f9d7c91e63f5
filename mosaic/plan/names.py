"""What a person means by a name that is short or misspelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mosaic.model import Milestone, Task

DIGITS = "0123456789"


def meant_ids(word: str, ids: Iterable[str]) -> list[str]:
    """Return the ids that a word may stand for: `1`, `t1` and `T-1` for `T-001`.

    The id itself comes before every other one; case does not matter where that leaves no doubt.
    """
    known = [*ids]
    if word in known:
        return [word]
    folded = word.casefold()
    if alike := [each for each in known if each.casefold() == folded]:
        return alike
    head, number = _parts(word)
    if not number:
        return []
    return [each for each in known if _is_short_for(head, number, each)]


def _is_short_for(head: str, number: str, task_id: str) -> bool:
    own, counted = _parts(task_id)
    # A number alone is a task's own: `2` is not the second part of `T-001.2`.
    return counted == number and (head == own if head else not any(map(str.isdigit, own)))


def _parts(name: str) -> tuple[str, str]:
    """Return what stands before the number that a name ends with, and that number."""
    head = name.rstrip(DIGITS)
    number = name[len(head) :]
    return head.removesuffix("-").casefold(), number and (number.lstrip("0") or "0")


def closest_names(word: str, names: Iterable[str], most: int = 3) -> list[str]:
    """Return the names that a misspelled one is nearest to, the nearest first."""
    from difflib import get_close_matches  # start-up: only a wrong name needs it

    by_key: dict[str, str] = {}
    for name in names:
        by_key.setdefault(name.casefold(), name)
    key = word.casefold()
    begun = [each for each in by_key if len(key) > 1 and each.startswith(key)]
    found = dict.fromkeys([*get_close_matches(key, by_key, n=most), *begun])
    return [by_key[each] for each in found][:most]


def named_milestone(word: str, milestones: Sequence[Milestone], tasks: Iterable[Task] = ()) -> str:
    """Return the id of the milestone that a person names by its id or its name.

    Known are those that are declared, and those that tasks name. Raises UsageError, which
    names the nearest.
    """
    names: dict[str, str] = {each.id: each.id for each in milestones}
    names |= {task.milestone: task.milestone for task in tasks if task.milestone}
    if word in names:
        return word
    if found := _only({id_ for name, id_ in names.items() if _is_same(name, word)}):
        return found
    titles = [(each.name, each.id) for each in milestones]
    if found := _only({id_ for title, id_ in titles if _is_same(title, word)}):
        return found
    by_name = {**dict(titles), **names}
    raise UsageError(
        f"no milestone is called `{word}`",
        detail=_near_words(word, by_name),
        hint=f'`mission milestone add "{word}"` makes it; `mission milestone list` shows all',
    )


def _only(ids: set[str]) -> str | None:
    return ids.pop() if len(ids) == 1 else None


def _is_same(name: str, word: str) -> bool:
    return " ".join(name.casefold().split()) == " ".join(word.casefold().split())


def _near_words(word: str, ids: Mapping[str, str]) -> str | None:
    if near := list(dict.fromkeys(ids[name] for name in closest_names(word, ids))):
        return f"nearest: {', '.join(f'`{each}`' for each in near)}"
    known = ", ".join(f"`{each}`" for each in dict.fromkeys(ids.values()))
    return f"known: {known}" if known else "there are none yet"
