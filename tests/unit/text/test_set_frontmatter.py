from __future__ import annotations

import pytest

from mosaic.errors import EditRefusedError, FrontMatterError
from mosaic.text.frontmatter import parse_front_matter
from mosaic.text.set_frontmatter import set_front_matter

TASK = """\
---
# head
task_id: T-005
title: 'Runner: local'
status: todo            # a person's comment
branch: "feat/x"
milestone:   # none yet
depends_on:   # in order
  - T-003 # first
  # a note of its own
  - "T-004"
labels: [ui,  "api" ] # flow
note: |  # kept
  two
  lines

pr:
---
status: in the body
"""


def changed(key: str, value: str | list[str] | None, text: str = TASK) -> list[tuple[str, str]]:
    """Return the lines that differ, old and new, where the number of lines is the same."""
    edited = set_front_matter(text, key, value)
    old, new = text.split("\n"), edited.split("\n")
    assert len(old) == len(new)
    return [(one, other) for one, other in zip(old, new, strict=True) if one != other]


def inserted(key: str, value: str | list[str]) -> tuple[str, str]:
    """Return the one line that was put in, and the line before it."""
    old, new = TASK.split("\n"), set_front_matter(TASK, key, value).split("\n")
    assert len(new) == len(old) + 1
    place = next(n for n, line in enumerate(new) if n >= len(old) or line != old[n])
    assert new[:place] + new[place + 1 :] == old
    return new[place], new[place - 1]


def test_a_plain_word_changes_and_its_comment_stays() -> None:
    assert changed("status", "done") == [
        (
            "status: todo            # a person's comment",
            "status: done            # a person's comment",
        )
    ]


def test_the_quotes_that_stand_there_are_kept() -> None:
    assert changed("branch", "main") == [('branch: "feat/x"', 'branch: "main"')]
    assert changed("title", "It's: so") == [("title: 'Runner: local'", "title: 'It''s: so'")]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("Fix: it", "'Fix: it'"),
        ("#12", "'#12'"),
        ("yes", "'yes'"),
        ("null", "'null'"),
        ("1.5", "'1.5'"),
        ("12", "12"),
        ("2026-03-21", "2026-03-21"),
        ("a:b", "a:b"),
        ("修复 👍", "修复 👍"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("one\ntwo", '"one\\ntwo"'),
        ("tab\there", '"tab\\there"'),
        ("\ufeffbom", '"\\ufeffbom"'),
        (" padded ", "' padded '"),
        ("-5x", "-5x"),
        ("- x", "'- x'"),
    ],
)
def test_quotes_are_put_only_where_they_are_needed(value: str, written: str) -> None:
    assert f"\nstatus: {written}            #" in set_front_matter(TASK, "status", value)


@pytest.mark.parametrize(
    ("old", "new"), [("true", "false"), ("-7", "-10"), ("1.5", "2.5"), ("3", "4")]
)
def test_a_number_or_truth_may_become_another_without_quotes(old: str, new: str) -> None:
    text = f"---\na: {old}\n---\n"
    assert set_front_matter(text, "a", new) == f"---\na: {new}\n---\n"


def test_an_empty_value_is_filled_before_its_comment() -> None:
    assert changed("milestone", "M1") == [("milestone:   # none yet", "milestone: M1   # none yet")]
    assert changed("pr", "#7") == [("pr:", "pr: '#7'")]


def test_a_value_set_to_nothing_is_empty_again() -> None:
    assert set_front_matter(set_front_matter(TASK, "pr", "x"), "pr", "") == TASK


def test_the_same_value_changes_nothing() -> None:
    assert set_front_matter(TASK, "title", "Runner: local") == TASK
    assert set_front_matter(TASK, "depends_on", ["T-003", "T-004"]) == TASK
    assert set_front_matter(TASK, "missing", None) == TASK


def test_an_item_is_one_line_more_in_the_style_of_its_neighbour() -> None:
    assert inserted("depends_on", ["T-003", "T-004", "T-9"]) == ('  - "T-9"', '  - "T-004"')
    assert inserted("depends_on", ["T-1", "T-003", "T-004"]) == (
        "  - T-1",
        "depends_on:   # in order",
    )


