"""What `gemini --output-format stream-json --debug` writes; seen with 0.61.0.

An exit code alone says nothing: a stop exits with 0, and an API error with its HTTP status, of
which a process has eight bits. What counts is the `result` event. A message comes in pieces.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from mosaic.model import Usage
from mosaic.ports import (
    CommandRan,
    ConversationKnown,
    EndCause,
    Ending,
    FileTouched,
    MessageSeen,
    ToolCall,
    ToolRefused,
    UsageSeen,
)
from mosaic.records import replace
from mosaic.runtimes.readers import (
    LONGEST_WORDS,
    EventReader,
    Values,
    command_ran,
    parse_object,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mosaic.ports import Observation, ProcessEnd

SHELL_TOOL = "run_shell_command"
SUB_AGENT_TOOL = "invoke_agent"
EDIT_TOOLS = {"write_file": "add", "replace": "update"}
CALM_TOOLS = {
    "read_file", "read_many_files", "list_directory", "glob", "grep_search", "search_file_content",
    "google_web_search", "web_fetch", "write_todos", "ask_user", "update_topic", "activate_skill",
    "get_internal_docs", "enter_plan_mode", "exit_plan_mode", "complete_task",
}  # fmt: skip
"""Tools that change no file of the project."""
GEMINI_CAUSES = (
    (r"FatalTurnLimitedError|max session turns", EndCause.LIMIT),
    (r"limit: 0\b|G1_CREDITS", EndCause.QUOTA),
    (r"daily quota|exhausted your capacity", EndCause.PLAN_LIMIT),
    (r"is not found for API version|\"code\":404\b", EndCause.MODEL),
    (r"token count.{0,60} exceeds|too long|/compress|\"code\":413\b", EndCause.CONTEXT_FULL),
    (r"response was blocked due to", EndCause.REFUSAL),
    (r"\"code\":40[13]\b|API key|API_KEY|Auth method", EndCause.AUTH),
    (r"\"code\":429\b|request a quota increase|current quota", EndCause.RATE_LIMIT),
    (r"\"code\":5\d\d\b|overloaded|empty response", EndCause.OVERLOADED),
    (r"\"code\":408\b|fetch failed|ECONN|ETIMEDOUT|terminated|finish reason", EndCause.CONNECTION),
)
"""Words of a failed result, and what they mean; its type is nearly always `unknown`."""
NO_LOGIN_EXIT = 41
FORBIDDEN = re.compile(r"Tool execution (?:denied|blocked)|.{0,80}requires user confirmation")
HIDDEN = "not found"
"""A tool that no rule can allow is hidden from the model, and is not found if it calls it."""
STILL_RUNS = re.compile(r"Command (?:is running in|moved to|was) ")
"""How the report of a command begins that goes on in the background, or was stopped."""
AFTER_EXIT_CODE = ("Process Group PGID: ", "Background PIDs: ", "</")
MOST_OPEN_CALLS = 10_000
MOST_PIECES = 100_000


class GeminiReader(EventReader):
    """Reads `stream-json`, one event a line."""

    marks: tuple[bytes, ...] = (b'"init"', b'"tool_use"', b'"tool_result"', b'"result"')

    def __init__(self) -> None:
        super().__init__("gemini")
        self._conversation = ""
        self._pieces: list[str] = []
        self._answer = ""
        self._result: Values | None = None
        self._error = ""
        self._usage: Usage | None = None
        self._calls: dict[str, Values] = {}
        self._refused: list[str] = []

    @property
    def answer(self) -> str:
        """The last message."""
        return "".join(self._pieces) or self._answer

    @property
    def has_result(self) -> bool:
        """Whether it has said how it ended."""
        return self._result is not None

    def usage(self, before: Usage) -> Usage | None:
        """Return this run's tokens. Money is reported nowhere."""
        del before
        return self._usage

    def calls(self, line: bytes) -> Iterator[ToolCall]:
        """Return the call of a tool in a line."""
        event = parse_object(line) or Values()
        if event.get("type") == "tool_use":
            yield from call_of(event.text("tool_name"), event.object("parameters"))

    def _refused_tools(self) -> Iterable[str]:
        return self._refused

    def _judge(self, end: ProcessEnd) -> Ending:
        result = self._result
        if result is None or (result.get("status") == "success" and end.exit_code != 0):
            return self._early(end)
        if result.get("status") != "success":
            error = result.object("error")
            return self._failed(f"{error.text('type')} {error.text('message') or self._error}")
        if self._refused:
            return self.refused_ending("allow it with `args` of `gemini` in mission.json")
        if not self.answer.strip():
            return self.empty_ending(has_worked=bool(self._usage and self._usage.output_tokens))
        return self.ended_well()

    def _early(self, end: ProcessEnd) -> Ending:
        """Judge an end without a result: it was cut off, or would not start."""
        said = end.stderr_tail.partition("\nUsage: ")[0]
        if end.exit_code == NO_LOGIN_EXIT:
            return self._failed(f"API key: {' '.join(said.splitlines()[-2:])}")
        has_begun = bool(self._conversation)
        return self.early_ending(replace(end, stderr_tail=said), has_begun=has_begun)

    def _failed(self, words: str) -> Ending:
        login = "run `gemini` and log in, or set GEMINI_API_KEY"
        shown = words.removeprefix("unknown ").strip() or "no word why"
        return self.known_failure(GEMINI_CAUSES, shown, login, signs=words)

    def _observe(self, event: Values) -> Iterator[Observation]:
        kind = event.get("type")
        if kind == "init" and event.text("session_id"):
            self._conversation = event.text("session_id")
            yield ConversationKnown(conversation=self._conversation)
        elif kind == "message" and event.get("role") == "assistant":
            if len(self._pieces) < MOST_PIECES:
                self._pieces.append(event.text("content"))
        elif kind == "tool_use":
            yield from self._said()
            if event.get("tool_name") == SUB_AGENT_TOOL:
                self.tells_all_commands = False  # what those do stands nowhere in the stream
            if len(self._calls) < MOST_OPEN_CALLS:
                self._calls[event.text("tool_id")] = event
        elif kind == "tool_result":
            yield from self._answered(event)
        elif kind == "error":
            self._error = event.text("message")
        elif kind == "result":
            yield from self._said()
            yield from self._ended(event)

    def _said(self) -> Iterator[Observation]:
        """Take the pieces so far as one message."""
        text, self._pieces = "".join(self._pieces), []
        if text.strip():
            self._answer = text
            yield MessageSeen(text=text)

    def _answered(self, event: Values) -> Iterator[Observation]:
        call = self._calls.pop(event.text("tool_id"), None)
        if call is None:
            return
        yield from self._call_answered(
            call.text("tool_name"),
            call.object("parameters"),
            event.object("error").text("message") or event.text("output"),
            failed=event.get("status") == "error",
        )

    def _call_answered(
        self, tool: str, given: Values, words: str, *, failed: bool
    ) -> Iterator[Observation]:
        """Report what came of a call, by the words that it was answered with."""
        is_known = tool == SHELL_TOOL or tool in EDIT_TOOLS or tool in CALM_TOOLS
        if failed and (FORBIDDEN.match(words) or (HIDDEN in words[:80] and is_known)):
            self._refused.append(tool)
            yield ToolRefused(tool=tool, detail=words[:LONGEST_WORDS])
        elif tool == SHELL_TOOL:
            yield from _command_of(given.text("command"), words, failed=failed)
        elif tool in EDIT_TOOLS and not failed:
            yield FileTouched(path=given.text("file_path"), kind=EDIT_TOOLS[tool])

    def _ended(self, event: Values) -> Iterator[Observation]:
        self._result = event
        stats = event.object("stats")
        total, given = stats.count("total_tokens"), stats.count("input_tokens")
        self._usage = Usage(
            input_tokens=given,
            output_tokens=max(total - given, stats.count("output_tokens")),
            cached_input_tokens=stats.count("cached"),
        )
        yield UsageSeen(usage=self._usage)


