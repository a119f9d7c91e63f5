"""Front matter edits over generated files: read back right, and no other byte changed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mosaic.errors import EditRefusedError, MissionError
from mosaic.text.frontmatter import parse_front_matter
from mosaic.text.set_frontmatter import set_front_matter

WORDS = [
    "todo",
    "done",
    "T-001",
    "in progress",
    "修复登录",
    "مهمة جديدة",
    "👩‍💻 ship",
    "naïve",
    "a/b/**",
]
AWKWARD = [
    "Fix: the thing",
    "a #b",
    "it's",
    'say "hi"',
    "- dash",
    "on",
    "null",
    "007",
    "#12",
    "@me",
    "trailing:",
    "[x]",
    "{{ x }}",
    "a, b",
    "back\\slash",
    "two\nlines",
    "  padded ",
    "*star*",
    "2026-03-21",
    "1.5",
    "---",
    "…",
    "",
    "\u200f",
    "? what",
    "key: 'x'",
]
BODIES = ["", "# T\n", "text\n\n---\n\nstatus: not this\n", "```\n---\n| a |\n```\nno end", "\n\n"]
texts = st.one_of(
    st.sampled_from(WORDS + AWKWARD),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
comments = st.sampled_from(["", "  # why", " # ü 漢字", "\t# tab", "   "])


@dataclass(frozen=True)
class Document:
    """A generated file with the value of its key `status` and of its list `labels`."""

    text: str
    status: str
    labels: tuple[str, ...]


@st.composite
def scalar_lines(draw: st.DrawFn, key: str, value: str) -> str:
    colon = draw(st.sampled_from([": ", ":   "]))
    quote = draw(st.sampled_from(["", "'", '"']))
    name = draw(st.sampled_from([key, f'"{key}"', f"'{key}'"]))
    return f"{name}{colon}{quote}{value}{quote}{draw(comments)}\n"


@st.composite
def list_lines(draw: st.DrawFn, key: str, items: list[str]) -> str:
    quote = draw(st.sampled_from(["", "'", '"']))
    written = [f"{quote}{item}{quote}" for item in items]
    if draw(st.booleans()):
        between = draw(st.sampled_from([", ", ",", ",\n    "]))
        pad = draw(st.sampled_from(["", " "]))
        return f"{key}: [{pad}{between.join(written)}{pad}]{draw(comments)}\n"
    indent = draw(st.sampled_from(["", "  ", "    "]))
    dash = draw(st.sampled_from(["- ", "-   "]))
    lines = [f"{indent}{dash}{item}{draw(comments)}\n" for item in written]
    return f"{key}:{draw(comments)}\n" + "".join(lines)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    status = draw(st.sampled_from(["todo", "in progress", "修复", "x-1"]))
    labels = draw(
        st.lists(st.sampled_from(["alpha", "b/**", "漢", "d.e"]), min_size=1, unique=True)
    )
    parts = [
        draw(scalar_lines("status", status)),
        draw(list_lines("labels", labels)),
        'title: "Login: second step"\n',
        "empty:\n",
        "# a comment of its own\n",
        "note: |\n  status: inside\n\n  - labels\n",
        "map: {a: 1, b: [x, y]}\n",
        "\n",
        "when: 2026-03-21T19:41:39+08:00\n",
        "folded: some\n  more words\n",
    ]
    kept = draw(st.permutations(parts))
    close = draw(st.sampled_from(["---", "---  ", "..."]))
    text = f"---\n{''.join(kept)}{close}\n{draw(st.sampled_from(BODIES))}"
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    if draw(st.booleans()):
        text = "\ufeff" + text
    return Document(text=text, status=status, labels=tuple(labels))


def changed_span(before: str, after: str) -> tuple[int, int]:
    """Return how much of `before` is the same at both ends."""
    first = 0
    while first < min(len(before), len(after)) and before[first] == after[first]:
        first += 1
    last = 0
    room = min(len(before), len(after)) - first
    while last < room and before[-1 - last] == after[-1 - last]:
        last += 1
    return first, last


@given(documents(), texts)
@settings(deadline=None, max_examples=300)
def test_a_scalar_reads_back_and_only_its_line_changes(document: Document, value: str) -> None:
    edited = set_front_matter(document.text, "status", value)
    matter = parse_front_matter(edited)
    assert matter is not None
    assert matter.raw["status"] == value
    first, last = changed_span(document.text, edited)
    assert "\n" not in document.text[first : len(document.text) - last]


@given(documents(), st.sampled_from(WORDS))
@settings(deadline=None, max_examples=200)
def test_a_scalar_set_back_restores_the_file(document: Document, value: str) -> None:
    edited = set_front_matter(document.text, "status", value)
    assert set_front_matter(edited, "status", document.status) == document.text


@given(documents(), texts)
@settings(deadline=None, max_examples=200)
def test_an_empty_key_is_filled_and_emptied_again(document: Document, value: str) -> None:
    assume(value)
    filled = set_front_matter(document.text, "empty", value)
    matter = parse_front_matter(filled)
    assert matter is not None
    assert matter.raw["empty"] == value
    if filled.count('"') == document.text.count('"') and filled.count("'") == document.text.count(
        "'"
    ):
        assert set_front_matter(filled, "empty", "") == document.text


@given(documents(), st.data())
@settings(deadline=None, max_examples=300)
def test_a_list_item_added_and_taken_away_restores_the_file(
    document: Document, data: st.DataObject
) -> None:
    item = data.draw(st.sampled_from(["new", "T-9", "新", "z/*"]))
    place = data.draw(st.integers(0, len(document.labels)))
    wanted = [*document.labels[:place], item, *document.labels[place:]]
    edited = set_front_matter(document.text, "labels", wanted)
    matter = parse_front_matter(edited)
    assert matter is not None
    assert matter.strings("labels") == tuple(wanted)
    assert set_front_matter(edited, "labels", document.labels) == document.text


@given(documents(), st.lists(texts, max_size=5))
@settings(deadline=None, max_examples=300)
def test_any_list_of_texts_reads_back(document: Document, items: list[str]) -> None:
    edited = set_front_matter(document.text, "labels", items)
    matter = parse_front_matter(edited)
    assert matter is not None
    assert list(matter.strings("labels")) == items
    assert edited.count("\ufeff") - "".join(items).count("\ufeff") <= 1
    assert edited.endswith(document.text[-1])


@given(documents(), st.sampled_from(["milestone", "task_id", "updated_at", "x-own"]), texts)
@settings(deadline=None, max_examples=200)
def test_a_key_added_and_removed_restores_the_file(
    document: Document, key: str, value: str
) -> None:
    edited = set_front_matter(document.text, key, value)
    matter = parse_front_matter(edited)
    assert matter is not None
    assert matter.raw[key] == value
    if "\r\n" in document.text:
        assert edited.count("\n") == edited.count("\r\n")
    assert set_front_matter(edited, key, None) == document.text


@given(documents(), st.sampled_from(["status", "labels", "note", "map", "empty", "folded"]))
@settings(deadline=None, max_examples=200)
def test_removing_a_key_leaves_all_others(document: Document, key: str) -> None:
    before = parse_front_matter(document.text)
    after = parse_front_matter(set_front_matter(document.text, key, None))
    assert before is not None
    assert after is not None
    assert dict(after.data) == {k: v for k, v in before.data.items() if k != key}


@given(documents(), st.sampled_from(["labels", "note", "map", "empty", "folded"]), texts)
@settings(deadline=None, max_examples=200)
def test_any_value_may_become_a_text(document: Document, key: str, value: str) -> None:
    matter = parse_front_matter(set_front_matter(document.text, key, value))
    assert matter is not None
    assert matter.raw[key] == value


@given(
    documents(),
    st.sampled_from(["status", "note", "map", "empty", "folded"]),
    st.lists(texts, min_size=1, max_size=4),
)
@settings(deadline=None, max_examples=200)
def test_any_value_may_become_a_list(document: Document, key: str, items: list[str]) -> None:
    # A list of one that stands as a scalar is read without the blanks around it.
    assume(len(items) > 1 or items[0].strip() == items[0])
    matter = parse_front_matter(set_front_matter(document.text, key, items))
    assert matter is not None
    assert list(matter.strings(key)) == items


FRAGMENTS = [
    "a: 1",
    "b:",
    "- x",
    "  c: d",
    "[",
    "]",
    "{",
    "}",
    "&a",
    "*a",
    "!!x",
    "'",
    '"',
    "> ",
    "#",
    "\t",
    "? ",
    "<<: *a",
    "%Y",
    "@",
    "---",
    "...",
    "\r",
    "\x07",
    "\ufeff",
    "key: a: b",
    ": ",
    "\x85",
    "a: >",
    "!t x",
]
fragments = st.sampled_from([*FRAGMENTS, "|", "a: |"])


@given(st.lists(st.one_of(fragments, st.text(max_size=4)), max_size=12), st.booleans())
@settings(deadline=None, max_examples=500)
@example(pieces=["["] * 3, closed=True)
def test_whatever_is_in_a_file_it_is_read_or_refused_in_words(
    pieces: list[str], closed: bool
) -> None:
    text = "---\n" + "\n".join(pieces) + ("\n---\nbody\n" if closed else "")
    refusal = None
    matter = None
    try:
        matter = parse_front_matter(text)
    except MissionError as error:
        refusal = error
    if refusal is not None:
        assert refusal.line is not None
        # YAML knows more line ends than editors count.
        ends = re.findall(r"\r\n|[\n\r\x85\u2028\u2029]", text)
        assert 1 <= refusal.line <= len(ends) + 1
    if matter is not None and matter.data:
        key = next(iter(matter.data))
        try:
            edited = set_front_matter(text, key, "new value")
        except EditRefusedError:
            return
        again = parse_front_matter(edited)
        assert again is not None
        assert again.raw[key] == "new value"
        assert edited.endswith(text[matter.body_start :])