def test_an_item_that_goes_takes_its_line_and_no_other() -> None:
    edited = set_front_matter(TASK, "depends_on", ["T-004"])
    assert edited == TASK.replace("  - T-003 # first\n", "")


def test_an_item_that_changes_keeps_its_comment_and_quotes() -> None:
    assert changed("depends_on", ["T-001", "T-002"]) == [
        ("  - T-003 # first", "  - T-001 # first"),
        ('  - "T-004"', '  - "T-002"'),
    ]


def test_a_flow_list_stays_one_and_keeps_the_other_items() -> None:
    assert changed("labels", ["ui", "db", "api"]) == [
        ('labels: [ui,  "api" ] # flow', 'labels: [ui,  db,  "api" ] # flow')
    ]
    assert changed("labels", ["api"]) == [
        ('labels: [ui,  "api" ] # flow', 'labels: ["api" ] # flow')
    ]


@pytest.mark.parametrize("item", ["a, b", "x]y", "a{b", "[x]", "a:", "a?b", "src/[id].ts"])
def test_an_item_that_would_end_a_flow_list_is_quoted(item: str) -> None:
    assert set_front_matter("---\na: [q]\n---\n", "a", [item]) == f"---\na: ['{item}']\n---\n"


def test_a_list_that_loses_all_items_is_an_empty_list() -> None:
    assert "labels: [ ] # flow" in set_front_matter(TASK, "labels", [])
    edited = set_front_matter(TASK, "depends_on", [])
    assert "depends_on: []   # in order\n# first\n# a note of its own\nlabels" in edited


T23 = ("T-2", "T-3")
LINED = """\
---
a: [
  T-1,  # one
  T-2,  # two
  T-3   # three
]  # end
---
"""


