"""opencode (`opencode`): how it is called, and what `opencode run --format json` writes.

Seen with 1.18.33. It keeps its conversations in a database of its own and nowhere else, so that
what it does in a terminal cannot be read along: it is started without one only.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from mosaic.model import Mode, Usage, sum_usage
from mosaic.ports import (
    ConversationKnown,
    EndCause,
    Ending,
    FileTouched,
    Invocation,
    MessageSeen,
    PromptChannel,
    ToolCall,
    ToolRefused,
    UsageSeen,
)
from mosaic.records import replace
from mosaic.runtimes.command import CommandRuntime
from mosaic.runtimes.readers import LONGEST_WORDS, EventReader, Values, command_ran, parse_object
from mosaic.text.harmless import harmless_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mosaic.ports import Launch, Observation, OutputReader, ProcessEnd
    from mosaic.settings import RuntimeSpec

EDIT_TOOLS_OF_OPENCODE = {"write": "add", "edit": "update", "multiedit": "update"}
QUIET_TOOLS = {
    "read", "grep", "glob", "list", "ls", "webfetch", "websearch", "codesearch", "todowrite",
    "todoread", "question", "skill", "lsp", "invalid",
}  # fmt: skip
"""Tools that change no file of the project."""
HELP_TEXT = "--thinking "
HIDDEN_TOOL = "unavailable tool"
"""A tool that is denied is hidden from the model; a call of it becomes one of `invalid`."""
REFUSAL_SIGNS = ("rejected permission to use", "specified a rule which prevents")
OPENCODE_CAUSES = (
    (r"ContextOverflow|prompt is too long|context length|context window", EndCause.CONTEXT_FULL),
    (r"credit balance|insufficient_quota|status 402", EndCause.QUOTA),
    (r"usage limit|usage_limit", EndCause.PLAN_LIMIT),
    (r"ProviderAuth|LoadAPIKey|API key|status 40[13]\b", EndCause.AUTH),
    (r"ModelNotFound|status 404\b", EndCause.MODEL),
    (r"content.filter|ContentFilter|refusal", EndCause.REFUSAL),
    (r"status 429\b|rate.limit", EndCause.RATE_LIMIT),
    (r"status 5\d\d\b|verloaded", EndCause.OVERLOADED),
    (r"ECONN|socket|connect|network|terminated", EndCause.CONNECTION),
)
"""Words of an error, with its name and status before them, and what they mean."""


class Opencode(CommandRuntime):
    """The `opencode` command line."""

    oldest = (1, 10)
    install_hint = "`npm install -g opencode-ai`"
    is_built_in = True

    def __init__(self, spec: RuntimeSpec) -> None:
        super().__init__(spec)
        if self._is_own:
            self.uses_terminal = False

    def _own_invocation(self, launch: Launch) -> Invocation:
        model = launch.model or self.spec.model
        resume = ("--session", launch.conversation) if launch.conversation else ()
        allowed = ("--agent", "plan") if launch.read_only else ("--auto",)
        options = (*resume, *(("--model", model) if model else ()), *self.spec.args)
        argv = ("opencode", "run", "--format", "json", *allowed, *options)
        return Invocation(argv=argv, channel=PromptChannel.STDIN)

    def reader(self, mode: Mode) -> OutputReader:
        """Return a fresh reader for one run's stdout."""
        return super().reader(Mode.HEADLESS if self._is_own else mode)

    def _new_reader(self) -> OutputReader:
        return OpencodeReader()

    def _has_conversation(self, conversation: str) -> bool:
        """Look for the conversation in its database."""
        import sqlite3  # start-up: only a resume asks

        path = self._home("XDG_DATA_HOME", "~/.local/share") / "opencode" / "opencode.db"
        try:
            place = f"{path.absolute().as_uri()}?mode=ro"
            with contextlib.closing(sqlite3.connect(place, uri=True)) as kept:
                sought = kept.execute("SELECT 1 FROM session WHERE id = ?", (conversation,))
                return sought.fetchone() is not None
        except sqlite3.Error:
            return path.exists()  # of a form that is not known: it says itself what it lacks


