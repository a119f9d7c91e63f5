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

The supervisor of a run holds a kernel lock on its folder for as long as it lives. No
environment is stored; values in argv that look like keys are masked and the prompt is
left out of it, as `prompt.md` has it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from mosaic.codec import JsonForm, dump_json, dump_record, load_record
from mosaic.errors import MissionError, RecordError
from mosaic.machine.disk import find_bytes, write_private
from mosaic.model import EndReason, Mode, ProcessIdentity, RunStatus, Usage
from mosaic.records import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.model import FreeJson, JsonValue, ObjectId, Text
    from mosaic.runs.result import StepResult

LAYOUT_VERSION = 1
TAIL_BYTES = 8192
SHOWN_BYTES = 4000
Record = TypeVar("Record")
STEP_KINDS = ("shell", "git", "planner", "review", "finalize")
"""What a recorded command may be; an agent's run is a step of its runtime's name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunMeta:
    """meta.json: what was asked."""

    json_form = JsonForm(version=LAYOUT_VERSION)
    task_id: str
    step_id: str
    run_id: str
    session_id: str | None
    attempt: int
    runtime: str
    mode: Mode
    argv: tuple[Text, ...]
    """As recorded: masked, with `PROMPT_MARK` for the prompt."""
    step_kind: str = ""
    """`claude`, `codex`, the name of another runtime, or one of `STEP_KINDS`."""
    cwd: Text
    mission_file: Text
    branch: str | None
    base_commit: str | None
    timeout_seconds: float | None
    created_at: datetime
    prompt: Mapping[str, JsonValue] = field(default_factory=dict)
    """Where the prompt came from: template, digests of template, prompt and capsule; and
    `from_checkpoint` where the work tree was set back to one first."""
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

    json_form = JsonForm(version=LAYOUT_VERSION)
    status: RunStatus
    attempt: int = 1
    started_at: datetime | None = None
    updated_at: datetime | None = None
    finished_at: datetime | None = None
    last_event_seq: int = 0
    checkpoint_seq: int = 0
    exit_code: int | None = None
    reason: EndReason | None = None
    summary: Text = ""
    agent: ProcessIdentity | None = None
    supervisor_pid: int | None = None
    runtime_session_id: str | None = None
    last_activity: Text = ""
    """What the agent did last, in words."""
    output_bytes: int = 0
    usage: Usage | None = None
    """What it consumed so far, as far as it reports that."""
    begin_tree: ObjectId | None = None
    """The work tree when the agent was started; kept by the hidden ref `<run>/0`."""
    place: Mapping[str, JsonValue] = field(default_factory=dict)
    """Where its supervisor was started: `executor`, and of a pane what finds it again."""
    unknown: Mapping[str, FreeJson] = field(default_factory=dict)


class _InRun:
    """A file or folder of every run's record."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, run: Run, _: type) -> Path:
        return run.dir / self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run record's folder."""

    dir: Path

    stdout_log = _InRun("stdout.log")
    stderr_log = _InRun("stderr.log")
    transcript = _InRun("transcript.jsonl")
    worker_log = _InRun("worker.log")
    prompt_file = _InRun("prompt.md")
    capsule_file = _InRun("capsule.json")
    """The capsule that the agent is given; next-task.json may be another's by now."""
    artifacts = _InRun("artifacts")
    checkpoints = _InRun("checkpoints")

    @property
    def id(self) -> str:
        """The run's id."""
        return self.dir.name

    def meta(self) -> RunMeta:
        """Read meta.json; a RecordError where it is missing or broken."""
        meta = read_part(RunMeta, self.dir, "meta.json")
        return meta if meta.step_kind else replace(meta, step_kind=meta.runtime)

    def find_meta(self) -> RunMeta | None:
        """Return meta.json, or None where it cannot be read."""
        try:
            return self.meta()
        except MissionError:
            return None

    def state(self) -> RunState:
        """Read state.json; a RecordError where it is missing or broken."""
        return read_part(RunState, self.dir, "state.json")

    def find_state(self) -> RunState | None:
        """Return state.json, or None where it cannot be read."""
        try:
            return self.state()
        except MissionError:
            return None

    def find_place(self) -> Mapping[str, JsonValue]:
        """Return where its supervisor was started; nothing where that is not known."""
        state = self.find_state()
        return state.place if state else {}

    def result(self) -> StepResult | None:
        """Read result.json; None when the run has not got one."""
        from mosaic.runs.result import StepResult  # start-up: most looks need no result

        path = self.dir / "result.json"
        data = find_bytes(path)
        return None if data is None else load_record(StepResult, data, path)

    def find_result(self) -> StepResult:
        """Return result.json; where none can be read, one without an outcome."""
        from mosaic.runs.result import StepResult

        try:
            return self.result() or StepResult()
        except MissionError:
            return StepResult()

    def write_meta(self, meta: RunMeta) -> None:
        """Write meta.json."""
        self.write_json("meta.json", dump_record(meta))

    def write_state(self, state: RunState) -> None:
        """Replace state.json."""
        self.write_json("state.json", dump_record(state))

    def write_json(self, name: str, values: Mapping[str, JsonValue]) -> None:
        """Replace one of the record's JSON files."""
        write_private(self.dir / name, dump_json(values), root=self.dir)

    def output_bytes(self) -> int:
        """Return how much was written to both logs so far."""
        return self.bytes_of("stdout.log") + self.bytes_of("stderr.log")

    def bytes_of(self, name: str) -> int:
        """Return how long a file of it is; 0 where it is not there yet, or not any more."""
        try:
            return os.stat(self.dir / name).st_size
        except OSError:
            return 0

    def output_tail(self) -> str:
        """Return the end of what it wrote, both streams, short enough to be shown."""
        both = (tail_text(log, SHOWN_BYTES) for log in (self.stdout_log, self.stderr_log))
        return "\n".join(text.rstrip() for text in both if text.strip())

    def last_sign_of_life(self) -> datetime:
        """Return when anything in the record was written last."""
        names = ("state.json", "worker.log", "stdout.log", "stderr.log", "transcript.jsonl")
        times = [os.stat(self.dir / n).st_mtime for n in names if (self.dir / n).exists()]
        return datetime.fromtimestamp(max(times, default=0.0), UTC)


