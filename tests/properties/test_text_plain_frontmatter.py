"""What is read without YAML is what YAML reads."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from mosaic.errors import FrontMatterError
from mosaic.text.frontmatter import find_block, read_as_yaml
from mosaic.text.plain_frontmatter import PlainMatter, read_plainly

SIGNS = "abzTZ019 :#-[]{},\"'\\*&!|>%@`?=~.+_/\t\r任é\x85\xa0\u2028\ufeff²Ⅷ"
KEYS = st.sampled_from(
    (
        "task_id",
        "title",
        "status",
        "labels",
        "a-b",
        "_x",
        "on",
        "NULL",
        "true",
        "1",
        "a b",
        "é",
        "-",
    )
) | st.text(SIGNS, max_size=5)
WORDS = st.sampled_from(
    (
        "todo", "Write it", "null", "~", "Yes", "OFF", "y", "N", "1", "007", "0", "-3", "1.5",
        "1e3", "0x1f", "1_000", "12:30:45", "2026-03-21", "2026-03-21T19:41:39+08:00",
        "2026-03-21 19:41:39", "2026-03-21T19:41:39Z", "a: b", "a #b", "a#b", "a:b", "a:",
        "src/**/*.py", '"a"', "'a'", '"a\\n"', "'it''s'", '"', "''", "[a]", "[a, b c]", "[]",
        "[a,]", "['a, b']", '["a", b]', "[a: b]", "[1, a]", "[a, on]", "[[a]]", "[a",
        "[ a ,b ]", "[a#b]", "[a #b]", "{a: b}", "&a b", "*a", "!t a", "|", ">", "- a", "a - b",
        "\"a\" # b", "=", "<<", "%a", "@a", ".inf", ".5", "999999999999999999999", "e\u0301",
        "a\u2028b", "a\xa0", "Ünder", "a\tb", "x" * 2000,
    )
) | st.text(SIGNS, max_size=12)  # fmt: skip
BLANKS = st.sampled_from(("", " ", "  ", "\t"))
LINES = st.one_of(
    st.builds("{}:{}{}{}".format, KEYS, st.sampled_from((" ", "  ", "", "\t")), WORDS, BLANKS),
    st.builds("{}:{}".format, KEYS, BLANKS),
    st.builds(
        "{}-{}{}{}".format,
        st.sampled_from(("  ", "", "    ")),
        st.sampled_from((" ", "   ", "")),
        WORDS,
        BLANKS,
    ),
    st.sampled_from(("", "# a comment", "  # indented", "  ", "---", "--- a", "...", "  words")),
    st.text(SIGNS, max_size=15),
)
MATTERS = st.builds(str.join, st.sampled_from(("\n", "\r\n")), st.lists(LINES, max_size=8))


def by_yaml(text: str) -> PlainMatter | None:
    block = find_block(text)
    assert block is not None
    try:
        return read_as_yaml(text, block)
    except FrontMatterError:
        return None


def plainly(text: str) -> PlainMatter | None:
    block = find_block(text)
    assert block is not None
    return read_plainly(text[block.start : block.end], 2)


def fenced(matter: str) -> str:
    return f"---\n{matter}\n---\nbody\n"


def assert_same(text: str) -> bool:
    """Compare both readings where there is a plain one; tell whether there is."""
    plain = plainly(text)
    if plain is None:
        return False
    truth = by_yaml(text)
    assert truth is not None
    assert plain == truth
    assert list(plain.data) == list(truth.data)
    assert [type(value) for value in plain.data.values()] == [
        type(value) for value in truth.data.values()
    ]
    return True


@given(MATTERS)
def test_whatever_is_read_plainly_is_what_yaml_reads(matter: str) -> None:
    text = fenced(matter)
    block = find_block(text)
    if block is None or text[block.start : block.end].rstrip("\r\n") != matter.rstrip("\r\n"):
        return  # the text closed its own fence
    event("plain" if assert_same(text) else "doubtful")


@given(KEYS, WORDS, WORDS)
def test_each_kind_of_line_by_itself(key: str, one: str, other: str) -> None:
    for matter in (
        f"{key}: {one}",
        f"{key}: {one} # {other}",
        f"{key}:\n  - {one}\n  - {other}",
        f"{key}:\n- {one}\n- {other}\nlast: 1",
        f"{key}: [{one}, {other}]",
        f'{key}: "{one}"',
        f"{key}: '{one}'",
        f"{key}: {one}\n  {other}",
        f"{key}:\n  - {one}\n    - {other}",
        f"a: {one}\n{key}: {other}",
    ):
        text = fenced(matter)
        if "\n---" not in f"\n{matter}" and "\n..." not in f"\n{matter}":
            assert_same(text)


@pytest.mark.parametrize(
    "matter",
    [
        "task_id: T-001\ntitle: Write it\nstatus: in-progress",
        "depends_on:\n  - T-001\n  - T-002\nwrite_scope: [src/reader/**, docs/*.md]",
        "depends_on:\n- T-001\nnotes:\nattempts: 3",
        "updated_at: 2026-03-21T19:41:39+08:00\nstarted: 2026-03-21",
        'title: "Quoted: it # stands"\nlabels: [\'a\', "b"]',
        "# a comment\n\ntitle: 写一个阅读器",
        "title: What's new in 3.0? All of it, (nearly)",
        "labels: []\r\nstatus: todo\r",
        "",
    ],
)
def test_what_people_write_is_plain(matter: str) -> None:
    assert assert_same(fenced(matter))
