"""Renderings of texts nobody wrote in good faith: harmless, whole, and done in bounded time."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from time import process_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mosaic.review.html import render_html, render_page
from mosaic.review.terminal import MOST_LINES, render_terminal
from mosaic.text.harmless import harmless_text
from mosaic.text.lines import display_width
from tests.unit.review.reviews import make_review

SLOWEST = 4.0
"""Seconds of processor time; several times what the worst seed takes."""
OURS = re.compile(r"\x1b\[[12]m([^\x1b]*)\x1b\[0m")
OBEYED = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
TAGS = {
    *("a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p"),
    *("pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
EMPTY = {"br", "hr"}
SIDES = ("left", "center", "right")
REL = "noopener noreferrer nofollow"

PIECES = [
    *(
        "*",
        "**",
        "_",
        "~~",
        "`",
        "```",
        "~~~\n",
        "[",
        "]",
        "](",
        "](<",
        ")",
        "![",
        "]: ",
        "|",
        "\\",
    ),
    *(
        "\n",
        "\n\n",
        "\n    ",
        "\n\t",
        " ",
        "  \n",
        "\n- ",
        "\n1. ",
        "\n23) ",
        "\n> ",
        "\n# ",
        "\n---\n",
    ),
    *(
        "\n- [ ] ",
        "\n- [x] ",
        "\n|a|b|\n|-|:-:|\n",
        "\n===\n",
        "\n|x|\n",
        "<",
        ">",
        "</",
        "<!--",
        "-->",
    ),
    *(
        "<script>",
        "</script>",
        "<img src=x onerror=alert(1)>",
        "<a href='",
        "<![CDATA[",
        "]]>",
        "<?",
    ),
    *(
        "javascript:alert(1)",
        "JaVaScRiPt&colon;x",
        "&#106;avascript:",
        "data:text/html,x",
        "mailto:a@b",
    ),
    *(
        "https://a.b/c?d=e&f",
        "&lt;",
        "&amp;",
        "&#27;",
        "&#x202e;",
        "&NewLine;",
        "&#0;",
        '"',
        "'",
        "&",
    ),
    *(
        "\x1b",
        "\x1b[31m",
        "\x1b]0;",
        "\x07",
        "\x9b",
        "\x9d",
        "\r",
        "\x85",
        "\u2028",
        "\u202e",
        "\x00",
    ),
    *(
        "word",
        "日本語、",
        "🎉",
        "👩‍💻",
        "e\u0301",
        "\u200b",
        "\xa0",
        "\ud800",
        "\ufeff",
        "0",
        "a b c",
    ),
]
TEXTS = st.one_of(
    st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
)
WORDS = st.from_regex(r"[a-z]{3,8}[0-9]{2}", fullmatch=True)


class Checked(HTMLParser):
    """Reads HTML as a browser would and objects to everything we never write."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        for name, value in attrs:
            assert value is not None
            if (tag, name) == ("a", "href"):
                assert re.fullmatch(r"(?:https?://|mailto:)[^\s\"'<>]+", value, re.IGNORECASE)
                assert "a" not in self.open
            elif (tag, name) == ("ol", "start"):
                assert value.isdigit()
            else:
                assert (tag, name, value) in {
                    ("a", "rel", REL),
                    *(
                        (cell, "style", f"text-align:{side}")
                        for cell in ("td", "th")
                        for side in SIDES
                    ),
                }
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in EMPTY or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def checked_text(html: str) -> str:
    parser = Checked()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert not OBEYED.search(parser.text.replace("\n", "").replace("\t", ""))
    return parser.text


def check_lines(lines: list[str], width: int, *, color: bool) -> str:
    assert len(lines) <= MOST_LINES
    bare = [OURS.sub(r"\1", line) if color else line for line in lines]
    for line in bare:
        assert not OBEYED.search(line)
        assert display_width(line) <= width
        assert line == line.rstrip() or color
    return "\n".join(bare)


@given(text=TEXTS, width=st.integers(20, 120), color=st.booleans())
@example(text="- " * 30 + "> " * 30 + "a", width=20, color=False)
@example(text="123456789. [x] a\n   1. b\n      1. c", width=20, color=True)
@settings(max_examples=400, deadline=None)
def test_a_terminal_is_shown_nothing_it_would_obey(text: str, width: int, color: bool) -> None:
    check_lines(render_terminal(text, width=width, color=color), width, color=color)


@given(text=TEXTS)
@settings(max_examples=400, deadline=None)
def test_html_holds_only_what_we_write(text: str) -> None:
    checked_text(render_html(text))


@given(text=TEXTS)
@settings(max_examples=200, deadline=None)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert harmless_text(harmless_text(text)) == harmless_text(text)


