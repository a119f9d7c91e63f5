"""The installed `gemini`, driven by `mission` as the other agents are; few tests, since it is slow.

What it writes in every other case is recorded in `tests/data/runtimes/gemini.json`.
"""

from __future__ import annotations

import pytest

from tests.integration import test_real_agents
from tests.integration.test_real_agents import agent, program, server

__all__ = ["agent", "program", "server"]
pytestmark = [
    pytest.mark.real_agent,
    pytest.mark.parametrize("program", ["gemini"], indirect=True),
]
test_a_finished_task_comes_to_review = test_real_agents.test_a_finished_task_comes_to_review
test_a_killed_conversation_can_be_resumed = (
    test_real_agents.test_a_killed_conversation_can_be_resumed
)
test_stop_from_elsewhere_ends_the_agent = test_real_agents.test_stop_from_elsewhere_ends_the_agent
