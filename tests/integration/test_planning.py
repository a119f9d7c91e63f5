"""Planning by command: what is printed, what is written, and what stays as it was."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.mission import MissionRepo, wait_for

COMMANDS = (
    "init add list show set done block cancel reopen graph sync check "
    "next resume sessions stop status demo doctor migrate"
).split()


def task_file(repo: MissionRepo, task_id: str) -> Path:
    return next((repo.path / "coordination" / "tasks").glob(f"{task_id}*.md"))


def table(repo: MissionRepo) -> str:
    return (repo.path / "coordination" / "TASKS.md").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_takes_json(repo: MissionRepo, command: str) -> None:
    answer = repo.run(command, "--help")
    assert answer.exit_code == 0
    assert "--json" in answer.stdout
    assert "╭" not in answer.stdout


def test_help_groups_the_commands_by_their_job(repo: MissionRepo) -> None:
    for arguments in ((), ("--help",)):
        said = repo.run(*arguments).stdout
        places = [said.index(f"\n{name}:\n") for name in ("Plan", "Hand off", "Review")]
        assert places == sorted(places)
        assert all(f"  {command} " in said for command in COMMANDS)


def test_a_set_changes_only_the_value_and_its_time(repo: MissionRepo) -> None:
    path = task_file(repo, "T-001")
    path.write_text(path.read_text().replace("status: todo", "status: todo   # mine"))
    repo.git("commit", "-qam", "comment")
    assert repo.run("set", "T-001", "status=done").exit_code == 0
    changed = [
        line
        for line in repo.git("diff", "-U0").splitlines()
        if line.startswith(("+", "-")) and not line.startswith(("+++", "---"))
    ]
    assert "-status: todo   # mine" in changed
    assert "+status: done   # mine" in changed
    assert "-| T-001 | todo | M1 | First |  |  |  |" in changed
    assert "+| T-001 | done | M1 | First |  |  |  |" in changed
    others = [line for line in changed if "updated_at" not in line]
    assert len(others) == 4


def test_the_table_gets_the_word_that_it_uses_itself(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "TASKS.md"
    path.write_text(path.read_text().replace("| T-002 | todo |", "| T-002 | ✅ Shipped |"))
    mission = repo.mission()
    mission["statuses"] = {"shipped": "done"}
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    assert repo.run("sync").exit_code == 0
    assert repo.run("done", "T-001").exit_code == 0
    assert "| T-001 | ✅ Shipped |" in table(repo)
    assert "status: done" in task_file(repo, "T-001").read_text()


def test_lists_are_added_to_and_taken_from(repo: MissionRepo) -> None:
    assert repo.run("set", "T-003", "depends_on=T-001,T-002", "labels+=x").exit_code == 0
    assert "| T-001, T-002 |" in table(repo)
    assert repo.run("set", "T-003", "depends_on-=T-001").exit_code == 0
    task = repo.run("show", "T-003", "--json").json()["task"]
    assert task["depends_on"] == ["T-002"]
    assert task["labels"] == ["x"]
    assert task["reason"] == "WAITS"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("status=dnoe", "nearest: `done`"),
        ("colour=red", "not a field"),
        ("task_id=T-9", "not a field"),
        ("status", "not a change"),
        ("title+=x", "not a list"),
        ("title=", "empty"),
        ("title=a\nb", "one line"),
        ("depends_on+=T-99", "no task matches"),
        ("depends_on+=T-001", "itself"),
        ("labels-=nope", "does not contain"),
    ],
)
def test_a_change_that_is_not_understood_is_refused(
    repo: MissionRepo, change: str, words: str
) -> None:
    answer = repo.run("set", "T-001", change)
    assert answer.exit_code == 2
    assert words in answer.stderr
    assert repo.git("status", "--short").strip() == ""


def test_why_is_noted_in_the_file_or_in_the_table(repo: MissionRepo) -> None:
    repo.run("add", "Only a row", "--table-only")
    assert repo.run("block", "T-001", "--why", "no key | yet").exit_code == 0
    assert repo.run("cancel", "T-004", "--why", "not | needed").exit_code == 0
    notes = repo.run("show", "T-001", "--section", "notes").stdout
    assert "blocked: no key | yet" in notes
    assert "cancelled: not \\| needed" in table(repo)
    assert repo.run("block", "T-002", "--why", " ").exit_code == 2
    assert "no key | yet" in repo.run("status").stdout


def test_the_next_id_is_free_on_other_branches_and_never_given_again(repo: MissionRepo) -> None:
    repo.git("checkout", "-qb", "other")
    assert repo.run("add", "On another branch").stdout.strip() == "T-004"
    repo.git("add", "--all")
    repo.git("commit", "-qm", "more")
    repo.git("checkout", "-q", "main")
    assert repo.run("add", "Here").stdout.strip() == "T-005"
    task_file(repo, "T-005").unlink()
    path = repo.path / "coordination" / "TASKS.md"
    kept = [line for line in path.read_text().splitlines(keepends=True) if "T-005" not in line]
    path.write_text("".join(kept))
    assert repo.run("add", "After a removal").stdout.strip() == "T-006"


def test_an_added_task_reads_back_whatever_its_title(repo: MissionRepo) -> None:
    titles = [
        "a: b # c",
        "'quoted' \"twice\"",
        "pipe | and `code`",
        "写文档 🚀",
        "dash - it",
        "[x] y",
    ]
    for title in titles:
        assert repo.run("add", title, "--scope", "src/**", "-d", "T-001").exit_code == 0
    listed = repo.run("list", "--json").json()["tasks"]
    assert [task["title"] for task in listed[3:]] == titles
    assert repo.run("check").exit_code == 0


def test_a_body_comes_by_file_or_stdin(repo: MissionRepo, tmp_path: Path) -> None:
    body = tmp_path / "body.md"
    body.write_text("## Goal\n\nMake it so.\n\n- [ ] a criterion\n")
    assert repo.run("add", "With a body", "--body", str(body)).exit_code == 0
    assert "Make it so." in task_file(repo, "T-004").read_text()
    assert repo.run("add", "None", "--body", "no-such-file").exit_code == 2


def test_two_writers_lose_nothing_and_share_no_id(repo: MissionRepo) -> None:
    adding = [repo.start("add", f"Task {number}") for number in range(10)]
    setting = [repo.start("set", "T-001", f"labels+=l{number}") for number in range(10)]
    for process in (*adding, *setting):
        assert process.wait(timeout=60) == 0, process.stderr.read() if process.stderr else ""
    ids = {process.stdout.read().strip() for process in adding if process.stdout}
    assert len(ids) == 10
    assert set(repo.run("show", "T-001", "--json").json()["task"]["labels"]) == {
        f"l{number}" for number in range(10)
    }
    assert len(repo.run("list", "--json").json()["tasks"]) == 13
    assert repo.run("check").exit_code == 0


def test_a_held_lock_is_waited_for_and_its_holder_named(repo: MissionRepo) -> None:
    program = (
        "import sys; from pathlib import Path; from mosaic.machine.lock import mission_lock\n"
        "with mission_lock(Path(sys.argv[1]), holder='a long thing', timeout_seconds=5):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [repo.argv()[0], "-c", program, str(repo.state / "mission.lock")],
        env=repo.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        answer = repo.run("set", "T-001", "status=done", MISSION_PATIENCE="1")
        assert answer.exit_code == 4
        assert f"pid {holder.pid}" in answer.stderr
        assert "a long thing" in answer.stderr
        assert repo.run("list").exit_code == 0
        refused = repo.run("set", "T-001", "status=done", MISSION_PATIENCE="1 s")
        assert refused.exit_code == 2
        assert "`1 s`, which is not a number of seconds" in refused.stderr
    finally:
        holder.communicate()


def test_the_graph_names_cycles_and_draws_in_three_ways(repo: MissionRepo) -> None:
    repo.run("set", "T-001", "depends_on=T-002")
    path = task_file(repo, "T-002")
    path.write_text(path.read_text().replace("milestone: M1", "depends_on: [T-001]\nmilestone: M1"))
    said = repo.run("graph").stdout
    assert "cycle: T-001 → T-002 → T-001" in said
    assert repo.run("graph", "--mermaid").stdout.startswith("flowchart TD\n")
    assert repo.run("graph", "--dot").stdout.startswith("digraph mission {\n")
    assert repo.run("graph", "--json").json()["cycles"] == [["T-001", "T-002", "T-001"]]
    findings = repo.run("check", "--json").json()["findings"]
    assert any(finding["code"] == "DEPENDENCY_CYCLE" for finding in findings)
    explained = repo.run("next", "--explain").stdout
    assert "T-001  is on a cycle" in explained


def test_check_finds_and_mends_drift(repo: MissionRepo) -> None:
    path = task_file(repo, "T-001")
    path.write_text(path.read_text().replace("title: First", "title: Another"))
    found = repo.run("check", "--json").json()["findings"]
    assert [(f["code"], f["fixable"]) for f in found] == [("DRIFT", True)]
    assert repo.run("check", "--fix").exit_code == 0
    assert "| Another |" in table(repo)
    assert repo.run("check").stdout.strip() == "nothing is wrong"


def test_init_refuses_to_overwrite_and_adopts_what_is_there(
    repo: MissionRepo, tmp_path: Path
) -> None:
    again = repo.run("init")
    assert again.exit_code == 2
    folder = tmp_path / "adopted"
    (folder / "coordination").mkdir(parents=True)
    text = "# Plan\r\n\r\n| Status | ID | Title |\r\n|---|---|---|\r\n| WIP | A-1 | Old |\r\n"
    (folder / "coordination" / "TASKS.md").write_bytes(text.encode())
    other = MissionRepo(folder, repo.environ)
    assert other.run("init").exit_code == 2
    assert other.run("init", "--adopt", "--prefix", "A").exit_code == 0
    assert (folder / "coordination" / "TASKS.md").read_bytes() == text.encode()
    assert other.run("list", "--json").json()["tasks"][0]["status"] == "in-progress"
    assert other.run("add", "New").stdout.strip() == "A-2"
    assert (folder / "coordination" / "TASKS.md").read_bytes().startswith(text.encode())


def test_init_adds_nothing_unasked_to_a_repository_with_ci(
    repo: MissionRepo, tmp_path: Path
) -> None:
    other = MissionRepo(tmp_path / "with-ci", repo.environ)
    (other.path / ".github" / "workflows").mkdir(parents=True)
    for name in (".github/workflows/ci.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml"):
        (other.path / name).write_text("jobs: {}\n")
    other.git("init", "-q")
    other.git("add", "--all")
    kept = [(other.path / ".git" / name).read_bytes() for name in ("config", "info/exclude")]
    hooks = sorted((other.path / ".git" / "hooks").iterdir())
    assert other.run("init", "--name", "X").exit_code == 0
    changed = other.git("status", "--porcelain", "--untracked-files=normal").splitlines()
    assert [line for line in changed if not line.startswith("A  ")] == ["?? coordination/"]
    assert [(other.path / ".git" / n).read_bytes() for n in ("config", "info/exclude")] == kept
    assert sorted((other.path / ".git" / "hooks").iterdir()) == hooks


def test_agents_are_told_between_markers_once(repo: MissionRepo, tmp_path: Path) -> None:
    folder = tmp_path / "told"
    folder.mkdir()
    (folder / "CLAUDE.md").write_bytes(b"# Mine\r\n\r\nmy words")
    other = MissionRepo(folder, repo.environ)
    assert other.run("init", "--agents").exit_code == 0
    told = (folder / "CLAUDE.md").read_bytes()
    assert told.startswith(b"# Mine\r\n\r\nmy words\r\n\r\n<!-- mission:begin -->\r\n")
    assert told.endswith(b"<!-- mission:end -->")
    assert not (folder / "AGENTS.md").exists()


OLD_MISSION = {
    "schema_version": 1,
    "mission_id": "old",
    "name": "Old",
    "project_path": ".",
    "tasks_file": "docs/TASKS.md",
    "manifest_file": "docs/MISSION.md",
    "scratchpad_file": "docs/pad.md",
    "orchestrator_dir": ".mosaic/orchestrator",
    "sessions": [
        {"session_id": "sess-001", "runtime": "claude", "started_at": "2026-01-01T00:00:00Z",
         "ended_at": "2026-01-01T00:10:00Z", "ended_reason": "completed", "last_task_id": "X-1"}
    ],
}  # fmt: skip


def test_the_older_layout_is_read_and_migrated(repo: MissionRepo, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    (folder / ".mosaic" / "orchestrator").mkdir(parents=True)
    (folder / "docs").mkdir()
    place = folder / ".mosaic" / "orchestrator" / "mission.json"
    place.write_text(json.dumps(OLD_MISSION))
    rows = "| id | status | description |\n|---|---|---|\n| X-1 | not-started | Old task |\n"
    (folder / "docs" / "TASKS.md").write_text(rows)
    old = MissionRepo(folder, repo.environ)
    assert old.run("list", "--json").json()["tasks"][0]["title"] == "Old task"
    assert "sess-001" in old.run("sessions").stdout
    assert old.run("next", "--print", "--runtime", "demo").exit_code == 0
    ignored = (folder / ".mosaic" / "orchestrator" / ".gitignore").read_text().splitlines()
    assert {"/runs", "/session.lock", "/.gitignore"} < set(ignored)
    assert "/mission.json" not in ignored
    assert old.run("migrate", "--dry-run").exit_code == 0
    assert place.exists()
    assert old.run("migrate").exit_code == 0
    moved = json.loads((folder / "coordination" / "mission.json").read_text())
    assert moved["sessions"][0]["sessionId"] == "sess-001"
    assert moved["tasksFile"] == "docs/TASKS.md"
    assert old.run("list", "--json").json()["tasks"][0]["id"] == "X-1"
    assert old.run("done", "X-1").exit_code == 0
    assert (folder / "docs" / "TASKS.md").read_text() == rows.replace("not-started", "done")
    assert old.run("migrate").stdout.strip() == "nothing to migrate"


def test_output_for_programs_has_one_shape(repo: MissionRepo) -> None:
    for command in ("list", "status", "graph", "sessions", "check", "doctor", "sync"):
        document = repo.run(command, "--json").json()
        assert document["schema_version"] == 1
        assert document["kind"]
        assert isinstance(document["next_commands"], list)


def test_a_reader_that_goes_away_is_no_error(repo: MissionRepo) -> None:
    command = f"{' '.join(repo.argv('list'))} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=repo.path, env=repo.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""


def test_words_of_files_cannot_steer_the_terminal(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "TASKS.md"
    path.write_text(path.read_text().replace("| First |", "| Fi\x1b[31mrst |"))
    task = task_file(repo, "T-001")
    task.write_text(task.read_text().replace("## Goal\n", "## Goal\n\n\x1b]0;owned\x07text\n"))
    for command in (("list",), ("show", "T-001"), ("status",), ("check",), ("sync",)):
        answer = repo.run(*command)
        assert "\x1b" not in answer.stdout + answer.stderr


def test_a_locale_without_unicode_shows_what_it_can(repo: MissionRepo) -> None:
    repo.run("add", "写文档")
    answer = repo.run("list", LANG="C", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert answer.exit_code == 0
    assert "T-004" in answer.stdout


def test_completion_knows_ids_fields_statuses_and_runtimes(repo: MissionRepo) -> None:
    wanted = {
        "mission show T-00": "T-001",
        "mission set T-001 sta": "status=",
        "mission set T-001 status=re": "status=review",
        "mission next --runtime qu": "quick",
        "mission stat": "status",
    }
    program = "import sys; sys.argv = ['mission']; from mosaic.cli import main; main()"
    for line, word in wanted.items():
        done = subprocess.run(
            [repo.argv()[0], "-c", program],
            cwd=repo.path,
            env={
                **repo.environ,
                "_MISSION_COMPLETE": "complete_bash",
                "COMP_WORDS": line,
                "COMP_CWORD": str(len(line.split()) - 1),
            },
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert word in done.stdout.splitlines()


def test_status_watches_until_it_is_interrupted(repo: MissionRepo) -> None:
    process = repo.start("status", "--watch")
    assert process.stdout is not None
    assert "Sessions" in process.stdout.readline()
    process.send_signal(2)
    assert process.wait(timeout=60) == 130


def test_the_demo_carries_its_mission_to_the_end(repo: MissionRepo, tmp_path: Path) -> None:
    answer = repo.run("demo", str(tmp_path / "demo"), "--json")
    assert answer.exit_code == 0
    told = answer.json()
    assert told["finished"] is True
    played = MissionRepo(Path(told["folder"]), repo.environ)
    ends = [session["endedReason"] for session in played.mission()["sessions"]]
    assert ends == ["completed", "crashed", "completed", "blocked", "completed"]
    assert repo.run("demo", str(tmp_path / "demo")).exit_code == 2


def test_a_mission_is_found_from_below_and_named_outright(repo: MissionRepo) -> None:
    below = repo.path / "src" / "deep"
    below.mkdir(parents=True)
    assert "T-001" in MissionRepo(below, repo.environ).run("list").stdout
    away = MissionRepo(Path("/"), repo.environ)
    assert "T-001" in away.run("list", "--mission", str(repo.path)).stdout
    named = str(repo.path / "coordination" / "mission.json")
    assert "T-001" in away.run("list", MISSION_FILE=named).stdout
    wait_for(lambda: os.path.exists(named))


def test_an_interrupted_change_is_finished_by_the_next_command(repo: MissionRepo) -> None:
    program = (
        "import os, sys\n"
        "renamed = []\n"
        "def hook(event, args):\n"
        "    if event == 'os.rename' and str(args[1]).endswith('.md'):\n"
        "        renamed.append(args[1])\n"
        "        if len(renamed) == 2: os._exit(9)\n"
        "sys.addaudithook(hook)\n"
        "from mosaic.cli import main\n"
        "main(['set', 'T-001', 'status=done'])\n"
    )
    done = subprocess.run(
        [repo.argv()[0], "-c", program], cwd=repo.path, env=repo.environ, check=False
    )
    assert done.returncode == 9
    assert (repo.state / "intent.json").exists()
    said = [task_file(repo, "T-001").read_text(), table(repo)]
    assert sum("done" in text for text in said) == 1
    assert repo.task_status("T-001") == "done"
    assert repo.run("set", "T-002", "priority=high").exit_code == 0
    assert not (repo.state / "intent.json").exists()
    assert "status: done" in task_file(repo, "T-001").read_text()
    assert "| T-001 | done |" in table(repo)
    assert repo.run("check").stdout.startswith("warning: `T-001` is done, and its handoff lacks")


def test_a_clone_works_at_once_and_keeps_its_state_out_of_git(
    repo: MissionRepo, tmp_path: Path
) -> None:
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(repo.path), str(folder)], check=True)
    clone = MissionRepo(folder, repo.environ)
    assert clone.run("list").exit_code == 0
    assert clone.run("next", "--print", "--runtime", "quick").exit_code == 0
    assert clone.git("status", "--short").strip() == ""
    assert clone.run("set", "T-001", "status=done").exit_code == 0
    changed = clone.git("status", "--short").split()[1::2]
    assert changed == [
        "coordination/TASKS.md",
        f"coordination/tasks/{task_file(clone, 'T-001').name}",
    ]
