"""A mission with something in every corner of a board, and a server that shows it."""

from __future__ import annotations

import html
import http.client
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.support.mission import PATIENCE_SECONDS, MissionRepo, make_environ

HOSTILE = '<script>document.title="run"</script><img src=x onerror=alert(1)>'
WORK = """\
say I wrote it for {0} [click](javascript:alert(1))
write src/greeting.txt Hello, {0}
write src/total.py def total(lines): return sum(lines)
run cat src/greeting.txt"""
ASK = "say I cannot choose.\nblock needs a human: which colour for {0}?"


def make_scene(folder: Path, words: str = HOSTILE) -> MissionRepo:
    """Make a mission in which one task waits for review, one asks, and others wait.

    `words` are in titles, and in what agents say and write.
    """
    repo = MissionRepo(folder, make_environ(folder.parent))
    repo.git("init", "-q", "-b", "main")
    repo.git("config", "user.name", "Ana")
    repo.git("config", "user.email", "ana@example.invalid")
    (folder / "src").mkdir()
    (folder / "src" / "total.py").write_text("def total(lines):\n    return 0\n")
    milestones = ("--milestone", "M1: Runs locally", "--milestone", "M2: In a team")
    _do(repo, "init", "--name", "Worker runner", "--gates", "true", *milestones)
    body = "## Goal\n\n{}.\n\n## Acceptance criteria\n\n- [ ] it is there\n\n```demo\n{}\n```\n"
    for title, script, *options in (
        ("Write a greeting", WORK.format(words), "-m", "M1", "--scope", "src/**"),
        ("Choose a colour", ASK.format(words), "-m", "M1", "--scope", "colour.txt"),
        ("Paint the greeting", "say I paint.", "-m", "M2", "-d", "T-001", "-d", "T-002"),
        (f"Sing of {words}", "say nothing", "-m", "M2"),
    ):
        text = folder.parent / "body.md"
        text.write_text(body.format(title, script))
        _do(repo, "add", title, *options, "--body", str(text))
    repo.git("add", "-A")
    repo.git("commit", "-qm", "Plan")
    for name in ("T-001", "T-002"):
        repo.run("next", "--headless", "--runtime", "demo", "--task", name)
    assert repo.task_status("T-001") == "review"
    assert repo.task_status("T-002") == "blocked"
    return repo


@pytest.fixture(scope="session")
def board_scene(tmp_path_factory: pytest.TempPathFactory) -> MissionRepo:
    """Such a mission, for tests that change nothing, and to be copied by others."""
    return make_scene(tmp_path_factory.mktemp("scene"))


def _do(repo: MissionRepo, *arguments: str) -> None:
    done = repo.run(*arguments)
    assert done.exit_code == 0, done.stderr


def copy_scene(scene: MissionRepo, folder: Path) -> MissionRepo:
    """Return a mission of the same state, in a folder of its own."""
    shutil.copytree(scene.path, folder, symlinks=True)
    return MissionRepo(folder, make_environ(folder.parent))


@dataclass(frozen=True)
class Answer:
    """What a server answers."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Server:
    """A server of `mission web`."""

    url: str
    process: subprocess.Popen[str]
    notices: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return urlsplit(self.url).netloc

    def ask(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        *,
        method: str = "",
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Ask for a page, or send a form as a browser does; None leaves a header out."""
        origin = f"http://{self.place}" if form is not None else None
        given = {"origin": origin, **(headers or {})}
        named = {name: value for name, value in given.items() if value}
        if form is not None:
            named["content-type"] = "application/x-www-form-urlencoded"
        body = urlencode(form).encode() if form is not None else None
        connection = http.client.HTTPConnection(self.place, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method or ("POST" if body else "GET"), path, body, named)
            answer = connection.getresponse()
            text = answer.read().decode()
            lines = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, lines, text)
        finally:
            connection.close()

    def form_of(self, page: str, action: str) -> dict[str, str]:
        """Return what a page's form carries by itself."""
        text = self.ask(page).text
        form = text[text.index(f'action="{action}"') :].partition("</form>")[0]
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))

    def send(self, page: str, action: str, **fields: str) -> Answer:
        """Fill in a page's form, and send it."""
        return self.ask(action, {**self.form_of(page, action), **fields})

    @contextmanager
    def events(self, page: str) -> Iterator[Iterator[tuple[str, Any]]]:
        """Give what a page's stream sends, as it comes."""
        found = re.search(r'data-version="([^"]*)" data-stream="([^"]*)"', self.ask(page).text)
        assert found
        connection = http.client.HTTPConnection(self.place, timeout=PATIENCE_SECONDS)
        connection.request("GET", f"{html.unescape(found[2])}&since={found[1]}")
        with closing(connection), connection.getresponse() as lines:
            yield _parse_events(lines)

    def stop(self) -> int:
        """End it as Ctrl-C does, and return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_SECONDS)


def _parse_events(lines: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        key, _, value = line.decode().rstrip("\n").partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)
        elif key == "retry":
            yield "open", None


@contextmanager
def serving(repo: MissionRepo, *options: str) -> Iterator[Server]:
    """Show a mission to browsers for the length of a `with` block."""
    process = repo.start("web", "--json", *options)
    assert process.stdout
    text = ""
    while line := process.stdout.readline():
        text += line
        if line == "}\n":
            break
    else:
        raise AssertionError(process.stderr.read() if process.stderr else text)
    try:
        opened = json.loads(text)
        yield Server(opened["url"], process, tuple(opened["notices"]))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
