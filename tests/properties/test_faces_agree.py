"""Every face says the same of every task, whatever a mission holds."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mosaic.app.board import BoardPage, Wait, show_board
from mosaic.app.report import make_report
from mosaic.codec import dump_record
from mosaic.machine.identity import own_identity
from mosaic.machine.lock import hold_folder
from mosaic.mcp.calls import call_tool
from mosaic.model import SessionLock
from mosaic.records import replace
from mosaic.remote.sent import LINK_FILE, Linked, Sent, write_sent
from mosaic.report.html import render_report_page
from mosaic.report.markdown import render_markdown
from mosaic.runs.record import Run
from mosaic.sessions.session_lock import write_lock
from mosaic.store.mission_file import load_mission
from tests.support.in_process import call
from tests.support.mission import MissionRepo, make_environ

IDS = [f"T-{number}" for number in range(1, 8)]
MILESTONES = ["M1", "M2", "M9"]
"""The last one is declared nowhere."""
WORDS = [
    "todo", "todo", "todo", "in-progress", "review", "blocked", "done", "done", "cancelled",
    "shipped", "who knows",
]  # fmt: skip
WHYS = ["needs a human: which colour?", "the disk is full", "is it red?", ""]
ENDS = ["completed", "failed", "blocked", "timeout", "stopped", "crashed"]
START = datetime(2026, 11, 20, tzinfo=UTC)


class Made(NamedTuple):
    """A task as it is written down."""

    status: str
    milestone: str
    needs: list[str]
    criteria: str
    place: str
    """`file`, `table`, `both`, `apart` (row and file differ) or `broken`."""
    branch: str
    scope: list[str]
    why: str
    ends: list[str]
    live: str
    """Where a session works on it: `here`, `elsewhere`, at the host `box`, or nowhere."""


MADE = st.builds(
    Made,
    status=st.sampled_from(WORDS),
    milestone=st.sampled_from(["", *MILESTONES]),
    needs=st.lists(st.sampled_from([*IDS, *IDS, "T-99"]), max_size=2, unique=True),
    criteria=st.text("x ~", max_size=4),
    place=st.sampled_from([*["both", "file"] * 5, "table", "table", "apart", "broken"]),
    branch=st.sampled_from(["", "work/open", "work/merged", "work/gone"]),
    scope=st.lists(st.sampled_from(["src/**", "docs/*.md", "src/a.py"]), max_size=2, unique=True),
    why=st.sampled_from(WHYS),
    ends=st.lists(st.sampled_from(ENDS), max_size=2),
    live=st.sampled_from(["", "", "", "here", "elsewhere", "box"]),
)
PLANS = st.lists(MADE, min_size=4, max_size=len(IDS))
STATUSES = st.lists(
    st.sampled_from(["pending", "in-progress", "completed"]), min_size=2, max_size=2
)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> MissionRepo:
    """A repository with an empty mission, and a branch of each kind that work may be in."""
    folder = tmp_path_factory.mktemp("agree")
    made = MissionRepo(folder, make_environ(folder))
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.name", "Somebody")
    made.git("config", "user.email", "somebody@example.invalid")
    made.git("commit", "-q", "--allow-empty", "-m", "Begin")
    for name in ("merged", "open"):
        made.git("switch", "-q", "-c", f"work/{name}")
        made.git("commit", "-q", "--allow-empty", "-m", name)
        made.git("switch", "-q", "main")
        if name == "merged":
            made.git("merge", "-q", "--no-ff", "--no-edit", "work/merged")
    assert call(folder, "init", "--name", "Agree").exit_code == 0
    return made


def lay(repo: MissionRepo, plan: list[Made], milestones: list[str]) -> ExitStack:
    """Write a mission down as people and agents leave it.

    As long as what is returned is open, somebody listens to its hosts.
    """
    listening = ExitStack()
    folder = repo.path / "coordination"
    shutil.rmtree(repo.path / ".git" / "mosaic", ignore_errors=True)
    for path in (*(folder / "tasks").glob("*.md"), *repo.state.glob("*.lock")):
        path.unlink()
    for path in (repo.state / "index", repo.state / "sync.json"):
        path.unlink(missing_ok=True)
    for name in ("sessions", "runs"):
        shutil.rmtree(repo.state / name, ignore_errors=True)
    mission = repo.mission() | {
        "status": "active",
        "statuses": {"shipped": "done"},
        "hosts": {"box": {"address": "box.invalid", "max": 2, "labels": ["gpu"]}},
        "milestones": [
            {"id": name, "name": f"Milestone {name}", "status": status}
            for name, status in zip(MILESTONES, milestones, strict=False)
        ],
    }
    rows = ["| id | title | status | milestone | depends_on |", "|---|---|---|---|---|"]
    sessions: list[dict[str, Any]] = []
    layout = load_mission(folder / "mission.json").layout
    for task_id, task in zip(IDS, plan, strict=False):
        needs = ", ".join(task.needs)
        row_status = "todo" if task.place == "apart" else task.status
        if task.place not in ("file", "broken"):
            rows.append(f"| {task_id} | Do {task_id} | {row_status} | {task.milestone} | {needs} |")
        if task.place != "table":
            (folder / "tasks" / f"{task_id}-do.md").write_text(written(task_id, task))
        for end in task.ends:
            began = START + timedelta(hours=len(sessions))
            sessions.append(session(task_id, len(sessions), began, end))
        if task.live and sum(each.live == task.live for each in plan[: IDS.index(task_id)]) == 0:
            lock = lock_of(repo, task_id, task.live)
            name = "session.lock" if task.live == "here" else f"sessions/{lock.session_id}.lock"
            path = layout.session_lock if task.live == "here" else layout.session_locks_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_lock(path, lock, state_dir=repo.state)
            sessions.append(session(task_id, lock.session_id, lock.started_at))
            if task.live == "box":
                run = Run(dir=layout.runs_dir / task_id / lock.run_id)
                run.dir.mkdir(parents=True)
                write_sent(run, Sent(host="box", mission="agree", token="t", went=True))
                missed = Linked(unreachable_since=START, problem="no answer")
                if len(task.needs) == 1:
                    run.write_json(LINK_FILE, dump_record(missed))
                listening.enter_context(hold_folder(run.dir))
    (folder / "TASKS.md").write_text("\n".join(rows) + "\n")
    (folder / "mission.json").write_text(json.dumps({**mission, "sessions": sessions}))
    return listening


def written(task_id: str, task: Made) -> str:
    title = "" if task.place == "broken" else f"title: Do {task_id}\n"
    fields = {"milestone": task.milestone, "branch": task.branch}
    lines = "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
    lists = {"depends_on": task.needs, "write_scope": task.scope}
    lines += "".join(f"{name}: {json.dumps(value)}\n" for name, value in lists.items())
    boxes = "".join(f"- [{mark}] criterion {n}\n" for n, mark in enumerate(task.criteria))
    notes = f"## notes\n\n2026-11-20 blocked: {task.why}\n" if task.why else ""
    head = f"---\ntask_id: {task_id}\n{title}status: {task.status}\n{lines}---\n\n"
    return f"{head}## Acceptance criteria\n\n{boxes}\n{notes}"


def session(task_id: str, name: int | str, began: datetime, end: str = "") -> dict[str, Any]:
    values = {
        "sessionId": name if isinstance(name, str) else f"sess-{name:03}",
        "runtime": "claude",
        "startedAt": began.isoformat(),
        "lastTaskId": task_id,
        "host": own_identity().host,
        "usage": {"inputTokens": 10, "outputTokens": 5, "costUsd": 0.25},
    }
    ended = {"endedAt": (began + timedelta(minutes=5)).isoformat(), "endedReason": end}
    return values | ended if end else values


def lock_of(repo: MissionRepo, task_id: str, where: str) -> SessionLock:
    identity = own_identity()
    hosts = {"elsewhere": "another.example", "box": "box"}
    return SessionLock(
        session_id=f"live-{where}",
        runtime="claude",
        process=replace(identity, host=hosts.get(where, identity.host)),
        supervisor_pid=0,
        started_at=datetime.now(UTC),
        project_path="/somewhere" if where == "elsewhere" else str(repo.path),
        task_id=task_id,
        run_id=f"r-{where}",
    )


def ask(repo: MissionRepo, *arguments: str) -> Any:
    """Ask a command for its record; what is broken is in it, and told by the exit code."""
    return call(repo.path, *arguments, "--json").json()


BROKEN = {"reason": "BROKEN"}
FACTS = ("status", "ready", "reason", "reason_detail", "criteria_done", "criteria_total")


def facts(tasks: list[Any]) -> dict[str, dict[str, Any]]:
    return {task["id"]: {name: task[name] for name in FACTS} for task in tasks}


@given(plan=PLANS, milestones=STATUSES)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_face_says_the_same_of_every_task(
    repo: MissionRepo, plan: list[Made], milestones: list[str]
) -> None:
    with lay(repo, plan, milestones):
        agree(repo)


def agree(repo: MissionRepo) -> None:
    """Hold all faces against each other."""
    status = ask(repo, "status")
    listed = ask(repo, "list", "--all")
    chosen = ask(repo, "next", "--explain")
    page = show_board(repo.path / "coordination" / "mission.json")
    report = make_report(repo.path / "coordination" / "mission.json", most_handoffs=0)
    assert ask(repo, "report")["tasks"] == listed["tasks"]

    known = facts(listed["tasks"])
    for task in known.values():
        event(task["reason"])
    assert facts(chosen["tasks"]) == known
    for cards in (page.cards, report.board.cards):
        assert {
            card.task.id: dict(
                zip(
                    FACTS,
                    (
                        card.task.status,
                        card.is_ready,
                        card.reason,
                        card.words,
                        card.task.criteria_done,
                        card.task.criteria_total,
                    ),
                    strict=True,
                )
            )
            for card in cards
        } == known

    ready = [name for name, task in known.items() if task["ready"]]
    assert sorted(chosen["ready"]) == sorted(ready)
    assert status["ready_total"] == len(ready)
    first = chosen["chosen"]
    assert (status["next_task"] or {"id": None})["id"] == first
    assert first == (chosen["ready"][0] if ready else None)
    assert [each["id"] for each in ask(repo, "list", "--ready")["tasks"]] == chosen["ready"]

    working = {each["task_id"]: each["session_id"] for each in status["live_sessions"]}
    claimed = {name for name, task in known.items() if task["reason"] == "LIVE_SESSION"}
    assert claimed == {name for name in working if known.get(name, BROKEN)["reason"] != "BROKEN"}
    assert {card.task.id: card.session.lock.session_id for card in page.cards if card.session} == {
        name: session_id for name, session_id in working.items() if name in known
    }
    assert [view.session.id for view in page.live] == [*working.values()]
    assert [view.session.id for view in report.board.live] == [*working.values()]

    counts = Counter(task["status"] for task in known.values())
    progress = status["progress"]
    assert {word: count for word, count in progress["by_status"].items() if count} == counts
    to_merge = [each["id"] for each in status["to_merge"]]
    assert to_merge == [each["id"] for each in listed["to_merge"]]
    assert to_merge == [card.task.id for card in page.cards if card.branch]
    assert progress["tasks_done"] == counts["done"] - len(to_merge)
    for found, told in zip(report.board.status.milestones, status["milestones"], strict=True):
        values = found.progress.json_values()
        assert {name: told[name] for name in values} == values

    waits: dict[Wait, list[str | None]] = {kind: [] for kind in Wait}
    for each in report.board.inbox:
        waits[each.kind].append(each.task_id)
    assert [(each.kind, each.task_id) for each in page.inbox] == [
        (each.kind, each.task_id) for each in report.board.inbox
    ]
    blocked = {each["id"]: each["needs_human"] for each in status["blocked"]}
    assert waits[Wait.QUESTION] == [name for name, asks in blocked.items() if asks]
    assert waits[Wait.BLOCKED] == [name for name, asks in blocked.items() if not asks]
    assert waits[Wait.REVIEW] == status["in_review"]
    for reason, told in (("IN_REVIEW", status["in_review"]), ("BLOCKED", blocked)):
        said = {name for name, task in known.items() if task["reason"] == reason}
        others = ("BROKEN", "LIVE_SESSION")
        assert said == {name for name in told if known[name]["reason"] not in others}
    assert waits[Wait.MERGE] == to_merge
    assert waits[Wait.FAILED] == [each["id"] for each in status["waiting"]]
    broken = {name for name, task in known.items() if task["reason"] == "BROKEN"}
    assert broken <= {*waits[Wait.BROKEN]}

    for name, task in known.items():
        if task["reason"] != "BROKEN":
            command = ask(repo, "show", name)["next_command"]
            assert (command in (f"mission next {name}", f"mission resume {name}")) is task["ready"]
    agree_on_hosts(repo, status, page)
    agree_in_words(repo, report, status, known)
    agree_in_browser(repo, page, known)
    agree_in_terminal(page, known)


def agree_on_hosts(repo: MissionRepo, status: Any, page: BoardPage) -> None:
    """Hold against each other what is said of the other machine, and of who works there."""
    (host,) = status["hosts"]
    (listed,) = ask(repo, "hosts", "list")["hosts"]
    assert {name: listed[name] for name in host} == host
    (seen,) = page.status.hosts
    assert (seen.name, seen.max, seen.labels) == ("box", 2, ("gpu",))
    there = [each["session_id"] for each in host["sessions"]]
    assert there == [view.session.id for view in page.live if view.host == "box"]
    assert there == [found["session_id"] for found in status["live_sessions"]
                     if found["run_id"] == "r-box"]  # fmt: skip
    is_missed = [bool(each["unreachable_since"]) for each in host["sessions"]]
    assert any(is_missed) is bool(host["unreachable_since"])
    told = call_tool("status", {}, repo.path / "coordination" / "mission.json")
    assert told["hosts"] == [f"box: {seen.words}"]
    for printed in (call(repo.path, "status").stdout, call(repo.path, "hosts", "list").stdout):
        shown = " ".join(printed.split())
        assert f"{len(there)} of 2" in shown
        assert ("unreachable since" in shown) is any(is_missed)
        assert all(f"{each['task_id']} {each['session_id']}" in shown for each in host["sessions"])
    live = call(repo.path, "sessions", "--live").stdout
    assert (" host " in live.partition("\n")[0]) is bool(there)


def agree_in_words(
    repo: MissionRepo, report: Any, status: Any, known: dict[str, dict[str, Any]]
) -> None:
    """Hold what people read against the record: counts, and each task with where it stands."""
    done, total = status["progress"]["tasks_done"], status["progress"]["tasks_total"]
    printed, markdown = call(repo.path, "status").stdout, render_markdown(report)
    assert f"  {done}/{total} done" in printed.splitlines()[0]
    assert f"{done} of {total} done" in markdown
    html = render_report_page(report)
    rows = call(repo.path, "list", "--all").stdout.splitlines()
    explained = call(repo.path, "next", "--explain").stdout
    first = status["next_task"] and status["next_task"]["id"]
    assert (f"next  {first}" in explained) is bool(first)
    assert {row.split()[0] for row in rows if row.startswith("T-")} == known.keys()
    for name, task in known.items():
        row = next(row for row in rows if row.startswith(f"{name} "))
        assert ("  ready" in row) is task["ready"]
        word = "?who knows" if task["status"] == "unknown" else task["status"]
        assert word in row or task["status"] == "unknown"
        told = re.search(rf'<tr class="[a-z-]+"(?: id="t\d+")?><td[^>]*>{name}</td>.*', html)
        assert told is not None
        assert task["status"] == "unknown" or f">{task['status']}" in told[0]
        if task["criteria_total"]:
            assert f">{task['criteria_done']}/{task['criteria_total']}<" in told[0]
        is_explained = f"{name}  {task['reason_detail']}" in explained
        if task["status"] not in ("done", "cancelled"):
            assert is_explained
        elif task["reason"] in ("DONE", "CANCELLED"):
            assert not is_explained


def agree_in_browser(repo: MissionRepo, page: BoardPage, known: dict[str, dict[str, Any]]) -> None:
    """Hold the rows and columns of the board in the browser against the record."""
    if find_spec("starlette") is None:
        return
    from mosaic.web.guard import Access
    from mosaic.web.views import Views

    views = Views(repo.path / "coordination" / "mission.json", Access(host="127.0.0.1", port=1))
    rows, columns = views.draw("plan", page, None), views.draw("board", page, None)
    assert rows.lists["rows"] == tuple(f"row-{name}" for name in known)
    for name, task in known.items():
        row = str(rows.parts[f"row-{name}"])
        word = "?who knows" if task["status"] == "unknown" else task["status"]
        assert f">{word}</span>" in row
        assert (">ready</span>" in row) is task["ready"]
        assert (f">{task['criteria_done']}/{task['criteria_total']}<" in row) is bool(
            task["criteria_total"]
        )
        assert f"card-{name}" in columns.lists[f"column-{task['status']}"]
    live = views.draw("live", page, None)
    (host,) = page.status.hosts
    assert f">{host.load_words}</td>" in live.parts["hosts"]
    for card in page.cards:
        is_there = card.session is not None and card.session.judgement.host == "box"
        assert (" on box" in columns.parts[f"card-{card.task.id}"]) is is_there


def agree_in_terminal(page: BoardPage, known: dict[str, dict[str, Any]]) -> None:
    """Hold the cards and lines of the board in the terminal against the record."""
    if find_spec("textual") is None:
        return
    from mosaic.board.cards import card_lines, plan_lines

    for card in page.cards:
        task = known[card.task.id]
        shown = [line.plain.split() for line in card_lines(card, 200)]
        assert shown[0][0] == card.task.id
        assert (f"{task['criteria_done']}/{task['criteria_total']}" in shown[2]) is bool(
            task["criteria_total"]
        )
        assert (["ready"] in shown) is task["ready"]
        assert ("▶" in shown[2]) is (card.session is not None)
        is_there = card.session is not None and card.session.judgement.host == "box"
        assert (shown[2][-2:] == ["on", "box"]) is is_there
        (line,) = plan_lines(card, 4, 200)
        assert line.plain.split()[:2] == [card.task.id, task["status"]]
