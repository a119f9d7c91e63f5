"""No TAB runs what a cloned repository says: in bash, zsh and fish, whatever is completed.

Every command and option that completes something is found by itself, so that one that is added
later is tested too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from mosaic.cli.app import build_app
from mosaic.cli.completing import plain_words
from tests.support.in_process import call
from tests.support.mission import MissionRepo
from tests.support.typing_shell import SHELLS, Shell, open_shell

PAYLOADS = (
    "$(touch pwned)", "`touch pwned`", r"\$(touch pwned)", r"\\$(touch pwned)", r"\`touch pwned\`",
    r'\"$(touch pwned)\"', '"$(touch pwned)"', '"; touch pwned; "', "';touch pwned;'",
    r"\';touch pwned;\'", "x\n$(touch pwned)", "x\ntouch pwned", "x\t$(touch pwned)",
    "((touch pwned))", ")) ; touch pwned ; ((", "))';touch pwned;'", "{a,$(touch pwned)}",
    "~/$(touch pwned)", "%s$(touch pwned)", "<(touch pwned)", "=(touch pwned)", "=touch", "~", "*",
    "${(e):-$(touch pwned)}", "x;touch pwned", "x|touch pwned", "x&touch pwned", "x>pwned",
    "--$(touch pwned)", "-x", "x\u2028$(touch pwned)", "\u202e$(touch pwned)",
    "$(touch pwned)" * 500,
    "x" * 5000, "x\x00y", "x\x1b]0;y\x07", "\ud800$(touch pwned)", "",
)  # fmt: skip
PLAIN = {"runtime": "rt-plain.1", "milestone": "M2:plain", "letters": "Мета", "session": "sess-777"}
PLAIN_WORD = re.compile(r"[\w./+,@%:][\w./+=,@%:-]*")
PLAIN_HELP = re.compile(r"[\w./+=,@%: -]{0,100}")


def completing_lines() -> dict[str, object]:
    """Return a line for each thing that can be completed, and what completes it."""
    lines: dict[str, object] = {}
    stack: list[tuple[str, Any]] = [("mission", typer.main.get_command(build_app(None)))]
    while stack:
        called, command = stack.pop()
        stack += [
            (f"{called} {name}", each) for name, each in getattr(command, "commands", {}).items()
        ]
        before = ""
        for param in command.params:
            completes = param._custom_shell_complete
            by = completes and completes.__closure__[0].cell_contents.__wrapped__
            if param.param_type_name == "option":
                lines |= {f"{called} {name} ": by for name in param.opts if by}
            else:
                lines |= {f"{called} {before}": by} if by else {}
                before += "T-001 "
    return lines


COMPLETING = completing_lines()
FIELDS = [
    f"mission set T-001 {field}"
    for field in ("milestone=", "runtime=", "depends_on=", "depends_on+=", "status=")
]
OPTIONS = ["mission ", "mission --", "mission --version ", *(f"{line}--" for line in COMPLETING)]
LINES = [*COMPLETING, *FIELDS, *OPTIONS]
# A real shell takes a second for a line, so: one for each completer.
LINES_FOR_SHELLS = [
    *{by: line for line, by in COMPLETING.items()}.values(),
    *FIELDS,
    "mission show ",
]


@pytest.fixture
def hostile(repo: MissionRepo, monkeypatch: pytest.MonkeyPatch) -> MissionRepo:
    """A mission in which every word that can be completed runs something where it is evaluated."""
    home = repo.path / "coordination"
    mission = repo.mission()
    ended = {"startedAt": "2026-01-01T00:00:00Z", "endedAt": "2026-01-01T00:00:01Z",
             "pid": 1, "host": "h", "endedReason": "completed"}  # fmt: skip
    for number, payload in enumerate(each for each in PAYLOADS if each and "\ud800" not in each):
        mission["milestones"].append({"id": payload, "name": "x"})
        mission["milestones"].append({"id": f"M9{number}", "name": payload})
        mission["milestones"].append({"id": f"M{payload}", "name": payload})
        mission["runtimes"][payload] = {"command": ["true"]}
        mission["runtimes"][f"r{payload}"] = {"command": ["true"]}
        for session in (payload, f"sess-{number}", f"sess-{number}{payload}"):
            mission["sessions"].append(
                {**ended, "sessionId": session, "runtime": payload, "lastTaskId": payload}
            )
        if number and "\0" not in payload and len(payload) < 100:
            write_hostile_files(home, number, payload)
    mission["milestones"] += [{"id": PLAIN[name], "name": "x"} for name in ("milestone", "letters")]
    mission["runtimes"][PLAIN["runtime"]] = {"command": ["true"]}
    mission["sessions"].append(
        {**ended, "sessionId": PLAIN["session"], "runtime": "a", "lastTaskId": "T-001"}
    )
    (home / "mission.json").write_text(json.dumps(mission))
    for name, value in repo.environ.items():
        monkeypatch.setenv(name, value)
    assert "T-002" in call(repo.path, "list").stdout
    return repo


def write_hostile_files(home: Path, number: int, payload: str) -> None:
    text = json.dumps(payload)
    rest = f"title: {text}\nstatus: todo\nbranch: {text}\nlabels: [{text}]\ndepends_on: [{text}]\n"
    for task_id in (text, f"T-9{number:02}", json.dumps(f"T-8{number:02}{payload}")):
        path = home / "tasks" / f"T-9{number:02}-{abs(hash(task_id))}.md"
        path.write_text(f"---\ntask_id: {task_id}\n{rest}---\n\n## Goal\n\nx\n")
    name = payload.replace("/", "_")
    for folder in (home / ".state/runs" / name / f"r001-{name}", home / ".state/panels" / name):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "meta.json").write_text(json.dumps({"task_id": payload, "id": payload}))
    (home / "templates").mkdir(exist_ok=True)
    (home / "templates" / f"panel-{name}.md").write_text(payload)
    with (home / "TASKS.md").open("a") as table:
        table.write(f"| {payload} | {payload} | todo |\n")


def asked(shell: str, line: str) -> dict[str, str]:
    words = line.split(" ")
    return {
        "_MISSION_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": words[-1],
    }


def offered(shell: str, said: str) -> list[tuple[str, str]]:
    """Return the words and their help that a shell would read out of an answer.

    Raises:
        AssertionError: there is more in it.
    """
    if shell != "zsh":
        separator = {"bash": "\n", "fish": "\t", "powershell": ":::"}[shell]
        parts = [line.partition(separator) for line in said.splitlines()]
        return [(value, help_) for value, _, help_ in parts if value]
    if said in ("\n", "_files\n", "_files -/\n", "compset -P '*='; _files\n"):
        return []
    if fields := re.fullmatch(r"compadd -S '' -- (\S+(?: \S+)*)\n", said):
        return [(word, "") for word in fields[1].split(" ")]
    inner = re.fullmatch(r"_arguments '\*: :\(\((.*)\)\)'\n", said, re.DOTALL)
    assert inner, said
    found = [re.fullmatch(r'"([^"]+)"(?::"([^"]+)")?', item) for item in inner[1].split("\n")]
    assert all(found), said
    return [
        (item[1].replace(r"\\:", ":"), (item[2] or "").replace(r"\\:", ":"))
        for item in found
        if item
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_only_plain_words_are_offered_by_whatever_completes(
    hostile: MissionRepo, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in LINES:
        for name, value in asked(shell, line).items():
            monkeypatch.setenv(name, value)
        answer = call(hostile.path)
        assert answer.stderr == "", line
        for word, help_ in offered(shell, answer.stdout):
            is_option = line.endswith("--") and re.fullmatch(r"--[a-z-]+", word)
            assert is_option or PLAIN_WORD.fullmatch(word), (line, word)
            assert PLAIN_HELP.fullmatch(help_), (line, help_)


def test_there_is_something_to_complete_everywhere() -> None:
    for line in ("mission next --runtime ", "mission next -m ", "mission stop ", "mission logs ",
                 "mission panel show ", "mission checkpoint ", "mission show "):  # fmt: skip
        assert line in COMPLETING
    assert len(LINES_FOR_SHELLS) > len(SHELLS)


@pytest.mark.parametrize(
    "broken", ["", "{", "[]", '{"name": 1}', "[" * 100_000, "\0", '{"schemaVersion": 9e999}', None]
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_broken_mission_completes_nothing_and_says_nothing(
    repo: MissionRepo, shell: str, broken: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = repo.path / "coordination" / "mission.json"
    path.unlink()
    if broken is None:
        path.mkdir()
    else:
        path.write_text(broken)
    for line in (
        "mission show ",
        "mission next --runtime ",
        "mission logs ",
        "mission panel show ",
    ):
        for name, value in asked(shell, line).items():
            monkeypatch.setenv(name, value)
        answer = call(repo.path)
        assert answer.stderr == ""
        assert "T-0" not in answer.stdout


@pytest.mark.parametrize("payload", [*PAYLOADS, "a b", "a'b", "a\\b", "(", "[x]", "!", "#x", "^"])
def test_what_is_not_plain_is_not_offered(payload: str) -> None:
    plain = not payload.startswith("-") and PLAIN_WORD.fullmatch(payload) and len(payload) <= 200
    assert plain_words([(payload, "")], begun="") == ([(payload, "")] if plain else [])
    ((_, help_),) = plain_words([("x", payload)], begun="")
    assert PLAIN_HELP.fullmatch(help_)


@pytest.mark.parametrize(
    "word", ["T-001", "a/b.c", "x=1", "a:b", "M1,2", "Überblick", "任务", "हिन्दी"]
)
def test_words_of_every_language_are_offered(word: str) -> None:
    assert plain_words([(word, word)], begun="") == [(word, word)]


def test_letters_are_offered_only_where_their_bytes_are_no_others() -> None:
    """In other encodings than UTF-8 a letter may hold the byte of a backslash."""
    words = [("表", "表 x"), ("a", "b")]
    assert plain_words(words, begun="", is_utf8=False) == [("a", "b")]


@pytest.fixture
def shell(hostile: MissionRepo, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shell]:
    """A real shell that completes `mission` by the script that we give it."""
    with open_shell(request.param, hostile, tmp_path / "home") as opened:
        yield opened


@pytest.mark.parametrize("shell", SHELLS, indirect=True)
def test_no_tab_in_a_real_shell_runs_what_the_mission_says(shell: Shell, tmp_path: Path) -> None:
    for line in LINES_FOR_SHELLS:
        shell.type(f"{line}\t")
        assert list(tmp_path.rglob("pwned*")) == [], line


@pytest.mark.parametrize("shell", SHELLS, indirect=True)
def test_a_real_shell_is_offered_the_plain_words(shell: Shell) -> None:
    for line, word in (
        ("mission show T-00", "T-002"),
        ("mission next --runtime rt", PLAIN["runtime"]),
        ("mission next --milestone ", PLAIN["letters"]),
        ("mission logs sess-77", PLAIN["session"]),
        ("mission sto", "stop"),
    ):
        assert word in shell.type(f"{line}\t"), line
