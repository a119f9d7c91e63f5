"""Prompts and new files, rendered from the sources of templates that the caller has read."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from itertools import dropwhile
from typing import TYPE_CHECKING

from mosaic.errors import TemplateError
from mosaic.prompts.bounded import one_line, plain_text
from mosaic.prompts.budget import Budget, OverBudgetError
from mosaic.prompts.compiled import run_compiled
from mosaic.prompts.context import prompt_values

if TYPE_CHECKING:
    from types import CodeType

    from mosaic.prompts.context import PromptContext, TemplateValue

LONGEST_TEMPLATE = 256 * 1024
"""Characters of a template, and of each partial."""
LONGEST_OUTPUT = 2 * 1024 * 1024
"""Characters that a template may write."""
DECISIONS_PART = "_decisions.md.j2"

_MOST_NAMES = 20
_FORBIDDEN_STARTS = frozenset("-/@")


def render_prompt(
    template: str,
    context: PromptContext,
    *,
    name: str,
    partials: Mapping[str, str] | None = None,
    codes: Mapping[str, CodeType] | None = None,
) -> str:
    """Return the prompt that an agent is given (or raise TemplateError).

    It never begins with `-`, `/`, `@` or a blank, which a command line would read as an
    option, a command or a file; and it holds no control characters but newlines and tabs.
    """
    values = prompt_values(context)
    text = render_template(template, values, name=name, partials=partials, codes=codes)
    if context.decisions and DECISIONS_PART not in template:
        # A project's own template may be older than decisions are: no word of a person is lost.
        own = (partials or {})[DECISIONS_PART]
        text = render_template(own, values, name=DECISIONS_PART, partials=partials) + text
    return fit_prompt(text, heading=f"Task {context.task.id}", name=name)


def fit_prompt(text: str, *, heading: str, name: str) -> str:
    """Return what a template wrote as a prompt that no command line misreads (or TemplateError)."""
    prompt = "".join(dropwhile(_is_blank, plain_text(text)))
    if not prompt:
        raise TemplateError(
            "the template writes nothing", path=name, hint="an agent needs to know its task"
        )
    if prompt[0] in _FORBIDDEN_STARTS:
        prompt = f"# {one_line(heading, 100)}\n\n{prompt}"
    return prompt if prompt.endswith("\n") else f"{prompt}\n"


def render_template(
    template: str,
    values: Mapping[str, TemplateValue],
    *,
    name: str,
    partials: Mapping[str, str] | None = None,
    codes: Mapping[str, CodeType] | None = None,
) -> str:
    """Return what a template writes, as it is: for new files (or raise TemplateError).

    `template` is its source and `name` its path, for errors; `partials` are the sources of
    those that it may include, by name; `codes` are templates of ours in compiled form, by source.
    """
    sources = {**(partials or {}), name: template}
    for path, source in sources.items():
        if len(source) > LONGEST_TEMPLATE:
            limit = f"{LONGEST_TEMPLATE // 1024} KiB"
            raise TemplateError(f"a template is longer than {limit}", path=path)
    try:
        ours = {each: (codes or {})[source] for each, source in sources.items()}
        return _collect(run_compiled(ours, name, values))
    except Exception:  # noqa: BLE001, S110 - Jinja says what is wrong, if anything is
        pass
    # Jinja costs 30 ms.
    from mosaic.prompts.sandbox import BoundedEnvironment

    try:
        environment = BoundedEnvironment(sources, Budget(), codes)
        return _collect(environment.get_template(name).generate(values))
    except Exception as fault:  # An expression of a template may raise anything.
        raise _explained(fault, sources, name, tuple(values)) from fault


def _collect(chunks: Iterable[str]) -> str:
    written = []
    length = 0
    for chunk in chunks:
        written.append(chunk)
        length += len(chunk)
        if length > LONGEST_OUTPUT:
            raise OverBudgetError
    return "".join(written)


def _explained(
    fault: Exception, sources: Mapping[str, str], name: str, names: tuple[str, ...]
) -> TemplateError:
    """Return what a template's fault means for its author."""
    import jinja2

    from mosaic.prompts.sandbox import UndefinedNameError

    path, line = _line_of(fault, sources) or (name, None)
    detail: str | None
    hint: str | None = None
    match fault:
        case UndefinedNameError():
            message = f"a template uses `{_one(fault.name)}`, which is not defined"
            detail = _names_near(fault.name, fault.known or names)
            hint = "correct the name, or test it with `is defined`"
        case OverBudgetError():
            message = "a template does too much"
            detail = "it repeats or builds more than a prompt can hold"
            hint = "shorten its loops"
        case jinja2.TemplateSyntaxError():
            message, detail = "a template cannot be read", _one(fault.message)
            path, line = fault.name or name, fault.lineno
        case jinja2.TemplateNotFound():
            message = f"a template includes `{_one(str(fault.name))}`, which is not there"
            others = ", ".join(f"`{item}`" for item in sorted(sources) if item != name)
            detail = f"known: {others}" if others else None
        case _:
            kind = "" if isinstance(fault, jinja2.TemplateError) else f"{type(fault).__name__}: "
            message, detail = "a template cannot be rendered", kind + _one(str(fault))
    return TemplateError(message, path=path, line=line, detail=detail, hint=hint)


def _names_near(missing: str, known: tuple[str, ...]) -> str | None:
    from difflib import get_close_matches

    close = get_close_matches(missing[:100], known)
    listed = ", ".join(f"`{item}`" for item in close or known[:_MOST_NAMES])
    return f"{'closest' if close else 'known'}: {listed}" if listed else None


def _line_of(fault: BaseException, sources: Mapping[str, str]) -> tuple[str, int] | None:
    found = None
    trace = fault.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if path in sources:
            found = (path, trace.tb_lineno)
        trace = trace.tb_next
    return found


def _one(text: str | None) -> str:
    return one_line(text or "", 300)


def _is_blank(sign: str) -> bool:
    return sign.isspace() or unicodedata.category(sign) == "Cf"
