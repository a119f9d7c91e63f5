"""What an agent is seen to do in one scenario after the other, as plain values.

The agent is called as Mosaic calls it, in a private home, against the stand-in model server.
What differs from run to run (ids, paths, ports, times) is replaced by its kind.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mosaic.runtimes import get_runtime
from mosaic.settings import RuntimeSpec
from mosaic.testing.runtimes import make_launch
from tests.agents.home import make_home
from tests.agents.model_server import ModelServer, Reply, model_server

LIMIT_SECONDS = 120.0
CALL_SECONDS = 30.0
DEPTH = 3
MAPS = (
    "modelUsage", "model_usage_since_last_result", "input", "tool_input", "arguments", "parameters",
    "models", "args",
)  # fmt: skip
"""Keys of objects whose own keys are no part of the format."""
NORMAL = (
    (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>"),
    (r"127\.0\.0\.1:\d+", "<server>"),
    (r"\d{4}-\d\d-\d\dT[\d:.-]+Z?", "<time>"),
    (r"\d{4}/\d\d/\d\d", "<day>"),
    (r"msg_[0-9a-f]{32}", "<message>"),
    (r"session-[\dT-]{16}-[0-9a-f]{8}", "session-<time>-<id>"),
    (r"only ~\d+ tokens", "only ~<some> tokens"),
)
HOOK = """\
import json, sys
asked = json.load(sys.stdin)
with open(sys.argv[1], "a") as out:
    out.write(json.dumps(asked) + "\\n")
if not asked.get("stop_hook_active"):
    print(json.dumps({"decision": "block", "reason": "HOOK-REASON"}))
