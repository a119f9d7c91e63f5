"""`dataclass` as the standard library has it, for records that are quick to import.

The standard decorator imports `inspect` (10 ms) and writes and compiles six methods for every
class, which is most of what a short command does. Here the methods are shared; only the
`__init__` of a class that is made often is compiled, when it turns out to be. To a type
checker these are the standard ones, and `dataclasses.replace`, `asdict` and `is_dataclass`
understand the records.

What is not here: inheritance of fields, positional fields, `InitVar`, ordering.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import asdict, dataclass, field, replace
    from typing import NamedTuple

__all__ = ["NamedTuple", "asdict", "dataclass", "field", "replace"]

COMPILED_AFTER = 6
"""Instances made before a class's `__init__` is compiled, which costs as much as thirty."""
MISSING: Any = object()


class Field:
    """One field; looks like `dataclasses.Field` from outside."""

    __slots__ = ("default", "default_factory", "name")
    init = repr = compare = kw_only = True
    hash = None

    def __init__(self, name: str, default: object, default_factory: object) -> None:
        self.name = name
        self.default = default
        self.default_factory = default_factory

    @property
    def _field_type(self) -> object:
        import dataclasses

        return dataclasses._FIELD  # type: ignore[attr-defined]  # noqa: SLF001


if not TYPE_CHECKING:

    def field(*, default: object = MISSING, default_factory: object = MISSING) -> Field:
        """Say how a field is filled that is not given."""
        return Field("", default, default_factory)

    def dataclass(*, frozen: bool = False, kw_only: bool, slots: bool) -> Callable[[type], type]:
        """Make a class a record with slots, whose fields are given by name."""
        assert kw_only
        assert slots

        def make(described: type) -> type:
            return _record(described, frozen=frozen)

        return make

    def replace(record: object, /, **changes: object) -> object:
        """Return a copy with other values."""
        kept = {name: getattr(record, name) for name in record.__slots__ if name not in changes}
        return type(record)(**kept, **changes)

    class _MakesTuples(type):
        def __new__(cls, name: str, _: tuple[type, ...], body: dict[str, Any]) -> type:
            names = tuple(body.get("__annotations__", ()))
            defaults = [body.pop(each) for each in names if each in body]
            made = namedtuple(name, names, defaults=defaults)  # noqa: PYI024
            for key, value in body.items():
                setattr(made, key, value)
            return made

    # The standard one compiles every annotation.
    NamedTuple = type.__new__(_MakesTuples, "NamedTuple", (), {})

    def asdict(record: object) -> dict[str, object]:
        """Return a record as a dictionary, with the records in it as dictionaries too."""
        return {name: _plain(getattr(record, name)) for name in record.__slots__}


def _plain(value: Any) -> Any:
    if hasattr(type(value), "__dataclass_fields__"):
        return asdict(value)
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _record(described: type, *, frozen: bool) -> type:
    body = dict(described.__dict__)
    names = tuple(described.__annotations__)
    fields = {}
    for name in names:
        given = body.pop(name, MISSING)
        if isinstance(given, Field):
            given.name = name
            fields[name] = given
        else:
            fields[name] = Field(name, given, MISSING)
    for name in ("__dict__", "__weakref__"):
        body.pop(name, None)
    body.setdefault("__repr__", _repr)
    body.setdefault("__eq__", _equal)
    if frozen:
        body.update(__setattr__=_refuse, __delattr__=_refuse, __hash__=_hash)
        body.update(__getstate__=_get_state, __setstate__=_set_state)
    body.update(__slots__=names, __match_args__=(), __dataclass_fields__=fields)
    made = type(described)(described.__name__, described.__bases__, body)
    _add_init(made, fields)
    return made


def _add_init(made: Any, fields: dict[str, Field]) -> None:
    puts = [(name, vars(made)[name].__set__, known) for name, known in fields.items()]
    count = 0

    def init(self: Any, **values: Any) -> None:
        nonlocal count
        count += 1
        if count > COMPILED_AFTER:
            made.__init__ = _compiled_init(made, fields)
        for name, put, known in puts:
            if name in values:
                put(self, values.pop(name))
            elif known.default is not MISSING:
                put(self, known.default)
            elif known.default_factory is not MISSING:
                put(self, known.default_factory())  # type: ignore[operator]
            else:
                raise TypeError(f"{made.__name__}() lacks its argument `{name}`")
        if values:
            raise TypeError(f"{made.__name__}() has no argument `{next(iter(values))}`")

    made.__init__ = init


def _compiled_init(made: type, fields: dict[str, Field]) -> Any:
    known: dict[str, Any] = {"MISSING": MISSING}
    arguments, lines = [], []
    for name, of in fields.items():
        known[f"put_{name}"] = vars(made)[name].__set__
        known[f"default_{name}"] = of.default
        known[f"make_{name}"] = of.default_factory
        if of.default_factory is not MISSING:
            arguments.append(f"{name}=MISSING")
            lines.append(f" if {name} is MISSING: {name} = make_{name}()")
        else:
            arguments.append(name if of.default is MISSING else f"{name}=default_{name}")
        lines.append(f" put_{name}(self, {name})")
    source = f"def __init__(self, *, {', '.join(arguments)}):\n" + "\n".join(lines)
    exec(source, known)  # noqa: S102 - names of fields, from our own classes
    return known["__init__"]


def _repr(self: Any) -> str:
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
    return f"{type(self).__qualname__}({values})"


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self.__slots__)


def _equal(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _refuse(self: Any, name: str, *_: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"`{name}` of a {type(self).__name__} cannot be changed")


def _get_state(self: Any) -> list[Any]:
    return list(_values(self))


def _set_state(self: Any, values: list[Any]) -> None:
    for name, value in zip(self.__slots__, values, strict=True):
        object.__setattr__(self, name, value)
