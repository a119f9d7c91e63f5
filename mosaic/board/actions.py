"""What a person does on the board: each asks what it needs, calls `app/`, and says what came of it.

What takes time runs in a thread, so that the screen stays alive. Nothing is changed before the
person has answered. What `app/` needs is imported when it is used: the board opens without it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mosaic.board.words import error_words, fault_lines, lines_of, plain
from mosaic.errors import ConsentNeededError, FileChangedError, MissionError
from mosaic.store.mission_file import load_mission
from mosaic.store.reading import read_mission
from mosaic.text.harmless import harmless_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from rich.text import Text

    from mosaic.app.board import Card, Waiting
    from mosaic.app.decisions import DecidedTask
    from mosaic.board.app import BoardApp
    from mosaic.board.asking import FormField
    from mosaic.review.verdict import Review
    from mosaic.store.tasks import Snapshot

Done = TypeVar("Done")
NOTICE_SECONDS = 6.0
ERROR_SECONDS = 20.0


class Actions:
    """The actions of a board on one mission.

    Args:
        app: the board.
        mission_file: path of mission.json.
        changed: looks again, after everything that was done.
    """

    def __init__(
        self, app: BoardApp, mission_file: Path, changed: Callable[[], Awaitable[None]]
    ) -> None:
        self._app = app
        self._mission_file = mission_file
        self._changed = changed
        self._busy: set[str] = set()

    def start(self, about: str, action: Callable[[], Awaitable[None]]) -> None:
        """Begin an action about a task or a session; what goes wrong is shown as a notice.

        Of two about the same one the second is not begun.
        """
        if about in self._busy:
            return
        self._busy.add(about)

        async def run() -> None:
            try:
                await action()
            except MissionError as error:
                self.tell_error(error)
            except OSError as error:
                self.tell(str(error), is_wrong=True)
            finally:
                await self._changed()
                self._busy.discard(about)

        self._app.run_worker(run(), group="actions")

    def tell(self, text: str, *, is_wrong: bool = False) -> None:
        """Show a notice; may be called from any thread."""
        self._app.notify(
            harmless_text(text),
            severity="error" if is_wrong else "information",
            timeout=ERROR_SECONDS if is_wrong else NOTICE_SECONDS,
            markup=False,
        )

    def tell_error(self, error: MissionError) -> None:
        """Show what went wrong, and what to do next."""
        self.tell(error_words(error), is_wrong=True)

    async def show_faults(self, waiting: Waiting) -> None:
        """Show what is wrong with no single task, with the lines where it is."""
        from mosaic.app.faults import find_faults
        from mosaic.board.asking import Question

        snapshot = await in_thread(lambda: read_mission(self._mission_file))
        lines = fault_lines(await in_thread(lambda: find_faults(snapshot, None)))
        lines = lines or _lines(waiting.words)
        title = f"`{waiting.command}` goes on from here"
        await self._app.push_screen_wait(Question(title, lines, keys="esc back"))

    async def answer(self, card: Card) -> None:
        """Answer what a blocked task asks."""
        from mosaic.app.decisions import answer

        task_id, about = card.task.id, _lines(self._app.asked(card))
        words = await self._ask(f"answer {task_id}", about, text="", needs_text=True)
        if words is not None:
            self._decided(await in_thread(lambda: answer(self._mission_file, task_id, words)))

    async def approve(self, card: Card) -> None:
        """Set the work on a task done; against the evidence only where the person says so."""
        from mosaic.app.decisions import approve

        task_id = card.task.id
        self.tell(f"looking at the evidence of {task_id} …")
        snapshot, review = await in_thread(lambda: self._review(task_id))
        against = [plain(f"• {each}", "red") for each in review.objections]
        title = f"approve {task_id} against the evidence?" if against else f"approve {task_id}?"
        lines = against or [plain(review.task.title), plain("no objections", "green")]
        why = await self._ask(f"{title} A reason is kept with it.", lines, text="")
        if why is not None:
            force = bool(against)
            self._decided(await in_thread(lambda: approve(snapshot, review, why=why, force=force)))

    async def reject(self, card: Card) -> None:
        """Send the work on a task back, with the reason for the next attempt."""
        from mosaic.app.decisions import reject

        task_id = card.task.id
        title = f"reject {task_id}: what is missing?"
        why = await self._ask(title, text="", needs_text=True)
        if why is not None:
            snapshot, review = await in_thread(lambda: self._review(task_id))
            self._decided(await in_thread(lambda: reject(snapshot, review, why)))

    async def remark(self, task_id: str, place: str, lines: Sequence[Text]) -> None:
        """Remark on lines of the change."""
        from mosaic.app.decisions import remark
        from mosaic.sessions.remarks import Remark

        title = f"remark on {place}: what is to be done there?"
        words = await self._ask(title, lines, text="", needs_text=True)
        if words is not None:
            snapshot, review = await in_thread(lambda: self._review(task_id))
            made = [Remark(place, words)]
            self._decided(await in_thread(lambda: remark(snapshot, review, made)))

    async def merge(self, card: Card) -> None:
        """Merge the branch of a task's work."""
        from mosaic.app.task_work import land_task

        task_id = card.task.id
        if await self._ask(f"merge the branch of {task_id}?") is not None:
            merged = await in_thread(lambda: land_task(read_mission(self._mission_file), task_id))
            self.tell(f"{task_id}: merged {merged.branch} → {merged.into}, {merged.commit[:10]}")

    async def move(self, task_id: str, other: str, *, is_up: bool) -> None:
        """Move a task's row in the plan above or below another's."""
        from mosaic.app.order import move_task

        before, after = (other, None) if is_up else (None, other)
        path = self._mission_file
        moved = await in_thread(lambda: move_task(path, task_id, before=before, after=after))
        words = [*moved.notices]
        if moved.milestone_before is not None:
            words.append(f"{task_id} is in {moved.task.task.milestone or 'no milestone'} now")
        if words:
            self.tell("\n".join(words))

    async def hand_off_in_worktree(self, card: Card) -> None:
        """Hand a task to an agent in the background, in a worktree of its own."""
        await self.hand_off(card, in_worktree=True)

    async def hand_off(self, card: Card, *, in_worktree: bool = False) -> None:
        """Hand a task to an agent in the background."""
        from mosaic.app.hand_off import StartedSession, hand_off_task
        from mosaic.sessions.choice import HandOffRequest

        task_id, title = card.task.id, _lines(card.task.title)
        where = "in a worktree of its own" if in_worktree else "in the background"
        if await self._ask(f"hand {task_id} to an agent, {where}?", title) is None:
            return
        request = HandOffRequest(task_id=task_id, worktree=in_worktree)
        face = _make_face(self)

        def launch() -> Any:
            return hand_off_task(self._mission_file, request, "process", face)

        self.tell(f"handing {task_id} off …")
        try:
            done = await in_thread(launch)
        except ConsentNeededError:
            if not await self._consent():
                words = f"{task_id} was not handed off: the mission's commands are not allowed"
                self.tell(words, is_wrong=True)
                return
            done = await in_thread(launch)
        assert isinstance(done, StartedSession)
        branch = f" on {done.branch}" if done.branch else ""
        lines = [f"{task_id} → {done.session.runtime}{branch}, session {done.session.id}"]
        lines += [done.problem.summary] if done.problem else []
        self.tell("\n".join([*lines, *done.notices]))

    async def stop(self, card: Card) -> None:
        """End the session that works on a task."""
        from mosaic.plan.ends import end_phrase
        from mosaic.sessions.stop import stop_session

        if card.session is None:
            return
        task_id, session_id = card.task.id, card.session.lock.session_id
        if await self._ask(f"stop {session_id}, which works on {task_id}?") is None:
            return
        self.tell(f"stopping {session_id} …")
        path = self._mission_file
        stopped = await in_thread(lambda: stop_session(path, session_id, now=False))
        self.tell(f"{stopped.id} {end_phrase(stopped)}; {task_id} stays as it is")

    async def add(self, milestone: str) -> None:
        """Add a task."""
        from mosaic.board.planning import add_asked, fields_to_add

        fields = await in_thread(lambda: fields_to_add(self._mission_file, milestone))
        await self._fill("a new task", fields, lambda made: add_asked(self._mission_file, made))

    async def edit(self, card: Card) -> None:
        """Change fields of a task."""
        from mosaic.board.planning import edit_asked, fields_to_edit

        task_id = card.task.id
        shown = await in_thread(lambda: fields_to_edit(self._mission_file, task_id))
        title = f"{task_id}: change what is to be different"

        def change(made: Mapping[str, str]) -> Sequence[str]:
            nonlocal shown
            try:
                return edit_asked(self._mission_file, shown, made)
            except FileChangedError:  # sent again, the form is for the task as it is now
                seen = fields_to_edit(self._mission_file, task_id)
                shown = shown._replace(version=seen.version)
                raise

        await self._fill(title, shown.fields, change)

    async def split(self, card: Card) -> None:
        """Split a task into parts, which it waits for."""
        from mosaic.board.planning import fields_to_split, split_asked

        task_id = card.task.id
        title = f"split {task_id}, which waits for its parts then"
        await self._fill(
            title, fields_to_split(), lambda made: split_asked(self._mission_file, task_id, made)
        )

    async def _fill(
        self,
        title: str,
        fields: Sequence[FormField],
        act: Callable[[Mapping[str, str]], Sequence[str]],
    ) -> None:
        """Ask with a form, and do it; what is refused is asked again, with what was written."""
        from mosaic.board.asking import Form

        form = Form(title, fields)
        while (made := await self._app.push_screen_wait(form)) is not None:
            try:
                self.tell("\n".join(await in_thread(partial(act, made))))
            except MissionError as error:
                fields = [each._replace(value=made[each.name]) for each in fields]
                form = Form(title, fields, lines_of(error_words(error), "bold red"))
            else:
                return

    async def _ask(
        self,
        title: str,
        lines: Sequence[Text] = (),
        *,
        text: str | None = None,
        needs_text: bool = False,
    ) -> str | None:
        from mosaic.board.asking import Question

        question = Question(title, lines, text=text, needs_text=needs_text)
        return await self._app.push_screen_wait(question)

    async def _consent(self) -> bool:
        """Ask whether the commands that the mission names may run; tell whether they may now."""
        from mosaic.app.trust import find_asked
        from mosaic.store.consent import allow

        document = await in_thread(lambda: load_mission(self._mission_file))
        unallowed = await in_thread(lambda: find_asked(document))
        lines = [plain(f"{each.where}  {each.text}") for each in unallowed]
        title = "this mission names commands that you have not allowed yet: allow them?"
        if unallowed and await self._ask(title, lines) is None:
            return False
        allow(document, unallowed, settles=True)
        return True

    def _review(self, task_id: str) -> tuple[Snapshot, Review]:
        from mosaic.app.change import refuse_agent
        from mosaic.app.task_work import show_review

        snapshot = read_mission(self._mission_file)
        refuse_agent(snapshot.layout)  # before the evidence is looked at
        return snapshot, show_review(snapshot, task_id).review

    def _decided(self, done: DecidedTask) -> None:
        task = done.task.task
        lines = [f"{task.id} {done.decision}, and is {task.status.value}", *done.notices]
        lines += [f"against the evidence: {each}" for each in done.overruled]
        if done.merged is not None:
            lines.append(f"merged {done.merged.branch} → {done.merged.into}")
        elif done.to_merge:
            lines.append(f"its work waits in {done.to_merge}")
        self.tell("\n".join(lines))
        if done.merge_problem is not None:
            self.tell_error(done.merge_problem)


async def in_thread(work: Callable[[], Done]) -> Done:
    """Return what blocking work returns, done in a thread."""
    return await asyncio.to_thread(work)


def _lines(text: str) -> list[Text]:
    return [plain(line) for line in text.split("\n") if line.strip()]


def _make_face(actions: Actions) -> Any:
    from mosaic.app.hand_off import Face

    class Notices(Face):
        """Says on the board what a hand-off has to say."""

        def say(self, text: str) -> None:
            actions.tell(text)

    return Notices()