"""
NOTIFY = """\
import pathlib, sys
draft = pathlib.Path(__file__).with_name("draft")
draft.write_text(sys.argv[1])
draft.rename(draft.with_name("hook.jsonl"))
"""
RESULT_KEYS = (
    "subtype", "is_error", "terminal_reason", "stop_reason", "api_error", "api_error_status",
    "api_error_type", "num_turns", "result", "errors", "status",
)  # fmt: skip
HELP = {
    "claude": (["claude", "--help"],),
    "codex": (
        ["codex", "--help"],
        ["codex", "exec", "--help"],
        ["codex", "exec", "resume", "--help"],
    ),
    "gemini": (["gemini", "--help"],),
}
SHELL_TOOLS = {
    "claude": ("Bash", "command", {"description": "a command"}),
    "codex": ("exec_command", "cmd", {}),
    "gemini": ("run_shell_command", "command", {}),
    "opencode": ("bash", "command", {"description": "a command"}),
}
"""How each agent calls a shell: the tool, the argument that is the command, and the others."""
NO_KEYS = {"ANTHROPIC_API_KEY": "", "STAND_IN_KEY": "", "GEMINI_API_KEY": ""}
PATCH = "*** Begin Patch\n*** Add File: new.txt\n+hello\n*** End Patch\n"
NEW_FILE = {"file_path": "{folder}/new.txt", "content": "hello"}
EDITS = {
    "claude": Reply(tool="Write", arguments=NEW_FILE),
    "codex": Reply(tool="apply_patch", plain=PATCH),
    "gemini": Reply(tool="write_file", arguments=NEW_FILE),
}
LIMIT_REACHED = "usage_limit_reached"
PER_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}],
}
OWN_FAILURES = {
    "claude": {
        "refusal": Reply(stop_reason="refusal"),
        "full window": Reply(text="x", stop_reason="model_context_window_exceeded"),
        "credit": Reply(status=400, message="Your credit balance is too low"),
    },
    "codex": {
        "filter": Reply(text="I will", incomplete="content_filter"),
        "usage limit": Reply(status=429, kind=LIMIT_REACHED, code=LIMIT_REACHED, message="reached"),
        "quota": Reply(status=429, message="Quota exceeded", code="insufficient_quota"),
        "rate in the stream": Reply(failed="rate_limit_exceeded", message="slow down"),
    },
    "gemini": {
        "404 model": Reply(status=404, message="models/x is not found for API version v1beta"),
        "refusal": Reply(stop_reason="SAFETY"),
        "too many tokens": Reply(stop_reason="MAX_TOKENS"),
        "daily quota": Reply(status=429, message="Quota exceeded", details=(PER_DAY,)),
    },
}


def shell_call(name: str, command: str) -> Reply:
    """Return a reply that makes an agent run a shell command."""
    tool, key, more = SHELL_TOOLS[name]
    return Reply(text="I run it.", tool=tool, arguments={key: command, **more})


@dataclass(frozen=True)
class Scenario:
    """What the server says, and what is done to the agent."""

    replies: tuple[Reply, ...] = (Reply(text="all done"),)
    args: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    number: int = 0
    """The signal that its process group is sent, when so many `requests` were made."""
    requests: int = 1
    resumes: str = ""
    """`known`: the conversation of an earlier run; `unknown`: one that never was."""
    shows_kept: bool = False
    """Whether what the agent keeps on disk counts."""
    awaits_call: bool = False
    """Whether it calls a program and does not stay to the end of that."""
    is_loose: bool = False
    """Whether what it writes depends on the moment, so that only its exit counts."""


def scenarios_of(name: str) -> dict[str, Scenario]:
    """Return what is played with an agent, by name; `{folder}` in arguments is its place."""

    def run(command: str) -> Reply:
        return shell_call(name, command)

    edit = EDITS[name]
    fine, hang = Reply(text="all done"), Reply(hang=True)
    long = "prompt is too long: 250000 tokens > 200000"
    failures = {
        "400 too long": Reply(status=400, message=long, code="context_length_exceeded"),
        "401": Reply(status=401, message="bad key"),
        "404 model": Reply(status=404, message="no such model", code="model_not_found"),
        "408": Reply(status=408),
        "413": Reply(status=413, kind="request_too_large"),
        "429": Reply(status=429, message="slow down"),
        "500": Reply(status=500),
        "529": Reply(status=529, message="Overloaded"),
        "dropped": Reply(drop=True),
        "cut": Reply(text="I will", cut=True),
        "empty": Reply(),
    }
    failures |= OWN_FAILURES[name]
    found = {
        "success": Scenario(),
        "command": Scenario((run("echo one"), fine), shows_kept=True),
        "failed command": Scenario((run("exit 7"), fine)),
        "edit": Scenario((edit, fine)),
        "resumed": Scenario(resumes="known"),
        "unknown conversation": Scenario(resumes="unknown"),
        "unknown flag": Scenario(args=("--no-such-flag",)),
        "no key": Scenario(environ=NO_KEYS),
        **{case: Scenario((reply,), shows_kept=case == "401") for case, reply in failures.items()},
        "SIGINT": Scenario((hang,), number=signal.SIGINT, is_loose=True),
        "SIGTERM": Scenario((hang,), number=signal.SIGTERM, is_loose=True),
        "SIGTERM after a command": Scenario(
            (run("echo one"), hang), number=signal.SIGTERM, requests=2, is_loose=True
        ),
    }
    hook = f"{sys.executable} {{folder}}/hook.py {{folder}}/hook.jsonl"
    if name == "gemini":
        return {**found, "denied": Scenario((edit, fine), args=("--approval-mode", "default"))}
    if name == "claude":
        shape = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": hook}]}]}}
        background = {"command": "sleep 1", "description": "x", "run_in_background": True}
        wait = Reply(text="It runs.", tool="Bash", arguments=background)
        return {
            **found,
            "denied": Scenario((edit, fine), args=("--permission-mode", "manual")),
            "turns": Scenario((run("echo one"), fine), args=("--max-turns", "1")),
            "budget": Scenario((run("echo one"), fine), args=("--max-budget-usd", "0.000001")),
            "background": Scenario((wait, fine)),
            "stop hook": Scenario(args=("--settings", json.dumps(shape))),
        }
    shape_toml = f'hooks.Stop=[{{hooks=[{{type="command",command="{hook}"}}]}}]'
    notify = json.dumps([sys.executable, "{folder}/notify.py"])
    return {
        **found,
        "denied": Scenario((edit, fine), args=("--sandbox", "read-only")),
        "stop hook": Scenario(args=("-c", shape_toml)),
        "stop hook, trusted": Scenario(args=("-c", shape_toml, "--dangerously-bypass-hook-trust")),
        "notify": Scenario(args=("-c", f"notify={notify}"), awaits_call=True),
    }


def play(name: str, scenario: Scenario, search_path: str) -> dict[str, Any]:
    """Play one scenario, and return what was seen."""
    with tempfile.TemporaryDirectory(prefix="facts-") as place, model_server() as server:
        stage = _Stage(name, Path(place).resolve(), server, search_path)
        conversation = str(uuid.UUID(int=1)) if scenario.resumes == "unknown" else None
        if scenario.resumes == "known":
            conversation = _conversation_of(_events(stage.run(Scenario(), None).stdout))
        before = len(server.script.requests)
        done = stage.run(scenario, conversation)
        seen: dict[str, Any] = {"exit": done.returncode}
        if scenario.is_loose:
            return seen
        events = _events(done.stdout)
        seen |= {
            "requests": len(server.script.requests) - before,
            "events": _shapes(map(_named, events)),
            "result": _result_of(events),
        }
        if not seen["result"]:
            seen["last words on stderr"] = (done.stderr.strip().splitlines() or [""])[-1]
        if scenario.resumes:
            seen["same conversation"] = conversation == _conversation_of(events)
        if scenario.shows_kept:
            seen["kept"] = stage.kept()
        if stage.asked.exists():
            seen["hook is given"] = sorted(
                {key for asked in _events(stage.asked.read_text()) for key in asked}
            )
            seen["hook is heeded"] = "HOOK-REASON" in server.script.asked_for()
        return stage.without_names(seen)


def flags_of(name: str, search_path: str) -> dict[str, list[str]]:
    """Return the options that each of an agent's help texts names."""
    found = {}
    for argv in HELP[name]:
        text = _ask(argv, search_path)
        heads = re.findall(r"^ +(-.*?)(?:  |$)", text, re.MULTILINE)
        flags = {flag for head in heads for flag in re.findall(r"--[a-z][a-z0-9-]*", head)}
        found[" ".join(argv)] = sorted(flags)
    return found


