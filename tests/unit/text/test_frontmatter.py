from __future__ import annotations

import subprocess
import sys

import pytest

from mosaic.errors import FrontMatterError
from mosaic.text.frontmatter import FrontMatter, body_offset, parse_front_matter
from mosaic.text.set_frontmatter import set_front_matter

TASK = """\
---
task_id: T-005
title: Worker runner and local log streams
status: todo            # a person's comment stays where it is
depends_on:
  - T-003
write_scope:
  - apps/worker-runner/**
labels: [on, 1.10, 007, ~, 2026-03-21]
archived: no
attempts: 3
cost: 1.5
milestone:
updated_at: 2026-03-21T19:41:39+08:00
---

# T-005
"""


def read(block: str) -> FrontMatter:
    matter = parse_front_matter(f"---\n{block}\n---\nbody\n")
    assert matter is not None
    return matter


def refused(text: str) -> FrontMatterError:
    with pytest.raises(FrontMatterError) as caught:
        parse_front_matter(text)
    return caught.value


def test_scalars_are_typed_and_their_words_kept() -> None:
    matter = parse_front_matter(TASK)
    assert matter is not None
    assert matter.data["attempts"] == 3
    assert matter.data["cost"] == 1.5
    assert matter.data["archived"] is False
    assert matter.data["milestone"] is None
    assert matter.data["updated_at"] == "2026-03-21T19:41:39+08:00"
    assert matter.raw["archived"] == "no"
    assert matter.raw["milestone"] == ""
    assert matter.text("status") == "todo"
    assert matter.text("milestone") is None
    assert matter.text("missing") is None
    assert matter.lines["depends_on"] == 5
    assert TASK[matter.body_start :] == "\n# T-005\n"


def test_words_of_a_list_are_as_written() -> None:
    matter = parse_front_matter(TASK)
    assert matter is not None
    assert matter.strings("labels") == ("on", "1.10", "007", "2026-03-21")
    assert matter.strings("depends_on") == ("T-003",)
    assert matter.strings("missing") == ()
    assert matter.strings("milestone") == ()


@pytest.mark.parametrize("written", ["007", "on", "1_000", "0x1F", "1:30", "2026-03-21", ".nan"])
def test_an_id_is_read_as_it_is_written(written: str) -> None:
    assert read(f"task_id: {written}").text("task_id") == written


def test_one_word_is_a_list_of_one_and_commas_do_not_part_it() -> None:
    assert read("depends_on: T-1, T-2").strings("depends_on") == ("T-1, T-2",)


@pytest.mark.parametrize("value", ["{a: 1}", "[[a]]", "[{a: 1}]"])
def test_what_is_no_list_of_words_is_refused_with_its_line(value: str) -> None:
    matter = read(f"title: x\ndepends_on: {value}")
    with pytest.raises(FrontMatterError) as caught:
        matter.strings("depends_on")
    assert caught.value.line == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# T\n",
        "----\na: 1\n---\n",
        " ---\na: 1\n---\n",
        "text\n---\na: 1\n---\n",
        "--- a\n---\n",
    ],
)
def test_a_text_without_front_matter_has_none(text: str) -> None:
    assert parse_front_matter(text) is None
    assert body_offset(text) == 0


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff---\na: x\n---\nbody",
        "---\r\na: x\r\n---\r\nbody",
        "---\na: x\n...\nbody",
        "---  \na: x\n---\t\nbody",
        "---\n# why\n\na: x\n---\nbody",
    ],
)
def test_boms_crlf_dots_and_blanks_behind_a_fence_are_understood(text: str) -> None:
    matter = parse_front_matter(text)
    assert matter is not None
    assert matter.data == {"a": "x"}
    assert text[matter.body_start :] == "body"
    assert body_offset(text) == matter.body_start


def test_front_matter_may_be_empty_and_end_the_file() -> None:
    matter = parse_front_matter("---\n---")
    assert matter is not None
    assert matter.data == {}
    assert matter.body_start == len("---\n---")


def test_keys_of_the_body_are_not_front_matter() -> None:
    matter = parse_front_matter("---\nstatus: todo\n---\nstatus: done\n---\nx: y\n---\n")
    assert matter is not None
    assert matter.data == {"status": "todo"}


@pytest.mark.parametrize("body", ["---\n\n## result\nx\n", "---\nwords\n---\n\n## result\n", "---"])
def test_a_body_that_begins_with_a_rule_begins_at_the_rule(body: str) -> None:
    assert body_offset(body) == 0


