"""Fuzz targets for what agents write: their output, their transcripts, their answers."""

from __future__ import annotations

import json

from mosaic.cli.logs_view import events_view, json_view, transcript_view
from mosaic.codec import dump_record
from mosaic.model import Usage
from mosaic.panels.answer import LONGEST_ITEM, LONGEST_TEXT, STATUSES, parse_answer
from mosaic.ports import OutputReader, ProcessEnd
from mosaic.runs.reading import LogFile
from mosaic.runs.record import Run
from mosaic.runs.report import read_report
from mosaic.runtimes.claude_output import ClaudeReader
from mosaic.runtimes.codex_output import CodexReader
from mosaic.text.harmless import HarmlessText, harmless_text
from tests.fuzz.scratch import MOMENT, scratch

BEFORE = Usage(input_tokens=10, output_tokens=10, cost_usd=0.1)
ENDS = tuple(ProcessEnd(exit_code=code, stderr_tail="error: no\n") for code in (0, 1, -9, 137, 300))


def terminal(data: bytes) -> None:
    """However the bytes are cut, the same text comes out, and nothing in it is obeyed."""
    reader = HarmlessText()
    half = len(data) // 2
    shown = reader.feed(data[:half]) + reader.feed(data[half:]) + reader.finish()
    assert shown == harmless_text(data.decode("utf-8", "replace"))
    assert not any(char < " " and char not in "\n\t" for char in shown)


def claude(data: bytes) -> None:
    """Whatever `claude` writes, its end is judged, and all that is told can be kept."""
    judged(ClaudeReader(), data)


def codex(data: bytes) -> None:
    """Whatever `codex` writes, its end is judged, and all that is told can be kept."""
    judged(CodexReader(), data)


def judged(reader: OutputReader, data: bytes) -> None:
    """Feed a reader line by line, and ask it all that a supervisor asks."""
    for line in data.split(b"\n"):
        reader.structured(line)
        for seen in reader.feed(line):
            repr(seen).encode()
    for end in ENDS:
        ending = reader.judge(end)
        assert ending.message.strip()
        f"{ending.message}{ending.hint}{ending.warnings}".encode()
    reader.answer.encode()
    used = reader.usage(BEFORE)
    if used is not None:
        assert min(used.input_tokens, used.output_tokens, used.cached_input_tokens) >= 0
        json.dumps([used.input_tokens, used.output_tokens, used.cost_usd], allow_nan=False)


def transcript(data: bytes) -> None:
    """A transcript is shown in every way there is, and what is shown can be written."""
    path = scratch() / "transcript.jsonl"
    path.write_bytes(data)
    views = (
        transcript_view(ClaudeReader(), since=MOMENT),
        transcript_view(CodexReader(), since=None),
        transcript_view(None, since=None),
        events_view(since=MOMENT),
        json_view("log.event", "created_at", MOMENT),
    )
    for view in views:
        log = LogFile(path)
        shown = b"".join(view.feed(block) for block in log.read_lines()) + view.finish()
        log.close()
        assert not any(byte < 0x20 and byte not in b"\n\t" for byte in shown)


def answer(data: bytes) -> None:
    """A worker's answer is a result within its bounds, whatever it says."""
    result = parse_answer(data.decode("utf-8", "surrogateescape"), role="critic", label="one")
    assert (result.role, result.label) == ("critic", "one")
    assert result.status in STATUSES
    assert len(result.summary) <= LONGEST_TEXT
    assert all(len(item) <= LONGEST_ITEM for item in (*result.claims, *result.openQuestions))
    json.dumps(dump_record(result), ensure_ascii=False).encode()


def report(data: bytes) -> None:
    """A report that an agent left is read, or told to be none."""
    run = Run(dir=scratch() / "reported")
    run.artifacts.mkdir(parents=True, exist_ok=True)
    (run.artifacts / "report.json").write_bytes(data)
    repr(read_report(run)).encode()