def version_of(name: str, search_path: str) -> str:
    """Return the version that an agent tells."""
    found = re.search(r"\d+\.\d+[\w.+-]*", _ask([name, "--version"], search_path))
    return found[0] if found else "unknown"


def _ask(argv: list[str], search_path: str) -> str:
    with tempfile.TemporaryDirectory(prefix="facts-") as place:
        environ = {"PATH": search_path, **make_home(Path(place) / "home", "http://127.0.0.1:9")}
        done = subprocess.run(
            argv, env=environ, cwd=place, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip
    return done.stdout


class _Stage:
    """A place of its own for one scenario."""

    def __init__(self, name: str, place: Path, server: ModelServer, search_path: str) -> None:
        self._name, self._server = name, server
        self._folder, self._home = place / "project", place / "home"
        self.asked = self._folder / "hook.jsonl"
        """What hooks and `notify` were given."""
        (self._folder / "run" / "artifacts").mkdir(parents=True)
        # An agent says more in a repository, and would find one that holds the temporary folder.
        subprocess.run(["git", "init", "-q"], cwd=self._folder, check=True)
        (self._folder / "hook.py").write_text(HOOK)
        (self._folder / "notify.py").write_text(NOTIFY)
        keep = {key: os.environ[key] for key in ("LANG", "LC_ALL", "TMPDIR") if key in os.environ}
        self._environ = {**keep, "PATH": search_path, **make_home(self._home, server.url)}

    def run(self, scenario: Scenario, conversation: str | None) -> subprocess.CompletedProcess[str]:
        """Call the agent, and stay to its end."""
        args = tuple(self._filled(arg) for arg in scenario.args)
        runtime = get_runtime(self._name, {self._name: RuntimeSpec(name=self._name, args=args)})
        launch = make_launch(
            cwd=self._folder, run_dir=self._folder / "run", conversation=conversation
        )
        replies = (
            replace(reply, arguments=json.loads(self._filled(json.dumps(reply.arguments))))
            for reply in scenario.replies
        )
        self._server.script.say(*replies)
        process = subprocess.Popen(
            runtime.invocation(launch).argv,
            env={**self._environ, **scenario.environ},
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            if scenario.number:
                assert process.stdin is not None
                process.stdin.write(launch.prompt)
                process.stdin.close()
                process.stdin = None
                self._server.script.wait_for_requests(scenario.requests, LIMIT_SECONDS)
                os.killpg(process.pid, scenario.number)
            prompt = None if scenario.number else launch.prompt
            out, err = process.communicate(prompt, timeout=LIMIT_SECONDS)
            until = time.monotonic() + CALL_SECONDS * scenario.awaits_call
            while time.monotonic() < until and not self.asked.exists():
                time.sleep(0.02)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def kept(self) -> dict[str, Any]:
        """Return where the agent keeps what, and which lines that has."""
        return {
            str(path.relative_to(self._home)): _shapes(
                map(_named, _events(path.read_text("utf-8", "replace")))
            )
            for path in sorted(self._home.rglob("*.jsonl"))
        }

    def without_names(self, seen: dict[str, Any]) -> dict[str, Any]:
        """Return what was seen without what only this run has."""
        text = json.dumps(seen)
        for path, name in ((self._folder, "<folder>"), (self._home, "<home>")):
            for form in (str(path), re.sub(r"[^A-Za-z0-9]", "-", str(path))):
                text = text.replace(form, name)
        for pattern, name in NORMAL:
            text = re.sub(pattern, name, text)
        found: dict[str, Any] = json.loads(text)
        return found

    def _filled(self, text: str) -> str:
        return text.replace("{folder}", str(self._folder))


def _events(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            found += [event] if isinstance(event, dict) else []
    return found


def _named(event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name an event by its type, and by that of what it holds."""
    parts = [event.get("type"), event.get("subtype")]
    inner = (event.get(key) for key in ("item", "payload", "attachment"))
    parts += [each.get("type") for each in inner if isinstance(each, dict)]
    message = event.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        parts += [part.get("type") for part in content if isinstance(part, dict)]
    return "/".join(str(part) for part in parts if part), event


def _shapes(named: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, list[str]]:
    """Return which keys the events of each name have."""
    shapes: dict[str, set[str]] = {}
    for name, event in named:
        shapes.setdefault(name, set()).update(_keys(event, DEPTH))
    return {name: sorted(shapes[name]) for name in sorted(shapes)}


def _keys(value: Any, depth: int, prefix: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _keys(item, depth, f"{prefix[:-1]}[]." if prefix else "")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            if depth > 1 and key not in MAPS:
                yield from _keys(inner, depth - 1, f"{prefix}{key}.")


def _result_of(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the last result says, with its tokens and cost."""
    last = [e for e in events if e.get("type") in ("result", "turn.completed", "turn.failed")]
    if not last:
        return {}
    event = last[-1]
    result = {key: event[key] for key in RESULT_KEYS if key in event}
    result |= {key: event[key] for key in ("error", "total_cost_usd") if key in event}
    usage = event.get("usage") or event.get("stats") or {}
    result |= {key: usage[key] for key in ("input_tokens", "output_tokens") if key in usage}
    if models := event.get("model_usage_since_last_result"):
        result["tokens of all models"] = [
            sum(model[key] for model in models.values()) for key in ("inputTokens", "outputTokens")
        ]
    if denied := event.get("permission_denials"):
        result["permission_denials"] = [each.get("tool_name") for each in denied]
    return {"results": len(last), **result}


def _conversation_of(events: list[dict[str, Any]]) -> str | None:
    return next(filter(None, (e.get("session_id") or e.get("thread_id") for e in events)), None)
