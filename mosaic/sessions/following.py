"""Who reads along with a run: its log or, in a terminal, what the agent keeps itself."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.model import Mode, Usage
from mosaic.ports import SoughtConversation
from mosaic.records import NamedTuple, replace
from mosaic.runs.masking import masked_forms
from mosaic.runs.transcript import Transcript, Unread
from mosaic.runtimes import get_runtime
from mosaic.runtimes.readers import TextReader, parse_object
from mosaic.sessions.output import TURN_BYTES, OutputFollower, Progress

if TYPE_CHECKING:
    from mosaic.model import Mission
    from mosaic.ports import OutputReader, Runtime, TranscriptReader
    from mosaic.runs.record import Run, RunMeta

MOST_KEPT_BYTES = 64 << 20
"""So much of what an agent keeps itself is copied into the run's transcript."""
LOOK_SECONDS = 1.0


class _KeptFile(OutputFollower):
    """Follows one file that an agent keeps; its lines go into the run's transcript, masked."""

    hurries = False  # most of a long conversation may be older than the run

    def __init__(
        self, run: Run, reader: OutputReader, source: Path, transcript: Transcript
    ) -> None:
        super().__init__(run, reader, source=source)
        self._transcript = transcript
        self._kept_bytes = 0

    def _keep(self, line: bytes) -> None:
        self._kept_bytes += len(line)
        if self._kept_bytes > MOST_KEPT_BYTES:
            return
        masked = masked_forms(line.decode("utf-8", "replace")).encode("utf-8", "replace")
        if parse_object(masked) is not None:
            self._transcript.keep(masked + b"\n")

    def finish(self) -> None:
        """Take a last line that has no newline."""
        self._take_rest()


class TranscriptFollower:
    """Reads along what an agent in a terminal keeps of its conversation itself.

    It is used as an `OutputFollower` is. The files are there once the agent has accepted its
    prompt; they are looked for until then, and after, since sub-agents have their own.
    """

    def __init__(
        self, run: Run, runtime: Runtime, sought: SoughtConversation, reader: TranscriptReader
    ) -> None:
        self.reader = reader
        self.conversation = sought.conversation
        self.unread = Unread()
        self._run = run
        self._runtime = runtime
        self._sought = sought
        self._transcript = Transcript(run)
        self._files: dict[Path, _KeptFile] = {}
        self._next_look = 0.0
        self._began = time.monotonic()

    def read(self, limit_bytes: int | None = TURN_BYTES) -> list[str]:
        """Take what was written since the last call, and return the conversations it names."""
        now = time.monotonic()
        if now >= self._next_look or limit_bytes is None:
            self._next_look = now + LOOK_SECONDS
            for path in self._runtime.transcripts(self._sought):
                if path not in self._files:
                    self._files[path] = _KeptFile(self._run, self.reader, path, self._transcript)
        named: list[str] = []
        for file in self._files.values():
            with contextlib.suppress(OSError):
                named += file.read(limit_bytes)
        new = [each for each in dict.fromkeys(named) if each != self.conversation]
        if new:
            self.conversation = new[-1]
            self._sought = replace(self._sought, conversation=new[-1])
        return new

    @property
    def output_bytes(self) -> int:
        """How much was read so far."""
        return sum(file.output_bytes for file in self._files.values())

    @property
    def silent_seconds(self) -> float:
        """How long nothing new was read."""
        silences = [file.silent_seconds for file in self._files.values()]
        return min(silences, default=time.monotonic() - self._began)

    @property
    def is_behind(self) -> bool:
        """Whether more was written than read."""
        return any(file.is_behind for file in self._files.values())

    def finish(self) -> None:
        """Take last lines that have no newline."""
        for file in self._files.values():
            file.finish()

    def progress(self, elapsed_seconds: float) -> Progress:
        """Return how the run is getting on."""
        files = sorted(self._files.values(), key=lambda file: file.silent_seconds)
        parts = [file.progress(elapsed_seconds) for file in files]
        return Progress(
            elapsed_seconds=elapsed_seconds,
            last=next((part.last for part in parts if part.last), ""),
            output_bytes=self.output_bytes,
            usage=self.reader.usage(Usage()),
            silent_seconds=self.silent_seconds,
        )

    def unknown_words(self) -> list[str]:
        """Return what is not known of it, in words."""
        if self.reader.version:
            return []
        if not self._files:
            return ["what the agent did is not known: it kept no transcript of the conversation"]
        return ["what the agent did is not known: the form of its transcript is not known"]

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._transcript.close()


def follow_output(
    run: Run, meta: RunMeta, mission: Mission, conversation: str | None
) -> OutputFollower | TranscriptFollower:
    """Return who reads along what a run writes, or what its agent keeps in a terminal."""
    if meta.mode is Mode.INTERACTIVE and (kept := _find_kept(run, meta, mission, conversation)):
        return TranscriptFollower(run, *kept)
    reader = reader_of(run, meta, mission, conversation)
    return OutputFollower(run, reader, conversation=conversation)


def reader_of(
    run: Run, meta: RunMeta, mission: Mission, conversation: str | None = None
) -> OutputReader:
    """Return who understands what a run writes, or its transcript from a terminal.

    Raises:
        RuntimeUnknownError: its runtime is not in the mission any more.
    """
    if not is_session(meta):
        return TextReader(meta.argv[0])
    if meta.mode is Mode.INTERACTIVE and (kept := _find_kept(run, meta, mission, conversation)):
        return kept.reader
    return get_runtime(meta.runtime, mission.runtimes).reader(meta.mode)


def count_usage(
    reader: OutputReader,
    run: Run,
    meta: RunMeta,
    mission: Mission,
    *,
    conversation: str | None,
    before: Usage,
) -> Usage | None:
    """Return what a run used: as it told, or as the agent kept count where that leaves out some.

    Args:
        before: what earlier runs of the same conversation were recorded with.
    """
    told = reader.usage(before)
    if told is not None and not (reader.leaves_out_cut_requests and before.input_tokens):
        return told
    return _usage_on_disk(run, meta, mission, conversation, before) or told


def _usage_on_disk(
    run: Run, meta: RunMeta, mission: Mission, conversation: str | None, before: Usage
) -> Usage | None:
    kept = _find_kept(run, meta, mission, conversation) if conversation else None
    if kept is None:
        return None
    for path in kept.runtime.transcripts(kept.sought):
        with contextlib.suppress(OSError), path.open("rb") as lines:
            for line in lines:
                for _ in kept.reader.feed(line.rstrip(b"\n")):
                    continue  # it counts as it reads
    return kept.reader.usage(before)


def is_session(meta: RunMeta) -> bool:
    """Tell whether a run is an agent's, and not a recorded command's."""
    return meta.session_id is not None or meta.panel_id is not None


class _Kept(NamedTuple):
    """What an agent keeps of a run's conversation, and who can read it."""

    runtime: Runtime
    sought: SoughtConversation
    reader: TranscriptReader


def _find_kept(run: Run, meta: RunMeta, mission: Mission, conversation: str | None) -> _Kept | None:
    if not is_session(meta):
        return None
    if conversation is None and (state := run.find_state()):
        conversation = state.runtime_session_id
    sought = SoughtConversation(
        conversation=conversation, cwd=Path(meta.cwd), since=meta.created_at, mark=run.id
    )
    runtime = get_runtime(meta.runtime, mission.runtimes)
    reader = runtime.transcript_reader(sought)
    return _Kept(runtime, sought, reader) if reader else None
