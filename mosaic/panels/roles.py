"""The roles of a panel: built-in ones, and a project's own in `templates/roles/`."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from mosaic.errors import TemplateError, UsageError
from mosaic.panels.words import WorkerPlan
from mosaic.store.templates import load_template

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mosaic.store.layout import Layout
    from mosaic.store.templates import Template

BUILT_IN = ("planner", "implementer", "reviewer", "critic", "tester")
ROLE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
MOST_WORKERS = 32


def plan_workers(
    asked: Sequence[str], *, runtime: Callable[[str | None], str], model: str | None
) -> tuple[WorkerPlan, ...]:
    """Return the workers that roles stand for; a role that is named twice gets two.

    Args:
        asked: `ROLE`, or `ROLE=RUNTIME` for one with a runtime of its own.
        runtime: gives the runtime for what a role names, or for nothing.
        model: the model of all of them.

    Raises:
        UsageError: none is named, too many, or a name will not do.
    """
    if not asked:
        known = ", ".join(f"`{role}`" for role in BUILT_IN)
        raise UsageError("no role is named", hint=f"`--role critic --role tester`; known: {known}")
    if len(asked) > MOST_WORKERS:
        raise UsageError(f"a panel has at most {MOST_WORKERS} workers")
    pairs = [each.partition("=")[::2] for each in asked]
    for role, _ in pairs:
        if not ROLE.fullmatch(role):
            raise UsageError(
                f"`{role}` cannot name a role", hint="use small letters, digits, `-` and `_`"
            )
    counts, seen = Counter(role for role, _ in pairs), Counter[str]()
    workers = []
    for role, named in pairs:
        seen[role] += 1
        name = f"{role}-{seen[role]}" if counts[role] > 1 else role
        workers.append(
            WorkerPlan(name=name, role=role, runtime=runtime(named or None), model=model)
        )
    return tuple(workers)


def role_template(role: str, layout: Layout) -> Template:
    """Return the template of a role.

    Raises:
        TemplateError: there is none.
    """
    try:
        return load_template(f"roles/{role}.md.j2", layout)
    except TemplateError:
        known = sorted({*BUILT_IN, *own_roles(layout)})
        raise TemplateError(
            f"there is no role `{role}`",
            detail=f"known: {', '.join(known)}",
            hint=f"write `templates/roles/{role}.md.j2` to make it one",
        ) from None


def own_roles(layout: Layout) -> list[str]:
    """Return the roles that a project has of its own."""
    return sorted(
        path.name.removesuffix(".md.j2")
        for path in (layout.templates_dir / "roles").glob("*.md.j2")
    )
