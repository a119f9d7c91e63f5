"""Claude Code (`claude`): how it is called, and where it keeps its conversations.

Headless it is `claude -p --output-format stream-json --verbose`, the prompt by stdin. The
session id is chosen here, so that the conversation can be continued after any death.
"""

from __future__ import annotations

import glob
import json
import shlex
import uuid
from typing import TYPE_CHECKING

from mosaic.model import Mode
from mosaic.ports import Invocation, PromptChannel
from mosaic.runtimes.claude_output import ClaudeReader
from mosaic.runtimes.command import CommandRuntime, argument_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mosaic.ports import Launch, OutputReader, SoughtConversation, TranscriptReader
    from mosaic.settings import RuntimeSpec

PERMISSIONS = ("--permission-mode", "acceptEdits", "--allowedTools", "Bash")
LOOK_ONLY = ("--permission-mode", "plan")
OWN_PERMISSIONS = ("--permission-mode", "--dangerously-skip-permissions")


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
        options = (which, conversation, *self._hooks(launch), *self.options(launch, "--model"))
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

    def _hooks(self, launch: Launch) -> tuple[str, ...]:
        """Return the stop hook as an option; a person's own `--settings` would be lost by it."""
        if not launch.before_end or any(arg.startswith("--settings") for arg in self.spec.args):
            return ()
        command = {"type": "command", "command": shlex.join(launch.before_end), "timeout": 30}
        return ("--settings", json.dumps({"hooks": {"Stop": [{"hooks": [command]}]}}))

    def _has_conversation(self, conversation: str) -> bool:
        """Look for the conversation's transcript, which is there once its prompt was accepted."""
        return bool(self._kept(conversation, ".jsonl"))

    def transcripts(self, sought: SoughtConversation) -> Sequence[Path]:
        """Return the conversation's file, and those of its sub-agents."""
        if not (self._is_own and sought.conversation):
            return ()
        main = self._kept(sought.conversation, ".jsonl")
        return (*main, *self._kept(sought.conversation, "/subagents/agent-*.jsonl"))

    def transcript_reader(self, sought: SoughtConversation) -> TranscriptReader | None:
        """Return a reader of its own part of the conversation."""
        from mosaic.runtimes.claude_transcript import ClaudeTranscriptReader  # start-up

        if not self._is_own:
            return None
        return ClaudeTranscriptReader(sought.conversation or "", sought.since)

    def _kept(self, conversation: str, rest: str) -> list[Path]:
        folder = self._home("CLAUDE_CONFIG_DIR", "~/.claude")
        return sorted(folder.glob(f"projects/*/{glob.escape(conversation)}{rest}"))

    def _new_reader(self) -> OutputReader:
        return ClaudeReader()
