"""`mission help`, and the examples of commands that only plan, run one after the other."""

from __future__ import annotations

from pathlib import Path

from mosaic.cli.app import PANELS
from mosaic.cli.teaching import examples_of
from mosaic.cli.topics import TOPICS
from tests.support.command_line import calls_in
from tests.support.in_process import call
from tests.support.mission import MissionRepo

RUN = (
    "add", "list", "show", "set", "done", "block", "cancel", "reopen", "graph", "sync", "check",
    "mv", "split", "milestone", "pause", "unpause", "sessions", "handoff", "status", "renumber",
    "trust", "migrate", "export", "report", "help",
)  # fmt: skip
CRITERIA = "\n## Acceptance criteria\n\n- [ ] one\n- [ ] two\n\n## files_changed"


def test_the_examples_of_planning_do_what_they_say(repo: MissionRepo) -> None:
    (repo.path / "notes.md").write_text("A note.\n")
    (task,) = (repo.path / "coordination" / "tasks").glob("T-001*")
    task.write_text(task.read_text().replace("\n## files_changed", CRITERIA, 1))
    for name in RUN:
        for example in examples_of(f"mission {name}"):
            for words in calls_in(example.command):
                if "--watch" not in words:
                    answer = call(repo.path, *words)
                    assert answer.exit_code == 0, f"{example.command}: {answer.stderr}"
    assert "A note." in task.read_text()
    assert "- [x] two" in task.read_text()
    assert call(repo.path, "show", "T-012").exit_code == 0


def test_the_examples_of_init_make_a_mission(tmp_path: Path) -> None:
    for number, example in enumerate(examples_of("mission init")):
        folder = tmp_path / str(number)
        folder.mkdir()
        if "--adopt" in example.command:
            (folder / "TASKS.md").write_text("| ID | Title |\n| --- | --- |\n| T-001 | x |\n")
        (words,) = calls_in(example.command)
        assert call(folder, *words).exit_code == 0, example.command
        assert (folder / "coordination" / "mission.json").is_file()


def test_help_explains_commands_and_topics(tmp_path: Path) -> None:
    whole = call(tmp_path, "help")
    assert whole.exit_code == 0
    for word in (*(name for names in PANELS.values() for name in names), *TOPICS):
        assert f"  {word} " in whole.stdout
    assert call(tmp_path, "help", "panel", "start") == call(tmp_path, "panel", "start", "--help")
    assert "mission set T-001" in call(tmp_path, "help", "fields").stdout
    assert call(tmp_path, "help", "exit-codes") == call(tmp_path, "help", "exit", "code")
    both = call(tmp_path, "help", "review").stdout
    assert both.startswith(call(tmp_path, "review", "--help").stdout)
    assert "claims beside evidence" in both
    wrong = call(tmp_path, "help", "reveiw")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "`mission help review`" in wrong.stderr
    assert call(tmp_path, "-V") == call(tmp_path, "--version")


def test_help_is_one_document_for_programs(tmp_path: Path) -> None:
    found = call(tmp_path, "help", "add", "--json").json()
    assert found["command"]["path"] == "mission add"
    assert {"name": "--milestone, -m ID", "meaning": "A milestone."} in found["command"]["options"]
    assert found["command"]["examples"][0]["command"].startswith("mission add ")
    topic = call(tmp_path, "help", "exit", "codes", "--json").json()
    assert topic["text"][0]["130"] == "It was interrupted by Ctrl-C."
    assert {*TOPICS} == {*call(tmp_path, "help", "--json").json()["topics"]}
