"""`mission board`."""

from mosaic.cli.board_view import open_board
from mosaic.cli.options import MissionPath

EXAMPLES = (
    ("mission board", "the plan, who works, and what waits for you; `?` shows the keys"),
    ("mission board --mission ../other", "the board of a mission elsewhere"),
)


def board_command(mission: MissionPath = None) -> int:
    """Show the plan, who works on it and what waits for you, and act on it, in this terminal."""
    return open_board(mission=mission)
