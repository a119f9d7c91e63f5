"""Fair claims: no honest handoff is called false, and no lie in the same form passes."""

from __future__ import annotations

import pytest

from mosaic.review.claimed_files import parse_file_claims
from mosaic.review.claims import Kind, parse_command_claims
from mosaic.review.matching import ChangedFile, Judged, Standing, judge_claims
from tests.unit.review.honest import CHANGED, COMMANDS, FILES, RAN

SILENT = {"nothing but words"}
"""Styles in which no file is named at all."""


def judge(files: str = "", commands: str = "") -> Judged:
    return judge_claims(
        parse_file_claims(files),
        parse_command_claims(commands),
        changed=CHANGED,
        ran=RAN,
        knows_all_commands=True,
        roots={"/home/me/project": ""},
        ignored=lambda path: path.startswith("coordination/"),
        hidden=(".env",),
    )


@pytest.mark.parametrize("style", FILES)
def test_an_honest_list_of_files_is_not_contradicted_in_any_style(style: str) -> None:
    judged = judge(FILES[style]).files
    assert [each for each in judged if each.standing is Standing.CONTRADICTED] == []
    confirmed = [each for each in judged if each.standing is Standing.CONFIRMED]
    assert bool(confirmed) is (style not in SILENT)


@pytest.mark.parametrize("style", COMMANDS)
def test_an_honest_list_of_commands_is_not_contradicted_in_any_style(style: str) -> None:
    judged = judge(commands=COMMANDS[style]).commands
    assert [each for each in judged if each.standing is not Standing.CONFIRMED] == []


def test_the_honest_are_many() -> None:
    assert len(FILES) + len(COMMANDS) >= 40


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ("src/load.py and src/never.py", "not touched"),
        ("- `src/load.py`, `src/cache.py` and `src/never.py`", "not touched"),
        ("src/load.py src/never.py", "not touched"),
        ("- lib/*.py", "not touched"),
        ("- docs/old.md → docs/never.md", "not touched"),
        ("- `config.yaml` → `src/cache.py`", "`config.yaml` was not moved"),
        ("- [never](src/never.py#L3)", "not touched"),
        ("- src/never.py:10", "not touched"),
        ("修改了 src/load.py、src/never.py。", "not touched"),
        ("- `src/never.py`：添加了缓存", "not touched"),
        ("- src/load.py（新增）", "claimed to be added, and it is changed"),
        ("- src/load.py (new, 20 lines)", "claimed to be added, and it is changed"),
        ("- `src/load.py` [deleted]", "claimed to be deleted, and it is changed"),
        ("```\nA  src/load.py\n```", "claimed to be added, and it is changed"),
        ("- D src/load.py", "claimed to be deleted, and it is changed"),
        ("?? src/load.py", "claimed to be added, and it is changed"),
        ("| File | Change |\n| - | - |\n| src/load.py | new |",
         "claimed to be added, and it is changed"),
        ("```\n src/never.py | 12 +++---\n```", "not touched"),
        ("Added:\n- src/never.py\n", "not touched"),
        ("### Changed\n- `src/never.py`", "not touched"),
        ("Rewrote `src/never.py` from scratch.", "not touched"),
        ("- ✅ **`src/never.py`** — faster", "not touched"),
        ("- `never again.txt`", "not touched"),
        ("- cache.py (deleted)", "claimed to be deleted, and it is added"),
    ],
)  # fmt: skip
def test_a_false_claim_of_a_file_is_contradicted_in_any_form(lie: str, why: str) -> None:
    contradicted = [each for each in judge(lie).files if each.standing is Standing.CONTRADICTED]
    assert [each.why for each in contradicted] == [why]


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ("- `npm run lint`: clean", "ran and failed with exit code 2"),
        ("- `npm run lint` failed first, passes now", "ran and failed with exit code 2"),
        ("- `pytest -q`: 3 failed", "claimed to fail, and it passed"),
        ("- ❌ `pytest -q`", "claimed to fail, and it passed"),
        ("- `ruff check .`: ok, `mypy --strict`: ok", "no such command ran"),
        ("Verified with `mypy` and `ruff check .`", "no such command ran"),
        ("| Command | Result |\n| - | - |\n| `mypy` | passed |", "no such command ran"),
        ("- 运行 `mypy`：通过", "no such command ran"),
    ],
)
def test_a_false_claim_of_a_command_is_contradicted_in_any_form(lie: str, why: str) -> None:
    judged = judge(commands=lie).commands
    contradicted = [each for each in judged if each.standing is Standing.CONTRADICTED]
    assert [each.why for each in contradicted] == [why]


def test_a_path_in_prose_counts_where_it_is_true_and_is_not_false_where_it_is_not() -> None:
    text = "- `src/load.py` asks `src/cache.py` and no longer `src/store.py`"
    judged = {each.claim.path: each for each in judge(text).files}
    assert judged["src/cache.py"].standing is Standing.CONFIRMED
    assert judged["src/store.py"].standing is Standing.UNSEEN
    assert judged["src/store.py"].why == "only mentioned, and not touched"


def test_what_a_handoff_denies_is_not_claimed() -> None:
    judged = judge("- `src/load.py`: unchanged\n- Did not touch `src/cache.py`")
    assert judged.files == ()
    assert {each.path for each in judged.unclaimed_files} >= {"src/load.py", "src/cache.py"}


def test_a_name_that_several_files_have_is_neither_true_nor_false() -> None:
    judged = judge_claims(
        parse_file_claims("- __init__.py"), (),
        changed=[ChangedFile(path=f"{name}/__init__.py", kind=Kind.ADDED) for name in "ab"],
        ran=(), knows_all_commands=False, roots={}, ignored=lambda _: False,
    )  # fmt: skip
    assert judged.files[0].why == "2 files of this name were changed"
    assert len(judged.unclaimed_files) == 2
