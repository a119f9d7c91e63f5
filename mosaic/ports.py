"""The two seams of Mosaic: what a runtime is, and what an executor is.

A hand-off is given one of each and never knows their names.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from mosaic.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import JsonValue, Mode, ProcessIdentity, Text, Usage


class PromptChannel(StrEnum):
    """How the prompt reaches an agent; anything but STDIN closes its stdin when headless."""

    STDIN = "stdin"
    ARGUMENT = "argument"
    FILE = "file"


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerSchema:
    """A JSON schema, as text and as the file that holds it."""

    text: str
    file: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """What a hand-off asks of a runtime."""

    mode: Mode
    cwd: Path
    run_dir: Path
    prompt: str
    prompt_file: Path
    """Holds `prompt`; written before the agent starts."""
    capsule_file: Path
    task_id: str
    task_file: Path | None
    model: str | None = None
    conversation: str | None = None
    """The runtime's own session id to continue; None starts a new conversation."""
    folders: tuple[Path, ...] = ()
    """Folders outside of `cwd` that it must be able to write in."""
    answer_schema: AnswerSchema | None = None
    """What its final answer is to hold to; None: any text."""
    before_end: tuple[str, ...] = ()
    """The command of a stop hook, whose answer it obeys where it can. Empty: none."""
    read_only: bool = False
    """It is to look and to change nothing, as far as the runtime can hold it to that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """How a process is started: the answer to a `Launch`."""

    argv: tuple[str, ...]
    channel: PromptChannel
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables set for the agent beside the inherited ones."""
    unset: tuple[str, ...] = ()
    """Names of inherited variables that the agent must not see."""
    conversation: str | None = None
    """The runtime's own session id where it is known before the start."""


# What an agent's output tells while it streams.


@dataclass(frozen=True, kw_only=True, slots=True)
class ConversationKnown:
    """The runtime named its conversation."""

    conversation: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageSeen:
    """The agent wrote a message."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandRan:
    """The agent ran a shell command; `exit_code` is None where the runtime does not tell."""

    command: str
    exit_code: int | None
    failed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FileTouched:
    """The agent changed a file: `kind` is `add`, `update` or `delete`."""

    path: str
    kind: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolRefused:
    """The agent was not allowed to do something."""

    tool: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrySeen:
    """The runtime tries a model request again."""

    attempt: int
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageSeen:
    """What was consumed so far, as far as the runtime tells while it works."""

    usage: Usage


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCall:
    """What an agent asked of a tool that may change files, whatever came of it."""

    command: str = ""
    """A shell command."""
    paths: tuple[str, ...] = ()
    """The files that an editing tool names."""
    written: str = ""
    """What it writes into them."""
    words: str = ""
    """Everything that a tool of unknown effect was given."""


Observation: TypeAlias = (
    ConversationKnown | MessageSeen | CommandRan | FileTouched | ToolRefused | RetrySeen | UsageSeen
)


class EndCause(StrEnum):
    """Why a process ended as it did; shown to the user in words."""

    OK = "ok"
    EMPTY = "empty"
    """It ended well but answered nothing."""
    REFUSED = "refused"
    """It ended well but was not allowed to do something."""
    LEFT = "left"
    """A person at the terminal left it."""
    INCOMPLETE = "incomplete"
    """It ended well, and its task was left neither finished nor blocked."""
    NEEDS_HUMAN = "needs_human"
    """It asks a person something."""
    AUTH = "auth"
    RATE_LIMIT = "rate_limit"
    PLAN_LIMIT = "plan_limit"
    """The plan's limit for some hours or days is reached; it opens again by itself."""
    QUOTA = "quota"
    """The account has no credit left."""
    MODEL = "model"
    """The model is not known, or not open to this account."""
    OVERLOADED = "overloaded"
    CONNECTION = "connection"
    CONTEXT_FULL = "context_full"
    REFUSAL = "refusal"
    """The model's safeguards refused the conversation."""
    HOOK = "hook"
    """A hook of the project or the person refused the prompt."""
    LIMIT = "limit"
    """A limit of turns or money that was set for the run."""
    API_ERROR = "api_error"
    CUT = "cut"
    """It ended before its answer was complete."""
    USAGE = "usage"
    """The command line was refused."""
    WORKSPACE_GONE = "workspace_gone"
    """The folder that it worked in is not there any more."""
    EXIT_CODE = "exit_code"
    """It failed, and nothing in its output says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessEnd:
    """How the agent's process ended by itself. `exit_code` is negative for a signal."""

    exit_code: int
    stderr_tail: str = ""
    """The last few kilobytes of its stderr."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """A runtime's judgement of an end: never by exit code alone."""

    ok: bool
    cause: EndCause
    message: Text
    """One sentence for the user."""
    retryable: bool = False
    """Whether the same call may succeed later without anybody changing anything."""
    hint: Text | None = None
    warnings: tuple[Text, ...] = ()
    retry_at: datetime | None = None
    """When the server lets the agent work again; None when it does not say."""


