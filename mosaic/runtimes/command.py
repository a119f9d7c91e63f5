"""Any command line as a runtime, from a few lines of mission.json.

    "runtimes": {"helper": {"command": ["./tools/helper", "{task}"], "prompt": "stdin",
                            "resume": ["./tools/helper", "--continue", "{runtime_session_id}"]}}

Placeholders in any argument: `{prompt} {prompt_file} {task} {task_file} {capsule} {run_dir}
{runtime_session_id} {model}`. They are filled in one pass; other braces stay. Without
`prompt`, a command that has no place for the prompt gets it as its last argument.

It is judged by its exit code. It may tell more by lines of JSON on its stdout:

    {"type": "conversation", "id": "…"}                 what `{runtime_session_id}` will be
    {"type": "message", "text": "…"}                    the last one is its answer
    {"type": "command", "command": "…", "exit_code": 0}
    {"type": "file", "path": "…", "kind": "add|update|delete"}
    {"type": "usage", "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0}   of this run

The built-in runtimes are command lines too, of which more is known: a subclass each.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from mosaic.machine.environment import child_environment
from mosaic.machine.process import install_path
from mosaic.model import Mode, Usage
from mosaic.ports import (
    ConversationKnown,
    FileTouched,
    Invocation,
    MessageSeen,
    Probe,
    PromptChannel,
    UsageSeen,
)
from mosaic.records import replace
from mosaic.runtimes.readers import (
    ExitCodeReader,
    TextReader,
    as_count,
    as_money,
    as_text,
    command_ran,
    parse_object,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from mosaic.model import RuntimeSpec
    from mosaic.ports import Launch, Observation, OutputReader, SoughtConversation

LONGEST_ARGUMENT_BYTES = 100_000
"""The kernel refuses one argument of 131,072 bytes; this leaves room for others."""
PROBE_SECONDS = 15.0
PARENT_MARKS = (
    "CLAUDECODE", "CLAUDE_PID", "CLAUDE_EFFORT", "AI_AGENT", "CODEX_THREAD_ID",
    "CODEX_SESSION_ID", "CODEX_CI", "CODEX_VERSION", "CODEX_TOOL_CALL_ID",
    "CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED",
)  # fmt: skip
"""Variables by which an agent marks what it starts."""
CLAUDE_MARK = re.compile(
    "CLAUDE_CODE_(?:SESSION_.*|CHILD_.*|MESSAGING_.*|ENTRYPOINT|SSE_PORT|EXECPATH)"
)
"""More of them, of which each version adds some. A user's own settings have other names."""


