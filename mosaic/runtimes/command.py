"""Any command line as a runtime, from a few lines of mission.json.

    "runtimes": {"helper": {"command": ["./tools/helper", "{task}"], "prompt": "stdin",
                            "resume": ["./tools/helper", "--continue", "{runtime_session_id}"]}}

Placeholders in any argument: `{prompt} {prompt_file} {task} {task_file} {capsule} {run_dir}
{runtime_session_id} {model}`. They are filled in one pass; other braces stay. Without
`prompt`, a command that has no place for the prompt gets it as its last argument.

It is judged by its exit code. It may tell more by lines of JSON on its stdout:

    {"type": "conversation", "id": "…"}                 what `{runtime_session_id}` will be
    {"type": "message", "text": "…"}                    the last one is its answer
    {"type": "command", "command": "…", "exit_code": 0}
    {"type": "file", "path": "…", "kind": "add|update|delete"}
    {"type": "usage", "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0}   of this run

The built-in runtimes are command lines too, of which more is known: a subclass each. The
scripted agent that ships with Mosaic is one: `python -m mosaic.demo_agent` needs no network, no
login, no model, and writes these lines. What it does for a task stands in the task's own file.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.machine.environment import child_environment
from mosaic.machine.process import install_path
from mosaic.model import Mode, Usage
from mosaic.ports import (
    ConversationKnown,
    FileTouched,
    Invocation,
    MessageSeen,
    Probe,
    PromptChannel,
    ToolCall,
    UsageSeen,
)
from mosaic.records import replace
from mosaic.runtimes.readers import ExitCodeReader, TextReader, Values, command_ran, parse_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mosaic.ports import (
        Launch,
        Observation,
        OutputReader,
        SoughtConversation,
        TranscriptReader,
    )
    from mosaic.settings import RuntimeSpec

LONGEST_ARGUMENT_BYTES = 100_000
"""The kernel refuses one argument of 131,072 bytes; this leaves room for others."""
PROBE_SECONDS = 15.0
PARENT_MARKS = (
    "CLAUDECODE", "CLAUDE_PID", "CLAUDE_EFFORT", "AI_AGENT", "CODEX_THREAD_ID",
    "CODEX_SESSION_ID", "CODEX_CI", "CODEX_VERSION", "CODEX_TOOL_CALL_ID",
    "CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED", "GEMINI_CLI",
)  # fmt: skip
"""Variables by which an agent marks what it starts."""
PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
# `-P`: a repository may hold a folder called `mosaic` or a `json.py`.
DEMO_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from mosaic.demo_agent import main; main()"
)


class CommandRuntime:
    """A runtime made of an entry in mission.json; the base of the built-in ones."""

    oldest: tuple[int, ...] = ()
    """The oldest version that has the options that are used."""
    install_hint = ""
    is_built_in = False
    """Whether its program is known to answer `--version`, and to do nothing else then."""

    def __init__(self, spec: RuntimeSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.program = spec.command[0] if spec.command else spec.name
        self.reports_commands = self.is_built_in or spec.tells_commands
        self.reports_edits = self.is_built_in
        self.uses_terminal = spec.prompt != PromptChannel.STDIN or bool(spec.interactive)
        self._is_own = self.is_built_in and not spec.command
        """Whether it is the built-in command line, and no other by its name."""

    def can_continue(self, conversation: str) -> bool:
        """Tell whether a conversation can be continued."""
        can = self._has_conversation(conversation) if self._is_own else self.spec.resume
        return bool(conversation and can)

    def _has_conversation(self, conversation: str) -> bool:
        return bool(conversation)

    def invocation(self, launch: Launch) -> Invocation:
        """Say how to start it."""
        # More of them, of which each version adds some. A user's own settings have other names.
        claude = "CLAUDE_CODE_(?:SESSION_.*|CHILD_.*|MESSAGING_.*|ENTRYPOINT|SSE_PORT|EXECPATH)"
        made = self._own_invocation(launch) if self._is_own else self._custom_invocation(launch)
        return replace(
            made,
            env=self.spec.env,
            unset=(*PARENT_MARKS, *(name for name in os.environ if re.fullmatch(claude, name))),
            conversation=made.conversation or launch.conversation,
        )

    def _home(self, variable: str, usual: str) -> Path:
        """Return the folder of its own settings, as a variable or its author names it."""
        named = self.spec.env.get(variable) or os.environ.get(variable)
        return Path(named) if named else Path(usual).expanduser()

    def transcripts(self, sought: SoughtConversation) -> Sequence[Path]:
        """Return where it keeps a conversation; a command of mission.json says nothing of that."""
        del sought
        return ()

    def transcript_reader(self, sought: SoughtConversation) -> TranscriptReader | None:
        """Return a reader of those files."""
        del sought
        return None

    def _own_invocation(self, launch: Launch) -> Invocation:
        raise NotImplementedError

    def options(
        self, launch: Launch, model_option: str, folder_option: str = "--add-dir"
    ) -> tuple[str, ...]:
        """Return the model, the folders to write in, and the user's own arguments as options."""
        model = launch.model or self.spec.model
        folders = (part for path in launch.folders for part in (folder_option, str(path)))
        return (*((model_option, model) if model else ()), *folders, *self.spec.args)

    def reader(self, mode: Mode) -> OutputReader:
        """Return a fresh reader for one run's stdout."""
        if mode is Mode.INTERACTIVE and self.is_built_in:
            return ExitCodeReader(self.name)
        return self._new_reader()

    def _new_reader(self) -> OutputReader:
        return LineReader(self.program)

    def probe(self) -> Probe:
        """Look whether its program is installed, and which version it is where it may be asked."""
        hint = self.install_hint or f"set `runtimes.{self.name}` in mission.json"
        path = install_path(self.program)
        probe = Probe(program=self.program, path=path, version=None)
        if path is None:
            return replace(probe, problem="it is not on the PATH", hint=hint)
        if not self.is_built_in:
            return probe
        import subprocess  # start-up: a preview probes nothing

        try:
            done = subprocess.run(
                [path, "--version"],
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = f"`{self.program} --version` does not answer: {error}"
            return replace(probe, problem=problem, hint=hint)
        found = re.search(r"(?<!\d)\d++\.\d+[\w.+-]*", done.stdout.decode("utf-8", "replace"))
        if found is None:
            return probe
        probe = replace(probe, version=found[0])
        numbers = re.findall(r"\d+", found[0].partition("-")[0])[:3]
        if tuple(map(int, numbers)) >= self.oldest:
            return probe
        problem = f"version {found[0]} is older than {'.'.join(map(str, self.oldest))}"
        return replace(probe, problem=problem, hint=hint)

    def _custom_invocation(self, launch: Launch) -> Invocation:
        spec = self.spec
        argv = spec.interactive if launch.mode is Mode.INTERACTIVE else ()
        argv = (spec.resume if launch.conversation else ()) or argv or spec.command
        channel = PromptChannel.ARGUMENT
        takes_prompt = any("{prompt}" in part for part in argv)
        if spec.prompt is not None:
            channel = PromptChannel(spec.prompt)
        elif not takes_prompt and any("{prompt_file}" in part for part in argv):
            channel = PromptChannel.FILE
        if channel is PromptChannel.ARGUMENT and not takes_prompt:
            argv = (*argv, "{prompt}")
        values = {
            "prompt": argument_prompt(launch),
            "prompt_file": str(launch.prompt_file),
            "task": launch.task_id,
            "task_file": str(launch.task_file or ""),
            "capsule": str(launch.capsule_file),
            "run_dir": str(launch.run_dir),
            "runtime_session_id": launch.conversation or "",
            "model": launch.model or spec.model or "",
        }
        return Invocation(
            argv=tuple(replace_placeholders(part, values) for part in argv), channel=channel
        )


def argument_prompt(launch: Launch) -> str:
    """Return the prompt as one argument, or where to read it if it cannot be one."""
    prompt = launch.prompt
    if len(prompt.encode()) < LONGEST_ARGUMENT_BYTES and not prompt.startswith(("-", "/", "@")):
        return prompt
    return pointer_prompt(launch)


def pointer_prompt(launch: Launch) -> str:
    """Return a prompt that says where the prompt is."""
    return f"Read and do what the file {launch.prompt_file} says."


def replace_placeholders(argument: str, values: dict[str, str]) -> str:
    """Return an argument with its placeholders filled, in one pass: values are not looked into."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), argument)


class Demo(CommandRuntime):
    """The scripted agent."""

    is_built_in = True

    def __init__(self, spec: RuntimeSpec) -> None:
        super().__init__(replace(spec, command=()))  # it is always this program
        self.uses_terminal = False

    def _own_invocation(self, launch: Launch) -> Invocation:
        resume = ("--resume", launch.conversation) if launch.conversation else ()
        start = (sys.executable, "-P", "-c", DEMO_START, PACKAGE_PARENT)
        argv = (*start, "--capsule", str(launch.capsule_file), *resume, *self.spec.args)
        return Invocation(argv=argv, channel=PromptChannel.STDIN)

    def reader(self, mode: Mode) -> OutputReader:
        """Return a fresh reader for one run's stdout, which is captured in every mode."""
        del mode
        return self._new_reader()

    def probe(self) -> Probe:
        """Return what is known of it without a look: it is always there."""
        from mosaic import __version__

        return Probe(program=self.name, path=sys.executable, version=__version__)


class LineReader(TextReader):
    """Reads free text, and the JSON lines that the module describes."""

    marks = (b'"conversation"', b'"command"', b'"file"', b'"usage"')
    _message = ""
    _usage: Usage | None = None

    def feed(self, line: bytes) -> Iterable[Observation]:
        """Take one whole line."""
        event = _typed_object(line)
        return super().feed(line) if event is None else list(self._observe(event))

    def structured(self, line: bytes) -> bool:
        """Tell whether a line is one of the JSON lines."""
        return _typed_object(line) is not None

    def calls(self, line: bytes) -> Iterator[ToolCall]:
        """Return the command or the file in a line."""
        event = _typed_object(line) or Values()
        if event.get("type") == "command":
            yield ToolCall(command=event.text("command"))
        elif event.get("type") == "file":
            yield ToolCall(paths=(event.text("path"),))

    @property
    def answer(self) -> str:
        """The last message, else the last lines."""
        return self._message or super().answer

    def usage(self, before: Usage) -> Usage | None:
        """Return what it reported of this run."""
        del before
        return self._usage

    def _observe(self, event: Values) -> Iterator[Observation]:
        kind = event["type"]
        if kind == "conversation" and event.text("id"):
            yield ConversationKnown(conversation=event.text("id"))
        elif kind == "message":
            self._message = event.text("text")
            yield MessageSeen(text=self._message)
        elif kind == "command":
            yield command_ran(event.get("command"), event.get("exit_code"))
        elif kind == "file":
            yield FileTouched(path=event.text("path"), kind=event.text("kind") or "update")
        elif kind == "usage":
            self._usage = replace(event.usage(), cost_usd=event.money("cost_usd"))
            yield UsageSeen(usage=self._usage)


def _typed_object(line: bytes) -> Values | None:
    event = parse_object(line)
    return event if event is not None and isinstance(event.get("type"), str) else None
