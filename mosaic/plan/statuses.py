"""Status words: what people write, and the status each stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

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
PLAIN_SIGNS = {
    **dict.fromkeys(("✅", "✔", "✓", "☑", "[x]"), Status.DONE),
    **dict.fromkeys(("⬜", "☐", "🔲", "[]"), Status.TODO),
    "🚧": Status.IN_PROGRESS,
}
"""Signs that mean one thing to everybody when they stand alone."""


LONGEST_WORD = 500
"""Characters of a status with a note; what is longer is text."""


def parse_status(word: str, own: Mapping[str, Status] | None = None) -> Status | None:
    """Return the status that a word stands for; None for any other word.

    Case, blanks, `-`, `_`, an apostrophe and a leading emoji, check mark or box do not matter,
    nor does a date or a note behind the word, or what is struck through before it. Signs alone
    are compared as signs.
    """
    words = {_key(name): status for name, status in (own or {}).items()}
    found = _known(word, words)
    if found is not None or len(word) > LONGEST_WORD:
        return found
    return _known(_alone(word, words), words)


def status_alone(word: str, own: Mapping[str, Status]) -> str:
    """Return what of a status is the word itself, without the date or note of its task."""
    words = {_key(name): status for name, status in own.items()}
    return word if _known(word, words) is not None else _alone(word, words)


def _known(word: str, own: Mapping[str, Status]) -> Status | None:
    key = _key(word)
    return own.get(key) or STATUS_BY_WORD.get(key) or PLAIN_SIGNS.get(key)


def _alone(word: str, own: Mapping[str, Status]) -> str:
    """Return a status without what is struck through, or a date or note behind it, if plain."""
    rest = re.sub(r"~~[^~]+~~", " ", word).strip()
    if "~~" in rest or _known(rest, own) is not None:
        return rest
    for found in re.finditer(r"(?<=\w)(?=\W)", rest):
        head, note = rest[: found.start()], rest[found.start() :]
        status = _known(head, own)
        if status is None or not _is_plain_note(note):
            continue
        parts = re.findall(r"[^\W\d_]+", note)
        others = (_known(other, own) for other in (*parts, *map("".join, pairwise(parts))))
        return head if all(other in (None, status) for other in others) else rest
    return rest


def _is_plain_note(text: str) -> bool:
    """Tell whether what stands behind a status word leaves what it says as it is."""
    is_note = re.fullmatch(
        r"\s*(?:[(\[{].*"  # (a note)
        r"|[:;,|/@]\s*\S.*|\s[-–—]+\s+\S.*"  # Done: a note, Done - a note
        r"|(?:on\s+)?\d{4}[-./]\d\d?[-./]\d\d?.*"  # Done 2026-03-21
        r"|(?:on\s+)?\d\d?[./]\d\d?[./]\d{2,4}.*"
        r"|(?:on\s+)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+\d\d?\b.*"
        r"|(?:on\s+)?\d\d?\s+(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\b.*"
        r"|(?:in\s+)?\#\d+.*)",  # Done in #12
        text,
        re.IGNORECASE,
    )
    doubt = re.search(
        r"[?%]|\b(?:not|no|never|un\w+|almost|nearly|partly|partially|half|except|but|until|when|if)\b"
        r"|n['’]t\b",
        text,
        re.IGNORECASE,
    )
    return is_note is not None and doubt is None


def bare_word(word: str) -> str:
    """Return a status word without anything that does not matter."""
    return "".join(filter(str.isalnum, re.sub(r"^\s*\[[ xX]?\]\s*", "", word).casefold()))


def _key(word: str) -> str:
    """Return what of a status word is compared: its letters, or its signs where it has none."""
    letters = "" if "~~" in word else bare_word(word)
    return letters or re.sub(r"[\s\u200d\ufe0e\ufe0f]+", "", word.casefold())


def nearest_status(word: str, own: Mapping[str, Status] | None = None) -> str | None:
    """Return the canonical status word that a misspelled one is nearest to."""
    from difflib import get_close_matches  # start-up: only a wrong word needs it

    key = bare_word(word)
    first = re.match(r"\W*(\w+)", word)
    known = {**STATUS_BY_WORD, **{bare_word(name): status for name, status in (own or {}).items()}}
    words = [each for each in known if each]
    close = get_close_matches(key, words, n=1, cutoff=0.5)
    close = close or get_close_matches(bare_word(first[1]) if first else "", words, n=1, cutoff=0.7)
    return known[close[0]].value if close else None


def named_status(word: str, own: Mapping[str, Status]) -> Status:
    """Return the status that a person names, or raise UsageError with the nearest word."""
    status = parse_status(word, own)
    if status is None:
        near = nearest_status(word, own)
        detail = f"nearest: `{near}`" if near else None
        raise UsageError(f"`{word}` is not a status", detail=detail)
    return status
