"""Agents in tmux panes, on a tmux server of the tests' own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mosaic.errors import FailedError
from mosaic.machine.tmux import Tmux, session_name
from tests.support.mission import MissionRepo, is_running, wait_for
from tests.support.workers import begun, give_agent, worktree_of

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

HOSTILE = (
    "it's",
    'say "so"',
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "ends;",
    ";",
    "ends\\;",
    "back\\",
    "two\nlines",
    "größe 日本",
    "#{pane_id} #(touch pwned) %H",
    "-t",
    "~ $HOME *",
    "",
)
DUMP = "import json, sys; open(sys.argv[1], 'w').write(json.dumps(sys.argv[2:]))"


@dataclass(frozen=True)
class Server:
    """A tmux server of one test."""

    socket: Path

    def ask(self, *arguments: str) -> str:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("TMUX")}
        done = subprocess.run(
            ["tmux", "-S", str(self.socket), *arguments],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return done.stdout

    def panes(self, fields: str = "#{pane_id}") -> list[str]:
        return self.ask("list-panes", "-a", "-F", fields).splitlines()

    def screen(self, pane: str) -> str:
        return self.ask("capture-pane", "-p", "-S", "-", "-t", pane)

    @property
    def tmux(self) -> Tmux:
        return Tmux({"MISSION_TMUX_SOCKET": str(self.socket)})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("TMUX", "TMUX_PANE"):
        monkeypatch.delenv(name, raising=False)
    # Not below the test's own folder: a socket's path has room for some hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="tmux-"))
    made = Server(folder / "s")
    yield made
    made.ask("kill-server")
    shutil.rmtree(folder)


@pytest.fixture
def home(repo: MissionRepo, server: Server) -> MissionRepo:
    repo.environ["MISSION_TMUX_SOCKET"] = str(server.socket)
    return give_agent(repo)


@pytest.fixture
def go(home: MissionRepo) -> Path:
    return home.path.with_name("go")


def start(repo: MissionRepo, does: str, *options: str) -> None:
    answer = repo.run("next", "--executor", "tmux", *options, AGENT_DOES=does)
    assert answer.exit_code == 0, answer.stderr


def place_of(repo: MissionRepo) -> dict[str, object]:
    found: dict[str, object] = repo.run_state()["place"]
    return found


def has_ended(repo: MissionRepo) -> bool:
    final = repo.run_state()["status"] not in ("prepared", "running")
    return final and bool(repo.session().get("endedAt"))


# Hand-offs


def test_a_pane_is_on_record_and_stays_after_its_agent(home: MissionRepo, server: Server) -> None:
    answer = home.run("next", "--executor", "tmux", "--json", AGENT_DOES='say("hello")\nfinish()')
    assert answer.exit_code == 0, answer.stderr
    wait_for(lambda: has_ended(home))
    place = place_of(home)
    assert answer.json()["place"] == place
    pane, name = str(place["pane"]), session_name(home.path)
    wait_for(
        lambda: server.panes("#{pane_id} #{pane_dead} #{session_name}") == [f"{pane} 1 {name}"]
    )
    assert place == {
        "executor": "tmux",
        "pane": pane,
        "server_pid": int(server.ask("display-message", "-p", "-t", pane, "#{pid}")),
        "session": name,
    }
    assert server.panes("#{pane_title}") == ["T-001 told"]
    shown = server.screen(pane)
    assert "T-001 → told" in shown
    assert "the agent says finished" in shown
    assert home.task_status("T-001") == "review"
    items = {each["name"]: each for each in home.run("doctor", "--json").json()["items"]}
    assert pane in items["panes"]["found"]


def test_what_is_printed_leads_to_the_pane(home: MissionRepo, server: Server, go: Path) -> None:
    answer = home.run("next", "--executor", "tmux", AGENT_DOES=f"wait_for({str(go)!r})\nfinish()")
    attach = f"tmux -S {server.socket} attach -t ={session_name(home.path)}"
    assert attach in answer.stdout
    assert server.ask("list-sessions", "-F", "#{session_name}").split() == [session_name(home.path)]
    go.touch()
    wait_for(lambda: has_ended(home))


def test_the_agents_environment_is_ours_and_not_the_servers(
    home: MissionRepo, server: Server
) -> None:
    subprocess.run(
        ["tmux", "-S", str(server.socket), "new-session", "-d", "-s", "other", "sleep", "600"],
        env={**os.environ, "OF_THE_SERVER": "1", "OF_BOTH": "server"},
        check=True,
    )
    home.environ.update({"OF_US": "it's $(x)\nlines; größe", "OF_BOTH": "us", "TERM": "dumb"})
    start(home, "say(json.dumps(dict(os.environ)))\nfinish()", "--worktree")
    wait_for(lambda: has_ended(home))
    told = json.loads(json.loads((home.run_dir() / "result.json").read_text())["answer"])
    assert "OF_THE_SERVER" not in told
    assert told["OF_US"] == "it's $(x)\nlines; größe"
    assert told["OF_BOTH"] == "us"
    assert told["TMUX_PANE"] == place_of(home)["pane"]
    assert told["TERM"].startswith(("screen", "tmux"))


def test_hostile_prompts_reach_the_agent_and_no_shell(
    home: MissionRepo, server: Server, tmp_path: Path
) -> None:
    (task,) = (home.path / "coordination" / "tasks").glob("T-001*.md")
    words = "\n".join(f"word {each}" for each in HOSTILE) + "\n" + "long " * 4000
    task.write_text(task.read_text().replace("## Goal\n", f"## Goal\n\n{words}\n", 1))
    home.run("set", "T-001", 'title=It\'s $(touch pwned); "größe" `touch pwned` #{pane_id};')
    mission = home.mission()
    mission["runtimes"]["told"]["command"][-1] = "{prompt}"
    (home.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    before = set(os.listdir("/"))
    start(home, "say(json.dumps(sys.argv[1:]))\nfinish()")
    wait_for(lambda: has_ended(home))
    (told,) = json.loads(json.loads((home.run_dir() / "result.json").read_text())["answer"])
    assert told == (home.run_dir() / "prompt.md").read_text()
    assert "word $(touch pwned)" in told
    assert list(tmp_path.rglob("pwned")) == []
    assert set(os.listdir("/")) == before


def test_several_agents_have_a_pane_each(home: MissionRepo, server: Server, go: Path) -> None:
    start(home, f"wait_for({str(go)!r})\nfinish()", "-j", "3", "--detach")
    assert len(server.panes()) == 3
    assert set(server.panes("#{session_name}")) == {session_name(home.path)}
    places = [
        json.loads(path.read_text())["place"]["pane"]
        for path in home.state.glob("runs/*/*/state.json")
    ]
    assert sorted(places) == sorted(server.panes())
    go.touch()
    wait_for(lambda: all(each.get("endedAt") for each in home.mission()["sessions"]))
    assert [home.task_status(f"T-00{n}") for n in (1, 2, 3)] == ["review"] * 3
    wait_for(lambda: server.panes("#{pane_dead}") == ["1", "1", "1"])


@pytest.mark.parametrize("is_named", [True, False])
def test_inside_of_tmux_panes_open_in_the_users_window(
    home: MissionRepo, server: Server, go: Path, is_named: bool
) -> None:
    environ = {**home.environ, "AGENT_DOES": f"wait_for({str(go)!r})\nfinish()"}
    if not is_named:
        del environ["MISSION_TMUX_SOCKET"]
    given = [f"{name}={value}" for name, value in environ.items()]
    command = ["env", *given, *home.argv("next", "--worktree", "--executor", "tmux")]
    server.ask(
        "new-session", "-d", "-s", "user", "-x", "200", "-y", "50", "-c", str(home.path), *command,
        ";", "set-option", "-w", "remain-on-exit", "on",
    )  # fmt: skip
    wait_for(lambda: begun(home))
    window = server.panes("#{session_name} #{window_id}")
    assert len(window) == 2, server.screen("user")
    assert len(set(window)) == 1
    assert window[0].startswith("user ")
    go.touch()
    wait_for(lambda: has_ended(home))
    assert home.task_status("T-001") == "review"


# Stopped, killed, missing


def test_stop_ends_the_agent_and_leaves_the_pane(
    home: MissionRepo, server: Server, go: Path
) -> None:
    start(home, f"wait_for({str(go)!r})")
    (agent,) = wait_for(lambda: begun(home))
    assert home.run("stop").exit_code == 0
    assert home.session()["endedReason"] == "stopped"
    assert not is_running(agent)
    wait_for(lambda: server.panes("#{pane_dead}") == ["1"])


def test_a_supervisor_that_is_killed_in_its_pane_is_found(
    home: MissionRepo, server: Server, go: Path
) -> None:
    start(home, f"wait_for({str(go)!r})", "--worktree")
    (agent,) = wait_for(lambda: begun(home))
    os.kill(home.run_state()["supervisor_pid"], signal.SIGKILL)
    wait_for(lambda: server.panes("#{pane_dead}") == ["1"])
    # An agent that lost its supervisor works on, and nobody takes its place meanwhile.
    assert len(home.run("sessions", "--live", "--json").json()["sessions"]) == 1
    go.touch()
    wait_for(lambda: not is_running(agent))
    wait_for(lambda: home.run("status").exit_code == 0 and home.session().get("endedAt"))
    assert home.session()["endedReason"] == "crashed"
    again = home.run("resume", AGENT_DOES="finish()")
    assert again.exit_code == 0, again.stderr
    assert worktree_of(home).is_dir()


@pytest.mark.parametrize("is_supervised", [True, False])
def test_an_agent_in_a_pane_whose_record_is_gone_is_alive_and_can_be_stopped(
    home: MissionRepo, server: Server, go: Path, *, is_supervised: bool
) -> None:
    start(home, f"wait_for({str(go)!r})")
    (agent,) = wait_for(lambda: begun(home))
    if not is_supervised:
        os.kill(home.run_state()["supervisor_pid"], signal.SIGKILL)
        wait_for(lambda: server.panes("#{pane_dead}") == ["1"])
    home.git("clean", "-ffdxq")
    (found,) = home.run("status", "--json").json()["live_sessions"]
    assert (found["life"], found["on_record"]) == ("alive", False)
    assert home.run("next", "--executor", "tmux").exit_code == 4
    assert is_running(agent)
    assert home.run("stop").exit_code == 0
    assert not is_running(agent)
    assert home.session()["endedReason"] == "stopped"


@pytest.mark.parametrize("command", ["kill-pane", "kill-server"])
def test_a_pane_that_is_closed_ends_its_session(
    home: MissionRepo, server: Server, go: Path, command: str
) -> None:
    start(home, f"wait_for({str(go)!r})")
    (agent,) = wait_for(lambda: begun(home))
    pane = str(place_of(home)["pane"])
    server.ask(command, *(["-t", pane] if command == "kill-pane" else []))
    wait_for(lambda: home.run("status").exit_code == 0 and home.session().get("endedAt"))
    wait_for(lambda: not is_running(agent))
    assert home.task_status("T-001") == "in-progress"
    assert home.run("sessions", "--live", "--json").json()["sessions"] == []


def test_an_agent_that_is_not_installed_leaves_no_pane(home: MissionRepo, server: Server) -> None:
    answer = home.run("next", "--executor", "tmux", "--worktree", "--runtime", "missing")
    assert answer.exit_code == 1
    assert "no-such-agent-anywhere" in answer.stderr
    assert server.panes() == []
    assert home.task_status("T-001") == "todo"
    assert home.git("worktree", "list").count("\n") == 1


@pytest.mark.parametrize("options", [["--worktree"], []])
def test_without_tmux_it_is_refused_in_words(
    home: MissionRepo, tmp_path: Path, options: list[str]
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(str(shutil.which("git")))
    answer = home.run("next", "--executor", "tmux", *options, PATH=str(programs))
    assert answer.exit_code == 1
    assert "`tmux`" in answer.stderr
    assert "hint: install tmux, or use the background" in answer.stderr
    assert home.task_status("T-001") == "todo"
    assert home.git("worktree", "list").count("\n") == 1
    assert home.git("branch", "--list").split() == ["*", "main"]
    assert list((home.state / "runs").glob("*/*")) == []


# What a person has set in tmux.conf


@pytest.mark.parametrize(
    "setting",
    [
        "set -g destroy-unattached on",
        "set -g destroy-unattached on\n"
        'set-hook -g after-new-session "rename-session mine#{s,.,,:session_id}"',
        'set -g default-command "exit 3"\nset -g default-shell /nowhere/sh',
        "set -g exit-empty off\nset -g remain-on-exit off\nno-such-command",
    ],
)
def test_settings_of_the_user_do_not_end_the_panes(
    home: MissionRepo, server: Server, setting: str
) -> None:
    Path(home.environ["HOME"], ".tmux.conf").write_text(f"{setting}\n")
    home.run("set", "T-002", "depends_on=")
    answer = home.run("next", "-j", "2", "--executor", "tmux", AGENT_DOES="finish()")
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    assert [home.task_status(task) for task in ("T-001", "T-002")] == ["review", "review"]
    assert len(server.panes()) == 2


def test_a_setting_that_ends_tmux_with_the_last_look_is_named(
    home: MissionRepo, server: Server
) -> None:
    Path(home.environ["HOME"], ".tmux.conf").write_text("set -g exit-unattached on\n")
    answer = home.run("next", "--executor", "tmux", "--worktree")
    assert answer.exit_code == 1
    assert "`exit-unattached` is on" in answer.stderr
    assert "`set -g exit-unattached off`" in answer.stderr
    assert server.panes() == []
    assert home.task_status("T-001") == "todo"


# The door itself


def test_arguments_reach_a_program_as_they_are(server: Server, tmp_path: Path) -> None:
    told = tmp_path / "told;"
    argv = [sys.executable, "-c", DUMP, str(told), *HOSTILE]
    server.tmux.open_pane(argv, mark="m", session="one", title="x")
    assert wait_for(lambda: json.loads(told.read_text())) == list(HOSTILE)


@pytest.mark.parametrize("last", HOSTILE)
def test_a_last_argument_reaches_a_program_as_it_is(
    server: Server, tmp_path: Path, last: str
) -> None:
    told = tmp_path / "told"
    server.tmux.open_pane(
        [sys.executable, "-c", DUMP, str(told), last], mark="m", session="one", title="x"
    )
    assert wait_for(lambda: json.loads(told.read_text())) == [last]


@pytest.mark.parametrize("title", [*HOSTILE, "x" * 500])
def test_a_title_is_only_a_title(server: Server, tmp_path: Path, title: str) -> None:
    pane = server.tmux.open_pane(["sleep", "600"], mark="m", session="one", title=f"T {title}")
    (shown,) = server.panes("#{pane_title}")
    plain = "".join(" " if sign in "#\n" else sign for sign in f"T {title}")[:80]
    assert shown.rstrip() == plain.rstrip()
    state = server.tmux.state_of(pane)
    assert state is not None
    assert not state.is_dead


def test_a_pane_of_another_server_with_the_same_number_is_another(server: Server) -> None:
    first = server.tmux.open_pane(["sleep", "600"], mark="m", session="one", title="x")
    server.ask("kill-server")
    wait_for(lambda: not is_running(first.server_pid))
    assert server.tmux.panes() == {}
    second = server.tmux.open_pane(["sleep", "600"], mark="m", session="one", title="x")
    assert second.id == first.id
    assert server.tmux.state_of(first) is None
    assert server.tmux.close_pane(first) is False
    assert server.tmux.state_of(second) is not None
    assert server.tmux.close_pane(second) is True
    assert server.tmux.state_of(second) is None


def test_panes_that_find_no_room_open_in_another_window_of_the_user(server: Server) -> None:
    server.ask("new-session", "-d", "-s", "user", "-x", "20", "-y", "6", "sleep", "600")
    (own,) = server.panes()
    inside = Tmux(
        {
            "TMUX": f"{server.socket},1,0",
            "TMUX_PANE": own,
            "MISSION_TMUX_SOCKET": str(server.socket),
        }
    )
    panes = [
        inside.open_pane(["sleep", "600"], mark="m", session="one", title=f"{n}") for n in range(12)
    ]
    assert len({own, *(pane.id for pane in panes)}) == len(server.panes()) == 13
    assert set(server.panes("#{session_name}")) == {"user"}
    assert len(set(server.panes("#{window_id}"))) > 1
    assert not any(state.is_dead for state in server.tmux.panes().values())


def test_a_text_is_pasted_as_it_is(server: Server, tmp_path: Path) -> None:
    told = tmp_path / "told"
    reader = "import sys; out = open(sys.argv[1], 'w'); print('on', flush=True)\n"
    reader += "for line in sys.stdin: out.write(line); out.flush()"
    pane = server.tmux.open_pane(
        [sys.executable, "-c", reader, str(told)], mark="m", session="one", title="x"
    )
    wait_for(lambda: "on" in server.screen(pane.id))
    text = "\n".join(each for each in HOSTILE if each)
    server.tmux.paste(pane, text)
    wait_for(lambda: told.read_text() == text + "\n")
    server.ask("send-keys", "-t", pane.id, "C-c")
    wait_for(lambda: server.panes("#{pane_dead}") == ["1"])
    with pytest.raises(FailedError, match="no program reads"):
        server.tmux.paste(pane, text)


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        ("tmux 2.9a", "tmux 2.9 is older than 3.0"),
        ("tmux 3.0a", None),
        ("tmux next-3.4", None),
        ("tmux master", "`tmux -V` does not print a version"),
    ],
)
def test_what_keeps_tmux_from_being_used_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, problem: str | None
) -> None:
    (tmp_path / "tmux").write_text(f"#!/bin/sh\necho {says}\n")
    (tmp_path / "tmux").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Tmux({}).problem() == problem
    (tmp_path / "tmux").unlink()
    assert Tmux({}).problem() == "tmux is not installed"
    assert Tmux({}).panes() == {}


def test_a_projects_tmux_session_has_a_name_that_tmux_takes(tmp_path: Path) -> None:
    names = [session_name(tmp_path / name) for name in ("a.b:c", "größe 日本", "-x", "a-b-c")]
    assert len(set(names)) == 4
    for name in names:
        assert name.startswith("mosaic-")
        assert not set(name) & set(".:= $'\"")
