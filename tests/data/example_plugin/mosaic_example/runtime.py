"""The command line `example-agent`, which prints one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mosaic.model import Usage
from mosaic.ports import (
    ConversationKnown,
    Ending,
    Invocation,
    Launch,
    MessageSeen,
    Observation,
    OutputReader,
    ProcessEnd,
    PromptChannel,
    ToolCall,
)
from mosaic.runtimes.command import CommandRuntime
from mosaic.runtimes.readers import EventReader, Values, command_ran, parse_object
from mosaic.settings import RuntimeSpec


class Example(CommandRuntime):
    """How `example-agent` is called."""

    is_built_in = True
    install_hint = "`npm install -g example-agent`"
    oldest = (1, 2)

    def __init__(self, spec: RuntimeSpec) -> None:
        super().__init__(spec)
        self.program = "example-agent"
        self.uses_terminal = False

    def _own_invocation(self, launch: Launch) -> Invocation:
        resume = ("--resume", launch.conversation) if launch.conversation else ()
        argv = ("example-agent", "--json", *self.options(launch, "--model"), *resume)
        return Invocation(argv=argv, channel=PromptChannel.STDIN)

    def _new_reader(self) -> OutputReader:
        return ExampleReader(self.program)


class ExampleReader(EventReader):
    """What `example-agent` prints."""

    marks = (b'"session"', b'"shell"', b'"end"')

    def __init__(self, program: str) -> None:
        super().__init__(program)
        self._answer = ""
        self._has_begun = False
        self._end: Values | None = None

    def _observe(self, event: Values) -> Iterator[Observation]:
        kind = event.text("event")
        self._has_begun = True
        if kind == "session":
            yield ConversationKnown(conversation=event.text("id"))
        elif kind == "text":
            self._answer = event.text("text")
            yield MessageSeen(text=self._answer)
        elif kind == "shell":
            yield command_ran(event.get("command"), event.get("status"))
        elif kind == "end":
            self._end = event

    def calls(self, line: bytes) -> Iterable[ToolCall]:
        """Return the command in a line."""
        event = parse_object(line) or Values()
        if event.text("event") == "shell":
            yield ToolCall(command=event.text("command"))

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge the end: by its last event, never by the exit status alone."""
        if self._end is not None and end.exit_code == 0:
            return self.ended_well()
        return self.early_ending(end, has_begun=self._has_begun)

    def usage(self, before: Usage) -> Usage | None:
        """Return what its last event counts."""
        del before
        return self._end.usage() if self._end else None

    @property
    def answer(self) -> str:
        """Its last message."""
        return self._answer
