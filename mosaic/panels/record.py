"""A panel's record, beside the run records that its workers leave.

    runs/<panel>/
      panel.json             what was requested: written once
      state.json             its state: always replaced as one, under a lock of its own
      events.jsonl           what happened, one JSON object a line
      mailbox-<worker>.jsonl messages to a worker
      question.md            what it is about
      r001-…/                the run of one worker: its task file, prompt, result schema,
                             logs, exit record and state

A panel's id takes the place of a task's id, so that logs, recovery and cleaning treat its runs
like any other.
"""

from __future__ import annotations

import itertools
import re
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from mosaic import __version__
from mosaic.codec import dump_json, dump_record, format_moment
from mosaic.errors import PanelNotFoundError, RecordError
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import append_next, create_private_dir, write_private
from mosaic.machine.lock import mission_lock
from mosaic.panels.model import LAYOUT_VERSION, PanelEvent, PanelPlan, PanelState, WorkerState
from mosaic.records import dataclass, replace
from mosaic.runs.events import event_line, parse_event
from mosaic.runs.record import Run, read_part
from mosaic.store.state import ensure_state_dir
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mosaic.model import JsonValue
    from mosaic.store.layout import Layout

PANEL_ID = re.compile(r"panel-(\d{3,})")
LOCK_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """A panel's folder."""

    dir: Path

    @property
    def id(self) -> str:
        """The panel's id."""
        return self.dir.name

    def plan(self) -> PanelPlan:
        """Read panel.json; `RecordError` where it is missing or broken."""
        what = "`panel.json` of a panel"
        return read_part(PanelPlan, self.dir, "panel.json", whole="the panel", what=what)

    def state(self) -> PanelState:
        """Read state.json; `RecordError` where it is broken or lacks a worker of the plan."""
        what = "`state.json` of a panel"
        state = read_part(PanelState, self.dir, "state.json", whole="the panel", what=what)
        for worker in self.plan().workers:
            if worker.name not in state.workers:
                problem = f"{what} does not know its worker `{worker.name}`"
                hint = "`mission panel start` asks again; its runs are kept"
                raise RecordError(problem, path=self.dir / "state.json", hint=hint)
        return state

    def run_of(self, worker: WorkerState) -> Run | None:
        """Return a worker's last run; None where it has none."""
        return Run(dir=self.dir / worker.run_id) if worker.run_id else None

    def mailbox(self, worker: str) -> Path:
        """Return where messages to a worker are."""
        return self.dir / f"mailbox-{worker}.jsonl"

    @contextmanager
    def changing(self, doing: str) -> Iterator[None]:
        """Hold the panel's lock for the length of a `with` block."""
        with mission_lock(
            self.dir / "panel.lock", holder=f"{doing} {self.id}", timeout_seconds=LOCK_SECONDS
        ):
            yield

    def write_plan(self, plan: PanelPlan) -> None:
        """Write panel.json."""
        write_private(self.dir / "panel.json", dump_json(dump_record(plan)), root=self.dir)

    def write_state(self, state: PanelState) -> PanelState:
        """Replace state.json; the caller holds the panel's lock."""
        state = replace(state, updated_at=utc_now())
        head = {"layout_version": LAYOUT_VERSION, "status": state.status.value}
        data = dump_json({**head, **dump_record(state)})
        write_private(self.dir / "state.json", data, root=self.dir)
        return state

    def change_worker(self, name: str, change: Callable[[WorkerState], WorkerState]) -> PanelState:
        """Change where one worker stands, under the panel's lock."""
        with self.changing("changing a worker of"):
            state = self.state()
            workers = {**state.workers, name: change(state.workers[name])}
            return self.write_state(replace(state, workers=workers))

    def set_worker(self, name: str, **changes: Any) -> None:
        """Set fields of where one worker stands, under the panel's lock."""
        self.change_worker(name, lambda worker: replace(worker, **changes))

    def note(self, kind: PanelEvent, message: str, **data: JsonValue) -> None:
        """Append to events.jsonl."""

        def line(last: bytes) -> bytes:
            before, now = parse_event(last), format_moment(utc_now())
            values = {"type": kind.value, "created_at": now, "message": message, "data": data}
            return event_line(self.id, before.seq + 1 if before else 1, values)

        append_next(self.dir / "events.jsonl", line)


def create_panel(layout: Layout, plan: PanelPlan) -> Panel:
    """Make a panel's folder under the next free id, and record what was asked."""
    ensure_state_dir(layout)
    create_private_dir(layout.runs_dir)
    known = list_panels(layout)
    for number in itertools.count(_number(known[-1].dir) + 1 if known else 1):
        panel = Panel(dir=layout.runs_dir / f"panel-{number:03d}")
        with suppress(FileExistsError):
            panel.dir.mkdir(mode=0o700)
            break
    question = plan.question.encode("utf-8", "replace")
    workers = {worker.name: WorkerState() for worker in plan.workers}
    roles = [worker.role for worker in plan.workers]
    try:
        write_private(panel.dir / "question.md", question, root=panel.dir)
        with panel.changing("making"):
            panel.write_plan(replace(plan, id=panel.id, tool_version=__version__))
            panel.write_state(PanelState(workers=workers))
            words = f"{counted(len(roles), 'worker')}: {', '.join(roles)}"
            panel.note(PanelEvent.RUN_CREATED, words, roles=roles)
    except BaseException:
        shutil.rmtree(panel.dir, ignore_errors=True)
        raise
    return panel


def find_panel(layout: Layout, panel_id: str) -> Panel:
    """Return the panel of an id, or the `last`; raises `PanelNotFoundError`."""
    found = {panel.id: panel for panel in list_panels(layout)}
    panel_id = next(reversed(found), panel_id) if panel_id == "last" else panel_id
    if panel_id not in found:
        raise PanelNotFoundError(panel_id, list(found))
    return found[panel_id]


def list_panels(layout: Layout) -> list[Panel]:
    """Return all panels, oldest first."""
    try:
        folders = [path for path in layout.runs_dir.iterdir() if PANEL_ID.fullmatch(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [
        Panel(dir=path)
        for path in sorted(folders, key=_number)
        if (path / "panel.json").is_file() and not path.is_symlink()
    ]


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix("panel-"))
