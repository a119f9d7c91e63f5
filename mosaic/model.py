"""The records of Mosaic: tasks, missions, milestones, sessions, runs. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from mosaic.records import NamedTuple, dataclass, field
from mosaic.settings import (
    Landing,
    LandingUpdate,
    PullRequestSettings,
    ReviewSettings,
    RunSettings,
    WorktreeSettings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from mosaic.errors import MissionError
    from mosaic.settings import HostSpec, RuntimeSpec

JsonValue: TypeAlias = (
    "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)

# What a field of a record may hold beside the usual types; see `mosaic.codec`.
Text: TypeAlias = str
"""Text that may have several lines; a plain `str` has one."""
FileName: TypeAlias = str
"""The name of a file or folder, without a path to it."""
ObjectId: TypeAlias = str
"""An object of git, by its hexadecimal digits."""
FreeJson: TypeAlias = JsonValue
"""JSON that is taken as it is; texts in a plain `JsonValue` have one line."""


class Status(StrEnum):
    """Where a task stands."""

    TODO = "todo"
    """Not begun."""
    IN_PROGRESS = "in-progress"
    """Handed off, or begun by hand."""
    REVIEW = "review"
    """Its agent says finished; a person has not looked yet."""
    BLOCKED = "blocked"
    """Cannot go on without someone."""
    DONE = "done"
    """Finished and accepted."""
    CANCELLED = "cancelled"
    """Will not be done."""
    UNKNOWN = "unknown"  # and never handed off: `status_word` in `more` is what is written

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is to be done."""
        return self in (Status.DONE, Status.CANCELLED)


class MissionStatus(StrEnum):
    """Where a mission stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    INACTIVE = "inactive"


class MilestoneStatus(StrEnum):
    """Where a milestone stands."""

    PENDING = "pending"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BLOCKED = "blocked"


class EndReason(StrEnum):
    """How a session ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    BLOCKED = "blocked"
    TIMEOUT = "timeout"
    STOPPED = "stopped"
    CRASHED = "crashed"


class RunStatus(StrEnum):
    """Where a run stands."""

    PREPARED = "prepared"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    BLOCKED = "blocked"


class Mode(StrEnum):
    """How an agent is launched."""

    HEADLESS = "headless"
    """Prompt in, output captured, nobody at the keyboard."""
    INTERACTIVE = "interactive"
    """The agent has the terminal."""


class Task(NamedTuple):
    """One piece of work, as its table row and its file say together.

    A named tuple, because thousands of them are made at once.
    """

    id: str
    title: str
    status: Status
    milestone: str | None = None
    depends_on: tuple[str, ...] = ()
    write_scope: tuple[str, ...] = ()
    branch: str | None = None
    base_ref: str | None = None
    priority: str | None = None
    runtime: str | None = None
    assignee: str | None = None
    labels: tuple[str, ...] = ()
    pr: str | None = None
    notes: str | None = None  # the table's cell
    why: str | None = None  # it is blocked, as the last note says
    updated_at: str | None = None
    attempts: str | None = None
    position: int = 0
    """Plan order: rank among all tasks, table rows first."""
    file: str | None = None
    """Path of the task file relative to the project; None when it is in the table alone."""
    file_line: int | None = None
    """Line of the id in the file's front matter."""
    table_line: int | None = None
    """Line of the row in the tasks table; None when it is in a file alone."""
    extra: Mapping[str, JsonValue] = {}
    """Unknown front matter keys and table columns, as they stand."""
    criteria_done: int = 0
    """Acceptance criteria that are ticked."""
    criteria_total: int = 0
    """Acceptance criteria that are asked for."""
    more: Mapping[str, str | tuple[str, ...]] = {}
    """What it holds in fields of `mosaic.text.fields` that have no attribute here."""

    def json_values(self) -> dict[str, object]:
        """Return its fields, those without an attribute among them."""
        values = self._asdict()
        more = values.pop("more")
        return {**values, **more}


@dataclass(frozen=True, kw_only=True, slots=True)
class Milestone:
    """An ordered group of tasks."""

    id: str
    name: str
    status: MilestoneStatus = MilestoneStatus.PENDING


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a run consumed. Zero and None differ: None means that the runtime does not tell."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One launch of a runtime, as mission.json lists it."""

    id: str
    runtime: str
    started_at: datetime
    pid: int = 0
    host: str = ""
    ended_at: datetime | None = None
    ended_reason: EndReason | None = None
    ended_cause: str | None = None
    """Why, as an `EndCause`."""
    ended_detail: str | None = None
    """The same in one sentence."""
    duration_seconds: int | None = None
    milestone_id: str | None = None
    last_task_id: str | None = None
    run_id: str | None = None
    runtime_session_id: str | None = None
    """The runtime's own name for the conversation, by which it can be continued."""
    usage: Usage | None = None


