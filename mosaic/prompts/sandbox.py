"""Templates rendered where they can neither escape nor run for ever.

A project's own template may be somebody else's: it sees plain values, may call a few harmless
methods and filters, and everything that repeats or grows is charged to a budget, counted in
units of about one character. The charges are put into the syntax tree before it is compiled,
and how much is compiled has a bound too. This imports Jinja: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from jinja2 import FunctionLoader, StrictUndefined, TemplateSyntaxError, nodes, pass_context
from jinja2.filters import FILTERS
from jinja2.lexer import TokenStream
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from mosaic.prompts.budget import (
    COUNTED,
    JOINED,
    MEASURED,
    WEIGHED,
    Budget,
    OverBudgetError,
    charges_of,
    filters_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import CodeType

    from jinja2.lexer import Token
    from jinja2.runtime import Context

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
        compiled: Mapping[str, CodeType] | None = None,
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
            finalize=budget.written,
        )
        self._budget = budget
        self._compiled = compiled or {}
        self._parts = 0
        self.globals = {"range": self._range, "namespace": self.globals["namespace"]}
        jinjas = {name: budget.charged(FILTERS[name]) for name in _FILTERS}
        charges = {name: pass_context(charge) for name, charge in charges_of(budget).items()}
        self.filters = {**jinjas, **filters_of(budget), **charges}

    def compile(self, source: Any, *args: Any, **options: Any) -> Any:
        """Return the code of a template: as it was kept, or made now."""
        kept = None if options.get("raw") else self._compiled.get(source)
        return kept or super().compile(source, *args, **options)

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

    def _range(self, *bounds: int) -> range:
        numbers = range(*bounds)
        # Not len(): it fails for what no index can count.
        if numbers:
            self._budget.spend(abs((numbers[-1] - numbers[0]) // numbers.step) + 1)
        return numbers


def compile_template(name: str, source: str) -> CodeType:
    """Return the code of a template, which may be given to further environments."""
    code: CodeType = BoundedEnvironment({}, Budget()).compile(source, name, name)
    return code


class _Charges(NodeTransformer):
    """Puts a charge wherever a template repeats something or puts something together."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's own name
        if node.recursive:
            raise TemplateSyntaxError("a loop may not call itself", node.lineno)
        weight = _weight(node)
        self.generic_visit(node)
        node.iter = _filtered(node.iter, COUNTED, weight)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), JOINED)

    def _measured(self, node: nodes.Node) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, MEASURED)

    visit_List = visit_Dict = _measured  # noqa: N815

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        return self._measured(node) if node.ctx == "load" else self.generic_visit(node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _filtered(node.expr, MEASURED)
        for operand in node.ops:
            operand.expr = _filtered(operand.expr, MEASURED)
        return node

    def _weighed(
        self, node: nodes.Template | nodes.Macro | nodes.CallBlock | nodes.Block
    ) -> nodes.Node:
        weight = _weight(node)
        self.generic_visit(node)
        charge = _filtered(nodes.Const("", lineno=node.lineno), WEIGHED, weight)
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
