"""A person's own settings: what comes first, what is wrong with them, and how they are changed."""

from __future__ import annotations

import json
import shlex
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.in_process import call
from tests.support.mission import MissionRepo
from tests.support.shell_agent import change_mission, let_agent_do

WRITE = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')"


@pytest.fixture
def place(repo: MissionRepo, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a person who has none yet."""
    home = Path(repo.environ["HOME"])
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    return home / ".config" / "mosaic" / "config.toml"


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH without agents and without tmux."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("git", "sh"):
        (folder / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(folder))


def write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(0o600)


def counted(repo: MissionRepo, key: str) -> tuple[Any, str]:
    """Return a value that counts, and what says so."""
    settings = call(repo.path, "config", "--json").json()["settings"]
    return next((each["value"], each["source"]) for each in settings if each["key"] == key)


def launched(repo: MissionRepo, *options: str) -> list[str]:
    """Return the command line that an agent would get."""
    answer = call(repo.path, "next", "--print", "--json", *options)
    assert answer.exit_code == 0, answer.stderr
    return [str(word) for word in answer.json()["launch_command"]]


def test_a_value_comes_from_the_nearest_place(
    repo: MissionRepo, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place, 'runtime = "codex"\npager = "most"\n[models]\ncodex = "big"\nclaude = "opus"\n')
    codex = launched(repo)
    assert codex[0] == "codex"
    assert "big" in codex
    assert "opus" in launched(repo, "--runtime", "claude")
    assert "own" in launched(repo, "--model", "own")
    change_mission(repo, runtime="claude", runtimes={"claude": {"model": "sonnet"}})
    claude = launched(repo)
    assert claude[0] == "claude"
    assert "sonnet" in claude
    assert "opus" not in claude
    assert counted(repo, "runtime") == ("claude", "mission")
    assert counted(repo, "models.claude") == ("sonnet", "mission")
    assert counted(repo, "models.codex") == ("big", "own")
    assert counted(repo, "pager") == (["most"], "own")
    monkeypatch.setenv("PAGER", "more")
    assert counted(repo, "pager") == (["most"], "own")
    monkeypatch.setenv("MISSION_PAGER", "less -S")
    assert counted(repo, "pager") == (["less", "-S"], "environment")
    monkeypatch.setenv("VISUAL", "code --wait")
    assert counted(repo, "editor") == (["code", "--wait"], "environment")
    assert counted(repo, "notify") == (None, "default")


@pytest.mark.parametrize(
    ("text", "line", "word", "stops"),
    [
        ('runtime = "claude"\nmodels =\n', 2, "cannot be read", True),
        ("# mine\nruntime = 3\n", 2, "`runtime`", True),
        ('[models]\nclaude = "opus"\ncodex = 1\n', 3, "`models.codex`", False),
        ('colour = "auto"\nruntme = "claude"\n', 2, "closest: `runtime`", False),
        ('\n\nexecutor = "rocket"\n', 3, "`process`, `tmux`", False),
        ('notify = ["./bin/notify"]\n', 1, "`./bin/notify`", False),
        ('runtime = "nobody"\n', 1, "nobody", True),
    ],
)
def test_what_is_wrong_is_named_by_its_line_and_stops_only_what_needs_it(
    *,
    repo: MissionRepo,
    place: Path,
    bare_path: None,
    text: str,
    line: int,
    word: str,
    stops: bool,
) -> None:
    write(place, text)
    is_seen = "nobody" not in text  # a mission may define it
    looked = call(repo.path, "list")
    assert looked.exit_code == 0
    assert "T-001" in looked.stdout
    assert (f"{place}:{line}" in looked.stderr) is is_seen
    assert (word in looked.stderr) is is_seen
    quiet = call(repo.path, "list", "--json")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert launched(repo)
    before = repo.mission()
    handed = call(repo.path, "next", "--headless", "--json")
    error = json.loads(handed.stderr)
    if stops:
        assert (handed.exit_code, error["code"], error["line"]) == (5, "CONFIG_INVALID", line)
    else:
        assert error["code"] == "PROGRAM_NOT_FOUND"  # neither agent is installed here
    assert repo.mission() == before


def test_an_executor_of_ones_own_is_where_detached_agents_run(
    repo: MissionRepo, place: Path, bare_path: None
) -> None:
    change_mission(repo, runtime="quick")
    write(place, 'executor = "tmux"\n')
    for detached in (("-d",), ("--detach", "--headless"), ("-j", "2")):
        answer = call(repo.path, "next", *detached, "--json")
        assert answer.exit_code != 0
        assert "`tmux` cannot be started" in answer.stdout + answer.stderr
    assert repo.mission()["sessions"] == []


@pytest.mark.parametrize("harm", [None, "everybody", "folder", "relative", "mission"])
def test_a_person_is_called_by_a_command_of_their_own(
    repo: MissionRepo, place: Path, harm: str | None
) -> None:
    calls = repo.path.parent / "calls"
    command = [sys.executable, "-c", WRITE, str(calls)]
    named = {"relative": ["./notify"]}.get(harm or "", command)
    if harm == "relative":
        script = repo.path / "notify"
        script.write_text(f"#!/bin/sh\nexec {shlex.join(command)}\n")
        script.chmod(0o755)
    write(place, f"notify = {json.dumps(named)}\n")
    place.chmod(0o602 if harm == "everybody" else 0o600)
    place.parent.chmod(0o777 if harm == "folder" else 0o755)
    own = {"notify": ["true"]} if harm == "mission" else {}
    let_agent_do(repo, budget={"maxAttempts": 1}, **own)
    done = repo.run("next", "--headless", DOES="exit 4")
    assert done.exit_code == 1, done.stderr
    if harm is None:
        assert json.loads(calls.read_text())["kind"] == "failed"
        assert "settings" not in done.stderr
    else:
        assert not calls.exists()
    if harm not in (None, "mission"):
        assert f"{place}:1" in done.stderr
        assert "notify" in done.stderr


def test_a_value_is_set_and_taken_out_again(
    repo: MissionRepo, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = call(repo.path, "config", "set", "models.claude", "opus")
    assert made.exit_code == 0, made.stderr
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert place.read_text() == '[models]\nclaude = "opus"\n'
    kept = '# kept\n\n[models]  # by hand\nclaude = "opus"  # the best\n'
    real = place.parent.parent / "dotfiles.toml"
    real.write_text(kept)
    real.chmod(0o640)
    place.unlink()
    place.symlink_to(real)
    assert call(repo.path, "config", "set", "models.claude", "fable").exit_code == 0
    assert real.read_text() == kept.replace("opus", "fable")
    assert call(repo.path, "config", "set", "notify", "say 'come here'").exit_code == 0
    assert counted(repo, "notify") == (["say", "come here"], "own")
    assert call(repo.path, "config", "unset", "notify").exit_code == 0
    assert real.read_text().replace("\n\n\n", "\n\n") == kept.replace("opus", "fable")
    assert place.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    before = real.read_text()
    refused = {
        ("set", "colour", "sometimes"): "`never`",
        ("set", "color", "never"): "closest: `colour`",
        ("set", "models", "opus"): "[models]",
        ("set", "editor", "./edit"): "whole path",
        ("unset", "notify"): "is not set",
    }
    for words, hint in refused.items():
        answer = call(repo.path, "config", *words)
        assert (answer.exit_code, answer.stdout) == (2, "")
        assert hint in answer.stderr
    monkeypatch.setenv("MISSION_SESSION", "sess-1")
    assert call(repo.path, "config", "set", "notify", "touch owned").exit_code == 4
    assert call(repo.path, "config").exit_code == 0
    assert real.read_text() == before


def test_an_editor_of_ones_own_opens_a_task(
    repo: MissionRepo, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mine", "other"):
        script = tmp_path / f"{name} editor"
        script.write_text(f"#!/bin/sh\nsed -i 's/^title: .*/title: By {name}/' \"$2\"\n")
        script.chmod(0o755)
    write(place, f"editor = ['{tmp_path}/mine editor', '--wait']\n")
    monkeypatch.setenv("EDITOR", "false")
    assert call(repo.path, "edit", "T-001").exit_code == 0
    assert "By mine" in call(repo.path, "list").stdout
    monkeypatch.setenv("MISSION_EDITOR", f"'{tmp_path}/other editor' --wait")
    assert call(repo.path, "edit", "T-001").exit_code == 0
    assert "By other" in call(repo.path, "list").stdout


def test_a_name_that_no_runtime_has_is_doubted(repo: MissionRepo, place: Path) -> None:
    answer = call(repo.path, "config", "set", "runtime", "cluade")
    assert answer.exit_code == 0
    assert "no runtime is called `cluade` here; known: `claude`" in answer.stderr
    assert call(repo.path, "config", "set", "runtime", "quick").stderr == ""  # the mission's own
    assert "`cx`" in call(repo.path, "config", "set", "models.cx", "big").stderr


def test_settings_are_seen_outside_of_any_mission(place: Path, tmp_path: Path) -> None:
    write(place, 'colour = "never"\nrunti = 1\n')
    answer = call(tmp_path, "config")
    assert answer.exit_code == 0
    assert "line 1 of your file" in answer.stdout
    assert f"{place}:2" in answer.stderr
    found = call(tmp_path, "config", "--json").json()
    assert [each["line"] for each in found["problems"]] == [2]
    assert found["path"] == str(place)


@pytest.mark.parametrize(
    ("environ", "setting", "is_colored"),
    [
        ({}, None, False),
        ({"FORCE_COLOR": "1"}, None, True),
        ({"FORCE_COLOR": "0"}, "always", False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, None, False),
        ({}, "always", True),
        ({"NO_COLOR": "1"}, "always", False),
        ({"FORCE_COLOR": "1"}, "never", True),
    ],
)
def test_a_pipe_has_colours_where_they_are_asked_for(
    *,
    repo: MissionRepo,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    setting: str | None,
    is_colored: bool,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if setting:
        write(place, f'colour = "{setting}"\n')
    for command in (("status",), ("list",), ("show", "T-001"), ("doctor",), ("config",)):
        assert ("\x1b[" in call(repo.path, *command).stdout) is is_colored
    missing = call(repo.path, "show", "T-404")
    assert ("\x1b[31m" in missing.stderr) is is_colored
    for name in ("status", "list", "sessions", "doctor", "config", "trust", "check", "graph"):
        document = call(repo.path, name, "--json")
        assert "\x1b" not in document.stdout + document.stderr
        assert "u001b" not in document.stdout
        document.json()
