"""What is shown to a person, and what is not: the one judge of it, and all who ask it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.cli.output import clean, clean_block
from mosaic.prompts.bounded import exact_line, one_line, plain_text
from mosaic.review.html import render_html
from mosaic.review.terminal import render_terminal
from mosaic.text.harmless import (
    HarmlessText,
    escaped_signs,
    harmless_line,
    harmless_text,
)

PACKAGE = Path(__file__).resolve().parents[3] / "mosaic"
HIDDEN = (
    *map(chr, (*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0))),
    *map(chr, (0xAD, 0x034F, 0x061C, 0x115F, 0x1160, 0x180E, 0x200B, 0x200E, 0x200F)),
    *map(chr, (*range(0x2028, 0x202F), *range(0x2060, 0x2070), 0x3164, 0xFEFF, 0xFFA0)),
    *map(chr, (*range(0xFE00, 0xFE0E), *range(0xFFF9, 0xFFFC), 0xE0001, 0xE0041, 0xE007F, 0xE0100)),
    *("a\u200d", "a\u200c", "a\ufe0f", "é\u200d\u200d", "é\u200c\u200c", "é\ufe0f\ufe0f"),
)
"""Control, direction, separators, what shows nothing, joiners that join nothing."""
SHOWN = (
    "plain", "Überblick", "任务", "हिन्दी", "क्\u200dष", "می\u200cخواهم", "❤\ufe0f",
    "❤\ufe0f\u200d🔥",
    "👩\u200d💻", "👩🏽\u200d💻", "🏳\ufe0f\u200d🌈", "עברית", "العربية", "e\u0301",
    "\ufffd", "\xa0", "tab\t",
)  # fmt: skip


def streamed(text: str) -> str:
    stream = HarmlessText()
    pieces = [stream.feed(bytes([byte])) for byte in text.encode("utf-8", "replace")]
    return "".join(pieces) + stream.finish()


ASKING: dict[str, Callable[[str], str]] = {
    "a line": clean,
    "a block": lambda text: "\n".join(clean_block(text)),
    "a log": harmless_text,
    "a log that comes in pieces": streamed,
    "a prompt": plain_text,
    "a line of a prompt": one_line,
    "a path in a prompt": exact_line,
    "a review": lambda text: "\n".join(render_terminal(text, width=80, color=True)),
    "a page": lambda text: render_html(text).removeprefix("<p>").removesuffix("</p>\n"),
    "the judge itself": harmless_line,
}


@pytest.mark.parametrize("kind", ASKING)
def test_nothing_that_is_not_seen_is_shown_anywhere(kind: str) -> None:
    shown = {ascii(hidden): (hidden, ASKING[kind](f"x{hidden}y")) for hidden in HIDDEN}
    assert {name for name, (hidden, text) in shown.items() if hidden in text} == set()
    assert {name for name, (_, text) in shown.items() if not text.startswith("x")} == set()


@pytest.mark.parametrize("text", SHOWN, ids=ascii)
@pytest.mark.parametrize("kind", ["a log", "a prompt", "a log that comes in pieces"])
def test_what_people_write_is_kept(kind: str, text: str) -> None:
    assert ASKING[kind](text) == text


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_a_line_stays_one_line(end: str) -> None:
    assert harmless_line(f"a{end}b") == "a b"
    assert clean(f"a{end}b") == "a b"
    assert len(clean_block(f"a{end}b")) == (2 if end in ("\n", "\r", "\r\n") else 1)


@given(st.text())
def test_what_was_judged_is_judged_the_same_again(text: str) -> None:
    once = harmless_text(text)
    assert harmless_text(once) == once
    assert harmless_text(once) == once
    assert plain_text(plain_text(text)) == plain_text(text)


@given(st.text())
def test_nothing_that_formats_unseen_is_left(text: str) -> None:
    left = {
        sign for sign in harmless_text(text) if unicodedata.category(sign) in ("Cc", "Cs", "Zl")
    }
    assert left <= {"\n", "\t"}


@given(st.text())
def test_json_stays_the_same_document(text: str) -> None:
    written = json.dumps(text, ensure_ascii=False)
    assert json.loads(escaped_signs(written)) == text


def test_nobody_else_judges() -> None:
    """Another list of such characters would not grow with this one."""
    listing = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(sign in path.read_text(encoding="utf-8") for sign in ("u202a", "u2066", "u200e"))
    ]
    assert listing == ["text/harmless.py"]


@pytest.mark.parametrize("kind", ["a line", "a prompt", "a log", "a log that comes in pieces"])
def test_a_whole_control_sequence_goes(kind: str) -> None:
    assert ASKING[kind]("\x1b[31mred\x1b[0m \x1b]8;;http://x\x1b\\link") == "red link"