@pytest.mark.parametrize(
    ("items", "written"),
    [
        (["T-1", "T-2"], "  T-1,  # one\n  T-2,  # two\n"),
        (["T-2", "T-3"], "  T-2,  # two\n  T-3   # three\n"),
        (["T-1", "T-3"], "  T-1,  # one\n  T-3   # three\n"),
        (["T-1", "T-2", "X"], "  T-1,  # one\n  T-2,  # two\n  X   # three\n"),
        (["T-1", "X", "Y", "T-3"], "  T-1,  # one\n  X,  # two\n  Y,\n  T-3   # three\n"),
        (["T-1", "X", "Y", *T23], "  T-1,  # one\n  X,\n  Y,\n  T-2,  # two\n  T-3   # three\n"),
        (["X", "Y", "T-1", *T23], "  X,\n  Y,\n  T-1,  # one\n  T-2,  # two\n  T-3   # three\n"),
        (["T-1", *T23, "X", "Y"], "  T-1,  # one\n  T-2,  # two\n  T-3,   # three\n  X,\n  Y\n"),
        ([], "    # one\n    # two\n     # three\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_comment_of_a_list_over_several_lines_stays_with_its_item(
    items: list[str], written: str, newline: str
) -> None:
    edited = set_front_matter(LINED.replace("\n", newline), "a", items)
    assert edited == f"---\na: [\n{written}]  # end\n---\n".replace("\n", newline)


@pytest.mark.parametrize("value", ["1e3", "0o17", "12e4567", "007", "0x1F", "1_000", "yes", ".5"])
def test_what_yaml_1_1_and_1_2_read_differently_is_quoted(value: str) -> None:
    for before in ("x", "5", "010", "no", "1.5"):
        text = f"---\na: {before}\nb:\n  - {before}\nc: [{before}]\n---\n"
        assert f"a: '{value}'\n" in set_front_matter(text, "a", value)
        assert f"- {before}\n  - '{value}'\n" in set_front_matter(text, "b", [before, value])
        assert f"[{before}, '{value}']" in set_front_matter(text, "c", [before, value])


def test_comments_outlive_the_field_that_they_stand_beside() -> None:
    assert set_front_matter("---\na: x # why\nb: y\n---\n", "a", None) == "---\n# why\nb: y\n---\n"
    assert set_front_matter(LINED, "a", None) == "---\n# one\n# two\n# three\n# end\n---\n"


def test_a_text_takes_the_place_of_a_list_and_the_other_way_round() -> None:
    assert "labels: one # flow\n" in set_front_matter(TASK, "labels", "one")
    edited = set_front_matter(TASK, "depends_on", "T-1")
    assert "depends_on: T-1   # in order\n# first\n# a note of its own\nlabels" in edited
    as_list = set_front_matter(TASK, "status", ["a", "b"])
    assert "status:            # a person's comment\n  - a\n  - b\nbranch" in as_list


def test_one_word_stays_one_word_when_set_to_a_list_of_one() -> None:
    text = "---\ndepends_on: T-1 # why\n---\n"
    assert set_front_matter(text, "depends_on", ["T-2"]) == "---\ndepends_on: T-2 # why\n---\n"


def test_a_block_scalar_becomes_a_word_and_what_follows_stays() -> None:
    edited = set_front_matter(TASK, "note", "short")
    assert edited == TASK.replace("note: |  # kept\n  two\n  lines\n", "note: short  # kept\n")


def test_a_missing_key_comes_after_its_natural_neighbour() -> None:
    assert inserted("base_ref", "main") == ("base_ref: main", 'branch: "feat/x"')
    assert inserted("updated_at", "2026-01-01") == ("updated_at: 2026-01-01", "pr:")
    assert inserted("own", "x") == ("own: x", "pr:")


def test_a_new_list_is_written_like_the_others() -> None:
    block = "---\na:\n- x\n---\n"
    assert set_front_matter(block, "b", ["y"]) == "---\na:\n- x\nb:\n- y\n---\n"
    flow = "---\na: [x]\n---\n"
    assert set_front_matter(flow, "b", ["y", "z: w"]) == "---\na: [x]\nb: [y, 'z: w']\n---\n"
    assert set_front_matter("---\n---\n", "b", ["y"]) == "---\nb:\n  - y\n---\n"


def test_a_key_goes_with_all_its_lines() -> None:
    edited = set_front_matter(TASK, "note", None)
    assert edited == TASK.replace("note: |  # kept\n  two\n  lines\n", "# kept\n")
    assert "status" not in set_front_matter("---\nstatus: todo\n---\n", "status", None)
    assert "depends_on" not in set_front_matter(TASK, "depends_on", None)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_are_added_in_the_newlines_of_the_file(newline: str) -> None:
    text = "\ufeff---\na: 1\nlist:\n  - x\n---\nbody".replace("\n", newline)
    edited = set_front_matter(set_front_matter(text, "list", ["x", "y"]), "status", "todo")
    assert edited.count("\n") == edited.count(newline)
    assert edited.endswith(f"{newline}body")


def test_keys_that_are_indented_or_quoted_are_edited_too() -> None:
    text = "---\n  'title': x\n  status: todo\n---\n"
    assert set_front_matter(text, "title", "y") == text.replace("x", "y")
    assert set_front_matter(text, "milestone", "M1") == (
        "---\n  'title': x\n  status: todo\n  milestone: M1\n---\n"
    )


def test_body_lines_that_look_like_keys_are_left_alone() -> None:
    assert set_front_matter(TASK, "status", "done").endswith("---\nstatus: in the body\n")


@pytest.mark.parametrize(
    "text",
    ["---\n{status: todo}\n---\n", "# no front matter\n", "---\n? status\n: todo\n? b\n---\n"],
)
def test_what_cannot_be_done_cleanly_is_refused(text: str) -> None:
    with pytest.raises(EditRefusedError) as caught:
        set_front_matter(text, "b" if "?" in text else "status", "done")
    assert caught.value.line
    assert caught.value.hint


def test_a_text_that_no_file_can_hold_is_refused() -> None:
    with pytest.raises(EditRefusedError):
        set_front_matter(TASK, "status", "\udc80")


def test_a_file_that_cannot_be_read_is_not_edited() -> None:
    with pytest.raises(FrontMatterError):
        set_front_matter("---\ntitle: a: b\n---\n", "status", "todo")


def test_a_long_list_is_edited_item_by_item() -> None:
    items = [f"T-{number}" for number in range(5000)]
    text = "---\ndepends_on:\n" + "".join(f"- {item}\n" for item in items) + "---\n"
    edited = set_front_matter(text, "depends_on", items[::-1])
    matter = parse_front_matter(edited)
    assert matter is not None
    assert matter.strings("depends_on") == tuple(items[::-1])
