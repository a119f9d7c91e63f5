"""Installs the wheel as a stranger does, does one thing with each extra, and removes it again.

    python -m tests.package                   without an extra, with each, with all
    python -m tests.package board mcp         with these; `none` is without
    python -m tests.package --quick           without an extra and with all
    python -m tests.package --python python3.12 --python …     on other Pythons

Each time in a new virtual environment, with a new home and nothing else of the person's. Needs
git, a network for packages, and the extra `dev` in the Python that it runs with.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mosaic import __version__
from mosaic.app.installation import ALL, EXTRAS
from tests.package.building import PLACES, build, copy_source
from tests.support.plugins import EXAMPLE

PATIENCE_SECONDS = 120
POLL_SECONDS = 0.2
ASKS = {"fleet": ("fleet", "local", "1")}
"""What asks for an extra, where that is not a command of its name."""
NONE = "none"
SEEN = "Something to see"
SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
USES_IT = """\
from pathlib import Path
from mosaic.store.reading import locate_mission, read_mission
number: int = len(read_mission(locate_mission(Path())).tasks)
wrong: int = read_mission(locate_mission(None)).tasks[0].title
"""
"""What somebody else writes; the last line is wrong, and only types can tell."""


class Place:
    """A new virtual environment, and a new home of a person who uses it."""

    def __init__(self, folder: Path, python: str) -> None:
        self.prefix = folder / "venv"
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        run([python, "-m", "venv", str(self.prefix)])
        self.python = str(self.prefix / "bin" / "python")
        self.environ = {
            "PATH": f"{self.prefix / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            **{f"GIT_{who}_NAME": "Somebody" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "s@example.invalid" for who in ("AUTHOR", "COMMITTER")},
        }

    @property
    def project(self) -> Path:
        return self.home / "demo"

    def pip(self, *arguments: str) -> None:
        environ = {name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}
        run([self.python, "-m", "pip", "-q", *arguments], env=environ)

    def start(self, *arguments: str, **streams: int) -> subprocess.Popen[bytes]:
        cwd = self.project if self.project.is_dir() else self.home
        argv = [str(self.prefix / "bin" / "mission"), *arguments]
        return subprocess.Popen(argv, cwd=cwd, env=self.environ, **streams)  # type: ignore[call-overload,no-any-return]

    def mission(self, *arguments: str, code: int = 0) -> str:
        """Run a command that ends with a code, and return what it printed."""
        pipe = subprocess.PIPE
        process = self.start(*arguments, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        out, err = (each.decode() for each in process.communicate(timeout=PATIENCE_SECONDS))
        assert process.returncode == code, f"mission {arguments}: {out}{err}"
        return out + err

    def files(self) -> set[str]:
        return {str(each.relative_to(self.prefix)) for each in self.prefix.rglob("*")}


def run(argv: Sequence[str], **more: object) -> str:
    """Run a program that must go well, and return what it printed."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return str(done.stdout)


def use_plainly(place: Place) -> None:
    """Play the demo, write a report, ask for what is missing."""
    for name in ("mission", "mosaic-mission"):
        told = run([str(place.prefix / "bin" / name), "--version"], env=place.environ)
        assert told == f"mission {__version__}\n", told
    place.mission("demo", str(place.project))
    assert "</html>" in place.mission("report", "--html", "-")
    assert json.loads(place.mission("schema", "task"))
    items = {each["name"]: each for each in json.loads(place.mission("doctor", "--json"))["items"]}
    assert items["installed"]["found"] == f"by pip, in the virtual environment `{place.prefix}`"
    for name in EXTRAS:
        assert f"{name} (" in items["extras"]["found"], items["extras"]
        assert f"'mosaic-mission[{name}]'" in place.mission(*ASKS.get(name, (name,)), code=1)
    for name, source in PLACES.items():
        assert (place.prefix / name).read_bytes() == source.read_bytes(), name


