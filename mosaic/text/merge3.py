"""Merging three versions of a record or a text: what both began with, ours, and theirs.

A value that only one side changed is taken from it; changed on both alike, it is agreed. Changed
on both differently, it is a disagreement, which has a name such as `T-003.status` and is decided
by an answer: a side, or a value. Nothing here knows a file format; nothing is read or written.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, TypeVar

from mosaic.records import NamedTuple

MISSING: Any = object()
"""What a side holds that has no such value."""
Item = TypeVar("Item")
OURS = "ours"
THEIRS = "theirs"


class Disagreement(NamedTuple):
    """A value that both sides changed, each to something else; None where a side has none."""

    name: str
    base: str | None
    ours: str | None
    theirs: str | None


class Region(NamedTuple):
    """A stretch of three sequences, each as where it begins and ends there."""

    base: slice
    ours: slice
    theirs: slice


class Merger:
    """One merge: takes what is decided, collects what is not."""

    def __init__(self, answers: Mapping[str, str] | None = None, side: str | None = None) -> None:
        """Take answers by name, and the side that decides about all other disagreements."""
        self._answers = answers or {}
        self._side = side
        self.asked: dict[str, Disagreement] = {}
        """All disagreements, by name."""
        self.open: list[Disagreement] = []
        """Those that nothing decides."""

    def pick(
        self,
        name: str,
        base: Any,
        ours: Any,
        theirs: Any,
        *,
        same: Callable[[Any, Any], bool] = operator.eq,
        read: Callable[[str], Any] | None = None,
    ) -> Any:
        """Return the value that counts; ours where that is not decided yet.

        `read` makes a value of an answer; without it only the sides can be answered.
        """
        for alike in (operator.eq, same):
            if alike(ours, theirs) or alike(theirs, base):
                return ours
            if alike(ours, base):
                return theirs
        found = Disagreement(name, *map(_shown, (base, ours, theirs)))
        self.asked[name] = found
        answer = self._answers.get(name, self._side)
        if answer in (OURS, THEIRS):
            return ours if answer == OURS else theirs
        if answer is not None and read is not None:
            return read(answer)
        if found not in self.open:
            self.open.append(found)
        return ours

    def free_name(self, name: str) -> str:
        """Return a name for a further disagreement about the same thing."""
        number = 1
        while (numbered := name if number == 1 else f"{name}{number}") in self.asked:
            number += 1
        return numbered


def merge_keys(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], kept: frozenset[str] | set[str]
) -> list[str]:
    """Return the order of keys: ours, with each new one of theirs behind its predecessor.

    What one side removed is gone, but for those in `kept`. Where only they put what all have into
    another order, that order counts.
    """
    common = set(base) & set(ours) & set(theirs)
    main, other = ours, theirs
    if _within(ours, common) == _within(base, common) != _within(theirs, common):
        main, other = theirs, ours
    known, others = set(base), set(other)
    stay = [key for key in main if key in kept or key in others or key not in known]
    there = set(stay)
    more = [key for key in other if key in kept or key not in known or key in there]
    known |= others
    return woven(stay, more, lambda key: key not in known)


def woven(
    main: Sequence[Item], other: Sequence[Item], is_own: Callable[[Item], bool]
) -> list[Item]:
    """Return a sequence with each item that only the other has, behind its predecessor there.

    `is_own` tells what only the first has; of two that follow the same predecessor, it is first.
    """
    places = {each: at for at, each in enumerate(main)}
    added: dict[int, list[Item]] = {}
    place = 0
    for each in other:
        if each in places:
            place = places[each] + 1
            continue
        while place < len(main) and is_own(main[place]):
            place += 1
        added.setdefault(place, []).append(each)
    result = list(added.get(0, ()))
    for at, each in enumerate(main, 1):
        result += [each, *added.get(at, ())]
    return result


def merge_sets(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...]:
    """Return a list of words, each by itself: added or removed by either side."""
    if list(ours) == list(base):
        return tuple(theirs)
    if list(theirs) == list(base):
        return tuple(ours)
    first, second, third = (list(dict.fromkeys(side)) for side in (base, ours, theirs))
    return tuple(merge_keys(first, second, third, set()))


def regions(base: Sequence[Any], ours: Sequence[Any], theirs: Sequence[Any]) -> Iterator[Region]:
    """Yield stretches that are the same in all three, and between them those that are not."""
    in_ours, in_theirs = _matches(base, ours), _matches(base, theirs)
    b = o = t = 0
    for at in range(len(base) + 1):
        if at == len(base):
            ends = (len(ours), len(theirs))
        elif at in in_ours and at in in_theirs:
            ends = (in_ours[at], in_theirs[at])
        else:
            continue
        if (b, o, t) != (at, *ends):
            yield Region(slice(b, at), slice(o, ends[0]), slice(t, ends[1]))
        b, o, t = at + 1, ends[0] + 1, ends[1] + 1
        if at < len(base):
            yield Region(slice(at, b), slice(ends[0], o), slice(ends[1], t))


def merge_lines(
    merger: Merger,
    base: Sequence[str],
    ours: Sequence[str],
    theirs: Sequence[str],
    *,
    name: Callable[[int], str | None],
) -> list[str]:
    """Return lines merged stretch by stretch.

    `name` says by a line of ours what a disagreement there is about; None: both are kept.
    """
    first, second, third = list(base), list(ours), list(theirs)
    if second in (first, third) or third == first:  # comparing long texts takes long
        return third if second == first else second
    result: list[str] = []
    for region in regions(base, ours, theirs):
        b, o, t = list(base[region.base]), list(ours[region.ours]), list(theirs[region.theirs])
        if o in (t, b) or t == b:
            result += t if o == b else o
        elif (lines := _line_by_line(b, o, t)) is not None:
            result += lines
        elif (word := name(region.ours.start)) is None:
            result += united(b, o, t)
        else:
            texts = ["".join(each) for each in (b, o, t)]
            chosen = merger.pick(merger.free_name(word), *texts)
            result += t if chosen == texts[2] else o
    return result


def joined(lines: Sequence[str], newline: str) -> str:
    """Return lines as a text; one that was its text's last gets a line end where more follows."""
    ended = [line if line.endswith("\n") else line + newline for line in lines[:-1]]
    return "".join((*ended, *lines[-1:]))


