r"""Text made harmless for all who see it: a person, a terminal, an agent.

A person approves what they see, so nothing may be there that they do not see. Removed are whole
control sequences of terminals (CSI, OSC, DCS, SOS, PM, APC and the short ones), other control
characters but tab and newline (C0, DEL, C1), what turns or marks the direction of writing, and
what Unicode calls default-ignorable: zero-width spaces, fillers, soft hyphens, variation
selectors, tags. They show nothing, and a text can be hidden in them.

Everything that ends a line becomes a newline, a lone `\r` too: of a progress bar each state is
a line. A line's end ends every sequence, so each line comes out the same by itself.

Joiners (`\u200c`, `\u200d`) and the two selectors of emoji (`\ufe0e`, `\ufe0f`) are letters to
Persian, to the languages of India and to emoji. They stay directly behind a visible sign beyond
ASCII, one at a time (a selector and a joiner where emoji are joined); anywhere else, such as
within a command or an id, they only hide. Halves of surrogate pairs become `\ufffd`.
"""

from __future__ import annotations

import codecs
import re

LONGEST_SEQUENCE = 4096
"""A longer sequence is none: only what begins it is removed, and the rest is shown."""
_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_HIDDEN = (
    r"\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Beyond the controls; as both stand in a class of a pattern."""
_JOINED = rf"[^\x00-\x9f\u200c\u200d\ufe0e\ufe0f\ud800-\udfff{_HIDDEN}]"
"""What a joiner may stand behind."""
_BARE_JOINER = rf"(?<!{_JOINED})(?:[\u200c\ufe0e\ufe0f]|(?<!{_JOINED}\ufe0f)\u200d)"
"""One that joins nothing."""
# Start-up: texts, because most of what is shown is printable and needs no compiled pattern.
_LINE_END = r"\r\n?|[\x0b\x0c\x85\u2028\u2029]"
_NOT_SHOWN = f"[{_CONTROLS}{_HIDDEN}]|{_BARE_JOINER}"
_HALF = r"[\ud800-\udfff]"

# Possessive: no text can make them look twice at what they took.
_SOME = f"{{0,{LONGEST_SEQUENCE}}}+"
_STRING = "(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])"
_IN_STRING = "[^\\n\\r\x07\x0b\x0c\x18\x1a\x1b\x80-\x9f\u2028\u2029]"
_CSI = "(?:\x1b\\[|\x9b)"
_BEGINS_NOTHING = rf"\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x8f\x91-\x97\x99\x9a\x9c{_HIDDEN}"
_HARMFUL_PART = (
    f"[{_BEGINS_NOTHING}]++"
    f"|{_STRING}{_IN_STRING}{_SOME}(?:\x07|\x9c|\x1b\\\\|(?!{_IN_STRING}))"
    f"|{_CSI}[0-?]{_SOME}(?![0-?])[ -/]{_SOME}(?:[@-~]|(?![ -/]))"
    f"|\x1b[ -/]{_SOME}(?:[0-~]|(?![ -/]))"
    f"|{_NOT_SHOWN}"
)
_UNDECIDED = (
    f"(?:\r|\x1b[ -/]{_SOME}|{_CSI}[0-?]{_SOME}[ -/]{_SOME}|{_STRING}{_IN_STRING}{_SOME}\x1b?)\\Z"
)
_JOINED_AT_END = f"{_JOINED}\ufe0f?\\Z"
_LONGEST_UNDECIDED = 2 * LONGEST_SEQUENCE + 3

_PRINTABLE = frozenset(
    map(chr, [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])
) | set("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Those of the above that Python counts as printable."""


def is_harmless_line(text: str) -> bool:
    """Tell whether a text can be shown as it is, on one line; may say no where it could be."""
    return text.isprintable() and (text.isascii() or _PRINTABLE.isdisjoint(text))


def harmless_text(text: str) -> str:
    """Return a text without anything that a terminal would obey, or that is not shown."""
    if is_harmless_line(text):
        return text
    text = re.sub(_LINE_END, "\n", text)
    if re.search(_NOT_SHOWN, text):
        # Twice: where a sequence stood, a joiner may join nothing now.
        text = re.sub(_NOT_SHOWN, "", re.sub(_HARMFUL_PART, "", text))
    return re.sub(_HALF, "\ufffd", text)


def harmless_line(text: str) -> str:
    """Return the same on one line: line ends and tabs are blanks."""
    if is_harmless_line(text):
        return text
    return harmless_text(text).replace("\n", " ").replace("\t", " ")


def escaped_signs(text: str) -> str:
    r"""Return JSON with `\u….` for what is not shown; it stays the same document."""
    from json import dumps

    return re.sub(_NOT_SHOWN, lambda found: dumps(found[0])[1:-1], text)


class HarmlessText:
    """Turns bytes into harmless text, the same however the bytes are cut into pieces.

    Time is linear in them, and what waits until more is known has a limit.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = ""
        self._before = ""
        """The end of what was decided, where a joiner could follow."""

    def feed(self, data: bytes) -> str:
        """Return what is known after these bytes; invalid UTF-8 becomes U+FFFD."""
        text = self._waiting + self._decoder.decode(data)
        # Of no more than the end, in which all that is undecided stands.
        found = re.compile(_UNDECIDED).search(text, max(0, len(text) - _LONGEST_UNDECIDED))
        decided = found.start() if found else len(text)
        self._waiting = text[decided:]
        return self._decide(text[:decided])

    def finish(self) -> str:
        """Return what is left when nothing more comes."""
        text = self._decide(self._waiting + self._decoder.decode(b"", final=True))
        self._waiting = self._before = ""
        self._decoder.reset()
        return text

    def _decide(self, text: str) -> str:
        whole = self._before + text
        harmless = harmless_text(whole)[len(self._before) :]
        joined = re.compile(_JOINED_AT_END).search(whole, max(0, len(whole) - 2))
        self._before = joined[0] if joined else ""
        return harmless