@pytest.mark.parametrize(
    ("block", "line", "said"),
    [
        ("a: 1\ntitle: Login: second step", 3, "unquoted colon"),
        ("a: 1\ntitle: 'it's here'", 3, "apostrophe"),
        ("a: 1\ntitle: @me", 3, "`@`"),
        ("a: 1\ntitle: *important* note", 3, "`*`"),
        ('a: 1\ntitle: "open', 3, "never closed"),
        ('a: 1\ntitle: "x" y', 3, "behind a closing quote"),
        ("a: 1\n\tb: 2", 3, "tab"),
        ("a: 1\nb: {c: 1", 3, ""),
        ("- a\n- b", 2, "a list"),
        ("just words", 2, "a single value"),
        ("a: 1\nb: 2\na: 3", 4, "also at line 2"),
        ("m:\n  x: 1\n  x: 2", 4, "also at line 3"),
        ("a: &x 1\nb: *x", 2, "&x"),
        ("b: *x", 2, "*x"),
        ("a: 1\n<<: {b: 2}", 3, ""),
        ("a: 1\nb: !!python/object:os.system x", 3, ""),
        ("a: 1\nb: !secret x", 3, ""),
        ("a: 1\n? [x]\n: y", 3, ""),
        ("a: 1\ntitle: {{ x }}", 3, ""),
        ("a: 1\nb: bell\x07", 3, "U+0007"),
        ("a: 1\n--- b", 3, ""),
    ],
)
def test_a_bad_block_is_refused_with_its_line_and_cause(block: str, line: int, said: str) -> None:
    error = refused(f"---\n{block}\n---\nbody\n")
    assert error.line == line
    assert said in (error.detail or "")
    assert "\n" not in error.message
    crlf = refused(f"---\n{block}\n---\nbody\n".replace("\n", "\r\n"))
    assert crlf.line == line


def test_an_unquoted_colon_is_answered_with_the_line_to_write() -> None:
    error = refused('---\ntitle: Say "no": twice # why\n---\n')
    assert error.hint == 'write `title: "Say \\"no\\": twice"`'


def test_front_matter_that_is_never_closed_is_refused() -> None:
    error = refused("---\ntitle: x\n\n# Body\n")
    assert error.line == 1
    assert error.hint


def test_front_matter_beyond_all_measure_is_refused() -> None:
    assert "256 KiB" in refused("---\n" + "a: x\n" * 60_000 + "---\n").message


@pytest.mark.parametrize(
    "block",
    [
        "a: " + "[" * 100_000,
        "a: " + '["]",' * 40_000,
        "a: " + "]" * 50_000 + "[" * 60_000,
        "a: " + "{a: " * 50_000,
        "\n".join(" " * depth + "a:" for depth in range(600)),
        "? " * 50_000,
        "a:\n  " + "- " * 50_000 + "x",
        "a: " + "!" * 100_000,
        "a: " + "'" * 99_999,
        'a: "' + "\\" * 99_999,
        "a: b: " + ": " * 50_000,
        "a: " + "[" * 30 + "]" * 30,
    ],
    ids=lambda block: block[:12],
)
def test_hostile_nesting_is_refused_and_does_not_end_the_process(block: str) -> None:
    # In a process of its own: the danger is a crash of the C library, not an exception.
    program = (
        "import sys\n"
        "from mosaic.errors import FrontMatterError\n"
        "from mosaic.text.frontmatter import parse_front_matter\n"
        "try:\n"
        "    parse_front_matter(sys.stdin.read())\n"
        "except FrontMatterError as error:\n"
        "    print(error.line)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=f"---\n{block}\n---\n",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= 2


def test_twenty_levels_are_read() -> None:
    assert read("a: " + "[" * 19 + "]" * 19).data["a"] is not None


def test_many_keys_are_read() -> None:
    matter = read("\n".join(f"k{number}: v" for number in range(10_000)))
    assert matter.lines["k9999"] == 10_001


@pytest.mark.parametrize("key", ["on", "2024", "1.5", "2026-01-02", "yes"])
def test_a_key_that_yaml_takes_for_something_else_is_the_word_that_it_is(key: str) -> None:
    text = f"---\ntitle: x\n{key}: kept   # why\n---\n"
    matter = parse_front_matter(text)
    assert matter is not None
    assert matter.raw[key] == "kept"
    assert set_front_matter(set_front_matter(text, "title", "y"), "title", "x") == text
