"""A runtime of another package: its mistakes are its own, and cost no session.

Whatever its methods raise names the plugin. A reader that fails while an agent works is replaced
by one that takes the output as text and judges by the exit status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from mosaic.plugins import Guarded
from mosaic.ports import OutputReader
from mosaic.records import replace
from mosaic.runtimes.readers import TextReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mosaic.model import Mode, Usage
    from mosaic.ports import Ending, Observation, ProcessEnd, ToolCall

T = TypeVar("T")


class PluginRuntime(Guarded):
    """A runtime that a plugin made."""

    def reader(self, mode: Mode) -> OutputReader:
        """Return a fresh reader for one run's stdout."""
        made = self.plugin.guarded(self.of_plugin.reader)(mode)
        return PluginReader(made, self.plugin.name)


class PluginReader(OutputReader):
    """Reads by a plugin's reader, and plainly once that has failed."""

    def __init__(self, reader: OutputReader, name: str) -> None:
        self._reader = reader
        self._name = name
        self._failure = ""
        self.leaves_out_cut_requests = bool(getattr(reader, "leaves_out_cut_requests", False))

    def _ask(self, question: Callable[[OutputReader], T]) -> T:
        try:
            return question(self._reader)
        except Exception as error:
            if self._failure:
                raise
            self._failure = f"the reader of `{self._name}` failed: {type(error).__name__}: {error}"
            self._reader = TextReader(self._name)
            return question(self._reader)

    def feed(self, line: bytes) -> Iterable[Observation]:
        """Take one whole line."""
        return self._ask(lambda reader: [*reader.feed(line)])

    def structured(self, line: bytes) -> bool:
        """Tell whether a line belongs into the transcript."""
        return self._ask(lambda reader: reader.structured(line))

    def calls(self, line: bytes) -> Iterable[ToolCall]:
        """Return the calls of tools in a line."""
        return self._ask(lambda reader: [*reader.calls(line)])

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge the end, and say that the reader failed where it did."""
        ending = self._ask(lambda reader: reader.judge(end))
        warnings = (" ".join(self._failure.split()),) if self._failure else ()
        return replace(ending, warnings=(*ending.warnings, *warnings))

    def usage(self, before: Usage) -> Usage | None:
        """Return this run's own consumption."""
        return self._ask(lambda reader: reader.usage(before))

    @property
    def answer(self) -> str:
        """The agent's final answer."""
        return self._ask(lambda reader: reader.answer)

    @property
    def has_result(self) -> bool:
        """Whether its last words say how it ended."""
        return self._ask(lambda reader: reader.has_result)

    @property
    def tells_all_commands(self) -> bool:  # type: ignore[override]  # it is only read
        """Whether nothing that it was fed says of commands that are told nowhere."""
        return self._ask(lambda reader: reader.tells_all_commands)

    @property
    def awaits_background(self) -> bool:
        """Whether commands that it sent to the background go on."""
        return self._ask(lambda reader: reader.awaits_background)

    @property
    def marks(self) -> Sequence[bytes]:
        """What a line holds that matters."""
        return self._ask(lambda reader: reader.marks)
