"""One task: its file, what is claimed beside what happened, the change with its remarks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Footer, Static

from mosaic.app.faults import find_faults
from mosaic.app.task_work import show_review
from mosaic.app.tasks import show_task
from mosaic.board.actions import in_thread
from mosaic.board.cards import who, why
from mosaic.board.markdown import markdown_lines
from mosaic.board.review_lines import diff_lines, place_of, review_lines
from mosaic.board.rows import TextRows
from mosaic.board.tabs import Tabs
from mosaic.board.words import (
    STATUS_STYLES,
    error_words,
    fault_lines,
    joined,
    lines_of,
    plain,
)
from mosaic.errors import MissionError
from mosaic.plan.ends import end_phrase
from mosaic.records import NamedTuple
from mosaic.store.project_paths import project_paths
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult

    from mosaic.app.tasks import TaskPage
    from mosaic.board.app import BoardApp

PARTS = ("file", "review", "changes")
LOOKING = "looking at the evidence …"


class Found(NamedTuple):
    """What a task's page shows of the work on it."""

    review: list[Text]
    changes: list[tuple[Text, str]]


class TaskScreen(Screen[None]):
    """The page of one task."""

    CSS = """
    TaskScreen #task { height: auto; max-height: 4; padding: 0 1; background: $panel; }
    TaskScreen #parts { height: 1fr; }
    TaskScreen #parts > * { display: none; padding: 0 1; }
    TaskScreen #parts > .open { display: block; }
    """
    BINDINGS: ClassVar[list[Any]] = [
        Binding("escape,q", "back", "Back"),
        Binding("1", "part('file')", "File", show=False),
        Binding("2", "part('review')", "Review", show=False),
        Binding("3", "part('changes')", "Changes", show=False),
        Binding("left", "turn(-1)", "Part on the left", show=False),
        Binding("right,tab", "turn(1)", "Part on the right", show=False),
        Binding("v", "mark", "Mark lines"),
        Binding("c", "remark", "Remark"),
    ]
    app: BoardApp

    def __init__(self, mission_file: Path, task_id: str) -> None:
        super().__init__()
        self.task_id = task_id
        self._mission_file = mission_file
        self._part = PARTS[0]
        self._has_review = False

    def compose(self) -> ComposeResult:
        """Return what it is made of."""
        yield Static(id="task")
        yield Tabs(PARTS)
        with Container(id="parts"):
            yield TextRows(empty="reading …", name="file")
            yield TextRows(empty=LOOKING, name="review")
            yield TextRows(empty=LOOKING, name="changes")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Show its file, and look for the rest."""
        self.action_part(PARTS[0])
        self.reload()

    def reload(self) -> None:
        """Show it as it is now."""
        self.run_worker(self._load(), exclusive=True, group="task")

    async def _load(self) -> None:
        card = self.app.card(self.task_id)
        wrong: list[Text] = []
        try:
            snapshot = await in_thread(lambda: read_mission(self._mission_file))
            wrong = fault_lines(await in_thread(lambda: find_faults(snapshot, self.task_id)))
            page = await in_thread(lambda: show_task(snapshot, self.task_id))
        except MissionError as error:
            lines = lines_of(error_words(error), "bold red")
            self._set("file", [(line, "") for line in wrong or lines])
            self._set("review", [(line, "") for line in lines])
            self._set("changes", [(line, "") for line in lines])
            return
        head = [self._head(page)]
        if card is not None:
            head.append(joined([who(card), why(card)]))
        for shown in self.query("#task").results(Static):
            shown.update(Text("\n").join(line for line in head if line.plain))
        self._set("file", [(line, "") for line in (*wrong, *_file_lines(page))])
        try:
            found = await in_thread(self._find_work)
        except MissionError as error:
            lines = lines_of(error_words(error), "bold red")
            found = Found(lines, [(line, "") for line in lines])
        self._set("review", [(line, "") for line in found.review])
        self._set("changes", found.changes or [(plain("nothing was changed", "dim"), "")])

    def _find_work(self) -> Found:
        snapshot = read_mission(self._mission_file)
        page = show_review(snapshot, self.task_id, diff=True)
        named = project_paths(snapshot.layout).named
        return Found(list(review_lines(page.review)), diff_lines(page, named))

    def _head(self, page: TaskPage) -> Text:
        task = page.task.task
        status = task.status.value
        style = STATUS_STYLES.get(status, "")
        return joined([plain(task.id, "bold"), plain(task.title), plain(status, f"bold {style}")])

    def _set(self, part: str, lines: list[tuple[Text, str]]) -> None:
        for rows in self.query(f"#{part}").results(TextRows):  # none, once the page was left
            rows.set_lines(lines)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Tell whether a key applies now."""
        if action in ("mark", "remark"):
            return self._part == "changes" and bool(self._place())
        return super().check_action(action, parameters)

    def _place(self) -> str:
        return place_of([row.about for row in self.query_one("#changes", TextRows).marked])

    def on_rows_moved(self) -> None:
        """Show the keys that apply to this line."""
        self.refresh_bindings()

    def on_rows_opened(self, event: TextRows.Opened) -> None:
        """Remark on the line."""
        event.stop()
        if self.check_action("remark", ()):
            self.action_remark()

    def on_tabs_chosen(self, event: Tabs.Chosen) -> None:
        """Open the part whose name was clicked."""
        event.stop()
        self.action_part(event.name)

    def action_part(self, name: str) -> None:
        """Open one of its parts."""
        self._part = name
        for part in self.query("#parts > *"):
            part.set_class(part.id == name, "open")
        self.query_one(f"#{name}").focus()
        self.query_one("#tabs", Tabs).mark(name, {})
        self.refresh_bindings()

    def action_turn(self, by: int) -> None:
        """Open the part beside it."""
        self.action_part(PARTS[(PARTS.index(self._part) + by) % len(PARTS)])

    def action_mark(self) -> None:
        """Mark lines from the cursor on as it moves, or no more."""
        self.query_one("#changes", TextRows).mark()

    def action_remark(self) -> None:
        """Say what is to be done at the line that the cursor stands on, or at those marked."""
        rows, place = self.query_one("#changes", TextRows), self._place()
        if place:
            lines = [row.draw(0)[0] for row in rows.marked if row.about]
            rows.unmark()
            actions = self.app.actions
            actions.start(self.task_id, partial(actions.remark, self.task_id, place, lines))

    def action_back(self) -> None:
        """Mark no more lines; else go back to the board."""
        if not self.query_one("#changes", TextRows).unmark():
            self.app.pop_screen()


