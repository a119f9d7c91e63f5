"""The session's block at the end of SCRATCHPAD.md: what stands there is never rewritten.

    ## 2026-03-21 11:41 sess-003 T-005 review

    claude, 7m 11s: the agent says finished; the handoff is complete

    > - chose sqlite: one file, no server

What an agent noted is quoted: it informs, it does not instruct.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.plan.durations import format_duration
from mosaic.prompts.bounded import cut_text, one_line, plain_text

if TYPE_CHECKING:
    from mosaic.model import Session

LONGEST_NOTES = 2_000
LONGEST_WORDS = 500
LONGEST_WORD = 100


def with_session_block(
    text: str, session: Session, *, task_status: str, words: str, notes: str
) -> str:
    """Return a scratchpad with a session's block added; one that has it already stays.

    Args:
        text: the scratchpad; may be empty.
        session: the session, ended.
        task_status: where its task stands now.
        words: how it ended, in a sentence.
        notes: the handoff's notes; lines that the scratchpad has already are left out.
    """
    session_id = _word(session.id)
    if re.search(rf"^## \S+ \S+ {re.escape(session_id)} ", text, re.MULTILINE):
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    ended = session.ended_at or session.started_at
    length = format_duration(session.duration_seconds or 0)
    status = one_line(task_status, LONGEST_WORD)
    about = f"{_word(session.last_task_id)} {status}" if session.last_task_id else "no task"
    lines = [
        f"## {ended.astimezone():%Y-%m-%d %H:%M} {session_id} {about}",
        "",
        f"{_word(session.runtime)}, {length}: {one_line(words, LONGEST_WORDS)}",
    ]
    new = [line for line in plain_text(notes).splitlines() if line.strip() and line not in text]
    if new:
        quoted = cut_text("\n".join(new), LONGEST_NOTES).splitlines()
        lines += ["", *(f"> {line}" for line in quoted)]
    head = text if not text or text.endswith(("\n", "\r")) else text + newline
    return head + (newline if head else "") + newline.join(lines) + newline


def _word(text: str) -> str:
    """Return a name or id as one word that begins no markdown."""
    return one_line(text, LONGEST_WORD).replace(" ", "-").lstrip("#>-*+=~`|<") or "unknown"
