"""`gemini`: how it is called, and what it wrote and kept, as recorded."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mosaic.model import Mode, Usage
from mosaic.ports import (
    CommandRan,
    ConversationKnown,
    EndCause,
    FileTouched,
    MessageSeen,
    Observation,
    ProcessEnd,
    PromptChannel,
    SoughtConversation,
    ToolCall,
    ToolRefused,
)
from mosaic.runtimes import get_runtime
from mosaic.runtimes.gemini import Gemini
from mosaic.runtimes.gemini_chat import GeminiChatReader
from mosaic.runtimes.gemini_output import GeminiReader
from mosaic.settings import RuntimeSpec
from mosaic.testing.runtimes import make_launch

DATA = Path(__file__).resolve().parents[2] / "data" / "runtimes"
RECORDED: dict[str, dict[str, Any]] = json.loads((DATA / "gemini.json").read_text())
CHATS = [DATA / "transcripts" / f"gemini-0.61.0{name}.jsonl" for name in ("", "-sub-agent")]
CONVERSATION = "11111111-2222-4333-8444-555555555555"
EARLY = datetime(2026, 11, 26, 9, tzinfo=UTC)


def replay(case: str) -> tuple[GeminiReader, list[Observation], ProcessEnd]:
    recorded = RECORDED[case]
    reader = GeminiReader()
    seen = [one for line in recorded["stdout"] for one in reader.feed(line.encode())]
    end = ProcessEnd(exit_code=recorded["exit_code"], stderr_tail="\n".join(recorded["stderr"]))
    return reader, seen, end


def commands(seen: list[Observation]) -> list[tuple[str, int | None, bool]]:
    found = [each for each in seen if isinstance(each, CommandRan)]
    return [(each.command, each.exit_code, each.failed) for each in found]


CAUSES = {
    EndCause.OK: "success command failed_command edit replace resumed background sub_agent killed "
    "ampersand outside",
    EndCause.REFUSED: "denied auto_edit",
    EndCause.CUT: "SIGINT SIGTERM SIGTERM_after_a_command",
    EndCause.AUTH: "401 no_key",
    EndCause.MODEL: "404_model",
    EndCause.CONTEXT_FULL: "400_too_long 413 too_many_tokens",
    EndCause.RATE_LIMIT: "429",
    EndCause.PLAN_LIMIT: "daily_quota",
    EndCause.OVERLOADED: "500 529 empty",
    EndCause.CONNECTION: "408 dropped cut",
    EndCause.REFUSAL: "refusal",
    EndCause.USAGE: "unknown_flag unknown_conversation",
}
PASSING = ("rate_limit", "plan_limit", "overloaded", "connection", "cut")


def test_every_recorded_end_is_judged() -> None:
    wanted = {case: cause for cause, cases in CAUSES.items() for case in cases.split()}
    assert set(wanted) == set(RECORDED)
    for case, cause in wanted.items():
        reader, _, end = replay(case)
        ending = reader.judge(end)
        assert (case, ending.cause) == (case, cause), ending
        assert ending.ok == (cause in (EndCause.OK, EndCause.REFUSED)), case
        assert ending.retryable == (cause.value in PASSING), case
        assert "gemini" in ending.message
        assert "\n" not in ending.message
        assert ending.ok or ending.hint, case
        assert (
            reader.has_result == (cause not in (EndCause.CUT, EndCause.USAGE)) or case == "no_key"
        )


def test_the_reason_is_told_and_not_the_help_text() -> None:
    for case, words in (
        ("unknown_flag", "Unknown arguments: such-flag"),
        ("unknown_conversation", "Error resuming session"),
        ("no_key", "GEMINI_API_KEY environment variable"),
        ("daily_quota", "exhausted your daily quota"),
        ("refusal", "blocked due to safety settings"),
    ):
        reader, _, end = replay(case)
        assert words in str(reader.judge(end).message)


def test_a_limit_by_the_minute_passes_though_its_words_name_billing() -> None:
    said = "You exceeded your current quota, please check your plan and billing details."
    for words, cause in ((said, EndCause.RATE_LIMIT), (f"{said} limit: 0", EndCause.QUOTA)):
        reader = GeminiReader()
        event = {"type": "result", "status": "error", "error": {"message": words}}
        reader.feed(json.dumps(event).encode())
        assert reader.judge(ProcessEnd(exit_code=173)).cause is cause


def test_an_exit_code_of_0_without_a_result_is_no_success() -> None:
    for case in ("SIGINT", "SIGTERM"):
        reader, _, end = replay(case)
        assert end.exit_code == 0
        assert not reader.judge(end).ok


def test_conversation_answer_and_tokens_are_told() -> None:
    reader, seen, _ = replay("command")
    (known,) = [each.conversation for each in seen if isinstance(each, ConversationKnown)]
    assert len(known) == 36
    assert [each.text for each in seen if isinstance(each, MessageSeen)] == [
        "I run it.",
        "all done",
    ]
    assert reader.answer == "all done"
    used = reader.usage(Usage(input_tokens=5))
    assert used is not None
    assert (used.input_tokens, used.output_tokens, used.cost_usd) == (2000, 100, None)


def test_thinking_counts_as_output() -> None:
    reader = GeminiReader()
    stats = {"total_tokens": 100, "input_tokens": 60, "output_tokens": 10, "cached": 20}
    reader.feed(json.dumps({"type": "result", "status": "success", "stats": stats}).encode())
    assert reader.usage(Usage()) == Usage(input_tokens=60, output_tokens=40, cached_input_tokens=20)


def test_a_message_in_pieces_is_one() -> None:
    reader = GeminiReader()
    for text in ("Hel", "lo"):
        event = {"type": "message", "role": "assistant", "content": text, "delta": True}
        assert reader.feed(json.dumps(event).encode()) == []
    assert reader.answer == "Hello", "also where it was cut off"
    seen = list(reader.feed(b'{"type":"result","status":"success"}'))
    assert seen[0] == MessageSeen(text="Hello")


def test_commands_are_told_with_their_exit_codes() -> None:
    assert commands(replay("command")[1]) == [("echo one", 0, False)]
    assert commands(replay("failed_command")[1]) == [("exit 7", 7, True)]
    assert commands(replay("ampersand")[1]) == [("sleep 30 & echo hi; false", 1, True)]
    assert commands(replay("killed")[1]) == [("echo out; kill -9 $$", None, True)]
    assert commands(replay("background")[1]) == [], "nobody knows its end"


def test_output_that_looks_like_an_exit_code_is_none() -> None:
    use = {"type": "tool_use", "tool_name": "run_shell_command", "tool_id": "1"}
    for output, code in (
        ("Output: Exit Code: 7\nmore\nProcess Group PGID: 2", 0),
        ("Output: Exit Code: 0\nExit Code: 3", 3),
        ("raw output, as without --debug", None),
    ):
        reader = GeminiReader()
        reader.feed(json.dumps({**use, "parameters": {"command": "c"}}).encode())
        result = {"type": "tool_result", "tool_id": "1", "status": "success", "output": output}
        (ran,) = reader.feed(json.dumps(result).encode())
        assert isinstance(ran, CommandRan)
        assert (ran.exit_code, ran.failed) == (code, bool(code))


def test_files_and_refusals_are_seen() -> None:
    assert FileTouched(path="/work/project/new.txt", kind="add") in replay("edit")[1]
    assert FileTouched(path="/work/project/notify.py", kind="update") in replay("replace")[1]
    for case, tool in (("denied", "write_file"), ("auto_edit", "run_shell_command")):
        reader, seen, end = replay(case)
        assert [each.tool for each in seen if isinstance(each, ToolRefused)] == [tool]
        assert reader.judge(end).warnings == (f"not allowed: `{tool}`",)
        assert commands(seen) == []
    _, seen, _ = replay("outside")
    assert not [each for each in seen if isinstance(each, FileTouched)]


def test_what_a_sub_agent_ran_is_not_told_in_the_stream() -> None:
    assert replay("command")[0].tells_all_commands
    reader, seen, _ = replay("sub_agent")
    assert not reader.tells_all_commands
    assert commands(seen) == []


def test_calls_that_may_change_a_file_are_found() -> None:
    def calls(case: str) -> list[ToolCall]:
        return [c for line in RECORDED[case]["stdout"] for c in GeminiReader().calls(line.encode())]

    assert calls("command") == [ToolCall(command="echo one")]
    assert calls("edit") == [ToolCall(paths=("/work/project/new.txt",), written="hello\n")]
    (unknown,) = calls("sub_agent")
    assert "run echo sub" in unknown.words


def read_chats(since: datetime = EARLY) -> tuple[GeminiChatReader, list[Observation]]:
    reader = GeminiChatReader(since)
    lines = [line for path in CHATS for line in path.read_bytes().splitlines()]
    return reader, [one for line in lines for one in reader.feed(line)]


def test_its_chats_give_commands_files_and_tokens_once() -> None:
    reader, seen = read_chats()
    assert ConversationKnown(conversation=CONVERSATION) in seen
    assert sorted(commands(seen)) == [("echo from-sub", 0, False), ("exit 7", 7, True)]
    assert [each.path for each in seen if isinstance(each, FileTouched)] == [
        "/work/project/new.txt"
    ]
    used = reader.usage(Usage())
    assert used is not None
    assert (used.input_tokens, used.output_tokens) == (10_000, 500), "the sub-agent's too"
    assert reader.version
    assert reader.tells_all_commands
    lines = CHATS[0].read_bytes().splitlines()
    called = [call for line in lines for call in reader.calls(line)]
    assert ToolCall(command="exit 7") in called
    kept = [line for line in lines if reader.structured(line)]
    assert 0 < len(kept) < len(lines)


def test_earlier_lines_of_a_chat_belong_to_earlier_sessions() -> None:
    reader, seen = read_chats(EARLY + timedelta(days=1))
    assert commands(seen) == []
    assert reader.usage(Usage()) is None


def test_its_chat_is_found_by_the_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_CLI_HOME", str(tmp_path))
    runtime = Gemini(RuntimeSpec(name="gemini"))
    sought = SoughtConversation(conversation=CONVERSATION, cwd=tmp_path, since=EARLY, mark="run-1")
    assert not runtime.can_continue(CONVERSATION)
    assert list(runtime.transcripts(sought)) == []
    chats = tmp_path / ".gemini" / "tmp" / "project" / "chats"
    (chats / CONVERSATION).mkdir(parents=True)
    main = chats / "session-2026-11-26T23-54-11111111.jsonl"
    main.write_bytes(CHATS[0].read_bytes())
    sub = chats / CONVERSATION / "66666666.jsonl"
    sub.write_bytes(CHATS[1].read_bytes())
    other = chats / "session-2026-11-26T23-55-11111111.jsonl"
    other.write_text('{"sessionId":"11111111-of-another","kind":"main"}\n')
    assert list(runtime.transcripts(sought)) == [main, sub]
    assert runtime.can_continue(CONVERSATION)
    assert not runtime.can_continue("another")


def test_it_is_called_without_a_terminal_and_in_one() -> None:
    runtime = Gemini(RuntimeSpec(name="gemini", model="m"), new_id=lambda: "id-1")
    made = runtime.invocation(make_launch(folders=(Path("/more"),)))
    assert made.argv == (
        "gemini", "--output-format", "stream-json", "--debug", "--skip-trust", "--approval-mode",
        "yolo", "--session-id", "id-1", "--model", "m", "--include-directories", "/more",
    )  # fmt: skip
    assert (made.channel, made.conversation) == (PromptChannel.STDIN, "id-1")
    made = runtime.invocation(make_launch(mode=Mode.INTERACTIVE, conversation="talk-1"))
    assert made.argv == (
        "gemini", "--resume", "talk-1", "--model", "m", "--prompt-interactive", "# Task\n",
    )  # fmt: skip
    made = runtime.invocation(make_launch(read_only=True))
    assert made.argv[5:7] == ("--approval-mode", "plan")


def test_own_permissions_and_trust_are_left_to_the_mission() -> None:
    spec = RuntimeSpec(
        name="gemini",
        args=("--policy", "own.toml"),
        env={"GEMINI_CLI_TRUST_WORKSPACE": "false"},
    )
    made = get_runtime("gemini", {"gemini": spec}).invocation(make_launch())
    assert not {"yolo", "--skip-trust"} & set(made.argv)
    assert made.argv[-2:] == ("--policy", "own.toml")
    assert made.env["GEMINI_CLI_TRUST_WORKSPACE"] == "false"
