"""Markdown that agents wrote as safe HTML, and the one page that holds it."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from mosaic.records import dataclass
from mosaic.review.markdown import RAW, Token, as_it_stands, clean, cut_notice, parse, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STATES = frozenset({"confirmed", "contradicted", "unseen", "unknown", "passed", "failed"})
"""What a table's row may be marked with; other words leave it unmarked."""

_REL = "noopener noreferrer nofollow"
_SAFE_URL = re.compile(r"(?:https?://|mailto:)[^\s<>\"'`\\]+", re.IGNORECASE)

_BOXES = {True: "☑ ", False: "☐ "}
_AROUND = {
    "paragraph": ("<p>", "</p>\n"),
    "block_quote": ("<blockquote>\n", "</blockquote>\n"),
    "block_code": ("<pre><code>", "</code></pre>\n"),
    "block_html": ("<pre><code>", "</code></pre>\n"),
    "list_item": ("<li>", "</li>\n"),
    "table": ('<div class="wide"><table>\n', "</table></div>\n"),
    "table_head": ("<thead><tr>", "</tr></thead>\n"),
    "table_body": ("<tbody>\n", "</tbody>\n"),
    "table_row": ("<tr>", "</tr>\n"),
    "strong": ("<strong>", "</strong>"),
    "emphasis": ("<em>", "</em>"),
    "strikethrough": ("<s>", "</s>"),
    "codespan": ("<code>", "</code>"),
    "thematic_break": ("<hr>", "\n"),
    "linebreak": ("<br>", "\n"),
    "softbreak": ("", "\n"),
}


def escape(text: str) -> str:
    """Return text as it stands between tags or in a quoted attribute, freed of controls."""
    return html.escape(clean(text), quote=True)


def render_html(markdown: str) -> str:
    """Return safe HTML of a text that nobody has checked.

    Markup is only what markdown itself knows: HTML in the text is shown as text, links lead
    to http, https and mailto and others are spelt out, images are links, and headings begin
    at `<h3>`, below those of a page. What is too long ends with a line that says so.
    """
    try:
        body = _all(parse(markdown))
    except RecursionError:
        body = _all(as_it_stands(markdown))
    notice = cut_notice(markdown)
    return f"{body}<p>{escape(notice)}</p>\n" if notice else body


def _all(tokens: Iterable[Token], *, linked: bool = False) -> str:
    return "".join(_one(token, linked=linked) for token in tokens)


def _one(token: Token, *, linked: bool) -> str:
    kind, attrs = token["type"], token.get("attrs", {})
    if kind in ("link", "image"):
        return _link(token, linked=linked)
    if kind in RAW:
        inner = escape(token["raw"])
    else:
        inner = _all(token.get("children", ()), linked=linked) or escape(text_of(token))
    if kind == "heading":
        level = min(6, int(attrs["level"]) + 2)
        return f"<h{level}>{inner}</h{level}>\n"
    if kind == "list":
        return _list(inner, attrs)
    if kind == "task_list_item":
        return f"<li>{_BOXES[bool(attrs['checked'])]}{inner}</li>\n"
    if kind == "table_cell":
        return _cell(inner, attrs)
    before, behind = _AROUND.get(kind, ("", ""))
    return f"{before}{inner}{behind}"


def _link(token: Token, *, linked: bool) -> str:
    url = clean(str(token["attrs"].get("url", "")))
    safe = not linked and _SAFE_URL.fullmatch(url) is not None
    inner = _all(token.get("children", ()), linked=linked or safe)
    if safe:
        return f'<a href="{escape(url)}" rel="{_REL}">{inner or escape(url)}</a>'
    return inner if linked or not url else f"{inner} ({escape(url)})"


def _list(inner: str, attrs: Token) -> str:
    if not attrs.get("ordered"):
        return f"<ul>\n{inner}</ul>\n"
    given = f' start="{int(attrs["start"])}"' if "start" in attrs else ""
    return f"<ol{given}>\n{inner}</ol>\n"


def _cell(inner: str, attrs: Token) -> str:
    tag = "th" if attrs.get("head") else "td"
    align = attrs.get("align")
    given = f' class="{align}"' if align in ("right", "center") else ""
    return f"<{tag}{given}>{inner}</{tag}>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A row of plain cells."""

    cells: Sequence[str]
    state: str = ""
    """One of `STATES`. It only colours: a cell should say it too."""


def table(headers: Sequence[str], rows: Iterable[Row]) -> str:
    """Return a table of plain texts as safe HTML; a row too short or long is made to fit."""
    head = "".join(f'<th scope="col">{escape(header)}</th>' for header in headers)
    lines = []
    for row in rows:
        cells = [*row.cells, *([""] * len(headers))][: len(headers)]
        given = f' class="{row.state}"' if row.state in STATES else ""
        lines.append(f"<tr{given}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>\n")
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{''.join(lines)}</tbody>\n</table></div>\n"
    )


def page(*, title: str, sections: Sequence[tuple[str, str]], generated: str) -> str:
    """Return one document that needs nothing else: no script, no font, no picture.

    Args:
        title: plain text.
        sections: headings as plain text, each with HTML that is already safe.
        generated: when and by what it was made, as plain text.
    """
    shown, body, links = escape(title), "", ""
    for number, (heading, content) in enumerate(sections, 1):
        name = escape(heading)
        links += f'<li><a href="#s{number}">{name}</a></li>\n'
        body += f'<section>\n<h2 id="s{number}">{name}</h2>\n{content}</section>\n'
    contents = f'<nav aria-label="Contents"><ul>\n{links}</ul></nav>\n' if len(sections) > 1 else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{shown}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{shown}</h1></header>\n{contents}<main>\n{body}</main>\n"
        f"<footer><p>{escape(generated)}</p></footer>\n</body>\n</html>\n"
    )


_STYLE = """\
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --faint: #5c6370; --line: #d8dbe0;
  --block: #f4f5f7; --good: #1a7f37; --bad: #c62828; --open: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e5e8; --paper: #16181b; --faint: #a0a6b0;
  --line: #3a3f46; --block: #202328; --good: #57c26d; --bad: #ff7b72; --open: #d9a83a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
h1, h2, h3, h4, h5, h6 { line-height: 1.25; margin: 1.6em 0 .5em; font-size: 1rem; }
h1 { font-size: 1.7rem; } h3 { font-size: 1.1rem; }
h2 { font-size: 1.35rem; border-bottom: 1px solid var(--line); padding-bottom: .2em; }
a { color: inherit; } hr { border: 0; border-top: 1px solid var(--line); } nav ul {
  display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; }
pre, code { font: .95em ui-monospace, monospace; background: var(--block); border-radius: .2em; }
pre { padding: .7em; overflow-x: auto; overflow-wrap: normal; }
blockquote { margin: 1em 0; padding-left: 1em; border-left: 3px solid var(--line); }
.wide { overflow-x: auto; } table { border-collapse: collapse; overflow-wrap: normal; }
th, td { padding: .35em .7em; border-bottom: 1px solid var(--line); vertical-align: top; }
th { text-align: left; } .right { text-align: right; } .center { text-align: center; }
tr[class] td:first-child { border-left: 4px solid var(--open); }
tr.confirmed td:first-child, tr.passed td:first-child { border-left-color: var(--good); }
tr.contradicted td:first-child, tr.failed td:first-child { border-left-color: var(--bad); }
footer { margin-top: 3rem; color: var(--faint); font-size: .85rem; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; } h2, h3 { break-after: avoid; }
  a[href^="http"]::after { content: " (" attr(href) ")"; color: var(--faint); } }
"""
