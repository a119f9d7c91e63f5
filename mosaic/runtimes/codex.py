"""Codex (`codex`): how it is called, what it says, how its end is judged.

Headless it is `codex exec --json`, the prompt by stdin; never `codex -p`, which names a
profile. The sandbox is given each time and before `resume`: a resumed run works it out
anew. Interactive it runs with `--no-daemon`, else it would live on in the background. Its
thread id is read from its first line; a refused edit shows nowhere but in git.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from mosaic.model import Mode, Usage
from mosaic.ports import (
    ConversationKnown,
    EndCause,
    Ending,
    FileTouched,
    Invocation,
    MessageSeen,
    PromptChannel,
    RetrySeen,
    UsageSeen,
)
from mosaic.runtimes.command import CommandRuntime, argument_prompt, pointer_prompt
from mosaic.runtimes.readers import EventReader, Values, command_ran, own_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.ports import Launch, Observation, OutputReader, ProcessEnd

LONGEST_STDIN_CHARS = 1_000_000
"""It refuses more than 1,048,576 characters."""
OWN_SANDBOX = ("--sandbox=", "--dangerously", "sandbox_mode=")
"""How `args` may choose a sandbox otherwise; the last one is the value of `-c`."""
SHELLS = ("bash", "sh", "zsh")
SHELL_CALL_PARTS = 3

CAUSES = (
    (r"Quota exceeded|insufficient_quota", EndCause.QUOTA),
    (r"ran out of room|context_length|context window", EndCause.CONTEXT_FULL),
    (r"status:? 40[13]\b|Missing environment variable|Not logged in|API key", EndCause.AUTH),
    (r"status:? 429\b", EndCause.RATE_LIMIT),
    (r"status:? 5\d\d\b|high demand|Overloaded", EndCause.OVERLOADED),
    (r"stream disconnected|error sending request|network", EndCause.CONNECTION),
)
"""Words of `turn.failed` and what they mean; it reports nothing but its text.

A bare number is not a status: the text names an address, whose port may hold any."""


class Codex(CommandRuntime):
    """The `codex` command line."""

    oldest = (0, 100)
    install_hint = "`npm install -g @openai/codex`"
    is_built_in = True

    def _own_invocation(self, launch: Launch) -> Invocation:
        options = self.options(launch, "-m")
        resume = ("resume", launch.conversation) if launch.conversation else ()
        place = ("-C", str(launch.cwd))
        if launch.mode is Mode.INTERACTIVE:
            # Options that take several values would swallow a prompt behind them.
            prompt = argument_prompt(launch)
            argv = ("codex", "--no-daemon", *place, *options, *resume, "--", prompt)
            return Invocation(argv=argv, channel=PromptChannel.ARGUMENT)
        args = self.spec.args
        has_own = any(a in ("-s", "--sandbox") or a.startswith(OWN_SANDBOX) for a in args)
        sandbox = () if has_own else ("--sandbox", "workspace-write")
        if launch.read_only:
            sandbox = ("--sandbox", "read-only")
        last_message = launch.run_dir / "artifacts" / "last-message.txt"
        asked = launch.answer_schema
        schema = ("--output-schema", str(asked.file)) if asked else ()
        argv = (
            "codex", "exec", "--json", "--skip-git-repo-check", *sandbox, *place,
            "-o", str(last_message), *schema, *options, *resume,
        )  # fmt: skip
        if len(launch.prompt) > LONGEST_STDIN_CHARS:
            return Invocation(argv=(*argv, pointer_prompt(launch)), channel=PromptChannel.FILE)
        return Invocation(argv=(*argv, "-"), channel=PromptChannel.STDIN)

    def _new_reader(self) -> OutputReader:
        return CodexReader()


class CodexReader(EventReader):
    """Reads `codex exec --json`, one event a line."""

    marks = (b'"thread.', b'"turn.', b'"command_execution"', b'"file_change"')
    """What stands in the events of threads and turns, and in commands and edits."""

    def __init__(self) -> None:
        super().__init__("codex")
        self._thread = ""
        self._completed = False
        self._failure: str | None = None
        self._total: Usage | None = None
        self._answer = ""

    @property
    def answer(self) -> str:
        """The last message."""
        return self._answer

    def usage(self, before: Usage) -> Usage | None:
        """Return this run's part of the thread's totals. Money is reported nowhere."""
        total = self._total
        if total is None:
            return None
        names = ("input_tokens", "output_tokens", "cached_input_tokens")
        parts = ((name, own_part(getattr(total, name), getattr(before, name))) for name in names)
        return Usage(**{name: int(part or 0) for name, part in parts})

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge the end by the last turn."""
        if self._failure is not None:
            found = (cause for words, cause in CAUSES if re.search(words, self._failure or ""))
            cause = next(found, EndCause.API_ERROR)
            login = "run `codex login`, or set CODEX_API_KEY"
            return self.failure(cause, self._failure, login if cause is EndCause.AUTH else "")
        if not self._completed or end.exit_code != 0:
            return self.early_ending(end, has_begun=bool(self._thread))
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
            return self.empty_ending(has_worked=bool(used))
        return self.ended_well()

    def _observe(self, event: Values) -> Iterator[Observation]:
        kind = event.get("type")
        if kind == "thread.started" and event.text("thread_id"):
            self._thread = event.text("thread_id")
            yield ConversationKnown(conversation=self._thread)
        elif kind == "turn.started":
            self._completed, self._failure = False, None
        elif kind == "turn.completed":
            self._completed = True
            self._total = event.object("usage").usage()
            yield UsageSeen(usage=self._total)
        elif kind == "turn.failed":
            self._failure = event.object("error").text("message") or "no word why"
        elif kind == "error" and "Reconnecting" in event.text("message"):
            yield RetrySeen(attempt=0, detail=event.text("message"))
        elif kind == "item.completed":
            yield from self._item(event.object("item"))

    def _item(self, item: Values) -> Iterator[Observation]:
        kind = item.get("type")
        if kind == "agent_message":
            self._answer = item.text("text")
            yield MessageSeen(text=self._answer)
        elif kind == "command_execution":
            command = inner_command(item.text("command"))
            yield command_ran(command, item.get("exit_code"), failed=item.get("status") == "failed")
        elif kind == "file_change" and item.get("status") == "completed":
            for change in item.objects("changes"):
                yield FileTouched(path=change.text("path"), kind=change.text("kind") or "update")


def inner_command(command: str) -> str:
    """Return the command inside `/bin/bash -lc '…'`, as which codex runs every one."""
    try:
        parts = shlex.split(command)
    except ValueError:
        return command
    is_shell = len(parts) == SHELL_CALL_PARTS and parts[0].rpartition("/")[2] in SHELLS
    return parts[2] if is_shell and parts[1] in ("-c", "-lc") else command
