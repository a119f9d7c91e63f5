"""The installed `claude` and `codex` in a real terminal: what they leave is evidence too."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.model_server import Reply
from tests.integration.test_real_agents import HAND_OVER, Agent, agent, program, server
from tests.support.endings import assert_ending
from tests.support.mission import PATIENCE_SECONDS, wait_for
from tests.support.shell_agent import change_mission

__all__ = ["agent", "program", "server"]
pytestmark = [
    pytest.mark.real_agent,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux"),
]


class Terminal:
    """A shell in a tmux server of its own."""

    def __init__(self, agent: Agent, socket: Path) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        shell = ["env", "PS1=READY ", "bash", "--norc", "--noprofile", "-i"]
        size = ["-x", "140", "-y", "50", "-c", str(agent.repo.path)]
        subprocess.run(
            [*self._tmux, "new-session", "-d", *size, shlex.join(shell)],
            env={**agent.repo.environ, "TERM": "xterm-256color"},
            check=True,
        )
        wait_for(lambda: "READY" in self.screen(), "the shell")

    def screen(self) -> str:
        """Return what is seen."""
        done = subprocess.run(
            [*self._tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False
        )
        return done.stdout

    def type(self, *keys: str) -> None:
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def mode(self) -> str:
        """Return the terminal's modes, and whether it shows the alternate screen."""
        shown = [
            "display-message",
            "-p",
            "#{pane_tty} #{alternate_on} #{cursor_flag} #{mouse_any_flag}",
        ]
        tty, *flags = subprocess.run(
            [*self._tmux, *shown], capture_output=True, text=True, check=True
        ).stdout.split()
        with open(tty) as device:
            modes = subprocess.run(
                ["stty", "-g"], stdin=device, capture_output=True, text=True, check=True
            )
        return f"{modes.stdout.strip()} {flags}"

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)


@pytest.fixture
def terminal(agent: Agent, tmp_path: Path) -> Iterator[Terminal]:
    home = Path(agent.repo.environ["HOME"])
    place = str(agent.repo.path)
    config = home / "codex" / "config.toml"
    config.write_text(
        f'{config.read_text()}[projects."{place}"]\ntrust_level = "trusted"\n'
        # It asks about newer models, which no person is there to answer.
        '[notice.model_migrations]\n"gpt-5.5" = "gpt-6-sol"\n'
        '[tui.model_availability_nux]\n"gpt-6.1-sol" = 1\n'
    )
    (home / "claude").mkdir(exist_ok=True)
    known = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    settings = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "customApiKeyResponses": {"approved": ["dummy"], "rejected": []},
        "projects": {place: known},
    }
    (home / "claude" / ".claude.json").write_text(json.dumps(settings))
    mission = agent.repo.mission()
    mission["runtimes"]["claude"] = {
        "args": ["--permission-mode", "acceptEdits", "--allowedTools", "Bash"]
    }
    mission["runtimes"]["codex"] = {"args": ["--sandbox", "workspace-write"]}
    # Without it, gemini asks whether the folder is to be trusted.
    mission["runtimes"]["gemini"] = {"args": ["--skip-trust", "--approval-mode", "yolo"]}
    (agent.repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))
    made = Terminal(agent, tmp_path / "tmux")
    yield made
    made.close()


def hand_off(agent: Agent, terminal: Terminal, *arguments: str) -> None:
    """Hand a task off in the terminal, and wait until the model was asked."""
    agent.server.script.asked.clear()
    words = agent.repo.argv(*(arguments or ("next", "--runtime", agent.name)))
    terminal.type(shlex.join(words), "Enter")
    assert agent.server.script.asked.wait(PATIENCE_SECONDS), terminal.screen()


def leave(agent: Agent, terminal: Terminal, words: str) -> None:
    """Leave the agent as a person does, once it has written down its last answer, `words`."""
    wait_for(lambda: words in agent.kept(), "the answer on disk")
    if agent.name == "codex":
        turns = agent.kept().count('"task_started"')
        wait_for(lambda: agent.kept().count('"task_complete"') == turns, "the end of the turn")
    sessions = len(agent.repo.mission()["sessions"])

    def has_left() -> bool:
        if agent.repo.mission()["sessions"][sessions - 1].get("endedAt"):
            return True
        terminal.type("C-c")
        return False

    wait_for(has_left, "the end of the session")


def finish(agent: Agent, words: str = "all done") -> None:
    mission = agent.command
    claims = f"echo '- `./t.sh` passed' | {mission} handoff T-001 --set commands_run=-"
    agent.server.script.say(
        agent.shell("./t.sh"),
        agent.shell(f"{HAND_OVER}{claims}; {mission} set T-001 status=review"),
        Reply(text=words),
    )


def write_script(agent: Agent, code: int) -> None:
    script = agent.repo.path / "t.sh"
    script.write_text(f"#!/bin/sh\nexit {code}\n")
    script.chmod(0o755)


