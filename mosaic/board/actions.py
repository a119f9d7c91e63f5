"""What a person does on the board: each asks what it needs, calls `app/`, and says what came of it.

What takes time runs in a thread, so that the screen stays alive. Nothing is changed before the
person has answered.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar


from mosaic.app import decisions
from mosaic.app.hand_off import Face, StartedSession, hand_off_task
from mosaic.app.task_work import land_task, show_review
from mosaic.board.asking import Question
from mosaic.board.words import error_words, plain
from mosaic.errors import ConsentNeededError, MissionError, NotReadyError
from mosaic.plan.ends import end_phrase
from mosaic.sessions.choice import HandOffRequest
from mosaic.sessions.remarks import Remark
from mosaic.sessions.stop import stop_session
from mosaic.store.consent import allow, find_unallowed
from mosaic.store.mission_file import load_mission
from mosaic.store.reading import read_mission
from mosaic.text.harmless import harmless_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from rich.text import Text
    from textual.app import App

    from mosaic.app.decisions import DecidedTask

Done = TypeVar("Done")
NOTICE_SECONDS = 6.0
ERROR_SECONDS = 20.0


class Notices(Face):
    """Says on the board what a hand-off has to say."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    def say(self, text: str) -> None:
        """Show a line."""
        self._actions.tell(text)


class Actions:
    """The actions of a board on one mission."""

    def __init__(self, app: App[Any], mission_file: Path, changed: Callable[[], None]) -> None:
        self._app = app
        self._mission_file = mission_file
        self._changed = changed

    def start(self, action: Awaitable[None]) -> None:
        """Begin an action; what goes wrong is shown as a notice."""

        async def run() -> None:
            try:
                await action
            except MissionError as error:
                self.tell_error(error)
            except OSError as error:
                self.tell(str(error), is_wrong=True)
            finally:
                self._changed()

        self._app.run_worker(run(), group="actions", exit_on_error=False)

    def tell(self, text: str, *, is_wrong: bool = False) -> None:
        """Show a notice; may be called from any thread."""
        severity = "error" if is_wrong else "information"
        seconds = ERROR_SECONDS if is_wrong else NOTICE_SECONDS
        self._app.notify(harmless_text(text), severity=severity, timeout=seconds, markup=False)

    def tell_error(self, error: MissionError) -> None:
        """Show what went wrong, and what to do next."""
        self.tell(error_words(error), is_wrong=True)

    async def answer(self, task_id: str, question: str) -> None:
        """Answer what a blocked task asks."""
        words = await self._ask(f"answer {task_id}", question, text="", needs_text=True)
        if words is not None:
            done = await in_thread(lambda: decisions.answer(self._mission_file, task_id, words))
            self._decided(done)

    async def approve(self, task_id: str) -> None:
        """Set the work on a task done; against the evidence only where the person says so."""
        self.tell(f"looking at the evidence of {task_id} …")
        snapshot, review = await in_thread(lambda: self._review(task_id))
        against = [plain(f"• {each}", "red") for each in review.objections]
        title = f"approve {task_id} against the evidence?" if against else f"approve {task_id}?"
        why = await self._ask(title, against or f"{review.task.title}\nno objections", text="")
        if why is not None:
            done = await in_thread(
                lambda: decisions.approve(snapshot, review, why=why, force=bool(against))
            )
            self._decided(done)

    async def reject(self, task_id: str) -> None:
        """Send the work on a task back, with the reason for the next attempt."""
        title = f"reject {task_id}: what is missing?"
        why = await self._ask(title, text="", needs_text=True)
        if why is not None:
            snapshot, review = await in_thread(lambda: self._review(task_id))
            self._decided(await in_thread(lambda: decisions.reject(snapshot, review, why)))

    async def remark(self, task_id: str, place: str, line: Text) -> None:
        """Remark on a line of the change."""
        title = f"remark on {place}: what is to be done there?"
        words = await self._ask(title, [line], text="", needs_text=True)
        if words is not None:
            snapshot, review = await in_thread(lambda: self._review(task_id))
            made = [Remark(place, words)]
            self._decided(await in_thread(lambda: decisions.remark(snapshot, review, made)))

    async def merge(self, task_id: str) -> None:
        """Merge the branch of a task's work."""
        if await self._ask(f"merge the branch of {task_id}?") is None:
            return
        merged = await in_thread(lambda: land_task(read_mission(self._mission_file), task_id))
        self.tell(f"{task_id}: merged {merged.branch} → {merged.into}, {merged.commit[:10]}")

    async def hand_off(self, task_id: str, title: str) -> None:
        """Hand a task to an agent in the background."""
        if await self._ask(f"hand {task_id} to an agent, in the background?", title) is None:
            return
        request = HandOffRequest(task_id=task_id)
        face = Notices(self)

        def launch() -> Any:
            return hand_off_task(self._mission_file, request, "process", face)

        self.tell(f"handing {task_id} off …")
        try:
            done = await in_thread(launch)
        except ConsentNeededError:
            if not await self._consent():
                raise
            done = await in_thread(launch)
        if isinstance(done, StartedSession):
            session = done.session
            branch = f" on {done.branch}" if done.branch else ""
            lines = [f"{task_id} → {session.runtime}{branch}, session {session.id}"]
            lines += [done.problem.summary] if done.problem else []
            self.tell("\n".join([*lines, *done.notices]))

    async def stop(self, session_id: str, task_id: str) -> None:
        """End a live session."""
        if await self._ask(f"stop {session_id}?", f"it works on {task_id}") is None:
            return
        self.tell(f"stopping {session_id} …")
        path = self._mission_file
        stopped = await in_thread(lambda: stop_session(path, session_id, now=False))
        self.tell(f"{stopped.id} {end_phrase(stopped)}; {task_id} stays as it is")

    async def _ask(
        self,
        title: str,
        lines: str | Sequence[Text] = (),
        *,
        text: str | None = None,
        needs_text: bool = False,
    ) -> str | None:
        about = [plain(each) for each in lines.split("\n")] if isinstance(lines, str) else lines
        return await self._app.push_screen_wait(
            Question(title, [line for line in about if line.plain], text=text, needs_text=needs_text)
        )

    async def _consent(self) -> bool:
        """Ask whether the commands that the mission names may run; tell whether they may now."""
        document = await in_thread(lambda: load_mission(self._mission_file))
        unallowed = find_unallowed(document)
        lines = [plain(f"{each.where}  {each.text}") for each in unallowed]
        title = "this mission names commands that you have not allowed yet: allow them?"
        if unallowed and await self._ask(title, lines) is None:
            return False
        allow(document, unallowed, settles=True)
        return True

    def _review(self, task_id: str) -> Any:
        snapshot = read_mission(self._mission_file)
        task = snapshot.get(task_id).task
        if task.status.is_closed:
            raise NotReadyError(f"`{task.id}` is {task.status.value}: no decision waits")
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


