"""What calls a person, and what question a panel takes."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic.app.hand_off import Face
from mosaic.app.loop import Alarm
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


class Listener(Face):
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)

    def ring(self) -> None:
        self.heard.append("ring")


def name_notify(mission: Path, *command: str) -> None:
    values = json.loads(mission.read_text())
    mission.write_text(json.dumps({**values, "notify": list(command)}))


def test_a_person_is_called_by_the_face_and_by_the_command_of_the_mission(mission: Path) -> None:
    file, face = mission.with_name("called"), Listener()
    name_notify(
        mission,
        sys.executable,
        "-c",
        f"import sys; open({str(file)!r}, 'w').write(sys.stdin.read())",
    )
    Alarm(mission, face).alert("T-001", "it is blocked")
    assert json.loads(file.read_text()) == {
        "mission": "Rules",
        "task_id": "T-001",
        "why": "it is blocked",
    }
    assert face.heard == ["ring"]


def test_a_command_that_is_named_later_is_not_run(mission: Path) -> None:
    alarm = Alarm(mission, Listener())
    file = mission.with_name("called")
    name_notify(mission, "touch", str(file))
    alarm.alert("", "nothing is ready")
    assert not file.exists()


def test_a_command_that_cannot_be_called_is_a_warning(mission: Path) -> None:
    name_notify(mission, "/no/such/program")
    face = Listener()
    Alarm(mission, face).alert("", "nothing is ready")
    assert face.heard[0] == "ring"
    assert "could not be called" in face.heard[1]


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
