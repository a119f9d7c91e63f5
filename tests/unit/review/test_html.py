from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from mosaic.review import html as rendering
from mosaic.review.html import render_html, render_page
from mosaic.review.terminal import LONGEST_INPUT
from tests.unit.review.reviews import make_review


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str | None] = []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src")]


def links(html: str) -> list[str | None]:
    parser = Links()
    parser.feed(html)
    parser.close()
    return parser.found


def test_blocks_become_their_elements() -> None:
    assert render_html("a *b* **c** `d` ~~e~~  \nf") == (
        "<p>a <em>b</em> <strong>c</strong> <code>d</code> <del>e</del><br />\nf</p>\n"
    )
    assert render_html("> q") == "<blockquote>\n<p>q</p>\n</blockquote>\n"
    assert render_html("```py\na < b\n```") == "<pre><code>a &lt; b\n</code></pre>\n"
    assert render_html("---") == "<hr />\n"


def test_headings_begin_below_those_of_a_page() -> None:
    assert render_html("# a") == "<h3>a</h3>\n"
    assert render_html("###### a") == "<h6>a</h6>\n"


def test_lists_nest_and_count() -> None:
    assert render_html("3. a\n   - b\n") == (
        '<ol start="3">\n<li>a<ul>\n<li>b</li>\n</ul>\n</li>\n</ol>\n'
    )
    assert render_html("1. a") == "<ol>\n<li>a</li>\n</ol>\n"


def test_task_lists_show_their_boxes() -> None:
    assert render_html("- [x] a\n- [ ] b\n") == "<ul>\n<li>☑ a</li>\n<li>☐ b</li>\n</ul>\n"


def test_tables_are_aligned() -> None:
    html = render_html("|a|b|\n|-:|-|\n|1|<i>|\n")
    assert re.findall("<t[hd].*", html) == [
        "<thead>",
        '<th style="text-align:right">a</th>',
        "<th>b</th>",
        '<td style="text-align:right">1</td>',
        "<td>&lt;i&gt;</td>",
    ]


def test_good_links_are_links_that_tell_nothing_of_the_page() -> None:
    assert render_html("[a](https://x.y/?p=1&q=2 'title')") == (
        '<p><a href="https://x.y/?p=1&amp;q=2" rel="noopener noreferrer nofollow">a</a></p>\n'
    )
    assert links(render_html("<me@x.y> [b](HTTP://x.y)")) == ["mailto:me@x.y", "HTTP://x.y"]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "&#106;avascript:alert(1)",
        "&#x6A;avascript&colon;alert(1)",
        "javascript&#58;alert(1)",
        "java&Tab;script:alert(1)",
        "java&#10;script:alert(1)",
        "\x01javascript:alert(1)",
        "<\tjavascript:alert(1)>",
        "<java\x00script:alert(1)>",
        "<&#1;javascript:alert(1)>",
        "javascript\\:alert(1)",
        "vbscript:x",
        "data:text/html,x",
        "DATA:text/html;base64,eA==",
        "file:///etc/passwd",
        "//evil.example/x",
        "docs/plan.md",
        "#s1",
        "https:evil.example",
        "view-source:https://x.y",
    ],
)
def test_other_links_are_plain_text(url: str) -> None:
    for text in (f"[a]({url})", f"![a]({url})", f"[a][b]\n\n[b]: {url}\n", f"<{url}>"):
        assert links(render_html(text)) == []


def test_images_are_their_description_and_address() -> None:
    assert render_html("![a](https://x.y/p.png)") == "<p>a (https://x.y/p.png)</p>\n"
    html = render_html("[![a](https://x.y/p.png)](https://x.y)")
    assert links(html) == ["https://x.y"]
    assert "<img" not in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        'a <img src="x" onerror="alert(1)">',
        "<svg/onload=alert(1)>",
        "<style>*{}</style>",
        "<div onclick='x'",
        "</main></body>",
        "<![CDATA[ x ]]> ]]>",
        "<!-- x --> <!-- open",
        "`<b>`",
        "    <b>",
        "&lt;b&gt;",
        "\\<b>",
        "[<b>](https://x.y)",
        "**<b>**",
        "# <b onclick=x>",
        "|<b>|a|\n|-|-|\n|<i>|</table>|",
    ],
)
def test_markup_in_the_text_is_text(text: str) -> None:
    html = render_html(text)
    tags = set(re.findall(r"<\s*/?\s*([^\s>]+)", html))
    known = "p pre code a strong h3 table thead tbody tr th td"
    assert tags <= set(known.split())
    assert "&lt;" in html


def test_a_letter_reference_is_read_once() -> None:
    assert render_html("&amp;lt; &copy; &#27;") == "<p>&amp;lt; © </p>\n"


def test_what_reorders_text_is_gone() -> None:
    assert render_html("a\u202eb&#x202e;c\x1b[31md") == "<p>abcd</p>\n"


def test_a_text_that_cannot_be_parsed_is_shown_as_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(text: str) -> str:
        raise RecursionError

    monkeypatch.setattr(rendering, "_markdown", lambda: full)
    assert render_html("*a* <b>") == "<pre><code>*a* &lt;b&gt;</code></pre>\n"


def test_a_long_text_ends_with_a_line_that_says_so() -> None:
    html = render_html("word " * 200_000)
    assert html.endswith(f"<p>[… cut here after {LONGEST_INPUT} of 1000000 characters]</p>\n")
    assert len(html) < 2 * LONGEST_INPUT


EVIL = "x <script>alert(1)</script>\u202e [a](javascript:alert(1)) [b](https://x.y)"


def test_a_page_needs_nothing_else_and_runs_nothing() -> None:
    html = render_page(make_review(EVIL), facts=[EVIL, "status review"])
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n')
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'\"" in html
    assert "<title>T-001 x &lt;script&gt;" in html
    assert "<h1>T-001 x &lt;script&gt;" in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert 'name="viewport"' in html
    assert "\u202e" not in html
    assert not re.search(r"<script|<link|<img|@import|url\(|\ssrc=|\son\w+=", html)
    assert {link for link in links(html) if not str(link).startswith("#s")} == {"https://x.y"}


def test_a_page_says_all_that_a_review_says() -> None:
    html = render_page(make_review("word"), facts=["status review"])
    headings = re.findall(r"<h2[^>]*>(.*)</h2>", html)
    assert headings == [
        *("Verdict", "State", "Goal", "Acceptance criteria", "Decisions", "Gates"),
        "result",
        *("Files claimed", "Commands claimed"),
        *("Changed without being claimed", "Ran without being claimed"),
        *("Outside of the write scope", "Worth a look", "What cannot be known"),
        *("risks", "next_handoff", "notes", "Changes"),
    ]
    assert re.findall(r'<li><a href="(.*?)">', html) == [f"#s{n}" for n in range(1, 19)]
    assert '<tr class="unseen"><td>2</td><td>unseen</td><td>word</td><td>word</td></tr>' in html
    assert "<li>status review</li>" in html
    assert "<p>Compared with word.</p>" in html
    assert '<tr class="contradicted"><td>contradicted</td><td>word</td><td>word</td></tr>' in html
    assert '<tr class="failed"><td>word</td><td>word</td><td>word</td></tr>' in html
    assert "<li>added: word</li>" in html
    assert "<p>missing</p>" in html  # notes
