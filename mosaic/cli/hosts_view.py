"""What was found on other machines, as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.app.doctor import State
from mosaic.cli.output import clean
from mosaic.cli.table import WHOLE, Column, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mosaic.app.doctor import Item

MARKS = {State.OK: "ok", State.MISSING: "--", State.BAD: "!!"}
FOUND = (
    Column(colors={"ok": "green", "--": "dim", "!!": "red"}), Column("name"), WHOLE,
)  # fmt: skip


def found_lines(found: Mapping[str, Iterable[Item]]) -> list[str]:
    """Return what was found, by host, with what to do where something is not as it must be."""
    rows = []
    for host, items in found.items():
        for item in items:
            rows.append((MARKS[item.state], f"{clean(host)} {clean(item.name)}", clean(item.found)))
            if item.hint and item.state is not State.OK:
                rows.append(("", "", f"hint: {clean(item.hint)}"))
    return table(rows, FOUND)


def is_fit(found: Mapping[str, Iterable[Item]]) -> bool:
    """Tell whether nothing of what was found stands in the way."""
    return all(item.state is not State.BAD for items in found.values() for item in items)
