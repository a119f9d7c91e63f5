"""The run record: the job and its result, in one folder.

    runs/<task_id>/<run_id>/
      meta.json         what was asked: written once
      state.json        where it stands: replaced whole, its end written last of all
      worker.log        events, one JSON object a line
      stdout.log        exactly the bytes the agent wrote
      stderr.log
      output.index      when which bytes were written
      output.lost       what could not be written, only on a full disk
      transcript.jsonl  the agent's own structured events
      prompt.md         what it was given
      capsule.json
      rules.json        gates, review rules and write scope as they stood at the claim
      result.json       the step result
      checkpoints/      restorable snapshots of the work tree
      artifacts/        what the agent leaves for people

Whoever carries a run holds a kernel lock on its folder for as long as it lives. No
environment is stored; values in argv that look like keys are masked and the prompt is
left out of it, as `prompt.md` has it.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from mosaic.errors import MissionError, RecordError
from mosaic.machine.clock import read_moment
from mosaic.machine.disk import find_bytes, write_private
from mosaic.machine.json_data import dump_json, parse_json
from mosaic.model import EndReason, Mode, ProcessIdentity, RunStatus, Usage
from mosaic.records import dataclass, field, replace
from mosaic.runs.checked import checked, is_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mosaic.model import JsonValue

Parsed = TypeVar("Parsed")

LAYOUT_VERSION = 1
STEP_KINDS = ("shell", "git", "planner", "review", "finalize")
"""What a recorded command may be; an agent's run is a step of its runtime's name."""

RESULT_LINES = (
    "outcome", "reason", "cause", "task_id", "step_id", "run_id", "session_id", "worker_kind",
    "started_at", "finished_at", "runtime_session_id",
)  # fmt: skip
RESULT_TEXTS = ("summary", "words", "answer", "report")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunMeta:
    """meta.json: what was asked."""

    task_id: str
    step_id: str
    run_id: str
    session_id: str | None
    attempt: int
    runtime: str
    mode: Mode
    argv: tuple[str, ...]
    """As recorded: masked, with `PROMPT_MARK` for the prompt."""
    step_kind: str = ""
    """`claude`, `codex`, the name of another runtime, or one of `STEP_KINDS`."""
    cwd: str
    mission_file: str
    branch: str | None
    base_commit: str | None
    timeout_seconds: float | None
    from_checkpoint: int | None = None
    """The checkpoint that the work tree was set back to first."""
    created_at: datetime
    prompt: Mapping[str, JsonValue] = field(default_factory=dict)
    """Where the prompt came from: template, digests of template, prompt and capsule."""
    agent: Mapping[str, JsonValue] = field(default_factory=dict)
    """The agent's program and version, as far as known."""
    panel_id: str | None = None
    """The panel whose worker's run it is; None for every other."""
    tool_version: str = ""
    rules_sha256: str | None = None
    """Digest of rules.json; None where a run has none: a recorded command, an older one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """state.json: where a run stands."""

    status: RunStatus
    attempt: int = 1
    started_at: datetime | None = None
    updated_at: datetime | None = None
    finished_at: datetime | None = None
    last_event_seq: int = 0
    checkpoint_seq: int = 0
    exit_code: int | None = None
    reason: EndReason | None = None
    summary: str = ""
    agent: ProcessIdentity | None = None
    supervisor_pid: int | None = None
    runtime_session_id: str | None = None
    last_activity: str = ""
    """What the agent did last, in words."""
    output_bytes: int = 0
    usage: Usage | None = None
    """What it consumed so far, as far as it tells."""
    begin_tree: str | None = None
    """The work tree when the agent was started; kept by the hidden ref `<run>/0`."""
    place: Mapping[str, JsonValue] = field(default_factory=dict)
    """Where its supervisor was started: `executor`, and of a tmux pane what finds it again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run record's folder."""

    dir: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.dir.name

    @property
    def stdout_log(self) -> Path:
        """Exactly the bytes that the agent wrote to its stdout."""
        return self.dir / "stdout.log"

    @property
    def stderr_log(self) -> Path:
        """Exactly the bytes that the agent wrote to its stderr."""
        return self.dir / "stderr.log"

    @property
    def transcript(self) -> Path:
        """The agent's own structured events."""
        return self.dir / "transcript.jsonl"

    @property
    def worker_log(self) -> Path:
        """Our events."""
        return self.dir / "worker.log"

    @property
    def prompt_file(self) -> Path:
        """What the agent was told."""
        return self.dir / "prompt.md"

    @property
    def capsule_file(self) -> Path:
        """The capsule that the agent is given; next-task.json may be another's by now."""
        return self.dir / "capsule.json"

    @property
    def artifacts(self) -> Path:
        """What the agent leaves for people."""
        return self.dir / "artifacts"

    @property
    def checkpoints(self) -> Path:
        """Restorable snapshots of the work tree."""
        return self.dir / "checkpoints"

    def meta(self) -> RunMeta:
        """Read meta.json.

        Raises:
            RecordError: it is missing or broken.
        """
        return _parse(self.dir / "meta.json", meta_from)

    def find_meta(self) -> RunMeta | None:
        """Return meta.json, or None where it cannot be read."""
        try:
            return self.meta()
        except MissionError:
            return None

    def state(self) -> RunState:
        """Read state.json.

        Raises:
            RecordError: it is missing or broken.
        """
        return _parse(self.dir / "state.json", _state_from)

    def find_place(self) -> Mapping[str, JsonValue]:
        """Return where its supervisor was started; nothing where that is not known."""
        try:
            return self.state().place
        except MissionError:
            return {}

    def result(self) -> Mapping[str, Any] | None:
        """Read result.json; None when the run has not got one."""
        if not (self.dir / "result.json").exists():
            return None
        return _parse(self.dir / "result.json", _result_from)

    def find_result(self) -> Mapping[str, Any]:
        """Return result.json, or nothing where there is none that can be read."""
        try:
            return self.result() or {}
        except MissionError:
            return {}

    def write_meta(self, meta: RunMeta) -> None:
        """Write meta.json."""
        self.write_json("meta.json", meta_values(meta))

    def write_state(self, state: RunState) -> None:
        """Replace state.json."""
        self.write_json("state.json", {"layout_version": LAYOUT_VERSION, **_values(state)})

    def write_json(self, name: str, values: Mapping[str, JsonValue]) -> None:
        """Replace one of the record's JSON files."""
        write_private(self.dir / name, dump_json(values), root=self.dir)

    def output_bytes(self) -> int:
        """Return how much was written to both logs so far."""
        total = 0
        for log in (self.stdout_log, self.stderr_log):
            with contextlib.suppress(OSError):  # not there yet, or not any more
                total += os.stat(log).st_size
        return total

    def last_sign_of_life(self) -> datetime:
        """Return when anything in the record was written last."""
        names = ("state.json", "worker.log", "stdout.log", "stderr.log", "transcript.jsonl")
        times = [os.stat(self.dir / n).st_mtime for n in names if (self.dir / n).exists()]
        return datetime.fromtimestamp(max(times, default=0.0), UTC)


