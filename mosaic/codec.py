"""Records as JSON, and back: one codec for everything that is kept or shown as JSON.

    class RunState:                              # a record, made with `mosaic.records.dataclass`
        json_form = JsonForm(version=1)          # only where it differs from the defaults
        status: RunStatus                        # an enum: its value
        summary: Text = ""                       # may have several lines; `str` is one line
        tree: ObjectId | None = None             # an object of git
        agent: ProcessIdentity | None = None     # a record within the record
        started_at: datetime | None = None       # UTC, milliseconds, `Z`
        unknown: Mapping[str, FreeJson] = …      # keeps keys of a newer version, and writes them

    data = dump_json(dump_record(state))                    # bytes of a file
    state = load_record(RunState, data, path)               # or a RecordError that says where
    values = dump_record(record)                            # `--json`: any record of `app/`

A field's annotation says what its value must be: `bool`, `int`, `float`, `str` (one line without
control characters), `Text`, `FileName`, `ObjectId`, `Path`, `datetime`, `JsonValue` (any JSON,
where texts are lines), `FreeJson` (any JSON), an enum, a record, `tuple[X, ...]`, `Sequence[X]`,
`Mapping[str, X]`, and each of them `| None`. Enums and records must be imported at run time by
the module that declares the record. A key that is missing takes the field's default.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from math import inf
from pathlib import Path, PurePath
from typing import Any, TypeAlias, TypeVar

from mosaic.errors import RecordError
from mosaic.records import MISSING, dataclass, replace

Reader: TypeAlias = Callable[[Any], Any]
Record = TypeVar("Record")

LONGEST_LINE = 4096
LONGEST_PATH = 120
LARGEST_NUMBER = 1 << 64
YEARS = range(1900, 9000)
"""Of which times are taken: those at the ends of the calendar are in no other zone's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonForm:
    """How a record is written; a record without one, within another, has the outer one's."""

    version: int = 0
    """Written first as `layout_version`; a file with a higher one is refused. 0: none."""
    is_camel: bool = False
    """Whether keys are `likeThis` and not `like_this`."""
    omits_none: bool = False
    """Whether a field without a value is left out instead of written as null."""
    leaves_out: tuple[str, ...] = ()
    """Fields that are neither written nor read."""
    times: str = "milliseconds"
    """`milliseconds` or `seconds`, in UTC with `Z`; or `iso`, as the time itself is."""

    def key(self, name: str) -> str:
        """Return the key of a field."""
        if not self.is_camel:
            return name
        first, *rest = name.split("_")
        return first + "".join(word.capitalize() for word in rest)

    @property
    def inner(self) -> JsonForm:
        """The form of records within the record that have none of their own."""
        return replace(self, version=0, leaves_out=())


_PLAIN = JsonForm()
_READERS: dict[tuple[type, bool], list[tuple[str, str, Reader, bool]]] = {}


class _FaultError(Exception):
    """A value that does not fit; the path of keys grows on the way out."""

    def __init__(self, why: str, *path: str) -> None:
        self.why = why
        self.path = path


def dump_record(record: Any, form: JsonForm = _PLAIN) -> dict[str, Any]:
    """Return a record as `dump_json` writes it; `form` counts where the record has none."""
    form = getattr(record, "json_form", form)
    inner = form.inner if form.version or form.leaves_out else form
    values: dict[str, Any] = {"layout_version": form.version} if form.version else {}
    unknown = getattr(record, "unknown", None)
    kept = unknown if isinstance(unknown, dict) else {}
    for name in getattr(record, "__dataclass_fields__", None) or record._fields:
        if (name == "unknown" and unknown is kept) or name in form.leaves_out:
            continue
        value = getattr(record, name)
        if value is not None or not form.omits_none:
            values[form.key(name)] = dump_value(value, inner)
    for key, value in kept.items():
        values.setdefault(key, value)
    return values


