"""Codex (`codex`): how it is called, what it says, how its end is judged.

Headless it is `codex exec --json`, the prompt by stdin; never `codex -p`, which names a
profile. The sandbox is given each time and before `resume`: a resumed run works it out
anew. Interactive it runs with `--no-daemon`, else it would live on in the background. Its
thread id is read from its first line; a refused edit shows nowhere but in git.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from mosaic.model import Mode, RuntimeSpec, Usage
from mosaic.ports import (
    CommandRan,
    ConversationKnown,
    EndCause,
    Ending,
    FileTouched,
    Invocation,
    Launch,
    MessageSeen,
    Observation,
    OutputReader,
    Probe,
    ProcessEnd,
    PromptChannel,
    RetrySeen,
    UsageSeen,
)
from mosaic.runtimes.command import custom_invocation
from mosaic.runtimes.common import (
    PARENT_MARKS,
    argument_prompt,
    as_count,
    as_dict,
    as_list,
    as_text,
    cut_ending,
    difference,
    parse_object,
    probe_program,
    usage_ending,
)
from mosaic.runtimes.plain import ExitCodeReader

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST = (0, 100)
"""The oldest version that is known to have the options that are used here."""
INSTALL = "`npm install -g @openai/codex`"
LONGEST_STDIN_CHARS = 1_000_000
"""It refuses more than 1,048,576 characters."""
OWN_SANDBOX = ("--sandbox=", "--dangerously", "sandbox_mode=")
"""How `args` may choose a sandbox otherwise; the last one is the value of `-c`."""
SHELLS = ("bash", "sh", "zsh")
SHELL_CALL_PARTS = 3
MARKS = (b'"thread.', b'"turn.', b'"command_execution"', b'"file_change"')

FAILURES = (
    (r"Quota exceeded|insufficient_quota", EndCause.QUOTA),
    (r"ran out of room|context_length|context window", EndCause.CONTEXT_FULL),
    (r"status:? 40[13]\b|Missing environment variable|Not logged in|API key", EndCause.AUTH),
    (r"status:? 429\b", EndCause.RATE_LIMIT),
    (r"status:? 5\d\d\b|high demand|Overloaded", EndCause.OVERLOADED),
    (r"stream disconnected|error sending request|network", EndCause.CONNECTION),
)
"""Words of `turn.failed` and what they mean; its text is all that it tells.

A bare number is no status: the text names an address, whose port may hold any."""

FAILURE_WORDS = {
    EndCause.AUTH: ("`codex` is not logged in", "run `codex login`, or set CODEX_API_KEY"),
    EndCause.QUOTA: ("the quota of `codex` is used up", "look at the plan and billing"),
    EndCause.RATE_LIMIT: (
        "`codex` was turned away by a rate limit",
        "try again later: `mission resume`",
    ),
    EndCause.CONTEXT_FULL: (
        "`codex` has no room left",
        "`mission resume --fresh` begins a new conversation",
    ),
    EndCause.OVERLOADED: (
        "the model server could not answer `codex`",
        "try again later: `mission resume`",
    ),
    EndCause.CONNECTION: (
        "`codex` lost its connection",
        "look at the network, then `mission resume`",
    ),
    EndCause.API_ERROR: ("`codex` failed", None),
}
RETRYABLE = (EndCause.RATE_LIMIT, EndCause.OVERLOADED, EndCause.CONNECTION)


class Codex:
    """The `codex` command line."""

    name = "codex"

    def __init__(self, spec: RuntimeSpec) -> None:
        self._spec = spec

    def invocation(self, launch: Launch) -> Invocation:
        """Say how to start it."""
        if self._spec.command:
            return custom_invocation(self._spec, launch)
        model = launch.model or self._spec.model
        folders = tuple(part for path in launch.folders for part in ("--add-dir", str(path)))
        options = (*(("-m", model) if model else ()), *folders, *self._spec.args)
        if launch.mode is Mode.INTERACTIVE:
            resume = ("resume", launch.conversation) if launch.conversation else ()
            # Options that take several values would swallow a prompt behind them.
            argv = (
                "codex",
                "--no-daemon",
                "-C",
                str(launch.cwd),
                *options,
                *resume,
                "--",
                argument_prompt(launch),
            )
            channel = PromptChannel.ARGUMENT
        else:
            argv, channel = self._headless(launch, options)
        return Invocation(
            argv=argv,
            channel=channel,
            env=self._spec.env,
            unset=PARENT_MARKS,
            conversation=launch.conversation,
        )

    def _headless(
        self, launch: Launch, options: tuple[str, ...]
    ) -> tuple[tuple[str, ...], PromptChannel]:
        own_sandbox = any(
            arg in ("-s", "--sandbox") or arg.startswith(OWN_SANDBOX) for arg in self._spec.args
        )
        sandbox = () if own_sandbox else ("--sandbox", "workspace-write")
        if launch.read_only:
            sandbox = ("--sandbox", "read-only")
        asked = launch.answer_schema
        schema = ("--output-schema", str(asked.file)) if asked else ()
        last_message = launch.run_dir / "artifacts" / "last-message.txt"
        start = (
            "codex",
            "exec",
            "--json",
            "--skip-git-repo-check",
            *sandbox,
            "-C",
            str(launch.cwd),
            "-o",
            str(last_message),
            *schema,
            *options,
        )
        resume = ("resume", launch.conversation) if launch.conversation else ()
        if len(launch.prompt) > LONGEST_STDIN_CHARS:
            pointer = f"Read and do what the file {launch.prompt_file} says."
            return (*start, *resume, pointer), PromptChannel.FILE
        return (*start, *resume, "-"), PromptChannel.STDIN

    def can_continue(self, conversation: str) -> bool:
        """Tell that a thread that was named can be continued: it was kept before it was named."""
        return bool(conversation) and (not self._spec.command or bool(self._spec.resume))

    def reader(self, mode: Mode) -> OutputReader:
        """Return a fresh reader for one run's stdout."""
        if mode is Mode.INTERACTIVE:
            return ExitCodeReader("codex")
        return CodexReader()

    def probe(self) -> Probe:
        """Look whether it is installed, and which version."""
        program = self._spec.command[0] if self._spec.command else "codex"
        return probe_program(program, INSTALL, oldest=OLDEST)