def _file_lines(page: TaskPage) -> list[Text]:
    """Return what a task's file says, and its sessions."""
    task = page.task.task
    facts = {
        "milestone": task.milestone,
        "depends on": ", ".join(
            f"{each.id} ({each.status.value if each.status else 'does not exist'})"
            for each in page.dependencies
        ),
        "write scope": ", ".join(task.write_scope),
        "branch": task.branch,
        "priority": task.priority,
        "runtime": task.runtime,
        "assignee": task.assignee,
        "labels": ", ".join(task.labels),
        "pull request": task.pr,
        "stands in": ", ".join(page.places),
    }
    lines = [
        joined([plain(f"{name:<12}", "dim"), plain(value)])
        for name, value in facts.items()
        if value
    ]
    lines += [Text(), *markdown_lines(page.body.strip("\n"))]
    if page.sessions:
        lines += [Text(), plain("sessions", "bold")]
    for session in page.sessions:
        ended = end_phrase(session) if session.ended_reason else "has no end yet"
        when = f"{session.started_at.astimezone():%Y-%m-%d %H:%M}"
        where = f" on {host}" if (host := page.session_hosts.get(session.id)) else ""
        lines.append(plain(f"  {session.id}  {session.runtime}{where}  {when}  {ended}"))
    return lines
