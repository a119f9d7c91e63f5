"""Many write scopes at once: which of them may meet a given one.

The heads of all globs (see `scope_heads`) stand in a tree, one segment a level. Of a pattern
only its fixed ends count, and branches are found by them. The work for all looks together has
a bound: when it is used up, every scope counts as one that may meet every other.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, TypeAlias

from mosaic.plan.globs import ANY_DEPTH, parse_glob

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_STEPS = 1_000_000
"""Branches that are made or looked at: about a second of work."""
MOST_REMEMBERED = 4096
_LAST = "\U0010ffff"

Ends: TypeAlias = "tuple[str, str]"
"""What every name that a segment matches begins with, and ends with."""
Segment: TypeAlias = "str | Ends"
"""A name, or of a pattern all that counts."""


def scope_heads(globs: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the segments before the first `**` of every glob that allows something.

    Every glob ends with `**`, because what is below a matched folder is matched as well. So
    two globs have a path in common exactly when their heads agree as far as both go: the `**`
    of each takes up what the other has left.
    """
    parsed = [parse_glob(glob) for glob in globs]
    return [
        glob.parts[: glob.parts.index(ANY_DEPTH)]
        for glob in parsed
        if glob.parts and not glob.is_negated
    ]


class ScopeIndex:
    """The write scopes of some tasks, by the number of the task."""

    def __init__(self, scopes: Sequence[Sequence[str]], steps: int = MOST_STEPS) -> None:
        """Take scopes up.

        Args:
            scopes: globs, task by task; an empty scope meets none.
            steps: how much work may go into this and all looks together.
        """
        self._everything = (1 << len(scopes)) - 1
        self._steps = _Steps(steps)
        self._root = _Branch()
        self._known: dict[tuple[Segment, ...], int] = {}
        for number, scope in enumerate(scopes):
            for head in scope_heads(scope):
                self._add(_segments(head), number)

    @property
    def steps_left(self) -> int:
        """How much work may still be done; negative when answers say too much."""
        return self._steps.left

    @property
    def is_exhausted(self) -> bool:
        """Whether the steps are used up, so that every scope is said to meet every other."""
        return self._steps.left < 0

    def meeting(self, globs: Sequence[str]) -> int:
        """Return the tasks whose scope may meet this one, as a number with their bits set."""
        found = 0
        for head in scope_heads(globs):
            found |= self._meeting(_segments(head))
            if self.is_exhausted:
                return self._everything
        return found

    def _add(self, head: tuple[Segment, ...], number: int) -> None:
        branch = self._root
        for segment in head:
            self._steps.spend(1)
            if self.is_exhausted:
                return
            branch = branch.grown(segment)
        if not branch.owners or branch.owners[-1] != number:
            branch.owners.append(number)

    def _meeting(self, head: tuple[Segment, ...]) -> int:
        if head in self._known:
            return self._known[head]
        owners: set[int] = set()
        pending = [(self._root, 0)]
        while pending and not self.is_exhausted:
            branch, depth = pending.pop()
            owners.update(branch.owners)
            self._steps.spend(1 + len(branch.owners))
            if depth < len(head):
                below = branch.agreeing(head[depth], self._steps)
            else:
                below = branch.all_below()
            pending += [(each, depth + 1) for each in below]
        found = _bits(owners, self._everything.bit_length())
        if len(self._known) < MOST_REMEMBERED:
            self._known[head] = found
        return found


def numbers_in(bits: int) -> Iterator[int]:
    """Yield the numbers whose bits are set, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


class _Steps:
    """The work that is left."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, steps: int) -> None:
        self.left -= steps


