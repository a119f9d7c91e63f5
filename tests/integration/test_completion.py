"""TAB in bash, zsh and fish offers what may stand there, and files only where one is meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reference import SCRIPTS, make_script
from tests.support.in_process import call
from tests.support.mission import MissionRepo
from tests.support.typing_shell import SHELLS, Shell, open_shell

LINES = (
    ("mission set T-001 status=", ("in-progress", "review"), ()),
    ("mission set T-001 status=rev", ("status=review",), ()),
    ("mission set T-002 depends_on+=T-00", ("T-001", "T-003"), ()),
    ("mission set T-002 depends_on=T-001,T-00", ("T-003",), ()),
    ("mission add x -d T-003,\t", ("T-001", "T-002"), ("T-003,T-003",)),
    ("mission add x --depends-on=T-003,T-00", ("T-001", "T-002"), ("T-003,T-003",)),
    ("mission set T-001 milest\tM", ("M1",), ()),
    ("mission checkpoint restore T-001 ", ("1", "2"), ("T-002", "notes.md")),
    ("mission resume T-001 --from ", ("1", "2"), ("notes.md",)),
    ("mission show T-001 --section next", ("next_handoff",), ()),
    ("mission stop ", ("LIVE",), ("ENDED", "notes.md")),
    ("mission next --runtime ta", ("talk",), ()),
    ("mission next --runtime=ta", ("--runtime=talk",), ()),
    ("mission list -m ", ("M1",), ("notes.md",)),
    ("mission panel start x --role critic=ta", ("critic=talk",), ()),
    ("mission list --sort pri", ("priority",), ()),
    ("mission help exi", ("exit-codes",), ()),
    ("mission add x --body no", ("notes.md",), ()),
    ("mission handoff T-001 --set result=no", ("result=notes.md",), ()),
    ("mission show no", (), ("notes.md",)),
    ("mission add no", (), ("notes.md",)),
)
"""A line, what TAB behind it shows, and what it does not."""
IN_PROCESS: tuple[tuple[str, set[str]], ...] = (
    ("mission handoff T-001 --tick ", {"1"}),
    ("mission checkpoint restore T-001 ", {"1"}),
    ("mission resume T-001 --from ", {"1"}),
    ("mission resume T-002 --from ", set()),
    ("mission handoff T-001 --answer ", {"1"}),
    ("mission set T-001 labels+", {"labels+="}),
    ("mission set T-001 title-", set()),
    ("mission add x -d T-001,T-00", {"T-001,T-002", "T-001,T-003"}),
    ("mission add x -d T-001,", {"T-001,T-002", "T-001,T-003"}),
    ("mission sync --prefer ", {"table", "file"}),
    ("mission exec --kind r", {"review"}),
    ("mission import beads ", set()),
    ("mission schema output/task.l", {"output/task.list"}),
    ("mission schema mission.st", {"mission.status"}),
    ("mission checkpoint re", {"restore"}),
    ("mission panel send last ", set()),
    ("mission 'unfinished", set()),
)  # fmt: skip


ON_FPATH = (
    SHELLS["zsh"][1]
    .replace("autoload", f"fpath=({SCRIPTS['zsh'].parent} $fpath)\nautoload", 1)
    .replace("source {script}\n", "")
)
"""Settings of a zsh that finds the script by itself, as where the package is installed."""
INSTALLED = {
    "bash": ".bash_completions/mission.sh",
    "zsh": ".zfunc/_mission",
    "fish": ".config/fish/completions/mission.fish",
}


@pytest.fixture
def busy(repo: MissionRepo) -> Iterator[MissionRepo]:
    """A mission with an ended and a live session, two checkpoints, a file beside it."""
    (repo.path / "notes.md").write_text("x\n")
    assert call(repo.path, "checkpoint", "T-001", "--note", "early").exit_code == 0
    (repo.path / "notes.md").write_text("y\n")
    assert call(repo.path, "checkpoint", "T-001").exit_code == 0
    repo.run("next", "--headless", "--runtime", "quick", "--task", "T-002")
    assert repo.run("next", "--detach", "--runtime", "wait", "--task", "T-003").exit_code == 0
    yield repo
    repo.run("stop", "--now")


@pytest.fixture
def shell(busy: MissionRepo, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shell]:
    with open_shell(request.param, busy, tmp_path / "home") as opened:
        yield opened


@pytest.mark.parametrize("shell", SHELLS, indirect=True)
def test_a_real_shell_completes_what_may_stand_there(busy: MissionRepo, shell: Shell) -> None:
    ended, live = (each["sessionId"] for each in busy.mission()["sessions"])
    named = {"LIVE": live, "ENDED": ended}
    for line, offered, missing in LINES:
        shown = shell.type(f"{line}\t")
        for word in offered:
            assert named.get(word, word) in shown, (line, word)
        for word in missing:
            assert named.get(word, word) not in shown, (line, word)


def test_zsh_answers_the_first_tab_where_it_finds_the_script_by_itself(
    repo: MissionRepo, tmp_path: Path
) -> None:
    with open_shell("zsh", repo, tmp_path / "home", ON_FPATH) as shell:
        for _ in range(2):
            assert "status=review" in shell.type("mission set T-001 status=rev\t")


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_package_has_the_script_that_is_installed(
    repo: MissionRepo, tmp_path: Path, name: str
) -> None:
    kept = SCRIPTS[name].read_text("ascii")
    assert kept == make_script(name), "run `python -m tests.reference`"
    variables = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert repo.run("--install-completion", name, **variables).exit_code == 0
    assert (tmp_path / INSTALLED[name]).read_text().strip() == kept.strip()


def ask(repo: MissionRepo, line: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    for name, value in {
        "_MISSION_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }.items():
        monkeypatch.setenv(name, value)
    answer = call(repo.path)
    assert answer.stderr == ""
    return {each.partition("\t")[0] for each in answer.stdout.splitlines() if each}


def test_what_the_rest_of_the_line_decides(
    repo: MissionRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task,) = (repo.path / "coordination" / "tasks").glob("T-001*")
    text = task.read_text()
    boxes = "\n## Acceptance criteria\n\n- [ ] one\n- [x] two\n\n## files_changed"
    task.write_text(text.replace("\n## files_changed", boxes, 1))
    (repo.path / "a.py").write_text("x = 1\n")
    assert repo.run("review", "T-001", "--remark", "a.py:1", "say more").exit_code == 0
    assert repo.run("checkpoint", "T-001").exit_code == 0
    for line, words in IN_PROCESS:
        assert ask(repo, line, monkeypatch) == words, line


def test_bash_is_given_the_rest_of_a_word_that_it_splits(
    repo: MissionRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bash ends words at `=` and `:`, and replaces only what stands behind the last of them."""
    for words, offered in (
        (("set", "T-001", "status", "="), "todo\n"),
        (("set", "T-001", "status", "=", "don"), "done\n"),
        (("set", "T-001", "status=don"), "status=done\n"),
        (("set", "T-002", "depends_on+", "=", "T-001"), "T-001\n"),
        (("next", "--runtime", "=", "tal"), "talk\n"),
        (("next", "--runtime=tal"), "--runtime=talk\n"),
        (("set", "T-001", "status", "=", "'don"), "done\n"),
    ):
        monkeypatch.setenv("_MISSION_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(("mission", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        assert call(repo.path).stdout.startswith(offered), words
