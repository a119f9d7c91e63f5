"""What `codex` keeps of a thread on disk: evidence of sessions in a terminal.

`$CODEX_HOME/sessions/YYYY/MM/DD/rollout-<time>-<thread id>.jsonl`, seen with 0.169.0. Each
line has `timestamp`, `type` and `payload`. The first one, `session_meta`, names the thread
and its folder; `event_msg` lines hold finished items, as the stream does in other words,
the tokens of the thread so far, and how each turn ended. Each `token_usage_record` has the
tokens of one request, also of one whose tools were interrupted, which no total holds.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mosaic.model import Usage, sum_usage
from mosaic.ports import ConversationKnown, FileTouched, MessageSeen, ToolCall, UsageSeen
from mosaic.runtimes.codex_output import CodexReader, inner_of
from mosaic.runtimes.readers import ExitCodeReader, Values, as_text, command_ran, parse_object

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mosaic.ports import Ending, Observation, ProcessEnd

KEPT = (b'"type":"event_msg"', b'"type":"session_meta"', b'"type":"token_usage_record"')


class CodexRolloutReader(CodexReader):
    """Reads the lines of one thread from one moment on."""

    leaves_out_cut_requests = False  # each request is counted
    marks: tuple[bytes, ...] = (
        b'"CommandExecution"', b'"FileChange"', b'"McpToolCall"', b'"session_meta"',
    )  # fmt: skip

    def __init__(self, since: datetime) -> None:
        super().__init__()
        self._since = since
        self._requests: Usage | None = None
        self.version = ""

    def usage(self, before: Usage) -> Usage | None:
        """Return the tokens of its own requests; of older versions, its part of the totals."""
        return self._requests or super().usage(before)

    def structured(self, line: bytes) -> bool:
        """Tell whether a line is evidence of this session."""
        return any(mark in line for mark in KEPT) and self._own(line) is not None

    def feed(self, line: bytes) -> list[Observation]:
        """Take one whole line."""
        event = self._own(line)
        return list(self._observe(event)) if event else []

    def calls(self, line: bytes) -> Iterator[ToolCall]:
        """Return the call in a line."""
        event = self._own(line) or Values()
        item = event.object("payload").object("item")
        kind = item.get("type")
        if kind == "CommandExecution":
            yield ToolCall(command=_command_of(item))
        elif kind == "FileChange":
            yield ToolCall(paths=tuple(map(as_text, item.object("changes"))))
        elif kind == "McpToolCall":
            yield ToolCall(words=json.dumps(item.get("arguments"), ensure_ascii=False))

    def _judge(self, end: ProcessEnd) -> Ending:
        if self._failure is not None or end.exit_code == 0:
            self._completed = True
            return super()._judge(end) if self._failure else self.ended_well()
        return ExitCodeReader.judge(self, end)

    def _observe(self, event: Values) -> Iterator[Observation]:
        payload = event.object("payload")
        kind = payload.get("type")
        if event.get("type") == "session_meta":
            self._thread = payload.text("id")
            self.version = payload.text("cli_version")
            yield ConversationKnown(conversation=self._thread)
        elif event.get("type") == "token_usage_record":
            used = payload.object("usage").usage()
            self._requests = sum_usage((self._requests or Usage(), used))
        elif event.get("type") != "event_msg":
            return
        elif kind == "task_started":
            self._completed, self._failure = False, None
        elif kind == "task_complete":
            self._completed = True
            self._failure = payload.object("error").text("message") or None
        elif kind == "token_count":
            yield from self._tokens_of(payload.object("info"))
        elif kind == "item_completed":
            yield from self._kept_item(payload.object("item"))

    def _tokens_of(self, info: Values) -> Iterator[Observation]:
        given = info.object("total_token_usage")
        if not given:
            return
        self._total = given.usage()
        yield UsageSeen(usage=self._total)

    def _kept_item(self, item: Values) -> Iterator[Observation]:
        kind = item.get("type")
        if kind == "AgentMessage":
            self._answer = "\n".join(p.text("text") for p in item.objects("content"))
            yield MessageSeen(text=self._answer)
        elif kind == "CommandExecution":
            yield command_ran(
                _command_of(item), item.get("exit_code"), failed=item.get("status") == "failed"
            )
        elif kind == "FileChange":
            changes = item.object("changes")
            for path in changes:
                kind = changes.object(path).text("type") or "update"
                yield FileTouched(path=as_text(path), kind=kind)

    def _own(self, line: bytes) -> Values | None:
        event = parse_object(line)
        if event is None:
            return None
        time = event.moment("timestamp")
        is_old = time is not None and time < self._since
        return None if is_old and event.get("type") != "session_meta" else event


def _command_of(item: Values) -> str:
    given = item.get("command")
    parts = [as_text(part) for part in given] if isinstance(given, list) else []
    return inner_of(parts) or " ".join(parts)
