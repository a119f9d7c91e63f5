"""Rendering templates: sandboxed, strict about names, bounded in time and size.

Templates may come from a cloned repository, so they are given plain values only, in
Jinja's sandbox, which by itself bounds neither time nor memory: output is counted while it
is generated, ranges and the operators that can blow up are bounded, and so is the number
of steps that a loop may take.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from mosaic.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LARGEST_OUTPUT = 4 << 20
LARGEST_SOURCE = 1 << 20
LONGEST_RANGE = 10_000
LARGEST_PRODUCT = 1 << 20
LARGEST_EXPONENT = 64
MOST_PIECES = 1_000_000
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def render_template(
    source: str,
    values: Mapping[str, Any],
    *,
    name: str,
    path: Path | str,
    partials: Mapping[str, str] | None = None,
) -> str:
    """Render a template.

    Args:
        source: its text.
        values: plain values that it may use: text, numbers, booleans, lists, dictionaries.
        name: what it is called in messages.
        path: where it is from.
        partials: templates that it may include, by name.

    Raises:
        TemplateError: it uses a name that is not there, does what it may not, is no
            template, or its output is beyond all measure.
    """
    import jinja2  # start-up: only what renders pays for it

    if len(source) > LARGEST_SOURCE:
        raise TemplateError(f"template `{name}` is larger than 1 MiB", path=path)
    environment = _environment(partials or {})
    try:
        template = environment.from_string(source)
        return _bounded(template.generate(dict(values)), name, path)
    except jinja2.UndefinedError as error:
        raise TemplateError(
            f"template `{name}` uses a name that is not there",
            path=path,
            line=_line_of(error),
            detail=_undefined_words(str(error.message), values),
            hint="the README lists the names that a template may use",
        ) from None
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"template `{name}` is no template", path=path, line=error.lineno, detail=error.message
        ) from None
    except TemplateError as error:
        raise error.at(path) from None
    except (
        jinja2.TemplateError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
        MemoryError,
    ) as error:
        raise TemplateError(
            f"template `{name}` cannot be rendered",
            path=path,
            line=_line_of(error),
            detail=f"{type(error).__name__}: {error}"[:300],
        ) from None


def quote_data(text: object) -> str:
    """Return a text as quoted data: in a fence longer than any in it.

    What people and agents wrote in files is never put into a prompt as if we said it.
    """
    plain = str(text).strip("\n")
    longest = max((len(run) for run in re.findall(r"`{3,}", plain)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{plain}\n{fence}"


def one_line(text: object) -> str:
    """Return a text on one line, for headings and lists."""
    return " ".join(str(text).split())


def clean_prompt(text: str) -> str:
    """Return a prompt that no command line reads as an option, a command or a file.

    A prompt that begins with `-` is an option, with `/` a command and with `@` a file to
    some agents; control characters are for terminals.
    """
    plain = CONTROL.sub("", text.replace("\r\n", "\n")).lstrip()
    return f"# Task\n\n{plain}" if plain.startswith(("-", "/", "@")) or not plain else plain


def _environment(partials: Mapping[str, str]) -> Any:
    from jinja2 import DictLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        """The sandbox, with the operators that can blow up bounded."""

        intercepted_binops = frozenset({"*", "**", "%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "**" and (abs(right) > LARGEST_EXPONENT or abs(left) > LARGEST_PRODUCT):
                raise TemplateError("a power is too large")
            if operator == "*":
                for one, other in ((left, right), (right, left)):
                    if isinstance(one, str | list | tuple) and len(one) * other > LARGEST_PRODUCT:
                        raise TemplateError("a repetition is too long")
            if operator == "%" and isinstance(left, str):
                raise TemplateError("`%` formatting is not for templates")
            return super().call_binop(context, operator, left, right)

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            if isinstance(obj, str) and attr in _UNBOUNDED_METHODS:
                return False
            return bool(super().is_safe_attribute(obj, attr, value))

    environment = Sandbox(
        loader=DictLoader(dict(partials)),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.clear()
    environment.globals["range"] = _bounded_range
    for name in ("center", "indent", "format", "xmlattr", "pprint", "wordwrap", "batch", "slice"):
        environment.filters.pop(name, None)
    environment.filters["quote_data"] = quote_data
    environment.filters["one_line"] = one_line
    return environment


_UNBOUNDED_METHODS = frozenset(
    {
        "center",
        "ljust",
        "rjust",
        "zfill",
        "expandtabs",
        "replace",
        "format",
        "format_map",
        "join",
        "translate",
    }
)


def _bounded_range(*limits: int) -> range:
    numbers = range(*limits)
    if len(numbers) > LONGEST_RANGE:
        raise TemplateError(f"a range is longer than {LONGEST_RANGE:,}")
    return numbers


def _bounded(pieces: Any, name: str, path: Path | str) -> str:
    kept: list[str] = []
    size = 0
    for number, piece in enumerate(pieces):
        size += len(piece)
        if size > LARGEST_OUTPUT or number > MOST_PIECES:
            raise TemplateError(f"template `{name}` writes more than 4 MiB", path=path)
        kept.append(piece)
    return "".join(kept)


def _undefined_words(message: str, values: Mapping[str, Any]) -> str:
    found = re.search(r"'([^']+)' is undefined", message)
    close = difflib.get_close_matches(found[1], list(values), n=1) if found else []
    return f"{message}; nearest: `{close[0]}`" if close else message


def _line_of(error: BaseException) -> int | None:
    """Return the template's line, which Jinja writes into the traceback."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