@pytest.mark.parametrize("code", [0, 3])
def test_what_it_did_is_seen_and_its_work_judged(
    agent: Agent, terminal: Terminal, code: int
) -> None:
    write_script(agent, code)
    change_mission(agent.repo, qualityGates=["true"])
    finish(agent)
    before = terminal.mode()
    hand_off(agent, terminal)
    wait_for(lambda: len(agent.server.script.requests) > 2, "the last request")
    wait_for(lambda: "all done" in terminal.screen(), "the answer on the screen")
    leave(agent, terminal, "all done")
    wait_for(lambda: terminal.mode() == before, "the terminal as it was")
    run = agent.repo.state / "runs" / "T-001" / agent.repo.session()["runId"]
    cause = json.loads((run / "result.json").read_text())["cause"]
    assert cause in ("ok", "left"), "codex dies of the second Ctrl-C, where it is quick"
    assert_ending(agent, "completed", cause, task="review", tokens=(3000, 150))
    assert agent.repo.session()["runtimeSessionId"]
    review = agent.repo.run("review", "T-001", "--json").json()
    assert [gate["green"] for gate in review["gates"]] == [True]
    seen = review["evidence"]["commands"]
    (ran,) = [each for each in seen if each["command"] == "./t.sh"]
    assert ran["exit_code"] == code
    (claim,) = review["claims"]["commands"]
    assert claim["standing"] == ("contradicted" if code else "confirmed"), claim


def test_a_conversation_goes_on_headless_and_back(agent: Agent, terminal: Terminal) -> None:
    agent.server.script.say(Reply(text="FIRST-WORDS"))
    hand_off(agent, terminal)
    wait_for(lambda: "FIRST-WORDS" in terminal.screen(), "the answer")
    leave(agent, terminal, "FIRST-WORDS")
    first = agent.repo.session()
    agent.server.script.say(Reply(text="SECOND-WORDS"))
    assert agent.repo.run("resume", "--headless").exit_code == 0
    second = agent.repo.session()
    assert second["runtimeSessionId"] == first["runtimeSessionId"]
    assert "FIRST-WORDS" in agent.server.script.asked_for()
    assert (first["usage"]["inputTokens"], second["usage"]["inputTokens"]) == (1000, 1000)
    agent.server.script.say(Reply(text="THIRD-WORDS"))
    hand_off(agent, terminal, "resume")
    wait_for(lambda: "THIRD-WORDS" in terminal.screen(), "the answer")
    leave(agent, terminal, "THIRD-WORDS")
    third = agent.repo.session()
    assert third["runtimeSessionId"] == first["runtimeSessionId"]
    assert third["usage"]["inputTokens"] == 1000


@pytest.mark.parametrize("how", ["stop", "stop --now", "time", "kill"])
def test_the_terminal_is_put_back(agent: Agent, terminal: Terminal, how: str) -> None:
    agent.server.script.say(Reply(text="HERE-I-AM"))
    before = terminal.mode()
    limit = ["--timeout", "20s"] if how == "time" else []
    hand_off(agent, terminal, "next", "--runtime", agent.name, *limit)
    wait_for(lambda: "HERE-I-AM" in terminal.screen(), "the answer")
    assert terminal.mode() != before
    wait_for(lambda: "HERE-I-AM" in agent.kept(), "the answer on disk")
    if how == "kill":
        os.kill(agent.repo.session()["pid"], signal.SIGKILL)
    elif how != "time":
        assert agent.repo.run(*how.split()).exit_code == 0
    wait_for(lambda: agent.repo.session().get("endedAt"), "the end")
    wait_for(lambda: terminal.mode() == before, "the terminal as it was")
    reason = {"time": "timeout", "kill": "crashed"}.get(how, "stopped")
    assert_ending(
        agent,
        reason,
        "cut",
        tokens=(1000, 50),
        is_cost_known=how in ("stop", "time"),
        called="ended" if how == "kill" else "",
    )


def test_a_person_who_leaves_by_an_interrupt_did_not_crash_it(
    agent: Agent, terminal: Terminal
) -> None:
    agent.server.script.say(Reply(text="HERE-I-AM"))
    before = terminal.mode()
    hand_off(agent, terminal)
    wait_for(lambda: "HERE-I-AM" in terminal.screen(), "the answer")
    wait_for(lambda: "HERE-I-AM" in agent.kept(), "the answer on disk")
    if agent.name == "codex":
        wait_for(lambda: '"task_complete"' in agent.kept(), "the end of the turn")
    pid = wait_for(lambda: agent.repo.session()["pid"], "the session's entry")

    def has_left() -> bool:
        if agent.repo.session().get("endedAt"):
            return True
        os.killpg(os.getpgid(pid), signal.SIGINT)  # as the terminal does at Ctrl-C
        return False

    wait_for(has_left, "the end of the session")
    wait_for(lambda: terminal.mode() == before, "the terminal as it was")
    # Only codex dies of it; claude catches it, and leaves in order.
    cause = "ok" if agent.name == "claude" else "left"
    assert_ending(agent, "completed", cause, tokens=(1000, 50))
