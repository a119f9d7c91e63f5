"""Replays of what the agents wrote: each ending judged, each event understood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.model import Mode, Usage
from mosaic.ports import (
    CommandRan,
    ConversationKnown,
    EndCause,
    FileTouched,
    MessageSeen,
    Observation,
    OutputReader,
    ProcessEnd,
    PromptChannel,
    RetrySeen,
    ToolRefused,
)
from mosaic.runtimes import get_runtime, known_runtimes
from mosaic.runtimes.claude import Claude
from mosaic.runtimes.claude_output import ClaudeReader
from mosaic.runtimes.codex import Codex
from mosaic.runtimes.codex_output import inner_command
from mosaic.runtimes.command import CommandRuntime, replace_placeholders
from mosaic.settings import RuntimeSpec
from mosaic.testing.runtimes import make_launch

DATA = Path(__file__).resolve().parents[2] / "data" / "runtimes"
RECORDED: dict[str, dict[str, Any]] = {
    name: json.loads((DATA / f"{name}.json").read_text()) for name in ("claude", "codex", "gemini")
}


def replay(runtime: str, case: str) -> tuple[OutputReader, list[Observation], ProcessEnd]:
    recorded = RECORDED[runtime][case]
    reader = get_runtime(runtime, {}).reader(Mode.HEADLESS)
    seen = [one for line in recorded["stdout"] for one in reader.feed(line.encode())]
    end = ProcessEnd(exit_code=recorded["exit_code"], stderr_tail="\n".join(recorded["stderr"]))
    return reader, seen, end


@pytest.mark.parametrize(
    ("runtime", "case", "ok", "cause", "retryable"),
    [
        ("claude", "success", True, EndCause.OK, False),
        ("claude", "tool_bash", True, EndCause.OK, False),
        ("claude", "tool_write", True, EndCause.OK, False),
        ("claude", "tool_denied", True, EndCause.REFUSED, False),
        ("claude", "background_stream_bg_8s", True, EndCause.OK, False),
        ("claude", "http400", False, EndCause.CONTEXT_FULL, False),
        ("claude", "http401", False, EndCause.AUTH, False),
        ("claude", "noauth", False, EndCause.AUTH, False),
        ("claude", "http429", False, EndCause.RATE_LIMIT, True),
        ("claude", "http500", False, EndCause.OVERLOADED, True),
        ("claude", "http529", False, EndCause.OVERLOADED, True),
        ("claude", "drop_before", False, EndCause.CONNECTION, True),
        ("claude", "drop_mid", False, EndCause.CONNECTION, True),
        ("claude", "maxturns1", False, EndCause.LIMIT, False),
        ("claude", "budget", False, EndCause.LIMIT, False),
        ("claude", "sigint", False, EndCause.CUT, True),
        ("claude", "sigterm", False, EndCause.CUT, True),
        ("claude", "sigkill", False, EndCause.CUT, True),
        ("claude", "timeout", False, EndCause.CUT, True),
        ("claude", "root_skip", False, EndCause.USAGE, False),
        ("claude", "badflag", False, EndCause.USAGE, False),
        ("claude", "badmodel", False, EndCause.MODEL, False),
        ("codex", "success", True, EndCause.OK, False),
        ("codex", "tool_shell_ws", True, EndCause.OK, False),
        ("codex", "tool_patch_ws", True, EndCause.OK, False),
        ("codex", "tool_fail_cmd", True, EndCause.OK, False),
        ("codex", "tool_patch_readonly", True, EndCause.REFUSED, False),
        ("codex", "http400", False, EndCause.CONTEXT_FULL, False),
        ("codex", "http401", False, EndCause.AUTH, False),
        ("codex", "noauth", False, EndCause.AUTH, False),
        ("codex", "http429", False, EndCause.RATE_LIMIT, True),
        ("codex", "http429quota", False, EndCause.QUOTA, False),
        ("codex", "http500", False, EndCause.OVERLOADED, True),
        ("codex", "http529", False, EndCause.OVERLOADED, True),
        ("codex", "drop_before", False, EndCause.CONNECTION, True),
        ("codex", "drop_mid", False, EndCause.CONNECTION, True),
        ("codex", "sigint", False, EndCause.CUT, True),
        ("codex", "sigterm", False, EndCause.CUT, True),
        ("codex", "sigkill", False, EndCause.CUT, True),
        ("codex", "timeout", False, EndCause.CUT, True),
        ("codex", "nogit", False, EndCause.USAGE, False),
        ("codex", "badflag", False, EndCause.USAGE, False),
    ],
)
def test_a_recorded_end_is_judged(
    runtime: str, case: str, ok: bool, cause: EndCause, retryable: bool
) -> None:
    reader, _, end = replay(runtime, case)
    ending = reader.judge(end)
    assert (ending.ok, ending.cause, ending.retryable) == (ok, cause, retryable)
    assert runtime in ending.message
    assert "\n" not in ending.message


def test_claude_tells_its_conversation_answer_and_cost() -> None:
    reader, seen, _ = replay("claude", "success")
    assert sum(isinstance(one, ConversationKnown) for one in seen) == 1
    assert reader.answer == "all done"
    used = reader.usage(Usage(cost_usd=0.0))
    assert used is not None
    assert (used.input_tokens, used.output_tokens, used.cost_usd) == (1000, 50, 0.005)


def test_a_resumed_conversation_is_charged_for_its_own_part() -> None:
    reader, _, _ = replay("claude", "success")
    used = reader.usage(Usage(input_tokens=1000, output_tokens=50, cost_usd=0.003))
    assert used is not None
    assert used.cost_usd == pytest.approx(0.005), "what it lists as used since its last result"
    assert used.input_tokens == 1000
    reader, _, _ = replay("codex", "tool_shell_ws")
    used = reader.usage(Usage(input_tokens=1500, output_tokens=60))
    assert used is not None
    assert (used.input_tokens, used.output_tokens, used.cost_usd) == (500, 40, None)


def test_commands_files_and_refusals_are_seen() -> None:
    _, seen, _ = replay("claude", "tool_bash")
    assert any(isinstance(one, CommandRan) and not one.failed for one in seen)
    _, seen, _ = replay("claude", "tool_write")
    assert any(isinstance(one, FileTouched) for one in seen)
    _, seen, _ = replay("claude", "tool_denied")
    assert any(isinstance(one, ToolRefused) for one in seen)
    _, seen, _ = replay("codex", "tool_shell_ws")
    ran = [one for one in seen if isinstance(one, CommandRan)]
    assert [(one.command, one.exit_code) for one in ran] == [("echo hi > sh.txt && echo ran", 0)]
    _, seen, _ = replay("codex", "tool_fail_cmd")
    assert any(isinstance(one, CommandRan) and one.failed and one.exit_code == 7 for one in seen)
    _, seen, _ = replay("codex", "tool_patch_ws")
    assert any(isinstance(one, FileTouched) and one.kind == "add" for one in seen)
    _, seen, _ = replay("codex", "http401")
    assert any(isinstance(one, RetrySeen) for one in seen)


def test_of_several_answers_the_last_one_counts() -> None:
    reader, seen, _ = replay("claude", "background_stream_bg_8s")
    said = [one.text for one in seen if isinstance(one, MessageSeen)]
    assert reader.answer == said[-1]


def test_claude_is_called_as_it_was_found_to_work() -> None:
    claude = Claude(RuntimeSpec(name="claude"), new_id=lambda: "ID")
    made = claude.invocation(make_launch(model="opus"))
    assert made.argv == (
        "claude", "-p", "--output-format", "stream-json", "--verbose", "--permission-mode",
        "acceptEdits", "--allowedTools", "Bash", "--session-id", "ID", "--model", "opus",
    )  # fmt: skip
    assert (made.channel, made.conversation) == (PromptChannel.STDIN, "ID")
    resumed = claude.invocation(make_launch(conversation="OLD"))
    assert resumed.argv[-2:] == ("--resume", "OLD")
    terminal = claude.invocation(make_launch(mode=Mode.INTERACTIVE))
    assert terminal.argv == ("claude", "--session-id", "ID", "--", "# Task\n")


def test_codex_is_called_as_it_was_found_to_work() -> None:
    codex = Codex(RuntimeSpec(name="codex"))
    made = codex.invocation(make_launch(conversation="OLD", model="m"))
    assert made.argv == (
        "codex", "exec", "--json", "--skip-git-repo-check", "--sandbox", "workspace-write", "-C",
        "/w", "-o", "/r/artifacts/last-message.txt", "-m", "m", "resume", "OLD", "-",
    )  # fmt: skip
    assert made.channel is PromptChannel.STDIN
    assert "-p" not in made.argv
    terminal = codex.invocation(make_launch(mode=Mode.INTERACTIVE))
    assert terminal.argv[:2] == ("codex", "--no-daemon")
    huge = codex.invocation(make_launch(prompt="x" * 1_100_000))
    assert huge.argv[-1] == "Read and do what the file /r/prompt.md says."
    assert huge.channel is PromptChannel.FILE


@pytest.mark.parametrize("prompt", ["x" * 120_000, "-x", "/clear", "@file"])
def test_a_prompt_that_cannot_be_an_argument_is_read_from_its_file(prompt: str) -> None:
    claude = Claude(RuntimeSpec(name="claude"))
    made = claude.invocation(make_launch(mode=Mode.INTERACTIVE, prompt=prompt))
    assert made.argv[-1] == "Read and do what the file /r/prompt.md says."


@pytest.mark.parametrize(
    ("command", "prompt", "expected", "channel"),
    [
        (("run", "{prompt}", "-v"), None, ("run", "# Task\n", "-v"), PromptChannel.ARGUMENT),
        (("run", "a={prompt}"), None, ("run", "a=# Task\n"), PromptChannel.ARGUMENT),
        (("run",), None, ("run", "# Task\n"), PromptChannel.ARGUMENT),
        (("run", "{prompt_file}"), None, ("run", "/r/prompt.md"), PromptChannel.FILE),
        (("run", "{task}"), "stdin", ("run", "T-1"), PromptChannel.STDIN),
        (("run", "{other}{task}"), "file", ("run", "{other}T-1"), PromptChannel.FILE),
    ],
)
def test_a_command_gets_its_prompt_where_it_asks_for_it(
    command: tuple[str, ...], prompt: str | None, expected: tuple[str, ...], channel: PromptChannel
) -> None:
    spec = RuntimeSpec(name="own", command=command, prompt=prompt)
    made = CommandRuntime(spec).invocation(make_launch())
    assert made.argv == expected
    assert made.channel is channel


def test_placeholders_inside_a_value_are_not_filled() -> None:
    assert replace_placeholders("{a}{b}", {"a": "{b}", "b": "B"}) == "{b}B"


def test_codex_commands_are_freed_of_their_shell() -> None:
    assert inner_command("/bin/bash -lc 'echo hi'") == "echo hi"
    assert inner_command("ls 'unclosed") == "ls 'unclosed"


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "demo", "own"])
def test_every_runtime_keeps_the_contract(name: str) -> None:
    specs = {"own": RuntimeSpec(name="own", command=("run",), resume=("run", "on"))}
    assert name in known_runtimes(specs)
    runtime = get_runtime(name, specs)
    assert runtime.name == name
    made = runtime.invocation(make_launch())
    assert made.argv
    assert "CLAUDECODE" in made.unset
    reader = runtime.reader(Mode.HEADLESS)
    assert list(reader.feed(b"")) == []
    assert reader.answer == ""
    assert not reader.judge(ProcessEnd(exit_code=1)).ok
    assert runtime.probe().program


LINES = [line for cases in RECORDED.values() for case in cases.values() for line in case["stdout"]]


@st.composite
def broken_lines(draw: st.DrawFn) -> bytes:
    line: bytes = draw(st.sampled_from(LINES)).encode()
    start = draw(st.integers(0, len(line)))
    end = draw(st.integers(start, min(len(line), start + 40)))
    return line[:start] + draw(st.binary(max_size=20)) + line[end:]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["type", "item", "message", "content", "usage", "id", "error", "subtype"]
            ),
            inner,
            max_size=4,
        ),
    ),
)


@settings(deadline=None, max_examples=400)
@pytest.mark.slow
@given(
    st.sampled_from(["claude", "codex", "gemini", "demo"]),
    st.lists(
        st.one_of(
            broken_lines(), st.binary(max_size=60), JSON.map(lambda v: json.dumps(v).encode())
        ),
        max_size=6,
    ),
    st.integers(-15, 255),
)
def test_readers_take_anything(name: str, lines: list[bytes], exit_code: int) -> None:
    reader = get_runtime(name, {}).reader(Mode.HEADLESS)
    for line in lines:
        list(reader.feed(line))
        reader.structured(line)
    assert reader.judge(ProcessEnd(exit_code=exit_code)).message
    reader.usage(Usage(cost_usd=0.0))


def test_an_answer_that_is_empty_was_refused_by_no_hook() -> None:
    reader = ClaudeReader()
    reader.feed(b'{"type": "result", "result": "", "usage": {"output_tokens": 50}}')
    assert reader.judge(ProcessEnd(exit_code=0)).cause is EndCause.EMPTY


def test_half_a_character_in_a_structured_answer_can_be_written() -> None:
    reader = ClaudeReader()
    reader.feed(b'{"type": "result", "structured_output": {"summary": "half \\ud800"}}')
    assert json.loads(reader.answer.encode()) == {"summary": "half ?"}
