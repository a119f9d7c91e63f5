"""What every runtime keeps: a new one is a file and a line of `BUILT_IN`, and is tested here."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.errors import RuntimeUnknownError
from mosaic.model import Mode, Usage
from mosaic.ports import AnswerSchema, EndCause, ProcessEnd, PromptChannel, Runtime, ToolCall
from mosaic.runtimes import BUILT_IN, get_runtime, known_runtimes
from mosaic.settings import RuntimeSpec
from tests.support.launches import make_launch

OWN = RuntimeSpec(
    name="own", command=("run", "{task}"), resume=("run", "on", "{runtime_session_id}")
)
SPECS = {"own": OWN}
NAMES = known_runtimes(SPECS)
LINES = [b"", b"words", b"{}", b"[]", b"{", b'{"type": 7}', b'{"type": "result"}', b"\xff\0"]


def runtime_of(name: str) -> Runtime:
    return get_runtime(name, SPECS)


def test_the_name_of_a_runtime_is_the_one_it_is_found_by() -> None:
    assert set(BUILT_IN) < set(NAMES)
    assert [runtime_of(name).name for name in NAMES] == NAMES
    with pytest.raises(RuntimeUnknownError):
        get_runtime("nobody", SPECS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", Mode)
def test_it_says_how_it_is_started(name: str, mode: Mode) -> None:
    schema = AnswerSchema(text="{}", file=Path("/r/schema.json"))
    for changes in (
        {},
        {"model": "m"},
        {"conversation": "talk-1"},
        {"folders": (Path("/more"),)},
        {"read_only": True},
        {"answer_schema": schema},
        {"prompt": "x" * 2_000_000},
    ):
        made = runtime_of(name).invocation(make_launch(mode=mode, **changes))
        assert made.argv
        assert all(isinstance(part, str) and len(part) < 131_072 for part in made.argv)
        assert made.channel in PromptChannel
        assert "CLAUDECODE" in made.unset
        if changes.get("conversation"):
            assert made.conversation == "talk-1"
            assert "talk-1" in made.argv


@pytest.mark.parametrize("name", NAMES)
def test_settings_of_the_mission_are_heeded(name: str) -> None:
    spec = RuntimeSpec(name=name, command=OWN.command, args=("--more",), env={"LANG": "C"})
    made = get_runtime(name, {name: spec}).invocation(make_launch())
    assert made.env == {"LANG": "C"}
    if name != "demo":  # the scripted agent is one program only
        assert made.argv[:2] == ("run", "T-1")
    if name in BUILT_IN:
        made = get_runtime(name, {name: RuntimeSpec(name=name, args=("--more",))}).invocation(
            make_launch()
        )
        assert "--more" in made.argv


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", Mode)
def test_its_reader_takes_anything_and_judges_every_end(name: str, mode: Mode) -> None:
    for code in (0, 1, 130, -9, 255):
        reader = runtime_of(name).reader(mode)
        assert reader.answer == ""
        for line in LINES:
            list(reader.feed(line))
            assert reader.structured(line) in (True, False)
        ending = reader.judge(ProcessEnd(exit_code=code, stderr_tail="error: no\n"))
        assert ending.cause in EndCause
        assert ending.message
        assert "\n" not in ending.message
        assert not (ending.ok and code)
        assert all(isinstance(mark, bytes) for mark in reader.marks)
        used = reader.usage(Usage())
        assert used is None or used.output_tokens == 0


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_looked_for_and_says_whether_it_reports_commands(name: str) -> None:
    runtime = runtime_of(name)
    assert runtime.probe().program
    assert runtime.reports_commands is (name in BUILT_IN)
    assert not runtime.can_continue("")
    talking = RuntimeSpec(name="own", command=("run",), tells_commands=True)
    assert get_runtime("own", {"own": talking}).reports_commands


CALLS = {
    "claude": (
        b'{"type":"assistant","message":{"content":[{"type":"tool_use","id":"1","name":"Write",'
        b'"input":{"file_path":"/r/a","content":"x"}}]}}',
        ToolCall(paths=("/r/a",), written="x\n"),
    ),
    "codex": (
        b'{"type":"item.started","item":{"type":"command_execution",'
        b'"command":"/bin/bash -lc \'touch a\'"}}',
        ToolCall(command="touch a"),
    ),
    "gemini": (
        b'{"type":"tool_use","tool_name":"run_shell_command","tool_id":"1",'
        b'"parameters":{"command":"touch a"}}',
        ToolCall(command="touch a"),
    ),
    "own": (b'{"type":"file","path":"a","kind":"add"}', ToolCall(paths=("a",))),
}


@pytest.mark.parametrize("name", CALLS)
def test_its_reader_finds_the_calls_that_may_change_a_file(name: str) -> None:
    line, call = CALLS[name]
    reader = runtime_of(name).reader(Mode.HEADLESS)
    assert list(reader.calls(line)) == [call]
    assert any(mark in line for mark in reader.marks)
    for other in LINES:
        assert list(reader.calls(other)) == []
    assert runtime_of(name).reports_edits == (name != "own")