def read_part(
    kind: type[Record], folder: Path, name: str, *, whole: str = "the run record", what: str = ""
) -> Record:
    """Return a part of a record; a RecordError where it is missing or broken."""
    data = find_bytes(folder / name)
    if data is None:
        raise RecordError(f"{whole} has no `{name}`", path=folder)
    return load_record(kind, data, folder / name, what=what)


def write_request(run: Run, meta: RunMeta, *, prompt: str, capsule: str) -> None:
    """Write what is asked of a run: prompt, capsule, meta, and the state `prepared`."""
    for name, text in (("prompt.md", prompt), ("capsule.json", capsule)):
        if text:  # a recorded command is given neither
            write_private(run.dir / name, text.encode(), root=run.dir)
    run.write_meta(meta)
    run.write_state(
        RunState(status=RunStatus.PREPARED, attempt=meta.attempt, updated_at=meta.created_at)
    )


def advance(state: RunState, now: datetime, **changes: Any) -> RunState:
    """Return a state with other values and a new `updated_at`."""
    return replace(state, updated_at=now, **changes)


def tail_bytes(path: Path, limit_bytes: int = TAIL_BYTES) -> bytes:
    """Return the last bytes of a log; nothing when there is none.

    Of a log that is longer than that, the first line is left out: it is a part.
    """
    try:
        with open(path, "rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - limit_bytes))
            data = log.read()
    except OSError:
        return b""
    if size <= limit_bytes:
        return data
    cut = data.find(b"\n", 0, len(data) - 1)
    return data[cut + 1 :]


def tail_text(path: Path, limit_bytes: int = TAIL_BYTES) -> str:
    """Return the last few kilobytes of a log as text; nothing when there is none."""
    return tail_bytes(path, limit_bytes).decode("utf-8", "replace")
