"""Looking at tasks and sessions: filters, words, what comes next, and titles that follow."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.support.in_process import Answer, call
from tests.support.mission import MissionRepo


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mission with tasks of many fields and states; nothing changes it."""
    folder = tmp_path_factory.mktemp("many")
    MissionRepo(folder, {}).git("init", "-q", "-b", "main")
    call(folder, "init", "--name", "Many", "--milestone", "M1: One", "--milestone", "M2: Two")
    for title, *options in (
        ("Parse the words", "-m", "M1"),
        ("Search box", "-m", "M1", "-d", "T-001"),
        ("Login form", "-m", "M2"),
        ("Old news", "-m", "M2"),
        ("Which colour", "-m", "M2"),
    ):
        call(folder, "add", title, *options)
    for change in (
        ("T-001", "labels=ui,core", "assignee=Ann", "priority=high", "runtime=claude"),
        ("T-002", "labels=ui", "assignee=ben", "priority=low"),
        ("T-003", "labels=web", "status=review"),
        ("T-004", "status=done", "assignee=ann"),
    ):
        assert call(folder, "set", *change).exit_code == 0
    call(folder, "block", "T-005", "--why", "red or blue?")
    file = next((folder / "coordination" / "tasks").glob("T-003*"))
    text = file.read_text().replace("---\n\n#", "estimate: 5\nowner: {name: zoe}\n---\n\n#")
    file.write_text(
        text.replace("## Goal\n", "## Goal\n\nOnly by passkey.\n").replace(
            "- [ ]", "- [ ] a\n- [x] b"
        )
    )
    return folder


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", "1 2 3 5"),
        ("--label ui", "1 2"),
        ("--label ui --label core", "1"),
        ("--assignee ann", "1"),
        ("--assignee ann --assignee BEN", "1 2"),
        ("--all --assignee ann", "1 4"),
        ("--priority high,low", "1 2"),
        ("--runtime claude", "1"),
        ("--where estimate=5", "3"),
        ("--where owner=zoe", "3"),
        ("--where assignee=", "3 5"),
        ("--where 'labels!=ui'", "3 5"),
        ("--where title~SEARCH", "2"),
        ("--where id=T-001,T-003", "1 3"),
        ("--where depends-on=T-001", "2"),
        ("--where status=done", "4"),
        ("--where status=finished,verifying", "3 4"),
        ("--where milestone=M2 --where label=web", "3"),
        ("--search passkey", "3"),
        ("--search 'BOX search'", "2"),
        ("--search blue", "5"),
        ("--search 'parse passkey'", ""),
        ("--ready", "1"),
        ("--blocked", "2 5"),
        ("--blocked --milestone M1", "2"),
        ("--label ui --sort id --search form", ""),
    ],
)
def test_a_list_shows_what_is_asked_for(many: Path, options: str, expected: str) -> None:
    answer = call(many, "list", *shlex.split(options), "--json")
    assert answer.exit_code == 0, answer.stderr
    found = [task["id"] for task in answer.json()["tasks"]]
    assert found == [f"T-00{number}" for number in expected.split()]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("colour=red", "no task has a field `colour`"),
        ("assignee", "`assignee` is not a condition"),
        ("=x", "`=x` is not a condition"),
        ("status=dnoe", "`dnoe` is not a status"),
    ],
)
def test_a_condition_that_is_not_understood_is_refused(
    many: Path, condition: str, words: str
) -> None:
    answer = call(many, "list", "--where", condition)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert words in answer.stderr


def test_one_look_at_a_list_tells_where_each_task_stands(many: Path) -> None:
    head, *rows = call(many, "list").stdout.splitlines()
    at = {name: head.index(name) for name in ("waits for", "milestone", "who", "title")}
    cells = {row[:5]: [row[place:].split("  ")[0].strip() for place in at.values()] for row in rows}
    assert cells["T-001"] == ["ready", "M1", "Ann", "Parse the words"]
    assert cells["T-002"][0] == "T-001"
    assert cells["T-003"][:2] == ["a review", "M2"]
    assert [row[:5] for row in rows if "  1/2  " in row] == ["T-003"]
    assert cells["T-005"][0] == "red or blue?"
    listed = {each["id"]: each for each in call(many, "list", "--json").json()["tasks"]}
    assert [listed["T-002"]["waits_on"], listed["T-001"]["waits_on"]] == [["T-001"], []]
    assert {each["session"] for each in listed.values()} == {None}


