"""A mission as one record to send: where it stands, what was done, and how that was judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.app.board import board_of
from mosaic.app.since import find_since, moves_since
from mosaic.app.spend import spend_of
from mosaic.app.task_work import ReviewPage
from mosaic.app.tasks import TaskView
from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.model import Status
from mosaic.plan.ready import Verdict
from mosaic.prompts.bounded import cut_text
from mosaic.records import NamedTuple, dataclass
from mosaic.review.verdict import review_task
from mosaic.runs.folders import is_session_run, runs_of_task
from mosaic.sessions.at_work import hosts_of
from mosaic.sessions.dead_sessions import read_recovered
from mosaic.sessions.rules import decisions_by_hand
from mosaic.text.criteria import acceptance_criteria
from mosaic.text.decisions import read_decisions
from mosaic.text.sections import HANDOFF_SECTIONS, handoff_texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from mosaic.app.board import BoardPage
    from mosaic.app.since import Move, Since
    from mosaic.app.spend import Spend
    from mosaic.model import Session, Task
    from mosaic.review.verdict import Review
    from mosaic.store.tasks import Entry, Snapshot
    from mosaic.text.criteria import Criterion
    from mosaic.text.decisions import Decision

MOST_HANDOFFS = 60
MOST_COMPARED = 40
"""Handoffs whose claims are compared with the evidence: each asks git a few times."""
LONGEST_SECTION = 4_000
LONGEST_HANDOFFS = 400_000
"""Characters of all sections together."""
MOST_DECISIONS = 100
MOST_SESSIONS = 200


class TaskHandoff(NamedTuple):
    """What a task's agent left, and what shows that it is so."""

    task: Task
    sections: Mapping[str, str]
    """Those that say something, cut where they are long."""
    criteria: tuple[Criterion, ...]
    review: Review | None
    """Claims beside evidence; None where they are not compared."""
    why_not: str = ""
    """Why they are not."""

    def json_values(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        compared = ReviewPage(self.review).json_values() if self.review else {}
        return {
            **compared,
            "task": TaskView(self.task),
            "sections": self.sections,
            "criteria": compared.get("criteria", self.criteria),
            "not_compared": self.why_not or None,
        }


class TaskDecision(NamedTuple):
    """What a person decided on a task."""

    task_id: str
    decision: Decision


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A mission as it is sent to somebody."""

    board: BoardPage
    """Where it stands now: what every board shows."""
    description: str
    made_at: datetime
    since: Since | None
    """Since when sessions, handoffs and decisions are; None: all of them."""
    moves: tuple[Move, ...] | None
    """Tasks that stood elsewhere then; None where git does not know."""
    sessions: tuple[Session, ...]
    """The newest, oldest of them first; at most `MOST_SESSIONS`."""
    session_hosts: Mapping[str, str]
    """The other machines that sessions were handed to, by session."""
    sessions_left_out: int
    handoffs: tuple[TaskHandoff, ...]
    """In plan order; at most `MOST_HANDOFFS`."""
    handoffs_left_out: int
    decisions: tuple[TaskDecision, ...]
    """The newest, oldest of them first; at most `MOST_DECISIONS`."""
    decisions_left_out: int
    spend: Spend
    """Of all sessions since then, also of those that are left out."""

    def json_values(self) -> dict[str, Any]:
        """Return it as `--json` prints it: the keys of `status`, with those of tasks and work."""
        status = self.board.status
        values = {name: getattr(status, name) for name in status.__dataclass_fields__}
        cards = self.board.cards
        tasks = [
            TaskView(
                card.task,
                Verdict(card.task, card.reason, card.words, card.on),
                card.session.lock if card.session else None,
            )
            for card in cards
        ]
        own = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "board"}
        return {**values, "tasks": tasks, "inbox": self.board.inbox, **own}


def make_report(
    mission_file: Path, since: str | None = None, *, most_handoffs: int = MOST_HANDOFFS
) -> Report:
    """Return a mission as a record to send; ends of sessions nobody recorded are recorded.

    With `since`, the sessions, handoffs and decisions are those since then: see
    `mosaic.app.since.find_since`. Where the mission stands is always of now. Fewer handoffs
    take less time: their claims are compared with what git knows.

    Raises:
        UsageError: `since` is not understood.
        MissionError: mission.json cannot be read.
    """
    snapshot, recovered = read_recovered(mission_file)
    now = utc_now()
    began = find_since(snapshot, since, now) if since is not None else None
    board = board_of(snapshot, recovered)
    listed = snapshot.document.mission.sessions
    known = set(listed.ids())
    sessions = [each for each in listed if _since_then(each, began)]
    sessions += [each.session for each in board.live if each.session.id not in known]
    decisions = sorted(_decisions(snapshot, began), key=lambda each: each.decision.date)
    moves = moves_since(snapshot, began) if began else None
    wanted = None
    if began is not None:
        wanted = {each.last_task_id or "" for each in sessions}
        wanted |= {each.task_id for each in decisions}
        wanted |= {each.task_id for each in moves or ()}
    handoffs, handoffs_left_out = _handoffs(snapshot, wanted, most_handoffs)
    return Report(
        board=board,
        description=snapshot.document.mission.description,
        made_at=now,
        since=began,
        moves=moves,
        sessions=tuple(sessions[-MOST_SESSIONS:]),
        session_hosts=hosts_of(snapshot, sessions[-MOST_SESSIONS:]),
        sessions_left_out=max(0, len(sessions) - MOST_SESSIONS),
        handoffs=tuple(handoffs),
        handoffs_left_out=handoffs_left_out,
        decisions=tuple(decisions[-MOST_DECISIONS:]),
        decisions_left_out=max(0, len(decisions) - MOST_DECISIONS),
        spend=spend_of(snapshot, sessions),
    )


def _handoffs(
    snapshot: Snapshot, wanted: Collection[str] | None, most: int
) -> tuple[list[TaskHandoff], int]:
    """Return handoffs in plan order, and how many more there are.

    Those that wait for review come first to be shown, then those of the newest work.
    """
    found = [entry for entry in snapshot.entries().values() if _has_handoff(entry, wanted)]
    found.sort(key=lambda entry: entry.task.updated_at or "", reverse=True)
    found.sort(key=lambda entry: entry.task.status is not Status.REVIEW)
    shown = found[:most]
    compared = {entry.task.id for entry in shown[:MOST_COMPARED]}
    room = LONGEST_HANDOFFS
    handoffs = []
    for entry in sorted(shown, key=lambda entry: entry.task.position):
        handoff = _handoff(snapshot, entry.task, room, is_compared=entry.task.id in compared)
        room -= sum(map(len, handoff.sections.values()))
        handoffs.append(handoff)
    return handoffs, len(found) - len(shown)


def _has_handoff(entry: Entry, wanted: Collection[str] | None) -> bool:
    if entry.file is None or (wanted is not None and entry.task.id not in wanted):
        return False
    said = {*HANDOFF_SECTIONS} - {*entry.file.missing_sections, "notes"}
    return bool(said) or entry.task.status is Status.REVIEW


def _handoff(snapshot: Snapshot, task: Task, room: int, *, is_compared: bool) -> TaskHandoff:
    text = snapshot.task_text(task)
    try:
        said = handoff_texts(text)
    except MissionError as error:
        return TaskHandoff(task, {}, (), None, error.summary)
    sections = {
        name: cut_text(content, max(0, min(LONGEST_SECTION, room)))
        for name, content in said.items()
        if content
    }
    review, why_not = None, f"`mission review {task.id}` compares its claims with the evidence"
    runs = runs_of_task(snapshot.layout.runs_dir, task.id) if is_compared else []
    if is_compared and not (task.status is Status.REVIEW or any(map(is_session_run, runs))):
        why_not = "the records of its sessions are not here: its claims cannot be compared"
    elif is_compared:
        try:
            review, why_not = review_task(snapshot, task), ""
        except MissionError as error:
            why_not = f"its claims cannot be compared: {error.summary}"
    return TaskHandoff(task, sections, acceptance_criteria(text), review, why_not)


def _decisions(snapshot: Snapshot, since: Since | None) -> Iterator[TaskDecision]:
    """Yield what people decided, in plan order; what was written by hand beside an agent is not."""
    for task in snapshot.tasks:
        text = snapshot.task_text(task) if task.file else ""
        if "decisions" not in text.casefold():
            continue
        try:
            found = read_decisions(text, task.status)
        except MissionError:
            continue  # its file is named among what is wrong
        by_hand = decisions_by_hand(snapshot, task.id) if found else ()
        for each in found:
            is_new = since is None or each.date >= f"{since.moment.astimezone():%Y-%m-%d}"
            if is_new and each.identity not in by_hand:
                yield TaskDecision(task.id, each)


def _since_then(session: Session, since: Since | None) -> bool:
    ended = session.ended_at
    return since is None or ended is None or max(ended, session.started_at) >= since.moment
