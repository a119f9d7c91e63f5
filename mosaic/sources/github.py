"""GitHub's issues, by `gh issue list --json`: asked for by this program, or saved in a file.

What a label means here stands in mission.json, and labels such as `priority: high` speak for
themselves:

    "imports": {"githubLabels": {"P1": "priority=high", "doing": "status=in-progress"}}
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mosaic.errors import BrokenFileError, FailedError, ProgramNotFoundError
from mosaic.machine.environment import child_environment
from mosaic.machine.process import find_tool
from mosaic.sources.item import Fields, Item, Place, Reading, is_closed, json_of, whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FIELDS = "number,title,body,state,stateReason,labels,assignees,milestone,createdAt,closedAt,url"
MOST_ISSUES = 5000
SECONDS = 300.0
AT_ONCE = 8
QUIET = {"GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "GH_PAGER": "", "NO_COLOR": "1"}
REPOSITORY = re.compile(r"(?:[\w.-]+/)?[\w.-]+/[\w.-]+")
OF_ISSUE = re.compile(r"https?://[^/\s]+/([^/\s]+/[^/\s]+)/(?:issues|pull)/\d+")
TELLING = re.compile(r"(priority|status)\s*[:/=-]\s*(.+)", re.IGNORECASE)
NOT_DONE = ("NOT_PLANNED", "DUPLICATE")


def read(place: Place) -> Reading:
    """Read issues that are saved in the place, which is a file; else ask `gh` for them."""
    data = place.json() if not place.is_folder else _asked(place)
    if not isinstance(data, list):
        raise BrokenFileError("the issues are not a JSON array", path=place.shown, line=1)
    items = []
    for count, each in enumerate(data, 1):
        if not isinstance(each, dict) or not isinstance(each.get("number"), int):
            place.fault("", f"entry {count} is not an issue with a `number`; not read")
        elif "pull_request" not in each:
            items.append(_item(place, each))
    return place.reading(sorted(items, key=lambda item: int(item.id)))


def _asked(place: Place) -> Any:
    repository = ["-R", place.shown] if REPOSITORY.fullmatch(place.shown) else []
    command = ["issue", "list", *repository, "--state", "all", "--limit", str(MOST_ISSUES)]
    data = json_of(_gh(place.path, *command, "--json", FIELDS), "gh issue list")
    issues = [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []
    if len(issues) >= MOST_ISSUES:
        place.fault("", f"only the newest {MOST_ISSUES} issues were asked for")
    waiting = [each for each in issues if each.get("state") == "OPEN" and _scope(each)]
    try:
        for issue in waiting[:1]:  # where one cannot be asked, none can
            issue["blockedBy"] = _blockers(place.path, issue)
    except FailedError as error:
        place.fault("", f"what issues wait for is not read: {error.message}")
        return data
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rest = waiting[1:]
        for issue, found in zip(
            rest, pool.map(lambda issue: _blockers(place.path, issue), rest), strict=True
        ):
            issue["blockedBy"] = found
    return data


def _blockers(project: Path, issue: Mapping[str, Any]) -> list[str]:
    """Return the issues that one waits for, as `owner/repo#number`."""
    path = f"repos/{_scope(issue)}/issues/{issue['number']}/dependencies/blocked_by"
    found = json_of(_gh(project, "api", "--paginate", path), "gh api")
    urls = [OF_ISSUE.match(str(each.get("html_url", ""))) for each in found or []]
    return [
        f"{url[1] if url else _scope(issue)}#{each['number']}"
        for each, url in zip(found or [], urls, strict=True)
    ]


def _scope(issue: Mapping[str, Any]) -> str:
    found = OF_ISSUE.match(str(issue.get("url", "")))
    return found[1] if found else ""


def _gh(project: Path, *arguments: str) -> str:
    """Return what `gh` prints (or raise FailedError)."""
    import subprocess

    program = find_tool("gh", project)
    if program is None:
        raise ProgramNotFoundError(
            "gh",
            problem="it is not on the PATH",
            hint="install it from https://cli.github.com, then `gh auth login`; "
            "or import a file that `gh issue list --json` wrote elsewhere",
        )
    what = " ".join(arguments[:2])
    try:
        done = subprocess.run(
            [program, *arguments],
            cwd=project,
            env=child_environment() | QUIET,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailedError(f"`gh {what}` did not end well", detail=str(error)) from None
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip()[-2000:]
        hint = "`gh auth status` shows whether you are logged in"
        raise FailedError(f"`gh {what}` failed", detail=why or None, hint=hint)
    return done.stdout.decode("utf-8", "replace")


def _item(place: Place, data: Mapping[str, Any]) -> Item:
    fields = Fields(data)
    number = fields.text("number")
    scope = _scope(data) or (place.shown if REPOSITORY.fullmatch(place.shown) else "")
    state, reason = fields.text("state").upper(), fields.text("stateReason", "state_reason").upper()
    labels = [str(each.get("name", "")) for each in fields.records("labels")]
    told = _told(place, labels)
    status = told.get("status", "todo")
    if state == "CLOSED":
        status = "cancelled" if reason in NOT_DONE else "done"
    elif is_closed(status):
        status = "todo"  # it is open, whatever a label says
    milestone = data.get("milestone")
    blockers = [each if "#" in each else f"{scope}#{each}" for each in fields.words("blockedBy")]
    left = {k: v for k, v in fields.left.items() if k not in ("blockedBy", "milestone")}
    return Item(
        key=f"{scope}#{number}",
        id=number,
        title=fields.text("title"),
        status=status,
        milestone=str(milestone.get("title") or "") if isinstance(milestone, dict) else "",
        depends_on=tuple(blockers),
        labels=tuple(labels),
        priority=told.get("priority", ""),
        assignee=", ".join(str(each.get("login", "")) for each in fields.records("assignees")),
        text=fields.text("body"),
        left=left,
        where=f"{place.shown}: issue {number}",
    )


def _told(place: Place, labels: Sequence[str]) -> dict[str, str]:
    """Return what labels say of a task's fields, by mission.json first."""
    settings = place.mission.imports.get("githubLabels")
    own = settings if isinstance(settings, dict) else {}
    found: dict[str, str] = {}
    for label in labels:
        field, _, value = str(own.get(label, "")).partition("=")
        if not value and (telling := TELLING.fullmatch(label)):
            field, value = telling[1].lower(), telling[2]
        if field in ("priority", "status") and value.strip():
            found.setdefault(field, value.strip())
    return found