@pytest.mark.parametrize(
    ("task_id", "command"),
    [
        ("T-001", "mission next T-001"),
        ("T-002", "mission next T-001"),
        ("T-003", "mission review T-003"),
        ("T-004", "mission next"),
        ("T-005", 'mission answer T-005 "…"'),
    ],
)
def test_show_ends_with_what_is_to_be_done_next(many: Path, task_id: str, command: str) -> None:
    answer = call(many, "show", task_id, "--json").json()
    assert (answer["next_command"], answer["next_commands"]) == (command, [command])
    assert call(many, "show", task_id).stdout.splitlines()[-1] == f"next: {command}"


@pytest.mark.parametrize(
    ("change", "command", "takes"),
    [
        ("status=in-progress", "mission next T-002", False),
        ("status=cancelled", "mission reopen T-002", True),
        ("depends_on=", "mission next T-002", False),
    ],
)
def test_the_next_command_is_that_of_the_state(
    repo: MissionRepo, change: str, command: str, takes: bool
) -> None:
    assert call(repo.path, "set", "T-002", change).exit_code == 0
    assert next_of(repo, "T-002") == command
    if takes:
        assert call(repo.path, *shlex.split(command)[1:]).exit_code == 0


def test_the_next_command_mends_what_keeps_a_task_waiting(repo: MissionRepo) -> None:
    call(repo.path, "set", "T-001", "depends_on=T-003")
    call(repo.path, "set", "T-002", "depends_on=T-001")
    call(repo.path, "block", "T-003", "--why", "the disk is full")
    assert next_of(repo, "T-002") == 'mission reopen T-003 --why "…"'
    assert call(repo.path, "reopen", "T-003", "--why", "there is room").exit_code == 0
    assert next_of(repo, "T-002") == "mission next T-003"
    file = next((repo.path / "coordination" / "tasks").glob("T-003*"))
    file.write_text(file.read_text().replace("status: todo", "status: dnoe"))
    assert next_of(repo, "T-002") == "mission set T-003 status=done"
    call(repo.path, "set", "T-003", "status=todo", "depends_on=T-002")
    assert next_of(repo, "T-002") == "mission check"


def next_of(repo: MissionRepo, task_id: str) -> str:
    return str(call(repo.path, "show", task_id, "--json").json()["next_command"])


def test_the_newest_sessions_are_shown_with_their_year_where_it_is_another(
    repo: MissionRepo,
) -> None:
    path = repo.path / "coordination" / "mission.json"
    document = json.loads(path.read_text())
    document["sessions"] = [
        {"id": f"sess-00{n}", "runtime": "demo", "startedAt": f"{year}-06-01T10:00:00Z",
         "endedAt": f"{year}-06-01T10:00:07Z", "endedReason": "completed", "lastTaskId": "T-001"}
        for n, year in ((1, 2019), (2, 2020), (3, 2021))
    ]  # fmt: skip
    path.write_text(json.dumps(document))
    answer = call(repo.path, "sessions", "--last", "2", "--json").json()
    assert [each["id"] for each in answer["sessions"]] == ["sess-002", "sess-003"]
    assert answer["hidden"] == 1
    lines = call(repo.path, "sessions", "--last", "2").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["session", "sess-002", "sess-003", "1"]
    assert "2021-06-01" in lines[2]
    assert call(repo.path, "sessions", "--last", "0").exit_code == 2


