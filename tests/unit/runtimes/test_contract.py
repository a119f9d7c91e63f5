"""What every runtime keeps: a new one is a file and a line of `BUILT_IN`, and is tested here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mosaic.errors import RuntimeUnknownError
from mosaic.model import Mode
from mosaic.ports import OutputReader, Runtime, ToolCall
from mosaic.runtimes import BUILT_IN, PLUGINS, get_runtime, known_runtimes
from mosaic.runtimes.of_plugin import PluginReader
from mosaic.runtimes.readers import TextReader
from mosaic.settings import RuntimeSpec
from mosaic.testing.runtimes import LINES, RuntimeContract, make_launch

DATA = Path(__file__).resolve().parents[2] / "data" / "runtimes"
OWN = RuntimeSpec(
    name="own", command=("run", "{task}"), resume=("run", "on", "{runtime_session_id}")
)
SPECS = {"own": OWN}
NAMES = known_runtimes(SPECS, asked=())
PLAIN = '{"type": "conversation", "id": "c"}\n{"type": "message", "text": "all done"}\n'


def runtime_of(name: str) -> Runtime:
    return get_runtime(name, SPECS)


class TestEveryRuntime(RuntimeContract):
    @pytest.fixture(params=NAMES)
    def spec(self, request: pytest.FixtureRequest) -> RuntimeSpec:
        return SPECS.get(request.param, RuntimeSpec(name=request.param))

    @pytest.fixture
    def recorded(self, spec: RuntimeSpec) -> tuple[str, str]:
        if spec.name in ("demo", "own"):
            return PLAIN, "all done"
        recorded = json.loads((DATA / f"{spec.name}.json").read_text())["success"]
        return "\n".join(recorded["stdout"]), "all done"


def test_there_is_no_other_runtime() -> None:
    assert set(BUILT_IN) < set(NAMES)
    with pytest.raises(RuntimeUnknownError):
        get_runtime("nobody", SPECS)


def members(port: type) -> set[str]:
    return {name for name in vars(port) if not name.startswith("_")}


def test_a_runtime_of_a_plugin_is_asked_for_all_that_runtimes_have() -> None:
    assert set(PLUGINS.needs) == members(Runtime)
    reader = PluginReader(TextReader("x"), "x")
    assert members(OutputReader) <= members(PluginReader) | set(vars(reader))


@pytest.mark.parametrize("name", NAMES)
def test_a_command_of_the_mission_takes_its_place(name: str) -> None:
    spec = RuntimeSpec(name=name, command=OWN.command)
    made = get_runtime(name, {name: spec}).invocation(make_launch())
    # The scripted agent is one program only.
    assert (made.argv[:2] == ("run", "T-1")) is (name != "demo")


@pytest.mark.parametrize("name", NAMES)
def test_it_says_whether_it_reports_commands(name: str) -> None:
    assert runtime_of(name).reports_commands is (name in BUILT_IN)
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
    "opencode": (
        b'{"type":"tool_use","part":{"tool":"bash","state":{"input":{"command":"touch a"}}}}',
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
