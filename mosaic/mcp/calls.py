"""What each tool does: arguments in, one call of `app/`, an answer out. An agent calls, always."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mosaic.app.change import (
    NEEDS_WHY,
    Actor,
    Change,
    Filling,
    add_task,
    change_task,
    fill_handoff,
    find_section,
)
from mosaic.app.status import status_of
from mosaic.app.tasks import list_tasks, read_handoff, show_section, show_task
from mosaic.errors import UsageError
from mosaic.model import Mode
from mosaic.plan.statuses import named_status
from mosaic.sessions.choice import HandOffRequest, select_from
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.create import NewTask
from mosaic.store.reading import locate_for_agent, locate_mission, read_mission
from mosaic.text.fields import field_values, shown_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mosaic.errors import MissionError
    from mosaic.model import Task
    from mosaic.review.matching import JudgedClaim
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.tasks import Problem

Given: TypeAlias = "Mapping[str, Any]"
Values: TypeAlias = "dict[str, Any]"

MOST_LISTED = 50
"""Tasks of a list where no limit is named."""


def call_tool(name: str, given: Given, usual: Path | None) -> Values:
    """Do what a tool is for, and return its answer; `usual` is the mission of calls without one.

    Raises MissionError.
    """
    path = _locate(given.get("mission"), usual)
    return {**CALLS[name](path, given), "mission": path}


def facts_of(error: MissionError) -> Values:
    """Return what an agent needs of an error: its code, its words, and the hint."""
    facts = error.json_values()
    return {
        key: value
        for key, value in facts.items()
        if key not in ("schema_version", "kind") and value is not None
    }


def _locate(named: str | None, usual: Path | None) -> Path:
    """Return the mission that a call is about; what an agent names no person has named."""
    if named is None:
        return locate_mission(usual)
    place = os.path.expanduser(named)
    if not os.path.isabs(place):
        raise UsageError(
            f"`{named}` is not an absolute path",
            detail=f"this server works in `{os.getcwd()}`",
            hint="name the project by its whole path",
        )
    return locate_for_agent(Path(place))


def _row(task: Task) -> Values:
    return {"id": task.id, "title": task.title, "status": shown_status(task)}


def _wrong(problems: Iterable[Problem]) -> Values:
    """Return what cannot be read, under its key, where there is any."""
    errors = dict.fromkeys(each.error for each in problems)
    return {"problems": [*map(facts_of, errors)]} if errors else {}


def _next(path: Path, given: Given) -> Values:
    from mosaic.app.hand_off import preview  # start-up: templates

    request = HandOffRequest(
        task_id=given.get("id"), milestone=given.get("milestone"), mode=Mode.INTERACTIVE
    )
    found = preview(path, request, saves=False)
    warned = {"notices": found.notices} if found.notices else {}
    return {**_row(found.task.task), "prompt": found.prompt, **warned, **_wrong(found.problems)}


def _list(path: Path, given: Given) -> Values:
    status = given.get("status")
    found = list_tasks(
        read_mission(path),
        statuses=[status] if status else (),
        milestone=given.get("milestone"),
        ready=given.get("ready", False),
        search=given.get("search", ""),
        every=given.get("all", False),
    )
    limit = max(1, int(given.get("limit", MOST_LISTED)))
    rows = [
        {**_row(each.task), "why": each.verdict.detail if each.verdict else ""}
        for each in found.tasks[:limit]
    ]
    return {"tasks": rows, "truncated": len(found.tasks) - len(rows), **_wrong(found.problems)}


def _show(path: Path, given: Given) -> Values:
    snapshot = read_mission(path)
    if section := given.get("section"):
        task, text = show_section(snapshot, given["id"], section)
        return {**_row(task), "body": text}
    page = show_task(snapshot, given["id"])
    task, verdict, session = page.task
    known = ("task_id", "title", "status")
    fields = {n: value for n, value in field_values(task).items() if value and n not in known}
    waits = {"depends_on": [f"{d.id} {d.status or 'unknown'}" for d in page.dependencies]}
    return {
        **_row(task),
        "why": verdict.detail if verdict else "",
        **({"session": session.session_id} if session else {}),
        "fields": {**fields, **(waits if page.dependencies else {})},
        "body": page.body.strip(),
        "missing": page.handoff_sections_missing,
        **_wrong(each for each in snapshot.problems if each.task_id == task.id),
    }


def _review(path: Path, given: Given) -> Values:
    from mosaic.app.task_work import show_review  # start-up: git, and what reads transcripts

    page = show_review(read_mission(path), given["id"], diff=given.get("diff", False))
    review, judged, evidence = page.review, page.review.judged, page.review.evidence
    claimed: list[JudgedClaim[Any]] = [*judged.files, *judged.commands]
    claims = [{"text": c.claim.text, "standing": c.standing, "why": c.why} for c in claimed]
    files = {"unclaimed": [each.path for each in judged.unclaimed_files]}
    values = {
        "criteria": review.criteria,
        "decisions": review.decision_words(),
        "gates": [f"{gate.name}: {gate.words}" for gate in review.gates],
        "out_of_scope": review.out_of_scope,
        "warnings": review.warnings,
        "caveats": evidence.caveats,
        "changes": review.stat,
        "diff": page.diff,
        **files,
    }
    return {
        **_row(review.task),
        "objections": review.objections,
        "claims": claims,
        **{name: value for name, value in values.items() if value},
    }


def _status(path: Path, given: Given) -> Values:
    del given
    snapshot = read_mission(path)
    live = live_or_unknown(snapshot)
    page = status_of(snapshot, (), live=live, selection=select_from(snapshot, live=live))
    lists = {
        "live": [*map(_live_words, page.live_sessions)],
        "hosts": [f"{each.name}: {each.words}" for each in page.hosts],
        "review": _titles(page.review),
        "blocked": [
            {"id": each.id, "title": each.title, "why": each.question or each.why}
            for each in page.blocked
        ],
        "unfinished": _titles(page.waiting),
        "to_merge": [f"{each.id}: {each.branch}" for each in page.to_merge],
    }
    upcoming = page.next_task
    return {
        "name": page.mission.name,
        "status": page.mission.status,
        "done": page.progress.done,
        "total": page.progress.total,
        "milestones": [
            f"{each.milestone.id} {each.milestone.name}: {each.progress.done}/{each.progress.total}"
            for each in page.milestones
        ],
        "next": f"{upcoming.id}: {upcoming.title}" if upcoming else page.why_nothing or "",
        **{name: rows for name, rows in lists.items() if rows},
        **_wrong(page.problems),
    }


def _live_words(found: FoundLock) -> str:
    lock, host = found.lock, found.judgement.host
    where = f" on {host}" if host else ""
    return f"{lock.task_id}: {lock.runtime} {lock.session_id}{where}"


def _titles(lines: Sequence[Any]) -> list[Values]:
    return [{"id": each.id, "title": each.title} for each in lines]


def _add(path: Path, given: Given) -> Values:
    added = add_task(
        path,
        NewTask(
            title=given["title"],
            goal=given.get("goal", "").strip(),
            criteria=tuple(" ".join(each.split()) for each in given.get("criteria", ())),
            milestone=given.get("milestone"),
            priority=given.get("priority"),
            depends_on=tuple(given.get("depends_on", ())),
            write_scope=tuple(given.get("write_scope", ())),
        ),
    )
    return {**_row(added.task.task), "file": added.task.task.file, "notices": added.notices}


def _set(path: Path, given: Given) -> Values:
    changes, why = [*map(_change, given["fields"].items())], given.get("why", "").strip()
    if not changes:
        raise UsageError("`fields` is empty", hint='`{"status": "review"}`')
    own = read_mission(path).document.mission.statuses
    words = [each.text for each in changes if each.field.lower() == "status"]
    if not why and any(named_status(word, own) in NEEDS_WHY for word in words):
        raise UsageError("`why` is empty", hint="say why in a few words")
    done = change_task(path, given["id"], changes, why=why, actor=Actor.AGENT)
    asks = ["an agent's `done` asks for review; a person sets it done"] * done.asks_review
    return {**_row(done.task.task), "changed": done.changed, "notices": [*asks, *done.notices]}


def _change(named: tuple[str, Any]) -> Change:
    name, value = named
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    sign = name[-1:] if name.endswith(("+", "-")) else ""
    return Change(name.removesuffix(sign), f"{sign}=", text)


def _handoff(path: Path, given: Given) -> Values:
    appends = given.get("append", False)
    notices: list[str] = []
    fillings = [
        Filling(find_section(name), text, appends)
        for name, text in given.get("sections", {}).items()
    ]
    answers = [*map(_answer, given.get("answers", {}).items())]
    if answers:
        from mosaic.app.decisions import answer_remarks  # start-up: most handoffs answer none

        notices += answer_remarks(path, given["id"], answers)
    ticks = [*map(int, given.get("tick", ()))]
    if fillings or ticks:
        notices += fill_handoff(path, given["id"], fillings, ticks)
    handoff = read_handoff(read_mission(path), given["id"])
    count = sum(each.is_open for each in handoff.acceptance_criteria)
    return {
        "id": handoff.task_id,
        "missing": handoff.missing,
        "open_criteria": count,
        "notices": notices,
    }


def _answer(named: tuple[str, str]) -> tuple[int, str]:
    number, text = named
    if not (number.isascii() and number.isdigit()):
        raise UsageError(f"`{number}` is not the number of a remark")
    return int(number), text


CALLS: Mapping[str, Callable[[Path, Given], Values]] = {
    "next": _next,
    "list": _list,
    "show": _show,
    "review": _review,
    "status": _status,
    "add": _add,
    "set": _set,
    "handoff": _handoff,
}
