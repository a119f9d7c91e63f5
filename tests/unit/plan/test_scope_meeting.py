"""Two write scopes meet by a file that is there, by a claim, or by the folders they begin with."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.model import Status, Task
from mosaic.plan.check import Checked, check_mission
from mosaic.plan.globs import bad_glob, outside_scope
from mosaic.plan.ready import Reason, Selection
from mosaic.plan.scope_meeting import Ground, ScopeComparison
from mosaic.plan.waiting import explain_notes, explain_selection

SEGMENTS = ["a", "b", "ab", "a*", "*b", "*", "**", "[ab]", "..", "!a", "a.py", "*.py", "\\a"]
GLOBS = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4).map("/".join)
SCOPES = st.lists(GLOBS, min_size=1, max_size=3)
NAMES = ("a", "b", "ab", "a.py", "p")
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)


def meeting(
    first: Sequence[str], second: Sequence[str], *paths: str, folder: str = ""
) -> tuple[str, str] | None:
    ground = Ground(folder=folder, find_paths=lambda: list(paths))
    found = ScopeComparison(ground).meeting(first, second)
    again = ScopeComparison(ground).meeting(second, first)
    assert (found is None) is (again is None)
    return found


@settings(max_examples=500)
@given(SCOPES, SCOPES, st.lists(PATHS, max_size=6), st.sampled_from(["", "p", "p/q"]))
def test_a_path_that_both_allow_implies_that_they_meet(
    first: list[str], second: list[str], paths: list[str], folder: str
) -> None:
    ups = "../" * (folder.count("/") + bool(folder))
    depth = ups.count("/")
    scopes = [[g for g in part if bad_glob(g, depth) is None] for part in (first, second)]
    known = [path for path in paths if all(scopes)
             and not any(outside_scope([ups + path], each, folder) for each in scopes)]  # fmt: skip
    if known:
        assert meeting(scopes[0], scopes[1], *paths, folder=folder)


@pytest.mark.parametrize(
    ("first", "second", "paths", "meet"),
    [
        ("Dockerfile", "src/log.py", ("src/log.py", "Dockerfile"), False),
        ("Dockerfile", "Makefile", (), False),
        ("Dockerfile", "Dockerfile", (), True),
        ("**/Dockerfile", "src/log.py", ("src/log.py",), False),
        ("**/Dockerfile", "src/**", ("src/a",), False),
        ("**/Dockerfile", "src/**", ("src/x/Dockerfile",), True),
        ("**/Dockerfile", "web/Dockerfile", (), True),
        ("*.md", "docs/**", ("docs/a.py",), False),
        ("*.md", "docs/**", ("docs/a.md",), True),
        ("src/**", "src/api/**", (), True),
        ("src/**", "src/api/x.py", (), True),
        ("src", "src/a", (), True),
        ("src/*.py", "src/*.md", ("src/a.py", "src/a.md"), False),
        ("src/*.py", "src/test_*", (), True),
        ("**", "src/a", (), True),
        ("src/**", "lib/**", (), False),
        ("../web/**", "src/**", (), False),
        ("../web/**", "../web/a", (), True),
        ("../../**", "src/a", (), True),
        ("../api/src", "src/a", (), True),
    ],
)
def test_scopes_meet(first: str, second: str, paths: tuple[str, ...], meet: bool) -> None:
    whole = [f"services/api/{path}" for path in paths]
    found = meeting([first], [second], *whole, folder="services/api")
    assert found == ((first, second) if meet else None)


def test_what_a_scope_takes_out_again_does_not_meet() -> None:
    assert meeting(["**/*.md", "!docs/**"], ["docs/*"], "docs/a.md") is None
    assert meeting(["src/a", "**/*.md"], ["docs/**"], "docs/a.md") == ("**/*.md", "docs/**")


def test_where_no_file_is_known_scopes_that_could_meet_do() -> None:
    assert ScopeComparison(Ground()).meeting(["**/Dockerfile"], ["src/**"])


def test_too_many_files_end_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaic.plan.scope_meeting.MOST_COMPARED", 100)
    comparison = ScopeComparison(Ground(find_paths=lambda: [f"src/{n}" for n in range(200)]))
    assert comparison.meeting(["**/x"], ["src/*"])
    assert comparison.is_exhausted


def task(name: str, *scope: str, status: Status = Status.TODO) -> Task:
    return Task(id=name, title=name, status=status, write_scope=scope, position=ord(name))


def test_the_two_globs_are_named() -> None:
    busy = task("A", "docs/**", "src/**", status=Status.IN_PROGRESS)
    verdict = Selection([busy, task("B", "lib/a", "src/a.py")], ()).of("B")
    assert verdict is not None
    assert verdict.detail == "its `src/a.py` meets `src/**` of `A`, in progress"


def test_a_task_without_a_scope_meets_every_other_at_once() -> None:
    tasks = [task("A", "src/**"), task("B", "docs/**"), task("C"), task("D")]
    busy = {"A": "S1"}

    def reasons(claimed: dict[str, str], *, together: bool = False) -> list[Reason]:
        selection = Selection(tasks, (), claimed=claimed, at_once=True, unscoped_together=together)
        return [verdict.reason for verdict in selection.verdicts]

    live, ready, alone = Reason.LIVE_SESSION, Reason.READY, Reason.NO_SCOPE
    assert reasons({}) == [ready] * 4
    assert reasons(busy) == [live, ready, alone, alone]
    assert reasons({"C": "S1"}) == [alone, alone, live, alone]
    tasks[3] = task("D", status=Status.IN_PROGRESS)  # to be resumed: the same holds for it
    assert reasons({"C": "S1"}) == [alone, alone, live, alone]
    tasks[3] = task("D")
    assert reasons({"C": "S1"}, together=True) == [ready, ready, live, ready]
    one_by_one = Selection(tasks, (), claimed={"C": "S1"})
    assert [verdict.task.id for verdict in one_by_one.ready] == ["A", "B", "D"]


def test_an_explanation_names_those_that_run_beside_no_other() -> None:
    tasks = [task("A", "src/**"), task("B"), task("C")]
    words = "`-j` runs each of these beside no other, as it names no write scope: `B`, `C`"
    assert explain_notes(Selection(tasks, ())) == [words]
    assert explain_notes(Selection(tasks, (), unscoped_together=True)) == []
    at_once = Selection(tasks, (), claimed={"A": "S1"}, at_once=True)
    why = {name: why for _, name, why in explain_selection(at_once)}
    assert why["B"].endswith(
        "names no write scope, so it waits until no session works: `A` has one"
    )


@pytest.mark.parametrize(
    ("glob", "paths", "hint"),
    [
        ("Dockerfile", ("p/deploy/Dockerfile",), "`deploy/Dockerfile` is that one, and"),
        ("src/", ("p/lib/src/a",), "`lib/src` is that one, and `**/src` is any"),
        ("Dockerfile", ("p/deploy/Dockerfile", "p/Dockerfile"), None),
        ("Dockerfile", ("Dockerfile", "q/Dockerfile"), None),
        ("**/Dockerfile", ("p/deploy/Dockerfile",), None),
        ("*.md", ("p/docs/a.md",), None),
        ("p/src/**", ("p/src/a",), "from the project on it is `src/**`"),
    ],
)
def test_a_glob_that_meant_another_place_is_told(
    glob: str, paths: tuple[str, ...], hint: str | None
) -> None:
    ground = Ground(folder="p", find_paths=lambda: paths)
    found = [each for each in check_mission(
        Checked(tasks=[task("A", glob)], milestones=(), ground=ground)
    ) if each.code == "SCOPE_ELSEWHERE"]  # fmt: skip
    assert [(hint or "") in (each.hint or "") for each in found] == [True] * (hint is not None)
