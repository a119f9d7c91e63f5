"""Markdown that agents wrote, parsed with bounds and freed of what a terminal would obey."""

from __future__ import annotations

import html
import re
from typing import Any

from mosaic.text.harmless import harmless_signs, with_newlines

Token = dict[str, Any]

LONGEST_INPUT = 65_536
DEEPEST = 12
MOST_MARKS = 1_000
"""A paragraph with more signs that may be markup is shown as it stands."""

_OBEYED = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    # OSC, DCS, SOS, PM, APC. One without an end hides nothing: its text stays.
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x00-\x08\x0a-\x1f\x7f-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
)
_MARK = re.compile(r"[*_\[\]<~!`&\\]")
RAW = frozenset({"codespan", "block_code", "block_html", "inline_html"})
"""Tokens whose letters mean nothing but themselves."""


def clean(text: str) -> str:
    """Return text without anything a terminal would obey; only newlines and tabs are left.

    Escape sequences go whole, line ends become newlines, halves of surrogate pairs `\ufffd`.
    """
    return harmless_signs(_OBEYED.sub("", with_newlines(text)))


def cut_notice(markdown: str) -> str:
    """Return the line that says how much of a text is not shown, or nothing."""
    if len(markdown) <= LONGEST_INPUT:
        return ""
    return f"[… cut here after {LONGEST_INPUT} of {len(markdown)} characters]"


def parse(markdown: str) -> list[Token]:
    """Return the tree of a text, cleaned, of the first `LONGEST_INPUT` characters.

    Nothing is nested deeper than `DEEPEST` lists and quotes, and all stands in the text's order.

    Raises:
        RecursionError: the caller's stack is too full; see `as_it_stands`.
    """
    from mistune import InlineParser, Markdown  # start-up: only reviews render
    from mistune.plugins import import_plugin

    plugins = [import_plugin(name) for name in ("table", "task_lists", "strikethrough")]
    parser = Markdown(block=_blocks(), inline=InlineParser(), plugins=plugins)
    parser.inline.max_nested_level = DEEPEST
    parser.before_render_hooks.append(lambda _, state: _leave_tangles(state.tokens))
    tokens = parser(clean(markdown[:LONGEST_INPUT]))
    return tokens if isinstance(tokens, list) else []


def _blocks() -> Any:
    from mistune import BlockParser

    from mosaic.text.blocks import PlainHeadings

    class InOrder(PlainHeadings, BlockParser):
        """Ends a quote or list before what interrupts it.

        mistune parses that from within, which turns round the order of quotes and lists that
        take turns, nests a call for each turn, and draws headings into the quote before them.
        """

        peeking = False

        def compile_sc(self, rules: list[str] | None = None) -> re.Pattern[str]:
            ends_quote = rules and "block_html" in rules and "atx_heading" not in rules
            return super().compile_sc([*(rules or ()), "atx_heading"] if ends_quote else rules)

        def parse(self, state: Any, rules: list[str] | None = None) -> None:
            before, self.peeking = self.peeking, False
            super().parse(state, rules)
            self.peeking = before

        def parse_method(self, m: re.Match[str], state: Any) -> int | None:
            return m.start() if self.peeking else super().parse_method(m, state)

        def parse_list(self, m: re.Match[str], state: Any) -> int:
            self.peeking = True
            end = super().parse_list(m, state)
            self.peeking = False
            return end

        def extract_block_quote(self, m: re.Match[str], state: Any) -> Any:
            self.peeking = True
            text, _, *lazy = super().extract_block_quote(m, state)
            self.peeking = False
            return text, None, *lazy

    return InOrder(max_nested_level=DEEPEST)


def as_it_stands(markdown: str) -> list[Token]:
    """Return the tree that shows a text's source, where it cannot be parsed."""
    return [{"type": "block_code", "raw": clean(markdown[:LONGEST_INPUT])}]


def text_of(token: Token) -> str:
    """Return a text token's letters: character references read, and cleaned once more."""
    return clean(html.unescape(token.get("raw", "")))


def _leave_tangles(tokens: list[Token]) -> None:
    # Brackets and stars without partners cost some parsers the square of their number.
    stack = list(tokens)
    while stack:
        token = stack.pop()
        stack += token.get("children", ())
        text = token.get("text", "")
        if len(text) > MOST_MARKS and sum(1 for _ in _MARK.finditer(text)) > MOST_MARKS:
            del token["text"]
            token["children"] = [{"type": "text", "raw": html.escape(text.strip())}]
