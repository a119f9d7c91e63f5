"""What a board shows: each task as a card, what waits for the person, who works now.

Every face shows these same records, so that no two of them can disagree on a task.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.app.status import SessionView, progress_of, status_of, view_live
from mosaic.model import Status, Usage, sum_usage
from mosaic.plan.ends import end_phrase
from mosaic.records import NamedTuple, dataclass, replace
from mosaic.sessions.choice import select_from
from mosaic.sessions.dead_sessions import read_recovered
from mosaic.sessions.liveness import find_locks
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.mission_file import look_at_mission
from mosaic.store.scan import list_files, look_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mosaic.app.status import StatusPage
    from mosaic.errors import MissionError
    from mosaic.model import Session, Task
    from mosaic.plan.ready import Reason, Selection
    from mosaic.sessions.liveness import FoundLock
    from mosaic.sessions.record_end import Settled
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

REFS = ("HEAD", "logs/HEAD", "packed-refs", "refs/heads", "refs/heads/mission")
"""What git changes when work lands, a branch is made, or another is checked out."""


class Card(NamedTuple):
    """A task as boards and lists show it."""

    task: Task
    reason: Reason
    """Why it is ready, or is not."""
    words: str
    """The same in words."""
    is_ready: bool
    session: FoundLock | None = None
    """The session that works on it, or may."""
    branch: str | None = None
    """The branch that its work waits in to be merged."""
    problem: MissionError | None = None
    """What is wrong with its file or row."""
    usage: Usage | None = None
    """What its sessions consumed; None also where nobody asked."""
    on: tuple[str, ...] = ()
    """The tasks that it waits on."""


class Wait(StrEnum):
    """What waits for the person, the most urgent first."""

    QUESTION = "question"
    BROKEN = "broken"
    REVIEW = "review"
    MERGE = "merge"
    BLOCKED = "blocked"
    FAILED = "failed"


class Waiting(NamedTuple):
    """One thing that waits for the person."""

    kind: Wait
    task_id: str | None
    """None where it is about no task."""
    title: str
    words: str
    """What it waits for: the question, what is wrong, how the last session ended."""
    command: str
    """What settles it on the command line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardPage:
    """Everything that a board shows in one look."""

    status: StatusPage
    cards: tuple[Card, ...]
    """Every task, in plan order."""
    inbox: tuple[Waiting, ...]
    """What waits for the person, the most urgent first."""
    live: tuple[SessionView, ...]
    """The sessions that work now, or may."""

    def column(self, status: Status) -> tuple[Card, ...]:
        """Return the cards of one status, in plan order."""
        return tuple(card for card in self.cards if card.task.status is status)


def show_board(mission_file: Path) -> BoardPage:
    """Return what a board shows; ends of sessions that nobody recorded are recorded.

    Raises:
        MissionError: mission.json cannot be read.
    """
    return board_of(*read_recovered(mission_file))


def board_of(snapshot: Snapshot, recovered: Sequence[Settled] = ()) -> BoardPage:
    """Return what a board shows of a mission that was read, with ends that were recorded then."""
    live = live_or_unknown(snapshot)
    selection = select_from(snapshot, live=live)
    sessions = snapshot.document.mission.sessions
    by_task: dict[str, list[Session]] = {}
    for session in sessions:
        if session.last_task_id:
            by_task.setdefault(session.last_task_id, []).append(session)
    status = status_of(snapshot, recovered, live=live, selection=selection)
    return BoardPage(
        status=status,
        cards=cards_of(snapshot, selection, live, by_task),
        inbox=tuple(_inbox(snapshot, status, by_task)),
        live=tuple(view_live(found, sessions, snapshot.layout) for found in live),
    )


def cards_of(
    snapshot: Snapshot,
    selection: Selection,
    live: Sequence[FoundLock],
    by_task: Mapping[str, Sequence[Session]] | None = None,
) -> tuple[Card, ...]:
    """Return every task as a card, in plan order.

    Args:
        snapshot: the mission.
        selection: what is ready in it.
        live: the sessions that work, or may.
        by_task: sessions by their last task, where what they consumed is wanted.
    """
    working = {found.lock.task_id: found for found in live}
    wrong = {problem.task_id: problem.error for problem in reversed(snapshot.problems)}
    cards = []
    for task in snapshot.tasks:
        verdict = selection.of(task.id)
        assert verdict is not None  # it judges every task
        used = by_task.get(task.id) if by_task else None
        cards.append(
            Card(
                task,
                verdict.reason,
                verdict.detail,
                verdict.is_ready,
                working.get(task.id),
                selection.unlanded.get(task.id),
                wrong.get(task.id),
                sum_usage(session.usage for session in used) if used else None,
                verdict.on,
            )
        )
    return tuple(cards)