class CommandRuntime:
    """A runtime made of an entry in mission.json; the base of the built-in ones."""

    oldest: tuple[int, ...] = ()
    """The oldest version that has the options that are used."""
    install_hint = ""
    is_built_in = False
    """Whether its program is known to answer `--version`, and to do nothing else then."""

    def __init__(self, spec: RuntimeSpec) -> None:
        self.spec = spec
        self.name = spec.name

    @property
    def program(self) -> str:
        """What is started."""
        return self.spec.command[0] if self.spec.command else self.name

    @property
    def reports_commands(self) -> bool:
        """Whether its output names every command that it runs."""
        return self.is_built_in or self.spec.tells_commands

    def can_continue(self, conversation: str) -> bool:
        """Tell whether a conversation can be continued."""
        if self.is_built_in and not self.spec.command:
            return self.has_conversation(conversation)
        return bool(conversation and self.spec.resume)

    def has_conversation(self, conversation: str) -> bool:
        """Tell whether the built-in command line still has a conversation."""
        return bool(conversation)

    def invocation(self, launch: Launch) -> Invocation:
        """Say how to start it."""
        if self.is_built_in and not self.spec.command:
            made = self.own_invocation(launch)
        else:
            made = self._custom_invocation(launch)
        return replace(
            made,
            env=self.spec.env,
            unset=(*PARENT_MARKS, *filter(CLAUDE_MARK.fullmatch, os.environ)),
            conversation=made.conversation or launch.conversation,
        )

    def transcripts(self, sought: SoughtConversation) -> Sequence[Path]:
        """Return where it keeps a conversation; a command of mission.json says nothing of that."""
        del sought
        return ()

    def transcript_reader(self, sought: SoughtConversation) -> OutputReader | None:
        """Return a reader of those files."""
        del sought
        return None

    def own_invocation(self, launch: Launch) -> Invocation:
        """Say how to start the built-in command line."""
        raise NotImplementedError

    def reader(self, mode: Mode) -> OutputReader:
        """Return a fresh reader for one run's stdout."""
        if mode is Mode.INTERACTIVE and self.is_built_in:
            return ExitCodeReader(self.name)
        return self.headless_reader()

    def headless_reader(self) -> OutputReader:
        """Return a fresh reader for a run whose output is captured."""
        return LineReader(self.program)

    def probe(self) -> Probe:
        """Look whether its program is installed, and which version it is where it may be asked."""
        hint = self.install_hint or f"set `runtimes.{self.name}` in mission.json"
        path = install_path(self.program)
        probe = Probe(program=self.program, path=path, version=None)
        if path is None:
            return replace(probe, problem="it is not on the PATH", hint=hint)
        if not self.is_built_in:
            return probe
        import subprocess  # start-up: a preview probes nothing

        try:
            done = subprocess.run(
                [path, "--version"],
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = f"`{self.program} --version` does not answer: {error}"
            return replace(probe, problem=problem, hint=hint)
        found = re.search(r"(?<!\d)\d++\.\d+[\w.+-]*", done.stdout.decode("utf-8", "replace"))
        if found is None:
            return probe
        probe = replace(probe, version=found[0])
        if _numbers(found[0]) < self.oldest:
            oldest = ".".join(map(str, self.oldest))
            problem = f"version {found[0]} is older than {oldest}"
            return replace(probe, problem=problem, hint=hint)
        return probe

    def _custom_invocation(self, launch: Launch) -> Invocation:
        spec = self.spec
        argv = spec.command
        if launch.mode is Mode.INTERACTIVE and spec.interactive:
            argv = spec.interactive
        if launch.conversation and spec.resume:
            argv = spec.resume
        channel = PromptChannel.ARGUMENT
        takes_prompt = any("{prompt}" in part for part in argv)
        if spec.prompt is not None:
            channel = PromptChannel(spec.prompt)
        elif not takes_prompt and any("{prompt_file}" in part for part in argv):
            channel = PromptChannel.FILE
        if channel is PromptChannel.ARGUMENT and not takes_prompt:
            argv = (*argv, "{prompt}")
        values = {
            "prompt": argument_prompt(launch),
            "prompt_file": str(launch.prompt_file),
            "task": launch.task_id,
            "task_file": str(launch.task_file or ""),
            "capsule": str(launch.capsule_file),
            "run_dir": str(launch.run_dir),
            "runtime_session_id": launch.conversation or "",
            "model": launch.model or spec.model or "",
        }
        return Invocation(
            argv=tuple(replace_placeholders(part, values) for part in argv), channel=channel
        )


def argument_prompt(launch: Launch) -> str:
    """Return the prompt as one argument, or where to read it if it cannot be one."""
    prompt = launch.prompt
    if len(prompt.encode()) < LONGEST_ARGUMENT_BYTES and not prompt.startswith(("-", "/", "@")):
        return prompt
    return pointer_prompt(launch)


def pointer_prompt(launch: Launch) -> str:
    """Return a prompt that says where the prompt is."""
    return f"Read and do what the file {launch.prompt_file} says."


def replace_placeholders(argument: str, values: dict[str, str]) -> str:
    """Return an argument with its placeholders filled, in one pass: values are not looked into."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), argument)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("-")[0])[:3])


class LineReader(TextReader):
    """Reads free text, and the JSON lines that the module describes."""

    marks = (b'"conversation"', b'"command"', b'"file"', b'"usage"')
    _message = ""
    _usage: Usage | None = None

    def feed(self, line: bytes) -> Iterable[Observation]:
        """Take one whole line."""
        event = parse_object(line)
        if event is not None and isinstance(event.get("type"), str):
            return list(self._observe(event))
        return super().feed(line)

    def structured(self, line: bytes) -> bool:
        """Tell whether a line is one of the JSON lines."""
        event = parse_object(line)
        return event is not None and isinstance(event.get("type"), str)

    @property
    def answer(self) -> str:
        """The last message, else the last lines."""
        return self._message or super().answer

    def usage(self, before: Usage) -> Usage | None:
        """Return what it reported of this run."""
        del before
        return self._usage

    def _observe(self, event: dict[str, Any]) -> Iterator[Observation]:
        kind = event["type"]
        if kind == "conversation" and as_text(event.get("id")):
            yield ConversationKnown(conversation=as_text(event["id"]))
        elif kind == "message":
            self._message = as_text(event.get("text"))
            yield MessageSeen(text=self._message)
        elif kind == "command":
            yield command_ran(event.get("command"), event.get("exit_code"))
        elif kind == "file":
            yield FileTouched(
                path=as_text(event.get("path")), kind=as_text(event.get("kind")) or "update"
            )
        elif kind == "usage":
            self._usage = Usage(
                input_tokens=as_count(event.get("input_tokens")),
                output_tokens=as_count(event.get("output_tokens")),
                cached_input_tokens=as_count(event.get("cached_input_tokens")),
                cost_usd=as_money(event.get("cost_usd")),
            )
            yield UsageSeen(usage=self._usage)
