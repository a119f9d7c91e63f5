"""A report of texts nobody wrote in good faith: only what we write is markup."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from markdown_it import MarkdownIt

from mosaic.app.board import Card, Wait, Waiting
from mosaic.app.report import Report, TaskDecision, TaskHandoff, make_report
from mosaic.app.since import Move, Since
from mosaic.app.spend import Share, Spend
from mosaic.model import EndReason, Session, Status, Task
from mosaic.plan.ready import Reason
from mosaic.records import replace
from mosaic.report.html import render_report_page
from mosaic.report.markdown import inline, render_markdown
from mosaic.text.decisions import Decision, Kind
from tests.integration.test_report import TAGS, Page
from tests.properties.test_review_rendering import OBEYED, TEXTS
from tests.support.in_process import call
from tests.unit.review.reviews import make_review

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ACTS = re.compile(r"(?<![\w`])[@#]\w|://")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a mission without tasks."""
    folder: Path = tmp_path_factory.mktemp("empty")
    assert call(folder, "init", "--name", "Empty").exit_code == 0
    return make_report(folder / "coordination" / "mission.json")


def filled(empty: Report, text: str) -> Report:
    """Return a report whose every text is this one."""
    task = Task(id="T-001", title=text, status=Status.REVIEW, milestone=text, depends_on=("T-9",))
    review = make_review(text)
    session = Session(
        id=text, runtime=text, started_at=NOW, ended_at=NOW, ended_reason=EndReason.FAILED,
        ended_detail=text, last_task_id=text,
    )  # fmt: skip
    decision = Decision(kind=Kind.REJECTED, date="2026-11-26", by=text, number=1, text=text)
    share = Share(text, 1, 1, None)
    card = Card(task, Reason.IN_REVIEW, text, is_ready=False)
    board = replace(
        empty.board,
        cards=(card,),
        inbox=(Waiting(Wait.QUESTION, "T-001", text, text, text),),
        status=replace(empty.board.status, why_nothing=text),
    )
    return replace(
        empty,
        board=board,
        description=text,
        since=Since(NOW, text),
        moves=(Move("T-001", text, "todo", "review"),),
        sessions=(session,),
        handoffs=(TaskHandoff(task, review.sections, (), review, text),),
        decisions=(TaskDecision("T-001", decision),),
        spend=Spend(share, (share, share), (share,), (share,)),
    )


@given(text=TEXTS)
@example(text="</style><script>")
@settings(max_examples=60, deadline=None)
def test_a_page_cannot_be_broken_out_of(empty: Report, text: str) -> None:
    html = render_report_page(filled(empty, text))
    page = Page(html)
    assert page.tags <= TAGS
    assert not {name for name in page.attributes if name.startswith("on")}
    assert all(re.match(r"#|https?://|mailto:", link, re.IGNORECASE) for link in page.links)
    assert not OBEYED.search(html.replace("\n", "").replace("\t", ""))
    once = ("html", "head", "style", "body", "main")
    assert [len(re.findall(f"<{tag}[ >]", html)) for tag in once] == [1] * len(once)


@given(text=TEXTS)
@example(text="[a](https://b.c) @all #1 `x` ![y](z) <b> www.a.b a_b_ _c_ x@y.z o/r#3 GH-4")
@settings(max_examples=300, deadline=None)
def test_a_line_of_markdown_is_only_text_and_code(text: str) -> None:
    line = inline(text)
    assert "\n" not in line
    tokens = MARKDOWN.parseInline(line)[0].children or []
    assert {token.type for token in tokens} <= {"text", "text_special", "code_inline"}
    plain = "".join(token.content for token in tokens if token.type != "code_inline")
    assert not ACTS.search(plain)


@given(text=TEXTS)
@settings(max_examples=60, deadline=None)
def test_markdown_has_the_frame_that_we_give_it(empty: Report, text: str) -> None:
    markdown = render_markdown(filled(empty, text))
    assert not OBEYED.search(markdown.replace("\n", ""))
    tokens = MARKDOWN.parse(markdown)
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h2"]
    assert not {token.type for token in tokens} & {"html_block", "fence", "blockquote_open"}
    inner = [child.type for token in tokens for child in token.children or ()]
    assert not {*inner} & {"link_open", "image", "html_inline", "s_open", "em_open"}
