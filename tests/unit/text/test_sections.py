from __future__ import annotations

from collections.abc import Callable

import pytest

from mosaic.errors import BrokenFileError, EditRefusedError
from mosaic.text import blocks, sections
from mosaic.text.blocks import Outline
from mosaic.text.sections import (
    HANDOFF_SECTIONS,
    append_section,
    find_sections,
    handoff_texts,
    is_placeholder,
    missing_sections,
    section_text,
    set_section,
)

TASK = """\
---
task_id: T-005
---

# T-005 Worker runner

- [ ] logs stream
* [x] exit code kept

```
- [ ] in a fence
```

<!-- - [ ] in a comment -->

## Goal

1. [X] numbered

## files_changed
- `a.ts`

## Commands Run
-

## result
## risks
TBD

## next-handoff ##
- [ ] not a criterion
## NOTES
"""


def test_sections_are_known_by_any_spelling_of_their_name() -> None:
    assert [(s.name, s.line) for s in find_sections(TASK)] == [
        ("Goal", 16),
        ("files_changed", 20),
        ("commands_run", 23),
        ("result", 26),
        ("risks", 27),
        ("next_handoff", 30),
        ("notes", 32),
    ]


def test_a_section_runs_to_the_next_heading_of_its_level_or_above() -> None:
    text = "## result\na\n### part\nb\n\nRisks\n---\nc\n\nTop\nof all\n===\nd\n"
    assert section_text(text, "result") == "a\n### part\nb"
    assert section_text(text, "risks") == "c"
    assert section_text(text, "missing") is None


@pytest.mark.parametrize(
    "text",
    [
        "```\n## result\n```\n",
        "<!--\n## result\n-->\n",
        "> ## result\n",
        "- ## result\n",
        "    ## result\n",
        "##result\n",
        "### result\n",
        "\\## result\n",
    ],
)
def test_what_only_looks_like_a_heading_is_none(text: str) -> None:
    assert find_sections(text) == ()


@pytest.mark.parametrize(
    "before", ["> quote", "- item", "1. item", "text", "| a |\n|---|", "-", "***"]
)
def test_a_heading_needs_no_blank_line_before_it(before: str) -> None:
    sections = find_sections(f"## notes\n{before}\n## result\nx\n")
    assert [(s.name, s.content) for s in sections] == [("notes", before), ("result", "x")]


def test_a_dash_below_a_heading_is_no_underline() -> None:
    text = "## result\n-\n## risks\n---\n## notes\n- - -\n"
    assert [s.name for s in find_sections(text)] == ["result", "risks", "notes"]


def test_a_body_alone_may_begin_with_a_rule() -> None:
    assert missing_sections("---\n\n## result\nx\n") == tuple(
        name for name in HANDOFF_SECTIONS if name != "result"
    )


PLACEHOLDERS = [
    "",
    "  \n",
    "-",
    "- ",
    "TODO",
    "todo",
    "- TODO",
    "TBD.",
    "(to be filled)",
    "* (To be filled)",
    "待填写",
    "（待填写）",
    "- 待填写。",
    "<!-- what changed? -->",
    "<!-- a\nb -->\n- TBD",
    "_TODO_",
    "- [ ] TODO",
    "1. TBD",
    "`TODO`",
]


@pytest.mark.parametrize("content", PLACEHOLDERS)
def test_a_placeholder_says_nothing(content: str) -> None:
    assert is_placeholder(content)


@pytest.mark.parametrize(
    "content", ["none", "- a", "TODO: tests", "--", "0", "<!-- open", "todo list"]
)
def test_anything_else_says_something(content: str) -> None:
    assert not is_placeholder(content)


def test_sections_without_a_word_are_missing() -> None:
    assert missing_sections(TASK) == ("commands_run", "result", "risks", "notes")
    assert handoff_texts(TASK)["files_changed"] == "- `a.ts`"
    assert missing_sections("") == HANDOFF_SECTIONS


def test_setting_a_section_touches_its_content_only() -> None:
    assert set_section(TASK, "risks", "none") == TASK.replace("TBD\n", "none\n")
    assert set_section(TASK, "result", "ok") == TASK.replace("## result\n", "## result\nok\n")
    assert set_section(TASK, "Files Changed", "") == TASK.replace("- `a.ts`\n", "")


def test_blank_lines_after_headings_are_kept_where_they_are_the_habit() -> None:
    text = "## result\n\nfine\n\n## risks\n\n## notes\n"
    assert set_section(text, "risks", "few") == "## result\n\nfine\n\n## risks\n\nfew\n\n## notes\n"
    assert set_section(text, "notes", "n") == f"{text}\nn\n"


def test_a_missing_section_is_added_in_its_natural_place() -> None:
    text = "## result\nok\n\n## notes\nn\n"
    assert set_section(text, "risks", "few") == "## result\nok\n\n## risks\nfew\n\n## notes\nn\n"
    assert set_section("# T\n", "notes", "n") == "# T\n\n## notes\nn\n"
    assert set_section("# T", "notes", "n") == "# T\n\n## notes\nn"
    assert set_section("", "notes", "n") == "## notes\nn\n"


