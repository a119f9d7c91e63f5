"""`mission report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from typer import Option

from mosaic.cli.options import STDIN, Json, MissionPath
from mosaic.cli.output import answer, clean
from mosaic.cli.tasks_view import report_problems
from mosaic.errors import UsageError
from mosaic.store.reading import locate_mission

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.app.report import Report

EXAMPLES = (
    ("mission report", "what was done and where the mission stands, in markdown"),
    ("mission report --html report.html --since 7d", "one page to send, of the last week"),
)


def report_command(
    html: Path | None = Option(
        None,
        "--html",
        metavar="FILE",
        help="Write one page that needs nothing else; `-` prints.",
    ),
    markdown: Path | None = Option(
        None, "--markdown", metavar="FILE", help="Write markdown for a comment; `-` prints."
    ),
    since: str | None = Option(
        None,
        "--since",
        metavar="WHEN",
        help="Only what happened since a date, `2d`, a commit or a session.",
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Tell others where the mission stands and what was done: markdown, or a page to send."""
    from mosaic.app.report import MOST_HANDOFFS, make_report
    from mosaic.app.task_work import write_page
    from mosaic.report.markdown import MOST_LISTED

    printed = [place for place in (html, markdown) if _is_printed(place)]
    if len(printed) + as_json > 1:
        raise UsageError("only one form can be printed", hint="name a file for the other one")
    path = locate_mission(mission)
    most = MOST_HANDOFFS if html is not None or as_json else MOST_LISTED
    report = make_report(path, since, most_handoffs=most)
    lines, written = [], []
    for place, text in _rendered(report, html=html, markdown=markdown, as_json=as_json):
        if _is_printed(place):
            lines += text.removesuffix("\n").split("\n")
        else:
            write_page(text, place)
            written.append(str(place))
    return answer(
        "report",
        {**report.json_values(), "written": written},
        lines or [f"written to {clean(place)}" for place in written],
        exit_code=report_problems(report.board.status.problems, as_json=as_json),
        then=["mission status"],
        as_json=as_json,
    )


def _rendered(
    report: Report, *, html: Path | None, markdown: Path | None, as_json: bool
) -> Iterator[tuple[Path, str]]:
    if html is not None:
        from mosaic.report.html import render_report_page

        yield html, render_report_page(report)
    if markdown is not None or not (html or as_json):
        from mosaic.report.markdown import render_markdown

        yield markdown or Path(STDIN), render_markdown(report)


def _is_printed(place: Path | None) -> bool:
    return place is not None and str(place) == STDIN
