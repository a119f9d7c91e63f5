"""`mission merge-file`, which git calls: see `mission setup git`."""

from pathlib import Path

from typer import Argument

from mosaic.app.merge_driver import merge_as_driver
from mosaic.errors import ExitCode


def merge_file_command(
    base: Path = Argument(..., metavar="%O", help="What both sides began with."),
    ours: Path = Argument(..., metavar="%A", help="Our version; the merge is written there."),
    theirs: Path = Argument(..., metavar="%B", help="Their version."),
    marker_size: int = Argument(7, metavar="%L", help="How long git's conflict marks are."),
    name: str = Argument("", metavar="%P", help="The file's path in the repository."),
) -> int:
    """Merge one file by task and field, as git's merge driver."""
    is_whole = merge_as_driver(base, ours, theirs, marker_size=marker_size, name=name)
    return int(ExitCode.OK if is_whole else ExitCode.FAILED)
