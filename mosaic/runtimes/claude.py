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
    ToolRefused,
    UsageSeen,
)
from mosaic.runtimes.command import custom_invocation
from mosaic.runtimes.common import (
    PARENT_MARKS,
    argument_prompt,
    as_count,
    as_dict,
    as_list,
    as_money,
    as_text,
    cut_ending,
    parse_object,
    probe_program,
    usage_ending,
)
from mosaic.runtimes.plain import ExitCodeReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OLDEST = (2, 1)
"""The oldest version that is known to have the options that are used here."""
INSTALL = "`npm install -g @anthropic-ai/claude-code`"
PERMISSIONS = ("--permission-mode", "acceptEdits", "--allowedTools", "Bash")
LOOK_ONLY = ("--permission-mode", "plan")
OWN_PERMISSIONS = ("--permission-mode", "--dangerously-skip-permissions")
FILE_TOOLS = {"Write": "add", "Edit": "update", "MultiEdit": "update", "NotebookEdit": "update"}
RETRYABLE_STATUS = (500, 502, 503, 504, 529)
MOST_PENDING_CALLS = 10_000
TOO_MANY_REQUESTS = 429
MARKS = (b'"result"', b'"system"', b"tool_use")


class Claude:
    """The `claude` command line."""

    name = "claude"

    def __init__(
        self, spec: RuntimeSpec, *, new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    ) -> None:
        self._spec = spec
        self._new_id = new_id

    def invocation(self, launch: Launch) -> Invocation:
        """Say how to start it."""
        if self._spec.command:
            return custom_invocation(self._spec, launch)
        conversation = launch.conversation or self._new_id()
        which = (
            ("--resume", conversation) if launch.conversation else ("--session-id", conversation)
        )
        model = launch.model or self._spec.model
        folders = tuple(part for path in launch.folders for part in ("--add-dir", str(path)))
        options = (*which, *(("--model", model) if model else ()), *folders, *self._spec.args)
        if launch.mode is Mode.INTERACTIVE:
            # Options that take several values would swallow a prompt behind them.
            argv = ("claude", *options, "--", argument_prompt(launch))
            channel = PromptChannel.ARGUMENT
        else:
            output = ("-p", "--output-format", "stream-json", "--verbose")
            schema = ("--json-schema", launch.answer_schema.text) if launch.answer_schema else ()
            permissions = _permissions(launch, self._spec.args)
            argv = ("claude", *output, *permissions, *options, *schema)
            channel = PromptChannel.STDIN
        return Invocation(
            argv=argv,
            channel=channel,
            env=self._spec.env,
            unset=PARENT_MARKS,
            conversation=conversation,
        )

    def can_continue(self, conversation: str) -> bool:
        """Look for the conversation's transcript, which is there once its prompt was accepted."""
        if self._spec.command:
            return bool(self._spec.resume)
        home = self._spec.env.get("CLAUDE_CONFIG_DIR") or os.environ.get("CLAUDE_CONFIG_DIR")
        folder = Path(home) if home else Path("~/.claude").expanduser()
        return any(folder.glob(f"projects/*/{glob.escape(conversation)}.jsonl"))

    def reader(self, mode: Mode) -> OutputReader:
        """Return a fresh reader for one run's stdout."""
        if mode is Mode.INTERACTIVE:
            return ExitCodeReader("claude")
        return ClaudeReader()

    def probe(self) -> Probe:
        """Look whether it is installed, and which version."""
        program = self._spec.command[0] if self._spec.command else "claude"
        return probe_program(program, INSTALL, oldest=OLDEST)


def _permissions(launch: Launch, args: tuple[str, ...]) -> tuple[str, ...]:
    """Return what it may do unasked; what the user's own `args` say of that wins."""
    if any(arg.startswith(OWN_PERMISSIONS) for arg in args) and not launch.read_only:
        return ()
    return LOOK_ONLY if launch.read_only else PERMISSIONS


