"""The scripted missions: each shows what commands say in one state of a project."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from .stage import Stage

WORKER = """\
import json, os, pathlib, sys, time

name = os.environ["MISSION_WORKER"]
sys.stdin.read()
if os.environ.get("MISSION_WRITES"):
    pathlib.Path(f"{name}.txt").write_text(name)
answer = {
    "role": "?", "label": "?", "status": "completed", "summary": f"{name} has an answer",
    "claims": ["it is so"], "objections": [f"{name} objects"],
    "openQuestions": ["why?"], "evidenceRefs": ["a.txt:1"], "error": None,
}
print(json.dumps({"type": "conversation", "id": f"talk-{name}"}))
print(json.dumps({"type": "usage", "input_tokens": 10, "output_tokens": 5, "cost_usd": 0.25}))
print(json.dumps({"type": "message", "text": json.dumps(answer)}))
"""
WAITER = """\
import json, sys, time

sys.stdin.read()
print(json.dumps({"type": "conversation", "id": "talk-1"}), flush=True)
print(json.dumps({"type": "message", "text": "I wait."}), flush=True)
time.sleep(600)
"""


def _task(stage: Stage, task_id: str, title: str, fields: str = "", body: str = "") -> None:
    head = f"task_id: {task_id}\ntitle: {title}\n{fields}"
    stage.write(f"coordination/tasks/{task_id}-task.md", f"---\n{head}---\n\n# {task_id}\n\n{body}")


def _start(stage: Stage, *options: str) -> None:
    stage.git("init", "-q", "-b", "main")
    stage.git("config", "user.name", "Somebody")
    stage.git("config", "user.email", "somebody@example.invalid")
    stage.mission("init", "--name", "Golden", *options, "--json")


def plan(stage: Stage) -> None:
    """Tasks of every status, none of them handed off yet."""
    _start(stage, "--milestone", "M1: First steps", "--milestone", "M2: Then more")
    for title, *options in (
        ("One", "-m", "M1", "--scope", "one/**"),
        ("Two", "-m", "M1", "-d", "T-001", "--scope", "two/**"),
        ("Three", "-m", "M2", "--body", "-"),
        ("Four", "-m", "M2", "-d", "T-003"),
    ):
        stage.mission("add", title, *options, "--json", stdin="## Goal\n\nThree it is.\n")
    stage.mission("add", "In the table alone", "--table-only", "--json")
    stage.mission("add", "By text")
    _task(
        stage,
        "T-007",
        "Kept keys",
        "status: review\nmilestone: M1\npriority: high\nlabels: [a, b]\nassignee: ann\n"
        "runtime: claude\npr: '12'\nbranch: feat/kept\nestimate: 3\nowner: {name: ann}\n",
        "Free text.\n\n## files_changed\n- `a.txt`\n\n## result\nIt is **there**.\n\n## risks\n",
    )
    _task(stage, "T-008", "Strange", "status: dunno\nmilestone: M9\ndepends_on: [T-099]\n")
    for number, other in ((9, 10), (10, 9)):
        _task(stage, f"T-{number:03}", "A ring", f"status: todo\ndepends_on: [T-{other:03}]\n")
    stage.git("add", "--all")
    stage.git("commit", "-qm", "Plan")
    stage.mission("sync", "--json")
    stage.mission("sync")
    stage.mission("set", "T-001", "priority=high", "labels+=x", "--json")
    stage.mission("set", "T-001", "labels+=y", "title=One more")
    stage.mission("block", "T-006", "--why", "a question is open", "--json")
    stage.mission("cancel", "T-005", "--why", "not needed")
    stage.mission("reopen", "T-005", "--json")
    stage.mission("cancel", "T-005", "--why", "not needed", "--json")
    for command in (
        ("list",),
        ("list", "--all"),
        ("list", "--ready"),
        ("list", "--sort", "status", "--all"),
        ("list", "--status", "blocked", "--status", "review"),
        ("list", "--milestone", "M2"),
        ("list", "--status", "revew"),
        ("list", "--sort", "size"),
        ("show", "T-001"),
        ("show", "T-003", "--section", "goal"),
        ("show", "T-003", "--section", "nothing"),
        ("show", "T-005"),
        ("show", "T-007"),
        ("show", "T-008"),
        ("show", "T-999"),
        ("graph",),
        ("graph", "--mermaid", "--open"),
        ("graph", "--dot"),
        ("status",),
        ("check",),
        ("next", "--explain"),
        ("next", "--print", "--runtime", "demo"),
        ("handoff", "T-007"),
        ("handoff", "T-005"),
        ("review",),
        ("review", "T-007"),
        ("sessions",),
        ("logs", "T-001"),
        ("panel", "list"),
        ("panel", "show", "last"),
        ("checkpoint", "list", "T-001"),
        ("trust",),
        ("migrate", "--dry-run"),
        ("clean", "--dry-run"),
        ("doctor",),
    ):
        stage.both(*command)
    stage.mission("handoff", "T-007", "--set", "risks", "--text", "none", "--json")
    stage.mission("handoff", "T-007", "--append", "notes", "--text", "more")
    stage.mission("handoff", "T-007", "--set", "nothing", "--text", "none", "--json")
    stage.mission("review", "T-007", "--approve", "--json")
    stage.mission("review", "T-007", "--approve", "--force", "--why", "I looked", "--json")
    stage.mission("done", "T-001", "--json")
    stage.mission("check", "--fix", "--json")
    stage.mission("check", "--fix")
    stage.mission("list", "--no-such-option", "--json")
    stage.mission("shwo")
    stage.mission("--version")


def broken(stage: Stage) -> None:
    """Files that cannot be read, and places without a mission."""
    stage.both("status")
    _start(stage)
    stage.both("status")
    stage.both("list")
    stage.both("next", "--print", "--runtime", "demo")
    stage.mission("add", "One", "--json")
    stage.write("coordination/tasks/T-002-two.md", "---\ntask_id: T-002\ntitle: a: b\n---\n")
    stage.write("coordination/tasks/T-003-three.md", "no front matter\n")
    _task(stage, "T-004", "Twice", "status: todo\n")
    stage.write(
        "coordination/tasks/T-004-again.md",
        "---\ntask_id: T-004\ntitle: Again\nstatus: todo\n---\n",
    )
    for command in (("list",), ("status",), ("show", "T-002"), ("graph",), ("check",), ("review",)):
        stage.both(*command)
    stage.write("coordination/mission.json", '{"name": "x",\n "sessions": [}\n')
    for command in (("list",), ("status",), ("doctor",), ("sessions",)):
        stage.both(*command)


def worked(stage: Stage) -> None:
    """Sessions that ended well, crashed and blocked, with records to look at."""
    _start(stage, "--milestone", "M1: Say hello", "--gates", "cat greeting.txt")
    for title, scope, script in (
        ("Greet", "greeting.txt", "say I write.\nwrite greeting.txt Hello\nrun git status"),
        ("Crash", "count.py", "say I begin.\ncrash-once\nwrite count.py print(1)\nsay Done."),
        ("Ask", "colour.txt", "say I ask.\nblock needs a human: which colour?"),
    ):
        body = f"## Goal\n\n{title}.\n\n- [ ] it is\n\n```demo\n{script}\n```\n"
        stage.mission("add", title, "-m", "M1", "--scope", scope, "--body", "-", stdin=body)
    stage.git("add", "--all")
    stage.git("commit", "-qm", "Plan")
    demo = ("--headless", "--runtime", "demo")
    stage.outside("next", *demo, "--json")
    stage.both("review")
    stage.both("review", "T-001")
    stage.mission("review", "T-001", "--html", "page.html")
    page = stage.project / "page.html"
    assert "Greet" in page.read_text()
    page.unlink()
    stage.mission("review", "T-001", "--reject", "--why", "once more", "--json")
    stage.mission("set", "T-001", "status=review", "--json")
    stage.mission("review", "T-001", "--approve", "--commit")
    stage.mission("review", "T-001", "--approve", "--force", "--commit")
    stage.outside("next", *demo)
    stage.both("status")
    stage.outside("resume", *demo)
    stage.outside("next", *demo, "--json")
    stage.outside("gates", "T-002", "--json")
    stage.outside(
        "exec", "T-002", "--step", "look", "--json", "--", "sh", "-c", "echo seen; exit 3"
    )
    stage.outside("exec", "T-002", "--step", "look", "--", "true")
    stage.mission("checkpoint", "T-002", "--note", "so far", "--json")
    for command in (
        ("list", "--all"),
        ("show", "T-001"),
        ("show", "T-002"),
        ("show", "T-003"),
        ("status",),
        ("sessions",),
        ("check",),
        ("review", "T-002"),
        ("checkpoint", "list", "T-002"),
        ("next", "--explain"),
        ("clean", "--dry-run", "--older-than", "0"),
        ("trust",),
        ("doctor",),
        ("logs", "T-001"),
        ("logs", "T-001", "--events"),
        ("logs", "T-001", "--transcript"),
        ("logs", "T-001", "--transcript", "--tail", "1"),
        ("logs", "T-001", "--stderr"),
        ("logs", "T-001", "--events", "--stderr"),
        ("logs", "T-001", "--raw"),
    ):
        stage.both(*command)
    stage.mission("checkpoint", "restore", "T-002", "1", "--into", "../restored", "--json")


def live(stage: Stage) -> None:
    """A session that works now, and one that was stopped."""
    _start(stage, "--milestone", "M1: One")
    stage.mission("add", "Wait", "-m", "M1")
    stage.mission("add", "Another", "-m", "M1", "-d", "T-001")
    stage.write("../waiter.py", WAITER)
    waiter = [sys.executable, str(stage.home.parent / "waiter.py")]
    stage.change_mission(
        runtime="waiter", runtimes={"waiter": {"command": waiter, "prompt": "stdin"}}
    )
    stage.both("trust")
    stage.git("add", "--all")
    stage.git("commit", "-qm", "Plan")
    stage.outside("next", "--detach", "--json")
    state = "coordination/.state/runs/T-001/*/state.json"
    stage.wait_for(lambda: "I wait." in next(stage.project.glob(state)).read_text())
    for command in (
        ("status",),
        ("sessions",),
        ("sessions", "--live"),
        ("list",),
        ("show", "T-001"),
        ("check",),
        ("next", "--explain"),
        ("review", "T-001"),
    ):
        stage.both(*command)
    stage.outside("resume", "--headless", "--json")
    stage.outside("next", "--headless")
    stage.outside("stop", "--now", "--json")
    for command in (("status",), ("sessions",), ("sessions", "--live"), ("show", "T-001")):
        stage.both(*command)
    stage.mission("stop", "--json")
    stage.mission("stop", "sess-999")


def panels(stage: Stage) -> None:
    """Two workers on one question."""
    _start(stage)
    stage.write("../worker.py", WORKER)
    worker = [sys.executable, str(stage.home.parent / "worker.py")]
    stage.change_mission(
        runtime="helper", runtimes={"helper": {"command": worker, "prompt": "stdin"}}
    )
    stage.git("add", "--all")
    stage.git("commit", "-qm", "Plan")
    stage.outside(
        "panel", "start", "Is it so?", "--role", "critic", "--role", "implementer",
        "--writable", "--wait", "--json",
    )  # fmt: skip
    for command in (
        ("status",),
        ("panel", "list"),
        ("panel", "show", "last"),
        ("panel", "result", "last"),
        ("panel", "result", "last", "--markdown"),
        ("panel", "refresh", "last"),
        ("check",),
    ):
        stage.both(*command)
    stage.mission("panel", "start", "Is it so?", "--json")
    stage.mission("panel", "shutdown", "last", "--json")
    stage.both("panel", "show", "last")
    stage.both("status")


SCENES: Mapping[str, Callable[[Stage], None]] = {
    "plan": plan,
    "broken": broken,
    "worked": worked,
    "live": live,
    "panels": panels,
}
