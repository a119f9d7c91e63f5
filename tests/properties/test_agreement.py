"""Every face says the same of every task: list, board, report, status and `next --explain`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.app.board import show_board
from tests.support.in_process import call
from tests.support.mission import MissionRepo

NUMBERS = st.integers(1, 8)
STATUSES = (
    "todo",
    "todo",
    "todo",
    "in-progress",
    "review",
    "blocked",
    "done",
    "cancelled",
    "what?",
)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(STATUSES),
        st.sampled_from(["", "M1", "M2"]),
        st.sets(st.integers(1, 10), max_size=2),
    ),
    min_size=1,
    max_size=8,
)
HEAD = "# Tasks\n\n| id | status | milestone | title | depends_on |\n|---|---|---|---|---|\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agreement")
    MissionRepo(folder, {}).git("init", "-q", "-b", "main")
    call(folder, "init", "--name", "Faces", "--milestone", "M1: One", "--milestone", "M2: Two")
    return folder


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ROWS)
def test_every_face_says_the_same_of_every_task(
    place: Path, rows: list[tuple[str, str, set[int]]]
) -> None:
    lines = [
        f"| T-{number:03} | {status} | {milestone} | Task {number} | "
        f"{', '.join(f'T-{other:03}' for other in sorted(needs))} |\n"
        for number, (status, milestone, needs) in enumerate(rows, 1)
    ]
    (place / "coordination" / "TASKS.md").write_text(HEAD + "".join(lines))
    listed = call(place, "list", "--all", "--json").json()["tasks"]
    said = {each["id"]: (each["ready"], each["reason"], each["reason_detail"]) for each in listed}
    assert call(place, "report", "--json").json()["tasks"] == listed
    page = show_board(place / "coordination" / "mission.json")
    assert said == {
        card.task.id: (card.is_ready, card.reason.value, card.words) for card in page.cards
    }
    ready = [name for name, (is_ready, *_) in said.items() if is_ready]
    assert (
        sorted(each["id"] for each in call(place, "list", "--ready", "--json").json()["tasks"])
        == ready
    )
    shown = call(place, "list", "--all").stdout.splitlines()
    cells = {line.split()[0]: line for line in shown[1:] if line.startswith("T-")}
    assert cells.keys() == said.keys()
    assert [name for name, line in cells.items() if "  ready" in line] == ready
    status = call(place, "status", "--json").json()
    assert status["ready_total"] == len(ready)
    assert set(status["in_review"]) == {n for n, (_, why, _) in said.items() if why == "IN_REVIEW"}
    assert {each["id"] for each in status["blocked"]} == {
        name for name, (_, why, _) in said.items() if why == "BLOCKED"
    }
    explained = call(place, "next", "--explain").stdout
    for name, (is_ready, why, words) in said.items():
        is_over = why in ("DONE", "CANCELLED")
        assert (f"{name}  {words}" in explained) is not is_over
        command = call(place, "show", name, "--json").json()["next_command"]
        assert (command == f"mission next {name}") is is_ready
    chosen = status["next_task"] and status["next_task"]["id"]
    assert (f"next  {chosen}" in explained) is bool(ready)
