"""Claude Code (`claude`): how it is called, what it says, how its end is judged.

Headless it is `claude -p --output-format stream-json --verbose`, the prompt by stdin. The
session id is chosen here, so that the conversation can be continued after any death. An
exit code alone says nothing: an interrupt exits with 0 and no answer, an API error says
`subtype: success`. What counts is the last `result` event.
"""

from __future__ import annotations

import glob
import json
import os
import re
import uuid
from pathlib import Path
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
    ToolRefused,
    UsageSeen,
)
from mosaic.records import replace
from mosaic.runtimes.command import CommandRuntime, argument_prompt
from mosaic.runtimes.readers import EventReader, Values, as_text, command_ran, own_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mosaic.model import RuntimeSpec
    from mosaic.ports import Launch, Observation, OutputReader, ProcessEnd

PERMISSIONS = ("--permission-mode", "acceptEdits", "--allowedTools", "Bash")
LOOK_ONLY = ("--permission-mode", "plan")
OWN_PERMISSIONS = ("--permission-mode", "--dangerously-skip-permissions")
FILE_TOOLS = {"Write": "add", "Edit": "update", "MultiEdit": "update", "NotebookEdit": "update"}
OVERLOADED_STATUS = (500, 502, 503, 504, 529)
TOO_MANY_REQUESTS = 429
MOST_PENDING_CALLS = 10_000


class Claude(CommandRuntime):
    """The `claude` command line."""

    oldest = (2, 1)
    install_hint = "`npm install -g @anthropic-ai/claude-code`"
    is_built_in = True

    def __init__(
        self, spec: RuntimeSpec, *, new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    ) -> None:
        super().__init__(spec)
        self._new_id = new_id

    def _own_invocation(self, launch: Launch) -> Invocation:
        conversation = launch.conversation or self._new_id()
        which = "--resume" if launch.conversation else "--session-id"
        options = (which, conversation, *self.options(launch, "--model"))
        if launch.mode is Mode.INTERACTIVE:
            # Options that take several values would swallow a prompt behind them.
            argv = ("claude", *options, "--", argument_prompt(launch))
            channel = PromptChannel.ARGUMENT
        else:
            output = ("-p", "--output-format", "stream-json", "--verbose")
            schema = ("--json-schema", launch.answer_schema.text) if launch.answer_schema else ()
            has_own = any(arg.startswith(OWN_PERMISSIONS) for arg in self.spec.args)
            permissions = LOOK_ONLY if launch.read_only else () if has_own else PERMISSIONS
            argv = ("claude", *output, *permissions, *options, *schema)
            channel = PromptChannel.STDIN
        return Invocation(argv=argv, channel=channel, conversation=conversation)

    def _has_conversation(self, conversation: str) -> bool:
        """Look for the conversation's transcript, which is there once its prompt was accepted."""
        home = self.spec.env.get("CLAUDE_CONFIG_DIR") or os.environ.get("CLAUDE_CONFIG_DIR")
        folder = Path(home) if home else Path("~/.claude").expanduser()
        return any(folder.glob(f"projects/*/{glob.escape(conversation)}.jsonl"))

    def _new_reader(self) -> OutputReader:
        return ClaudeReader()


class ClaudeReader(EventReader):
    """Reads `stream-json`, one event a line."""

    marks = (b'"result"', b'"system"', b"tool_use")
    """What stands in results, in the first event, and in calls of tools with their answers."""

    def __init__(self) -> None:
        super().__init__("claude")
        self._result: Values | None = None
        self._has_begun = False
        self._tokens = Usage()
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
        cost = self._result.money("total_cost_usd")
        return replace(self._tokens, cost_usd=own_part(cost, before.cost_usd))

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge the end by the last result."""
        result = self._result
        if result is not None and result.get("is_error"):
            return self._judge_error(result)
        if result is None or end.exit_code != 0:
            has_begun = self._has_begun or result is not None
            return self.early_ending(end, has_begun=has_begun)
        denied = [
            each.text("tool_name") or "a tool" for each in result.objects("permission_denials")
        ]
        if denied:
            names = ", ".join(f"`{name}`" for name in dict.fromkeys(denied))
            return Ending(
                ok=True,
                cause=EndCause.REFUSED,
                message=f"`claude` ended well, but was not allowed to use {names}",
                warnings=(f"not allowed: {names}",),
                hint="allow it with `args` of `claude` in mission.json",
            )
        if not self.answer.strip():
            return self.empty_ending(has_worked=bool(self._tokens.output_tokens))
        return self.ended_well()

    def _judge_error(self, result: Values) -> Ending:
        answer = self.answer
        subtype = result.text("subtype")
        given = result.get("errors")
        errors = "; ".join(filter(None, map(as_text, given if isinstance(given, list) else ())))
        words = answer or errors or subtype
        status = result.get("api_error_status")
        lost = result.text("api_error") == "connection_failed"
        signs = (
            (status in (401, 403) or answer.startswith("Not logged in"), EndCause.AUTH),
            ("prompt is too long" in answer.lower(), EndCause.CONTEXT_FULL),
            (status == TOO_MANY_REQUESTS, EndCause.RATE_LIMIT),
            (status in OVERLOADED_STATUS, EndCause.OVERLOADED),
            (lost or "Connection dropped" in answer, EndCause.CONNECTION),
            (subtype in ("error_max_turns", "error_max_budget_usd"), EndCause.LIMIT),
        )
        if cause := next((cause for is_so, cause in signs if is_so), None):
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
            if event.get("subtype") == "api_retry":
                yield RetrySeen(
                    attempt=event.count("attempt"),
                    detail=event.text("error") or as_text(str(event.get("error_status"))),
                )
        elif kind == "assistant":
            yield from self._said(event.object("message"))
        elif kind == "user":
            yield from self._answered(event)
        elif kind == "result":
            yield from self._ended(event)

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
            given = call.object("input")
            tool = call.text("name")
            failed = part.get("is_error") is True
            if tool == "Bash":
                texts = (each.text("text") for each in part.objects("content"))
                text = part.text("content") or "\n".join(texts)
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
        given, before = event.object("usage"), self._tokens
        cached = given.count("cache_read_input_tokens")
        fresh = given.count("input_tokens")
        created = given.count("cache_creation_input_tokens")
        self._tokens = Usage(
            input_tokens=before.input_tokens + fresh + created + cached,
            output_tokens=before.output_tokens + given.count("output_tokens"),
            cached_input_tokens=before.cached_input_tokens + cached,
            cost_usd=event.money("total_cost_usd"),
        )
        for denial in event.objects("permission_denials"):
            yield ToolRefused(
                tool=denial.text("tool_name"), detail=str(denial.get("tool_input"))[:500]
            )
        yield UsageSeen(usage=self._tokens)