class TestTitles:
    def test_a_changed_heading_is_offered_and_taken_when_asked(self, repo: MissionRepo) -> None:
        file = next((repo.path / "coordination" / "tasks").glob("T-002*"))
        before = file.read_text()
        heading = next(line for line in before.splitlines() if line.startswith("# T-002"))
        file.write_text(before.replace(heading, "# T-002 A better title"))
        (found,) = [
            each
            for each in call(repo.path, "check", "--json").json()["findings"]
            if each["code"] == "TITLE_HEADING"
        ]
        line = before.splitlines().index(heading) + 1
        assert (found["line"], "A better title" in found["message"]) == (line, True)
        assert call(repo.path, "check", "--fix").exit_code in (0, 1)
        offered = call(repo.path, "sync", "--json").json()
        assert [each["heading"] for each in offered["other_headings"]] == ["A better title"]
        assert title_of(repo, "T-002") != "A better title"
        taken = call(repo.path, "sync", "--titles", "T-002", "--json").json()
        assert [each["heading"] for each in taken["titles"]] == ["A better title"]
        assert title_of(repo, "T-002") == "A better title"
        assert "A better title" in (repo.path / "coordination" / "TASKS.md").read_text()
        assert "in step" in call(repo.path, "sync").stdout

    @pytest.mark.parametrize(("line", "offered"), [("# T-002 ", ["T-002"]), ("title: ", [])])
    def test_what_was_changed_last_is_followed_after_a_commit(
        self, repo: MissionRepo, line: str, offered: list[str]
    ) -> None:
        file = next((repo.path / "coordination" / "tasks").glob("T-002*"))
        lines = file.read_text().splitlines(keepends=True)
        changed = [f"{line}Changed\n" if each.startswith(line) else each for each in lines]
        repo.git("add", "--all")
        repo.git("commit", "-qm", "Before", "--allow-empty")
        for _ in range(2):  # in the work tree, then committed
            file.write_text("".join(changed))
            repo.git("add", "--all")
            found = call(repo.path, "sync", "--json").json()["other_headings"]
            assert [each["task_id"] for each in found] == offered
            repo.git("commit", "-qam", "Change", "--allow-empty")

    def test_heading_file_and_links_follow_a_title_on_request(self, repo: MissionRepo) -> None:
        tasks = repo.path / "coordination" / "tasks"
        table = repo.path / "coordination" / "TASKS.md"
        old = next(tasks.glob("T-002*"))
        other = next(tasks.glob("T-001*"))
        link = f"\nSee [it](tasks/{old.name}), not x{old.name}.\n"
        table.write_text(table.read_text() + link)
        other.write_text(other.read_text() + f"\n- `{old.name}`\n")
        plain = call(repo.path, "set", "T-002", "title=Something else")
        assert "`--rename`" in plain.stdout
        assert old.exists()
        answer = call(repo.path, "set", "T-002", "title=Something else", "--rename")
        assert answer.exit_code == 0, answer.stderr
        new = tasks / "T-002-something-else.md"
        assert not old.exists()
        assert "# T-002 Something else\n" in new.read_text()
        assert f"[it](tasks/{new.name}), not x{old.name}." in table.read_text()
        assert f"`{new.name}`" in other.read_text()
        assert title_of(repo, "T-002") == "Something else"
        check = call(repo.path, "check", "--json").json()
        assert [each["code"] for each in check["findings"]] == []
        assert call(repo.path, "set", "T-002", "title=Something else", "--rename").exit_code == 0

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("labels=x", "--rename"), "`--rename` needs a title"),
            (("title=Taken", "--rename"), "is there already"),
        ],
    )
    def test_what_cannot_be_renamed_is_refused(
        self, repo: MissionRepo, arguments: tuple[str, ...], words: str
    ) -> None:
        (repo.path / "coordination" / "tasks" / "T-002-taken.md").write_text(
            "---\ntask_id: T-009\ntitle: Taken\nstatus: todo\n---\n"
        )
        answer: Answer = call(repo.path, "set", "T-002", *arguments)
        assert answer.exit_code == 2
        assert title_of(repo, "T-002") != "Taken"
        assert words in answer.stderr


def title_of(repo: MissionRepo, task_id: str) -> str:
    return str(call(repo.path, "show", task_id, "--json").json()["task"]["title"])
