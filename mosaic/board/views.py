"""What waits for the person, the plan, and who works: each as a list."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mosaic.app.board import Waiting
from mosaic.app.host_view import HostView
from mosaic.app.status import SessionView
from mosaic.board.cards import (
    LIVE_HEIGHT,
    WAITING_HEIGHT,
    host_lines,
    live_lines,
    plan_lines,
    waiting_lines,
)
from mosaic.board.rows import Row, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.app.board import Card


class Inbox(Rows):
    """What waits for the person, the most urgent first."""

    def __init__(self) -> None:
        super().__init__(height=WAITING_HEIGHT, empty="nothing waits for you", name="inbox")

    def fill(self, found: Sequence[Waiting]) -> None:
        """Show what waits."""
        self.show([Row(_key(each), partial(waiting_lines, each), each) for each in found])


class Plan(Rows):
    """The tasks in plan order."""

    def __init__(self) -> None:
        super().__init__(empty="no task", name="plan")

    def fill(self, found: Sequence[Card]) -> None:
        """Show tasks."""
        width = max((len(card.task.id) for card in found), default=0)
        self.show([Row(card.task.id, partial(plan_lines, card, width), card) for card in found])


class Live(Rows):
    """The sessions that work now, or may; below them the other machines, where there are any."""

    def __init__(self) -> None:
        super().__init__(height=LIVE_HEIGHT, empty="nobody works now", name="live")

    def fill(
        self,
        hosts: Sequence[HostView],
        views: Sequence[SessionView],
        titles: Mapping[str, str],
    ) -> None:
        """Show sessions with the titles of their tasks, and machines."""
        self.show(
            [
                *(
                    Row(
                        view.session.id,
                        partial(live_lines, view, titles.get(view.session.last_task_id or "", "")),
                        view,
                    )
                    for view in views
                ),
                *(Row(f"host {each.name}", partial(host_lines, each), each) for each in hosts),
            ]
        )


def task_of(about: Any) -> str | None:
    """Return the task that an entry of these lists, or a card, is about."""
    if isinstance(about, Waiting):
        return about.task_id
    if isinstance(about, HostView):
        return None
    if isinstance(about, SessionView):
        return about.session.last_task_id
    return about.task.id if about is not None else None


def _key(waiting: Waiting) -> str:
    words = "" if waiting.task_id else waiting.words
    return f"{waiting.kind}:{waiting.task_id}:{words}"
