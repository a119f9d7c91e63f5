"""What a blocked task waits for: a question that a person answers, or why it cannot go on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.model import EndReason, Status
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.model import Session, Task

NOTE = re.compile(
    r"(?:\d{4}-\d\d-\d\d )?(?P<head>blocked|needs a human)\b:?\s*(?P<rest>.*)", re.DOTALL
)
NEEDS_HUMAN = re.compile(r"needs[ _-](?:a[ _-])?human\b:?\s*", re.IGNORECASE)


class Question(NamedTuple):
    """What a blocked task waits for."""

    text: str
    needs_human: bool
    """Whether it is a question or a decision; else it says why the task cannot go on."""
    session_id: str | None = None
    """The session that asked; None where a person set the task blocked."""

    @property
    def line(self) -> str:
        """The question on one line, with who asked."""
        words = " ".join(self.text.split()) or "it did not say what for"
        return f"{self.session_id}: {words}" if self.session_id else words

    @property
    def words(self) -> str:
        """The question with what kind it is of."""
        head = "needs a human" if self.needs_human else "blocked"
        return f"{head}: {self.text}" if self.text else head


def parse_question(why: str, session_id: str | None = None) -> Question:
    """Return what the reason for a block says: `needs a human: …`, or one that ends with `?`."""
    found = NOTE.fullmatch(why.strip())
    text = why.strip()
    if found and found["head"] == "blocked":
        text = found["rest"]
    asked = NEEDS_HUMAN.match(text)
    text = (text[asked.end() :] if asked else text).strip()
    is_question = asked is not None or text.endswith(("?", "？"))
    return Question(text, is_question, session_id)


def is_noted(task: Task) -> bool:
    """Tell whether a task's notes say what it waits for, so that no session is asked."""
    return bool(task.why and NOTE.fullmatch(task.why))


def question_of(task: Task, sessions: Sequence[Session]) -> Question | None:
    """Return what a blocked task waits for; None for others.

    It is the last of its notes, or how the last of its sessions ended where that note is not
    about it.
    """
    if task.status is not Status.BLOCKED:
        return None
    last = sessions[-1] if sessions else None
    is_asked = last is not None and last.ended_reason is EndReason.BLOCKED
    name = last.id if last is not None and is_asked else None
    if task.why and is_noted(task):
        return parse_question(task.why, name)
    if last is not None and is_asked and last.ended_detail:
        return parse_question(last.ended_detail, name)
    return parse_question(task.why or "", name)
