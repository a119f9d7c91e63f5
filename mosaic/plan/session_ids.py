"""Ids of sessions: `sess-004-k7mp`, a number for people and a random tail.

Branches and clones that do not know of each other give out the same number; the tail keeps their
sessions apart. Ids of older missions have no tail.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TAIL_SIGNS = "bcdfghjkmnpqrstvwxz23456789"
"""No two of them look alike, and without vowels they make no words."""
TAIL_LENGTH = 4
SESSION_ID = re.compile(r"(sess-(\d{1,9}))(?:-[0-9a-z]{1,16})?", re.IGNORECASE)


def next_session_id(known: Iterable[str], noise: bytes) -> str:
    """Return an id with a number above all those that are known.

    Args:
        known: the ids that are taken.
        noise: as many random bytes as the tail has signs.
    """
    tail = "".join(TAIL_SIGNS[byte % len(TAIL_SIGNS)] for byte in noise)
    return f"sess-{max(map(session_number, known), default=0) + 1:03d}-{tail}"


def session_number(session_id: str) -> int:
    """Return the number in an id; 0 where it is of another form."""
    found = SESSION_ID.fullmatch(session_id)
    return int(found[2]) if found else 0


def sessions_called(name: str, ids: Iterable[str]) -> list[str]:
    """Return the ids that a person means with a name: that very id, else all of that number."""
    known, name = list(ids), name.casefold()
    exact = [each for each in known if each.casefold() == name]
    if exact:
        return exact[:1]
    found = (SESSION_ID.fullmatch(each) for each in known)
    return [match[0] for match in found if match and match[1].casefold() == name]
