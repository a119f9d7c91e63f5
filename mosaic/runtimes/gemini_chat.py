"""What `gemini` keeps of a conversation on disk: evidence of sessions in a terminal.

`$GEMINI_CLI_HOME/.gemini/tmp/<project>/chats/session-<time>-<id's first 8>.jsonl`, seen with
0.61.0; what sub-agents did is in `<session id>/<agent>.jsonl` beside it. The first line names the
conversation. A message is written again, with the same id, each time that tokens or calls of
tools are added to it; a call is added once it has been answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.model import Usage, sum_usage
from mosaic.ports import ConversationKnown, MessageSeen
from mosaic.runtimes.gemini_output import GeminiReader, call_of
from mosaic.runtimes.readers import ExitCodeReader, Values, parse_object

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mosaic.ports import Ending, Observation, ProcessEnd, ToolCall

CHAT_KEPT = (b'"type":"gemini"', b'"type":"user"', b'"sessionId"')


class GeminiChatReader(GeminiReader):
    """Reads the lines of one conversation from one moment on."""

    marks: tuple[bytes, ...] = (b'"toolCalls"', b'"sessionId"')

    def __init__(self, since: datetime) -> None:
        super().__init__()
        self._since = since
        self._by_message: dict[str, Usage] = {}
        self._told: set[str] = set()
        self.version = ""

    def usage(self, before: Usage) -> Usage | None:
        """Return the tokens of its messages."""
        del before
        return sum_usage(self._by_message.values())

    def structured(self, line: bytes) -> bool:
        """Tell whether a line is evidence of this session."""
        return any(mark in line for mark in CHAT_KEPT) and self._own(line) is not None

    def feed(self, line: bytes) -> list[Observation]:
        """Take one whole line."""
        event = self._own(line)
        return list(self._observe(event)) if event else []

    def calls(self, line: bytes) -> Iterator[ToolCall]:
        """Return the calls of tools in a line."""
        for call in (self._own(line) or Values()).objects("toolCalls"):
            yield from call_of(call.text("name"), call.object("args"))

    def _judge(self, end: ProcessEnd) -> Ending:
        return ExitCodeReader.judge(self, end)

    def _observe(self, event: Values) -> Iterator[Observation]:
        if event.text("sessionId"):
            self.version = self.version or "0.61"
            if event.get("kind") != "subagent":
                yield ConversationKnown(conversation=event.text("sessionId"))
        if event.get("type") != "gemini":
            return
        message = event.text("id")
        if tokens := event.object("tokens"):
            self._by_message[message] = Usage(
                input_tokens=tokens.count("input"),
                output_tokens=tokens.count("output") + tokens.count("thoughts"),
                cached_input_tokens=tokens.count("cached"),
            )
        text = event.text("content") or "".join(p.text("text") for p in event.objects("content"))
        if text.strip() and self._is_new(f"message {message}"):
            self._answer = text
            yield MessageSeen(text=text)
        for call in event.objects("toolCalls"):
            if self._is_new(f"call {call.text('id')}"):
                yield from self._kept_call(call)

    def _kept_call(self, call: Values) -> Iterator[Observation]:
        results = (
            part.object("functionResponse").object("response") for part in call.objects("result")
        )
        result = next(results, Values())
        status = call.get("status")
        if status == "cancelled":
            return
        yield from self._call_answered(
            call.text("name"),
            call.object("args"),
            result.text("error") or result.text("output"),
            failed=status == "error",
        )

    def _is_new(self, what: str) -> bool:
        is_new = what not in self._told
        self._told.add(what)
        return is_new

    def _own(self, line: bytes) -> Values | None:
        event = parse_object(line)
        if event is None:
            return None
        time = event.moment("timestamp")
        return None if time is not None and time < self._since else event
