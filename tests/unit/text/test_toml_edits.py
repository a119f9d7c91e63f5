"""Edits of a TOML text: one value changes, and no other byte."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mosaic.errors import EditRefusedError
from mosaic.text.toml_edits import key_lines, set_toml, unset_toml

TEXT = '''\
# mine
runtime = "claude"   # the best

notify = [ # call
  "notify-send", # "x"
  "[models]",
]
"a=b" = 'x = 1 # no'

# about models
[models]
claude = "opus" # c
"codex" = """
runtime = "x"
"""
'''


@pytest.mark.parametrize(
    ("keys", "value", "old", "new"),
    [
        (("runtime",), "codex", '"claude"   #', '"codex"   #'),
        (("a=b",), "y", "'x = 1 # no'", '"y"'),
        (("models", "claude"), 'so"n\x7fet\n', '"opus" #', '"so\\"n\\u007fet\\n" #'),
        (("models", "codex"), "gpt", '"""\nruntime = "x"\n"""', '"gpt"'),
        (("pager",), "less -R", "# no'\n", '# no\'\npager = "less -R"\n'),
        (("models", "demo"), "z", '"""\n', '"""\ndemo = "z"\n'),
        (("other", "x y"), "1", '"""\n', '"""\n\n[other]\n"x y" = "1"\n'),
    ],
)
def test_a_value_changes_and_nothing_else(
    keys: tuple[str, ...], value: str, old: str, new: str
) -> None:
    before, _, after = TEXT.rpartition(old)
    assert set_toml(TEXT, keys, value) == before + new + after


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        ("", ("models", "a"), '[models]\na = "x"\n'),
        ("# only words", ("runtime",), '# only words\nruntime = "x"\n'),
        ("# c\n\n[models]\n", ("runtime",), '# c\n\nruntime = "x"\n\n[models]\n'),
        ("a = 1\r\n# e", ("b",), 'a = 1\r\nb = "x"\r\n# e'),
        ('models.b = "1"', ("models", "a"), 'models.b = "1"\nmodels.a = "x"\n'),
        ("[[models]]\n", ("runtime",), 'runtime = "x"\n\n[[models]]\n'),
    ],
)
def test_what_is_not_there_is_added_where_it_belongs(
    text: str, keys: tuple[str, ...], expected: str
) -> None:
    assert set_toml(text, keys, "x") == expected


def test_a_table_in_one_line_is_left_alone() -> None:
    with pytest.raises(EditRefusedError):
        set_toml('models = {a = "1", b = "2"}', ("models", "a"), "x")
    with pytest.raises(EditRefusedError):
        unset_toml('models = {a = "1", b = "2"}', ("models", "a"))


def test_every_key_has_its_line() -> None:
    lines = {".".join(keys): line for keys, line in key_lines(TEXT).items()}
    assert lines == {
        "runtime": 2, "notify": 4, "a=b": 8, "models": 11, "models.claude": 12, "models.codex": 13,
    }  # fmt: skip


NAMES = st.sampled_from(("runtime", "pager", "a b", "é", "models", "x=y", '"', "[t]", "#"))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
VALUES = st.one_of(TEXTS, st.booleans(), st.lists(TEXTS, max_size=2))


@example([(("runtime", "pager"), ""), (("runtime", "pager"), None), (("runtime",), "")])
@given(
    st.lists(
        st.tuples(
            st.lists(NAMES, min_size=1, max_size=2, unique=True).map(tuple),
            st.one_of(st.none(), VALUES),
        ),
        max_size=6,
    )
)
def test_a_text_says_what_was_set_last(edits: list[tuple[tuple[str, ...], Any]]) -> None:
    text, expected = "# kept\n", dict[tuple[str, ...], Any]()
    tables = set[tuple[str, ...]]()  # the heading of a table stays when its last value goes
    for keys, value in edits:
        clashes = keys in tables or any(
            keys != other and (keys[: len(other)] == other or other[: len(keys)] == keys)
            for other in expected
        )
        if clashes or (value is None and keys not in expected):
            continue
        if value is None:
            text = unset_toml(text, keys)
            del expected[keys]
        else:
            text = set_toml(text, keys, value)
            expected[keys] = value
            tables |= {keys[:depth] for depth in range(1, len(keys))}
        found = tomllib.loads(text)
        for each, wanted in expected.items():
            inner: Any = found
            for key in each:
                inner = inner[key]
            assert inner == wanted
        assert set(expected) <= set(key_lines(text))
    assert text.startswith("# kept\n")
