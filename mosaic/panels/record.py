"""A panel's record, beside the run records that its workers leave.

    runs/<panel>/
      panel.json             what was asked: written once
      state.json             where it stands: replaced whole, under a lock of its own
      events.jsonl           what happened, one JSON object a line
      mailbox-<worker>.jsonl messages to a worker
      question.md            what it is about
      r001-…/                the run of one worker: its task file, prompt, result schema,
                             logs, exit record and state

A panel's id stands where a task's id stands otherwise, so that logs, recovery and cleaning
treat its runs like any other.
"""

from __future__ import annotations

import json
import operator
import re
import shutil
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mosaic import __version__
from mosaic.codec import format_moment
from mosaic.errors import PanelNotFoundError, RecordError
from mosaic.machine.clock import read_moment, utc_now
from mosaic.machine.disk import create_private_dir, find_bytes, write_private
from mosaic.machine.journal import append_next
from mosaic.machine.json_data import dump_json, parse_json
from mosaic.machine.lock import mission_lock
from mosaic.model import ProcessIdentity
from mosaic.panels.model import (
    Cleanup,
    ExecutionState,
    PanelEvent,
    PanelPlan,
    PanelState,
    WorkerPlan,
    WorkerState,
    WorkerStatus,
)
from mosaic.records import dataclass, replace
from mosaic.runs.checked import checked
from mosaic.runs.record import Run
from mosaic.store.state import ensure_state_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mosaic.model import JsonValue
    from mosaic.store.layout import Layout