class OpencodeReader(EventReader):
    """Reads `--format json`, one event a line."""

    marks: tuple[bytes, ...] = (b'"tool_use"', b'"step_start"', b'"step_finish"', b'"error"')

    def __init__(self) -> None:
        super().__init__("opencode")
        self._conversation = ""
        self._answer = ""
        self._reason = ""
        self._error: Values | None = None
        self._steps: list[Usage] = []
        self._refused: list[str] = []

    @property
    def answer(self) -> str:
        """The last message."""
        return self._answer

    @property
    def has_result(self) -> bool:
        """Whether its last step was the last one, or failed."""
        return self._error is not None or self._reason not in ("", "tool-calls")

    def usage(self, before: Usage) -> Usage | None:
        """Return this run's tokens, and their cost where the price of the model is known."""
        del before
        return sum_usage(self._steps)

    def calls(self, line: bytes) -> Iterator[ToolCall]:
        """Return the call of a tool in a line."""
        event = parse_object(line) or Values()
        part = event.object("part")
        tool, given = part.text("tool"), part.object("state").object("input")
        if event.get("type") != "tool_use" or tool in QUIET_TOOLS:
            return
        if tool == "bash":
            yield ToolCall(command=given.text("command"))
        elif tool in EDIT_TOOLS_OF_OPENCODE:
            texts = (given.text("content"), given.text("newString"))
            yield ToolCall(paths=(given.text("filePath"),), written="\n".join(texts))
        else:
            yield ToolCall(words=json.dumps(given, ensure_ascii=False))

    def _refused_tools(self) -> Iterable[str]:
        return self._refused

    def _judge(self, end: ProcessEnd) -> Ending:
        if self._error is not None:
            return self._failed(self._error)
        if not self.has_result or end.exit_code != 0:
            said = harmless_text(end.stderr_tail)
            if not self._conversation and HELP_TEXT in said:
                return self.failure(
                    EndCause.USAGE, "it does not know an option, and shows its help"
                )
            plain = replace(end, stderr_tail=said)
            return self.early_ending(plain, has_begun=bool(self._conversation))
        if self._reason == "content-filter":
            return self.failure(EndCause.REFUSAL, self.answer or "no word why")
        if self._refused:
            return self.refused_ending("allow it in `permission` of its opencode.json")
        if not self.answer.strip():
            return self.empty_ending(has_worked=any(step.output_tokens for step in self._steps))
        return self.ended_well()

    def _failed(self, error: Values) -> Ending:
        data = error.object("data")
        words = data.text("message") or error.text("message") or error.text("name")
        status = data.count("statusCode")
        said = f"{error.text('name')} status {status} {words}"
        login = "run `opencode auth login`, or set the key of its provider"
        return self.known_failure(OPENCODE_CAUSES, words, login, signs=said)

    def _observe(self, event: Values) -> Iterator[Observation]:
        kind, part = event.get("type"), event.object("part")
        if event.text("sessionID") and not self._conversation:
            self._conversation = event.text("sessionID")
            yield ConversationKnown(conversation=self._conversation)
        if kind == "text" and part.text("text").strip() and not part.get("synthetic"):
            self._answer = part.text("text")
            yield MessageSeen(text=self._answer)
        elif kind == "tool_use":
            yield from self._used(part.text("tool"), part.object("state"))
        elif kind == "step_start":  # a full conversation is an error, and then goes on shortened
            self._reason, self._error = "", None
        elif kind == "step_finish":
            yield from self._step_ended(part)
        elif kind == "error":
            self._error = event.object("error")

    def _used(self, tool: str, state: Values) -> Iterator[Observation]:
        given, failed = state.object("input"), state.get("status") == "error"
        words = state.text("error") or given.text("error")
        is_hidden = tool == "invalid" and HIDDEN_TOOL in words
        tool = given.text("tool") if is_hidden else tool
        if tool == "task":
            self.tells_all_commands = False  # what sub-agents do stands nowhere in the stream
        if is_hidden or (failed and any(sign in words for sign in REFUSAL_SIGNS)):
            self._refused.append(tool)
            yield ToolRefused(tool=tool, detail=words[:LONGEST_WORDS])
        elif tool == "bash":
            code = state.object("metadata").get("exit")
            yield command_ran(given.get("command"), code, failed=failed or code is None)
        elif tool in EDIT_TOOLS_OF_OPENCODE and not failed:
            kind = EDIT_TOOLS_OF_OPENCODE[tool]
            yield FileTouched(path=given.text("filePath"), kind=kind)
        elif tool == "apply_patch" and not failed:
            for file in state.object("metadata").objects("files"):
                path = file.text("filePath") or file.text("relativePath")
                yield FileTouched(path=path, kind=file.text("type") or "update")

    def _step_ended(self, part: Values) -> Iterator[Observation]:
        self._reason = part.text("reason") or "unknown"
        tokens = part.object("tokens")
        cached = tokens.object("cache").count("read")
        written = tokens.object("cache").count("write")
        step = Usage(
            input_tokens=tokens.count("input") + cached + written,
            output_tokens=tokens.count("output") + tokens.count("reasoning"),
            cached_input_tokens=cached,
            cost_usd=part.money("cost") or None,
        )
        self._steps.append(step)
        yield UsageSeen(usage=sum_usage(self._steps) or step)