def common_lines(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """Return the lines that two versions share, as what they began with where nothing is known."""
    return [ours[at] for at in sorted(_matches(ours, theirs))]


def united(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """Return our lines and, behind them, those of theirs that neither we nor the base have."""
    blank = [line for line in theirs if not line.strip()]
    known = {*base, *ours} - set(blank)
    added = [line for line in theirs if line not in known]
    if not any(line.strip() for line in added):
        return list(ours)
    while ours and added and not added[0].strip() and not ours[-1].strip():
        del added[0]
    return [*ours, *added]


def _line_by_line(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> list[str] | None:
    """Merge a stretch that has as many lines in all three, where no line changed on both."""
    if not len(base) == len(ours) == len(theirs):
        return None
    lines = []
    for b, o, t in zip(base, ours, theirs, strict=True):
        if o not in (t, b) and t != b:
            return None
        lines.append(t if o == b else o)
    return lines


def _within(keys: Sequence[str], wanted: set[str]) -> list[str]:
    return [key for key in keys if key in wanted]


def _matches(base: Sequence[Any], other: Sequence[Any]) -> dict[int, int]:
    blocks = SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks()
    return {b + n: o + n for b, o, size in blocks for n in range(size)}


def _shown(value: Any) -> str | None:
    if value is MISSING:
        return None
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    from json import dumps  # start-up: a merge alone needs it

    return dumps(value, ensure_ascii=False)