def dump_value(value: Any, form: JsonForm = _PLAIN) -> Any:
    """Return a value as JSON holds it; one that has `json_values()` says itself how."""
    if value is None or type(value) in (str, int, bool, float):
        return value
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "json_values"):
        return dump_value(value.json_values(), form)
    if isinstance(value, datetime):
        return format_moment(value, form.times)
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "__dataclass_fields__") or hasattr(value, "_fields"):
        return dump_record(value, form)
    if isinstance(value, dict):
        return {str(key): dump_value(item, form) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [dump_value(item, form) for item in value]
    raise TypeError(f"{value!r} has no form in JSON")


def load_record(
    kind: type[Record],
    data: bytes | Mapping[str, Any],
    place: Path,
    *,
    what: str = "",
    hint: str | None = None,
) -> Record:
    """Return the record that a file's bytes, or the object in it, describe.

    RecordError: it is not JSON, of a newer Mosaic, or a value in it does not fit. The error
    has `place`, `what` (the file in words; empty: its name) and `hint`.
    """
    what = what or f"`{place.name}`"
    try:
        values = parse_json(data) if isinstance(data, bytes) else data
        if _version_of(kind, values) > getattr(kind, "json_form", _PLAIN).version:
            raise RecordError(f"{what} is of a newer Mosaic", path=place, hint="upgrade Mosaic")
        return _load(kind, values, _PLAIN)  # type: ignore[no-any-return]
    except _FaultError as fault:
        path = ".".join(fault.path)[:LONGEST_PATH]
        detail = f"`{path}` {fault.why}" if path else f"it {fault.why}"
    except ValueError as error:
        detail = str(error)
    raise RecordError(f"{what} cannot be read", path=place, detail=detail, hint=hint)


def _version_of(kind: Any, values: Any) -> int:
    if not isinstance(values, dict):
        raise _FaultError("is not an object")
    if not getattr(kind, "json_form", _PLAIN).version:
        return 0
    version = values.get("layout_version", 0)
    if not isinstance(version, int):
        raise _FaultError("is not a whole number", "layout_version")
    return version


def _load(kind: Any, values: Any, outer: JsonForm) -> Any:
    if not isinstance(values, dict):
        raise _FaultError("is not an object")
    form: JsonForm = getattr(kind, "json_form", outer)
    given: dict[str, Any] = {}
    readers = _READERS.get((kind, form.is_camel)) or _make_readers(kind, form)
    for name, key, read, is_needed in readers:
        if key in values:
            given[name] = _at(key, read, values[key])
        elif is_needed:
            raise _FaultError("is missing", key)
    if "unknown" in kind.__dataclass_fields__:
        known = {key for _, key, _, _ in readers} | {"layout_version"}
        given["unknown"] = {key: values[key] for key in values if key not in known}
    return kind(**given)


def _make_readers(kind: Any, form: JsonForm) -> list[tuple[str, str, Reader, bool]]:
    readers = []
    inner = form.inner
    for name, known in kind.__dataclass_fields__.items():
        if name != "unknown" and name not in form.leaves_out:
            read = _reader(kind.__annotations__[name], kind.__module__, inner)
            is_needed = known.default is MISSING and known.default_factory is MISSING
            readers.append((name, form.key(name), read, is_needed))
    return _READERS.setdefault((kind, form.is_camel), readers)


def _reader(annotation: str, module: str, form: JsonForm) -> Reader:
    if annotation.endswith(" | None"):
        read = _reader(annotation.removesuffix(" | None"), module, form)
        return lambda value: None if value is None else read(value)
    if annotation in _VALUES:
        return _VALUES[annotation]
    outer, _, inner = annotation.removesuffix("]").partition("[")
    if outer in ("tuple", "Sequence"):
        return partial(_read_list, _reader(inner.removesuffix(", ..."), module, form))
    if outer == "Mapping":
        return partial(_read_mapping, _reader(inner.removeprefix("str, "), module, form))
    named: Any = getattr(sys.modules[module], outer, None)
    if hasattr(named, "__dataclass_fields__"):
        return lambda value: _load(named, value, form)
    if isinstance(named, type) and issubclass(named, Enum):
        return _convert(f"one of {', '.join(str(word.value) for word in named)}", named)
    raise TypeError(f"the codec does not know `{annotation}` of `{module}`; is it imported there?")


def _read_list(read: Reader, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple):
        raise _FaultError("is not a list")
    return tuple(_at(str(number), read, value) for number, value in enumerate(values))


def _read_mapping(read: Reader, values: Any) -> dict[str, Any]:
    if not isinstance(values, dict) or not all(map(is_line, values)):
        raise _FaultError("is not an object")
    return {key: _at(key, read, value) for key, value in values.items()}


def _at(key: str, read: Reader, value: Any) -> Any:
    try:
        return read(value)
    except _FaultError as fault:
        raise _FaultError(fault.why, key, *fault.path) from None


def is_line(text: object) -> bool:
    """Tell whether a text is one line that a record may have as a name, an id or a reason."""
    return (
        isinstance(text, str)
        and len(text) <= LONGEST_LINE
        and not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text)
    )


