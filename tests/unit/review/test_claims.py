"""Claims in every form that people and agents write them, and what evidence says of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.review.claimed_files import parse_file_claims
from mosaic.review.claims import Kind, parse_command_claims
from mosaic.review.html import render_html
from mosaic.review.matching import ChangedFile, Judged, RanCommand, Standing, judge_claims
from mosaic.review.terminal import render_terminal

CHANGED = (
    ChangedFile(path="src/a.py", kind=Kind.ADDED),
    ChangedFile(path="src/deep/b.py", kind=Kind.CHANGED),
    ChangedFile(path="docs/new name.md", kind=Kind.RENAMED, old_path="docs/old.md"),
    ChangedFile(path="gone.txt", kind=Kind.DELETED),
    ChangedFile(path="Makefile", kind=Kind.CHANGED),
)


def judge(files: str = "", commands: str = "", *ran: RanCommand, known: bool = True) -> Judged:
    return judge_claims(
        parse_file_claims(files),
        parse_command_claims(commands),
        changed=CHANGED,
        ran=ran,
        knows_all_commands=known,
        roots={"/home/me/project": ""},
        ignored=lambda path: path == "coordination/TASKS.md",
    )


def ran(command: str, exit_code: int | None = 0) -> RanCommand:
    return RanCommand(command=command, exit_code=exit_code, failed=bool(exit_code), source="run")


@pytest.mark.parametrize(
    "line",
    [
        "src/a.py", "- src/a.py", "* `src/a.py`", "1. src/a.py", "- [x] src/a.py", "`src/a.py`",
        "- `src/a.py` (new)", "- src/a.py (new)", "- src/a.py: the counter", "- `src/a.py` - added",
        "- ./src/a.py", "- src\\a.py", "- /home/me/project/src/a.py", "- [src/a.py](src/a.py)",
        "- **src/a.py**", "- src/a.py — new file", "| `src/a.py` | new |", "- src/*.py", "- src/",
        "- src/**", "- a.py", "- 新增 `src/a.py`", "- `src/{a,deep/b}.py`", "```\nsrc/a.py\n```",
        "- Added `src/a.py`", "- src/a.py, which counts",
    ],
)  # fmt: skip
def test_a_file_that_was_touched_is_confirmed_in_any_form(line: str) -> None:
    judged = judge(line).files
    assert judged
    assert {each.standing for each in judged} == {Standing.CONFIRMED}, judged


@pytest.mark.parametrize(
    ("line", "standing"),
    [
        pytest.param("- src/c.py", Standing.CONTRADICTED, id="another file"),
        pytest.param("- src/a.pyc", Standing.CONTRADICTED, id="nearly the name"),
        pytest.param("- SRC/A.py", Standing.CONTRADICTED, id="another case"),
        pytest.param("- lib/", Standing.CONTRADICTED, id="a folder that was not touched"),
        pytest.param("- *.rs", Standing.CONTRADICTED, id="a glob that matches nothing"),
        pytest.param("- src/a.py (deleted)", Standing.CONTRADICTED, id="it is there"),
        pytest.param("- src/deep/b.py (new)", Standing.CONTRADICTED, id="it was there before"),
        pytest.param("- gone.txt (removed)", Standing.CONFIRMED, id="it is gone"),
        pytest.param("- docs/old.md -> docs/new.md", Standing.CONTRADICTED, id="another name"),
        pytest.param("- Makefile", Standing.CONFIRMED, id="a name without a dot"),
        pytest.param("- ../other/x.py", Standing.UNSEEN, id="outside of the repository"),
        pytest.param("- /etc/passwd", Standing.UNSEEN, id="elsewhere on the machine"),
    ],
)
def test_substance_counts(line: str, standing: Standing) -> None:
    (judged,) = judge(line).files
    assert judged.standing is standing, judged


@pytest.mark.parametrize("line", ["none", "- none", "N/A", "无", "", "Nothing.", "*none*", "-"])
def test_what_says_nothing_claims_nothing(line: str) -> None:
    assert parse_file_claims(line) == ()
    assert parse_command_claims(line) == ()


def test_a_rename_is_confirmed_by_its_old_name_or_its_new_one() -> None:
    (judged,) = judge("- docs/old.md").files
    assert judged.standing is Standing.CONFIRMED
    assert judged.matched == ("docs/new name.md",)


def test_without_git_no_file_can_be_judged() -> None:
    judged = judge_claims(
        parse_file_claims("- a.py"), (), changed=None, ran=(), knows_all_commands=False,
        roots={}, ignored=lambda _: False,
    )  # fmt: skip
    assert judged.files[0].standing is Standing.UNSEEN


@pytest.mark.parametrize(
    "line",
    [
        "pytest -q", "- pytest -q", "`pytest -q`", "$ pytest -q", "- `$ pytest -q`",
        "pytest -q  # all green", "- `pytest -q`: 12 passed", "- `pytest -q` → 12 passed",
        "- pytest -q (exit 0)", "- pytest -q: ok", "- `pytest -q` - 0 failed", "cd x && pytest -q",
        "- `cd /home/me/project && pytest -q`", "```sh\n$ pytest -q\n12 passed\n```",
        "```\npytest \\\n  -q\n```", "| `pytest -q` | passed |", "- FOO=1 pytest -q",
        "- /usr/bin/pytest -q", "- `pytest -q 2>&1 | tail -5`", "- `bash -lc 'pytest -q'`",
        "* ran `pytest -q`, all green", "- pytest   -q", "- `pytest '-q'`", "- time pytest -q",
    ],
)  # fmt: skip
def test_a_command_that_ran_well_is_confirmed_in_any_form(line: str) -> None:
    judged = judge("", line, ran("/bin/bash -lc 'pytest -q'")).commands
    assert [each.standing for each in judged] == [Standing.CONFIRMED], judged


@pytest.mark.parametrize(
    ("line", "runs", "standing"),
    [
        pytest.param("pytest", [ran("pytest -q")], Standing.CONTRADICTED, id="other arguments"),
        pytest.param("pytest -q", [ran("pytest -q", 1)], Standing.CONTRADICTED, id="it failed"),
        pytest.param(
            "pytest -q", [ran("pytest -q", 1), ran("pytest -q")], Standing.CONFIRMED,
            id="the last run decides",
        ),
        pytest.param(
            "pytest -q", [ran("pytest -q"), ran("pytest -q", 2)], Standing.CONTRADICTED,
            id="it failed in the end",
        ),
        pytest.param(
            "- `pytest -q` failed", [ran("pytest -q", 1)], Standing.CONFIRMED, id="said to fail"
        ),
        pytest.param(
            "- `pytest -q` failed", [ran("pytest -q")], Standing.CONTRADICTED, id="and it passed"
        ),
        pytest.param("pytest -q", [ran("pytest -q", None)], Standing.UNSEEN, id="its end unknown"),
        pytest.param("make", [ran("ruff . && make")], Standing.CONFIRMED, id="a part of a line"),
        pytest.param("ruff .", [ran("ruff . ; make")], Standing.UNSEEN, id="before a semicolon"),
        pytest.param("make", [ran("ruff . && make", 1)], Standing.UNSEEN, id="which part failed"),
        pytest.param(
            "ruff . && make", [ran("ruff ."), ran("make")], Standing.CONFIRMED, id="two runs"
        ),
        pytest.param(
            "ruff . && make", [ran("ruff ."), ran("make", 2)], Standing.CONTRADICTED,
            id="one of two failed",
        ),
        pytest.param("pytest -q", [], Standing.CONTRADICTED, id="it never ran"),
        pytest.param("grep x y", [ran("grep x y", 1)], Standing.CONFIRMED, id="no is an answer"),
        pytest.param("grep x y", [ran("grep x y", 2)], Standing.CONTRADICTED, id="an error"),
    ],
)  # fmt: skip
def test_a_command_is_judged_by_what_ran(
    line: str, runs: list[RanCommand], standing: Standing
) -> None:
    (judged,) = judge("", line, *runs).commands
    assert judged.standing is standing, judged


def test_what_is_not_all_known_is_unseen_rather_than_a_lie() -> None:
    (judged,) = judge("", "pytest -q", known=False).commands
    assert judged.standing is Standing.UNSEEN


def test_a_command_that_is_said_not_to_have_run_is_no_claim() -> None:
    assert judge("", "- `npm test`: not run").commands == ()


def test_what_nobody_claimed_is_listed_once_and_failures_first() -> None:
    runs = (ran("ls"), ran("ls"), ran("make", 2), ran("pytest -q"))
    judged = judge("- src/", "pytest -q", *runs)
    assert [each.command for each in judged.unclaimed_commands] == ["make", "ls"]
    assert [each.path for each in judged.unclaimed_files] == [
        "docs/new name.md", "gone.txt", "Makefile",
    ]  # fmt: skip


TEXT = st.text(
    st.sampled_from(list("abc/.*`$#|-:()[]{}\\ \n\t'\"&;→，无\x1b<>\u202e")), max_size=200
)


@given(TEXT, TEXT)
def test_any_text_can_be_a_handoff(files: str, commands: str) -> None:
    judged = judge(files, commands, ran("a"), ran("b c", 1))
    for each in judged.files:
        assert each.standing is not Standing.CONFIRMED or each.matched
    for command in judged.commands:
        assert command.standing is not Standing.CONFIRMED or command.matched


@given(TEXT)
def test_any_markdown_is_drawn_and_obeyed_nowhere(markdown: str) -> None:
    for line in render_terminal(markdown, width=40, color=False):
        assert "\x1b" not in line
        assert "\u202e" not in line
    rendered = render_html(markdown)
    assert "\x1b" not in rendered
    assert "<script" not in rendered


@pytest.mark.parametrize(
    "evil", ["*" * 20_000, "[" * 20_000, "> " * 5_000, "- " * 5_000, "`" * 20_001, "|a" * 20_000]
)
def test_hostile_text_is_bounded(evil: str) -> None:
    assert render_terminal(evil, width=80, color=True) is not None
    assert render_html(evil) is not None
    parse_file_claims(evil)
    parse_command_claims(evil)
