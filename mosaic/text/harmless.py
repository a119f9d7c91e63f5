r"""The one judge of which characters may be shown: to a person, to a terminal, to an agent.

A person approves what they see, so nothing may be there that they do not see. Removed are

- control characters but tab and newline (C0, DEL, C1);
- what turns or marks the direction of writing, and what separates lines unseen;
- what Unicode calls default-ignorable: zero-width spaces, fillers, soft hyphens, variation
  selectors, tags. They show nothing, and a text can be hidden in them.

Joiners (`\u200c`, `\u200d`) and the two selectors of emoji (`\ufe0e`, `\ufe0f`) are letters to
Persian, to the languages of India and to emoji. They stay directly behind a visible sign beyond
ASCII, one at a time (a selector and a joiner where emoji are joined); anywhere else, such as
within a command or an id, they only hide. Halves of surrogate pairs become `\ufffd`.
"""

from __future__ import annotations

import re
from functools import cache

CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
HIDDEN = (
    r"\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Beyond the controls; as both stand in a class of a pattern."""
JOINED = rf"[^\x00-\x9f\u200c\u200d\ufe0e\ufe0f\ud800-\udfff{HIDDEN}]"
"""What a joiner may stand behind."""
BARE_JOINER = rf"(?<!{JOINED})(?:[\u200c\ufe0e\ufe0f]|(?<!{JOINED}\ufe0f)\u200d)"
"""One that joins nothing."""
_LINE_ENDS = r"\r\n?|[\x0b\x0c\x85\u2028\u2029]"

_PRINTABLE = frozenset(
    [
        *map(chr, range(0x180B, 0x1810)),
        *map(chr, range(0xFE00, 0xFE10)),
        *map(chr, range(0xE0100, 0xE01F0)),
        *"\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0",
    ]
)
"""Those of the above that Python counts as printable."""


def is_harmless_line(text: str) -> bool:
    """Tell whether a text can be shown as it is, on one line; may say no where it could be."""
    return text.isprintable() and (text.isascii() or _PRINTABLE.isdisjoint(text))


def holds_hidden(text: str) -> bool:
    """Tell whether a text holds what is not shown."""
    if is_harmless_line(text):
        return False
    signs, halves = _patterns()
    return signs.search(text) is not None or halves.search(text) is not None


def harmless_signs(text: str) -> str:
    """Return a text without what is not shown; newlines and tabs stay."""
    if is_harmless_line(text):
        return text
    signs, halves = _patterns()
    return halves.sub("\ufffd", signs.sub("", text))


def harmless_text(text: str) -> str:
    """Return a text without what is not shown; everything that ends a line is a newline."""
    return harmless_signs(with_newlines(text))


def harmless_line(text: str) -> str:
    """Return a text on one line, without what is not shown; of line ends and tabs blanks."""
    if is_harmless_line(text):
        return text
    return harmless_text(text).replace("\n", " ").replace("\t", " ")


def escaped_signs(text: str) -> str:
    r"""Return JSON with `\u….` for what is not shown; it stays the same document."""
    from json import dumps

    return _patterns()[0].sub(lambda found: dumps(found[0])[1:-1], text)


def with_newlines(text: str) -> str:
    """Return a text in which everything that ends a line is a newline."""
    return _line_ends().sub("\n", text)


# Start-up: most texts are printable and need no pattern, and these take a millisecond.
@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(f"[{CONTROLS}{HIDDEN}]|{BARE_JOINER}"), re.compile(r"[\ud800-\udfff]")


@cache
def _line_ends() -> re.Pattern[str]:
    return re.compile(_LINE_ENDS)
