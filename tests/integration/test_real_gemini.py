"""The installed `gemini`, driven by `mission` as the other agents are; few tests, since it is slow.

What it writes in every other case is recorded in `tests/data/runtimes/gemini.json`.
"""

from __future__ import annotations

import shutil

import pytest

from tests.integration import test_real_agents, test_terminal_sessions
from tests.integration.test_real_agents import Agent, agent, program, server
from tests.integration.test_terminal_sessions import Terminal, terminal

__all__ = ["agent", "program", "server", "terminal"]
pytestmark = [
    pytest.mark.real_agent,
    pytest.mark.parametrize("program", ["gemini"], indirect=True),
]
test_a_finished_task_comes_to_review = test_real_agents.test_a_finished_task_comes_to_review
test_a_killed_conversation_can_be_resumed = (
    test_real_agents.test_a_killed_conversation_can_be_resumed
)
test_stop_from_elsewhere_ends_the_agent = test_real_agents.test_stop_from_elsewhere_ends_the_agent


@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux")
def test_what_it_did_in_a_terminal_is_seen(agent: Agent, terminal: Terminal) -> None:
    test_terminal_sessions.test_what_it_did_is_seen_and_its_work_judged(agent, terminal, 3)