def call_of(tool: str, given: Values) -> Iterator[ToolCall]:
    """Return a call of a tool that may change files."""
    if tool == SHELL_TOOL:
        yield ToolCall(command=given.text("command"))
    elif tool in EDIT_TOOLS:
        texts = (given.text("content"), given.text("new_string"))
        yield ToolCall(paths=(given.text("file_path"),), written="\n".join(texts))
    elif tool not in CALM_TOOLS:
        yield ToolCall(words=json.dumps(given, ensure_ascii=False))


def _command_of(command: str, report: str, *, failed: bool) -> Iterator[CommandRan]:
    """Return a command that ran to its end, by the report that the model is given of it."""
    report = report.removeprefix("<untrusted_context>\n")
    if STILL_RUNS.match(report):
        return
    if failed or not report.startswith("Output:"):
        yield command_ran(command, None, failed=failed)
        return
    lines = report[-LONGEST_WORDS:].rstrip().splitlines()
    while lines and lines[-1].startswith(AFTER_EXIT_CODE):
        lines.pop()
    last = lines[-1] if lines else ""
    code = re.match(r"Exit Code: (\d{1,9})\Z", last)
    is_killed = last.startswith("Signal: ")
    exit_code = None if is_killed else int(code[1]) if code else 0
    yield command_ran(command, exit_code, failed=is_killed)
