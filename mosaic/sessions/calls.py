"""The calls of tools that an agent made, from the transcript of its run, and what they name."""

from __future__ import annotations

import contextlib
import os
import re
from contextlib import closing
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.snapshot import is_within
from mosaic.plan.whose import Named
from mosaic.records import dataclass
from mosaic.runs.reading import Stream, log_of
from mosaic.runs.transcript import marked_lines
from mosaic.runtimes import get_runtime
from mosaic.sessions.following import reader_of
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mosaic.model import Mission
    from mosaic.ports import ToolCall
    from mosaic.runs.record import Run, RunMeta
    from mosaic.workspaces.record import Workspace

LONGEST_LINE_BYTES = 8 << 20
MOST_LINES = 50_000
MOST_BYTES = 256 << 20
"""Events of one run that are looked at for commands: a few seconds of work."""
LARGEST_SCRIPT = 256 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Calls:
    """The tool calls of a run, as its transcript has them."""

    calls: tuple[ToolCall, ...] = ()
    unknown: str = ""
    """Why they are not all known; empty where they are."""


def calls_of(run: Run, meta: RunMeta, mission: Mission) -> Calls:
    """Return the tool calls of an agent's run."""
    try:
        runtime = get_runtime(meta.runtime, mission.runtimes)
        reader = reader_of(run, meta, mission)
    except MissionError:
        return Calls(unknown=f"the transcript of `{meta.runtime}` cannot be read any more")
    if not runtime.reports_edits:
        return Calls(unknown=f"`{meta.runtime}` does not tell every call of a tool")
    gaps: list[str] = []
    calls: list[ToolCall] = []
    count = 0
    for line in transcript_lines(run, reader.marks, gaps.append):
        count += 1
        calls += reader.calls(line)
    if not count:
        gaps.append(f"run `{run.id}` has no transcript")
    return Calls(calls=tuple(calls), unknown="; ".join(gaps))


def transcript_lines(
    run: Run, marks: Sequence[bytes], gap: Callable[[str], None]
) -> Iterator[bytes]:
    """Return the lines of a transcript that hold a mark, up to a bound on the work.

    `gap` is called with what is left out, in words.
    """
    count = size = 0
    with contextlib.suppress(MissionError), closing(log_of(run, Stream.TRANSCRIPT)) as log:
        if not log.is_there():
            return
        for block in log.read_lines(log.size()):
            for line in marked_lines(block, 0, len(block), marks, most=MOST_LINES + 1):
                count, size = count + 1, size + len(line)
                if count > MOST_LINES or size > MOST_BYTES:
                    gap(
                        f"the transcript of run `{run.id}` is too long: what it ran after "
                        f"{count - 1} events is not known"
                    )
                    return
                if len(line) <= LONGEST_LINE_BYTES:
                    yield line
        if log.lines_passed_over:
            gap(
                f"{counted(log.lines_passed_over, 'line')} of the transcript of run `{run.id}`: "
                "too long to be read"
            )


def named_by(calls: Sequence[ToolCall], meta: RunMeta, top: Path) -> Named:
    """Return what the calls of a run name of a work tree."""
    tops = (str(top), os.path.realpath(top))
    return Named(calls, top=tops, cwd=meta.cwd, read=_script_text)


def _script_text(path: str) -> str:
    try:
        with open(path, "rb") as script:
            data = script.read(LARGEST_SCRIPT + 1) if os.path.isfile(path) else b""
    except (OSError, ValueError):
        return ""
    is_text = len(data) <= LARGEST_SCRIPT and b"\0" not in data
    return data.decode("utf-8", "replace") if is_text else ""


def reaches(call: ToolCall, meta: RunMeta, home: Path, workspace: Workspace) -> bool:
    """Tell whether a call names a place in the main tree that is not in the worktree."""
    texts = (call.command, call.words, *call.paths)
    words = (word for text in texts for word in re.findall(r"[^\s'\"`;|&<>()=,]+", text))
    tops = {str(home), os.path.realpath(home)}
    inner = {str(workspace.path), os.path.realpath(workspace.path)}
    for word in words:
        if not word.startswith(("/", "..")) and "/../" not in word:
            continue
        place = os.path.normpath(os.path.join(meta.cwd, word))
        if any(is_within(place, top) for top in tops) and not any(
            is_within(place, i) for i in inner
        ):
            return True
    return False
