"""Making text harmless for a terminal, piece by piece as it comes.

Control sequences are left out whole (ESC and CSI, OSC, DCS, PM, APC strings, also their
one-byte C1 forms), and so is every control character but newline and tab. A carriage return
becomes a newline, so that a progress bar stays readable. Bytes that are no UTF-8 become `�`.
"""

from __future__ import annotations

import codecs
import re

LONGEST_SEQUENCE = 4096
"""A sequence that is longer is none: its beginning is dropped, what follows is text again."""
_OPENERS = r"\x90\x98\x9b\x9d-\x9f"
# What is inside a string sequence; bounded, so that hostile output costs no more than its length.
_BODY = rf"[^\x07\x1b\x9c\n{_OPENERS}]"
_STRING = (
    rf"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]){_BODY}{{0,4000}}"
    rf"(?:\x07|\x1b\\|\x9c|(?=[\x1b\n{_OPENERS}]))"
)
_CSI = r"(?:\x1b\[|\x9b)[0-?]{0,2000}[ -/]{0,2000}[@-~]"
_ESCAPE = r"\x1b[ -/]{0,2000}[0-~]"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SEQUENCE = re.compile(f"{_STRING}|{_CSI}|{_ESCAPE}")
_CONTROL = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{_BIDI}]")
# What a piece may end in the middle of: a sequence that has begun and has no end yet.
_BEGUN = re.compile(
    rf"(?:(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]){_BODY}*\x1b?"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*|\x1b[ -/]*)\Z"
)


class TerminalSanitizer:
    """Turns bytes into harmless text. However they are cut into pieces, the text is the same."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._has_return = False

    def feed(self, data: bytes) -> str:
        """Return the text of the next piece; a sequence that has only begun waits for its end."""
        text = self._held + self._decoder.decode(data)
        found = _BEGUN.search(text, max(0, len(text) - LONGEST_SEQUENCE))
        cut = found.start() if found else len(text)
        self._held = text[cut:]
        return self._clean(text[:cut], before=text[cut : cut + 1])

    def finish(self) -> str:
        """Return what is left when nothing more comes."""
        text = self._clean(self._held + self._decoder.decode(b"", final=True))
        return text + "\n" if self._has_return else text

    def _clean(self, text: str, before: str = "") -> str:
        # What is held begins a sequence, and by that ends one that stands before it.
        text = _SEQUENCE.sub("", text + before).removesuffix(before)
        text = _CONTROL.sub("", text)
        if self._has_return and text:
            text = "\r" + text
            self._has_return = False
        if text.endswith("\r"):  # with a newline to come it is one line end
            text, self._has_return = text[:-1], True
        return text.replace("\r\n", "\n").replace("\r", "\n")


def sanitize(text: str) -> str:
    """Return text without anything that a terminal would obey."""
    made = TerminalSanitizer()
    return made.feed(text.encode("utf-8", "replace")) + made.finish()