class CodexReader:
    """Reads `codex exec --json`, one event a line."""

    def __init__(self) -> None:
        self._thread = ""
        self._completed = False
        self._failure: str | None = None
        self._total: Usage | None = None
        self._answer = ""

    def feed(self, line: bytes) -> list[Observation]:
        """Take one whole line."""
        event = parse_object(line)
        return list(self._observe(event)) if event else []

    def structured(self, line: bytes) -> bool:
        """Tell whether a line is an event."""
        return line.startswith(b"{")

    @property
    def answer(self) -> str:
        """The last message."""
        return self._answer

    @property
    def marks(self) -> tuple[bytes, ...]:
        """What stands in the events of threads and turns, and in commands and edits."""
        return MARKS

    def usage(self, before: Usage) -> Usage | None:
        """Return this run's part of the thread's totals. Money is told nowhere."""
        return difference(self._total, before) if self._total else None

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge the end by the last turn."""
        if self._failure is not None:
            return _judge_failure(self._failure)
        if self._completed and end.exit_code == 0:
            return self._judge_answer(end)
        if not self._thread and end.exit_code > 0 and end.stderr_tail.strip():
            return usage_ending("codex", end.stderr_tail, end.exit_code)
        return cut_ending("codex", end.exit_code, end.stderr_tail)

    def _judge_answer(self, end: ProcessEnd) -> Ending:
        if "writing is blocked" in end.stderr_tail or "patch rejected" in end.stderr_tail:
            return Ending(
                ok=True,
                cause=EndCause.REFUSED,
                message="`codex` ended well, but its sandbox refused an edit",
                warnings=("the sandbox refused an edit",),
                hint="give it another `--sandbox` with `args` of `codex` in mission.json",
            )
        if not self._answer.strip():
            used = self._total.output_tokens if self._total else 0
            return Ending(
                ok=bool(used),
                cause=EndCause.EMPTY,
                message="`codex` ended without an answer",
                warnings=("the answer is empty",),
            )
        return Ending(ok=True, cause=EndCause.OK, message="`codex` ended well")

    def _observe(self, event: dict[str, Any]) -> Iterator[Observation]:
        kind = event.get("type")
        if kind == "thread.started" and as_text(event.get("thread_id")):
            self._thread = as_text(event["thread_id"])
            yield ConversationKnown(conversation=self._thread)
        elif kind == "turn.started":
            self._completed, self._failure = False, None
        elif kind == "turn.completed":
            self._completed = True
            self._total = _usage_of(as_dict(event.get("usage")))
            yield UsageSeen(usage=self._total)
        elif kind == "turn.failed":
            self._failure = as_text(as_dict(event.get("error")).get("message")) or "no word why"
        elif kind == "error" and "Reconnecting" in as_text(event.get("message")):
            yield RetrySeen(attempt=0, detail=as_text(event["message"]))
        elif kind == "item.completed":
            yield from self._item(as_dict(event.get("item")))

    def _item(self, item: dict[str, Any]) -> Iterator[Observation]:
        kind = item.get("type")
        if kind == "agent_message":
            self._answer = as_text(item.get("text"))
            yield MessageSeen(text=self._answer)
        elif kind == "command_execution":
            code = item.get("exit_code")
            exit_code = code if isinstance(code, int) and not isinstance(code, bool) else None
            yield CommandRan(
                command=inner_command(as_text(item.get("command"))),
                exit_code=exit_code,
                failed=item.get("status") == "failed" or exit_code not in (None, 0),
            )
        elif kind == "file_change" and item.get("status") == "completed":
            for change in map(as_dict, as_list(item.get("changes"))):
                yield FileTouched(
                    path=as_text(change.get("path")), kind=as_text(change.get("kind")) or "update"
                )


def inner_command(command: str) -> str:
    """Return the command inside `/bin/bash -lc '…'`, as which codex runs every one."""
    try:
        parts = shlex.split(command)
    except ValueError:
        return command
    is_shell = len(parts) == SHELL_CALL_PARTS and parts[0].rpartition("/")[2] in SHELLS
    return parts[2] if is_shell and parts[1] in ("-c", "-lc") else command


def _usage_of(given: dict[str, Any]) -> Usage:
    return Usage(
        input_tokens=as_count(given.get("input_tokens")),
        output_tokens=as_count(given.get("output_tokens")),
        cached_input_tokens=as_count(given.get("cached_input_tokens")),
    )


def _judge_failure(message: str) -> Ending:
    cause = next(
        (cause for words, cause in FAILURES if re.search(words, message)),
        EndCause.API_ERROR,
    )
    words, hint = FAILURE_WORDS[cause]
    said = " ".join(message.split())[:500]
    return Ending(
        ok=False, cause=cause, message=f"{words}: {said}", hint=hint, retryable=cause in RETRYABLE
    )
