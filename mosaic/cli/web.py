"""`mission web`."""

import sys
from typing import TYPE_CHECKING

from typer import Option

from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, paint, warn
from mosaic.errors import ExtraMissingError
from mosaic.store.reading import locate_mission

if TYPE_CHECKING:
    from mosaic.web.server import Opened

EXAMPLES = (
    ("mission web --open", "the board in your browser, on this machine alone"),
    ("mission web --port 8080 --read-only", "on a port of your choice, only to look at"),
)
HOST = "127.0.0.1"


def web_command(
    port: int | None = Option(
        None, "--port", min=1, max=65535, metavar="N", help="This port; else the next free one."
    ),
    open_: bool = Option(False, "--open", help="Open it in your browser."),
    read_only: bool = Option(False, "--read-only", help="Only show; nothing can be changed."),
    host: str = Option(
        HOST, "--host", metavar="ADDRESS", help="Where it listens; others can come only by this."
    ),
    token: str | None = Option(
        None,
        "--token",
        metavar="WORD",
        envvar="MISSION_WEB_TOKEN",
        help="What is to be entered before a look.",
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Show the board in the browser, and let you decide there; until Ctrl-C."""
    path = locate_mission(mission)
    try:
        from mosaic.web.server import serve
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in ("starlette", "uvicorn", "anyio", "h11"):
            raise
        raise ExtraMissingError("`mission web`", "web", package) from None

    def opened(found: "Opened") -> None:
        for notice in () if as_json else found.notices:
            warn(f"note: {clean(notice)}")
        values = {**found._asdict()}
        line = f"the board is at {paint(found.url, 'bold')}; Ctrl-C ends it"
        answer("web", values, [line], as_json=as_json, goes_on=True)
        sys.stdout.flush()
        if open_:
            import webbrowser

            webbrowser.open(found.url)

    serve(path, host=host, port=port, token=token, read_only=read_only, opened=opened)
    return 0
