"""Whether two write scopes meet: both allow a path that is there or claimed, or lead to one place.

`ScopeIndex` finds the scopes that could; here each of them is looked at again. Two globs meet
by prefix when the fixed folders that one begins with are the beginning of the other's, as
`src/**` and `src/api/*.py`. A glob that begins with a pattern has no such folders: `**/*.md`
meets `src/**` when there is such a file.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import takewhile

from mosaic.plan.globs import ANY_DEPTH, Glob, is_plain, outside_scope, parse_glob, rooted_glob
from mosaic.plan.scope_index import may_agree
from mosaic.records import NamedTuple

MOST_COMPARED = 300_000
"""Pairs of globs, and paths, that are looked at: about a second of work."""
_EVERYTHING = ((ANY_DEPTH,), ("*", ANY_DEPTH), (ANY_DEPTH, "*", ANY_DEPTH))
_LAST = "\U0010ffff"


class Ground(NamedTuple):
    """What scopes are compared on."""

    folder: str = ""
    """Where the project lies in its repository."""
    find_paths: Callable[[], Collection[str] | None] = lambda: None
    """Return the files that are there or claimed, from the repository's root; None: not known."""


class _Taken(NamedTuple):
    """A glob of a scope, taken apart."""

    text: str
    glob: Glob
    head: tuple[str, ...]
    fixed: tuple[str, ...]
    """The folders that it begins with, or the whole path where it names one."""
    is_within: bool
    """Whether it begins with folders of the project, or beside it: not with a pattern."""
    is_whole: bool
    """Whether it allows everything there."""
    is_name: bool
    """Whether it is the name of one file or folder."""


class ScopeComparison:
    """Compares scopes, two at a time, with a bound on the work for all of them."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._left = MOST_COMPARED

    @property
    def is_exhausted(self) -> bool:
        """Whether the bound is met, so that all scopes are said to meet."""
        return self._left < 0

    def meeting(self, first: Sequence[str], second: Sequence[str]) -> tuple[str, str] | None:
        """Return the two globs by which two scopes meet; None where they do not."""
        folder = self._ground.folder
        for a in _taken_apart(tuple(first), folder):
            for b in _taken_apart(tuple(second), folder):
                self._left -= 1
                if self.is_exhausted or self._do_meet(a, b, (first, second)):
                    return a.text, b.text
        return None

    def _do_meet(self, a: _Taken, b: _Taken, scopes: Sequence[Sequence[str]]) -> bool:
        if not may_agree(a.head, b.head):
            return False
        for one, other in ((a, b), (b, a)):
            begins = other.fixed[: len(one.fixed)] == one.fixed
            if begins and (one.is_whole or one.is_within):
                return True
            if one.is_name and other.glob.matches(_as_path(one.fixed)):
                return True
        paths = self._paths
        if paths is None:
            return True
        longest = max(a.fixed, b.fixed, key=len)
        begin = f"{_as_path(longest)}/" if longest else ""
        for at in range(bisect_left(paths, begin), bisect_left(paths, begin + _LAST)):
            self._left -= 1
            path = paths[at]
            if self.is_exhausted:
                return True
            if a.glob.matches(path) and b.glob.matches(path) and self._is_allowed(path, scopes):
                return True
        return False

    @cached_property
    def _paths(self) -> list[str] | None:
        found = self._ground.find_paths()
        return None if found is None else sorted(found)

    def _is_allowed(self, path: str, scopes: Sequence[Sequence[str]]) -> bool:
        up = "../" * (self._ground.folder.count("/") + bool(self._ground.folder))
        return not any(outside_scope([up + path], each, self._ground.folder) for each in scopes)


@lru_cache(maxsize=1024)
def _taken_apart(scope: tuple[str, ...], folder: str) -> tuple[_Taken, ...]:
    return tuple(_each_of(scope, folder))


def _each_of(scope: Sequence[str], folder: str) -> Iterator[_Taken]:
    for text in scope:
        glob = rooted_glob(text, folder)
        if glob.parts and not glob.is_negated:
            head = glob.parts[: glob.parts.index(ANY_DEPTH)]
            fixed = tuple(takewhile(is_plain, head))
            rest = glob.parts[len(fixed) :]
            above = len(folder.split("/")) if folder else 0
            is_within = len(fixed) > above - parse_glob(text).ups
            is_whole, is_name = rest in _EVERYTHING, rest == (ANY_DEPTH,)
            yield _Taken(text, glob, head, fixed, is_within, is_whole, is_name)


def _as_path(fixed: Sequence[str]) -> str:
    return "/".join(map(_unescaped, fixed))


def _unescaped(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)
