"""Markdown that agents wrote, as safe HTML, and one page that needs nothing else.

Everything of theirs is escaped; links go to the web or to mail only; there is no script, and
the page's own policy allows none.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from mosaic.text.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_TEXT = 200_000
SAFE_LINK = re.compile(r"(?:https?://|mailto:)[^\s\"'<>`\\]+", re.IGNORECASE)
STATES = ("confirmed", "contradicted", "unseen")
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; }
td { overflow-wrap: anywhere; border-top: 1px solid #8884; }
pre { overflow-x: auto; padding: .6rem; background: #8882; }
code { font-family: ui-monospace, monospace; }
.confirmed td:first-child { color: #17803d; } .contradicted td:first-child { color: #c0262d; }
.unseen td:first-child { color: #a06a00; } footer { margin-top: 3rem; color: #888; }
@media print { body { margin: 0; } }
"""


def escape(text: str) -> str:
    """Return text that stands in HTML for itself."""
    return html.escape(harmless(text), quote=True)


def render_html(markdown: str) -> str:
    """Return safe HTML of markdown; raw HTML in it is shown as text."""
    import mistune  # start-up: only a page needs it

    class Safe(mistune.HTMLRenderer):
        """Escapes all that is not made by markdown itself."""

        def link(self, text: str, url: str, title: str | None = None) -> str:
            del title
            target = html.unescape(url)
            if not SAFE_LINK.fullmatch(target):
                return text
            return f'<a href="{html.escape(target, quote=True)}" rel="noreferrer">{text}</a>'

        def image(self, text: str, url: str, title: str | None = None) -> str:
            return self.link(text or html.escape(url), url, title)

        def block_code(self, code: str, info: str | None = None) -> str:
            del info
            return f"<pre><code>{html.escape(code)}</code></pre>\n"

        def heading(self, text: str, level: int, **attrs: object) -> str:
            del level, attrs
            return f"<h3>{text}</h3>\n"

    text = harmless(markdown[:LARGEST_TEXT])
    try:
        rendered = mistune.create_markdown(renderer=Safe(escape=True), plugins=["table"])(text)
    except RecursionError:
        return f"<pre>{html.escape(text)}</pre>"
    return re.sub(r' style="text-align:\s*\w+"', "", str(rendered))


def table(headers: Sequence[str], rows: Sequence[tuple[Sequence[str], str]]) -> str:
    """Return a table of plain text; each row comes with a state word that colours it."""
    head = "".join(f"<th>{escape(name)}</th>" for name in headers)
    body = "".join(
        f'<tr class="{state if state in STATES else ""}">'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for cells, state in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def page(*, title: str, sections: Sequence[tuple[str, str]], generated: str) -> str:
    """Return one self-contained document; the sections' contents are safe HTML already."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    parts = "".join(
        f"<section><h2>{escape(name)}</h2>{content}</section>\n" for name, content in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>\n{parts}</main>"
        f"<footer>{escape(generated)}</footer></body></html>\n"
    )