def _is_file_name(text: object) -> bool:
    return is_line(text) and text not in ("", ".", "..") and "/" not in str(text)


def _is_object_id(text: object) -> bool:
    return isinstance(text, str) and bool(re.fullmatch("[0-9a-f]{4,64}", text))


def _check(words: str, fits: Callable[[Any], object]) -> Reader:
    """Return a reader that takes what fits as it is."""

    def checked(value: Any) -> Any:
        if not fits(value):
            raise ValueError
        return value

    return _convert(words, checked)


def _convert(words: str, make: Callable[[Any], object]) -> Reader:
    """Return a reader that makes something of a value, or raises ValueError."""

    def convert(value: Any) -> Any:
        try:
            return make(value)
        except ValueError:
            shown = ascii(value[:40] if isinstance(value, str) else value)[:40]
            raise _FaultError(f"is not {words}: {shown}") from None

    return convert


def _path(value: object) -> Path:
    if not isinstance(value, str | PurePath) or "\0" in str(value):
        raise ValueError
    return Path(value)


def format_moment(moment: datetime, times: str = "milliseconds") -> str:
    """Return a time as files have it: UTC with milliseconds and `Z`, or as `times` says."""
    if times == "iso":
        return moment.isoformat()
    return moment.astimezone(UTC).isoformat(timespec=times).replace("+00:00", "Z")


def read_moment(text: object) -> datetime:
    """Return the moment of an ISO 8601 text, in UTC if it has no zone (or raise ValueError)."""
    if not isinstance(text, str):
        raise ValueError(f"{str(text)[:40]!r} is not a time")  # noqa: TRY004 - what JSON may hold
    moment = datetime.fromisoformat(text)
    if moment.year not in YEARS:
        raise ValueError(f"`{text}` is not a time of this age")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_VALUES: dict[str, Reader] = {
    "bool": _check("true or false", lambda value: isinstance(value, bool)),
    "int": _check("a whole number", lambda value: type(value) is int),
    "float": _check("a number", lambda value: type(value) in (int, float)),
    "str": _check("one line of text", is_line),
    "Text": _check("text", lambda value: isinstance(value, str)),
    "FileName": _check("the name of a file", _is_file_name),
    "ObjectId": _check("an object of git", _is_object_id),
    "Path": _convert("a path", _path),
    "datetime": _convert("a time", read_moment),
    "JsonValue": _check("one line of text", lambda v: not isinstance(v, str) or is_line(v)),
    "FreeJson": lambda value: value,
}


def parse_json(data: bytes | str) -> Any:
    """Return what JSON says; bytes that are no UTF-8 become what file names have for them.

    ValueError: it is not JSON, is nested too deeply, or has what other programs cannot read:
    `NaN`, a number of more than 64 bits, half a character that is no byte of a file's name.
    """
    text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
    try:
        value = json.loads(text, parse_constant=_refuse, parse_int=_whole, parse_float=_finite)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def dump_json(values: Any) -> bytes:
    """Return JSON as people read it, that `parse_json` reads again.

    Where a name in it is not UTF-8 it has escapes; other halves of characters are question marks.
    """
    text = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    with contextlib.suppress(UnicodeEncodeError):
        return text.encode()
    with contextlib.suppress(UnicodeEncodeError):
        text.encode("utf-8", "surrogateescape")
        return json.dumps(values, indent=2).encode() + b"\n"
    return text.encode("utf-8", "replace")


def _refuse(word: str) -> None:
    raise ValueError(f"`{word}` is not a number")


def _number(digits: str, kind: Callable[[str], float], limit: float) -> float:
    number = kind(digits)
    if abs(number) >= limit:
        raise ValueError("a number in it is too large")
    return number


_whole = partial(_number, kind=int, limit=LARGEST_NUMBER)
_finite = partial(_number, kind=float, limit=inf)
