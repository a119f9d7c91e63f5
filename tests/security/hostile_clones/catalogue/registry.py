"""The list of hostile repositories, filled by a decorator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, overload

from tests.security.hostile_clones.repository import Repository, Way


class Maker(Protocol):
    """A function that makes a repository hostile."""

    __name__: str

    def __call__(self, repo: Repository, /) -> object: ...


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One hostile repository."""

    name: str
    make: Maker
    ways: tuple[Way, ...]
    """How it may arrive."""
    fresh: bool
    """Whether each command is to be a Python of its own."""
    shells: bool
    """Whether TAB is pressed in real shells."""
    as_root: bool
    """Whether only root can make it."""
    is_variant: bool
    """Whether another one is much the same."""

    def cases(self, *, everything: bool) -> tuple[Way, ...]:
        """Return the ways in which it is tried: the first one, or all of them.

        Args:
            everything: whether there is time for variants and for the other ways.
        """
        if everything:
            return self.ways
        return () if self.is_variant else self.ways[:1]


ENTRIES: dict[str, Entry] = {}


@overload
def hostile(make: Maker, /) -> Maker: ...


@overload
def hostile(
    *,
    name: str | None = None,
    ways: tuple[Way, ...] = ("clone",),
    fresh: bool = False,
    shells: bool = False,
    as_root: bool = False,
    is_variant: bool = False,
) -> Callable[[Maker], Maker]: ...


def hostile(
    make: Maker | None = None,
    /,
    *,
    name: str | None = None,
    ways: tuple[Way, ...] = ("clone",),
    fresh: bool = False,
    shells: bool = False,
    as_root: bool = False,
    is_variant: bool = False,
) -> Maker | Callable[[Maker], Maker]:
    """Add a hostile repository to the catalogue.

    Args:
        make: makes the author's repository hostile.
        name: its name in reports; that of `make` otherwise.
        ways: how it arrives at the other person.
        fresh: whether each command is to be a Python of its own.
        shells: whether TAB is pressed in real shells too.
        as_root: whether only root can make it.
        is_variant: whether another one is much the same; it is tried where there is time.
    """

    def add(maker: Maker) -> Maker:
        known = name or maker.__name__
        assert known not in ENTRIES, known
        ENTRIES[known] = Entry(
            name=known,
            make=maker,
            ways=ways,
            fresh=fresh,
            shells=shells,
            as_root=as_root,
            is_variant=is_variant,
        )
        return maker

    return add if make is None else add(make)