def write_request(run: Run, meta: RunMeta, *, prompt: str, capsule: str) -> None:
    """Write what is asked of a run: prompt, capsule, meta, and the state `prepared`."""
    for name, text in (("prompt.md", prompt), ("capsule.json", capsule)):
        if text:  # a recorded command is given neither
            write_private(run.dir / name, text.encode(), root=run.dir)
    run.write_meta(meta)
    run.write_state(
        RunState(status=RunStatus.PREPARED, attempt=meta.attempt, updated_at=meta.created_at)
    )


def format_moment(moment: datetime) -> str:
    """Return a time as records hold it: UTC with milliseconds and `Z`."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _values(record: RunMeta | RunState) -> dict[str, JsonValue]:
    return {name: _plain(getattr(record, name)) for name in record.__dataclass_fields__}


def _plain(value: Any) -> JsonValue:
    if isinstance(value, datetime):
        return format_moment(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, ProcessIdentity | Usage):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return value  # type: ignore[no-any-return]


def _parse(path: Path, build: Callable[[dict[str, Any]], Parsed]) -> Parsed:
    try:
        data = find_bytes(path)
        if data is None:
            raise RecordError(f"the run record has no `{path.name}`", path=path.parent)
        values = parse_json(data)
        if values.get("layout_version", LAYOUT_VERSION) > LAYOUT_VERSION:
            raise RecordError(
                f"`{path.name}` is of a newer Mosaic", path=path, hint="upgrade Mosaic"
            )
        return build(values)
    except MissionError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(
            f"`{path.name}` of a run cannot be read", path=path, detail=str(error)
        ) from None


def meta_values(meta: RunMeta) -> dict[str, JsonValue]:
    """Return what meta.json holds."""
    return {"layout_version": LAYOUT_VERSION, **_values(meta)}


def meta_from(values: dict[str, Any]) -> RunMeta:
    """Return what `meta_values` gave; raises KeyError, TypeError or ValueError for other values."""
    known = {name: values[name] for name in RunMeta.__dataclass_fields__ if name in values}
    known["mode"] = Mode(known["mode"])
    known["argv"] = tuple(known["argv"])
    known["step_kind"] = known.get("step_kind") or known["runtime"]
    known["created_at"] = read_moment(known["created_at"])
    return checked(RunMeta(**known), texts=("argv", "cwd", "mission_file"))


def _state_from(values: dict[str, Any]) -> RunState:
    known = {name: values[name] for name in RunState.__dataclass_fields__ if name in values}
    for name in ("started_at", "updated_at", "finished_at"):
        if known.get(name):
            known[name] = read_moment(known[name])
    known["status"] = RunStatus(known["status"])
    if known.get("reason"):
        known["reason"] = EndReason(known["reason"])
    if known.get("agent"):
        known["agent"] = checked(ProcessIdentity(**known["agent"]))
    if known.get("usage"):
        known["usage"] = checked(Usage(**known["usage"]))
    return checked(RunState(**known), texts=("summary", "last_activity"), objects=("begin_tree",))


def _result_from(values: dict[str, Any]) -> dict[str, Any]:
    """Return result.json, whose parts that others build on are of their kinds."""
    for name in RESULT_LINES:
        value = values.get(name)
        if value is not None and not (isinstance(value, str) and is_line(value)):
            raise ValueError(f"`{name}` is not one line of text")
    for name in RESULT_TEXTS:
        if not isinstance(values.get(name) or "", str):
            raise TypeError(f"`{name}` is not text")
    if not isinstance(values.get("exit_code") or 0, int):
        raise TypeError("`exit_code` is not a number")
    if values.get("usage") is not None:
        checked(Usage(**values["usage"]))
    return dict(values)


def advance(state: RunState, now: datetime, **changes: Any) -> RunState:
    """Return a state with other values and a new `updated_at`."""
    return replace(state, updated_at=now, **changes)
