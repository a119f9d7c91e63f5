"""Tasks in `plan.txt`, one a line: `KEY STATUS TITLE`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mosaic.sources.item import Item, Place, Reading

PLACES = ("plan.txt",)


def read(place: Place) -> Reading:
    """Read all tasks."""
    items = []
    for number, line in enumerate(place.text().split("\n"), 1):
        words = line.split(maxsplit=2)
        if len(words) == 3:
            key, status, title = words
            where = f"{place.shown}:{number}"
            items.append(Item(key=key, id=key, status=status, title=title, where=where))
        elif words:
            place.fault("", "is not `KEY STATUS TITLE`; not read", number)
    return place.reading(items)


def write(items: Sequence[Item], name: str) -> Mapping[str, str]:
    """Write one file; what it cannot hold is named by `mission export`."""
    del name
    return {"": "".join(f"{item.key} {item.status} {item.title}\n" for item in items)}
