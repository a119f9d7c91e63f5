"""Many write scopes at once: which of them may meet a given one.

The heads of all globs (see `scope_heads`) stand in a tree, one segment a level. Of a pattern
only its fixed ends count, and branches are found by them. The work for all looks together has
a bound: when it is used up, every scope counts as one that may meet every other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import TypeAlias

from mosaic.plan.globs import ANY_DEPTH, rooted_glob
from mosaic.records import NamedTuple

MOST_STEPS = 1_000_000
"""Branches that are made or looked at: about a second of work."""
MOST_REMEMBERED = 4096
_LAST = "\U0010ffff"
_FIRST = "\0"
_SIGNS = frozenset("*?[\\")

Ends: TypeAlias = tuple[str, str]
"""What every name that a segment matches begins with, and ends with, the latter reversed."""


class _Segment(NamedTuple):
    is_pattern: bool
    ends: Ends


def scope_heads(globs: Sequence[str], folder: str = "") -> list[tuple[str, ...]]:
    """Return the segments before the first `**` of every glob that allows something.

    They begin at the repository's root, of which `folder` holds the project.

    Every glob ends with `**`, because what is below a matched folder is matched as well. So
    two globs have a path in common exactly when their heads agree as far as both go: the `**`
    of each takes up what the other has left.
    """
    rooted = (rooted_glob(glob, folder) for glob in globs)
    parsed = [glob for glob in rooted if glob.parts and not glob.is_negated]
    return [glob.parts[: glob.parts.index(ANY_DEPTH)] for glob in parsed]


class ScopeIndex:
    """The write scopes of some tasks, by the number of the task; an empty scope meets none."""

    def __init__(self, scopes: Sequence[Sequence[str]], folder: str = "") -> None:
        self._folder = folder
        self._everything = (1 << len(scopes)) - 1
        self.steps_left = MOST_STEPS
        """How much work may still be done; negative when answers say too much."""
        self._root = _Branch()
        self._known: dict[tuple[_Segment, ...], int] = {}
        for number, scope in enumerate(scopes):
            for head in scope_heads(scope, folder):
                self._add(head, number)

    @property
    def is_exhausted(self) -> bool:
        """Whether the steps are used up, so that every scope is said to meet every other."""
        return self.steps_left < 0

    def meeting(self, globs: Sequence[str]) -> int:
        """Return the tasks whose scope may meet this one, as a number with their bits set."""
        found = 0
        for head in scope_heads(globs, self._folder):
            found |= self._meeting(tuple(map(_segment, head)))
            if self.is_exhausted:
                return self._everything
        return found

    def _add(self, head: tuple[str, ...], number: int) -> None:
        branch = self._root
        for segment in map(_segment, head):
            self.steps_left -= 1
            if self.is_exhausted:
                return
            below = branch.below.setdefault(segment.is_pattern, _Branches())
            branch = below.grown(segment.ends)
        branch.owners.add(number)

    def _meeting(self, head: tuple[_Segment, ...]) -> int:
        if head in self._known:
            return self._known[head]
        owners: set[int] = set()
        pending = [(self._root, 0)]
        while pending and not self.is_exhausted:
            branch, depth = pending.pop()
            owners |= branch.owners
            self.steps_left -= 1 + len(branch.owners)
            for is_pattern, below in branch.below.items():
                if depth >= len(head):
                    found: Sequence[_Branch] = list(below.by_ends.values())
                elif is_pattern or head[depth].is_pattern:
                    found, steps = below.agreeing(head[depth].ends)
                    self.steps_left -= steps
                else:
                    same = below.by_ends.get(head[depth].ends)
                    found = [same] if same else []
                pending += [(each, depth + 1) for each in found]
        bits = bytearray(self._everything.bit_length() // 8 + 1)
        for number in owners:
            bits[number >> 3] |= 1 << (number & 7)
        met = int.from_bytes(bits, "little")
        if len(self._known) < MOST_REMEMBERED:
            self._known[head] = met
        return met


def numbers_in(bits: int) -> Iterator[int]:
    """Yield the numbers whose bits are set, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


class _Branch:
    """The scopes that end here, and the branches below: those of names, and of patterns."""

    __slots__ = ("below", "owners")

    def __init__(self) -> None:
        self.owners: set[int] = set()
        self.below: dict[bool, _Branches] = {}


class _Branches:
    """Branches by the ends of their segment."""

    def __init__(self) -> None:
        self.by_ends: dict[Ends, _Branch] = {}

    def grown(self, ends: Ends) -> _Branch:
        """Return the branch with these ends, which is made where there is none."""
        if ends not in self.by_ends:
            self.by_ends[ends] = _Branch()
        return self.by_ends[ends]

    @cached_property
    def _sorted(self) -> tuple[list[Ends], ...]:
        """All ends in the order of the first, and of the second; nothing is added any more."""
        return tuple(sorted(self.by_ends, key=itemgetter(side)) for side in (0, 1))

    @cached_property
    def _lengths(self) -> tuple[set[int], ...]:
        return tuple({len(ends[side]) for ends in self.by_ends} for side in (0, 1))

    def agreeing(self, ends: Ends) -> tuple[list[_Branch], int]:
        """Return the branches that agree at both ends, and how many steps it took.

        Two texts agree when one is the beginning of the other. The end that leaves fewer is
        looked through.
        """
        spans = [self._agreeing_at(side, ends[side]) for side in (0, 1)]
        counts = [sum(stop - start for start, stop in each) for each in spans]
        side = 0 if counts[0] <= counts[1] else 1
        found = [other for span in spans[side] for other in self._sorted[side][slice(*span)]]
        fit = [other for other in found if _is_beginning(ends[1 - side], other[1 - side])]
        steps = len(self._lengths[0]) + len(self._lengths[1]) + len(found)
        return [self.by_ends[other] for other in fit], steps

    def _agreeing_at(self, side: int, text: str) -> list[tuple[int, int]]:
        """Return where what agrees with a text at one end stands in the order of that end."""
        shorter = (text[:length] for length in self._lengths[side] if length < len(text))
        ranges = [(text, text + _LAST), *((each, each + _FIRST) for each in shorter)]
        order, key = self._sorted[side], itemgetter(side)
        places = [[bisect_left(order, bound, key=key) for bound in each] for each in ranges]
        return [(start, stop) for start, stop in places if start < stop]


def may_agree(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether two heads may lead to one path."""
    pairs = zip(map(_segment, one), map(_segment, other), strict=False)
    return all(
        a == b
        if not (a.is_pattern or b.is_pattern)
        else _is_beginning(a.ends[0], b.ends[0]) and _is_beginning(a.ends[1], b.ends[1])
        for a, b in pairs
    )


def is_pattern(segment: str) -> bool:
    """Tell whether a segment may match more than one name."""
    return not _SIGNS.isdisjoint(segment)


def fixed_ends(segment: str) -> tuple[str, str]:
    """Return what every name that a segment matches begins and ends with."""
    if not is_pattern(segment):
        return segment, segment
    signs = [n for n, letter in enumerate(segment) if letter in "*?[]\\"]
    return segment[: signs[0]], segment[signs[-1] + 1 :]


@lru_cache(maxsize=MOST_REMEMBERED)
def _segment(segment: str) -> _Segment:
    first, last = fixed_ends(segment)
    return _Segment(is_pattern(segment), (first, last[::-1]))


def _is_beginning(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