class _Branch:
    """The scopes that end here, and the branches below."""

    __slots__ = ("names", "owners", "patterns")

    def __init__(self) -> None:
        self.owners: list[int] = []
        self.names: _Branches | None = None
        self.patterns: _Branches | None = None

    def grown(self, segment: Segment) -> _Branch:
        """Return the branch of a segment, which is made where there is none."""
        if isinstance(segment, str):
            self.names = self.names or _Branches()
            return self.names.grown((segment, segment))
        self.patterns = self.patterns or _Branches()
        return self.patterns.grown(segment)

    def all_below(self) -> list[_Branch]:
        """Return every branch."""
        both = (self.names, self.patterns)
        return [branch for each in both if each for branch in each.by_ends.values()]

    def agreeing(self, segment: Segment, steps: _Steps) -> list[_Branch]:
        """Return the branches whose segment may match a name that this one matches."""
        ends = (segment, segment) if isinstance(segment, str) else segment
        found = self.patterns.agreeing(ends, steps) if self.patterns else []
        if self.names and not isinstance(segment, str):
            found += self.names.agreeing(ends, steps)
        elif self.names and ends in self.names.by_ends:
            found.append(self.names.by_ends[ends])
        return found


class _Branches:
    """Branches by the ends of their segment."""

    __slots__ = ("_by_head", "_by_tail", "by_ends")

    def __init__(self) -> None:
        self.by_ends: dict[Ends, _Branch] = {}
        self._by_head = _Beginnings()
        self._by_tail = _Beginnings()

    def grown(self, ends: Ends) -> _Branch:
        """Return the branch with these ends, which is made where there is none."""
        branch = self.by_ends.get(ends)
        if branch is None:
            branch = self.by_ends[ends] = _Branch()
            self._by_head.add(ends[0], ends)
            self._by_tail.add(ends[1][::-1], ends)
        return branch

    def agreeing(self, ends: Ends, steps: _Steps) -> list[_Branch]:
        """Return the branches that agree at both ends; the end that leaves fewer is asked."""
        head, tail = ends[0], ends[1][::-1]
        if self._by_head.count(head, steps) <= self._by_tail.count(tail, steps):
            found = self._by_head.agreeing(head)
            fit = [each for each in found if _is_beginning(tail, each[1][::-1])]
        else:
            found = self._by_tail.agreeing(tail)
            fit = [each for each in found if _is_beginning(head, each[0])]
        steps.spend(len(found))
        return [self.by_ends[each] for each in fit]


class _Beginnings:
    """Texts with what they stand for; two agree when one is the beginning of the other."""

    __slots__ = ("_by_text", "_is_sorted", "_lengths", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._is_sorted = True
        self._by_text: dict[str, list[Ends]] = {}
        self._lengths: set[int] = set()

    def add(self, text: str, stands_for: Ends) -> None:
        """Take up a text; it may be there already, for something else."""
        self._texts.append(text)
        self._is_sorted = False
        self._lengths.add(len(text))
        self._by_text.setdefault(text, []).append(stands_for)

    def count(self, text: str, steps: _Steps) -> int:
        """Return how many agree."""
        if not self._is_sorted:
            self._texts.sort()
            self._is_sorted = True
        steps.spend(len(self._lengths))
        start, stop = self._beginning_with(text)
        return stop - start + sum(len(self._by_text[each]) for each in self._shorter(text))

    def agreeing(self, text: str) -> list[Ends]:
        """Return what those that agree stand for; `count` was asked before."""
        start, stop = self._beginning_with(text)
        texts = dict.fromkeys([*self._shorter(text), *self._texts[start:stop]])
        return [each for known in texts for each in self._by_text[known]]

    def _beginning_with(self, text: str) -> tuple[int, int]:
        return bisect_left(self._texts, text), bisect_left(self._texts, text + _LAST)

    def _shorter(self, text: str) -> list[str]:
        beginnings = (text[:length] for length in self._lengths if length < len(text))
        return [each for each in beginnings if each in self._by_text]


def is_pattern(segment: str) -> bool:
    """Tell whether a segment may match more than one name."""
    return any(sign in segment for sign in "*?[\\")


def fixed_ends(segment: str) -> tuple[str, str]:
    """Return what every name that a segment matches begins and ends with."""
    if not is_pattern(segment):
        return segment, segment
    signs = [n for n, letter in enumerate(segment) if letter in "*?[]\\"]
    return segment[: signs[0]], segment[signs[-1] + 1 :]


def _segments(head: tuple[str, ...]) -> tuple[Segment, ...]:
    return tuple(fixed_ends(each) if is_pattern(each) else each for each in head)


def _is_beginning(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _bits(numbers: set[int], length: int) -> int:
    data = bytearray(length // 8 + 1)
    for number in numbers:
        data[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(data, "little")
