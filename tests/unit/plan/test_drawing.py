"""Pictures of the plan and of its sessions: where things stand, and that nothing in them runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.model import Status, Task
from mosaic.plan import drawing, timeline
from mosaic.plan.drawing import Node, draw_graph, lay_out, nodes_of
from mosaic.plan.ready import Selection
from mosaic.plan.timeline import Span, draw_timeline, lay_out_timeline

HOSTILE = "</title><script>alert(1)</script>\"'<img onerror=x>&\x1b[31m\u202eevil"
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=40)
NAMES = [f"T-{number}" for number in range(9)]


@st.composite
def plans(draw: st.DrawFn) -> list[Node]:
    """Tasks that need any of each other, themselves and unknown ones among them."""
    count = draw(st.integers(0, len(NAMES)))
    needs = st.lists(st.sampled_from([*NAMES, "nowhere"]), max_size=4).map(tuple)
    return [
        Node(name, draw(TEXTS), draw(TEXTS), draw(needs), draw(TEXTS), "○", draw(TEXTS))
        for name in NAMES[:count]
    ]


@given(plans())
@settings(deadline=None)
def test_every_task_has_a_place_of_its_own_and_every_link_a_line(nodes: list[Node]) -> None:
    graph = lay_out(nodes)
    assert sorted(place.node.id for place in graph.places) == [node.id for node in nodes]
    for one in graph.places:
        assert drawing.MARGIN <= one.x <= graph.width - drawing.WIDTH - drawing.MARGIN
        assert 0 <= one.y <= graph.height - drawing.HEIGHT
        for other in graph.places:
            is_apart = abs(one.y - other.y) >= drawing.HEIGHT - 0.01
            assert one is other or one.x != other.x or is_apart
    known = {node.id for node in nodes}
    links = {node.id: {*node.needs} & known - {node.id} for node in nodes}
    assert graph.links == sum(map(len, links.values()))
    ends = {(line.x2, round(line.y2, 3)) for line in graph.lines if not line.reach}
    for place in graph.places:
        end = (place.x, round(place.y + drawing.HEIGHT / 2, 3))
        assert bool(links[place.node.id]) is (end in ends)


@given(plans())
@settings(deadline=None)
def test_a_picture_is_well_formed_and_the_same_each_time(nodes: list[Node]) -> None:
    picture = draw_graph(lay_out(nodes), "a plan")
    root = ET.fromstring(picture)
    assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {
        "svg", "path", "rect", "text", "title", "a", "g",
    }  # fmt: skip
    assert picture == draw_graph(lay_out(list(nodes)), "a plan")


def test_what_a_task_waits_for_stands_to_the_left_of_it() -> None:
    nodes = [
        Node("T-4", "last", "todo", ("T-3", "T-1")),
        Node("T-1", "first", "done"),
        Node("T-2", "second", "review", ("T-1",)),
        Node("T-3", "third", "todo", ("T-2",)),
    ]
    graph = lay_out(nodes)
    x = {place.node.id: place.x for place in graph.places}
    assert x["T-1"] < x["T-2"] < x["T-3"] < x["T-4"]
    assert not any(line.is_back for line in graph.lines)
    passing = [line for line in graph.lines if line.reach]
    assert len(passing) == 2  # T-1 to T-4 goes past two columns, and through no task


def test_a_task_is_drawn_as_the_selector_sees_it() -> None:
    tasks = [
        Task(id="T-1", title="one", status=Status.DONE, position=0),
        Task(id="T-2", title="two", status=Status.TODO, depends_on=("T-1", "T-9"), position=1),
        Task(id="T-3", title="three", status=Status.IN_PROGRESS, position=2),
        Task(id="T-4", title="four", status=Status.DONE, position=3),
        Task(id="T-5", title="five", status=Status.TODO, depends_on=("T-1",), position=4),
    ]
    selection = Selection(tasks, [], claimed={"T-3": "sess-1"}, unlanded={"T-4": "mission/T-4"})
    judged = [(each.task, each.reason, each.detail) for each in selection.verdicts]
    nodes = nodes_of(judged, lambda task_id: f"#{task_id}")
    states = {node.id: node.state for node in nodes}
    assert states == {
        "T-1": "done", "T-2": "todo", "T-3": "live", "T-4": "to-merge", "T-5": "ready",
        "T-9": "missing",
    }  # fmt: skip
    assert [node.href for node in nodes] == ["#T-1", "#T-2", "#T-3", "#T-4", "#T-5", ""]
    assert "depends on `T-9`, unknown here" in draw_graph(lay_out(nodes), "")


def test_a_cycle_is_drawn_with_the_link_that_closes_it() -> None:
    nodes = [Node("A", "", "todo", ("B",)), Node("B", "", "todo", ("A",))]
    graph = lay_out(nodes)
    assert sorted(line.is_back for line in graph.lines) == [False, True]
    assert "cycle" in draw_graph(graph, "")


def test_a_thousand_tasks_that_all_need_each_other_are_bounded() -> None:
    names = [f"T-{number}" for number in range(1_000)]
    graph = lay_out([Node(n, "t", "todo", tuple(names[:at])) for at, n in enumerate(names)])
    assert graph.links == drawing.MOST_LINKS
    assert graph.left_out == 1_000 * 999 // 2 - drawing.MOST_LINKS
    assert len(draw_graph(graph, "")) < 1_000_000


def test_hostile_text_is_only_text() -> None:
    node = Node("T-1", HOSTILE, HOSTILE, words=HOSTILE, mark="○", href=f"#{HOSTILE}")
    spans = [Span(HOSTILE, START, START, HOSTILE, HOSTILE)]
    for picture in (
        draw_graph(lay_out([node]), HOSTILE),
        draw_timeline(lay_out_timeline(spans), HOSTILE),
    ):
        root = ET.fromstring(picture)
        assert "script" not in {each.tag.rpartition("}")[2] for each in root.iter()}
        assert not any(name.startswith("on") for each in root.iter() for name in each.attrib)
        text = "".join(root.itertext())
        assert "<script>" in text
        assert not set(text) & {"\x1b", "\u202e"}


def span(task: str, minutes: float, length: float) -> Span:
    start = START + timedelta(minutes=minutes)
    return Span(task, start, start + timedelta(minutes=length), "finished", f"{task} {minutes}")


def test_a_long_rest_is_squeezed_and_work_is_to_scale() -> None:
    night = 12 * 60
    picture = lay_out_timeline([span("A", 0, 10), span("B", 10, 20), span("A", night, 10)])
    first, second, third = picture.bars
    assert picture.rows == ("A", "B")
    assert round(second.width / first.width, 3) == 2
    assert round(third.width / first.width, 3) == 1
    assert len(picture.gaps) == 1
    assert third.x - (second.x + second.width) == timeline.GAP
    assert third.x + third.width <= picture.width - drawing.MARGIN + 0.01
    assert [tick.words for tick in picture.ticks][:1] == ["Nov 20, 09:00"]


def test_sessions_at_once_stand_below_each_other() -> None:
    picture = lay_out_timeline([span("A", 0, 10), span("B", 5, 10)])
    assert [bar.row for bar in picture.bars] == [0, 1]
    assert picture.bars[1].x < picture.bars[0].x + picture.bars[0].width


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0, 1e6), st.floats(-5, 1e4))))
@settings(deadline=None)
def test_every_session_is_within_the_picture(sessions: list[tuple[str, float, float]]) -> None:
    picture = lay_out_timeline([span(*each) for each in sessions])
    assert len(picture.bars) == len(sessions)
    for bar in picture.bars:
        assert bar.x >= timeline.LABEL
        assert bar.x + bar.width <= picture.width + timeline.NARROWEST_BAR
    ticks = [tick.x for tick in picture.ticks]
    assert all(later - one >= timeline.TICK_EVERY - 1 for one, later in pairwise(ticks))
    ET.fromstring(draw_timeline(picture, "sessions"))
