"""Acceptance criteria are the items with a box that a parser of CommonMark finds."""

from __future__ import annotations

import re

from hypothesis import assume, example, given, reject, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mosaic.errors import EditRefusedError
from mosaic.text.criteria import acceptance_criteria, tick_criterion

PIECES = (
    "- ", "* ", "+ ", "1. ", "2) ", "[ ] a", "[x] b", "[~] c", "[X] ", "[-] d\n", "text", "> ",
    ">", "\n", "\n\n", "  ", "    ", "   ", "\t", "```", "~~~", "````\n", "---", "===", "***",
    "# h", "<!--", "-->", "<div>", "</div>", "<b>", "<?", "?>", "`", "-", "1.", "\\", "[a]: b",
)  # fmt: skip
SIGNS = re.compile(r"\[([ xX~/-])\][ \t]+(?=\S)")
STATES = {"x": "ticked", "X": "ticked", "~": "dropped", "-": "dropped"}


def theirs(text: str) -> list[tuple[int, str]]:
    """Return the line and the state of each item whose first paragraph begins with a box."""
    tokens = MarkdownIt("commonmark", {"maxNesting": 30}).parse(text)
    found = []
    for item, paragraph, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (item.type, paragraph.type) == ("list_item_open", "paragraph_open"):
            box = SIGNS.match(inline.content)
            if box and paragraph.map:
                found.append((paragraph.map[0] + 1, STATES.get(box[1], "open")))
    return found


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@settings(deadline=None, max_examples=1500)
@example("- [ ] a\n***\n  [ ] b")
def test_a_parser_of_commonmark_agrees(text: str) -> None:
    assume("]:" not in text)  # a definition of a link is no text, and box of its item
    try:
        expected = theirs(text)
    except IndexError:
        reject()  # a fault of that parser itself, where HTML in a quote is not closed
    assert [(each.line, each.state) for each in acceptance_criteria(text)] == expected


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.integers(1, 5))
@settings(deadline=None, max_examples=300)
def test_ticking_changes_one_sign_or_nothing(text: str, number: int) -> None:
    before = acceptance_criteria(text)
    try:
        after = tick_criterion(text, number)
    except EditRefusedError:
        assert number > len(before) or before[number - 1].is_dropped
        return
    assert len(after) == len(text)
    assert sum(a != b for a, b in zip(text, after, strict=True)) == before[number - 1].is_open
