"""A person's decision in a task's file, and the old handoff that it files away.

The whole of a handoff that was sent back is kept beside the record of the run that made it, as
`handoff-<number of the decision>.md`; where there is none, in `handoffs/` of the state folder.
What it cost and claimed, in short, stands below the decision.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.git import answer_of
from mosaic.machine.disk import create_private_dir, write_private
from mosaic.machine.paths import safe_segment
from mosaic.model import total_usage
from mosaic.plan.durations import format_duration
from mosaic.prompts.bounded import one_line
from mosaic.review.claimed_files import parse_file_claims
from mosaic.review.claims import parse_command_claims
from mosaic.runs.folders import is_session_run, runs_of_task
from mosaic.sessions.remarks import quote_lines
from mosaic.sessions.rules import note_decision
from mosaic.store.create import add_file
from mosaic.text.decisions import (
    Decision,
    Kind,
    add_decision,
    last_filed_session,
    next_number,
    read_decisions,
)
from mosaic.text.lines import counted
from mosaic.text.sections import HANDOFF_SECTIONS, handoff_texts, missing_sections, set_section

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import Session, Task, Usage
    from mosaic.review.verdict import Review
    from mosaic.sessions.remarks import Remark
    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

LONGEST_RESULT = 200
NOBODY = "nobody's session"


def person_name(layout: Layout) -> str:
    """Return what git calls the person who decides, else the name that they logged in with."""
    ident = ""
    with contextlib.suppress(MissionError):
        ident = answer_of(["var", "GIT_AUTHOR_IDENT"], layout.project) or ""
    name = ident.rpartition(" <")[0].strip()
    if not name:
        with contextlib.suppress(KeyError):
            name = pwd.getpwuid(os.getuid()).pw_name
    return one_line(name, 80) or "a person"


def draft_decision(
    draft: Draft,
    task_id: str,
    kind: Kind,
    words: str,
    now: datetime,
    *,
    notes: Sequence[tuple[str, str]] = (),
    files_away: bool = False,
    by: str = "",
) -> Decision:
    """Draft an entry in a task's decisions, of this person; a task without a file is given one.

    With `files_away` the task's handoff is filed away below the entry, and its sections are empty.
    After `Draft.save`, call `note_saved`.
    """
    if draft.snapshot.get(task_id).file is None:
        add_file(draft, draft.snapshot.get(task_id).task, now)
    task = draft.snapshot.get(task_id).task
    by = by or person_name(draft.layout)
    made: list[Decision] = []

    def edit(text: str) -> str:
        filed = _file_away(draft, task, text) if files_away else ()
        for section in HANDOFF_SECTIONS if filed else ():
            text = set_section(text, section, "")
        date = f"{now:%Y-%m-%d}"
        new = Decision(kind=kind, date=date, by=by, text=words, notes=(*notes, *filed))
        text, decision = add_decision(text, new)
        made.append(decision)
        return text

    draft.edit_text(task.id, edit)
    return made[-1]


def draft_remarks(
    draft: Draft, review: Review, remarks: Sequence[Remark], now: datetime
) -> list[Decision]:
    """Draft an entry for each remark on the change that a review is of (or raise UsageError)."""
    trees = [(pair.after, "") for pair in reversed(review.evidence.pairs)]
    trees += [(pair.before, ", before the change") for pair in review.evidence.pairs[:1]]
    return [
        draft_decision(
            draft,
            review.task.id,
            Kind.REMARKED,
            remark.text,
            now,
            notes=quote_lines(draft.layout, remark, trees),
        )
        for remark in remarks
    ]


def note_saved(draft: Draft, task_id: str, made: Sequence[Decision]) -> None:
    """Note entries that were saved where a session works on the task: they are not the agent's."""
    for decision in made:
        note_decision(draft.snapshot, task_id, decision.identity)


def _file_away(draft: Draft, task: Task, text: str) -> list[tuple[str, str]]:
    """Keep a handoff where it is found later; return what stands of it below the decision."""
    sections = handoff_texts(text)
    if not any(sections.values()):
        return []
    layout, known = draft.layout, read_decisions(text)
    number = next_number(text)
    runs = [run for run in runs_of_task(layout.runs_dir, task.id) if is_session_run(run)]
    folder, name = layout.state_dir / "handoffs", f"{safe_segment(task.id)}-{number}.md"
    if runs:
        folder, name = runs[-1].dir, f"handoff-{number}.md"
    parts = [f"## {section}\n\n{content}\n" for section, content in sections.items() if content]
    head = f"# Handoff of {task.id}, filed away by decision {number}\n"
    _keep(folder, name, "\n".join([head, *parts]), layout)
    sessions = _sessions_since_filed(draft.snapshot, task.id, known)
    files = len(parse_file_claims(sections["files_changed"]))
    commands = len(parse_command_claims(sections["commands_run"]))
    said = one_line(sections["result"] or sections["notes"], LONGEST_RESULT)
    words = [f"{_whose(sessions)}: {said}" if said else _whose(sessions)]
    words.append(f"claimed {counted(files, 'file')}, {counted(commands, 'command')}")
    words.append(f"kept in `{layout.shown(folder / name)}`")
    return [("unfinished" if missing_sections(text) else "handoff", "; ".join(words))]


def _sessions_since_filed(
    snapshot: Snapshot, task_id: str, known: Sequence[Decision]
) -> list[Session]:
    sessions = snapshot.document.mission.sessions.of_task(task_id)
    last = last_filed_session(known)
    ids = [session.id for session in sessions]
    return sessions[ids.index(last) + 1 :] if last in ids else list(sessions)


def _keep(folder: Path, name: str, text: str, layout: Layout) -> None:
    create_private_dir(folder)
    write_private(folder / name, text.encode("utf-8", "replace"), root=layout.state_dir)


def _whose(sessions: Sequence[Session]) -> str:
    if not sessions:
        return NOBODY
    facts = [*dict.fromkeys(session.runtime for session in sessions)]
    seconds = sum(session.duration_seconds or 0 for session in sessions)
    facts.append(format_duration(seconds))
    usage: Usage | None = total_usage(sessions)
    if usage is not None and usage.cost_usd is not None:
        facts.append(f"${usage.cost_usd:.2f}")
    ids = ", ".join(session.id for session in sessions)
    return f"{ids} ({', '.join(facts)})"
