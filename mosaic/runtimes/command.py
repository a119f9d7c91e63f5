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
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.model import Mode, RuntimeSpec, Usage
from mosaic.ports import (
    CommandRan,
    ConversationKnown,
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
    UsageSeen,
)
from mosaic.runtimes.common import (
    PARENT_MARKS,
    argument_prompt,
    as_count,
    as_money,
    as_text,
    parse_object,
    placeholder_values,
    probe_program,
    replace_placeholders,
)
from mosaic.runtimes.plain import TextReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARKS = (b'"conversation"', b'"command"', b'"file"', b'"usage"')


class CommandRuntime:
    """A runtime made of an entry in mission.json."""

    def __init__(self, spec: RuntimeSpec) -> None:
        self._spec = spec
        self.name = spec.name

    def can_continue(self, conversation: str) -> bool:
        """Tell whether the entry says how to continue a conversation."""
        return bool(conversation) and bool(self._spec.resume)

    def invocation(self, launch: Launch) -> Invocation:
        """Say how to start it."""
        return custom_invocation(self._spec, launch)

    def reader(self, mode: Mode) -> OutputReader:
        """Return a fresh reader for one run's stdout."""
        del mode
        return LineReader(self._spec.command[0])

    def probe(self) -> Probe:
        """Look whether its program is there; whatever it is, it is not started for that."""
        hint = f"set `runtimes.{self.name}` in mission.json"
        return probe_program(self._spec.command[0], hint, asks_version=False)


def custom_invocation(spec: RuntimeSpec, launch: Launch) -> Invocation:
    """Say how to start a command from mission.json."""
    argv = spec.command
    if launch.mode is Mode.INTERACTIVE and spec.interactive:
        argv = spec.interactive
    if launch.conversation and spec.resume:
        argv = spec.resume
    channel = _channel(spec, argv)
    if channel is PromptChannel.ARGUMENT and not any("{prompt}" in part for part in argv):
        argv = (*argv, "{prompt}")
    values = placeholder_values(launch, argument_prompt(launch), launch.model or spec.model)
    return Invocation(
        argv=tuple(replace_placeholders(part, values) for part in argv),
        channel=channel,
        env=spec.env,
        unset=PARENT_MARKS,
        conversation=launch.conversation,
    )


def _channel(spec: RuntimeSpec, argv: tuple[str, ...]) -> PromptChannel:
    if spec.prompt is not None:
        return PromptChannel(spec.prompt)
    if any("{prompt}" in part for part in argv):
        return PromptChannel.ARGUMENT
    if any("{prompt_file}" in part for part in argv):
        return PromptChannel.FILE
    return PromptChannel.ARGUMENT


class LineReader:
    """Reads free text, and the JSON lines that the module describes."""

    def __init__(self, program: str) -> None:
        self._text = TextReader(program)
        self._message = ""
        self._usage: Usage | None = None

    def feed(self, line: bytes) -> Iterable[Observation]:
        """Take one whole line."""
        event = parse_object(line)
        if event is not None and isinstance(event.get("type"), str):
            return list(self._observe(event))
        return self._text.feed(line)

    def structured(self, line: bytes) -> bool:
        """Tell whether a line is one of the JSON lines."""
        event = parse_object(line)
        return event is not None and isinstance(event.get("type"), str)

    @property
    def answer(self) -> str:
        """The last message, else the last lines."""
        return self._message or self._text.answer

    @property
    def marks(self) -> tuple[bytes, ...]:
        """The types of the JSON lines, but for messages: the last of them is among the last."""
        return MARKS

    def usage(self, before: Usage) -> Usage | None:
        """Return what it told of this run."""
        del before
        return self._usage

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge by the exit code."""
        return self._text.judge(end)

    def _observe(self, event: dict[str, Any]) -> Iterator[Observation]:
        kind = event["type"]
        if kind == "conversation" and as_text(event.get("id")):
            yield ConversationKnown(conversation=as_text(event["id"]))
        elif kind == "message":
            self._message = as_text(event.get("text"))
            yield MessageSeen(text=self._message)
        elif kind == "command":
            code = event.get("exit_code")
            exit_code = code if isinstance(code, int) and not isinstance(code, bool) else None
            yield CommandRan(
                command=as_text(event.get("command")),
                exit_code=exit_code,
                failed=exit_code not in (None, 0),
            )
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
