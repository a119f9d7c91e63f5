"""One object of a JSON document that people edit: its values by key, checked when asked for.

camelCase keys are asked for; their snake_case twins are read as the same. `null` means the same
as no key. Every method but `get` raises `MissionFileError` for a value of another kind, with the
line where it stands.
"""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from mosaic.codec import JsonForm, read_moment
from mosaic.errors import MissionFileError, UsageError
from mosaic.text.jsondoc import Lines, parse_json_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    FindLines = Callable[[], Lines]

LARGEST_NUMBER = 1 << 53
Word = TypeVar("Word", bound=StrEnum)
Amount = TypeVar("Amount", int, float)
Record = TypeVar("Record")


@cache
def snake_case(key: str) -> str:
    """Return `missionId` as `mission_id`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", key).lower()


def get_key(data: Mapping[str, Any], key: str) -> Any:
    """Return a camelCase key's value, or that of its snake_case twin, or None."""
    return data[key] if key in data else data.get(snake_case(key))


class JsonObject:
    """One object of a document; see the module."""

    __slots__ = ("data", "find_lines")

    def __init__(self, data: Mapping[str, Any], find_lines: FindLines) -> None:
        self.data = data
        self.find_lines = find_lines
        """Works out where everything in the document stands."""

    @classmethod
    def parse(cls, text: str) -> JsonObject:
        """Return the object that a document is; lines are counted when something is wrong."""
        data = parse_json_document(text)
        return cls(data, cache(lambda: Lines(text, data)))

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
        if value is None or (type(value) is int and value >= 1):
            return value
        raise self.fault(key, f"`{key}` is {value!r}", "write a number from 1 upwards")

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
        if value is not None and not isinstance(value, dict):
            raise self.fault(key, f"`{key}` is not an object", "write `{}`")
        return JsonObject({} if value is None else value, self.find_lines)

    def items(self, key: str) -> list[Any]:
        """Return a list of anything; nothing where there is none."""
        value = self.get(key)
        if value is not None and not isinstance(value, list):
            raise self.fault(key, f"`{key}` is not a list", "write a list of objects")
        return value or []

    def objects(self, key: str) -> Iterator[JsonObject]:
        """Yield the objects of a list."""
        items = self.items(key)
        return (self.item(key, items, number) for number in range(len(items)))

    def item(self, key: str, items: list[Any], number: int) -> JsonObject:
        """Return an object of the list of a key."""
        if isinstance(items[number], dict):
            return JsonObject(items[number], self.find_lines)
        raise MissionFileError(
            f"`{items[number]!r}` in `{key}` is not an object",
            line=self.find_lines().find(items, number),
            hint="write an object, or remove it",
        )

    def record(self, kind: type[Record], **given: Any) -> Record:
        """Return a record whose fields stand under their names in camelCase, or are given.

        A key that is not there takes the field's default. The field's annotation says how its
        value is read: see `_METHODS`; an enum is one of its words.
        """
        for name, key, read in _readers(kind):  # type: ignore[arg-type]  # a class has a hash
            if name not in given and (value := read(self, key)) is not None:
                given[name] = value
        return kind(**given)

    def fault(self, key: str, message: str, hint: str | None) -> MissionFileError:
        """Return the error for a key's value; where the key is missing, for the whole object."""
        name = key if key in self.data else snake_case(key)
        return MissionFileError(message, line=self.find_lines().find(self.data, name), hint=hint)


_METHODS: dict[str, Callable[[JsonObject, str], Any]] = {
    "str": JsonObject.text,
    "bool": JsonObject.truth,
    "int": JsonObject.whole,
    "datetime": JsonObject.time,
    "tuple[str, ...]": JsonObject.strings,
}


@cache
def _readers(kind: type) -> list[tuple[str, str, Callable[[JsonObject, str], Any]]]:
    """Return for each field of a record its name, its key and what reads it."""
    form, module, found = JsonForm(is_camel=True), sys.modules[kind.__module__], []
    for name, annotation in kind.__annotations__.items():
        wanted = annotation.removesuffix(" | None")
        read = _METHODS.get(wanted)
        if read is None:
            words: Any = getattr(module, wanted, None)
            read = partial(JsonObject.word, words=words)
        found.append((name, form.key(name), read))
    return found