LAYOUT_VERSION = 1
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
        """Read panel.json.

        Raises:
            RecordError: it is missing or broken.
        """
        return _plan_from(self._values("panel.json"), self.dir)

    def state(self) -> PanelState:
        """Read state.json.

        Raises:
            RecordError: it is missing or broken, or does not know a worker that was asked for.
        """
        state = _state_from(self._values("state.json"), self.dir)
        for worker in self.plan().workers:
            if worker.name not in state.workers:
                raise RecordError(
                    f"`state.json` of a panel does not know its worker `{worker.name}`",
                    path=self.dir / "state.json",
                    hint="`mission panel start` asks anew; its runs are kept",
                )
        return state

    def run_of(self, worker: WorkerState) -> Run | None:
        """Return a worker's last run; None where it has none."""
        return Run(dir=self.dir / worker.run_id) if worker.run_id else None

    def mailbox(self, worker: str) -> Path:
        """Return where messages to a worker are."""
        return self.dir / f"mailbox-{worker}.jsonl"

    @contextmanager
    def changing(self, doing: str) -> Iterator[None]:
        """Hold the panel's lock for the length of a `with` block.

        Raises:
            LockTimeoutError: another process holds it; names it.
        """
        with mission_lock(
            self.dir / "panel.lock", holder=f"{doing} {self.id}", timeout_seconds=LOCK_SECONDS
        ):
            yield

    def write_plan(self, plan: PanelPlan) -> None:
        """Write panel.json."""
        self._write("panel.json", {"layout_version": LAYOUT_VERSION, **_plain(plan)})

    def write_state(self, state: PanelState) -> PanelState:
        """Replace state.json; the panel's lock is held."""
        state = replace(state, updated_at=utc_now())
        values = {"layout_version": LAYOUT_VERSION, "status": state.status.value, **_plain(state)}
        self._write("state.json", values)
        return state

    def set_worker(self, name: str, **changes: Any) -> WorkerState:
        """Change where one worker stands, under the panel's lock."""
        with self.changing("noting a worker of"):
            state = self.state()
            worker = replace(state.workers[name], **changes)
            self.write_state(replace(state, workers={**state.workers, name: worker}))
        return worker

    def note(self, kind: PanelEvent, message: str, **data: JsonValue) -> None:
        """Append to events.jsonl."""

        def line(last: bytes) -> bytes:
            try:
                seq = operator.index(parse_json(last)["seq"]) + 1 if last else 1
            except (ValueError, KeyError, TypeError):
                seq = 1
            values = {
                "seq": seq,
                "event_id": f"{self.id}:event:{seq:04d}",
                "type": kind.value,
                "created_at": format_moment(utc_now()),
                "message": message,
                "data": data,
            }
            return json.dumps(values, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

        append_next(self.dir / "events.jsonl", line)

    def events(self) -> list[Mapping[str, Any]]:
        """Return what happened; a torn line is left out."""
        found: list[Mapping[str, Any]] = []
        for line in (find_bytes(self.dir / "events.jsonl") or b"").splitlines():
            try:
                value = parse_json(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
        return found

    def _values(self, name: str) -> dict[str, Any]:
        data = find_bytes(self.dir / name)
        if data is None:
            raise RecordError(f"the panel has no `{name}`", path=self.dir)
        try:
            values = parse_json(data)
            is_newer = values.pop("layout_version") > LAYOUT_VERSION
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RecordError(
                f"`{name}` of a panel cannot be read", path=self.dir / name, detail=str(error)
            ) from None
        if is_newer:
            raise RecordError(f"`{name}` is of a newer Mosaic", path=self.dir / name)
        return dict(values)

    def _write(self, name: str, values: Mapping[str, Any]) -> None:
        write_private(self.dir / name, dump_json(values), root=self.dir)


def create_panel(layout: Layout, plan: PanelPlan) -> Panel:
    """Make a panel's folder under the next free id, and write down what was asked.

    Raises:
        FileAccessError: it cannot be made.
    """
    ensure_state_dir(layout)
    create_private_dir(layout.runs_dir)
    number = 1 + max((_number(panel.id) for panel in list_panels(layout)), default=0)
    while True:
        panel = Panel(dir=layout.runs_dir / f"panel-{number:03d}")
        try:
            panel.dir.mkdir(mode=0o700)
            break
        except FileExistsError:
            number += 1
    try:
        _lay_out(panel, replace(plan, id=panel.id, tool_version=__version__))
    except BaseException:
        shutil.rmtree(panel.dir, ignore_errors=True)
        raise
    return panel


def _lay_out(panel: Panel, plan: PanelPlan) -> None:
    question = plan.question.encode("utf-8", "replace")
    write_private(panel.dir / "question.md", question, root=panel.dir)
    workers = {worker.name: WorkerState() for worker in plan.workers}
    with panel.changing("making"):
        panel.write_plan(plan)
        panel.write_state(PanelState(workers=workers))
        roles = [worker.role for worker in plan.workers]
        panel.note(PanelEvent.RUN_CREATED, f"{len(roles)} workers: {', '.join(roles)}", roles=roles)


def find_panel(layout: Layout, panel_id: str) -> Panel:
    """Return the panel of an id, or the `last`; raises `PanelNotFoundError`."""
    known = list_panels(layout)
    found = {panel.id: panel for panel in known}
    if panel_id == "last" and known:
        return known[-1]
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
        for path in sorted(folders, key=lambda path: _number(path.name))
        if (path / "panel.json").is_file() and not path.is_symlink()
    ]


def _number(panel_id: str) -> int:
    found = PANEL_ID.fullmatch(panel_id)
    return int(found[1]) if found else 0


def _plain(record: Any) -> Any:
    if hasattr(record, "__dataclass_fields__"):
        return {name: _plain(getattr(record, name)) for name in record.__dataclass_fields__}
    if isinstance(record, datetime):
        return format_moment(record)
    if isinstance(record, dict):
        return {name: _plain(value) for name, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [_plain(value) for value in record]
    return record.value if isinstance(record, StrEnum) else record


def _plan_from(values: dict[str, Any], folder: Path) -> PanelPlan:
    try:
        known = {name: values[name] for name in PanelPlan.__dataclass_fields__ if name in values}
        known["created_at"] = read_moment(known["created_at"])
        workers = [WorkerPlan(**each) for each in known["workers"]]
        known["workers"] = tuple(checked(worker, names=("name",)) for worker in workers)
        return checked(PanelPlan(**known), texts=("question", "mission_file"))
    except (ValueError, KeyError, TypeError) as error:
        raise _broken("panel.json", folder, error) from None


def _state_from(values: dict[str, Any], folder: Path) -> PanelState:
    try:
        state = PanelState(
            workers={name: _worker_from(each) for name, each in values["workers"].items()},
            is_stop_requested=values.get("is_stop_requested") is True,
            is_shut_down=values.get("is_shut_down") is True,
            problems=tuple(values.get("problems") or ()),
            updated_at=read_moment(values["updated_at"]),
        )
        return checked(state, texts=("problems",))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken("state.json", folder, error) from None


def _worker_from(values: dict[str, Any]) -> WorkerState:
    known = {name: values[name] for name in WorkerState.__dataclass_fields__ if name in values}
    known["status"] = WorkerStatus(known["status"])
    known["execution_state"] = ExecutionState(known["execution_state"])
    known["cleanup"] = Cleanup(known["cleanup"])
    known["runs"] = tuple(known.get("runs") or ())
    if known.get("launcher"):
        known["launcher"] = checked(ProcessIdentity(**known["launcher"]))
    known["dropped"] = tuple(known.get("dropped") or ())
    return checked(
        WorkerState(**known), texts=("worktree", "dropped", "error"), names=("run_id", "runs")
    )


def _broken(name: str, folder: Path, error: Exception) -> RecordError:
    return RecordError(f"`{name}` of a panel cannot be read", path=folder / name, detail=str(error))
