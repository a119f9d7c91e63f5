"""Templates rendered where they can neither escape nor run for ever.

A project's own template may be somebody else's: it sees plain values, may call a few harmless
methods and filters, and everything that repeats or grows is charged to a budget, counted in
units of about one character. The charges are put into the syntax tree before it is compiled,
and how much is compiled has a bound too. This imports Jinja: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from jinja2 import FunctionLoader, StrictUndefined, TemplateSyntaxError, nodes, pass_context
from jinja2.filters import FILTERS
from jinja2.lexer import TokenStream
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from mosaic.prompts.bounded import fence, quote_data, yaml_text

if TYPE_CHECKING:
    from jinja2 import BytecodeCache
    from jinja2.lexer import Token
    from jinja2.runtime import Context

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


_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "int", "items", "last",
    "length", "list", "lower", "map", "reject", "rejectattr", "reverse", "select", "selectattr",
    "sort", "string", "title", "trim", "unique", "upper",
)  # fmt: skip
"""Jinja's filters that a template may use beside ours: none that makes much of little."""

_METHODS = frozenset(
    {
        "count", "endswith", "find", "get", "isdigit", "items", "keys", "lower", "lstrip",
        "removeprefix", "removesuffix", "rstrip", "split", "splitlines", "startswith", "strip",
        "title", "upper", "values",
    }
)  # fmt: skip
"""The methods of texts, lists and dictionaries that a template may call."""

MOST_PARTS = 10_000
"""Tags, names, signs and texts of a template, with all that it includes. Ours have 2,000."""
_LOOK = 8
"""Units of looking something up in a value, which the sandbox checks each time."""
_MOST_BITS = 4096
_MOST_INDENT = 40

# Names of the filters that the syntax tree is given. No template can write a blank in a name.
_COUNTED = "a turn"
_MEASURED = "a value"
_JOINED = "a joint"
_WEIGHED = "a weight"


class UndefinedNameError(Exception):
    """A template uses a name that is not there."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name)
        self.name = name
        self.known = known
        """The names that stand beside it; empty for a name of the template's top level."""


