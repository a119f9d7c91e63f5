"""What one rendering may spend, in units of about one character, and the filters that charge it."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from mosaic.prompts.bounded import fence, quote_data, yaml_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MOST_WORK = 4 * 1024 * 1024
"""Units that one rendering may spend: a few seconds at the very most."""
_TURN = 16
"""Units of a loop's turn and of a call, beside what is done in it."""
_MOST_INDENT = 40

# Names of the filters that the syntax tree is given. No template can write a blank in a name.
COUNTED = "a turn"
MEASURED = "a value"
JOINED = "a joint"
WEIGHED = "a weight"


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

    def written(self, value: object) -> object:
        """Return a value, charged."""
        self.charge(value)
        return value

    def charged(self, filter_: Callable[..., Any]) -> Callable[..., Any]:
        """Return a filter that charges what it is given and what it makes."""

        @wraps(filter_)
        def charged(*args: Any, **kwargs: Any) -> Any:
            self.charge([args, kwargs])
            return self.written(filter_(*args, **kwargs))

        return charged


def filters_of(budget: Budget) -> dict[str, Callable[..., Any]]:
    """Return our own filters, and those of Jinja's that must be charged before they work."""

    def join(items: Iterable[object], separator: str = "") -> str:
        parts = [str(budget.written(item)) for item in items]
        budget.spend(len(separator) * len(parts))
        return separator.join(parts)

    def replace(text: str, old: str, new: str) -> str:
        budget.spend((text.count(old) + 1) * len(new))
        return text.replace(old, new)

    def indent(text: str, width: int = 4, first: bool = False) -> str:
        blanks = " " * max(0, min(width, _MOST_INDENT))
        budget.spend(len(blanks) * (text.count("\n") + 1))
        indented = text.replace("\n", f"\n{blanks}").replace(f"\n{blanks}\n", "\n\n")
        return blanks + indented if first else indented

    ours: dict[str, Callable[..., Any]] = {
        "fence": fence,
        "quote_data": quote_data,
        "yaml": yaml_text,
        "join": join,
        "indent": indent,
        "replace": replace,
    }
    return {name: budget.charged(filter_) for name, filter_ in ours.items()}


def charges_of(budget: Budget) -> dict[str, Callable[..., Any]]:
    """Return the filters that charge; each is given the context first."""

    def weigh(_: object, nothing: str, weight: int) -> str:
        budget.turn(abs(weight))
        return nothing

    def join(_: object, parts: Iterable[object]) -> str:
        return "".join(str(budget.written(part)) for part in parts)

    return {
        COUNTED: lambda _, items, weight: budget.counted(items, abs(weight)),
        MEASURED: lambda _, value: budget.written(value),
        JOINED: join,
        WEIGHED: weigh,
    }
