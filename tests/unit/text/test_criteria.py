"""Acceptance criteria: what a reader sees as one, and ticking without changing another byte."""

from __future__ import annotations

import pytest

from mosaic.errors import EditRefusedError
from mosaic.text.criteria import acceptance_criteria, tick_criterion

TASK = """\
---
task_id: T-001
title: "- [ ] not here"
---

# T-001 Title

## Goal

Make it so. [x] is no box here, and - [ ] neither.

## Acceptance criteria

- [ ] it streams
- [x] the exit code
  is kept, as long
as it is known
* [X] with a star
+ [ ] with a plus
1. [ ] numbered
2) [x] and with a bracket
   - [ ] nested under it
- [~] dropped
- [-] dropped too
- [/] begun
> - [ ] quoted
> wrapped in the quote

- plain
  - [ ] below a plain one
- [ ]
- [?] another sign
- [] no sign
- [x]nothing between

    - [ ] belongs to the item above

```
- [ ] in a fence
```

<!--
- [ ] in a comment
-->

Text.

    - [ ] in indented code

## result

- [x] of the handoff

## Decisions

- [ ] of a person
"""

FOUND = [
    ("it streams", "open", 14), ("the exit code is kept, as long as it is known", "ticked", 15),
    ("with a star", "ticked", 18), ("with a plus", "open", 19), ("numbered", "open", 20),
    ("and with a bracket", "ticked", 21), ("nested under it", "open", 22),
    ("dropped", "dropped", 23), ("dropped too", "dropped", 24), ("begun", "open", 25),
    ("quoted wrapped in the quote", "open", 26), ("below a plain one", "open", 30),
    ("belongs to the item above", "open", 36),
]  # fmt: skip


def read(text: str) -> list[tuple[str, str, int]]:
    return [(each.text, each.state, each.line) for each in acceptance_criteria(text)]


def test_criteria_are_what_a_reader_sees() -> None:
    assert read(TASK) == FOUND
    assert read(TASK.replace("\n", "\r\n")) == FOUND


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\t- [ ] code by a tab\n", []),
        ("-\t[ ] a tab behind the mark\n", ["a tab behind the mark"]),
        ("- [ ]\ta tab behind the box\n", ["a tab behind the box"]),
        ("text\n2. [ ] cannot interrupt it\n", []),
        ("text\n1. [ ] can\n", ["can"]),
        ("- [ ] underlined\n  ---\n", []),
        ("- a\n\n  [ ] not its first paragraph\n", []),
        ("- - [ ] two in one\n", ["two in one"]),
        ("-     [ ] code in an item\n", []),
        ("-\n  [ ] in the next line\n", ["in the next line"]),
        ("-\n\n  [ ] after a blank line\n", []),
        ("- [ ] a <!-- not\nshown --> b\n", ["a b"]),
        ("<div>\n- [ ] html\n</div>\n\n- [ ] after it\n", ["after it"]),
        ("- [ ] a\n  ```\n  - [ ] no\n  ```\n- [ ] b\n~~~\n- [ ] never closed\n", ["a", "b"]),
        ("````\n```\n- [ ] no\n````\n- [ ] b\n", ["b"]),
        ("> - [ ] a\n- [ ] b\n> c\n", ["a", "b"]),
        ("a\u2028b\x0cc\x85d\n- [ ] second line\n", ["second line"]),
        ("* * *\n- [ ] behind a rule\n", ["behind a rule"]),
        ("1234567890. [ ] too many digits\n", []),
    ],
)
def test_the_block_structure_is_that_of_commonmark(text: str, found: list[str]) -> None:
    assert [each.text for each in acceptance_criteria(text)] == found


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_ticking_changes_one_byte(newline: str) -> None:
    text = TASK.replace("\n", newline)
    for number, (_, state, line) in enumerate(FOUND, 1):
        if state == "dropped":
            with pytest.raises(EditRefusedError, match="was dropped"):
                tick_criterion(text, number)
            continue
        edited = tick_criterion(text, number)
        lines = [
            (a, b) for a, b in zip(text.split("\n"), edited.split("\n"), strict=True) if a != b
        ]
        if state == "ticked":
            assert edited == text
        else:
            ((before, after),) = lines
            assert after == before.replace("[ ]", "[x]", 1).replace("[/]", "[x]", 1)
            assert acceptance_criteria(edited)[number - 1].line == line
            assert acceptance_criteria(edited)[number - 1].checked


@pytest.mark.parametrize("number", [0, -1, 99])
def test_a_number_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(EditRefusedError, match=f"no acceptance criterion {number}"):
        tick_criterion(TASK, number)


@pytest.mark.parametrize(
    "text",
    ["- [ ] " * 50_000, "> " * 50_000 + "- [ ] a", "* " * 100_000, "- [ ] a\n" * 20_000,
     "- [ ] <!-- a\n" * 20_000, "- [ ] a\n" + "b\n" * 50_000, "<a " * 50_000 + "\n- [ ] a"],
)  # fmt: skip
def test_hostile_text_is_read_without_going_back_and_forth(text: str) -> None:
    acceptance_criteria(text)
