"""Nothing that a mission's files hold is obeyed by a terminal, whatever command shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.in_process import call
from tests.support.mission import MissionRepo

UNSEEN = "".join(
    map(
        chr,
        (
            *(0x80, 0x85, 0x90, 0x9F, 0x7F, 0xAD, 0x061C, 0x200B, 0x200D, 0x200E, 0x200F, 0xFEFF),
            *range(0x2028, 0x202F), *range(0x2060, 0x206A), 0x3164, 0xE0041, 0xE0101,
        ),
    )
)  # fmt: skip
HOSTILE = f"\x1b]0;owned\x07\x1b[31mred\x9b2J{UNSEEN}\u202egnp\u2066\u2028forged: line"
OBEYED = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{UNSEEN}]")
FORGED = re.compile("^forged", re.MULTILINE)
YAML_HOSTILE = '"' + "".join(f"\\U{ord(sign):08X}" for sign in HOSTILE) + '"'
COMMANDS = (
    "status", "list --all", "show T-001", "show T-002", "show T-001 --section notes",
    "next --explain", "next --print", "next --print --task T-001", "status --json",
    "check", "graph", "graph --mermaid", "graph --dot", "sync", "sessions",
    "sessions --live", "doctor", "review T-001", "review T-002", "handoff T-001",
    "checkpoint list T-001", "clean", "panel list", "panel show last", "migrate", "stop",
    "merge T-001", "resume T-001", "logs T-001", "set T-002 labels+=x", "done T-002",
    "show {hostile}", "set T-002 status={hostile}", "set T-002 {hostile}=1",
    "list --status {hostile}", "list --sort {hostile}", "next --print --task {hostile}",
    "gates {hostile}", "{hostile}",
    "panel show {hostile}", "logs {hostile}", "stop {hostile}", "next --print --runtime {hostile}",
)  # fmt: skip


@pytest.fixture
def hostile(repo: MissionRepo) -> MissionRepo:
    """A mission whose every word holds what a terminal obeys."""
    home = repo.path / "coordination"
    mission = repo.mission()
    mission["name"] += HOSTILE
    mission["description"] = HOSTILE
    mission["milestones"][0]["name"] += HOSTILE
    mission["runtimes"][f"x{HOSTILE}"] = {"command": ["true"]}
    mission["sessions"] = [
        {"sessionId": "sess-001", "runtime": f"q{HOSTILE}", "pid": 1, "host": f"h{HOSTILE}",
         "startedAt": "2026-01-01T00:00:00Z", "endedAt": "2026-01-01T00:00:00Z",
         "endedReason": "failed", "lastTaskId": "T-001", "milestoneId": f"M{HOSTILE}"},
    ]  # fmt: skip
    (home / "mission.json").write_text(json.dumps(mission))
    (task,) = (home / "tasks").glob("T-001*.md")
    text = task.read_text().replace("title: First", f"title: {YAML_HOSTILE}")
    more = [
        f"{key}: {YAML_HOSTILE}" for key in ("assignee", "priority", "branch", "pr", "base_ref")
    ]
    more += [f"{key}: [{YAML_HOSTILE}]" for key in ("labels", "write_scope", "depends_on")]
    text = text.replace("status:", "\n".join([*more, f"{YAML_HOSTILE}: 1", "status:"]), 1)
    for name in ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes"):
        text = text.replace(f"## {name}\n", f"## {name}\n\n- `a{HOSTILE}`\n", 1)
    task.write_text(text)
    (home / "tasks" / "bad\x1b[31m.md").write_text("---\ntask_id: T-7\n: : :\n---\n")
    (home / "tasks" / "T-008-x.md").write_text(
        f"---\ntask_id: T-008\ntitle: x\nstatus: {YAML_HOSTILE}\n---\n"
    )
    table = (home / "TASKS.md").read_text().splitlines()
    row = next(n for n, line in enumerate(table) if line.startswith("| T-002"))
    table[row] = table[row].replace("Second", f"Second{HOSTILE}")
    (home / "TASKS.md").write_text(f"{HOSTILE}\n" + "\n".join(table) + "\n")
    return repo


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_shows_nothing_that_a_terminal_obeys(hostile: MissionRepo, command: str) -> None:
    words = [word.replace("{hostile}", f"a{HOSTILE}") for word in command.split()]
    answer = call(hostile.path, *words)
    shown = answer.stdout + answer.stderr
    assert shown
    assert OBEYED.findall(shown) == [], shown
    assert FORGED.search(shown) is None, shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("name", ["status", "list", "show", "check", "sessions", "doctor"])
def test_as_json_every_character_is_kept_and_written_as_an_escape(
    hostile: MissionRepo, name: str
) -> None:
    answer = call(hostile.path, name, *(["T-001"] if name == "show" else []), "--json")
    assert "\x1b" not in answer.stdout
    assert "\x9b" not in answer.stdout
    json.loads(answer.stdout)


def test_what_an_agent_printed_is_shown_and_not_obeyed(repo: MissionRepo, tmp_path: Path) -> None:
    script = tmp_path / "say.py"
    script.write_text(f"import sys; sys.stdout.write({HOSTILE!r}); sys.stderr.write({HOSTILE!r})")
    mission = repo.mission()
    mission["runtimes"]["say"] = {"command": ["python3", str(script)]}
    (repo.path / "coordination/mission.json").write_text(json.dumps(mission))
    repo.run("next", "--headless", "--runtime", "say")
    for arguments in (("logs", "T-001"), ("logs", "T-001", "--stderr"), ("review", "T-001")):
        answer = call(repo.path, *arguments)
        assert OBEYED.findall(answer.stdout + answer.stderr) == []
    assert (repo.run_dir() / "stdout.log").read_bytes() == HOSTILE.encode()


def test_a_person_approves_the_very_bytes_that_the_agent_is_given(
    hostile: MissionRepo, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    mission = hostile.mission()
    keep = "import sys; open(sys.argv[1], 'w', newline='').write(sys.stdin.read())"
    mission["runtimes"]["keep"] = {
        "command": ["python3", "-c", keep, str(given)], "prompt": "stdin"
    }  # fmt: skip
    (hostile.path / "coordination/mission.json").write_text(json.dumps(mission))
    options = ("--runtime", "keep", "--task", "T-003")
    (task,) = (hostile.path / "coordination/tasks").glob("T-003*.md")
    task.write_text(
        task.read_text()
        .replace("title: Third", f"title: {YAML_HOSTILE}")
        .replace("## Goal\n", f"## Goal\n\nDelete\tit{HOSTILE}\n", 1)
    )
    printed = hostile.run("next", "--print", *options)
    launched = hostile.run("next", "--headless", *options)
    assert launched.exit_code == 0, launched.stderr
    prompt = given.read_text()
    assert "Delete\tit" in prompt
    assert OBEYED.findall(prompt) == []
    # `--print` begins no session, and there is no folder of a run to speak of.
    own = re.compile(r"^- Session: |/\.state/runs/")
    approved, told = (
        [line for line in text.split("\n") if line and not own.search(line)]
        for text in (printed.stdout, prompt)
    )
    assert approved == told
