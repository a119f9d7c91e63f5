"""Many write scopes, long cycles: the same answers as one by one, with bounded work and output."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.model import Status, Task
from mosaic.plan.check import MOST_OVERLAPS, Checked, check_mission
from mosaic.plan.graph import cycle_words, render_text
from mosaic.plan.ready import Reason, Selection
from mosaic.plan.scope_index import MOST_STEPS, ScopeIndex, numbers_in
from mosaic.plan.waiting import explain_notes, explain_selection, summarize_waiting
from tests.support.overlap import scopes_overlap

pytestmark = pytest.mark.slow

SEGMENTS = ["a", "b", "ab", "a*", "*b", "a*b", "*", "**", "a?", "[ab]", "abc", "*c", "!a", ""]
GLOBS = st.lists(st.sampled_from(SEGMENTS), max_size=4).map("/".join)
SCOPES = st.lists(st.lists(GLOBS, max_size=3), max_size=6)


def task(number: int, *scope: str, status: Status = Status.IN_PROGRESS) -> Task:
    name = f"T-{number}"
    return Task(id=name, title=name, status=status, write_scope=scope, position=number)


def ring(length: int) -> list[Task]:
    return [
        Task(
            id=f"T-{n}",
            title="x",
            status=Status.TODO,
            depends_on=(f"T-{(n + 1) % length}",),
            position=n,
        )
        for n in range(length)
    ]


def codes(tasks: list[Task]) -> list[str]:
    return [finding.code for finding in check_mission(Checked(tasks=tasks, milestones=()))]


@settings(deadline=None, max_examples=400)
@given(SCOPES, st.lists(GLOBS, max_size=3))
def test_an_index_answers_as_pairs_do(scopes: list[list[str]], asked: list[str]) -> None:
    found = list(numbers_in(ScopeIndex(scopes).meeting(asked)))
    assert found == [n for n, scope in enumerate(scopes) if scopes_overlap(asked, scope)]


@pytest.mark.parametrize(
    "glob",
    [
        "m{0}/dir{1}/**", "src/m{0}_{1}*.py", "src/*_{0}_{1}.py", "src/{0}/*/{1}.py",
        "d{1}/**", "*x{0}y{1}*/{1}a*/**", "**/x{0}_{1}", "a/b/c/d/e/{0}/{1}",
    ],
)  # fmt: skip
def test_thousands_of_globs_take_a_step_or_two_each(glob: str) -> None:
    scopes = [[glob.format(n, m) for m in range(20)] for n in range(1_500)]
    index = ScopeIndex(scopes)
    for scope in scopes:
        index.meeting(scope)
    assert not index.is_exhausted
    assert MOST_STEPS - index.steps_left < 20 * 20 * 1_500


def test_hostile_globs_end_the_comparison_and_are_named() -> None:
    globs = [f"s/{'x' * n}*{'y' * m}" for n in range(120) for m in range(120)]
    tasks = [task(n, *globs[n::20]) for n in range(20)]
    assert "SCOPES_NOT_COMPARED" in codes(tasks)
    waiting = task(20, "x/y", status=Status.TODO)
    many = [task(n, *(f"{n}/{m}/{'z/' * 400}" for m in range(300))) for n in range(20)]
    selection = Selection([*many, waiting], ())
    verdict = selection.of("T-20")
    assert verdict is not None
    assert verdict.reason is Reason.SCOPE_OVERLAP
    assert "too many globs" in verdict.detail


def test_overlaps_without_number_are_named_up_to_a_bound() -> None:
    tasks = [task(n, "src/**") for n in range(300)]
    found = check_mission(Checked(tasks=tasks, milestones=()))
    assert len(found) == MOST_OVERLAPS + 1
    assert f"and {300 * 299 // 2 - MOST_OVERLAPS} more pairs" in found[-1].message


def test_a_few_overlaps_are_named_each() -> None:
    tasks = [task(0, "src/**"), task(1, "lib/**"), task(2, "src/a.py", "lib/b.py")]
    found = check_mission(Checked(tasks=tasks, milestones=()))
    assert [finding.message for finding in found] == [
        "`T-0` and `T-2` are in progress on the same files: `src/**` meets `src/a.py`",
        "`T-1` and `T-2` are in progress on the same files: `lib/**` meets `lib/b.py`",
    ]


def test_a_short_cycle_is_named_whole_and_a_long_one_once() -> None:
    assert cycle_words(("A", "B", "A")) == "A → B → A"
    assert cycle_words(("A", *map(str, range(9)), "A")) == "A → 0 → 1 → … → A (10 tasks)"


@pytest.mark.parametrize("length", [2_000, 10_000])
def test_what_is_said_of_a_cycle_grows_with_its_length_alone(length: int) -> None:
    tasks = ring(length)
    selection = Selection(tasks, ())
    lines = [*map(" ".join, explain_selection(selection)), *explain_notes(selection)]
    assert sum(map(len, lines)) < 150 * length
    assert "\n".join(lines).count(f"T-{length // 2} →") == 1
    assert len(summarize_waiting(selection)) < 500
    (finding,) = check_mission(Checked(tasks=tasks, milestones=()))
    assert len(finding.message) < 500
    assert len(render_text(tasks)) < 100 * length


@pytest.mark.parametrize(
    ("reason", "others"), [(Reason.WAITS, 3_000), (Reason.UNKNOWN_DEPENDENCY, 0)]
)
def test_a_task_that_waits_for_thousands_names_a_few(reason: Reason, others: int) -> None:
    names = tuple(f"T-{n}" for n in range(3_000))
    tasks = [
        Task(id=name, title="x", status=Status.TODO, position=n)
        for n, name in enumerate(names[:others])
    ]
    last = Task(id="LAST", title="x", status=Status.TODO, depends_on=names, position=len(tasks))
    verdict = Selection([*tasks, last], ()).of("LAST")
    assert verdict is not None
    assert verdict.reason is reason
    assert "and 2980 more" in verdict.detail


def test_many_cycles_are_summed_up_in_a_sentence() -> None:
    tasks = [
        Task(id=f"T-{n}", title="x", status=Status.TODO, depends_on=(f"T-{n ^ 1}",), position=n)
        for n in range(4_000)
    ]
    words = summarize_waiting(Selection(tasks, ()))
    assert words.startswith("4000 tasks wait: 2 on a cycle")
    assert "3984 for other reasons" in words
    assert len(words) < 1_000
