"""What question a panel takes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic.app.panel import LARGEST_QUESTION, start
from mosaic.errors import UsageError
from mosaic.panels.model import PanelPlan
from mosaic.records import replace
from mosaic.store.mission_file import load_mission

pytestmark = pytest.mark.slow

PLAN = PanelPlan(
    id="",
    question="Is it right?",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    workers=(),
    mission_file="",
)


@pytest.mark.parametrize(
    "change",
    [
        {"question": " \n"},
        {"question": "x" * (LARGEST_QUESTION + 1)},
        {"executor": "nowhere"},
        {"is_interactive": True},
    ],
)
def test_a_panel_that_cannot_be_is_refused(mission: Path, change: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        start(
            load_mission(mission),
            replace(PLAN, **change),  # type: ignore[arg-type]
            ["critic"],
            runtime="demo",
            model=None,
        )
    assert not list(mission.parent.glob(".state/runs/panel-*"))
