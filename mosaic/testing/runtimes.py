"""What every runtime keeps, and a real hand-off to one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mosaic.model import Mode, Usage
from mosaic.ports import (
    AnswerSchema,
    CommandRan,
    ConversationKnown,
    EndCause,
    Launch,
    ProcessEnd,
    PromptChannel,
    Runtime,
)
from mosaic.records import replace
from mosaic.runtimes import get_runtime
from mosaic.settings import RuntimeSpec
from mosaic.testing.missions import MissionRepo

LARGEST_ARGUMENT = 131_072
"""Bytes of one argument that the kernel refuses."""
LINES = (b"", b"words", b"{}", b"[]", b"{", b'{"type": 7}', b'{"type": "result"}', b"\xff\0")


def make_launch(**changes: Any) -> Launch:
    """Return a launch without a terminal; `changes` replace its values."""
    given: dict[str, Any] = {
        "mode": Mode.HEADLESS,
        "cwd": Path("/w"),
        "run_dir": Path("/r"),
        "prompt": "# Task\n",
        "prompt_file": Path("/r/prompt.md"),
        "capsule_file": Path("/c.json"),
        "task_id": "T-1",
        "task_file": None,
        **changes,
    }
    return Launch(**given)


def runtime_of(spec: RuntimeSpec, **changes: Any) -> Runtime:
    """Return the runtime of an entry of mission.json, changed."""
    return get_runtime(spec.name, {spec.name: replace(spec, **changes)})


class RuntimeContract:
    """Holds a runtime to what Mosaic relies on; starts nothing but its probe."""

    runtime = ""
    """Its name."""
    output = ""
    """What its program prints in a run that ends well, recorded."""
    answer = ""
    """The agent's last answer in that run."""
    can_go_on = True
    """Whether it can continue a conversation."""

    @pytest.fixture
    def spec(self) -> RuntimeSpec:
        """Its entry in mission.json."""
        return RuntimeSpec(name=self.runtime)

    @pytest.fixture
    def recorded(self) -> tuple[str, str]:
        """The output and the answer of a run that ends well."""
        return self.output, self.answer

    def test_the_name_of_a_runtime_is_the_one_it_is_found_by(self, spec: RuntimeSpec) -> None:
        assert runtime_of(spec).name == spec.name

    @pytest.mark.parametrize("mode", Mode)
    def test_it_says_how_it_is_started(self, spec: RuntimeSpec, mode: Mode) -> None:
        schema = AnswerSchema(text="{}", file=Path("/r/schema.json"))
        for changes in (
            {},
            {"model": "m"},
            {"conversation": "talk-1"} if self.can_go_on else {},
            {"folders": (Path("/more"),)},
            {"read_only": True},
            {"answer_schema": schema},
            {"prompt": "x" * 2_000_000},
        ):
            launch = make_launch(mode=mode, **changes)
            made = runtime_of(spec).invocation(launch)
            assert made.argv
            assert all(isinstance(each, str) and len(each) < LARGEST_ARGUMENT for each in made.argv)
            assert made.channel in PromptChannel
            if made.channel is not PromptChannel.STDIN:
                assert launch.prompt in made.argv or str(launch.prompt_file) in " ".join(made.argv)
            assert "CLAUDECODE" in made.unset, "an agent may not take itself for part of another"
            if launch.conversation:
                assert made.conversation == "talk-1"
                assert "talk-1" in made.argv

    def test_settings_of_the_mission_are_heeded(self, spec: RuntimeSpec) -> None:
        made = runtime_of(spec, args=("--more",), env={"LANG": "C"}).invocation(make_launch())
        assert made.env == {"LANG": "C"}
        assert "--more" in made.argv or spec.command

    @pytest.mark.parametrize("mode", Mode)
    def test_its_reader_takes_anything_and_judges_every_end(
        self, spec: RuntimeSpec, mode: Mode
    ) -> None:
        for code in (0, 1, 130, -9, 255):
            reader = runtime_of(spec).reader(mode)
            assert reader.answer == ""
            for line in LINES:
                list(reader.feed(line))
                list(reader.calls(line))
                assert reader.structured(line) in (True, False)
            ending = reader.judge(ProcessEnd(exit_code=code, stderr_tail="error: no\n"))
            assert ending.cause in EndCause
            assert ending.message
            assert "\n" not in ending.message
            assert not (ending.ok and code)
            assert all(isinstance(mark, bytes) for mark in reader.marks)
            used = reader.usage(Usage())
            assert used is None or used.output_tokens == 0

    def test_a_recorded_run_is_understood_wherever_it_is_cut(
        self, spec: RuntimeSpec, recorded: tuple[str, str]
    ) -> None:
        output, answer = recorded
        lines = output.encode().splitlines()
        for code in (0, -9):
            for count in range(len(lines) + 1):
                reader = runtime_of(spec).reader(Mode.HEADLESS)
                for line in lines[:count]:
                    for seen in reader.feed(line):
                        if isinstance(seen, ConversationKnown | CommandRan):
                            assert any(mark in line for mark in reader.marks)
                reader.judge(ProcessEnd(exit_code=code))
            assert reader.answer == answer
        reader = runtime_of(spec).reader(Mode.HEADLESS)
        for line in lines:
            list(reader.feed(line))
        assert reader.judge(ProcessEnd(exit_code=0)).ok

    def test_it_can_be_looked_for(self, spec: RuntimeSpec) -> None:
        runtime = runtime_of(spec)
        assert runtime.probe().program
        assert runtime.reports_commands in (True, False)
        assert not runtime.can_continue("")


class HandOffContract:
    """Hands a task to the runtime, whose program the scripted agent plays."""

    runtime = ""
    output = ""
    answer = ""

    def test_a_task_is_handed_off_to_it(
        self, mission_repo: MissionRepo, scripted_agent: Callable[[str, str], None]
    ) -> None:
        made = runtime_of(RuntimeSpec(name=self.runtime)).invocation(make_launch())
        scripted_agent(made.argv[0], self.output)
        mission_repo.script("T-001", "write made.txt made")
        answer = mission_repo.run("next", "--headless", "--runtime", self.runtime)
        assert answer.exit_code == 0, answer.stdout + answer.stderr
        assert (mission_repo.path / "made.txt").read_text(encoding="utf-8") == "made\n"
        session = mission_repo.session()
        assert (session["runtime"], session["endedReason"]) == (self.runtime, "completed")
        assert mission_repo.task_status("T-001") == "review"
        result = json.loads((mission_repo.run_dir() / "result.json").read_text(encoding="utf-8"))
        assert result["answer"] == self.answer
