"""One object of a JSON document that people edit: its values by key, checked when asked for.

camelCase keys are asked for; their snake_case twins are read as the same. `null` means the same
as no key. Every method but `get` raises `MissionFileError` for a value of another kind, with the
line where it stands.
"""

from __future__ import annotations

import re
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from mosaic.codec import read_moment
from mosaic.errors import MissionFileError, UsageError
from mosaic.text.jsondoc import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from enum import StrEnum

LARGEST_NUMBER = 1 << 53
Word = TypeVar("Word", bound="StrEnum")
Amount = TypeVar("Amount", int, float)


class Document:
    """A document that objects are parts of."""

    def __init__(self, text: str, data: Mapping[str, Any]) -> None:
        self._text = text
        self._data = data

    @cached_property
    def lines(self) -> Lines:
        """Where everything in it stands; worked out when something is wrong."""
        return Lines(self._text, self._data)


@cache
def snake_case(key: str) -> str:
    """Return `missionId` as `mission_id`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", key).lower()


def get_key(data: Mapping[str, Any], key: str) -> Any:
    """Return a camelCase key's value, or that of its snake_case twin, or None."""
    return data[key] if key in data else data.get(snake_case(key))


class JsonObject:
    """One object of a document; see the module."""

    __slots__ = ("_document", "data")

    def __init__(self, data: Mapping[str, Any], document: Document) -> None:
        self.data = data
        self._document = document

    def get(self, key: str) -> Any:
        """Return a value of any kind, or None."""
        return get_key(self.data, key)

    def text(self, key: str) -> str | None:
        """Return a text, or None."""
        value = self.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self.fault(key, f"`{key}` is {value!r}, not text", "put it in double quotes")

    def number(self, key: str) -> float | None:
        """Return a number that any program can hold, or None."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault(key, f"`{key}` is {value!r}, not a number", "write a number")
        if abs(value) > LARGEST_NUMBER:
            raise self.fault(key, f"`{key}` is too large", "write a smaller number")
        return value

    def whole(self, key: str) -> int | None:
        """Return a number without its fraction, or None."""
        value = self.number(key)
        return None if value is None else int(value)

    def at_least_one(self, key: str) -> int | None:
        """Return a whole number from 1 upwards, or None."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.fault(key, f"`{key}` is {value!r}", "write a number from 1 upwards")
        return value

    def truth(self, key: str) -> bool:
        """Return whether a key is there and true."""
        value = self.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise self.fault(key, f"`{key}` is {value!r}", "write `true` or `false`")

    def time(self, key: str) -> datetime | None:
        """Return a moment with its zone, or None."""
        value = self.text(key)
        if not value:
            return None
        try:
            return read_moment(value)
        except ValueError:
            raise self.fault(
                key, f"`{key}` is {value!r}, not a time", "write it as 2026-03-21T11:41:39Z"
            ) from None

    def word(self, key: str, words: type[Word]) -> Word | None:
        """Return one of some words, however it is spelled, or None."""
        value = self.text(key)
        if value is None:
            return None
        try:
            return words(value.strip().lower().replace("_", "-").replace(" ", "-"))
        except ValueError:
            known = ", ".join(f"`{word}`" for word in words)
            raise self.fault(key, f"`{key}` is {value!r}", f"use one of {known}") from None

    def measure(self, key: str, parse: Callable[[str], Amount]) -> Amount | None:
        """Return what a parser of sizes or lengths of time reads, or None."""
        value = self.get(key)
        if value is None:
            return None
        try:
            return parse(str(value))
        except UsageError as error:
            raise self.fault(key, f"`{key}`: {error.message}", error.hint) from None

    def strings(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; nothing where there is none."""
        items = self.get(key) or []
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise self.fault(key, f"`{key}` is not a list of strings", "write a list")
        return tuple(items)

    def mapping(self, key: str) -> JsonObject:
        """Return an object; an empty one where there is none."""
        value = self.get(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.fault(key, f"`{key}` is not an object", "write `{}`")
        return JsonObject(value, self._document)

    def items(self, key: str) -> list[Any]:
        """Return a list of anything; nothing where there is none."""
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fault(key, f"`{key}` is not a list", "write a list of objects")
        return value

    def objects(self, key: str) -> Iterator[JsonObject]:
        """Yield the objects of a list."""
        for number, item in enumerate(self.items(key)):
            if not isinstance(item, dict):
                raise not_an_object(self._document, key, self.items(key), number)
            yield JsonObject(item, self._document)

    def fault(self, key: str, message: str, hint: str | None) -> MissionFileError:
        """Return the error for a key's value; where the key is missing, for the whole object."""
        name = key if key in self.data else snake_case(key)
        return _fault(self._document, self.data, name, message, hint)


def not_an_object(document: Document, key: str, items: list[Any], number: int) -> MissionFileError:
    """Return the error for an item of a list that is not an object."""
    message = f"`{items[number]!r}` in `{key}` is not an object"
    return _fault(document, items, number, message, "write an object, or remove it")


def _fault(
    document: Document, owner: object, key: str | int, message: str, hint: str | None
) -> MissionFileError:
    return MissionFileError(message, line=document.lines.find(owner, key), hint=hint)
