"""What a person does next about a task: the one command that its state calls for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.model import Status
from mosaic.plan.questions import question_of
from mosaic.plan.ready import Reason
from mosaic.plan.statuses import nearest_status
from mosaic.text.fields import unknown_word

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mosaic.model import Session
    from mosaic.plan.ready import Selection, Verdict

PLAIN = {
    Reason.READY: "mission next {id}",
    Reason.LIVE_SESSION: "mission logs {id} --follow",
    Reason.IN_REVIEW: "mission review {id}",
    Reason.TO_MERGE: "mission merge {id}",
    Reason.CANCELLED: "mission reopen {id}",
    Reason.DONE: "mission next",
}
"""By why a task is ready or not; `mission check` explains what is not here."""


def next_command(
    verdict: Verdict,
    selection: Selection,
    sessions_of: Callable[[str], Sequence[Session]],
    *,
    is_paused: bool = False,
) -> str:
    """Return the command; where a task waits on others, that of the first that waits on none."""
    seen = {verdict.task.id}
    while verdict.on and verdict.on[0] not in seen:
        further = selection.of(verdict.on[0])
        if further is None:
            break
        verdict = further
        seen.add(verdict.task.id)
    task, reason = verdict.task, verdict.reason
    if is_paused and verdict.is_ready:
        return "mission unpause"
    if reason is Reason.BLOCKED:
        question = question_of(task, sessions_of(task.id))
        asks = question is not None and question.needs_human
        return f'mission {f"answer {task.id}" if asks else f"reopen {task.id} --why"} "…"'
    if reason is Reason.RESUMABLE:
        return f"mission {'resume' if sessions_of(task.id) else 'next'} {task.id}"
    if reason is Reason.MILESTONE_FINISHED:
        from shlex import quote  # start-up: seldom needed

        return f"mission milestone reopen {quote(task.milestone or '')}"
    if reason is Reason.STATUS_UNKNOWN:
        word = unknown_word(task)
        return f"mission set {task.id} status={(word and nearest_status(word)) or Status.TODO}"
    return PLAIN.get(reason, "mission check").format(id=task.id)
