"""The one selector: who is ready, in which order, and why nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.errors import UsageError
from mosaic.model import Milestone, MilestoneStatus, Status, Task
from mosaic.plan.durations import format_duration, parse_duration
from mosaic.plan.graph import find_cycles, levels, render_dot, render_mermaid
from mosaic.plan.progress import current_milestone, measure_progress
from mosaic.plan.ready import Reason, Selection, priority_rank, refusal_of
from mosaic.plan.sizes import parse_size
from mosaic.plan.statuses import nearest_status, parse_status
from mosaic.plan.waiting import summarize_waiting
from tests.support.overlap import scopes_overlap


def make_task(task_id: str, **changes: Any) -> Task:
    given: dict[str, Any] = {"id": task_id, "title": task_id, "status": Status.TODO, **changes}
    return Task(**given)


def make_tasks(*tasks: Task) -> list[Task]:

    return [task._replace(position=number) for number, task in enumerate(tasks)]


def chosen(*tasks: Task, **more: Any) -> str | None:
    found = Selection(make_tasks(*tasks), more.pop("milestones", ()), **more).chosen
    return found.id if found else None


def reason(task_id: str, *tasks: Task, **more: Any) -> Reason:
    selection = Selection(make_tasks(*tasks), more.pop("milestones", ()), **more)
    verdict = selection.of(task_id)
    assert verdict is not None
    return verdict.reason


def test_plan_order_decides_among_equals() -> None:
    assert chosen(make_task("B"), make_task("A")) == "B"


def test_a_task_in_progress_without_a_session_comes_first() -> None:
    assert chosen(make_task("A"), make_task("B", status=Status.IN_PROGRESS)) == "B"


def test_the_current_milestone_comes_before_priority() -> None:
    milestones = (
        Milestone(id="M1", name="", status=MilestoneStatus.PENDING),
        Milestone(id="M2", name="", status=MilestoneStatus.IN_PROGRESS),
    )
    tasks = (make_task("A", milestone="M2", priority="high"), make_task("B", milestone="M1"))
    assert chosen(*tasks, milestones=milestones) == "B"


def test_priority_comes_before_plan_order() -> None:
    assert chosen(make_task("A"), make_task("B", priority="high")) == "B"
    assert chosen(make_task("A", priority="low"), make_task("B")) == "B"
    assert [priority_rank(p) for p in ("P0", "1", "high", None, "what", "low")] == sorted(
        priority_rank(p) for p in ("P0", "1", "high", None, "what", "low")
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.DONE, Reason.DONE),
        (Status.CANCELLED, Reason.CANCELLED),
        (Status.REVIEW, Reason.IN_REVIEW),
        (Status.BLOCKED, Reason.BLOCKED),
        (Status.IN_PROGRESS, Reason.RESUMABLE),
        (Status.TODO, Reason.READY),
    ],
)
def test_a_status_decides(status: Status, expected: Reason) -> None:
    assert reason("A", make_task("A", status=status)) is expected


def test_a_dependency_that_is_not_done_is_waited_for() -> None:
    for status in set(Status) - {Status.DONE}:
        tasks = (make_task("A", status=status), make_task("B", depends_on=("A",)))
        assert reason("B", *tasks) is Reason.WAITS
    done = (make_task("A", status=Status.DONE), make_task("B", depends_on=("A",)))
    assert reason("B", *done) is Reason.READY


def test_an_unknown_dependency_is_not_ready() -> None:
    assert reason("A", make_task("A", depends_on=("Z",))) is Reason.UNKNOWN_DEPENDENCY


def test_a_live_session_holds_its_task() -> None:
    assert reason("A", make_task("A"), claimed={"A": "sess-1"}) is Reason.LIVE_SESSION


def test_a_broken_task_and_those_behind_it_wait() -> None:
    tasks = (make_task("A", status=Status.DONE), make_task("B", depends_on=("A",)))
    assert reason("A", *tasks, broken={"A"}) is Reason.BROKEN
    assert reason("B", *tasks, broken={"A"}) is Reason.WAITS


def test_a_finished_milestone_is_left_alone() -> None:
    milestones = (Milestone(id="M1", name="", status=MilestoneStatus.COMPLETED),)
    assert reason("A", make_task("A", milestone="M1"), milestones=milestones) is (
        Reason.MILESTONE_FINISHED
    )


def test_a_scope_that_meets_one_in_progress_waits() -> None:
    busy = make_task("A", status=Status.IN_PROGRESS, write_scope=("src/**",))
    assert reason("B", busy, make_task("B", write_scope=("src/a.py",))) is Reason.SCOPE_OVERLAP
    assert reason("B", busy, make_task("B", write_scope=("docs/**",))) is Reason.READY


def test_force_overrides_waiting_and_nothing_else() -> None:
    tasks = make_tasks(
        make_task("A"), make_task("B", depends_on=("A",)), make_task("C", status=Status.DONE)
    )
    selection = Selection(tasks, ())
    waiting, done = selection.of("B"), selection.of("C")
    assert waiting is not None
    assert done is not None
    assert refusal_of(waiting) == "waits on `A` (todo)"
    assert refusal_of(waiting, force=True) is None
    assert refusal_of(done, force=True) == "is done"


def test_nothing_ready_is_summed_up() -> None:
    tasks = make_tasks(
        make_task("A", status=Status.REVIEW),
        make_task("B", depends_on=("A",)),
        make_task("C", depends_on=("A",)),
        make_task("D", depends_on=("E",)),
        make_task("E", depends_on=("D",)),
    )
    words = summarize_waiting(Selection(tasks, ()))
    assert words.startswith("5 tasks wait: 2 ")
    assert "2 on `A` (review)" in words
    assert "2 on a cycle `D → E → D`" in words


IDS = st.sampled_from([f"T-{n}" for n in range(8)])


@st.composite
def plans(draw: st.DrawFn) -> list[Task]:
    names = draw(st.lists(IDS, unique=True, min_size=1))
    return make_tasks(
        *(
            make_task(
                name,
                status=draw(st.sampled_from(list(Status))),
                depends_on=tuple(draw(st.lists(IDS, max_size=3, unique=True))),
            )
            for name in names
        )
    )


@settings(deadline=None)
@given(plans(), st.dictionaries(IDS, st.just("sess-001"), max_size=2))
def test_what_is_chosen_is_ready_and_every_task_has_one_verdict(
    tasks: list[Task], held: dict[str, str]
) -> None:
    selection = Selection(tasks, (), claimed=held)
    assert [verdict.task.id for verdict in selection.verdicts] == [task.id for task in tasks]
    on_cycle = {name for cycle in find_cycles(tasks) for name in cycle}
    status = {task.id: task.status for task in tasks}
    for verdict in selection.ready:
        assert verdict.task.id not in held
        if verdict.reason is Reason.READY:
            assert verdict.task.id not in on_cycle
            assert all(status.get(name) is Status.DONE for name in verdict.task.depends_on)
    if selection.ready:
        assert selection.chosen is selection.ready[0].task


@settings(deadline=None)
@given(plans())
def test_levels_and_cycles_share_no_task(tasks: list[Task]) -> None:
    on_cycle = {name for cycle in find_cycles(tasks) for name in cycle}
    assert not on_cycle & set(levels(tasks))


def test_a_chain_of_ten_thousand_is_a_plan_too() -> None:
    tasks = make_tasks(
        *(make_task(f"T-{n}", depends_on=(f"T-{n - 1}",) if n else ()) for n in range(10_000))
    )
    assert find_cycles(tasks) == []
    assert levels(tasks)["T-9999"] == 9999
    assert chosen(*tasks) == "T-0"


def test_labels_cannot_break_out_of_a_drawing() -> None:
    task = make_task("A", title='x"] --> evil["\n; drop')
    assert 'evil["' not in render_mermaid([task])
    assert render_dot([task]).count("\n") == render_dot([make_task("A")]).count("\n")


def test_percentages_floor_and_nothing_is_zero() -> None:
    tasks = [make_task(str(n), status=Status.DONE if n else Status.TODO) for n in range(3)]
    assert measure_progress(tasks).pct == 66
    assert measure_progress([]).pct == 0
    assert measure_progress([make_task("A", status=Status.CANCELLED)]).total == 0


def test_the_current_milestone_is_the_first_that_has_open_tasks() -> None:
    first, called_done, second, working = (
        Milestone(id=str(number), name="", status=status)
        for number, status in enumerate(
            (
                MilestoneStatus.PENDING, MilestoneStatus.COMPLETED,
                MilestoneStatus.PENDING, MilestoneStatus.IN_PROGRESS,
            )
        )
    )  # fmt: skip
    declared = (first, called_done, second, working)
    over = [make_task("A", milestone="0", status=Status.DONE), make_task("B", milestone="1")]
    later = [make_task("C", milestone="3"), make_task("D", milestone="2")]
    assert current_milestone(declared, [*over, *later]) is second
    assert current_milestone(declared, [*over, later[0]]) is working
    assert current_milestone(declared, over) is None
    assert current_milestone((), over) is None


def test_a_paused_mission_hands_nothing_off_and_says_so() -> None:
    tasks = (make_task("A"), make_task("B", depends_on=("A",)))
    selection = Selection(make_tasks(*tasks), (), paused=True)
    assert selection.chosen is None
    assert not selection.ready
    assert [each.reason for each in selection.verdicts] == [Reason.MISSION_PAUSED, Reason.WAITS]
    assert "paused" in summarize_waiting(selection)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("todo", Status.TODO), ("Not Started", Status.TODO), ("backlog", Status.TODO),
        ("WIP", Status.IN_PROGRESS), ("in_progress", Status.IN_PROGRESS),
        ("🚧 doing", Status.IN_PROGRESS), ("needs-review", Status.REVIEW),
        ("On Hold", Status.BLOCKED), ("needs_human", Status.BLOCKED), ("✅ done", Status.DONE),
        ("[x] Complete", Status.DONE), ("✔ closed", Status.DONE), ("won't do", Status.CANCELLED),
        ("canceled", Status.CANCELLED), ("nonsense", None), ("", None),
    ],
)  # fmt: skip
def test_a_status_word_is_read_generously(word: str, status: Status | None) -> None:
    assert parse_status(word) is status


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("✅", Status.DONE),
        ("✔️", Status.DONE),
        ("[x]", Status.DONE),
        ("⬜", Status.TODO),
        ("❌", None),
        ("⏳", None),
        ("???", None),
        ("✅ Done 2026-03-21", Status.DONE),
        ("Done (PR #12)", Status.DONE),
        ("done - merged in #42", Status.DONE),
        ("in progress: Ann", Status.IN_PROGRESS),
        ("~~todo~~ done", Status.DONE),
        ("~~done~~", None),
        ("~~done", None),
        ("~~a~~ ~~done", None),
        ("~~todo~~ done (2026-01-02)", Status.DONE),
        ("done (not really)", None),
        ("done, in progress for docs", None),
        ("todo (blocked)", None),
        ("done when merged", None),
        ("Done: 50 %", None),
    ],
)
def test_signs_notes_and_struck_words_are_read_where_they_are_plain(
    word: str, status: Status | None
) -> None:
    assert parse_status(word) is status


def test_a_sign_is_not_every_sign() -> None:
    own = {"✅": Status.DONE, "🔥": Status.BLOCKED}
    assert parse_status("✅\ufe0f", own) is Status.DONE
    assert parse_status("🔥", own) is Status.BLOCKED
    assert [parse_status(sign, own) for sign in ("❌", "⏳", "???", "…")] == [None] * 4


def test_own_status_words_win_and_typos_find_the_nearest() -> None:
    assert parse_status("Shipped", {"shipped": Status.DONE}) is Status.DONE
    assert nearest_status("dnoe") == "done"
    assert nearest_status("in-progres") == "in-progress"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (42, "42s"), (60, "1m 0s"), (431, "7m 11s"), (7385, "2h 3m"), (-5, "0s")],
)
def test_a_length_of_time_is_written_short(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("45m", 2700), ("1h30m", 5400), ("2h 5s", 7205)]
)
def test_a_length_of_time_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["9" * 400, "9" * 5000, f"{'9' * 400}d", "999999d", "0s", ""])
def test_a_length_of_time_beyond_all_measure_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)


@pytest.mark.parametrize("text", ["9" * 400, f"{'9' * 400}kB", f"1.{'9' * 5000}", "-1"])
def test_a_size_beyond_all_measure_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize(
    ("first", "second", "meet"),
    [
        ("src/**", "src/a.py", True),
        ("src/*.py", "src/a.ts", False),
        ("src/a/**", "src/b/**", False),
        ("*.md", "docs/readme.md", True),
        ("docs/", "docs/a/b.txt", True),
        ("/a.py", "b/a.py", False),
        ("a.py", "b/a.py", False),
        ("**/a.py", "b/a.py", True),
        ("**/test_*.py", "tests/test_x.py", True),
        ("./src", "src/x", True),
    ],
)
def test_scopes_that_may_meet(first: str, second: str, meet: bool) -> None:
    assert scopes_overlap([first], [second]) is meet
    assert scopes_overlap([second], [first]) is meet


def test_nasty_globs_are_judged_at_once() -> None:
    nasty = "/".join(["**", "*a*b*c*"] * 30)
    assert scopes_overlap([nasty], [nasty])
    assert not scopes_overlap([], ["**"])


def test_a_task_whose_branch_is_at_work_waits_with_a_reason() -> None:
    tasks = make_tasks(*(make_task(f"T-{n}", branch="feat/x") for n in (1, 2)))
    verdict = Selection(tasks, (), claimed={"T-1": "sess-001"}).of("T-2")
    assert verdict is not None
    words = "`T-1` works on branch `feat/x`"
    assert (verdict.reason, verdict.words) == (Reason.BRANCH_IN_USE, words)
    verdict = Selection(tasks, ()).of("T-2")
    assert verdict is not None
    assert verdict.is_ready
