"""What agents keep of their conversations, read from frozen samples of each version."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.model import Usage
from mosaic.ports import (
    CommandRan,
    EndCause,
    FileTouched,
    MessageSeen,
    Observation,
    OutputReader,
    ProcessEnd,
    SoughtConversation,
)
from mosaic.runtimes import get_runtime
from mosaic.runtimes.claude_transcript import ClaudeTranscriptReader
from mosaic.runtimes.codex_rollout import CodexRolloutReader
from mosaic.runtimes.gemini_chat import GeminiChatReader

DATA = Path(__file__).resolve().parents[2] / "data" / "runtimes" / "transcripts"
CONVERSATION = "11111111-2222-4333-8444-555555555555"
EARLY = datetime(2026, 11, 26, 9, tzinfo=UTC)
LATER = datetime(2026, 11, 26, 9, 42, 26, tzinfo=UTC)


def claude(since: datetime = EARLY) -> ClaudeTranscriptReader:
    return ClaudeTranscriptReader(CONVERSATION, since)


def read(reader: OutputReader, *names: str) -> list[Observation]:
    lines = [line for name in names for line in (DATA / name).read_bytes().splitlines()]
    return [seen for line in lines for seen in reader.feed(line)]


def commands(seen: list[Observation]) -> list[tuple[str, int | None, bool]]:
    found = [each for each in seen if isinstance(each, CommandRan)]
    return [(each.command, each.exit_code, each.failed) for each in found]


def test_claude_s_transcript_gives_commands_files_tokens_and_cost() -> None:
    reader = claude()
    seen = read(reader, "claude-2.1.332.jsonl", "claude-2.1.332-sub-agent.jsonl")
    assert commands(seen) == [
        ("echo from-sub", 0, False),
        ("sleep 1; exit 3", 3, True),
        ("sleep 3", 0, False),
    ]
    assert FileTouched(path="/work/project/a.txt", kind="add") in seen
    assert reader.answer == "end", "the last words are the main agent's"
    assert MessageSeen(text="sub done") in seen
    used = reader.usage(Usage(cost_usd=0.005))
    assert used is not None
    assert (used.input_tokens, used.output_tokens) == (7000, 350), "the sub-agent's too"
    assert used.cost_usd == pytest.approx(0.03)
    assert reader.version == "2.1.332"


def test_earlier_lines_belong_to_earlier_sessions() -> None:
    reader = claude(LATER)
    seen = read(reader, "claude-2.1.332.jsonl")
    assert [command for command, _, _ in commands(seen)] == ["sleep 1; exit 3", "sleep 3"]
    assert not any(isinstance(each, FileTouched) for each in seen)


def test_lines_of_another_conversation_say_nothing() -> None:
    reader = ClaudeTranscriptReader("another", EARLY)
    assert read(reader, "claude-2.1.332.jsonl") == []
    assert reader.usage(Usage()) is None


def test_only_evidence_is_kept() -> None:
    reader = claude()
    lines = (DATA / "claude-2.1.332.jsonl").read_bytes().splitlines()
    kept = [json.loads(line)["type"] for line in lines if reader.structured(line)]
    assert set(kept) == {"user", "assistant", "cost-state", "queue-operation"}
    noise = {"type": "attachment", "sessionId": CONVERSATION, "attachment": {}}
    assert not reader.structured(json.dumps(noise, separators=(",", ":")).encode())


def test_an_error_that_was_claude_s_last_word_is_its_cause() -> None:
    line = (DATA / "claude-2.1.332-failed.jsonl").read_bytes()
    conversation = json.loads(line)["sessionId"]
    reader = ClaudeTranscriptReader(conversation, EARLY)
    list(reader.feed(line.strip()))
    ending = reader.judge(ProcessEnd(exit_code=0))
    assert (ending.ok, ending.cause) == (False, EndCause.AUTH)


def test_each_request_of_codex_is_counted_whatever_its_totals_say() -> None:
    reader = CodexRolloutReader(EARLY)
    payload = {"usage": {"input_tokens": 700, "output_tokens": 7}}
    record = {"timestamp": "2026-11-26T13:00:00Z", "type": "token_usage_record", "payload": payload}
    for _ in range(2):
        reader.feed(json.dumps(record, separators=(",", ":")).encode())
    assert reader.usage(Usage(input_tokens=5)) == Usage(input_tokens=1400, output_tokens=14)


def test_codex_s_rollout_gives_commands_files_and_tokens() -> None:
    reader = CodexRolloutReader(EARLY)
    seen = read(reader, "codex-0.169.0.jsonl")
    assert ("exit 7", 7, True) in commands(seen)
    assert FileTouched(path="/work/project/new.txt", kind="add") in seen
    assert reader.answer == "done"
    assert reader.usage(Usage(input_tokens=1000, output_tokens=50)) == Usage(
        input_tokens=2000, output_tokens=100
    )
    assert reader.judge(ProcessEnd(exit_code=0)).cause is EndCause.OK
    assert reader.version == "0.169.0"


def test_a_turn_of_codex_that_failed_is_its_cause() -> None:
    reader = CodexRolloutReader(EARLY)
    read(reader, "codex-0.169.0-failed.jsonl")
    ending = reader.judge(ProcessEnd(exit_code=0))
    assert (ending.ok, ending.cause) == (False, EndCause.OVERLOADED)


def sought(cwd: Path, conversation: str | None = None) -> SoughtConversation:
    return SoughtConversation(conversation=conversation, cwd=cwd, since=EARLY, mark="r001-ab12cd")


def test_claude_s_files_are_found_by_the_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    folder = tmp_path / "projects" / "-work-project"
    helpers = folder / CONVERSATION / "subagents"
    helpers.mkdir(parents=True)
    main, helper = folder / f"{CONVERSATION}.jsonl", helpers / "agent-a1.jsonl"
    other = folder / "another.jsonl"
    for path in (main, helper, other):
        path.touch()
    runtime = get_runtime("claude", {})
    assert runtime.transcripts(sought(tmp_path, CONVERSATION)) == (main, helper)
    assert runtime.transcripts(sought(tmp_path)) == ()


def test_codex_s_file_is_the_one_whose_prompt_names_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    folder = tmp_path / "sessions" / "2026" / "11" / "26"
    folder.mkdir(parents=True)

    def write(name: str, cwd: Path, words: str) -> Path:
        path = folder / f"rollout-2026-11-26T09-42-00-{name}.jsonl"
        meta = {"type": "session_meta", "payload": {"id": name, "cwd": str(cwd)}}
        path.write_text(f"{json.dumps(meta)}\n{json.dumps({'payload': {'text': words}})}\n")
        return path

    own = write("own", tmp_path, "You are run `r001-ab12cd`")
    write("elsewhere", tmp_path / "other", "You are run `r001-ab12cd`")
    newest = write("newest", tmp_path, "a person asks something else")
    old = write("old", tmp_path, "You are run `r001-ab12cd`")
    os.utime(old, (0, 0))
    runtime = get_runtime("codex", {})
    assert list(runtime.transcripts(sought(tmp_path))) == [own]
    assert list(runtime.transcripts(sought(tmp_path, "newest"))) == [newest]
    assert list(runtime.transcripts(sought(tmp_path, "unknown"))) == []


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "payload",
                        "item",
                        "message",
                        "content",
                        "sessionId",
                        "timestamp",
                        "usage",
                        "info",
                        "changes",
                        "command",
                        "toolUseResult",
                        "error",
                        "id",
                    ]
                ),
                inner,
            )
        ),
    )
)
@settings(max_examples=200)
def test_no_line_is_too_odd_to_be_read(value: object) -> None:
    line = json.dumps(value).encode()
    for reader in (ClaudeTranscriptReader("", EARLY), CodexRolloutReader(EARLY)):
        reader.structured(line)
        list(reader.feed(line))
        reader.usage(Usage())
        reader.judge(ProcessEnd(exit_code=0))


@pytest.mark.parametrize(
    "reader",
    [ClaudeTranscriptReader("", EARLY), CodexRolloutReader(EARLY), GeminiChatReader(EARLY)],
    ids=["claude", "codex", "gemini"],
)
def test_a_terminal_session_without_an_error_is_judged_by_its_exit_code(
    reader: OutputReader,
) -> None:
    judged = {code: reader.judge(ProcessEnd(exit_code=code)).cause for code in (0, 3, 130)}
    assert judged == {0: EndCause.OK, 3: EndCause.EXIT_CODE, 130: EndCause.CUT}