class _StrictName(StrictUndefined):
    """An undefined name that fails with the names that are there."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        owner = self._undefined_obj
        known = tuple(str(key) for key in owner) if isinstance(owner, dict) else ()
        raise UndefinedNameError(str(self._undefined_name), known)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """An environment for one rendering, which spends one budget."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(
        self,
        sources: Mapping[str, str],
        budget: Budget,
        compiled: BytecodeCache | None = None,
    ) -> None:
        super().__init__(
            # A template's path is its name, so that a traceback tells which line failed.
            loader=FunctionLoader(
                lambda name: (sources[name], name, lambda: True) if name in sources else None
            ),
            undefined=_StrictName,
            autoescape=False,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=self._written,
            bytecode_cache=compiled,
        )
        self._budget = budget
        self._parts = 0
        self.globals = {"range": self._range, "namespace": self.globals["namespace"]}
        ours = {
            "fence": fence,
            "quote_data": quote_data,
            "yaml": yaml_text,
            "join": self._join,
            "indent": self._indent,
            "replace": self._replace,
        }
        allowed: dict[str, Callable[..., Any]] = {name: FILTERS[name] for name in _FILTERS} | ours
        self.filters = {name: self._charged(filter_) for name, filter_ in allowed.items()}
        self.filters |= {
            _COUNTED: pass_context(lambda _, items, weight: budget.counted(items, abs(weight))),
            _MEASURED: pass_context(lambda _, value: self._written(value)),
            _JOINED: pass_context(lambda _, parts: self._join(parts)),
            _WEIGHED: pass_context(lambda _, nothing, weight: self._weighed(nothing, weight)),
        }

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow plain values, and the few methods that make nothing big."""
        return super().is_safe_attribute(obj, attr, value) and (
            not callable(value)
            or attr in _METHODS
            or isinstance(value, Macro)
            or isinstance(obj, LoopContext)
        )

    def wrap_str_format(self, _value: Any) -> Callable[..., str] | None:
        """Leave `str.format` a method like the others: it is not among the allowed ones."""
        return None

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Charge every call, by what it is called on and with."""
        self._budget.turn()
        self._budget.charge([getattr(obj, "__self__", None), args, kwargs])
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Charge arithmetic by what it makes, before it is made."""
        self._budget.charge([left, right])
        texts = isinstance(left, str | list | tuple), isinstance(right, str | list | tuple)
        bits = 0
        if operator == "*" and any(texts):
            long, times = (left, right) if texts[0] else (right, left)
            self._budget.spend(len(long) * max(0, times))
        elif isinstance(left, int) and isinstance(right, int):
            if operator == "*":
                bits = left.bit_length() + right.bit_length()
            elif operator == "**":
                bits = left.bit_length() * abs(right)
        if bits > _MOST_BITS or (operator == "%" and texts[0]):
            raise OverBudgetError
        return super().call_binop(context, operator, left, right)

    def _tokenize(self, *args: Any, **kwargs: Any) -> TokenStream:
        stream = super()._tokenize(*args, **kwargs)
        return TokenStream(self._counted(stream), stream.name, stream.filename)

    def _counted(self, stream: TokenStream) -> Iterator[Token]:
        for token in stream:
            self._parts += 1
            if self._parts > MOST_PARTS:
                message = f"it has more than {MOST_PARTS} tags, names and signs, "
                message += "counted with what it includes"
                raise TemplateSyntaxError(message, token.lineno, stream.name, stream.filename)
            yield token

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        charged = _Charges().visit(source)
        charged.set_environment(source.environment)
        return super()._generate(charged, *args, **kwargs)

    def _written(self, value: object) -> object:
        self._budget.charge(value)
        return value

    def _weighed(self, nothing: str, weight: int) -> str:
        self._budget.turn(abs(weight))
        return nothing

    def _charged(self, filter_: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(filter_)
        def charged(*args: Any, **kwargs: Any) -> Any:
            self._budget.charge([args, kwargs])
            made = filter_(*args, **kwargs)
            self._budget.charge(made)
            return made

        return charged

    def _range(self, *bounds: int) -> range:
        numbers = range(*bounds)
        # Not len(): it fails for what no index can count.
        if numbers:
            self._budget.spend(abs((numbers[-1] - numbers[0]) // numbers.step) + 1)
        return numbers

    def _join(self, items: Iterable[object], separator: str = "") -> str:
        parts = [str(self._written(item)) for item in items]
        self._budget.spend(len(separator) * len(parts))
        return separator.join(parts)

    def _replace(self, text: str, old: str, new: str) -> str:
        self._budget.spend((text.count(old) + 1) * len(new))
        return text.replace(old, new)

    def _indent(self, text: str, width: int = 4, first: bool = False) -> str:
        blanks = " " * max(0, min(width, _MOST_INDENT))
        self._budget.spend(len(blanks) * (text.count("\n") + 1))
        indented = text.replace("\n", f"\n{blanks}").replace(f"\n{blanks}\n", "\n\n")
        return blanks + indented if first else indented


class _Charges(NodeTransformer):
    """Puts a charge wherever a template repeats something or puts something together."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's own name
        if node.recursive:
            raise TemplateSyntaxError("a loop may not call itself", node.lineno)
        weight = _weight(node)
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _COUNTED, weight)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), _JOINED)

    def _measured(self, node: nodes.Node) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, _MEASURED)

    visit_List = visit_Dict = _measured  # noqa: N815

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        return self._measured(node) if node.ctx == "load" else self.generic_visit(node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _filtered(node.expr, _MEASURED)
        for operand in node.ops:
            operand.expr = _filtered(operand.expr, _MEASURED)
        return node

    def _weighed(
        self, node: nodes.Template | nodes.Macro | nodes.CallBlock | nodes.Block
    ) -> nodes.Node:
        weight = _weight(node)
        self.generic_visit(node)
        charge = _filtered(nodes.Const("", lineno=node.lineno), _WEIGHED, weight)
        node.body.insert(0, nodes.Output([charge], lineno=node.lineno))
        return node

    visit_Template = visit_Macro = visit_CallBlock = visit_Block = _weighed  # noqa: N815


def _filtered(node: nodes.Node, name: str, *args: int) -> nodes.Expr:
    constants: list[nodes.Expr] = [nodes.Const(value, lineno=node.lineno) for value in args]
    return nodes.Filter(
        cast("nodes.Expr", node), name, constants, [], None, None, lineno=node.lineno
    )


def _weight(node: nodes.Node) -> int:
    """Return what one pass through a node may cost by itself: what it writes, and its parts."""
    weight = 0
    for part in node.find_all(nodes.Node):
        if isinstance(part, nodes.TemplateData):
            weight += len(part.data)
        else:
            weight += _LOOK if isinstance(part, nodes.Getattr | nodes.Getitem) else 1
    return weight
