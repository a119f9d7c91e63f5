"""Three versions of mission.json merged by key; entries of its lists by their id.

Sessions are united. Two of one id that began at different times are two sessions, which two
clones gave the same number. Other lists, such as the arguments of a command, are one value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.text.jsondoc import insert_json, parse_json_document, remove_json, set_json
from mosaic.text.merge3 import MISSING, Merger, merge_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.model import JsonValue

ID_KEYS = ("sessionId", "session_id", "id")
BEGAN = ("startedAt", "started_at")
LINE_EACH = ("sessions",)
"""The list whose entries take a line each, so that git compares them one by one."""
Path = tuple["str | int", ...]


def merge_json(merger: Merger, base: str | None, ours: str, theirs: str) -> str:
    """Return our document with what they changed (or raise MissionFileError)."""
    sides = [parse_json_document(text) for text in (base or "{}", ours, theirs)]
    merged = _merge(merger, "mission", *sides)
    return _edited(ours, (), sides[1], merged)


def _merge(merger: Merger, name: str, base: Any, ours: Any, theirs: Any) -> Any:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return _merge_objects(merger, name, base if isinstance(base, dict) else {}, ours, theirs)
    lists = [_by_id(side) for side in (base, ours, theirs)]
    if lists[1] is not None and lists[2] is not None and (lists[1] or lists[2]):
        known = lists[0] or {}
        return list(_merge_objects(merger, "", known, lists[1], lists[2]).values())
    is_text = isinstance(ours, str) and isinstance(theirs, str)
    return merger.pick(name, base, ours, theirs, read=str if is_text else None)


def _merge_objects(
    merger: Merger, name: str, base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]
) -> dict[str, Any]:
    merged = {}
    for key in dict.fromkeys((*ours, *theirs, *base)):
        sides = [side.get(key, MISSING) for side in (base, ours, theirs)]
        if (value := _merge(merger, _name(name, key), *sides)) is not MISSING:
            merged[key] = value
    order = merge_keys(list(base), list(ours), list(theirs), set(merged))
    return {key: merged[key] for key in order if key in merged}


def _name(owner: str, key: str) -> str:
    own = key.partition("\0")[0]
    return f"{owner}.{own}" if owner else own


def _by_id(items: Any) -> dict[str, Any] | None:
    """Return a list of objects by what each is known by; None where it is not such a list."""
    if not isinstance(items, list):
        return None
    found: dict[str, Any] = {}
    for item in items:
        name = next((item[k] for k in ID_KEYS if k in item), None) if _is_object(item) else None
        if not isinstance(name, str):
            return None
        key = "\0".join((name, *(str(item[k]) for k in BEGAN if k in item)))
        if key in found:
            return None
        found[key] = item
    return found


def _is_object(item: Any) -> bool:
    return isinstance(item, dict)


def _edited(text: str, path: Path, ours: JsonValue, merged: JsonValue) -> str:
    """Write what differs into our text; the rest of it stays as it is."""
    if ours == merged:
        return text
    if not isinstance(ours, dict) or not isinstance(merged, dict):
        return _edited_list(text, path, ours, merged)
    for key in [key for key in ours if key not in merged]:
        text = remove_json(text, (*path, key))
    for key, value in merged.items():
        if key in ours:
            text = _edited(text, (*path, key), ours[key], value)
        elif (*path, key) == LINE_EACH:
            text = _edited_list(set_json(text, LINE_EACH, []), LINE_EACH, [], value)
        else:
            text = set_json(text, (*path, key), value)
    return text


def _edited_list(text: str, path: Path, ours: JsonValue, merged: JsonValue) -> str:
    listed, wanted = _by_id(ours), _by_id(merged)
    if listed is None or not wanted:
        return set_json(text, path, merged)
    kept = [key for key in wanted if key in listed]
    if not listed or kept != [key for key in listed if key in wanted]:
        if path != LINE_EACH:
            return set_json(text, path, merged)
        text, listed = set_json(text, path, []), {}
    for at in range(len(listed) - 1, -1, -1):
        if (key := list(listed)[at]) not in wanted:
            text = remove_json(text, (*path, at))
            del listed[key]
    return _with_items(text, path, listed, wanted)


def _with_items(text: str, path: Path, listed: dict[str, Any], wanted: dict[str, Any]) -> str:
    there: Sequence[str] = list(listed)
    for at, (key, value) in enumerate(wanted.items()):
        if key in there:
            text = _edited(text, (*path, at), listed[key], value)
        else:
            text = insert_json(text, path, at, value, one_line=path == LINE_EACH)
    return text
