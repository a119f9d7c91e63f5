"""The schemas are the code's, every command with `--json` has one, and what is printed fits."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mosaic.app.schemas import OUTPUT, schema_kinds
from mosaic.text.frontmatter import parse_front_matter
from tests.golden.stage import Stage
from tests.golden.test_golden import KEPT
from tests.schemas.kinds import DOCUMENTS
from tests.schemas.written import kept, lost, make_all
from tests.support.command_line import every_command
from tests.support.documents import check, validator
from tests.support.in_process import call

PRINT_NONE = ("panel", "milestone", "setup", "board", "mcp")
"""Commands that print no document of their own: those below them do, or they never end."""


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return make_all()


def test_the_schemas_are_made_from_the_code_as_it_is(made: dict[str, Any]) -> None:
    assert kept() == made, "run `python -m tests.schemas`, then `python -m tests.reference`"


def test_each_is_a_schema(made: dict[str, Any]) -> None:
    for kind, schema in made.items():
        validator(kind).check_schema(schema)


def test_every_command_with_json_has_a_schema() -> None:
    documented = {command for each in DOCUMENTS.values() for command in each.commands}
    taking = {
        path.removeprefix("mission ")
        for path, command in every_command()
        if any("--json" in each.opts for each in command.params)
    }

    assert taking - documented == set(), "add them to `tests/schemas/kinds.py`"
    assert documented - taking == set()


def test_what_programs_count_on_is_not_lost_unless_the_version_is_raised(
    made: dict[str, Any],
) -> None:
    status = f"{OUTPUT}mission.status"
    before = {status: made[status], "gone": made["task"]}
    changed = copy.deepcopy(made[status])
    del changed["properties"]["problems"]
    changed["required"].remove("next_task")
    for each in changed["$defs"].values():
        each["properties"].pop("way_out", None)
    found = lost(before, {status: changed})

    assert set(found) == {
        f"{status}: `problems` is gone",
        f"{status}: `next_task` may be missing now",
        f"{status}: `live_sessions.way_out` is gone",
        "gone is gone",
    }
    assert not lost(made, made)
    changed["$id"] = changed["$id"].replace(":1", ":2")
    assert not lost({status: made[status]}, {status: changed})


def test_a_schema_is_printed_by_its_kind_and_in_full(tmp_path: Path) -> None:
    listed = call(tmp_path, "schema", "--json").json()["schemas"]
    assert [each["kind"] for each in listed] == schema_kinds()
    assert all(each["about"] and Path(each["file"]).is_file() for each in listed)

    ids = [
        json.loads(call(tmp_path, "schema", kind).stdout)["$id"] for kind in ("task", "task.list")
    ]
    assert ids == ["urn:mosaic-mission:task:1", "urn:mosaic-mission:output/task.list:1"]
    full = json.loads(call(tmp_path, "schema", "output/task", "--json").stdout)
    assert full["properties"]["kind"] == {"const": "task"}

    for wrong in ("tusk", "../reference", "output"):
        refused = call(tmp_path, "schema", wrong)
        assert refused.exit_code == 2
        assert f"there is no schema `{wrong}`" in refused.stderr
    assert "closest: `task`" in call(tmp_path, "schema", "tusk").stderr


def test_errors_go_to_stdout_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = call(tmp_path, "list", "--json")
    assert (usual.exit_code, usual.stdout) == (2, "")
    document = json.loads(usual.stderr)
    check(f"{OUTPUT}error", document)

    option = "--json-errors=stdout"
    for line in (
        ("list", "--json", option),
        (option, "--json", "list"),
        ("list", "--json", *option.split("=")),
    ):
        asked = call(tmp_path, *line)
        assert (asked.exit_code, asked.json(), asked.stderr) == (2, document, ""), line
    wrong = call(tmp_path, "list", "--nonsense", "--json", option)
    assert (wrong.exit_code, wrong.json()["code"], wrong.stderr) == (2, "USAGE", "")
    plain = call(tmp_path, "list", option)
    assert (plain.stdout, plain.stderr.partition(":")[0]) == ("", "error")

    monkeypatch.setenv("MISSION_JSON_ERRORS", "stdout")
    assert call(tmp_path, "list", "--json").json() == document
    assert call(tmp_path, "list", "--json", "--json-errors=stderr").stdout == ""
    monkeypatch.setenv("MISSION_JSON_ERRORS", "elsewhere")
    refused = call(tmp_path, "schema", "--json")
    assert refused.exit_code == 2
    assert json.loads(refused.stderr)["message"] == "errors cannot go to `elsewhere`"
    monkeypatch.delenv("MISSION_JSON_ERRORS")
    # The words behind `exec` are another program's.
    ran = call(tmp_path, "exec", "T-1", "--", "tool", "--json-errors=nonsense")
    assert "errors cannot go" not in ran.stderr


def test_what_people_write_is_described_and_their_own_keys_are_theirs(made: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator

    def takes(kind: str, values: Any) -> bool:
        return bool(Draft202012Validator(made[kind]).is_valid(values))

    task = {"task_id": "T-1", "title": "One", "status": "todo", "estimate": 3, "labels": "a"}
    assert takes("task", task)
    assert takes("task", {**task, "status": "frozen", "depends_on": ["T-2"]})
    assert not takes("task", {**task, "title": None})
    assert not takes("task", {**task, "depends_on": {"T-2": 1}})
    assert not takes("task", {"title": "One", "status": "todo"})
    assert takes("mission", {"owner": "ann", "landing": "green", "runs": {"stalledAfter": "off"}})
    assert takes("mission", {"runtimes": {"a": ["a"], "b": {"command": ["b"], "prompt": "file"}}})
    assert not takes("mission", {"landing": "sometimes"})
    assert not takes("mission", {"runtimes": {"b": {"prompt": "pigeon"}}})
    assert not takes("mission", {"milestones": [{"name": "First"}]})
    assert takes("config", {"colour": "auto", "models": {"claude": "opus"}})
    assert not takes("config", {"colour": "red"})


AGENT = """\
import json, os, pathlib, subprocess, sys

