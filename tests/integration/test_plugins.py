"""Packages of others that add runtimes, sources, executors and roles, by real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mission import ROOT, MissionRepo
from tests.support.plugins import EXAMPLE, install, write_metadata

PAGE = ROOT / "docs" / "writing-a-runtime.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def site(repo: MissionRepo, tmp_path: Path) -> Path:
    """A folder of packages that commands see."""
    folder = tmp_path / "site"
    folder.mkdir()
    repo.environ["PYTHONPATH"] = f"{folder}:{repo.environ['PYTHONPATH']}"
    return folder


def plugins_of(repo: MissionRepo) -> dict[str, str]:
    """Return what doctor says of plugins, by what they are, with its mark."""
    items = repo.run("doctor", "--json").json()["items"]
    found = [each for each in items if each["name"] == "plugin"]
    return {each["found"]: each["state"] for each in found}


@pytest.mark.timeout(1000)
def test_the_example_keeps_every_contract(site: Path, repo: MissionRepo, tmp_path: Path) -> None:
    """As its author runs it: nothing but an installed package and a file of tests."""
    install(EXAMPLE, site)
    tests = shutil.copy(EXAMPLE / "test_example.py", tmp_path)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "mosaic.testing",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "--timeout=120", "-p", "no:xdist", "--rootdir", str(tmp_path), tests],
        cwd=tmp_path,
        env={**os.environ, **repo.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,  # each of its tests has less, and says where it hangs
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d\d passed", done.stdout, re.MULTILINE), "none is skipped"


def test_a_plugin_is_listed_and_used_as_what_is_built_in(
    site: Path, repo: MissionRepo, scripted_agent: Callable[[str, str], None]
) -> None:
    install(EXAMPLE, site)
    listed = plugins_of(repo)
    package = "of mosaic-example 1.0"
    assert listed == {
        f"the runtime `example` {package}: it is not on the PATH": "missing",
        f"the source `example` {package}": "ok",
        f"the executor `nice` {package}": "ok",
        f"the role `security` {package}": "ok",
    }
    scripted_agent("example-agent", '{"event": "text", "text": "Hello"}\n{"event": "end"}\n')
    assert "version 99.0.0" in " ".join(plugins_of(repo)) or "99.0.0 at" in " ".join(
        plugins_of(repo)
    )
    repo.run("set", "T-001", "runtime=example")
    assert "RUNTIME_UNKNOWN" not in repo.run("check", "--json").stdout
    repo.script("T-001", "write made.txt made")
    assert repo.run("next", "--headless").exit_code == 0
    assert repo.session()["runtime"] == "example"
    assert "Hello" in repo.run("logs", "T-001").stdout
    (repo.path / "plan.txt").write_text("login todo Let people sign in\n")
    assert repo.run("import", "example", "--write").exit_code == 0
    assert repo.task_status("login") == "todo"
    words = repo.run("show", "--help", _MISSION_COMPLETE="complete_bash",
                     COMP_WORDS="mission import ex", COMP_CWORD="2")  # fmt: skip
    assert words.stdout.split() == ["example"]
    asked = ("Is it safe?", "--role", "security=example", "--executor", "nice", "--wait")
    repo.run("panel", "start", *asked)
    (prompt,) = repo.state.glob("runs/panel-001/*/prompt.md")
    assert "what an attacker could use" in prompt.read_text()
    state = json.loads((prompt.parent / "state.json").read_text())
    assert state["place"] == {"executor": "nice"}


def test_a_broken_plugin_is_named_and_hides_nothing(site: Path, repo: MissionRepo) -> None:
    (site / "broken.py").write_text("raise RuntimeError('no licence')\n")
    (site / "odd.py").write_text(
        "from types import SimpleNamespace\n"
        "from mosaic.runtimes.command import CommandRuntime, LineReader\n"
        "from mosaic.ports import Invocation, PromptChannel\n"
        "class Reader(LineReader):\n"
        "    def feed(self, line): return (1 / len(each) for each in ('a', ''))\n"
        "class Failing(CommandRuntime):\n"
        "    is_built_in = True\n"
        "    def _own_invocation(self, launch):\n"
        "        words = ('echo', 'Hello')\n"
        "        return Invocation(argv=words, channel=PromptChannel.FILE)\n"
        "    def _new_reader(self): return Reader('echo')\n"
        "def other(spec): return SimpleNamespace(name=spec.name)\n"
        "def read(place): return 1 / 0\n"
        "def write(items, name): return {}\n"
    )
    runtimes = {
        "broken": "broken:Runtime", "gone": "nowhere:Runtime", "odd": "odd:other",
        "claude": "odd:other", "twice": "odd:other", "failing": "odd:Failing",
    }  # fmt: skip
    install(EXAMPLE, repo.path)  # what a repository brings along is not installed by that
    write_metadata(site, "many", {"mosaic.runtimes": runtimes, "mosaic.sources": {"odd": "odd"}})
    write_metadata(site, "other", {"mosaic.runtimes": {"twice": "odd:other"}})
    write_metadata(site, "damaged", {})
    (site / "damaged-1.0.dist-info" / "entry_points.txt").write_bytes(b"mosaic.\xff\n[\n=")
    many = "of many 1.0 cannot be used"
    reasons = {
        "broken": f"the runtime `broken` {many}; RuntimeError: no licence",
        "gone": f"the runtime `gone` {many}; ModuleNotFoundError: No module named 'nowhere'",
        "odd": f"the runtime `odd` {many}; `odd:other` has no `reports_commands`, no `",
        "claude": f"the runtime `claude` {many}; Mosaic itself has a runtime of that name",
        "twice": "the runtime `twice` of many 1.0 and other 1.0 cannot be used; they have the same",
    }
    found = plugins_of(repo)
    assert not any("mosaic-example" in words for words in found)
    for reason in reasons.values():
        assert [state for words, state in found.items() if words.startswith(reason)] == ["bad"]
    for name in ("broken", "gone", "odd", "twice"):
        asked = repo.run("next", "T-001", "--headless", "--runtime", name)
        assert asked.exit_code == 1
        message, why = reasons[name].split("; ", 1)
        assert message in asked.stderr
        assert why in asked.stderr
        assert "hint: upgrade or uninstall" in asked.stderr
    printed = repo.run("next", "--print", "--runtime", "claude")
    assert printed.exit_code == 0
    assert "cannot be used" not in printed.stderr
    unknown = repo.run("import", "nothing")
    assert "known: spec-kit, " in unknown.stderr
    (repo.path / "x").write_text("")
    failed = repo.run("import", "odd", "x")
    assert "the source `odd` of many 1.0 cannot be used\n  ZeroDivisionError" in failed.stderr
    repo.run("set", "T-001", "runtime=nobody")
    checked = repo.run("check")
    assert "`T-001` names the runtime `nobody`, which is unknown" in checked.stdout
    assert f"warning: the runtime `claude` {many}\n" in checked.stderr
    assert "T-001" in repo.run("list").stdout
    ended = repo.run("next", "T-002", "--headless", "--runtime", "failing", "--json")
    assert repo.session()["runtime"] == "failing"
    result = json.loads((repo.run_dir() / "result.json").read_text())
    assert result["answer"] == "Hello", ended.stdout
    assert "the reader of `failing` failed: ZeroDivisionError" in json.dumps(result)


def test_an_executor_that_is_gone_leaves_its_sessions_in_reach(
    site: Path, repo: MissionRepo
) -> None:
    install(EXAMPLE, site)
    repo.script("T-001", "wait-for go")
    started = repo.run("next", "--runtime", "demo", "--executor", "nice")
    assert started.exit_code == 0, started.stderr
    shutil.rmtree(site)
    assert len(repo.run("sessions", "--live", "--json").json()["sessions"]) == 1
    assert repo.run("stop").exit_code == 0
    assert repo.session()["endedReason"] == "stopped"


CALLS = (
    "list", "status", "show T-001", "set T-001 priority=1", "next --print", "next --explain",
    "next --print --runtime codex", "check", "import checklist TODO.md", "export checklist",
    "sessions", "config", "--help",
)  # fmt: skip
MAIN = """
import importlib.metadata, sys
def refuse(*_, **__):
    raise AssertionError("the metadata of packages is read")
importlib.metadata.distributions = refuse
from mosaic.cli import main
for call in sys.argv[1:]:
    try:
        main(call.split())
    except SystemExit as end:
        assert end.code == 0, call
"""


def test_what_is_built_in_reads_no_metadata(repo: MissionRepo) -> None:
    (repo.path / "TODO.md").write_text("- [ ] One\n")
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *CALLS],
        cwd=repo.path,
        env=repo.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


BLOCKS = [found for found in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if found[0] != "sh"]


@pytest.mark.parametrize(("kind", "block"), BLOCKS, ids=range(len(BLOCKS)))
def test_every_block_of_the_page_is_of_the_example(kind: str, block: str) -> None:
    """So it is what the tests above use; calls of `mission` are tested with those of all pages."""
    suffix = {"python": ".py", "toml": ".toml", "jinja": ".j2"}[kind]
    texts = [path.read_text(encoding="utf-8") for path in EXAMPLE.rglob(f"*{suffix}")]
    parts = [part.strip("\n") for part in block.split("\n...\n")]
    assert any(all(part in text for part in parts) for text in texts)
