"""Codex (`codex`): how it is called, and where it keeps its threads.

Headless it is `codex exec --json`, the prompt by stdin; never `codex -p`, which names a
profile. The sandbox is given each time and before `resume`: a resumed run works it out
anew. Interactive it runs with `--no-daemon`, else it would live on in the background.
"""

from __future__ import annotations

import glob
from typing import TYPE_CHECKING

from mosaic.model import Mode
from mosaic.ports import Invocation, PromptChannel
from mosaic.runtimes.codex_output import CodexReader
from mosaic.runtimes.command import CommandRuntime, argument_prompt, pointer_prompt
from mosaic.runtimes.readers import Values, parse_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.ports import Launch, OutputReader, SoughtConversation, TranscriptReader

LONGEST_STDIN_CHARS = 1_000_000
"""It refuses more than 1,048,576 characters."""
OWN_SANDBOX = ("--sandbox=", "--dangerously", "sandbox_mode=")
"""How `args` may choose a sandbox otherwise; the last one is the value of `-c`."""
CLOCK_SECONDS = 2.0
HEAD_BYTES = 4 << 20
"""The prompt is within so much of a thread's file."""


class Codex(CommandRuntime):
    """The `codex` command line."""

    oldest = (0, 100)
    install_hint = "`npm install -g @openai/codex`"
    is_built_in = True

    def _own_invocation(self, launch: Launch) -> Invocation:
        options = self.options(launch, "-m")
        resume = ("resume", launch.conversation) if launch.conversation else ()
        place = ("-C", str(launch.cwd))
        if launch.mode is Mode.INTERACTIVE:
            # Options that take several values would swallow a prompt behind them.
            prompt = argument_prompt(launch)
            argv = ("codex", "--no-daemon", *place, *options, *resume, "--", prompt)
            return Invocation(argv=argv, channel=PromptChannel.ARGUMENT)
        args = self.spec.args
        has_own = any(a in ("-s", "--sandbox") or a.startswith(OWN_SANDBOX) for a in args)
        sandbox = () if has_own else ("--sandbox", "workspace-write")
        if launch.read_only:
            sandbox = ("--sandbox", "read-only")
        last_message = launch.run_dir / "artifacts" / "last-message.txt"
        asked = launch.answer_schema
        schema = ("--output-schema", str(asked.file)) if asked else ()
        argv = (
            "codex", "exec", "--json", "--skip-git-repo-check", *sandbox, *place,
            "-o", str(last_message), *schema, *options, *resume,
        )  # fmt: skip
        if len(launch.prompt) > LONGEST_STDIN_CHARS:
            return Invocation(argv=(*argv, pointer_prompt(launch)), channel=PromptChannel.FILE)
        return Invocation(argv=(*argv, "-"), channel=PromptChannel.STDIN)

    def _new_reader(self) -> OutputReader:
        return CodexReader()

    def _has_conversation(self, conversation: str) -> bool:
        """Look for the file in which it keeps the thread."""
        return bool(conversation and self._rollouts(f"-{glob.escape(conversation)}"))

    def transcripts(self, sought: SoughtConversation) -> Sequence[Path]:
        """Return the thread's file: by its id, else the one whose prompt names the run."""
        if not self._is_own:
            return ()
        if sought.conversation:
            return self._rollouts(f"-{glob.escape(sought.conversation)}")[:1]
        earliest = sought.since.timestamp() - CLOCK_SECONDS
        younger = [path for path in self._rollouts() if _changed_at(path) >= earliest]
        return [path for path in younger if _is_of(path, sought)][:1]

    def transcript_reader(self, sought: SoughtConversation) -> TranscriptReader | None:
        """Return a reader of its own part of the thread."""
        from mosaic.runtimes.codex_rollout import CodexRolloutReader  # start-up

        return CodexRolloutReader(sought.since) if self._is_own else None

    def _rollouts(self, end: str = "") -> list[Path]:
        return sorted(
            self._home("CODEX_HOME", "~/.codex").glob(f"sessions/*/*/*/rollout-*{end}.jsonl")
        )


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _is_of(path: Path, sought: SoughtConversation) -> bool:
    """Tell whether a thread works in the folder of a run and was given its prompt."""
    try:
        with path.open("rb") as source:
            head = source.read(HEAD_BYTES)
    except OSError:
        return False
    meta = (parse_object(head.partition(b"\n")[0]) or Values()).object("payload")
    is_main = meta.get("thread_source", "user") == "user"  # others are made on the side
    return is_main and meta.get("cwd") == str(sought.cwd) and sought.mark.encode() in head