class OutputReader(Protocol):
    """Reads one agent's stdout from its first line to its last, and remembers what it reports."""

    leaves_out_cut_requests: bool = False
    """Whether its totals lack what earlier runs were interrupted in."""
    tells_all_commands: bool = True
    """Whether nothing in what it was fed says of commands that are told nowhere."""

    def feed(self, line: bytes) -> Iterable[Observation]:
        """Take one whole line, without its newline; never raises, whatever it holds."""
        del line
        return ()

    def structured(self, line: bytes) -> bool:
        """Tell whether a line belongs into `transcript.jsonl`."""
        del line
        return False

    def calls(self, line: bytes) -> Iterable[ToolCall]:
        """Return the calls of tools in a line that may change files, answered or not."""
        del line
        return ()

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge the end from everything that was fed and how the process ended."""

    def usage(self, before: Usage) -> Usage | None:
        """Return this run's own consumption; None when unknown.

        Some report totals over a conversation: `before` is what its earlier runs had of them.
        """
        del before
        return None

    @property
    def answer(self) -> str:
        """The agent's final answer; empty when there is none."""
        return ""

    @property
    def has_result(self) -> bool:
        """Whether the agent's last words say how it ended, so that its exit code is not needed."""
        return False

    @property
    def awaits_background(self) -> bool:
        """Whether commands that it sent to the background go on, as far as it tells."""
        return False

    @property
    def marks(self) -> Sequence[bytes]:
        """What a line holds that tells of the end, the conversation, or a command.

        A line without any of these may be passed over in haste, but for the very last ones.
        """


class TranscriptReader(OutputReader, Protocol):
    """Reads what an agent keeps of a conversation itself, as another reads its stdout."""

    version: str
    """The version of the agent that wrote what was understood last; empty when nothing was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SoughtConversation:
    """Whose transcript is looked for: that of one run."""

    conversation: str | None
    """The runtime's own session id; None where only the agent knows it so far."""
    cwd: Path
    since: datetime
    """When the run began; what is older belongs to others."""
    mark: str
    """What its prompt holds and no other's: the id of the run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """What is installed: `problem` is None when the runtime can be used."""

    program: str
    path: str | None
    version: str | None
    problem: str | None = None
    hint: str | None = None


class Runtime(Protocol):
    """An agent's command line: how it is called, its output read, and its end judged."""

    @property
    def name(self) -> str:
        """The name by which tasks and users choose it."""

    @property
    def reports_commands(self) -> bool:
        """Whether its output names every command that it runs."""

    @property
    def reports_edits(self) -> bool:
        """Whether its transcript also names every call by which it may change a file."""

    @property
    def uses_terminal(self) -> bool:
        """Whether a person can work with it in a terminal: its prompt leaves stdin free."""

    def can_continue(self, conversation: str) -> bool:
        """Tell whether it still has a conversation, to continue it in a new process."""

    def invocation(self, launch: Launch) -> Invocation:
        """Say how to start it. Pure: touches no disk and starts nothing."""

    def reader(self, mode: Mode) -> OutputReader:
        """Return a fresh reader for one run's stdout."""

    def transcripts(self, sought: SoughtConversation) -> Sequence[Path]:
        """Return the files in which it keeps a conversation itself; none where it keeps none.

        Never a guess: a file is named after the conversation, or holds the mark of the run.
        """

    def transcript_reader(self, sought: SoughtConversation) -> TranscriptReader | None:
        """Return a fresh reader for the lines of those files; None where nobody can read them."""

    def probe(self) -> Probe:
        """Look whether it is installed, and which version. Starts `--version` at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A supervisor that has started its agent."""

    agent: ProcessIdentity
    supervisor_pid: int
    place: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the executor needs to find it again, such as a pane id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """How the agent of a run is started. Never stored: it may hold keys."""

    argv: tuple[str, ...]
    channel: PromptChannel
    cwd: str
    mode: Mode
    env: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    timeout_seconds: float | None = None
    conversation: str | None = None
    """The runtime's own session id where it is known before the start."""
    heartbeat_file: str | None = None
    """Touched as long as the run goes on."""
    place: Mapping[str, JsonValue] = field(default_factory=dict)
    """Where its supervisor was started, for the record: the executor, and a pane."""
    calls_person: bool = True
    """Whether its supervisor calls a person at the end, where one is needed."""


class Executor(Protocol):
    """A place where a supervisor is started."""

    def start(self, run_dir: Path, order: Order) -> Started:
        """Start the supervisor of a prepared run and wait until its agent runs.

        ProgramNotFoundError: the agent's program cannot be started; nothing is left behind.
        """

    def wait(self) -> bool:
        """Stay with the run to its end where this process carries it; tell whether it did."""


class Carrier(Protocol):
    """Someone in this process who can carry a run: what a terminal executor is given."""

    def start(self) -> Started:
        """Start the agent."""

    def complete(self) -> None:
        """Stay to the end and record it."""
