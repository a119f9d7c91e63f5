"""What `claude -p --output-format stream-json` writes; seen with 2.1.329 to 2.1.332.

An exit code alone says nothing: an interrupt exits with 0 and no answer, an API error says
`subtype: success`. What counts is the last `result` event.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from mosaic.model import Usage, sum_usage
from mosaic.ports import (
    ConversationKnown,
    EndCause,
    Ending,
    FileTouched,
    MessageSeen,
    RetrySeen,
    ToolCall,
    ToolRefused,
    UsageSeen,
)
from mosaic.records import replace
from mosaic.runtimes.readers import (
    LONGEST_WORDS,
    EventReader,
    Values,
    as_text,
    command_ran,
    own_part,
    parse_object,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mosaic.ports import Observation, ProcessEnd

FILE_TOOLS = {"Write": "add", "Edit": "update", "MultiEdit": "update", "NotebookEdit": "update"}
LOOKING_TOOLS = {
    "Read", "Grep", "Glob", "LS", "NotebookRead", "WebFetch", "WebSearch", "TodoWrite", "Task",
    "Agent", "TaskOutput", "BashOutput", "KillShell", "ToolSearch", "Skill", "ExitPlanMode",
}  # fmt: skip
"""Tools that change no file themselves; what a sub-agent calls stands in lines of its own."""
REQUEST_TIMEOUT = 408
TOO_LARGE = 413
TOO_MANY_REQUESTS = 429
SERVER_FAULT = 500
LIMIT_WORDS = re.compile(
    r"limit reached\||(?:hit|reached) your .*limit|limit · resets", re.IGNORECASE
)
FULL_WORDS = re.compile(r"prompt is too long|context window limit|Request too large", re.IGNORECASE)
REFUSED_BY_HOOK = re.compile(
    r"(?:UserPromptSubmit|SessionStart) operation (?:blocked|stopped) by hook"
)
NOT_RUN = re.compile(
    r"(?:<tool_use_error>)?(?:Error: )?(?:(?:PreToolUse:\w+ )?hook error|No such tool available"
    r"|Claude requested permissions? |Permission to use )"
)
"""How the answer of a call begins that was refused before it ran."""
INTERRUPTED = "The user doesn't want to proceed"
"""How it begins where the call was interrupted; nobody knows how far it had come."""
IN_BACKGROUND = re.compile(r"Command running in background|.*moved to the background", re.DOTALL)
MOST_PENDING_CALLS = 10_000


class ClaudeReader(EventReader):
    """Reads `stream-json`, one event a line."""

    marks: tuple[bytes, ...] = (b'"result"', b'"system"', b"tool_use")
    """What stands in results, in the first event, and in calls of tools with their answers."""

    def __init__(self) -> None:
        super().__init__("claude")
        self._result: Values | None = None
        self._has_begun = self._has_spoken = self._is_in_turn = self._has_tasks = False
        self._tokens = Usage()
        self._costs = 0.0
        self._refused: dict[str, str] = {}
        self._background: dict[str, Values] = {}
        self._calls: dict[str, Values] = {}
        self._conversation = ""

    @property
    def answer(self) -> str:
        """The final answer; one that follows a schema, as JSON."""
        result = self._result or Values()
        structured = result.get("structured_output")
        if isinstance(structured, dict):
            return as_text(json.dumps(structured, ensure_ascii=False))
        return result.text("result")

    def usage(self, before: Usage) -> Usage | None:
        """Return this run's tokens, and its part of the conversation's cost."""
        if self._result is None:
            return None
        cost = own_part(self._result.money("total_cost_usd"), before.cost_usd)
        if self._costs:
            # A total leaves out a request that an earlier run was interrupted in.
            cost = max(cost or 0.0, self._costs)
        return replace(self._tokens, cost_usd=cost)

    @property
    def has_result(self) -> bool:
        """Whether its last turn has ended."""
        return self._result is not None and not self._is_in_turn

    @property
    def awaits_background(self) -> bool:
        """Whether commands in the background go on."""
        return self._has_tasks

    def calls(self, line: bytes) -> Iterator[ToolCall]:
        """Return the calls of tools in a line."""
        event = self._event_of(line)
        message = event.object("message") if event else Values()
        for part in message.objects("content"):
            tool, given = part.text("name"), part.object("input")
            if part.get("type") != "tool_use" or tool in LOOKING_TOOLS:
                continue
            if tool == "Bash":
                yield ToolCall(command=given.text("command"))
            elif tool in FILE_TOOLS:
                path = given.text("file_path") or given.text("notebook_path")
                texts = (given.text("content"), given.text("new_string"))
                yield ToolCall(paths=(path,), written="\n".join(texts))
            else:
                yield ToolCall(words=json.dumps(given, ensure_ascii=False))

    def _event_of(self, line: bytes) -> Values | None:
        return parse_object(line)

    def _refused_tools(self) -> Iterable[str]:
        return self._refused.values()

    def _judge(self, end: ProcessEnd) -> Ending:
        result = self._result
        if result is not None and result.get("is_error"):
            return self._judge_error(result)
        if result is None or end.exit_code != 0:
            has_begun = self._has_begun or result is not None
            return self.early_ending(end, has_begun=has_begun)
        has_worked = self._has_spoken or self._tokens.output_tokens > 0
        if REFUSED_BY_HOOK.match(self.answer) or not (has_worked or self.answer.strip()):
            return self.failure(EndCause.HOOK, self.answer or "there was no request at all")
        if self._refused:
            return self.refused_ending("allow it with `args` of `claude` in mission.json")
        if not self.answer.strip():
            return self.empty_ending(has_worked=bool(self._tokens.output_tokens))
        return self.ended_well()

    def _judge_error(self, result: Values) -> Ending:
        answer = self.answer
        subtype = result.text("subtype")
        given = result.get("errors")
        errors = "; ".join(filter(None, map(as_text, given if isinstance(given, list) else ())))
        words = answer or errors or subtype
        if cause := cause_of_error(result, answer):
            login = "run `claude` and log in, or set ANTHROPIC_API_KEY"
            return self.failure(cause, words, login if cause is EndCause.AUTH else "")
        if "No conversation found" in words:
            return Ending(
                ok=False,
                cause=EndCause.USAGE,
                message=f"`claude` no longer has that conversation: {words[:500]}",
                hint="`mission resume` begins a new one",
            )
        if subtype == "error_during_execution":
            return Ending(
                ok=False,
                cause=EndCause.CUT,
                retryable=True,
                message="`claude` was interrupted before its answer was complete",
                hint="`mission resume` goes on with the same conversation",
            )
        return self.failure(EndCause.API_ERROR, words)

    def _observe(self, event: Values) -> Iterator[Observation]:
        kind = event.get("type")
        session = event.text("session_id")
        if session and session != self._conversation and kind in ("system", "result"):
            self._conversation = session
            yield ConversationKnown(conversation=session)
        if kind == "system":
            self._has_begun = True
            yield from self._notice(event)
        elif kind == "assistant":
            self._has_spoken = self._is_in_turn = True
            yield from self._said(event.object("message"))
        elif kind == "user":
            yield from self._answered(event)
        elif kind == "result":
            yield from self._ended(event)

    def _notice(self, event: Values) -> Iterator[Observation]:
        kind = event.get("subtype")
        if kind == "api_retry":
            yield RetrySeen(
                attempt=event.count("attempt"),
                detail=event.text("error") or as_text(str(event.get("error_status"))),
            )
        elif kind == "background_tasks_changed":
            self._has_tasks = bool(event.objects("tasks"))
        elif kind == "task_notification":
            yield from self._background_ended(
                event.text("tool_use_id"), event.text("status"), event.text("summary")
            )

    def _background_ended(self, call_id: str, status: str, words: str) -> Iterator[Observation]:
        """Report a command that went on in the background, now that its end is known."""
        call = self._background.pop(call_id, None)
        if call is None:
            return
        code = re.search(r"exit code (\d+)", words)
        exit_code = int(code[1]) if code else 0 if status == "completed" else None
        command = call.object("input").get("command")
        yield command_ran(command, exit_code, failed=status != "completed")

    def _said(self, message: Values) -> Iterator[Observation]:
        for part in message.objects("content"):
            if part.get("type") == "text" and part.text("text").strip():
                yield MessageSeen(text=part.text("text"))
            elif part.get("type") == "tool_use" and len(self._calls) < MOST_PENDING_CALLS:
                self._calls[part.text("id")] = part

    def _answered(self, event: Values) -> Iterator[Observation]:
        message, more = event.object("message"), event.object("tool_use_result")
        for part in message.objects("content"):
            call = self._calls.pop(part.text("tool_use_id"), None)
            if part.get("type") != "tool_result" or call is None:
                continue
            yield from self._call_answered(call, part, more)

    def _call_answered(self, call: Values, part: Values, more: Values) -> Iterator[Observation]:
        given, tool = call.object("input"), call.text("name")
        failed = part.get("is_error") is True
        texts = (each.text("text") for each in part.objects("content"))
        text = part.text("content") or "\n".join(texts)
        if failed and NOT_RUN.match(text):
            self._refused[call.text("id")] = tool
            yield ToolRefused(tool=tool, detail=text[:LONGEST_WORDS])
        elif failed and text.startswith(INTERRUPTED):
            return
        elif tool == "Bash" and (more.get("backgroundTaskId") or IN_BACKGROUND.match(text)):
            self._background[call.text("id")] = call
        elif tool == "Bash":
            code = re.match(r"(?:Error: )?Exit code (\d+)", text)
            exit_code = int(code[1]) if code else None if failed else 0
            if exit_code == 0 and more.get("returnCodeInterpretation"):
                # `grep`, `test` and the like answered no, which claude calls no error.
                exit_code, failed = 1, True
            yield command_ran(given.get("command"), exit_code, failed=failed)
        elif tool in FILE_TOOLS and not failed:
            path = given.text("file_path") or given.text("notebook_path")
            yield FileTouched(path=path, kind=FILE_TOOLS[tool])

    def _ended(self, event: Values) -> Iterator[Observation]:
        self._result = event
        self._is_in_turn = False
        models = event.object("model_usage_since_last_result")
        parts = [_model_usage(models.object(name)) for name in models]
        if "model_usage_since_last_result" not in event:
            parts = [plain_usage(event)]
        tokens = sum_usage((self._tokens, *parts)) or self._tokens
        self._tokens = replace(tokens, cost_usd=event.money("total_cost_usd"))
        self._costs += sum(part.cost_usd or 0.0 for part in parts)
        for denial in event.objects("permission_denials"):
            call_id = denial.text("tool_use_id")
            if call_id and call_id in self._refused:
                continue
            tool = denial.text("tool_name") or "a tool"
            self._refused[call_id or tool] = tool
            yield ToolRefused(tool=tool, detail=str(denial.get("tool_input"))[:LONGEST_WORDS])
        yield UsageSeen(usage=self._tokens)


def _model_usage(given: Values) -> Usage:
    """Return what one model used since the last result: also for sub-agents and compaction."""
    cached = given.count("cacheReadInputTokens")
    return Usage(
        input_tokens=given.count("inputTokens") + given.count("cacheCreationInputTokens") + cached,
        output_tokens=given.count("outputTokens"),
        cached_input_tokens=cached,
        cost_usd=given.money("costUSD"),
    )


def plain_usage(event: Values) -> Usage:
    """Return what one message used, or what a result of an older version says of all."""
    given = event.object("usage")
    cached = given.count("cache_read_input_tokens")
    return Usage(
        input_tokens=given.count("input_tokens")
        + given.count("cache_creation_input_tokens")
        + cached,
        output_tokens=given.count("output_tokens"),
        cached_input_tokens=cached,
    )


def cause_of_error(error: Values, answer: str) -> EndCause | None:
    """Return the cause of an error, from a result or from a line of a transcript."""
    status = error.count("api_error_status") or error.count("apiErrorStatus")
    kind = error.get("api_error") or error.get("apiError")
    subtype = error.get("subtype")
    lost = kind == "connection_failed" or status == REQUEST_TIMEOUT
    signs = (
        (status in (401, 403) or answer.startswith("Not logged in"), EndCause.AUTH),
        (FULL_WORDS.search(answer) or status == TOO_LARGE, EndCause.CONTEXT_FULL),
        ("safeguards flagged" in answer, EndCause.REFUSAL),
        ("redit balance is too low" in answer, EndCause.QUOTA),
        ("issue with the selected model" in answer, EndCause.MODEL),
        (LIMIT_WORDS.search(answer), EndCause.PLAN_LIMIT),
        (status == TOO_MANY_REQUESTS, EndCause.RATE_LIMIT),
        (status >= SERVER_FAULT or "Overloaded" in answer, EndCause.OVERLOADED),
        (lost or "Connection dropped" in answer, EndCause.CONNECTION),
        (subtype in ("error_max_turns", "error_max_budget_usd"), EndCause.LIMIT),
    )
    return next((cause for is_so, cause in signs if is_so), None)