def open_board(place: Place) -> None:
    """Open the board in a terminal, see a task, leave it."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    process = place.start("board", stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    try:
        read_until(leader, SEEN.encode())
        os.write(leader, b"q")
        read_until(leader, b"")  # its terminal takes no more than is read of it
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        os.close(leader)


def read_until(leader: int, words: bytes) -> None:
    """Read a terminal until it has shown some words, or until its program has gone."""
    seen = b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not words or words not in SEQUENCE.sub(b"", seen):
        ready, _, _ = select.select([leader], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{words!r} was not shown: {seen[-2000:]!r}"
        try:
            seen += os.read(leader, 1 << 16)
        except OSError:  # nobody holds the other end any more
            assert not words, f"it ended: {seen[-2000:]!r}"
            return


def ask_web(place: Place) -> None:
    """Open the board in the browser, ask for its page, end it."""
    process = place.start("web", stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        told = re.search(r"http://[^\s;]+", process.stdout.readline().decode())
        assert told
        url = urlsplit(told[0])
        connection = http.client.HTTPConnection(url.netloc, timeout=PATIENCE_SECONDS)
        connection.request("GET", f"{url.path}?{url.query}")
        answer = connection.getresponse()
        assert answer.status == http.HTTPStatus.OK, answer.status
        assert SEEN.encode() in answer.read()
        connection.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()


def list_tools(place: Place) -> None:
    """Ask the server of tools for what it has, as a client does; it ends with its client."""
    about = {"name": "stranger", "version": "1"}
    greeting = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about}
    process = place.start("mcp", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        tell(process, id=1, method="initialize", params=greeting)
        hear(process, 1)
        tell(process, method="notifications/initialized")
        tell(process, id=2, method="tools/list")
        names = [each["name"] for each in hear(process, 2)["tools"]]
        assert {"next", "list", "show", "status"} <= set(names), names
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()


def tell(process: subprocess.Popen[bytes], **message: object) -> None:
    """Send a message to a server of tools."""
    assert process.stdin is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[bytes], number: int) -> Any:
    """Return what it answers to the message of this number."""
    assert process.stdout is not None
    for line in process.stdout:
        message = json.loads(line)
        if message.get("id") == number:
            return message["result"]
    raise AssertionError("it ended without an answer")


def use_fleet(place: Place) -> None:
    """Start a fleet on this machine, see its worker, stop it."""
    place.mission(*ASKS["fleet"])
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (workers := list_workers(place)):
            assert time.monotonic() < deadline, "no worker came"
            time.sleep(POLL_SECONDS)
        assert [each["agents"] for each in workers] == [1]
    finally:
        place.mission("fleet", "stop")


def list_workers(place: Place) -> list[dict[str, Any]]:
    """Return the workers of the only fleet."""
    (fleet,) = json.loads(place.mission("fleet", "list", "--json"))["fleets"]
    return list(fleet["workers"])


ACTS: dict[str, Callable[[Place], None]] = {
    "board": open_board,
    "web": ask_web,
    "mcp": list_tools,
    "fleet": use_fleet,
}


def check_types(place: Place, folder: Path) -> None:
    """Check what somebody else wrote against the types that came with the package."""
    script = folder / "uses_it.py"
    script.write_text(USES_IT)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", place.python,
         "--cache-dir", os.devnull, str(script)],
        cwd=folder, env=place.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(found) == 1, done.stdout + done.stderr
    assert found[0].startswith("uses_it.py:4:"), found
    assert "[assignment]" in found[0], found


def use_plugin(place: Place, folder: Path) -> None:
    """Install a package that adds to ours, and run its own tests by the contracts of the wheel."""
    source = shutil.copytree(EXAMPLE, folder / "example")
    place.pip("install", "pytest", str(source))
    assert "the runtime `example` of mosaic-example 1.0" in place.mission("doctor")
    tests = shutil.copy(source / "test_example.py", folder)
    run([place.python, "-P", "-m", "pytest", "-q", str(tests)], cwd=folder, env=place.environ)


def remove(place: Place, wheel: Path) -> None:
    """Remove it: nothing of it stays, whatever it was used for, and what the person made does."""
    made = sorted(place.project.rglob("*"))
    place.pip("uninstall", "--yes", "mosaic-mission")
    without = place.files()
    left = sorted(each for each in without if "mosaic" in each or "mission" in each)
    assert not left, left[:20]
    place.pip("install", "--no-deps", str(wheel))
    place.mission("status")
    place.mission("next", "--print", code=3)
    place.mission("review")
    place.pip("uninstall", "--yes", "mosaic-mission")
    assert place.files() == without, sorted(place.files() ^ without)[:20]
    assert sorted(place.project.rglob("*")) == made


@contextmanager
def step(words: str) -> Iterator[None]:
    """Say what is done, and how long it took."""
    began = time.monotonic()
    yield
    print(f"{words}  ({time.monotonic() - began:.0f} s)", flush=True)


def try_place(folder: Path, wheel: Path, python: str, extra: str) -> None:
    """Install the wheel with an extra, or without, and use it."""
    place = Place(folder, python)
    place.pip("install", str(wheel) if extra == NONE else f"{wheel}[{extra}]")
    if extra == NONE:
        use_plainly(place)
        remove(place, wheel)
        return
    place.mission("demo", str(place.project))
    place.mission("add", SEEN)
    for name in EXTRAS if extra == ALL else (extra,):
        ACTS[name](place)
    if extra == ALL:
        check_types(place, folder)
        found = json.loads(place.mission("doctor", "--json"))["items"]
        assert {"name": "extras", "state": "ok", "found": ", ".join(EXTRAS), "hint": None} in found
        use_plugin(place, folder)


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.package")
    parser.add_argument("extras", nargs="*", choices=[[], NONE, *EXTRAS, ALL], metavar="EXTRA")
    parser.add_argument("--quick", action="store_true", help="only without an extra, and with all")
    parser.add_argument("--python", action="append", metavar="PROGRAM", help="instead of this one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mission-package-") as work:
        folder = Path(work)
        with step("the wheel and the sdist are built, and `twine check` finds nothing"):
            built = build(copy_source(folder / "source"), folder / "dist", "wheel", "sdist")
            run([sys.executable, "-m", "twine", "check", "--strict", *map(str, built)])
        (wheel,) = (path for path in built if path.suffix == ".whl")
        extras = (NONE, ALL) if asked.quick else asked.extras or (NONE, *EXTRAS, ALL)
        for number, python in enumerate(asked.python or [sys.executable]):
            version = run([python, "-c", "import platform; print(platform.python_version())"])
            for extra in extras:
                words = "without an extra" if extra == NONE else f"[{extra}]"
                with step(f"Python {version.strip()}, {words}: installed, used"):
                    try_place(folder / f"{number}{extra}", wheel, python, extra)


if __name__ == "__main__":
    main()