sys.stdin.read()
pathlib.Path("one.txt").write_text("one")
report = {"summary": "done", "artifacts": [{"path": "one.txt"}],
          "suggested_followup": [{"step_name": "more"}]}
folder = pathlib.Path(os.environ["MISSION_RUN_DIR"], "artifacts")
(folder / "report.json").write_text(json.dumps(report))
mission = [sys.executable, "-m", "mosaic"]
sections = ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes")
for name in sections if os.environ["MISSION_TASK"] == "T-001" else ():
    text = "- `one.txt`" if name == "files_changed" else "none"
    subprocess.run([*mission, "handoff", "T-001", "--set", name, "--text", text], check=True)
print(json.dumps({"type": "conversation", "id": "talk-1"}))
print(json.dumps({"type": "message", "text": "done"}))
"""
PLAYED = """
add One --goal Words --ac Shown --scope one.txt --json
add Two -d T-001 --json
add Three --json
add Four --json
milestone add Later --json
milestone rename M1 Sooner --json
milestone list --json
set T-003 T-004 milestone=M1 --json
mv T-003 --before T-002 --json
mv T-004 --after T-003 --json
split T-003 Read Write --json
rm T-004 --yes --json
renumber T-005 T-050 --json
show T-001 --section Goal --json
pause --json
unpause --json
export checklist --json
import checklist coordination/TASKS.md --json
setup git --dry-run --json
setup git --json
config --json
config set editor true --json
help --json
help add --json
help files --json
trust --forget --json
trust --json
exec T-001 --prepare --step look --json -- true
merge --dry-run --json
sessions --json
report --json
schema --json
edit T-001 --json
config unset editor --json
check --json
next --explain --json
next --print --runtime helper --json
next T-001 --runtime helper --headless --json
show T-001 --json
status --json
sessions --json
review T-001 --json
review T-001 --diff --json
report --json
logs T-001 --json
logs T-001 --events --json
checkpoint T-001 --note Here --json
checkpoint list T-001 --json
review T-001 --approve --force --json
clean --dry-run --json
clean --json
setup claude --json
setup claude --remove --json
git add --all
git commit -qm Work
next T-006 --runtime helper --worktree --headless --json
done T-006 --force --json
merge T-006 --json
clean --worktree T-006 --force --json
next --loop --max-sessions 1 --runtime helper --json
next -j 2 --max-sessions 1 --runtime helper --json
"""


ELSEWHERE = {
    "checkpoint.restore_aborted", "demo", "fleet.connected", "fleet.list", "fleet.started",
    "fleet.stopped", "hosts.added", "hosts.check", "hosts.cleaned", "hosts.list",
    "mission.resolve", "panel.message", "panel.resumed", "panel.started", "panel.stopped",
    "pool.started", "pr", "pr.list", "session.forgotten", "web",
}  # fmt: skip
"""What takes more than one machine, a fleet, a host, a conflict or a panel: the tests of those
read it, and whatever a test reads is held against its schema."""


def kinds_of(answers: list[dict[str, Any]]) -> set[str]:
    printed = [each[stream] for each in answers for stream in ("stdout", "stderr")]
    documents = [each for one in printed for each in (one if isinstance(one, list) else [one])]
    return {each["kind"] for each in documents if isinstance(each, dict) and "kind" in each}


def test_files_and_documents_of_a_mission_that_was_worked_on_fit(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.git("init", "-q", "-b", "main")
    stage.mission("init", "--name", "All", "--milestone", "M1: First", "--json")
    stage.write("agent.py", AGENT)
    command = {"command": [sys.executable, "agent.py"], "timeout": "5m"}
    stage.change_mission(runtimes={"helper": command}, qualityGates="true")
    for line in PLAYED.strip().splitlines():
        if line.startswith("git"):
            stage.git(*line.split()[1:])
            continue
        play = (
            stage.outside
            if line.startswith(("next T", "next -j", "next --loop", "edit"))
            else stage.mission
        )
        play(*line.split())

    kinds = kinds_of(stage.answers)
    for path in KEPT.glob("*.json"):
        kinds |= kinds_of(json.loads(path.read_text(encoding="utf-8")))
    assert DOCUMENTS.keys() - kinds == ELSEWHERE, "print them in `PLAYED`"
    coordination = stage.project / "coordination"
    check("mission", json.loads((coordination / "mission.json").read_text()))
    for task in coordination.glob("tasks/*.md"):
        matter = parse_front_matter(task.read_text())
        assert matter is not None
        check("task", dict(matter.data))
    state = coordination / ".state"
    check("capsule", json.loads((state / "next-task.json").read_text()))
    for kind, name in (
        ("run", "meta.json"),
        ("run-state", "state.json"),
        ("result", "result.json"),
        ("checkpoint", "checkpoints/*.json"),
        ("agent-report", "artifacts/report.json"),
    ):
        found = [*state.glob(f"runs/*/*/{name}")]
        assert found, name
        for path in found:
            check(kind, json.loads(path.read_text()))
    for log in state.glob("runs/*/*/worker.log"):
        for line in log.read_text().splitlines():
            check("event", json.loads(line))
