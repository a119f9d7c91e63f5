r"""Text from agents made harmless for a terminal, however it comes in pieces.

Removed are whole control sequences (CSI, OSC, DCS, SOS, PM, APC and the short ones), and what
`mosaic.text.harmless` does not show. `\r\n` becomes a newline, and so does a lone `\r`: of a
progress bar each state is a line. A line break ends every sequence, so each line comes out the
same by itself.
"""

from __future__ import annotations

import codecs
import re

from mosaic.text.harmless import (
    BARE_JOINER,
    CONTROLS,
    HIDDEN,
    JOINED,
    harmless_signs,
    holds_hidden,
)

LONGEST_SEQUENCE = 4096
"""A longer sequence is none: only what begins it is removed, and the rest is shown."""

# Possessive: no text can make them look twice at what they took.
_SOME = f"{{0,{LONGEST_SEQUENCE}}}+"
_STRING = "(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])"
_IN_STRING = "[^\\n\\r\x07\x18\x1a\x1b\x80-\x9f]"
_CSI = "(?:\x1b\\[|\x9b)"
_BEGINS_NOTHING = rf"\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x8f\x91-\x97\x99\x9a\x9c{HIDDEN}"
_HARMFUL_PART = re.compile(
    f"[{_BEGINS_NOTHING}]++"
    f"|{_STRING}{_IN_STRING}{_SOME}(?:\x07|\x9c|\x1b\\\\|(?!{_IN_STRING}))"
    f"|{_CSI}[0-?]{_SOME}(?![0-?])[ -/]{_SOME}(?:[@-~]|(?![ -/]))"
    f"|\x1b[ -/]{_SOME}(?:[0-~]|(?![ -/]))"
    f"|[{CONTROLS}{HIDDEN}]|{BARE_JOINER}"
)
_UNDECIDED = re.compile(
    f"(?:\r|\x1b[ -/]{_SOME}|{_CSI}[0-?]{_SOME}[ -/]{_SOME}|{_STRING}{_IN_STRING}{_SOME}\x1b?)\\Z"
)
_JOINED_AT_END = re.compile(f"{JOINED}\ufe0f?\\Z")
_LONGEST_UNDECIDED = 2 * LONGEST_SEQUENCE + 3


class HarmlessText:
    """Turns bytes into text that no terminal obeys.

    However the bytes are cut into pieces, the text is the same. Time is linear in them;
    what is held back until more is known has a limit.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._before = ""
        """The end of what was decided, where a joiner could follow."""

    def feed(self, data: bytes) -> str:
        """Return what can be said after these bytes; invalid UTF-8 becomes U+FFFD."""
        text = self._held + _with_line_ends(self._decoder.decode(data))
        found = _UNDECIDED.search(text, max(0, len(text) - _LONGEST_UNDECIDED))
        decided = found.start() if found else len(text)
        self._held = text[decided:]
        return self._say(text[:decided])

    def finish(self) -> str:
        """Return what is left when nothing more comes."""
        said = self._say(self._held + self._decoder.decode(b"", final=True))
        self._held = self._before = ""
        self._decoder.reset()
        return said

    def _say(self, text: str) -> str:
        whole = self._before + text
        said = harmless(whole)[len(self._before) :]
        joined = _JOINED_AT_END.search(whole, max(0, len(whole) - 2))
        self._before = joined[0] if joined else ""
        return said


def harmless(text: str) -> str:
    """Return a whole text without anything that a terminal would obey, or that it hides."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _with_line_ends(text)
    return harmless_signs(_HARMFUL_PART.sub("", text)) if holds_hidden(text) else text


def _with_line_ends(text: str) -> str:
    # The others are control characters, and go.
    return text.replace("\u2028", "\n").replace("\u2029", "\n")
