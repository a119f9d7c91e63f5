"""Text kept within bounds: cut to a length, put on one line, freed of what is not shown."""

from __future__ import annotations

from mosaic.text.harmless import harmless_text


def plain_text(text: str) -> str:
    """Return text with plain newlines, and nothing that a person who reads it does not see."""
    return harmless_text(text)


def one_line(text: str, limit: int = 300) -> str:
    """Return text on one line of at most `limit` characters."""
    # Far longer than the limit, and still cheap to split.
    line = " ".join(plain_text(text[: 20 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def exact_line(text: str, limit: int = 4_096) -> str:
    """Return text whose blanks matter, such as a path or a command, on one line."""
    return plain_text(text[: limit + 1]).replace("\n", " ")[:limit]


def cut_text(text: str, limit: int, whole: str | None = None) -> str:
    """Return text of at most `limit` characters, besides a line that says what is missing.

    Args:
        text: any text.
        limit: characters kept; the cut falls on a line's end where one is near.
        whole: where the whole text stands.
    """
    if len(text) <= limit:
        return text
    kept = text[:limit]
    line_end = kept.rfind("\n")
    if line_end > limit * 3 // 4:
        kept = kept[:line_end]
    where = f"; the whole is in `{whole}`" if whole else ""
    kept = kept.rstrip()
    return f"{kept}\n[… cut here after {len(kept)} of {len(text)} characters{where}]"
