"""An agent on another machine in a pane there, which a person looks at and types into."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_hosts import ENV, box
from tests.integration.test_tmux import Server, server
from tests.support.host_kinds import Trial, log_in_by
from tests.support.machines import Machine, add_machine
from tests.support.mission import MissionRepo, wait_for
from tests.support.shell_agent import change_mission, let_agent_do

__all__ = ["box", "server"]

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture
def there(tmp_path: Path, server: Server) -> Iterator[Server]:
    """The tmux server of the other machine."""
    made = Server(server.socket.with_name("there"))
    yield made
    made.ask("kill-server")


@pytest.fixture
def trial(repo: MissionRepo, box: Machine, there: Server) -> Trial:
    let_agent_do(repo)
    add_machine(repo, box, env=ENV)
    log_in_by(box, more=f'TERM="$TERM" MISSION_TMUX_SOCKET="{there.socket}"')
    return Trial(repo, box)


def waiting(repo: MissionRepo) -> str:
    return f'echo "I look around"; until_told "{repo.path.parent}/go"; '


def test_what_is_printed_shows_the_pane_of_an_agent_there(
    trial: Trial, server: Server, there: Server
) -> None:
    repo = trial.repo
    answer = trial.hand_off(waiting(repo), "--executor", "tmux", "--json")
    assert answer.exit_code == 0, answer.stderr
    said = answer.json()
    assert said["where"] == "in a tmux pane on `box`"
    assert said["attach"][:2] == ["ssh", "-t"]
    assert said["screen"] == said["attach"]
    server.ask("new-session", "-d", "-x", "150", "-y", "40", shlex.join(said["attach"]))
    (pane,) = server.panes()
    wait_for(lambda: "I look around" in server.screen(pane), "what the agent says")
    # The link drops, and what was printed works as before.
    trial.there.cut()
    wait_for(lambda: not server.panes(), "the end of the connection")
    server.ask("new-session", "-d", "-x", "150", "-y", "40", shlex.join(said["attach"]))
    (pane,) = server.panes()
    wait_for(lambda: "I look around" in server.screen(pane), "the same pane")
    (repo.path.parent / "go").touch()
    assert trial.end()["endedReason"] == "completed"
    wait_for(lambda: not trial.there.attempts(), "what is kept there to go")
    wait_for(lambda: not there.panes(), "the pane's end")
    assert trial.begun == 1


def test_a_person_talks_to_an_agent_there(trial: Trial, server: Server, tmp_path: Path) -> None:
    repo = trial.repo
    agent = tmp_path / "talks.sh"
    agent.write_text('echo "Yes?"; read -r line; echo "$line" >heard.txt; read -r line\n')
    talks = {"command": ["false"], "interactive": ["sh", str(agent)], "prompt": "argument"}
    change_mission(repo, runtime="talks", runtimes={**repo.mission()["runtimes"], "talks": talks})
    repo.git("commit", "-qam", "Another agent")
    server.ask("new-session", "-d", "-x", "150", "-y", "40", "-e", f"PYTHON={sys.executable}", "sh")
    (pane,) = server.panes()

    def write(line: str) -> None:
        server.ask("send-keys", "-t", pane, "-l", line)
        server.ask("send-keys", "-t", pane, "Enter")

    for name, value in repo.environ.items():
        if name != "TMUX":
            write(f"export {name}={shlex.quote(value)}")
    write(f"cd {shlex.quote(str(repo.path))}; clear")
    write(f"{sys.executable} -m mosaic next T-001 --on box --executor tmux")
    wait_for(lambda: repo.mission()["sessions"], "the session's begin")
    wait_for(lambda: "ssh -t" in server.screen(pane), "what is typed to see it")
    place = json.loads((repo.run_dir() / "state.json").read_text())["place"]
    assert place["executor"] == "ssh"
    assert (place["host"], place["attach"][:2]) == ("box", ["ssh", "-t"])
    write("clear")
    write(shlex.join(place["attach"]))
    wait_for(lambda: "Yes?" in server.screen(pane), "what the agent asks")
    write("it's $HOME")
    heard = trial.there.attempts()[0]
    wait_for(lambda: [*heard.rglob("heard.txt")], "what it hears")
    write("that is all")
    assert trial.end()["endedReason"] == "completed"
    assert (trial.worktree / "heard.txt").read_text() == "it's $HOME\n"


def test_only_one_task_at_a_time_gets_a_pane_there(trial: Trial) -> None:
    refused = trial.hand_off("", "--executor", "process")
    assert (refused.exit_code, trial.begun) == (2, 0)
    assert "`--on` takes no `--executor` but `tmux`" in refused.stderr
    refused = trial.repo.run("next", "-j", "2", "--on", "box", "--executor", "tmux")
    assert refused.exit_code == 2
    assert "without `-j`" in refused.stderr
