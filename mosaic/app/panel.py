"""Panels: several workers on one question, their state and their result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mosaic.codec import dump_record
from mosaic.errors import UsageError
from mosaic.executors import get_executor, is_interactive
from mosaic.panels.answer import aggregate
from mosaic.panels.brief import plan_workers
from mosaic.panels.launch import start_panel
from mosaic.panels.life import look_after
from mosaic.panels.refresh import refresh_panel, result_of
from mosaic.records import NamedTuple, replace
from mosaic.runtimes import get_runtime
from mosaic.sessions.choice import usual_model, usual_runtime
from mosaic.text.harmless import harmless_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mosaic.panels.answer import Aggregate, WorkerResult
    from mosaic.panels.model import PanelPlan, PanelState, WorkerPlan, WorkerState
    from mosaic.panels.record import Panel
    from mosaic.store.mission_file import MissionDocument

LARGEST_QUESTION = 400_000
WAIT_POLL_SECONDS = 0.5
SECTIONS = (
    ("agreement", "several say"),
    ("claims", "one says"),
    ("objections", "objections"),
    ("open_questions", "open questions"),
    ("evidence", "evidence"),
)


class PanelView(NamedTuple):
    """A panel and the state of each worker."""

    panel: Panel
    plan: PanelPlan
    state: PanelState

    def json_values(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        plan, state = self.plan, self.state
        return {
            "panel_id": self.panel.id,
            "status": state.status,
            "question": plan.question,
            "created_at": plan.created_at,
            "writable": plan.is_writable,
            "executor": plan.executor,
            "base_ref": plan.base_ref,
            "problems": list(state.problems),
            "dir": self.panel.dir,
            "workers": [self._worker_values(planned) for planned in plan.workers],
        }

    def _worker_values(self, planned: WorkerPlan) -> dict[str, Any]:
        worker = self.state.workers[planned.name]
        run = self.panel.run_of(worker)
        values = {**dump_record(planned), **dump_record(worker)}
        del values["launcher"]
        values["run_dir"] = run.dir if run else None
        values["place"] = dict(run.find_place()) if run else {}
        return values


class PanelResult(NamedTuple):
    """What the workers of a panel answered, set beside each other."""

    view: PanelView
    results: Mapping[str, WorkerResult]
    together: Aggregate

    @property
    def markdown(self) -> str:
        """The same as a text to read."""
        return "\n".join(self._markdown()) + "\n"

    def json_values(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "panel_id": self.view.panel.id,
            "status": self.view.state.status,
            "results": self.results,
            **{name: getattr(self.together, name) for name, _ in SECTIONS},
            "errors": self.together.errors,
            "markdown": self.markdown,
        }

    def _markdown(self) -> Iterator[str]:
        yield from (f"# {self.view.panel.id}", "")
        for line in self.view.plan.question.strip().splitlines():
            yield f"> {line}".rstrip()
        for name, result in self.results.items():
            words = _as_text(result.summary or result.error or "")
            yield from ("", f"## {name}: {result.status}", "", words)
        for name, title in SECTIONS:
            if voices := getattr(self.together, name):
                yield from ("", f"## {title.capitalize()}", "")
                for voice in voices:
                    yield f"- {_as_text(voice.text)} ({', '.join(voice.workers)})"


def start(
    document: MissionDocument,
    plan: PanelPlan,
    roles: Sequence[str],
    *,
    runtime: str | None,
    model: str | None,
) -> Panel:
    """Put the question of a plan to several workers, which are made here.

    A role is `ROLE`, or `ROLE=RUNTIME` for one with a runtime of its own. Without a `runtime` the
    others have the mission's, else one's own, else the first that is installed.
    """
    get_executor(plan.executor, document.path)  # refuses an unknown one
    if plan.is_interactive and not is_interactive(plan.executor):
        raise UsageError("`--interactive` needs a pane", hint="add `--executor tmux`")
    if not plan.question.strip():
        raise UsageError("the question is empty")
    if len(plan.question) > LARGEST_QUESTION:
        raise UsageError(f"the question has more than {LARGEST_QUESTION} characters")
    mission = document.mission

    def runtime_of(named: str | None) -> str:
        name = named or runtime or mission.runtime
        specs = mission.runtimes
        return (get_runtime(name, specs) if name else usual_runtime(specs)).name

    workers = plan_workers(roles, runtime=runtime_of, model=model)
    if model is None:
        models = {each.runtime: usual_model(each.runtime, mission.runtimes) for each in workers}
        workers = tuple(replace(each, model=models[each.runtime]) for each in workers)
    return start_panel(document, replace(plan, workers=workers))


def view_panel(document: MissionDocument, panel: Panel) -> PanelView:
    """Return a panel with its state as of now."""
    state = refresh_panel(panel, document.mission)
    return PanelView(panel, panel.plan(), state)


def read_result(document: MissionDocument, panel: Panel) -> PanelResult:
    """Return what the workers that have ended answered."""
    view = view_panel(document, panel)
    results = {
        planned.name: found
        for planned in view.plan.workers
        if (found := result_of(panel, planned, view.state.workers[planned.name])) is not None
    }
    return PanelResult(view, results, aggregate(results))


def wait_for_panel(
    document: MissionDocument, panel: Panel, tell: Callable[[str, WorkerState], None]
) -> None:
    """Stay until every worker has ended, deliver what they are sent, and tell each end."""
    ended: set[str] = set()
    while True:
        state = look_after(document, panel)
        for name, worker in state.workers.items():
            if not worker.is_at_work and name not in ended:
                ended.add(name)
                tell(name, worker)
        if not state.is_at_work:
            return
        time.sleep(WAIT_POLL_SECONDS)


def _as_text(text: str) -> str:
    """Return what an agent wrote as one line of text, not as markup of ours."""
    line = " ".join(harmless_line(text).split())
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|" else sign for sign in line)
