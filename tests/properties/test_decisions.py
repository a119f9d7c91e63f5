"""A person's decisions over generated task files: every word kept, nothing else changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.model import Status
from mosaic.text.decisions import (
    Decision,
    Kind,
    add_decision,
    answer_remark,
    coded,
    find_lines,
    read_decisions,
)
from mosaic.text.harmless import harmless_line, harmless_text
from mosaic.text.sections import find_sections, handoff_texts
from tests.properties.test_text_sections import documents

WORDS = st.one_of(
    st.sampled_from(
        [
            "", "no", "one\ntwo", "one\n\ntwo\n\n\nthree", "```\nnever closed", "~~~\n## notes",
            "# heading\ntext", "text\n===\nmore", "<!-- open", "- item\n- at: src/a.py:3 in x",
            "- answered: not so\n\\- line: `x`\n\\\\- question: ?", "a: b (3): c", "全部\n完成 ✅",
            "\x1b[31mred\x07", "| a |\n|---|\n| 1 |", "<div>\n\n## result\n", "> quoted",
            "    code\n\ttab", "- 2026-11-26 rejected by Eve (9): x", "ends\\", "1. one\n2. two",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)  # fmt: skip
OWN = [
    "", "\n## decisions\n", "\n## Decisions\n\nWe use sqlite.\n\n- why not\n",
    "\n## decisions\n<!-- people only -->\n",
    "\n## decisions\n- 2026-01-02 rejected by me: by hand",
]  # fmt: skip
kinds = st.sampled_from(Kind)


def words_of(text: str) -> list[str]:
    return harmless_text(text).split()


def made(kind: Kind, text: str = "", **more: object) -> Decision:
    return Decision(kind=kind, date="2026-11-26", by="Ana", text=text, **more)  # type: ignore[arg-type]


@given(documents(), st.sampled_from(OWN), st.lists(st.tuples(kinds, WORDS), min_size=1, max_size=4))
def test_entries_are_read_back_with_every_word_and_nothing_else_is_changed(
    document: str, own: str, entries: list[tuple[Kind, str]]
) -> None:
    newline = "\r\n" if "\r\n" in document else "\n"
    text = document + own.replace("\n", newline)
    before = read_decisions(text)
    sections = [s for s in find_sections(text) if s.name != "decisions"]
    free = [s.content for s in find_sections(text) if s.name == "decisions"]
    for kind, words in entries:
        text, _ = add_decision(text, made(kind, words, notes=(("question", words),)))
    found = read_decisions(text)[len(before) :]
    assert [each.kind for each in found] == [kind for kind, _ in entries]
    assert [words_of(each.text) for each in found] == [words_of(words) for _, words in entries]
    assert [each.number for each in found] == [len(before) + n for n in range(1, len(entries) + 1)]
    after = find_sections(text)
    assert [(s.name, s.content) for s in after if s.name != "decisions"] == [
        (s.name, s.content) for s in sections
    ]
    assert all(each in text for each in free)
    assert handoff_texts(text) == handoff_texts(document)


@given(documents(), WORDS, WORDS)
def test_an_answer_stands_below_its_remark_and_closes_it_alone(
    document: str, words: str, said: str
) -> None:
    text = document
    for _ in range(3):
        text, remark = add_decision(text, made(Kind.REMARKED, words))
    answered = answer_remark(text, remark.number - 1, said)
    assert answered is not None
    found = read_decisions(answered)
    assert [each.is_open for each in found] == [True, False, True]
    assert words_of(found[1].notes_of("answered")[0]) == words_of(said)
    assert [each.identity for each in found] == [each.identity for each in read_decisions(text)]
    assert answer_remark(text, 99, said) is None


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]), max_size=30))
def test_a_quoted_line_of_code_is_read_back(line: str) -> None:
    text, _ = add_decision("", made(Kind.REMARKED, "x", notes=(("line", coded(line)),)))
    (remark,) = read_decisions(text)
    assert [quoted.strip() for quoted in remark.quoted] == [harmless_line(line).strip()]


H = (("handoff", "sess-001 (demo, 3s): done"),)
SENT, SENT_H, ANSWER = (Kind.REJECTED, ()), (Kind.REJECTED, H), (Kind.ANSWERED, ())
REMARK, APPROVED = (Kind.REMARKED, ()), (Kind.APPROVED, ())


@pytest.mark.parametrize(
    ("entries", "status", "expected"),
    [
        pytest.param([SENT_H], Status.TODO, [1], id="sent back"),
        pytest.param([SENT_H], Status.REVIEW, [], id="handed off again"),
        pytest.param([SENT_H, SENT_H], Status.TODO, [2], id="sent back twice"),
        pytest.param([SENT_H, SENT], Status.TODO, [1, 2], id="no handoff between"),
        pytest.param([ANSWER, ANSWER], Status.IN_PROGRESS, [1, 2], id="answers"),
        pytest.param([REMARK, SENT_H], Status.TODO, [1, 2], id="remarks stay"),
        pytest.param([REMARK], Status.REVIEW, [1], id="a remark waits for its answer"),
        pytest.param([REMARK, APPROVED], Status.DONE, [], id="approved"),
        pytest.param(
            [SENT_H, APPROVED, (Kind.REOPENED, H)], Status.TODO, [3], id="opened again"
        ),
    ],
)  # fmt: skip
def test_a_later_handoff_answers_what_a_person_said(
    entries: list[tuple[Kind, tuple[tuple[str, str], ...]]], status: Status, expected: list[int]
) -> None:
    text = "## notes\n"
    for kind, notes in entries:
        text, _ = add_decision(text, made(kind, "words", notes=notes))
    found = read_decisions(text, status)
    assert [each.number for each in found if each.is_open] == expected


def test_a_line_that_moved_is_found_again_and_one_that_is_gone_is_not() -> None:
    code = ["a", "  b()", "c", "b()", "d"]
    assert find_lines(code, ["  b()"], 1) == 2
    assert find_lines(code, ["\tb()"], 5) == 4
    assert find_lines(code, ["c", "b()"], 1) == 3
    assert find_lines(code, ["e"], 1) is None
    assert find_lines(code, [], 1) is None
