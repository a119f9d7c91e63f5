"""Gemini CLI (`gemini`): how it is called, and where it keeps its conversations.

Headless it is `gemini --output-format stream-json`, the prompt by stdin. The session id is
chosen here, so that the conversation can be continued after any death. `--debug` makes it write
the exit code of a command that also wrote something; without it, nothing tells of that.
"""

from __future__ import annotations

import glob
import uuid
from typing import TYPE_CHECKING

from mosaic.model import Mode
from mosaic.ports import Invocation, PromptChannel
from mosaic.runtimes.command import CommandRuntime, argument_prompt
from mosaic.runtimes.gemini_output import GeminiReader
from mosaic.runtimes.readers import Values, parse_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mosaic.ports import Launch, OutputReader, SoughtConversation, TranscriptReader
    from mosaic.settings import RuntimeSpec

PERMISSIONS = ("--approval-mode", "yolo")
"""With `auto_edit` nobody is there to allow a command, and plain ones like `rm -rf` ask."""
LOOK_ONLY = ("--approval-mode", "plan")
OWN_PERMISSIONS = ("--approval-mode", "--yolo", "-y", "--policy", "--allowed-tools")
TRUST = "GEMINI_CLI_TRUST_WORKSPACE"
LONGEST_STDIN_BYTES = 8_000_000
"""It cuts off what is beyond 8 MiB."""
SHORT_ID = 8
FIRST_LINE_BYTES = 64 << 10


class Gemini(CommandRuntime):
    """The `gemini` command line."""

    oldest = (0, 50)
    install_hint = "`npm install -g @google/gemini-cli`"
    is_built_in = True

    def __init__(
        self, spec: RuntimeSpec, *, new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    ) -> None:
        super().__init__(spec)
        self._new_id = new_id

    def _own_invocation(self, launch: Launch) -> Invocation:
        conversation = launch.conversation or self._new_id()
        which = "--resume" if launch.conversation else "--session-id"
        options = (which, conversation, *self.options(launch, "--model", "--include-directories"))
        if launch.mode is Mode.INTERACTIVE:
            argv = ("gemini", *options, "--prompt-interactive", argument_prompt(launch))
            channel = PromptChannel.ARGUMENT
            return Invocation(argv=argv, channel=channel, conversation=conversation)
        has_own = any(arg.startswith(OWN_PERMISSIONS) for arg in self.spec.args)
        permissions = LOOK_ONLY if launch.read_only else () if has_own else PERMISSIONS
        trust = () if TRUST in self.spec.env else ("--skip-trust",)
        output = ("--output-format", "stream-json", "--debug")
        argv = ("gemini", *output, *trust, *permissions, *options)
        return Invocation(argv=argv, channel=PromptChannel.STDIN, conversation=conversation)

    def _has_conversation(self, conversation: str) -> bool:
        """Look for the file in which it keeps the conversation."""
        return bool(self._chats(conversation))

    def transcripts(self, sought: SoughtConversation) -> Sequence[Path]:
        """Return the conversation's file, and those of its sub-agents."""
        if not (self._is_own and sought.conversation):
            return ()
        own = self._chats(sought.conversation)
        return (*own, *self._kept(f"{glob.escape(sought.conversation)}/*.jsonl"))

    def transcript_reader(self, sought: SoughtConversation) -> TranscriptReader | None:
        """Return a reader of its own part of the conversation."""
        from mosaic.runtimes.gemini_chat import GeminiChatReader  # start-up

        return GeminiChatReader(sought.since) if self._is_own else None

    def _chats(self, conversation: str) -> list[Path]:
        short = glob.escape(conversation[:SHORT_ID])
        named = self._kept(f"session-*-{short}.jsonl") if short else []
        return [path for path in named if _id_of(path) == conversation]

    def _kept(self, pattern: str) -> list[Path]:
        return sorted(self._home("GEMINI_CLI_HOME", "~").glob(f".gemini/tmp/*/chats/{pattern}"))

    def _new_reader(self) -> OutputReader:
        return GeminiReader()


def _id_of(path: Path) -> str:
    """Return the conversation that a file says it holds."""
    try:
        with path.open("rb") as source:
            first = source.readline(FIRST_LINE_BYTES)
    except OSError:
        return ""
    return (parse_object(first) or Values()).text("sessionId")
