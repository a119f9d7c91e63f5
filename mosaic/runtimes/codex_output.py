"""What `codex exec --json` writes; seen with 0.169.0.

The thread's id is in the first line. A refused edit shows nowhere but on stderr and in git.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from mosaic.model import Usage
from mosaic.ports import (
    ConversationKnown,
    EndCause,
    Ending,
    FileTouched,
    MessageSeen,
    RetrySeen,
    ToolCall,
    UsageSeen,
)
from mosaic.records import replace
from mosaic.runtimes.readers import (
    LONGEST_WORDS,
    EventReader,
    Values,
    command_ran,
    own_part,
    parse_object,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mosaic.ports import Observation, ProcessEnd

SHELLS = ("bash", "sh", "zsh")
SHELL_CALL_PARTS = 3

CAUSES = (
    (r"usage limit|usage_limit", EndCause.PLAN_LIMIT),
    (r"Quota exceeded|insufficient_quota|status:? 402\b", EndCause.QUOTA),
    (r"ran out of room|context_length|context window|status:? 413\b", EndCause.CONTEXT_FULL),
    (r"reason: content_filter", EndCause.REFUSAL),
    (r"status:? 40[13]\b|Missing environment variable|Not logged in|API key", EndCause.AUTH),
    (r"status:? 404\b.*\bmodel\b|model .* does not exist|model_not_found", EndCause.MODEL),
    (r"status:? 429\b|rate.limit.exceeded", EndCause.RATE_LIMIT),
    (r"status:? 5\d\d\b|high demand|Overloaded", EndCause.OVERLOADED),
    (r"stream disconnected|error sending request|network", EndCause.CONNECTION),
)
"""Words of `turn.failed` and what they mean; it reports nothing but its text.

A bare number is not a status: the text names an address, whose port may hold any."""
REFUSALS = (
    (r"writing is blocked|patch rejected", "its sandbox refused an edit"),
    (r"approval policy is \w+; reject command", "its sandbox refused a command"),
)
"""What stderr says of a refusal; no event tells of it."""
MOST_WARNINGS = 20


class CodexReader(EventReader):
    """Reads `codex exec --json`, one event a line."""

    leaves_out_cut_requests = True
    marks: tuple[bytes, ...] = (
        b'"thread.', b'"turn.', b'"command_execution"', b'"file_change"', b'"mcp_tool_call"',
    )  # fmt: skip
    """What stands in the events of threads and turns, and in commands, edits and other calls."""

    def __init__(self) -> None:
        super().__init__("codex")
        self._thread = ""
        self._completed = False
        self._failure: str | None = None
        self._total: Usage | None = None
        self._answer = ""
        self._warnings: list[str] = []

    @property
    def answer(self) -> str:
        """The last message."""
        return self._answer

    @property
    def has_result(self) -> bool:
        """Whether its last turn has ended."""
        return self._completed or self._failure is not None

    def usage(self, before: Usage) -> Usage | None:
        """Return this run's part of the thread's totals. Money is reported nowhere."""
        total = self._total
        if total is None:
            return None
        names = ("input_tokens", "output_tokens", "cached_input_tokens")
        parts = ((name, own_part(getattr(total, name), getattr(before, name))) for name in names)
        return Usage(**{name: int(part or 0) for name, part in parts})

    def calls(self, line: bytes) -> Iterator[ToolCall]:
        """Return the call in a line, begun or done."""
        event = parse_object(line) or Values()
        item = event.object("item")
        kind = item.get("type")
        if kind == "command_execution":
            yield ToolCall(command=inner_command(item.text("command")))
        elif kind == "file_change":
            yield ToolCall(paths=tuple(each.text("path") for each in item.objects("changes")))
        elif kind == "mcp_tool_call":
            yield ToolCall(words=json.dumps(item.get("arguments"), ensure_ascii=False))

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge the end by the last turn; what it warned of on the way goes with it."""
        ending = self._judge(end)
        return replace(ending, warnings=(*ending.warnings, *self._warnings))

    def _judge(self, end: ProcessEnd) -> Ending:
        if self._failure is not None:
            login = "run `codex login`, or set CODEX_API_KEY"
            return self.known_failure(CAUSES, self._failure, login)
        if not self._completed or end.exit_code != 0:
            return self.early_ending(end, has_begun=bool(self._thread))
        for words, refused in REFUSALS:
            if re.search(words, end.stderr_tail):
                return Ending(
                    ok=True,
                    cause=EndCause.REFUSED,
                    message=f"`codex` ended well, but {refused}",
                    warnings=(refused,),
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
            self._warn(event.text("message"))
            yield RetrySeen(attempt=0, detail=event.text("message"))
        elif kind == "item.completed":
            yield from self._item(event.object("item"))

    def _warn(self, words: str) -> None:
        words = " ".join(words.split())[:LONGEST_WORDS]
        if words and words not in self._warnings and len(self._warnings) < MOST_WARNINGS:
            self._warnings.append(words)

    def _item(self, item: Values) -> Iterator[Observation]:
        kind = item.get("type")
        if kind == "error":
            self._warn(item.text("message"))
        elif kind == "agent_message":
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
        return inner_of(shlex.split(command)) or command
    except ValueError:
        return command


def inner_of(parts: Sequence[str]) -> str | None:
    """Return the command that a shell is called with; None for any other call."""
    is_shell = len(parts) == SHELL_CALL_PARTS and parts[0].rpartition("/")[2] in SHELLS
    return parts[2] if is_shell and parts[1] in ("-c", "-lc") else None