def write(items: Sequence[Item], name: str) -> Mapping[str, str]:
    """Write what `gh issue list --json` would print; `push` is what changes issues."""
    del name
    return {"": json.dumps([_issue(item) for item in items], ensure_ascii=False, indent=2) + "\n"}


def _issue(item: Item) -> dict[str, Any]:
    number = item.key.rpartition("#")[2]
    closed = is_closed(item.status)
    return {
        **({"number": whole_number(number)} if number.isdecimal() else {}),
        "title": item.title,
        "body": item.text,
        "state": "CLOSED" if closed else "OPEN",
        "stateReason": "NOT_PLANNED"
        if item.status == "cancelled"
        else "COMPLETED"
        if closed
        else "",
        "labels": [{"name": label} for label in item.labels],
        "assignees": [{"login": each.strip()} for each in item.assignee.split(",") if each.strip()],
        "milestone": {"title": item.milestone} if item.milestone else None,
        "blockedBy": list(item.depends_on),
        **item.left,
    }


def push(project: Path, key: str, status: str) -> None:
    """Close an issue, or open it again, as a task's status says (or raise FailedError)."""
    repository, _, number = key.rpartition("#")
    command = ["issue", "reopen", number]
    if is_closed(status):
        reason = "not planned" if status == "cancelled" else "completed"
        command = ["issue", "close", number, "--reason", reason]
    _gh(project, *command, *(["-R", repository] if repository else []))
