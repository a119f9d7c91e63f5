"""Our records are the standard library's data classes, as far as we use them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from mosaic import records
from mosaic.records import COMPILED_AFTER, Field


@records.dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Somewhere."""

    name: str
    size: int = 3
    tags: Mapping[str, str] = records.field(default_factory=dict)

    @property
    def is_big(self) -> bool:
        return self.size > 5


@records.dataclass(kw_only=True, slots=True)
class Counter:
    """Something that changes."""

    count: int = 0
    place: Place | None = None


def test_fields_are_given_by_name_or_by_their_default() -> None:
    for _ in range(2 * COMPILED_AFTER):  # as read at first, and as compiled
        place = Place(name="a", size=7)
        assert (place.name, place.size, place.tags, place.is_big) == ("a", 7, {}, True)
    assert Place(name="a").tags is not Place(name="a").tags


@pytest.mark.parametrize("wrong", [{}, {"name": "a", "other": 1}])
def test_a_missing_or_unknown_argument_is_refused(wrong: dict[str, Any]) -> None:
    @records.dataclass(frozen=True, kw_only=True, slots=True)
    class Own:
        name: str

    for _ in range(2 * COMPILED_AFTER):
        with pytest.raises(TypeError):
            Own(**wrong)
        Own(name="a")


def test_a_frozen_record_cannot_be_changed() -> None:
    place: Any = Place(name="a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        place.name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del place.name
    counter = Counter()
    counter.count += 1
    assert counter.count == 1


def test_a_record_has_no_other_attributes() -> None:
    counter: Any = Counter()
    with pytest.raises(AttributeError):
        counter.other = 1


def test_equal_values_make_equal_records_of_one_class() -> None:
    assert Counter(count=1) == Counter(count=1)
    assert Counter(count=1) != Counter(count=2)
    other: object = 1
    assert Counter(count=1) != other
    frozen = [records.replace(Place(name="a"), tags=()) for _ in range(2)]  # type: ignore[arg-type]
    assert len(set(frozen)) == 1


def test_a_record_says_what_it_holds() -> None:
    assert repr(Place(name="a")) == "Place(name='a', size=3, tags={})"


@pytest.mark.parametrize("library", [dataclasses, records])
def test_both_libraries_copy_and_spread_a_record(library: Any) -> None:
    counter = Counter(count=2, place=Place(name="a", tags={"b": "c"}))
    assert library.replace(counter, count=3) == Counter(count=3, place=counter.place)
    assert library.asdict(counter) == {
        "count": 2,
        "place": {"name": "a", "size": 3, "tags": {"b": "c"}},
    }
    assert dataclasses.is_dataclass(counter)


def test_a_record_can_be_copied_and_pickled() -> None:
    place = Place(name="a", size=1)
    assert copy.deepcopy(place) == place
    assert pickle.loads(pickle.dumps(place)) == place


def test_no_record_has_fields_that_only_the_standard_library_knows() -> None:
    assert set(Field.__slots__) <= set(dir(dataclasses.Field))
