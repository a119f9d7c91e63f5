"""`mission board`."""

from mosaic.cli.board_view import open_board
from mosaic.cli.options import MissionPath


def board_command(mission: MissionPath = None) -> int:
    """Show the plan, who works on it and what waits for you, and act on it, in this terminal."""
    return open_board(mission=mission)
