"""What a pull request says of a task, and what is said on it for the next attempt.

The body is the task's handoff with the evidence beside it. What people and checks say there
becomes entries of the task's decisions (`commented`), each with the name that its host has it by:

    - 2026-11-29 commented by bob, member (6): The name says too little.
      - from: l:17 https://github.com/acme/rocket/pull/7#discussion_r17
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.model import Status
from mosaic.plan.pace import parse_budget
from mosaic.prompts.bounded import cut_text, one_line, plain_text
from mosaic.review.filing import draft_decision
from mosaic.sessions.remarks import Remark, quote_lines
from mosaic.text.decisions import Decision, Kind, read_decisions
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.git.hosting import Check, Comment, PullRequest
    from mosaic.model import Task
    from mosaic.review.verdict import Review
    from mosaic.store.draft import Draft
    from mosaic.store.tasks import Snapshot

LONGEST_BODY = 60_000
"""GitHub takes 65,536 characters."""
LONGEST_COMMENT = 4_000
LONGEST_LOG = 3_000
MOST_HANDED_ON = 20
"""Entries that one look hands on; the others follow with the next one."""
CHECK = "check:"


def request_body(review: Review, mission: str) -> str:
    """Return what a request says: the handoff of a task, and a short table of the evidence."""
    task, judged = review.task, review.judged
    parts = [
        f"## {name.replace('_', ' ')}\n\n{plain_text(text).strip()}"
        for name, text in review.sections.items()
        if text.strip()
    ]
    standings = [each.standing.value for each in judged.files]
    counts = Counter(standings + [each.standing.value for each in judged.commands])
    rows = [("changes", review.stat or "not known")]
    rows += [(f"gate `{gate.name}`", gate.words) for gate in review.gates]
    if counts:
        rows.append(("claims", ", ".join(f"{count} {word}" for word, count in counts.items())))
    if objections := review.objections:
        rows.append(("objections", "; ".join(objections)))
    approved = [each for each in review.decisions if each.kind is Kind.APPROVED]
    rows += [("approved", f"{each.date} by {each.by}") for each in approved[-1:]]
    table = [f"| {_cell(name)} | {_cell(words)} |" for name, words in rows]
    evidence = "\n".join(["| evidence | |", "| --- | --- |", *table])
    about = f"Task `{task.id}` of the mission “{one_line(mission, 200)}”."
    return cut_text("\n\n".join([*parts, evidence, about]), LONGEST_BODY)


def _cell(text: str) -> str:
    return one_line(text, 500).replace("|", "\\|")


def handed_on_before(snapshot: Snapshot, task: Task) -> set[str]:
    """Return by name what of its request a task was given already."""
    return {source_of(each) for each in _entries(snapshot, task)} - {""}


def source_of(entry: Decision) -> str:
    """Return the name by which a host has what an entry was made of; empty for other entries."""
    return next(iter(entry.notes_of("from")), "").partition(" ")[0]


def check_name(request: PullRequest, check: Check) -> str:
    """Return what a check of a commit is remembered by."""
    return re.sub(r"[^!-~]+", "-", f"{CHECK}{request.head[:12]}:{check.name}")[:200]


def draft_handing_on(
    draft: Draft,
    task: Task,
    request: PullRequest,
    *,
    comments: Sequence[Comment],
    failed: Sequence[Check],
    logs: Mapping[Check, str],
) -> list[Decision]:
    """Draft an entry for each comment and failed check, and have the task worked on again.

    Where only checks failed, and did so after as many attempts as the mission allows, the task is
    blocked instead.
    """
    now, made = utc_now().astimezone(), list[Decision]()
    is_handed_off = task.status in (Status.REVIEW, Status.DONE)
    rounds = _failed_rounds(_entries(draft.snapshot, task))

    def add(words: str, by: str, notes: Sequence[tuple[str, str]]) -> None:
        text = cut_text(plain_text(words).strip(), LONGEST_COMMENT)
        away = is_handed_off and not made
        made.append(
            draft_decision(
                draft, task.id, Kind.COMMENTED, text, now, notes=notes, files_away=away, by=by
            )
        )

    for comment in comments[:MOST_HANDED_ON]:
        at = list[tuple[str, str]]()
        if comment.place:
            remark = Remark(comment.place, "x")
            with contextlib.suppress(MissionError):  # a commit or file that is not here
                at = quote_lines(draft.layout, remark, [(comment.commit, "")])
        words = comment.text if at else f"On `{comment.place}`: {comment.text}"
        by = one_line(f"{comment.author}, {comment.standing}", 80)
        name = ("from", one_line(f"{comment.id} {comment.url}"))
        add(words if comment.place else comment.text, by, [*at, name])
    for check in failed[: MOST_HANDED_ON - len(made)]:
        log = plain_text(logs.get(check, "")).strip()[-LONGEST_LOG:]
        words = f"It failed ({check.words}): {check.url}\n\n{log}"
        name = ("from", one_line(f"{check_name(request, check)} {check.url}"))
        add(words, one_line(f"the check {check.name}", 80), [name])
    most = parse_budget(draft.snapshot.document.mission.budget).max_attempts
    if is_handed_off and not comments and rounds >= most - 1:
        attempts = counted(rounds + 1, "attempt")
        why = f"checks of its pull request failed after {attempts}: {failed[0].name}"
        draft.edit_task(task.id, {"status": Status.BLOCKED.value}, now)
        draft.note(task.id, f"{now:%Y-%m-%d} blocked: {why}")
    elif is_handed_off:
        draft.edit_task(task.id, {"status": Status.TODO.value}, now)
    return made


def _entries(snapshot: Snapshot, task: Task) -> tuple[Decision, ...]:
    return read_decisions(snapshot.task_text(task), task.status)


def _failed_rounds(entries: Sequence[Decision]) -> int:
    """Count the commits whose checks failed since anybody but a check spoke last."""
    commits = set[str]()
    for each in entries:
        is_check = source_of(each).startswith(CHECK)
        commits = {*commits, source_of(each).split(":")[1]} if is_check else set()
    return len(commits)
