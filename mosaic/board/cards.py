"""Tasks, sessions and what waits for the person, as lines of the width that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from mosaic.app.board import Wait
from mosaic.board.words import STATUS_STYLES, joined, plain, wrapped
from mosaic.errors import UsageError
from mosaic.model import Status
from mosaic.plan.durations import format_duration
from mosaic.plan.ends import usage_words
from mosaic.plan.wanted import holds_words, parse_condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.app.board import BoardPage, Card, Waiting
    from mosaic.app.host_view import HostView
    from mosaic.app.status import SessionView

CARD_HEIGHT = 5
WAITING_HEIGHT = 2
LIVE_HEIGHT = 2
COLUMNS = (
    Status.TODO,
    Status.IN_PROGRESS,
    Status.REVIEW,
    Status.BLOCKED,
    Status.DONE,
    Status.CANCELLED,
    Status.UNKNOWN,
)
"""In the order of the board; the last two only where they have cards."""
WAIT_STYLES = {
    Wait.QUESTION: "bold magenta",
    Wait.BROKEN: "bold red",
    Wait.REVIEW: "bold cyan",
    Wait.MERGE: "bold green",
    Wait.BLOCKED: "bold red",
    Wait.FAILED: "bold yellow",
}
WIDE, WIDER = 76, 100
"""From these widths on a row of the plan has more columns."""
BAR_WIDTH = 10
SILENT_SECONDS = 60.0
"""A shorter silence is not worth a word."""


def card_lines(card: Card, width: int) -> Sequence[Text]:
    """Return a card: id and title, what is known of it, and what it waits for."""
    task = card.task
    head = Text.assemble(plain(task.id, "bold"), " ", plain(task.title))
    first, *rest = wrapped(head, width)
    facts = [
        plain(task.milestone or "", "blue"),
        _criteria(card),
        plain(usage_words(card.usage).partition(",")[0], "dim"),
        who(card),
    ]
    return (first, rest[0] if rest else Text(), joined(facts, " "), why(card), Text())


def who(card: Card) -> Text:
    """Return who works on a task, or is to."""
    if card.session is not None:
        lock, host = card.session.lock, card.session.judgement.host
        where = f" on {host}" if host else ""
        return plain(f"▶ {lock.runtime} {lock.session_id}{where}", "yellow")
    return plain(card.task.assignee or card.task.runtime or "", "dim")


def why(card: Card) -> Text:
    """Return what a task waits for, or that it is ready."""
    if card.problem is not None:
        error = card.problem
        place = f"{error.path}:{error.line} " if error.path and error.line else ""
        return plain(f"{place}{error.message}", "bold red")
    if card.branch:
        return plain(f"to merge: {card.branch}", "green")
    if card.is_ready:
        return plain("ready", "green")
    if card.task.status.is_closed or card.session is not None:
        return Text()
    is_blocked = card.task.status is Status.BLOCKED and card.task.why
    return plain(card.task.why if is_blocked else card.words, "dim")


def plan_lines(card: Card, id_width: int, width: int) -> Sequence[Text]:
    """Return a task in one line."""
    task = card.task
    status = task.status.value
    cells = [
        (plain(task.id, "bold"), id_width),
        (plain(status, STATUS_STYLES.get(status, "")), len("in-progress")),
    ]
    after: list[tuple[Text, int]] = []
    if width >= WIDE:
        after += [(plain(task.milestone or "", "blue"), 8), (_criteria(card), 5)]
    if width >= WIDER:
        working = who(card) if card.session is not None else Text()
        after.append((working if working.plain else why(card), width * 3 // 10))
    room = width - sum(size + 2 for _, size in (*cells, *after))
    shown = [*cells, (plain(task.title), room), *after]
    return (Text("  ").join(_fitted(text, size) for text, size in shown),)


def _criteria(card: Card) -> Text:
    done, total = card.task.criteria_done, card.task.criteria_total
    return plain(f"{done}/{total}" if total else "", "dim")


def _fitted(text: Text, width: int) -> Text:
    cell = text.copy()
    cell.truncate(max(1, width), overflow="ellipsis", pad=True)
    return cell


def waiting_lines(waiting: Waiting, _: int) -> Sequence[Text]:
    """Return what waits for the person, and why."""
    head = [
        plain(f"{waiting.kind.value:<8}", WAIT_STYLES.get(waiting.kind, "bold")),
        plain(waiting.task_id or "", "bold"),
        plain(waiting.title),
    ]
    return (joined(head), plain(f"          {waiting.words}", "dim"))


def live_lines(view: SessionView, title: str, _: int) -> Sequence[Text]:
    """Return a live session: on what it works, for how long, for how much, what it does."""
    session, found, progress, host = view
    elapsed, used, last, style = "", "", "", "dim"
    if progress is not None:
        elapsed, used = format_duration(progress.elapsed_seconds), usage_words(progress.usage)
        last = progress.last or "working"
        if progress.silent_seconds >= SILENT_SECONDS:
            last = f"silent for {format_duration(progress.silent_seconds)}; before: {last}"
            style = "bold yellow"
    judged = found.judgement if found else None
    if found and judged and (judged.life == "unknown" or judged.is_stopped or judged.problem):
        last, style = f"{found.judgement.life.value}: {found.judgement.because}", "bold yellow"
    head = [
        plain(session.last_task_id or "", "bold"),
        plain(session.id),
        plain(session.runtime, "cyan"),
        plain(f"on {host}" if host else "", "magenta"),
        plain(elapsed, "yellow"),
        plain(used, "dim"),
        plain(title),
    ]
    return (joined(head), plain(f"  {last}", style))


def host_lines(host: HostView, _: int) -> Sequence[Text]:
    """Return another machine: how much it has to do, what, and what is wrong there."""
    head = [
        plain(host.name, "bold magenta"),
        plain(f"{host.load_words} at work", "yellow" if host.sessions else "dim"),
        plain(host.address, "dim"),
        plain(" ".join(host.labels), "blue"),
        plain(host.runs_words),
    ]
    return (joined(head), plain(f"  {host.trouble_words}", "bold yellow"))


def mission_line(page: BoardPage, width: int) -> Text:
    """Return where the mission stands, in one line."""
    status = page.status
    done = status.progress
    filled = round(BAR_WIDTH * done.pct / 100)
    parts = [
        plain(status.mission.name, "bold"),
        plain(
            status.mission.status.value,
            "bold yellow" if status.mission.status == "paused" else "dim",
        ),
        Text.assemble(("━" * filled, "green"), ("━" * (BAR_WIDTH - filled), "dim")),
        plain(f"{done.done}/{done.total} done"),
    ]
    if status.usage is not None and width >= WIDE:
        parts.append(plain(usage_words(status.usage), "dim"))
    parts += [
        plain(f"{each.milestone.id} {each.progress.done}/{each.progress.total}", "blue")
        for each in status.milestones
        if each.progress.done < each.progress.total
    ]
    return joined(parts)


def matching(cards: Sequence[Card], query: str) -> list[Card]:
    """Return the cards that a query describes: words, `FIELD=VALUE` as lists take it, `ready`."""
    if not query.strip():
        return list(cards)
    tasks = [card.task for card in cards]
    conditions, words = [], []
    for word in query.split():
        try:
            conditions.append(parse_condition(word, tasks))
        except UsageError:  # a word, or a condition that is not written to its end
            words.append(word.casefold())
    wants_ready = "ready" in words
    words = [word for word in words if word != "ready"]
    return [
        card
        for card in cards
        if (card.is_ready or not wants_ready)
        and all(each.is_met_by(card.task) for each in conditions)
        and (not words or holds_words(card.task, words))
    ]
