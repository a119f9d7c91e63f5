"""Status words: what people write, and the status each stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mosaic.errors import UsageError
from mosaic.model import Status

ALIASES: dict[Status, tuple[str, ...]] = {
    Status.TODO: ("todo", "not started", "pending", "open", "backlog", "ready", "planned"),
    Status.IN_PROGRESS: ("in progress", "doing", "wip", "started", "running"),
    Status.REVIEW: ("review", "in review", "needs review", "verifying"),
    Status.BLOCKED: ("blocked", "on hold", "waiting", "needs human"),
    Status.DONE: ("done", "completed", "complete", "closed", "finished"),
    Status.CANCELLED: ("cancelled", "canceled", "dropped", "wont do", "abandoned"),
}
STATUS_BY_WORD = {
    word.replace(" ", ""): status for status, words in ALIASES.items() for word in words
}


def parse_status(word: str, own: Mapping[str, Status] | None = None) -> Status | None:
    """Return the status that a word stands for; None for any other word.

    Case, blanks, `-`, `_`, an apostrophe and a leading emoji, check mark or box do not matter.
    """
    key = bare_word(word)
    mine = (status for name, status in (own or {}).items() if bare_word(name) == key)
    return next(mine, STATUS_BY_WORD.get(key))


def bare_word(word: str) -> str:
    """Return a status word without anything that does not matter."""
    return "".join(filter(str.isalnum, re.sub(r"^\s*\[[ xX]?\]\s*", "", word).casefold()))


def nearest_status(word: str) -> str | None:
    """Return the canonical status word that a misspelled one is nearest to."""
    from difflib import get_close_matches  # start-up: only a wrong word needs it

    close = get_close_matches(bare_word(word), list(STATUS_BY_WORD), n=1, cutoff=0.5)
    return STATUS_BY_WORD[close[0]].value if close else None


def named_status(word: str, own: Mapping[str, Status]) -> Status:
    """Return the status that a person names, or raise UsageError with the nearest word."""
    status = parse_status(word, own)
    if status is None:
        near = nearest_status(word)
        detail = f"nearest: `{near}`" if near else None
        raise UsageError(f"`{word}` is not a status", detail=detail)
    return status
