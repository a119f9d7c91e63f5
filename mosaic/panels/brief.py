"""The roles of a panel, and what a worker of one is given to read.

Roles are templates: a project's own in `templates/roles/`, built-in ones, and those of plugins.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import TemplateError, UsageError
from mosaic.machine.disk import read_text
from mosaic.panels.model import WorkerPlan
from mosaic.plugins import Plugins
from mosaic.prompts.bounded import exact_line, one_line, plain_text
from mosaic.prompts.prompt import fit_prompt, render_template
from mosaic.records import NamedTuple
from mosaic.store.templates import LARGEST_FILE, Template, load_partials, load_template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mosaic.model import Mission
    from mosaic.panels.model import PanelPlan
    from mosaic.prompts.context import TemplateValue
    from mosaic.runs.record import Run
    from mosaic.store.layout import Layout
    from mosaic.store.mission_file import MissionDocument
    from mosaic.workspaces.record import Workspace

BUILT_IN = ("planner", "implementer", "reviewer", "critic", "tester")
PLUGINS = Plugins("role", BUILT_IN, needs=("read_text",))
"""Those of other packages: the `Path` of a template."""
ROLE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
MOST_WORKERS = 32
ANSWER_NAME = "answer.json"
TASK_NAME = "task.md"
SCHEMA_NAME = "schema.json"
LONGEST_LINE = 500


def plan_workers(
    asked: Sequence[str], *, runtime: Callable[[str | None], str], model: str | None
) -> tuple[WorkerPlan, ...]:
    """Return the workers that roles stand for; a role that is named twice gets two.

    A role is asked for as `ROLE`, or `ROLE=RUNTIME` for one with a runtime of its own; `runtime`
    gives the runtime for what a role names, or for nothing. Raises UsageError.
    """
    if not asked:
        known = ", ".join(f"`{role}`" for role in BUILT_IN)
        raise UsageError("no role is given", hint=f"`--role critic --role tester`; known: {known}")
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
        chosen = runtime(named or None)
        workers.append(WorkerPlan(name=name, role=role, runtime=chosen, model=model))
    return tuple(workers)


def role_template(role: str, layout: Layout) -> Template:
    """Return the template of a role; raises `TemplateError` where there is none."""
    try:
        return load_template(f"roles/{role}.md.j2", layout)
    except TemplateError:
        if (found := PLUGINS.find(role)) is None:
            raise TemplateError(
                f"there is no role `{role}`",
                detail=f"known: {', '.join(sorted(known_roles(layout)))}",
                hint=f"write `templates/roles/{role}.md.j2` to make it one",
            ) from None
    path = Path(found.of_plugin)
    return Template(name=role, path=path, source=read_text(path, limit_bytes=LARGEST_FILE).text)


def known_roles(layout: Layout | None) -> list[str]:
    """Return the names of all roles: built-in ones, a project's own, those of plugins."""
    own = (layout.templates_dir / "roles").glob("*.md.j2") if layout else ()
    names = sorted(path.name.removesuffix(".md.j2") for path in own)
    return [*dict.fromkeys((*BUILT_IN, *names, *PLUGINS.names()))]


class Brief(NamedTuple):
    """What one turn of a worker is given."""

    prompt: str
    task: str
    origin: Mapping[str, str]
    """Where the prompt came from, for the run record."""


class Turn(NamedTuple):
    """One launch of a worker."""

    plan: PanelPlan
    worker: WorkerPlan
    workspace: Workspace
    messages: Sequence[str] = ()
    conversation: str | None = None
    """The runtime's own conversation to continue; None begins a new one."""


def brief_worker(document: MissionDocument, turn: Turn, run: Run) -> Brief:
    """Render a worker's prompt and its task file. Writes nothing."""
    layout = document.layout
    partials = load_partials(layout)
    values = _values(document.mission, turn, run)

    def rendered(template: Template) -> str:
        name = layout.shown(template.path)
        return render_template(template.source, values, name=name, partials=partials)

    values["role"] = plain_text(rendered(role_template(turn.worker.role, layout))).strip()
    template = load_template("worker.md.j2", layout)
    name = layout.shown(template.path)
    return Brief(
        prompt=fit_prompt(rendered(template), heading=f"Panel {turn.plan.id}", name=name),
        task=rendered(load_template("worker-task.md.j2", layout)),
        origin={"template": name, "template_sha256": template.digest},
    )


def _values(mission: Mission, turn: Turn, run: Run) -> dict[str, TemplateValue]:
    plan, worker, workspace = turn.plan, turn.worker, turn.workspace
    return {
        "panel": {
            "id": plan.id,
            "question": plain_text(plan.question),
            "workers": [each.name for each in plan.workers],
        },
        "worker": {"name": worker.name, "role": worker.role, "runtime": worker.runtime},
        "title": one_line(plan.question, 80),
        "role": "",
        "project": {
            "name": one_line(mission.name, LONGEST_LINE),
            "description": one_line(mission.description, LONGEST_LINE),
        },
        "worktree": {
            "path": exact_line(str(workspace.project)),
            "branch": workspace.branch,
            "base": workspace.base_commit,
        },
        "files": {
            "task": exact_line(str(run.dir / TASK_NAME)),
            "answer": exact_line(str(run.artifacts / ANSWER_NAME)),
        },
        "read_only": not plan.is_writable,
        "headless": not plan.is_interactive,
        "messages": [plain_text(message) for message in turn.messages],
        "continued": turn.conversation is not None,
    }