class Sessions(Sequence[Session]):
    """The sessions of a mission, oldest first.

    There may be thousands, and most commands ask for few: what they ask has a method of its
    own here, which `mosaic.store.session_entries` answers without making the others.
    """

    def __init__(self, made: Iterable[Session] = ()) -> None:
        self._made = tuple(made)

    def every(self) -> tuple[Session, ...]:
        """Return them all."""
        return self._made

    def problems(self) -> Sequence[MissionError]:
        """Return why some that are listed are not among them."""
        return ()

    def lost(self) -> Sequence[Session]:
        """Return those that mission.json has lost, and this machine's journal knows."""
        return ()

    def ids(self) -> list[str]:
        """Return the ids that are taken."""
        return [session.id for session in self]

    def find(self, session_id: str) -> Session | None:
        """Return one session."""
        return next((session for session in self if session.id == session_id), None)

    def of_task(self, task_id: str) -> list[Session]:
        """Return those whose last task this was."""
        return [session for session in self if session.last_task_id == task_id]

    def without_end(self) -> list[Session]:
        """Return those that have not ended, as far as is listed."""
        return [session for session in self if session.ended_at is None]

    def last(self) -> Session | None:
        """Return the newest."""
        return next(reversed(self.every()), None)

    def __len__(self) -> int:
        return len(self.every())

    def __iter__(self) -> Iterator[Session]:
        return iter(self.every())

    def __getitem__(self, index: Any) -> Any:
        return self.every()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sessions) and self.every() == other.every()

    def __hash__(self) -> int:
        return hash(self.every())


def total_usage(sessions: Iterable[Session]) -> Usage | None:
    """Return what sessions consumed together; None when none of them tells."""
    return sum_usage(session.usage for session in sessions)


def sum_usage(usages: Iterable[Usage | None]) -> Usage | None:
    """Return the sum of what is known; None when nothing is."""
    if not (known := [usage for usage in usages if usage is not None]):
        return None
    costs = [usage.cost_usd for usage in known if usage.cost_usd is not None]
    names = ("input_tokens", "output_tokens", "cached_input_tokens")
    counts = {name: sum(getattr(usage, name) for usage in known) for name in names}
    return Usage(**counts, cost_usd=sum(costs) if costs else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mission:
    """A goal with milestones, settings and sessions, as mission.json holds it."""

    id: str
    name: str
    description: str = ""
    status: MissionStatus = MissionStatus.INACTIVE
    created_at: str | None = None
    task_prefix: str = "T"
    quality_gates: JsonValue = None
    """A command, or a list of named commands; as written."""
    runtime: str | None = None
    """The runtime of tasks that name none."""
    milestones: tuple[Milestone, ...] = ()
    sessions: Sessions = Sessions()
    runtimes: Mapping[str, RuntimeSpec] = field(default_factory=dict)
    hosts: Mapping[str, HostSpec] = field(default_factory=dict)
    """Other machines that tasks may be handed to."""
    statuses: Mapping[str, Status] = field(default_factory=dict)
    """The project's own status words."""
    budget: Mapping[str, JsonValue] = field(default_factory=dict)
    runs: RunSettings = RunSettings()
    review: ReviewSettings = ReviewSettings()
    worktrees: WorktreeSettings = WorktreeSettings()
    pull_request: PullRequestSettings = PullRequestSettings()
    landing: Landing = Landing.MANUAL
    landing_update: LandingUpdate = LandingUpdate.MERGE
    """How they are brought up to date first."""
    max_parallel: int | None = None
    """How many sessions may be live at once; None: as many as are asked for."""
    parallel_without_scope: bool = False
    """Whether `-j` works on tasks that name no write scope beside others."""
    imports: Mapping[str, JsonValue] = field(default_factory=dict)
    """What imports take the words of other tools for: `githubLabels`."""
    removed_tasks: Mapping[str, str] = field(default_factory=dict)
    """Titles of tasks that were removed, by the ids, which no other task gets."""
    notify: tuple[str, ...] = ()
    """A command that gets JSON on its stdin when a person is needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessIdentity:
    """What tells one process from every other: a pid alone proves nothing."""

    pid: int
    started_at: str
    """Start time as the kernel tells it, in its own units; empty when it cannot be known."""
    boot_id: str
    host: str
    namespace: str = ""
    """Where pid and start time mean this process; empty when that is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionLock:
    """session.lock: who works in a work tree now. `pid` is 0 between claim and spawn."""

    session_id: str
    runtime: str
    process: ProcessIdentity
    supervisor_pid: int
    started_at: datetime
    project_path: Text
    task_id: str
    run_id: str
    milestone_id: str | None = None

    @property
    def is_older(self) -> bool:
        """Whether the older coordinator wrote it, which notes little more than a pid."""
        return not (self.process.host or self.process.boot_id or self.run_id)
