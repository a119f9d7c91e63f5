"""What a panel's worker is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.panels.roles import role_template
from mosaic.prompts.bounded import exact_line, one_line, plain_text
from mosaic.prompts.prompt import fit_prompt, render_template
from mosaic.records import dataclass
from mosaic.store.templates import load_partials, load_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.model import Mission
    from mosaic.panels.words import PanelPlan, WorkerPlan
    from mosaic.prompts.context import TemplateValue
    from mosaic.runs.record import Run
    from mosaic.store.layout import Layout
    from mosaic.workspaces.record import Workspace

ANSWER_NAME = "answer.json"
TASK_NAME = "task.md"
SCHEMA_NAME = "schema.json"
LONGEST_LINE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Brief:
    """Everything that one turn of a worker is given."""

    prompt: str
    task: str
    origin: Mapping[str, str]
    """Where the prompt came from, for the run record."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One launch of a worker."""

    plan: PanelPlan
    worker: WorkerPlan
    workspace: Workspace
    messages: Sequence[str] = ()
    is_continued: bool = False
    """The agent still knows what it was told before."""


def brief_worker(layout: Layout, mission: Mission, turn: Turn, run: Run) -> Brief:
    """Render a worker's prompt and its task file. Writes nothing.

    Raises:
        TemplateError: the role is unknown, or a template cannot be rendered.
    """
    partials = load_partials(layout)
    values = _values(mission, turn, run)
    own = role_template(turn.worker.role, layout)
    role = render_template(own.source, values, name=layout.shown(own.path), partials=partials)
    values["role"] = plain_text(role).strip()
    template = load_template("worker.md.j2", layout)
    name = layout.shown(template.path)
    text = render_template(template.source, values, name=name, partials=partials)
    task = load_template("worker-task.md.j2", layout)
    return Brief(
        prompt=fit_prompt(text, heading=f"Panel {turn.plan.id}", name=name),
        task=render_template(task.source, values, name=layout.shown(task.path), partials=partials),
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
        "continued": turn.is_continued,
    }
