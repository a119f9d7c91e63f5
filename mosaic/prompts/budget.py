"""How much work one rendering may do, so that no template runs for ever or fills the memory.

Jinja's sandbox bounds neither time nor memory. So everything in a template that can be
repeated or can grow is charged here: each turn of a loop, each call, each value that is
put together, filtered or written. Work is counted in units of about one character.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_WORK = 4 * 1024 * 1024
"""Units that one rendering may spend: a few seconds at the very most."""
_TURN = 16
"""Units of a loop's turn and of a call, beside what is done in it."""


class OverBudgetError(Exception):
    """A template does more than a prompt can be worth."""


class Budget:
    """The work that is left to one rendering."""

    def __init__(self, units: int = MOST_WORK) -> None:
        self.left = units

    def spend(self, units: int) -> None:
        """Charge work (or raise OverBudgetError)."""
        self.left -= units
        if self.left < 0:
            raise OverBudgetError

    def turn(self, weight: int = 0) -> None:
        """Charge one turn of a loop, or one call, that may write `weight` characters."""
        self.spend(_TURN + weight)

    def counted(self, items: Iterable[object], weight: int) -> Iterator[object]:
        """Yield items, charging a turn for each."""
        for item in items:
            self.turn(weight)
            yield item

    def charge(self, value: object) -> None:
        """Charge a value by its size, all that it holds included."""
        todo = [value]
        while todo:
            self.spend(1)
            item = todo.pop()
            if isinstance(item, str | bytes):
                self.spend(len(item))
            elif isinstance(item, int):
                self.spend(item.bit_length() // 8)
            elif isinstance(item, dict):
                todo.extend(item.keys())
                todo.extend(item.values())
                self.spend(len(item))
            elif isinstance(item, list | tuple | set | frozenset):
                todo.extend(item)
                self.spend(len(item))