def _inbox(
    snapshot: Snapshot, status: StatusPage, by_task: Mapping[str, Sequence[Session]]
) -> Iterator[Waiting]:
    by_id = snapshot.by_id
    for line in status.blocked:
        if line.needs_human:
            answer = f'mission answer {line.id} "…"'
            yield Waiting(Wait.QUESTION, line.id, line.title, line.question, answer)
    for problem in status.problems:
        task = by_id.get(problem.task_id or "")
        error = problem.error
        place = f"{error.path}:{error.line}" if error.line is not None else error.path or ""
        words = f"{place}: {error.message}" if place else error.message
        title = task.title if task else ""
        command = "mission resolve" if error.code == "MERGE_CONFLICT" else "mission check"
        yield Waiting(Wait.BROKEN, problem.task_id, title, words, command)
    for restore in status.unfinished_restores:
        words = f"{restore.message} in {restore.place}"
        yield Waiting(Wait.BROKEN, restore.task_id, "", words, "mission checkpoint restore")
    for line in status.review:
        words = "its handoff waits for review"
        yield Waiting(Wait.REVIEW, line.id, line.title, words, f"mission review {line.id}")
    for each in status.to_merge:
        words = f"its work waits in `{each.branch}`"
        yield Waiting(Wait.MERGE, each.id, each.title, words, f"mission merge {each.id}")
    for line in status.blocked:
        if not line.needs_human:
            words = line.question or line.why
            yield Waiting(Wait.BLOCKED, line.id, line.title, words, f"mission show {line.id}")
    for line in status.waiting:
        ended = by_task.get(line.id)
        words = f"{ended[-1].id} {end_phrase(ended[-1])}" if ended else "no session works on it"
        yield Waiting(Wait.FAILED, line.id, line.title, words, f"mission next --task {line.id}")


class Board:
    """Looks at one mission again and again, and reads it only where something has changed.

    Args:
        mission_file: path of mission.json.
    """

    def __init__(self, mission_file: Path) -> None:
        self._mission_file = mission_file
        self._seen: tuple[object, ...] = ()
        self._page: BoardPage | None = None

    def look(self) -> BoardPage:
        """Return what the board shows now: the same record as before where nothing changed.

        It costs about a look at each task file. Raises MissionError where mission.json
        cannot be read.
        """
        layout = look_at_mission(self._mission_file).layout
        seen = _signs(layout)
        if self._page is None or seen != self._seen:
            self._page = None  # an error below must not leave what was there before
            self._page = show_board(self._mission_file)
            self._seen = _signs(layout) if self._page.status.recovered_sessions else seen
        elif self._page.live:
            self._page = replace(self._page, live=tuple(_live_now(self._page.live, layout)))
        return self._page


def _signs(layout: Layout) -> tuple[object, ...]:
    locks = [(found.lock.session_id, found.judgement.life) for found in find_locks(layout)]
    places = (layout.mission_file, layout.sync_file, layout.worktrees_dir)
    return (list_files(layout), locks, *map(look_at, places), *_git_signs(layout))


def _live_now(live: Sequence[SessionView], layout: Layout) -> Iterator[SessionView]:
    for view in live:
        if view.found is not None:
            if view.host:
                _keep_in_touch(view.found, layout)
            yield view._replace(progress=progress_of(view.found, layout))


def _keep_in_touch(found: FoundLock, layout: Layout) -> None:
    from mosaic.executors import executor_of  # start-up: few sessions are elsewhere
    from mosaic.runs.folders import run_of

    executor_of(run_of(layout.runs_dir, found.lock.task_id, found.lock.run_id)).keep_in_touch()


def _git_signs(layout: Layout) -> list[bytes | None]:
    from mosaic.git.git import common_dir  # start-up: lists need none of it
    from mosaic.machine.git_dir import find_git_dir

    found, shared = find_git_dir(layout.project), common_dir(layout.project)
    folders = [found[1], shared] if found and shared else []
    return [look_at(folder / name) for folder in dict.fromkeys(folders) for name in REFS]