@given(text=TEXTS)
@settings(max_examples=100, deadline=None)
def test_a_page_cannot_be_broken_out_of(text: str) -> None:
    html = render_page(make_review(text), facts=[text])
    tags = re.findall(r"</?([a-zA-Z!?][^\s>]*)", html)
    frame = ["html", "head", "meta", "title", "style", "body", "header", "h1", "nav", "main"]
    assert set(tags) <= TAGS | {*frame, "!DOCTYPE", "section", "h2", "footer"}
    assert [tags.count(tag) for tag in frame] == [2, 2, 4, 2, 2, 2, 2, 2, 2, 2]


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Draw markdown and the words it must show, in their order."""
    words = draw(st.lists(WORDS, min_size=1, max_size=12))
    frames = [
        *(
            "{}\n\n",
            "# {}\n\n",
            "- {}\n",
            "1. {}\n\n",
            "- [ ] {}\n",
            "> {}\n",
            "> - {}\n\n",
            "`{}`\n",
        ),
        *("**{}** ", "*{}*\n", "~~{}~~ ", "    {}\n\n", "\n```\n{}\n```\n", "<div>{}</div>\n\n"),
        *(
            "[{}](javascript:x) ",
            "![{}](https://a.b) ",
            "<b>{}</b> ",
            "\n\n|a|\n|-|\n|{}|\n\n",
            "\\*{}",
        ),
        *(
            "> # {}\n",
            "***\n{}\n",
            "{}\n===\n\n",
            "{}  \n",
            "<!-- {} -->\n\n",
            "- > {}\n",
            "\n    - {}\n",
        ),
    ]
    return "".join(draw(st.sampled_from(frames)).format(word) for word in words), words


@given(document=documents())
@settings(max_examples=300, deadline=None)
def test_no_word_is_lost_or_moved(document: tuple[str, list[str]]) -> None:
    markdown, words = document
    shown = check_lines(render_terminal(markdown, width=100, color=False), 100, color=False)
    assert re.findall(r"[a-z]{3,8}[0-9]{2}", shown) == words
    assert re.findall(r"[a-z]{3,8}[0-9]{2}", checked_text(render_html(markdown))) == words


SEEDS = {
    "open brackets": "[" * 100_000,
    "image brackets": "![" * 50_000,
    "nested brackets": "[" * 5_000 + "a" + "](b)" * 5_000,
    "closing brackets": "[a]" * 30_000,
    "open links": "[a](<b" * 20_000,
    "parentheses": "[a](" + "(" * 100_000,
    "stars": "*" * 10_000,
    "stars with words": "*a " * 30_000,
    "uneven stars": "**a *b " * 15_000,
    "stars and underlines": "*_" * 50_000,
    "tildes": "~~a " * 25_000,
    "backticks": " ".join("`" * length for length in range(1, 440)),
    "one line": "a" * 100_000,
    "one line of words": "word " * 20_000,
    "one wide line": "日" * 100_000,
    "marks on one letter": "a" + "\u0301" * 100_000,
    "one line of code": "    " + "x" * 100_000,
    "one line of html": "<div>" + "x" * 100_000,
    "a table of 5,000 cells": "|a|b|c|d|e|\n|-|-|-|-|-|\n" + "|1|2|3|4|5|\n" * 1_000,
    "a table of 5,000 columns": f"|{'a|' * 5_000}\n|{'-|' * 5_000}\n|{'b|' * 5_000}\n",
    "not quite a table": "|a|b|\n|-|-|\n" + "|x\n|" * 10_000,
    "pipes": "|" * 100_000,
    "open tags": "<a " * 30_000,
    "open comments": "<!--" * 25_000,
    "open sections": "<![CDATA[" * 10_000,
    "closed sections": "]]>" * 30_000,
    "attributes": "<a b='" * 15_000,
    "quotes": ">" * 100_000,
    "quotes apart": "> " * 50_000,
    "lists in lists": "- " * 50_000,
    "lists below lists": "".join("  " * depth + "- a\n" for depth in range(300)),
    "quotes and lists": "> a\n- b\n" * 10_000,
    "quotes of many depths": "".join(f"{'>' * (n % 30)} - a\n" for n in range(4_000)),
    "items": "- [ ] a\n" * 12_000,
    "definitions": "".join(f"[{n}]: a\n" for n in range(10_000)) + "\n" + "[1]" * 1_000,
    "spaces": " " * 100_000,
    "newlines": "\n" * 100_000,
    "tabs": "\t" * 100_000,
    "backslashes": "\\" * 100_000,
    "references": "&" * 100_000,
    "escapes": "\x1b" * 100_000,
    "open escapes": "\x1b]" * 50_000,
    "open parameters": "\x1b[" + "0;" * 50_000,
    "open strings": "\x9d" * 100_000,
    "carriage returns": "\r" * 100_000,
    "a megabyte of prose": "Some *words* and `code`, [linked](https://a.b).\n\n" * 20_000,
}


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS.keys())
def test_nasty_texts_take_bounded_time(seed: str) -> None:
    before = process_time()
    lines = render_terminal(seed, width=80, color=True)
    html = render_html(seed)
    assert process_time() - before < SLOWEST
    check_lines(lines, 80, color=True)
    checked_text(html)
