from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mosaic.model import EndReason, JsonValue, Mission, Session, Sessions, Status, Task
from mosaic.prompts.capsule import build_capsule
from mosaic.prompts.context import (
    DependencyReport,
    FileFacts,
    NameFacts,
    ProjectFacts,
    PromptContext,
    StateFacts,
    TaskFacts,
    bounded_reports,
    dependency_report,
)
from mosaic.text.criteria import Criterion

KEYS = {
    "generated_at", "runtime", "mission_id", "mission_name", "project_path", "quality_gates",
    "current_milestone", "next_task", "progress", "current_branch", "schema_version",
    "session_id", "run_id", "task", "depends_on", "write_scope", "acceptance_criteria", "decisions",
    "previous_session", "checkpoint", "prompt_file",
}  # fmt: skip

TASK = Task(
    id="T-005",
    title="Worker runner",
    status=Status.TODO,
    depends_on=("T-003",),
    write_scope=("apps/**",),
    file="coordination/tasks/T-005.md",
    extra={"customer": "Ann", "status": "must not win"},
    more={"repo": "orchard"},
)


NOW = datetime(2026, 3, 21, 19, 41, 39, 5, timezone(timedelta(hours=8)))
BARE = PromptContext(
    project=ProjectFacts(name="n", description="", path="/srv/orchard"),
    mission=NameFacts(id="orchard", name="n"),
    state=StateFacts(done=3, total=6, pct=50),
    files=FileFacts(manifest="", scratchpad="", tasks=""),
    task=TaskFacts(id="T-005", fields={}),
    runtime="claude",
    headless=True,
)


@pytest.fixture
def context() -> PromptContext:
    return replace(
        BARE,
        milestone=NameFacts(id="M1", name="Runs locally"),
        branch="main",
        session_id="sess-002",
        run_id="r-0007",
        task=replace(
            BARE.task,
            missing_sections=("result",),
            acceptance_criteria=(Criterion(number=1, text="it runs", checked=True),),
        ),
        dependencies=(
            DependencyReport(id="T-003", title="Logs", status="done", next_handoff="see x"),
        ),
    )


def capsule_of(
    context: PromptContext, task: Task = TASK, checkpoint: dict[str, JsonValue] | None = None
) -> dict[str, JsonValue]:
    last = Session(
        id="sess-001",
        runtime="codex",
        started_at=datetime(2026, 3, 21, tzinfo=UTC),
        ended_reason=EndReason.CRASHED,
    )
    return build_capsule(
        context,
        Mission(
            id="orchard",
            name="Worker runner",
            quality_gates="pytest -q",
            sessions=Sessions([last]),
        ),
        task,
        generated_at=NOW,
        checkpoint=checkpoint,
        prompt_file="runs/prompt.md",
    )


def test_the_capsule_has_exactly_the_keys_of_the_contract(context: PromptContext) -> None:
    assert set(capsule_of(context)) == KEYS
    task = Task(id="A", title="a", status=Status.TODO)
    capsule = build_capsule(BARE, Mission(id="m", name="n"), task, generated_at=NOW)
    assert set(capsule) == KEYS
    assert capsule["current_milestone"] == {"id": "", "name": ""}
    assert capsule["previous_session"] is None
    for key in ("quality_gates", "current_branch", "session_id", "run_id", "prompt_file"):
        assert capsule[key] == "", key


def test_the_capsule_says_what_the_contract_names(context: PromptContext) -> None:
    capsule = capsule_of(context, checkpoint={"seq": 3, "files": ["a"]})
    assert capsule["generated_at"] == "2026-03-21T11:41:39Z"
    assert capsule["current_milestone"] == {"id": "M1", "name": "Runs locally"}
    assert capsule["next_task"] == "T-005"
    assert capsule["progress"] == {"tasks_done": 3, "tasks_total": 6, "pct": 50}
    assert capsule["quality_gates"] == "pytest -q"
    assert capsule["depends_on"] == [
        {"id": "T-003", "title": "Logs", "status": "done", "next_handoff": "see x"}
    ]
    assert capsule["acceptance_criteria"] == [
        {"number": 1, "text": "it runs", "checked": True, "state": "ticked"}
    ]
    assert capsule["checkpoint"] == {"seq": 3, "files": ["a"]}
    task = capsule["task"]
    assert isinstance(task, dict)
    assert task["task_id"] == "T-005"
    assert task["status"] == "todo"
    assert task["repo"] == "orchard"
    assert task["customer"] == "Ann"
    assert task["file"] == "coordination/tasks/T-005.md"
    assert task["handoff_sections_missing"] == ["result"]
    previous = capsule["previous_session"]
    assert isinstance(previous, dict)
    assert previous["ended_reason"] == "crashed"
    assert list(previous) == [
        "id", "runtime", "started_at", "ended_at", "ended_reason", "ended_cause",
        "ended_detail", "duration_seconds",
        "last_task_id", "run_id", "runtime_session_id",
    ]  # fmt: skip


def test_the_capsule_stays_small_whatever_it_is_given(context: PromptContext) -> None:
    deep: JsonValue = "x"
    for _ in range(200):
        deep = [deep] * 3
    wide: dict[str, JsonValue] = {f"k{n}": ["y" * 9_000] * 500 for n in range(500)}
    many = replace(
        context,
        dependencies=context.dependencies[:1] * 999
        + (DependencyReport(id="A", next_handoff="h" * 99_999),),
        task=replace(context.task, acceptance_criteria=context.task.acceptance_criteria * 999),
    )
    huge = TASK._replace(
        title="t" * 99_999,
        notes="n" * 99_999,
        write_scope=tuple(f"src/{n}/**" for n in range(9_999)),
        extra={"deep": deep, **wide},
    )
    text = json.dumps(capsule_of(many, huge, wide), allow_nan=False)
    assert len(text) < 120_000


def test_numbers_that_json_cannot_hold_become_text(context: PromptContext) -> None:
    capsule = capsule_of(context, checkpoint={"share": float("nan")})
    assert json.dumps(capsule["checkpoint"], allow_nan=False) == '{"share": "nan"}'


def test_a_dependency_hands_over_two_sections() -> None:
    report = dependency_report(
        TASK, {"next_handoff": " use x\r\n", "risks": "none", "notes": "kept back"}
    )
    assert (report.next_handoff, report.risks) == ("use x", "none")
    assert (report.id, report.status, report.file) == ("T-005", "todo", TASK.file)
    assert dependency_report(TASK, {}).next_handoff == ""


def test_reports_share_their_room_and_say_where_the_whole_is() -> None:
    long = DependencyReport(id="A", next_handoff="h" * 50_000, risks="r" * 50_000, file="A.md")
    (alone,) = bounded_reports([long])
    many = bounded_reports([long] * 100)
    assert len(alone.next_handoff) > 3_900
    assert len(many) == 30
    assert sum(len(item.next_handoff) + len(item.risks) for item in many) < 30_000
    for report in (alone, *many):
        assert report.next_handoff.endswith("the whole is in `A.md`]")
