"""Section edits over generated task files: read back right, everything else the same."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mosaic.errors import EditRefusedError
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

TITLES = {
    "files_changed": ["files_changed", "Files changed", "FILES-CHANGED"],
    "commands_run": ["commands_run", "Commands run ##"],
    "result": ["result", "Result", "**Result**"],
    "risks": ["risks", "RISKS"],
    "next_handoff": ["next_handoff", "Next handoff", "next-handoff"],
    "notes": ["notes", "Notes"],
}
CONTENTS = [
    "",
    "- TODO",
    "(to be filled)",
    "- `src/a.ts`\n- `src/b.ts`",
    "All is well.",
    "全部完成 ✅",
    "```\n## notes\nin a fence\n```",
    "### smaller\n\ntext",
    "> ## quoted",
    "<!-- ## risks -->\nreal",
    "    ## indented",
    "- item\n\n  ## in an item",
    "text\n\n---\n\nbelow a rule",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "ends with \\",
]
contents = st.one_of(
    st.sampled_from(CONTENTS),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    head = draw(st.sampled_from(["---\ntask_id: T-1\nkey: v\n---\n", "---\n\nrule first\n\n", ""]))
    names = draw(st.lists(st.sampled_from(HANDOFF_SECTIONS), unique=True, max_size=6))
    blank = draw(st.sampled_from(["", "\n"]))
    after = draw(st.sampled_from(["\n", "\n\n", "\n\n\n"]))
    parts = [
        head,
        draw(st.sampled_from(["# T-1 Title\n\nGoal.\n\n", "", "- [ ] one\n- [x] two\n\n"])),
    ]
    for name in names:
        title = draw(st.sampled_from([t for t in TITLES[name] if not t.startswith("*")]))
        content = draw(st.sampled_from(CONTENTS))
        parts.append(f"## {title}\n{blank}{content}{after if content else blank}")
    text = "".join(parts)
    if draw(st.booleans()):
        text = text.rstrip("\n")
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return ("\ufeff" if draw(st.booleans()) else "") + text


names = st.sampled_from(HANDOFF_SECTIONS)


def plain(text: str | None) -> str:
    return (text or "").replace("\r\n", "\n").strip()


@given(documents(), names, contents)
@settings(deadline=None, max_examples=300)
def test_a_section_set_reads_back_and_the_others_stay(text: str, name: str, content: str) -> None:
    try:
        edited = set_section(text, name, content)
    except EditRefusedError:
        assert content not in CONTENTS  # any other may hold a heading
        return
    assert plain(section_text(edited, name)) == plain(content)
    old = {s.name: s.content for s in find_sections(text) if s.name != name}
    assert {s.name: s.content for s in find_sections(edited) if s.name != name} == old
    if "\r\n" in text:
        assert edited.count("\n") == edited.count("\r\n")


@given(documents(), names, st.sampled_from(CONTENTS[3:]))
@settings(deadline=None, max_examples=300)
def test_a_section_set_back_restores_the_text(text: str, name: str, content: str) -> None:
    old = section_text(text, name)
    assume(old is not None)
    assert old is not None
    edited = set_section(text, name, content)
    # Content as it stands, first line's indent and all.
    section = next(s for s in find_sections(text) if s.name == name)
    written = text[section.start : section.end].strip("\r\n") if old else ""
    assert set_section(edited, name, written) == text


@given(documents(), names, st.lists(st.sampled_from(["- a", "more words", "- 漢"]), max_size=3))
@settings(deadline=None, max_examples=200)
def test_what_is_appended_comes_last_and_in_order(text: str, name: str, lines: list[str]) -> None:
    before = handoff_texts(text)
    edited = text
    for line in lines:
        edited = append_section(edited, name, line)
    after = handoff_texts(edited)
    assert {k: v for k, v in after.items() if k != name} == {
        k: v for k, v in before.items() if k != name
    }
    found = [line for line in plain(after[name]).split("\n") if line.strip()]
    assert found[len(found) - len(lines) :] == lines
    assert plain(after[name]).startswith(plain(before[name]))


@given(documents(), st.sampled_from(["# out", "## out", "out\n---", "out\n===", "```", "<!-- x"]))
@settings(deadline=None, max_examples=100)
def test_content_that_would_not_stay_inside_is_refused(text: str, bad: str) -> None:
    for edit in (set_section, append_section):
        with pytest.raises(EditRefusedError) as caught:
            edit(text, "result", f"fine\n\n{bad}\n")
        assert caught.value.hint


@given(st.text(max_size=60), names)
@settings(deadline=None, max_examples=300)
def test_any_text_has_sections(text: str, name: str) -> None:
    sections = find_sections(text)
    assert all(text[s.start : s.end].strip() == s.content for s in sections)
    assert all(1 <= s.line <= text.count("\n") + 1 for s in sections)
    assert (name in missing_sections(text)) == is_placeholder(handoff_texts(text)[name])
