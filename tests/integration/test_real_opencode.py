"""The installed `opencode`, driven by `mission` as the other agents are.

It is too large to be installed for every run of the suite; what it writes is recorded in
`tests/data/runtimes/opencode.json`.
"""

from __future__ import annotations

import pytest

from tests.integration import test_real_agents
from tests.integration.test_real_agents import agent, program, server

__all__ = ["agent", "program", "server"]
pytestmark = [
    pytest.mark.real_agent,
    pytest.mark.parametrize("program", ["opencode"], indirect=True),
]
test_a_finished_task_comes_to_review = test_real_agents.test_a_finished_task_comes_to_review
