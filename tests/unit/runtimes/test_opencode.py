"""`opencode`: how it is called, and what it wrote, as recorded."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mosaic.model import Usage
from mosaic.ports import (
    CommandRan,
    ConversationKnown,
    EndCause,
    FileTouched,
    MessageSeen,
    Observation,
    ProcessEnd,
    PromptChannel,
    ToolCall,
    ToolRefused,
)
from mosaic.runtimes.opencode import Opencode, OpencodeReader
from mosaic.settings import RuntimeSpec
from mosaic.testing.runtimes import make_launch

DATA = Path(__file__).resolve().parents[2] / "data" / "runtimes" / "opencode.json"
RECORDED: dict[str, dict[str, Any]] = json.loads(DATA.read_text())
CAUSES = {
    EndCause.OK: "success command edit resumed",
    EndCause.REFUSED: "denied",
    EndCause.CUT: "SIGINT SIGTERM",
    EndCause.AUTH: "401",
    EndCause.MODEL: "404",
    EndCause.CONTEXT_FULL: "too_long",
    EndCause.REFUSAL: "refusal",
    EndCause.USAGE: "flag unknown",
}


def replay(case: str) -> tuple[OpencodeReader, list[Observation], ProcessEnd]:
    recorded = RECORDED[case]
    reader = OpencodeReader()
    seen = [one for line in recorded["stdout"] for one in reader.feed(line.encode())]
    end = ProcessEnd(exit_code=recorded["exit_code"], stderr_tail="\n".join(recorded["stderr"]))
    return reader, seen, end


def test_every_recorded_end_is_judged() -> None:
    wanted = {case: cause for cause, cases in CAUSES.items() for case in cases.split()}
    assert set(wanted) == set(RECORDED)
    for case, cause in wanted.items():
        reader, _, end = replay(case)
        ending = reader.judge(end)
        assert (case, ending.cause) == (case, cause), ending
        assert ending.ok == (cause in (EndCause.OK, EndCause.REFUSED)), case
        assert ending.retryable == (cause is EndCause.CUT), case
        assert "\n" not in ending.message
        assert ending.ok or ending.hint, case


@pytest.mark.parametrize(
    ("name", "status", "words", "cause"),
    [
        ("APIError", 429, "slow down", EndCause.RATE_LIMIT),
        ("APIError", 529, "Overloaded", EndCause.OVERLOADED),
        ("APIError", 402, "Payment required", EndCause.QUOTA),
        (
            "APIError",
            0,
            "Unable to connect. Is the computer able to access it?",
            EndCause.CONNECTION,
        ),
        ("ContextOverflowError", 0, "Input exceeds it", EndCause.CONTEXT_FULL),
        ("ProviderAuthError", 0, "no key", EndCause.AUTH),
        ("UnknownError", 0, "something else", EndCause.API_ERROR),
    ],
)
def test_an_error_is_known_by_name_status_and_words(
    name: str, status: int, words: str, cause: EndCause
) -> None:
    reader = OpencodeReader()
    data = {"message": words, **({"statusCode": status} if status else {})}
    event = {"type": "error", "sessionID": "ses_1", "error": {"name": name, "data": data}}
    reader.feed(json.dumps(event).encode())
    ending = reader.judge(ProcessEnd(exit_code=1))
    assert ending.cause is cause
    assert words in str(ending.message)


def test_conversation_answer_tokens_and_cost_are_told() -> None:
    reader, seen, _ = replay("command")
    (known,) = [each.conversation for each in seen if isinstance(each, ConversationKnown)]
    assert known.startswith("ses_")
    assert [one.text for one in seen if isinstance(one, MessageSeen)] == ["I run it.", "all done"]
    assert reader.answer == "all done"
    used = reader.usage(Usage(input_tokens=5))
    assert used is not None
    assert (used.input_tokens, used.output_tokens, used.cost_usd) == (2000, 100, 0.0075)


def test_a_full_conversation_that_was_shortened_goes_on() -> None:
    reader, seen, _ = replay("too_long")
    before = reader.has_result
    reader.feed(b'{"type":"step_start"}')
    assert (before, reader.has_result) == (True, False)
    assert not any("size limit" in one.text for one in seen if isinstance(one, MessageSeen))


def test_commands_files_and_refusals_are_seen() -> None:
    (ran,) = [each for each in replay("command")[1] if isinstance(each, CommandRan)]
    assert (ran.command, ran.exit_code, ran.failed) == ("echo one; exit 7", 7, True)
    assert FileTouched(path="/work/project/new.txt", kind="add") in replay("edit")[1]
    reader, seen, end = replay("denied")
    assert [each.tool for each in seen if isinstance(each, ToolRefused)] == ["bash"]
    assert reader.judge(end).warnings == ("not allowed: `bash`",)
    assert not [each for each in seen if isinstance(each, CommandRan)]


def test_calls_that_may_change_a_file_are_found() -> None:
    lines = [line.encode() for line in RECORDED["edit"]["stdout"]]
    assert [call for line in lines for call in OpencodeReader().calls(line)] == [
        ToolCall(paths=("/work/project/new.txt",), written="hello\n")
    ]


def test_what_a_sub_agent_ran_is_not_told_in_the_stream() -> None:
    reader = OpencodeReader()
    before = reader.tells_all_commands
    part = {"tool": "task", "state": {"status": "completed", "input": {"prompt": "run it"}}}
    line = json.dumps({"type": "tool_use", "part": part}).encode()
    assert list(reader.feed(line)) == []
    assert (before, reader.tells_all_commands) == (True, False)
    assert [call.words for call in reader.calls(line)] == ['{"prompt": "run it"}']


def test_it_is_called_without_a_terminal_only() -> None:
    runtime = Opencode(RuntimeSpec(name="opencode", model="p/m", args=("--variant", "high")))
    made = runtime.invocation(make_launch(conversation="ses_1"))
    assert made.argv == (
        "opencode", "run", "--format", "json", "--auto", "--session", "ses_1", "--model", "p/m",
        "--variant", "high",
    )  # fmt: skip
    assert made.channel is PromptChannel.STDIN
    assert not runtime.uses_terminal
    made = runtime.invocation(make_launch(read_only=True))
    assert made.argv[4:6] == ("--agent", "plan")


def test_a_conversation_is_looked_for_in_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    runtime = Opencode(RuntimeSpec(name="opencode"))
    assert not runtime.can_continue("ses_1")
    folder = tmp_path / "opencode"
    folder.mkdir()
    kept = sqlite3.connect(folder / "opencode.db")
    kept.execute("CREATE TABLE session (id TEXT)")
    kept.execute("INSERT INTO session VALUES ('ses_1')")
    kept.commit()
    assert runtime.can_continue("ses_1")
    assert not runtime.can_continue("ses_2")
    kept.execute("DROP TABLE session")
    kept.commit()
    kept.close()
    assert runtime.can_continue("ses_1"), "of a form that is not known"
