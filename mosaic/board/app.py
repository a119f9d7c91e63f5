"""The board itself: its views, its keys, and how it follows what changes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import App
from textual.binding import Binding
from textual.containers import Container
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from mosaic.app.board import Board, Waiting
from mosaic.board import cards
from mosaic.board.actions import Actions
from mosaic.board.columns import Columns
from mosaic.board.rows import Rows
from mosaic.board.tabs import Tabs
from mosaic.board.views import Inbox, Live, Plan, task_of
from mosaic.board.words import error_words, plain
from mosaic.errors import MissionError
from mosaic.model import Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual import events
    from textual.app import ComposeResult

    from mosaic.app.board import BoardPage, Card

LOOK_SECONDS = 1.0
VIEWS = ("inbox", "board", "plan", "live")
DECIDABLE = (Status.REVIEW, Status.IN_PROGRESS, Status.BLOCKED)


def _is_idle(card: Card) -> bool:
    task, is_sound = card.task, card.problem is None
    return is_sound and not task.status.is_closed and card.session is None


APPLIES: dict[str, Callable[[Card], bool]] = {
    "answer": lambda card: card.task.status is Status.BLOCKED,
    "approve": lambda card: card.task.status in DECIDABLE and card.session is None,
    "reject": lambda card: card.task.status in DECIDABLE and card.session is None,
    "merge": lambda card: card.branch is not None,
    "hand_off": _is_idle,
    "hand_off_in_worktree": _is_idle,
    "stop": lambda card: card.session is not None,
    "log": lambda card: card.session is not None or card.usage is not None,
    "edit": lambda card: card.problem is None,
    "split": lambda card: _is_idle(card) and card.task.status is not Status.REVIEW,
}
"""To which tasks a key applies; what is asked of them is checked by `app/`."""

ON_THE_BOARD = ("view", "column", "search", "clear")
"""What a key does only where no page is open above the board."""


class BoardApp(App[None]):
    """The board of one mission."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #mission { height: 1; padding: 0 1; background: $panel; }
    #trouble { height: auto; max-height: 6; padding: 0 1; background: $error 30%; display: none; }
    #tabs, TaskScreen Tabs { height: 1; background: $panel; }
    #views { height: 1fr; }
    #views > * { display: none; }
    #views > .open { display: block; }
    #search { height: 1; border: none; padding: 0 1; display: none; background: $boost; }
    #search.open { display: block; }
    """
    BINDINGS: ClassVar[list[Any]] = [
        Binding("1", "view('inbox')", "Inbox", show=False),
        Binding("2", "view('board')", "Board", show=False),
        Binding("3", "view('plan')", "Plan", show=False),
        Binding("4", "view('live')", "Live", show=False),
        Binding("left", "column(-1)", "Column left", show=False),
        Binding("right", "column(1)", "Column right", show=False),
        Binding("question_mark", "keys", "Keys"),
        Binding("w", "act('answer')", "Answer"),
        Binding("a", "act('approve')", "Approve"),
        Binding("r", "act('reject')", "Reject"),
        Binding("m", "act('merge')", "Merge"),
        Binding("h", "act('hand_off')", "Hand off"),
        Binding("H", "act('hand_off_in_worktree')", "Hand off in a worktree", show=False),
        Binding("s", "act('stop')", "Stop"),
        Binding("l", "log", "Log"),
        Binding("e", "act('edit')", "Edit"),
        Binding("t", "act('split')", "Split"),
        Binding("n", "add", "New"),
        Binding("shift+up,K", "move_row(-1)", "Move up"),
        Binding("shift+down,J", "move_row(1)", "Move down"),
        Binding("slash", "search", "Search"),
        Binding("escape", "clear", "Clear the search", show=False),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, mission_file: Path) -> None:
        super().__init__()
        self.title = "mission board"
        self._mission_file = mission_file
        self._board = Board(mission_file)
        self._page: BoardPage | None = None
        self._trouble = ""
        self._query = ""
        self._found: set[str] | None = None
        self._view = ""
        self._looking = asyncio.Lock()
        self._steps = 0
        self.actions = Actions(self, mission_file, self.look_now)

    def compose(self) -> ComposeResult:
        """Return what it is made of."""
        yield Static(id="mission")
        yield Static(id="trouble")
        yield Tabs(VIEWS)
        with Container(id="views"):
            yield Inbox()
            yield Columns()
            yield Plan()
            yield Live()
        yield Input(
            placeholder="words, status=review, milestone!=M1, title~log, ready", id="search"
        )
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Look for the first time, and then again and again."""
        self.look()
        self.set_interval(LOOK_SECONDS, self.look)

    def look(self) -> None:
        """Look in the background whether anything has changed, and show that."""
        if not self._looking.locked():
            self.run_worker(self.look_now(), group="look")

    async def look_now(self) -> None:
        """Look whether anything has changed, and show that."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        try:
            page = await asyncio.to_thread(self._board.look)
        except MissionError as error:
            self._set_trouble(error_words(error))
        except OSError as error:
            self._set_trouble(str(error))
        else:
            self._set_trouble("")
            self._take(page)
        finally:
            gc.enable()  # who opens the board may have turned it off

    def _take(self, page: BoardPage) -> None:
        before, self._page = self._page, page
        if page is before or not self.query("#mission"):  # nothing is there while it ends
            return
        if before is not None and page.cards is before.cards:
            self._show_live()
            return
        self._show()
        reload = getattr(self.screen, "reload", None)
        if before is not None and reload is not None:
            reload()

    def _set_trouble(self, words: str) -> None:
        if words != self._trouble and self.query("#trouble"):
            self._trouble = words
            shown = self.query_one("#trouble", Static)
            shown.display = bool(words)
            shown.update(Text("\n").join(map(plain, words.split("\n"))))

    def _show(self) -> None:
        page = self._page
        if page is None:
            return
        self.query_one("#mission", Static).update(cards.mission_line(page, self.size.width))
        found = cards.matching(page.cards, self._query)
        self._found = {card.task.id for card in found} if self._query else None
        inbox = [each for each in page.inbox if self._is_shown(each.task_id)]
        self.query_one(Inbox).fill(inbox)
        self.query_one(Columns).show(found)
        self.query_one(Plan).fill(found)
        self._show_live()
        if not self._view:
            self.action_view("inbox" if inbox else "board")
        self._mark()

    def _show_live(self) -> None:
        page = self._page
        if page is None:
            return
        titles = {card.task.id: card.task.title for card in page.cards if card.session is not None}
        views = [each for each in page.live if self._is_shown(each.session.last_task_id)]
        self.query_one(Live).fill(page.status.hosts, views, titles)

    def _is_shown(self, task_id: str | None) -> bool:
        return self._found is None or task_id in self._found

    def _mark(self) -> None:
        page = self._page
        counts = {"inbox": len(page.inbox), "live": len(page.live)} if page else {}
        self.query_one("#tabs", Tabs).mark(self._view, counts)
        self._refresh_keys()

    def on_tabs_chosen(self, event: Tabs.Chosen) -> None:
        """Open the view whose name was clicked."""
        self.action_view(event.name)

    def on_rows_moved(self) -> None:
        """Show the keys that apply to what the cursor stands on now."""
        self._refresh_keys()

    def on_descendant_focus(self) -> None:
        """Show the keys that apply to what has the focus now."""
        self._refresh_keys()

    def _refresh_keys(self) -> None:
        if self.screen_stack:  # it has none while it ends
            self.refresh_bindings()

    def on_resize(self, event: events.Resize) -> None:
        """Draw what depends on the width."""
        if self._page is not None:
            line = cards.mission_line(self._page, event.size.width)
            self.query_one("#mission", Static).update(line)

    def on_rows_opened(self, event: Rows.Opened) -> None:
        """Open a task."""
        task_id = task_of(event.row.about)
        if task_id is not None:
            self.open_task(task_id)
        elif isinstance(event.row.about, Waiting):
            self.actions.start("", partial(self.actions.show_faults, event.row.about))

    def open_task(self, task_id: str) -> None:
        """Open a task's page."""
        from mosaic.board.task_page import TaskScreen  # start-up: not needed to open the board

        self.push_screen(TaskScreen(self._mission_file, task_id))

    def card(self, task_id: str | None) -> Card | None:
        """Return a task as the board has it."""
        found = self._page.cards if self._page else ()
        return next((card for card in found if card.task.id == task_id), None)

    def current_card(self) -> Card | None:
        """Return the task that the person is looking at."""
        task_id = getattr(self.screen, "task_id", None)
        if task_id is None and isinstance(self.focused, Rows) and (row := self.focused.current):
            task_id = task_of(row.about)
        return self.card(task_id)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Tell whether a key applies now; those that do not are not shown."""
        if action in ON_THE_BOARD:
            return len(self.screen_stack) == 1
        if action == "move_row":
            return len(self.screen_stack) == 1 and self._view == "plan"
        name = str(parameters[0]) if action == "act" else action
        if name not in APPLIES:
            return super().check_action(action, parameters)
        if isinstance(self.screen, ModalScreen):
            return False
        card = self.current_card()
        return card is not None and APPLIES[name](card)

    def action_view(self, name: str) -> None:
        """Open one of the views."""
        self._view = name
        for view in self.query("#views > *"):
            view.set_class(view.id == name, "open")
        lists = list(self.query(f"#{name}, #{name} Rows").results(Rows))
        full = [rows for rows in lists if rows.entries]
        (full or lists)[0].focus()
        self._mark()

    def action_column(self, by: int) -> None:
        """Go to the column on the left or on the right."""
        self.query_one(Columns).move(by)

    def action_move_row(self, by: int) -> None:
        """Move the row that the cursor stands on; keys that come meanwhile count too."""
        row = self.query_one(Plan).current
        if row is not None:
            self._steps += by
            self.actions.start(row.key, partial(self._move_row, row.key))

    async def _move_row(self, task_id: str) -> None:
        rows = self.query_one(Plan)
        while (steps := self._steps) and (at := rows.find(task_id)) is not None:
            self._steps = 0
            to = max(0, min(at + steps, len(rows.entries) - 1))
            if to != at:
                await self.actions.move(task_id, rows.entries[to].key, is_up=to < at)
                await self.look_now()

    def action_search(self) -> None:
        """Write what is looked for."""
        field = self.query_one("#search", Input)
        field.add_class("open")
        field.focus()

    def action_clear(self) -> None:
        """Show everything again."""
        field = self.query_one("#search", Input)
        field.value = ""
        field.remove_class("open")
        self.action_view(self._view)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what is found while it is written."""
        self._query = event.value
        self._show()

    def on_input_submitted(self) -> None:
        """Go to what was found."""
        field = self.query_one("#search", Input)
        field.set_class(bool(field.value), "open")
        self.action_view(self._view)

    def action_keys(self) -> None:
        """Show every key, or hide them."""
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    def action_act(self, name: str) -> None:
        """Do something with the task that the person is looking at."""
        if (card := self.current_card()) is not None:
            self.actions.start(card.task.id, partial(getattr(self.actions, name), card))

    def action_add(self) -> None:
        """Add a task, of the milestone of the one that the person is looking at."""
        card = self.current_card()
        milestone = card.task.milestone if card is not None else None
        self.actions.start("", partial(self.actions.add, milestone or ""))

    def asked(self, card: Card) -> str:
        """Return what a task asks, or why it is blocked."""
        inbox = self._page.inbox if self._page else ()
        words = [each.words for each in inbox if each.task_id == card.task.id]
        return "\n".join(words) or card.task.why or ""

    def action_log(self) -> None:
        """Follow what the task's newest run writes."""
        if (card := self.current_card()) is not None:
            from mosaic.board.log_page import LogScreen  # start-up

            self.push_screen(LogScreen(self._mission_file, card.task.id))

    def _fatal_error(self) -> None:
        """End; what went wrong is raised by `run_board`: textual would print all our values."""
        self._close_messages_no_wait()


def run_board(mission_file: Path) -> None:
    """Show the board until the person leaves it."""
    for name in ("COLUMNS", "LINES"):  # what they say holds no longer where a window is resized
        os.environ.pop(name, None)
    app = BoardApp(mission_file)
    # Else the terminal would be left as a board needs it, not as a shell does.
    signal.signal(signal.SIGTERM, lambda *_: app.exit())
    app.run()
    if app._exception is not None:  # noqa: SLF001 - textual keeps it nowhere else
        raise app._exception  # noqa: SLF001
