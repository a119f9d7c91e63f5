"""What the runtimes share: reading JSON lines, passing prompts, ends told in words."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

from mosaic.machine.environment import child_environment
from mosaic.machine.process import install_path
from mosaic.model import Usage
from mosaic.ports import EndCause, Ending, Probe

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.ports import Launch

LONGEST_ARGUMENT_BYTES = 100_000
"""The kernel refuses one argument of 131,072 bytes; this leaves room for company."""
LARGEST_PARSED_LINE = 8 << 20
PROBE_SECONDS = 15.0
LARGEST_COUNT = 1e18
LARGEST_SUM = 1e9
SIGNALLED = 128
PARENT_MARKS = (
    "CLAUDECODE",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_PID",
    "AI_AGENT",
    "CODEX_THREAD_ID",
    "CODEX_SESSION_ID",
    "CODEX_CI",
    "CODEX_VERSION",
)
"""Variables by which an agent marks what it starts. A user's own settings are not touched."""


def parse_object(line: bytes) -> dict[str, Any] | None:
    """Return a line's JSON object; None when it is anything else, or too long to be read."""
    if not line.startswith(b"{") or len(line) > LARGEST_PARSED_LINE:
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def as_dict(value: object) -> dict[str, Any]:
    """Return a value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return a value if it is text, else nothing; half characters become question marks.

    JSON can hold half of a surrogate pair, which no file can.
    """
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def as_count(value: object) -> int:
    """Return a value if it is a number that counts, else 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 <= value < LARGEST_COUNT else 0


def as_money(value: object) -> float | None:
    """Return a value if it is an amount of money, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < LARGEST_SUM else None


def argument_prompt(launch: Launch) -> str:
    """Return the prompt as one argument, or a word where to read it if it cannot be one."""
    prompt = launch.prompt
    if len(prompt.encode()) < LONGEST_ARGUMENT_BYTES and not prompt.startswith(("-", "/", "@")):
        return prompt
    return f"Read and do what the file {launch.prompt_file} says."


def earlier_part(total: int, before: int) -> int:
    """Return this run's own part of a total over a conversation."""
    return total - before if total >= before else total


def difference(total: Usage, before: Usage) -> Usage:
    """Return this run's own part of totals over a conversation."""
    cost = total.cost_usd
    if cost is not None and before.cost_usd:
        cost = cost - before.cost_usd if cost >= before.cost_usd else cost
    return Usage(
        input_tokens=earlier_part(total.input_tokens, before.input_tokens),
        output_tokens=earlier_part(total.output_tokens, before.output_tokens),
        cached_input_tokens=earlier_part(total.cached_input_tokens, before.cached_input_tokens),
        cost_usd=cost,
    )


def signal_of(exit_code: int) -> str | None:
    """Return the name of the signal that ended a process; None when none did."""
    number = -exit_code if exit_code < 0 else exit_code - SIGNALLED
    try:
        return signal.Signals(number).name if number > 0 else None
    except ValueError:
        return None


def last_line(text: str) -> str:
    """Return the last line of a text that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else ""


def error_line(text: str) -> str:
    """Return the last line that calls itself an error, else the last that says something."""
    lines = [line for line in text.splitlines() if line.strip().lower().startswith("error")]
    return last_line(lines[-1] if lines else text)


def cut_ending(program: str, exit_code: int, stderr_tail: str) -> Ending:
    """Judge an end that came before the agent's answer."""
    name = signal_of(exit_code)
    how = f"was ended by {name}" if name else f"ended with exit code {exit_code}"
    return Ending(
        ok=False,
        cause=EndCause.CUT,
        message=f"`{program}` {how} before its answer was complete",
        retryable=True,
        hint="`mission resume` goes on with the same conversation",
        warnings=(last_line(stderr_tail),) if last_line(stderr_tail) else (),
    )


def usage_ending(program: str, stderr_tail: str, exit_code: int) -> Ending:
    """Judge a command line that was refused."""
    words = error_line(stderr_tail) or f"exit code {exit_code}, and no word why"
    return Ending(
        ok=False,
        cause=EndCause.USAGE,
        message=f"`{program}` refused to start: {words}",
        hint=f"look at `args` of `{program}` in mission.json; `mission doctor` shows its version",
    )


def probe_program(
    program: str,
    install_hint: str,
    *,
    asks_version: bool = True,
    oldest: tuple[int, ...] = (),
) -> Probe:
    """Look whether a program is installed, and which version it says it is.

    Args:
        program: its name or path.
        install_hint: how to get it.
        asks_version: whether it is known to answer `--version`, and to do nothing else then.
        oldest: the oldest version that has the options that are used.
    """
    path = install_path(program)
    if path is None:
        return Probe(
            program=program,
            path=None,
            version=None,
            problem="it is not on the PATH",
            hint=install_hint,
        )
    if not asks_version:
        return Probe(program=program, path=path, version=None)
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
        return Probe(
            program=program,
            path=path,
            version=None,
            problem=f"`{program} --version` does not answer: {error}",
            hint=install_hint,
        )
    said = done.stdout.decode("utf-8", "replace")
    found = re.search(r"(?<!\d)\d++\.\d+[\w.+-]*", said)
    version = found[0] if found else None
    if version is not None and _numbers(version) < oldest:
        wanted = ".".join(map(str, oldest))
        return Probe(
            program=program,
            path=path,
            version=version,
            problem=f"version {version} is older than {wanted}",
            hint=install_hint,
        )
    return Probe(program=program, path=path, version=version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("-")[0])[:3])


def replace_placeholders(argument: str, values: dict[str, str]) -> str:
    """Return an argument with its placeholders filled, in one pass: values are not looked into."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), argument)


def placeholder_values(launch: Launch, prompt: str, model: str | None) -> dict[str, str]:
    """Return what each placeholder stands for."""
    return {
        "prompt": prompt,
        "prompt_file": str(launch.prompt_file),
        "task": launch.task_id,
        "task_file": _path(launch.task_file),
        "capsule": str(launch.capsule_file),
        "run_dir": str(launch.run_dir),
        "runtime_session_id": launch.conversation or "",
        "model": model or "",
    }


def _path(path: Path | None) -> str:
    return str(path) if path is not None else ""
