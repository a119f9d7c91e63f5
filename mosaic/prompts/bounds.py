"""Cutting long texts so that prompts and capsules stay readable, and saying so."""

from __future__ import annotations


def bounded(text: str, limit: int, *, where: str | None = None) -> str:
    """Return a text of at most about `limit` characters, cut at a line, with a note.

    Args:
        text: the whole.
        limit: how many characters may stay.
        where: where the whole can be read.
    """
    if len(text) <= limit:
        return text
    kept = text[:limit]
    kept = kept[: kept.rfind("\n")] if "\n" in kept[limit // 2 :] else kept
    place = f"; the whole is in {where}" if where else ""
    return f"{kept}\n[… {len(text) - len(kept):,} more characters{place}]"
