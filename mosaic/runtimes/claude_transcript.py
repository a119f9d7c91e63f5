"""What `claude` keeps of a conversation on disk: evidence of sessions in a terminal.

`$CLAUDE_CONFIG_DIR/projects/<folder>/<session id>.jsonl`, seen with 2.1.332; what sub-agents
did is in `<session id>/subagents/agent-*.jsonl` beside it. A line is an event with its time.
Assistant and user lines hold messages as the stream does, one block a line, so the usage of
one message is repeated. `cost-state` lines hold the cost of the conversation so far; they
are missing after a kill.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.model import Usage, sum_usage
from mosaic.ports import EndCause, MessageSeen
from mosaic.records import replace
from mosaic.runtimes.claude_output import ClaudeReader, cause_of_error, plain_usage
from mosaic.runtimes.readers import ExitCodeReader, Values, own_part, parse_object

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mosaic.ports import Ending, Observation, ProcessEnd

KEPT = (
    b'"type":"assistant"', b'"type":"user"', b'"type":"cost-state"', b'"operation":"enqueue"',
    b'"subtype":"compact_boundary"',
)  # fmt: skip
NOTIFICATION = re.compile(
    r"<tool-use-id>(\S+)</tool-use-id>.*<status>(\w+)</status>.*<summary>(.*)</summary>", re.DOTALL
)


class ClaudeTranscriptReader(ClaudeReader):
    """Reads the lines of one conversation from one moment on.

    Args:
        conversation: lines of others are passed over.
        since: lines that are older belong to earlier sessions of the same conversation.
    """

    marks: tuple[bytes, ...] = (b"tool_use", b"task-notification", b'"cost-state"')

    def __init__(self, conversation: str, since: datetime) -> None:
        super().__init__()
        self._conversation = conversation
        self._since = since
        self._by_message: dict[str, Usage] = {}
        self._total_cost: float | None = None
        self._answer = ""
        self._error: Values | None = None
        self.version = ""
        """The version of `claude` that wrote the last line that was understood."""

    @property
    def answer(self) -> str:
        """Its last message."""
        return self._answer

    def structured(self, line: bytes) -> bool:
        """Tell whether a line is evidence of this session."""
        return any(mark in line for mark in KEPT) and self._event_of(line) is not None

    def usage(self, before: Usage) -> Usage | None:
        """Return the tokens of its messages, and its part of the conversation's cost."""
        used = sum_usage(self._by_message.values())
        if used is None:
            return None
        return replace(used, cost_usd=own_part(self._total_cost, before.cost_usd))

    def _judge(self, end: ProcessEnd) -> Ending:
        if self._error is not None:
            cause = cause_of_error(self._error, self._answer) or EndCause.API_ERROR
            return self.failure(cause, self._answer)
        if end.exit_code == 0:
            return self.ended_well()
        return ExitCodeReader.judge(self, end)

    def feed(self, line: bytes) -> list[Observation]:
        """Take one whole line."""
        event = self._event_of(line)
        return list(self._observe(event)) if event else []

    def _observe(self, event: Values) -> Iterator[Observation]:
        kind = event.get("type")
        self.version = event.text("version") or self.version
        if kind == "assistant":
            yield from self._own_words(event)
        elif kind == "user":
            more = event.get("toolUseResult")
            yield from self._answered(Values({**event, "tool_use_result": more}))
        elif kind == "cost-state":
            self._total_cost = event.money("totalCostUSD")
        elif kind == "queue-operation" and event.get("operation") == "enqueue":
            for found in NOTIFICATION.finditer(event.text("content")):
                yield from self._background_ended(found[1], found[2], found[3])

    def _own_words(self, event: Values) -> Iterator[Observation]:
        message = event.object("message")
        is_error = event.get("isApiErrorMessage") is True
        if message.get("model") != "<synthetic>":
            self._by_message[message.text("id")] = plain_usage(message)
        elif not is_error:
            return  # words that it puts in for the model, when a conversation goes on
        self._error = event if is_error else None
        for seen in self._said(message):
            if isinstance(seen, MessageSeen) and not event.get("isSidechain"):
                self._answer = seen.text
            yield seen

    def _event_of(self, line: bytes) -> Values | None:
        """Return a line's event if it is of this session."""
        event = parse_object(line)
        if event is None or event.get("sessionId") != self._conversation:
            return None
        time = event.moment("timestamp")
        return None if time is not None and time < self._since else event