def test_newlines_and_a_missing_last_one_are_kept() -> None:
    text = "## result\r\nold\r\n\r\n## notes"
    assert set_section(text, "result", "a\nb") == "## result\r\na\r\nb\r\n\r\n## notes"
    assert append_section(text, "notes", "x") == "## result\r\nold\r\n\r\n## notes\r\nx"


def test_appending_follows_a_list_and_replaces_a_placeholder() -> None:
    text = "## notes\n- a\n\n## risks\nTODO\n"
    assert append_section(text, "notes", "- b") == "## notes\n- a\n- b\n\n## risks\nTODO\n"
    assert append_section(text, "notes", "word") == "## notes\n- a\n\nword\n\n## risks\nTODO\n"
    assert append_section(text, "risks", "- r") == "## notes\n- a\n\n## risks\n- r\n"


@pytest.mark.parametrize(
    "content", ["# a", "x\n\n## b", "x\n---", "x\n===", "```\nopen", "<!-- open", "<pre>\nopen"]
)
def test_content_that_would_end_or_swallow_sections_is_refused(content: str) -> None:
    with pytest.raises(EditRefusedError) as caught:
        set_section(TASK, "result", content)
    assert caught.value.hint


def test_a_section_cannot_be_added_behind_an_open_fence() -> None:
    with pytest.raises(EditRefusedError):
        set_section("text\n\n```\nnever closed\n", "notes", "x")


def test_a_last_section_cannot_be_left_with_an_open_fence() -> None:
    with pytest.raises(EditRefusedError, match="swallow"):
        set_section("## result\n\n## notes\n", "notes", "```\nopen")


def test_a_line_beyond_all_measure_is_refused_and_blames_no_table() -> None:
    with pytest.raises(BrokenFileError) as caught:
        find_sections("x" * (2 << 20))
    assert caught.value.code == "FILE_INVALID"


@pytest.mark.parametrize(
    "text", ["<!-- " * 100_000, "- [ ] " * 50_000, "## a\n" * 5_000, "* " * 100_000]
)
def test_hostile_texts_are_read_without_going_back_and_forth(text: str) -> None:
    find_sections(text)
    assert isinstance(is_placeholder(text), bool)


@pytest.mark.parametrize("heading", ["## Notes ##", "## Notes #", "##\tNotes\t###\t", "## Notes"])
def test_signs_behind_a_heading_are_none_of_its_words(heading: str) -> None:
    assert section_text(f"{heading}\n\nwords\n", "notes") is not None
    assert section_text(f"{heading}#x\n\nwords\n", "notes") is None


@pytest.mark.parametrize("edit", [set_section, append_section])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<!-- BEGIN other -->\n", "<!-- BEGIN other -->\nok\n"),
        ("<!-- a -->\n- TODO\n<!-- b -->\n", "<!-- a -->\nok\n\n<!-- b -->\n"),
        ("---\n", "ok\n\n---\n"),
        ("TBD\n\n***\n", "ok\n\n***\n"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_comments_and_rules_of_a_section_that_says_nothing_stay(
    edit: Callable[[str, str, str], str], before: str, after: str, newline: str
) -> None:
    text = f"## result\n{before}\n## notes\nn\n"
    edited = edit(text.replace("\n", newline), "result", "ok")
    assert edited == text.replace(before, after).replace("\n", newline)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("## a\n\n## notes\nx\n```py\nfoo\n", 5),
        ("## notes\nx <!-- closed -->\n<!-- open\n", 3),
        ("---\na: b\n---\n## notes\nk\n\n<pre>\nx\n", 7),
        ("## notes\n- a\n\n~~~\n~~~\n\n~~~~\n~~~\n", 7),
        ("## other\n```\n## notes\nx\n", 2),
    ],
)
def test_nothing_is_written_behind_what_is_never_closed(text: str, line: int) -> None:
    with pytest.raises(EditRefusedError) as caught:
        append_section(text, "notes", "new")
    assert caught.value.line == line
    assert "never closed" in caught.value.message


def test_a_missing_section_is_added_with_two_looks_at_the_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = []
    look = blocks.outline

    def counted(text: str, *, offset: int = 0) -> Outline:
        looks.append(len(text))
        return look(text, offset=offset)

    monkeypatch.setattr(sections, "outline", counted)
    text = "## result\nfine\n" * 100
    append_section(text, "notes", "n")
    assert len([size for size in looks if size >= len(text)]) == 2


@pytest.mark.parametrize("heading", ["## notes ##", "## # a", "> q\n## notes", "notes\n---"])
def test_a_heading_may_end_a_text_without_a_newline(heading: str) -> None:
    assert [section.content for section in find_sections(heading)] == [""]
    assert "words" in set_section(heading, "notes", "words")
