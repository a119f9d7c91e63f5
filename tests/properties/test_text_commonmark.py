"""Top-level headings and tables are those of an independent reader of CommonMark."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mosaic.text.blocks import outline

LINES = (
    "- item", "  - nested", "1. one", "  ```", "```", "- ```", "1. ```", "code", "## x", "  code",
    "   ```", "", "<foo>", "</foo>", "<div>", "text", "<!-->", "<!-- a", "-->", "  text", "~~~",
    "- ~~~", "    deep",
)  # fmt: skip
READER = MarkdownIt("commonmark").enable("table")


def found(text: str) -> list[tuple[str, int]]:
    shape = outline(text)
    tables = [("table", first) for first, _ in shape.tables]
    return sorted([*tables, *((each.title, each.first_line) for each in shape.headings)])


def expected(text: str) -> list[tuple[str, int]]:
    tokens = READER.parse(text)
    blocks = []
    for number, token in enumerate(tokens):
        if token.level == 0 and token.map and token.type == "heading_open":
            blocks.append((tokens[number + 1].content, token.map[0]))
        elif token.level == 0 and token.map and token.type == "table_open":
            blocks.append(("table", token.map[0]))
    return sorted(blocks)


def is_odd(lines: list[str]) -> bool:
    """Tell whether a tag stands right below another in an item, which mistune takes for text."""
    tags = [line.strip().startswith("<") for line in lines]
    return any(one and other for one, other in pairwise(tags))


@given(st.lists(st.sampled_from(LINES), min_size=2, max_size=5).filter(lambda it: not is_odd(it)))
@settings(deadline=None)
@example(["- ```", "code"])
@example(["- item", "", "  ```", "<foo>"])
@example(["1. ```", "   ```", "</foo>"])
@example(["<!-->"])
@example(["<!--->"])
def test_an_independent_reader_finds_the_same_headings(lines: list[str]) -> None:
    text = "\n".join([*lines, "## end", ""])
    assert found(text) == expected(text)


@pytest.mark.parametrize(
    "text",
    [
        "a | b\n- | -\nc | d\n## x\n",
        "| a | b |\n- | -\n| c | d |\n",
        "a | b\n-|-\nc | d\n",
        "a\r## x\n## y\n",
        "text\r\r## x\r\n\r## y\n",
        "| a |\r|---|\r| b |\r\n## y\n",
    ],
)
def test_dashes_of_a_list_and_a_lone_return_are_read_alike(text: str) -> None:
    assert found(text) == expected(text)
