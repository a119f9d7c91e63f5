"""`mission report`."""

from pathlib import Path

from typer import Option

from mosaic.cli.options import STDIN, Json, MissionPath
from mosaic.cli.output import answer, clean, write
from mosaic.cli.tasks_view import report_problems
from mosaic.store.reading import locate_mission

STDOUT = STDIN
"""`-` stands for both."""


def report_command(
    html: Path | None = Option(
        None, "--html", metavar="FILE", help="Write one page that needs nothing else; `-`: print it."
    ),
    markdown: Path | None = Option(
        None, "--markdown", metavar="FILE", help="Write markdown for a comment; `-`: print it."
    ),
    since: str | None = Option(
        None,
        "--since",
        metavar="WHEN",
        help="What happened since a date, `2d`, a commit or a session.",
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Tell others where the mission stands and what was done: a page to send, or markdown."""
    from mosaic.app.report import make_report, save_report
    from mosaic.report.markdown import MOST_HANDOFFS, render_markdown

    path = locate_mission(mission)
    is_page = html is not None or as_json
    report = make_report(path, since) if is_page else make_report(path, since, most=MOST_HANDOFFS)
    rendered: list[tuple[Path | None, str]] = []
    if html is not None:
        from mosaic.report.html import render_html_report

        rendered.append((html, render_html_report(report)))
    if markdown is not None or html is None:
        rendered.append((markdown, render_markdown(report)))
    lines, written = [], []
    for place, text in rendered:
        if place is None or str(place) == STDOUT:
            lines.append(text.removesuffix("\n"))
        else:
            written.append(save_report(place, text))
    if as_json:
        lines = []
    elif lines:
        write("\n".join(lines))
    ...
