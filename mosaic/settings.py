"""The settings of a mission: records of what stands in mission.json under keys of their own."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from mosaic.records import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeSpec:
    """One entry of `runtimes` in mission.json: a command that is, or changes, a runtime."""

    name: str
    command: tuple[str, ...] = ()
    """Argument list with placeholders; empty keeps that of the built-in runtime."""
    resume: tuple[str, ...] = ()
    """The same for continuing a conversation; empty: it cannot be continued."""
    interactive: tuple[str, ...] = ()
    """The same with the terminal; empty: `command` is used."""
    prompt: str | None = None
    """How the prompt goes in: `stdin`, `argument` or `file`."""
    args: tuple[str, ...] = ()
    """Arguments added to a built-in runtime's own."""
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: str | None = None
    model: str | None = None
    tells_commands: bool = False
    """Whether its output names every command that it runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostSpec:
    """Another machine: an entry of `hosts` in mission.json, or in a person's own settings."""

    name: str
    address: str = ""
    """As `ssh` takes it: `user@machine`, or a name of `~/.ssh/config`."""
    scheduler: str = ""
    """In place of an address, for a fleet: a Dask scheduler's address, or its scheduler file."""
    folder: str = "~/.mosaic"
    """Where everything of ours is kept there."""
    max: int | None = None
    """How many sessions may work there at once; None: as many as are asked for."""
    labels: tuple[str, ...] = ()
    """What a task may ask for by `runs_on`, beside the name."""
    setup: tuple[str, ...] = ()
    """A command that is run there in a new worktree, after the mission's own."""
    options: tuple[str, ...] = ()
    """Options of `ssh`, before the address."""
    env: tuple[str, ...] = ()
    """The variables of here that may go there; none goes unasked."""
    path: tuple[str, ...] = ()
    """Folders there that come first on the PATH: ssh does not read a person's whole profile."""
    python: str = "python3"
    """The Python there that has `mission`, where none is installed in `folder`."""
    remote: str = ""
    """A git remote that both sides reach: a name of a remote here, a URL or a path. Empty: none."""

    @property
    def where(self) -> str:
        """What it is reached by: an address, or a scheduler."""
        return self.address or self.scheduler


class PrivateFiles(StrEnum):
    """What becomes of untracked files that only their owner may read, when a tree is saved."""

    LEAVE_OUT = "leave-out"
    """They are named, where git would store them for others to read."""
    KEEP = "keep"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """How runs are recorded: `runs` in mission.json."""

    checkpoint_every_seconds: float | None = 600.0
    """How often a run's work tree is saved if it changed; None: never by the clock."""
    checkpoint_base: str | None = None
    """The branch or commit that checkpoints are compared with; None: the run's base commit."""
    largest_file_bytes: int = 32_000_000
    """A larger untracked file is listed in a checkpoint, not taken in."""
    stalled_after_seconds: float | None = 300.0
    """How long an agent may be silent before that is an event; None: for ever."""
    after_result_seconds: float | None = 20.0
    """How long an agent may stay after its last answer before it is ended; None: for ever."""
    background_seconds: float | None = 900.0
    """The same while commands that it sent to the background go on; None: for ever."""
    private_files: PrivateFiles = PrivateFiles.LEAVE_OUT
    checkpoints: bool = True
    """Whether a run's work tree is saved while it goes on; at its end it always is."""
    log_tail_lines: int | None = None
    """How many lines of each log a checkpoint has at most; None: as many as fit its size."""


class GatePolicy(StrEnum):
    """When the quality gates run by themselves, after a headless run."""

    FINISHED = "finished"
    """When the agent says finished."""
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewSettings:
    """What an agent's work must hold: `review` in mission.json."""

    gates: GatePolicy = GatePolicy.FINISHED
    allow_out_of_scope: bool = False
    """Whether a task may come to review with changes outside of its write scope."""
    green_is_done: bool = False
    """Whether a loop sets a task done whose gates are green."""
    ask_handoff: bool = True
    """Whether an agent that would end without its handoff is asked for it once."""


class Landing(StrEnum):
    """When the branch that a task was worked on is merged, and how."""

    MANUAL = "manual"
    """When a person says so."""
    APPROVED = "approved"
    """When a person approves the task."""
    GREEN = "green"
    """Also when a loop sets it done because its gates are green."""
    PULL_REQUEST = "pull-request"
    """By a pull request, which is opened where the others would merge it."""

    @property
    def lands_approved(self) -> bool:
        """Whether what a person approves is merged at once."""
        return self in (Landing.APPROVED, Landing.GREEN)


class Hosting(StrEnum):
    """The program that opens pull requests."""

    GH = "gh"
    """GitHub's."""
    GLAB = "glab"
    """GitLab's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PullRequestSettings:
    """Where pull requests are opened: `pullRequest` in mission.json."""

    program: Hosting | None = None
    """`gh` or `glab`; without it the remote's host says which."""
    remote: str | None = None
    """The remote that branches are pushed to; without it the one of the mission's branch."""
    every_seconds: float = 60.0
    """How often a loop looks at the requests that are open."""
    wait_seconds: float = 1800.0
    """How long a loop that has nothing else to do waits for checks that run."""


class LandingUpdate(StrEnum):
    """How a branch is brought up to date with the mission's before it lands."""

    MERGE = "merge"
    REBASE = "rebase"


@dataclass(frozen=True, kw_only=True, slots=True)
class WorktreeSettings:
    """What a new worktree needs beside what git checks out: `worktrees` in mission.json."""

    setup: tuple[str, ...] = ()
    """A command that is run in it, such as `npm ci`."""
    setup_timeout_seconds: float = 600.0
    copy: tuple[str, ...] = ()
    """Globs of files, relative to the project, that are copied into it, such as `.env`."""
    link: tuple[str, ...] = ()
    """The same for what is linked to, such as `node_modules`."""
    merge_dependencies: bool = False
    """Whether a task may begin before those that it needs are merged, from a base with them."""
    submodules: bool = False
    """Check out in it the submodules that are checked out in the mission's own work tree."""
