"""JSON edits over generated documents: read back right, every other byte the same."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mosaic.errors import MissionFileError
from mosaic.text.jsondoc import append_json, parse_json_document, set_json

texts = st.one_of(
    st.sampled_from(
        ["", "名前", "👩‍💻", 'q"uote', "back\\slash", "}{][", "מה", "a\u2028b", "line\nbreak"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), texts, st.just(1.5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
objects = st.dictionaries(texts, values, min_size=1, max_size=5)


@st.composite
def documents(draw: st.DrawFn) -> str:
    data = draw(objects)
    indent = draw(st.sampled_from([None, 2, 4, "\t"]))
    text = json.dumps(data, indent=indent, ensure_ascii=draw(st.booleans()))
    text += draw(st.sampled_from(["", "\n", "\n\n"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return ("\ufeff" if draw(st.booleans()) else "") + text


def paths(data: Any) -> list[tuple[str | int, ...]]:
    found: list[tuple[str | int, ...]] = []
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        found.append((key,))
        if isinstance(value, dict | list):
            found.extend((key, *rest) for rest in paths(value))
    return found


def at(data: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


@given(documents(), st.data(), values)
@settings(deadline=None, max_examples=300)
def test_a_value_set_reads_back_and_set_back_restores_the_document(
    text: str, data: st.DataObject, value: Any
) -> None:
    before = parse_json_document(text)
    path = data.draw(st.sampled_from(paths(before)))
    old = at(before, path)
    edited = set_json(text, path, value)
    wanted = parse_json_document(text)
    at(wanted, path[:-1])[path[-1]] = value
    assert parse_json_document(edited) == wanted
    if "\r\n" in text:
        assert edited.count("\n") == edited.count("\r\n")
    scalars = not isinstance(old, dict | list) and not isinstance(value, dict | list)
    if scalars and "\\u" not in text:
        assert set_json(edited, path, old) == text


@given(documents(), texts, values)
@settings(deadline=None, max_examples=200)
def test_a_new_key_comes_last(text: str, key: str, value: Any) -> None:
    before = parse_json_document(text)
    assume(key not in before)
    edited = set_json(text, (key,), value)
    assert list(parse_json_document(edited).items()) == [*before.items(), (key, value)]
    kept = text.rstrip().removesuffix("}").rstrip()
    assert edited.startswith(kept)
    assert edited.endswith(text[len(text.rstrip()) - 1 :])


@given(documents(), st.lists(values, min_size=1, max_size=3))
@settings(deadline=None, max_examples=200)
def test_items_are_appended_to_a_list_that_is_made_when_missing(
    text: str, items: list[Any]
) -> None:
    assume("sessions" not in parse_json_document(text))
    edited = text
    for item in items:
        edited = append_json(edited, ("sessions",), item)
    assert parse_json_document(edited)["sessions"] == items


@given(st.text(st.sampled_from('{}[]":,\\0a1 \nue.-tN\ufeff'), max_size=40))
@settings(deadline=None, max_examples=400)
def test_whatever_stands_in_a_document_it_is_read_or_refused_in_words(text: str) -> None:
    data = None
    with suppress(MissionFileError):
        data = parse_json_document(text)
    if data is not None:
        assert parse_json_document(set_json(text, ("new key",), 1)) == {**data, "new key": 1}
