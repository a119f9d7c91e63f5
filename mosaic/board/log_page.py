"""What an agent writes and does, as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.worker import get_current_worker

from mosaic.app.following import follow_words
from mosaic.app.runs import find_logged_run
from mosaic.board.rows import TextRows
from mosaic.board.words import error_words, lines_of, plain
from mosaic.errors import MissionError
from mosaic.store.mission_file import look_at_mission

if TYPE_CHECKING:
    from pathlib import Path

    from rich.text import Text
    from textual.app import ComposeResult

MOST_LINES = 2_000


class LogScreen(Screen[None]):
    """The log of a task's newest run."""

    CSS = """
    LogScreen #run { height: 1; padding: 0 1; background: $panel; }
    LogScreen TextRows { padding: 0 1; height: 1fr; }
    """
    BINDINGS: ClassVar[list[Any]] = [Binding("escape,q", "back", "Back")]

    def __init__(self, mission_file: Path, task_id: str) -> None:
        super().__init__()
        self.task_id = task_id
        self._mission_file = mission_file
        self._run = Static(id="run")
        self._rows = TextRows(empty="nothing is written yet")

    def compose(self) -> ComposeResult:
        """Return what it is made of."""
        yield self._run
        yield self._rows
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to follow it."""
        self._rows.focus()
        self.run_worker(self._follow, thread=True)

    def _follow(self) -> None:
        worker = get_current_worker()
        try:
            document = look_at_mission(self._mission_file)
            run = find_logged_run(document, self.task_id)
            self._head(f"{self.task_id}  {run.id}  as it comes; the end is followed at the end")
            for lines in follow_words(
                document, run, most=MOST_LINES, is_wanted=lambda: not worker.is_cancelled
            ):
                self._add([plain(line) for line in lines])
        except MissionError as error:
            self._add(lines_of(error_words(error), "bold red"))
        else:
            self._head(f"{self.task_id}  {run.id}  the run is over")

    def _head(self, words: str) -> None:
        self.app.call_from_thread(self._run.update, plain(words, "bold"))

    def _add(self, lines: list[Text]) -> None:
        if lines and not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._rows.add_lines, lines, most=MOST_LINES)

    def action_back(self) -> None:
        """Go back."""
        self.app.pop_screen()
