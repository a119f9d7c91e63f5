"""Markdown that agents wrote as safe HTML, and a review as one page that needs nothing else."""

from __future__ import annotations

import html
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from mistune import BlockParser, HTMLRenderer, InlineParser, Markdown
from mistune.plugins import import_plugin

from mosaic.machine.clock import utc_now
from mosaic.review.terminal import LONGEST_INPUT
from mosaic.store.templates import load_template
from mosaic.text.commonmark import CommonMark
from mosaic.text.harmless import harmless_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import BaseLoader

    from mosaic.review.verdict import Review

DEEPEST = 12
"""Lists and quotes in each other; what is deeper is text."""

_REL = "noopener noreferrer nofollow"
_SAFE_URL = re.compile(r"(?:https?://|mailto:)[^\s<>\"'`\\]+", re.IGNORECASE)
_CODE = re.compile(r"`([^`\n]+)`")
_BOXES = {True: "☑ ", False: "☐ "}


def render_page(review: Review, facts: Sequence[str]) -> str:
    """Return a review as one document without scripts, fonts or pictures, all of it escaped.

    `facts` say where the task stands, a line each.
    """
    return render_document(
        "review.html.j2",
        review=review,
        title=f"{review.task.id} {review.task.title}",
        facts=facts,
        generated=f"{utc_now():%Y-%m-%d %H:%M} UTC",
    )


def render_document(name: str, **values: Any) -> str:
    """Return a template of ours as a page, with every text of the values escaped and harmless.

    It is not a project's own: a cloned repository must not write the page that judges its work.
    """
    environment = page_environment(FunctionLoader(lambda name: load_template(name).source))
    return environment.get_template(name).render(values).lstrip()


def page_environment(loader: BaseLoader) -> Environment:
    """Return what makes pages: every text of the values is escaped and harmless.

    `markdown` turns a text that nobody has checked into safe HTML, and the filter `words` shows
    what stands between backticks as code.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=loader,
        finalize=lambda value: harmless_text(value) if type(value) is str else value,
    )
    environment.globals["markdown"] = lambda text: Markup(render_html(text))  # noqa: S704 - escaped
    environment.filters["words"] = _words
    return environment


def _words(value: object) -> Markup:
    if isinstance(value, Markup):
        return value
    text = html.escape(harmless_text(str(value)))
    return Markup(_CODE.sub(r"<code>\1</code>", text))  # noqa: S704 - escaped


def render_html(markdown: str) -> str:
    """Return safe HTML of a text that nobody has checked.

    HTML in the text is shown as text, links lead to http, https and mailto and others are spelt
    out, images are spelt out too, and headings begin at `<h3>`. What is too long ends with a
    line that says so.
    """
    text = harmless_text(markdown[:LONGEST_INPUT])
    try:
        body = str(_markdown()(text))
    except RecursionError:
        body = f"<pre><code>{html.escape(text)}</code></pre>\n"
    if len(markdown) <= LONGEST_INPUT:
        return body
    return f"{body}<p>[… cut here after {LONGEST_INPUT} of {len(markdown)} characters]</p>\n"


class _InOrder(CommonMark, BlockParser):
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


class _SafeRenderer(HTMLRenderer):
    """Escapes all markup, and links only to where a link can do no harm."""

    def text(self, text: str) -> str:
        return html.escape(harmless_text(html.unescape(text)))

    def heading(self, text: str, level: int, **_: Any) -> str:
        return super().heading(text, min(6, level + 2))

    def link(self, text: str, url: str, title: str | None = None) -> str:  # noqa: ARG002
        if not _SAFE_URL.fullmatch(url):
            return self.image(text, url)
        address = html.escape(url)
        return f'<a href="{address}" rel="{_REL}">{text or address}</a>'

    def image(self, text: str, url: str, title: str | None = None) -> str:  # noqa: ARG002
        address = html.escape(harmless_text(url))
        return f"{text} ({address})" if address else text

    def block_code(self, code: str, info: str | None = None) -> str:  # noqa: ARG002
        return super().block_code(code)

    def task_list_item(self, text: str, *, checked: bool) -> str:
        return self.list_item(_BOXES[checked] + text)


@cache
def _markdown() -> Markdown:
    return Markdown(
        renderer=_SafeRenderer(escape=True),
        block=_InOrder(max_nested_level=DEEPEST),
        inline=InlineParser(max_nested_level=DEEPEST),
        plugins=[import_plugin(name) for name in ("table", "task_lists", "strikethrough")],
    )