class ClaudeReader:
    """Reads `stream-json`, one event a line."""

    def __init__(self) -> None:
        self._result: dict[str, Any] | None = None
        self._started = False
        self._tokens = Usage()
        self._calls: dict[str, dict[str, Any]] = {}
        self._conversation = ""

    def feed(self, line: bytes) -> list[Observation]:
        """Take one whole line."""
        event = parse_object(line)
        return list(self._observe(event)) if event else []

    def structured(self, line: bytes) -> bool:
        """Tell whether a line is an event."""
        return line.startswith(b"{")

    @property
    def answer(self) -> str:
        """The final answer; one that was held to a schema, as JSON."""
        result = self._result or {}
        structured = result.get("structured_output")
        if isinstance(structured, dict):
            return as_text(json.dumps(structured, ensure_ascii=False))
        return as_text(result.get("result"))

    @property
    def marks(self) -> tuple[bytes, ...]:
        """What stands in results, in the first event, and in calls of tools with their answers."""
        return MARKS

    def usage(self, before: Usage) -> Usage | None:
        """Return this run's tokens, and its part of the conversation's cost."""
        if self._result is None:
            return None
        cost = as_money(self._result.get("total_cost_usd"))
        if cost is not None and before.cost_usd and cost >= before.cost_usd:
            cost -= before.cost_usd
        return Usage(
            input_tokens=self._tokens.input_tokens,
            output_tokens=self._tokens.output_tokens,
            cached_input_tokens=self._tokens.cached_input_tokens,
            cost_usd=cost,
        )

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge the end by the last result."""
        result = self._result
        if result is None:
            if not self._started and end.exit_code > 0 and end.stderr_tail.strip():
                return usage_ending("claude", end.stderr_tail, end.exit_code)
            return cut_ending("claude", end.exit_code, end.stderr_tail)
        if result.get("is_error"):
            return _judge_error(result, self.answer)
        if end.exit_code != 0:
            return cut_ending("claude", end.exit_code, end.stderr_tail)
        return self._judge_answer(result)

    def _judge_answer(self, result: dict[str, Any]) -> Ending:
        denials = [
            as_text(as_dict(d).get("tool_name")) or "a tool"
            for d in as_list(result.get("permission_denials"))
        ]
        if denials:
            names = ", ".join(f"`{name}`" for name in dict.fromkeys(denials))
            return Ending(
                ok=True,
                cause=EndCause.REFUSED,
                message=f"`claude` ended well, but was not allowed to use {names}",
                warnings=(f"not allowed: {names}",),
                hint="allow it with `args` of `claude` in mission.json",
            )
        if not self.answer.strip():
            silent = not self._tokens.output_tokens
            return Ending(
                ok=not silent,
                cause=EndCause.EMPTY,
                message="`claude` ended without an answer",
                warnings=("the answer is empty",),
                hint="look at the prompt in the run record" if silent else None,
            )
        return Ending(ok=True, cause=EndCause.OK, message="`claude` ended well")

    def _observe(self, event: dict[str, Any]) -> Iterator[Observation]:
        kind = event.get("type")
        session = as_text(event.get("session_id"))
        if session and session != self._conversation and kind in ("system", "result"):
            self._conversation = session
            yield ConversationKnown(conversation=session)
        if kind == "system":
            self._started = True
            if event.get("subtype") == "api_retry":
                yield RetrySeen(
                    attempt=as_count(event.get("attempt")),
                    detail=as_text(event.get("error")) or as_text(str(event.get("error_status"))),
                )
        elif kind == "assistant":
            yield from self._said(as_dict(event.get("message")))
        elif kind == "user":
            yield from self._answered(event)
        elif kind == "result":
            yield from self._ended(event)

    def _said(self, message: dict[str, Any]) -> Iterator[Observation]:
        for part in map(as_dict, as_list(message.get("content"))):
            if part.get("type") == "text" and as_text(part.get("text")).strip():
                yield MessageSeen(text=as_text(part["text"]))
            elif part.get("type") == "tool_use" and len(self._calls) < MOST_PENDING_CALLS:
                self._calls[as_text(part.get("id"))] = part

    def _answered(self, event: dict[str, Any]) -> Iterator[Observation]:
        message, more = as_dict(event.get("message")), as_dict(event.get("tool_use_result"))
        for part in map(as_dict, as_list(message.get("content"))):
            call = self._calls.pop(as_text(part.get("tool_use_id")), None)
            if part.get("type") != "tool_result" or call is None:
                continue
            given = as_dict(call.get("input"))
            tool = as_text(call.get("name"))
            failed = part.get("is_error") is True
            if tool == "Bash":
                text = _result_text(part.get("content"))
                code = re.match(r"(?:Error: )?Exit code (\d+)", text)
                exit_code = int(code[1]) if code else None if failed else 0
                if exit_code == 0 and more.get("returnCodeInterpretation"):
                    # `grep`, `test` and the like answered no, which claude calls no error.
                    exit_code, failed = 1, True
                yield CommandRan(
                    command=as_text(given.get("command")), exit_code=exit_code, failed=failed
                )
            elif tool in FILE_TOOLS and not failed:
                path = as_text(given.get("file_path")) or as_text(given.get("notebook_path"))
                yield FileTouched(path=path, kind=FILE_TOOLS[tool])

    def _ended(self, event: dict[str, Any]) -> Iterator[Observation]:
        self._result = event
        given = as_dict(event.get("usage"))
        cached = as_count(given.get("cache_read_input_tokens"))
        fresh = as_count(given.get("input_tokens"))
        created = as_count(given.get("cache_creation_input_tokens"))
        self._tokens = Usage(
            input_tokens=self._tokens.input_tokens + fresh + created + cached,
            output_tokens=self._tokens.output_tokens + as_count(given.get("output_tokens")),
            cached_input_tokens=self._tokens.cached_input_tokens + cached,
            cost_usd=as_money(event.get("total_cost_usd")),
        )
        for denial in map(as_dict, as_list(event.get("permission_denials"))):
            yield ToolRefused(
                tool=as_text(denial.get("tool_name")), detail=str(denial.get("tool_input"))[:500]
            )
        yield UsageSeen(usage=self._tokens)


def _result_text(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(as_text(as_dict(part).get("text")) for part in as_list(content))


def _judge_error(result: dict[str, Any], answer: str) -> Ending:
    """Judge a result that says it is an error."""
    status = result.get("api_error_status")
    subtype = as_text(result.get("subtype"))
    errors = [as_text(error) for error in as_list(result.get("errors"))]
    words = " ".join((answer or "; ".join(filter(None, errors)) or subtype).split())[:500]
    if status in (401, 403) or answer.startswith("Not logged in"):
        return Ending(
            ok=False,
            cause=EndCause.AUTH,
            message=f"`claude` is not logged in: {words}",
            hint="run `claude` and log in, or set ANTHROPIC_API_KEY",
        )
    if "prompt is too long" in answer.lower():
        return Ending(
            ok=False,
            cause=EndCause.CONTEXT_FULL,
            message=f"`claude` has no room left: {words}",
            hint="`mission resume --fresh` begins a new conversation",
        )
    if status == TOO_MANY_REQUESTS:
        return Ending(
            ok=False,
            cause=EndCause.RATE_LIMIT,
            retryable=True,
            message=f"`claude` was turned away by a rate limit: {words}",
            hint="try again later: `mission resume`",
        )
    if status in RETRYABLE_STATUS:
        return Ending(
            ok=False,
            cause=EndCause.OVERLOADED,
            retryable=True,
            message=f"the model server could not answer `claude`: {words}",
            hint="try again later: `mission resume`",
        )
    if as_text(result.get("api_error")) == "connection_failed" or "Connection dropped" in answer:
        return Ending(
            ok=False,
            cause=EndCause.CONNECTION,
            retryable=True,
            message=f"`claude` lost its connection: {words}",
            hint="look at the network, then `mission resume`",
        )
    if subtype in ("error_max_turns", "error_max_budget_usd"):
        return Ending(
            ok=False,
            cause=EndCause.LIMIT,
            message=f"`claude` met its limit: {words}",
            hint="raise it in `args` of `claude` in mission.json, then `mission resume`",
        )
    if "No conversation found" in words:
        return Ending(
            ok=False,
            cause=EndCause.USAGE,
            message=f"`claude` has not got that conversation any more: {words}",
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
    return Ending(ok=False, cause=EndCause.API_ERROR, message=f"`claude` failed: {words}")
