"""Where a scripted mission is played: commands are run in order, and their answers kept."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from mosaic.cli import main
from tests.support.documents import check_printed
from tests.support.mission import PATIENCE_SECONDS, ROOT

from .normal import Normalizer

TOOLS = ("git", "sh", "cat", "true", "sleep", "ps")
"""All that is installed there: no agent, whatever the machine has."""


class Stage:
    """A project folder with the commands that were run in it."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.home = folder / "home"
        self.project.mkdir()
        self.home.mkdir()
        self._tools = folder / "bin"
        self._tools.mkdir()
        for name in TOOLS:
            if (found := shutil.which(name)) is not None:
                (self._tools / name).symlink_to(found)
        self.answers: list[dict[str, Any]] = []
        self._normalizer = Normalizer(folder, ROOT)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": str(self._tools),
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "GIT_AUTHOR_NAME": "Somebody",
            "GIT_AUTHOR_EMAIL": "somebody@example.invalid",
            "GIT_COMMITTER_NAME": "Somebody",
            "GIT_COMMITTER_EMAIL": "somebody@example.invalid",
        }

    def both(self, *arguments: str) -> None:
        """Keep what a command prints as JSON and as text; it changes nothing."""
        self.mission(*arguments, "--json")
        self.mission(*arguments)

    def mission(self, *arguments: str, stdin: str = "") -> Any:
        """Run a command in this process, keep its answer, and return its JSON."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
        before = os.getcwd()
        os.chdir(self.project)
        try:
            with (
                mock.patch.dict(os.environ, self.environ, clear=True),
                mock.patch.object(sys, "stdin", given),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                time.tzset()
                main(arguments)
        except SystemExit as end:
            code = end.code
        finally:
            os.chdir(before)
            time.tzset()
            gc.enable()
        for stream in (out, err):
            stream.flush()
        said, complained = (stream.buffer.getvalue().decode() for stream in (out, err))
        assert isinstance(code, int), (arguments, said, complained)
        return self._keep(arguments, code, said, complained)

    def outside(self, *arguments: str) -> Any:
        """Run a command that launches something, in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "mosaic", *arguments],
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return self._keep(arguments, done.returncode, done.stdout, done.stderr)

    def _keep(self, arguments: tuple[str, ...], code: int, out: str, err: str) -> Any:
        assert "Traceback" not in err, err
        self.answers.append(
            {
                "command": " ".join(self._normalizer.text(each) for each in arguments),
                "exit_code": code,
                "stdout": self._read(out),
                "stderr": self._read(err),
            }
        )
        check_printed(out)
        check_printed(err)
        with contextlib.suppress(ValueError):
            return json.loads(out)
        return None

    def _read(self, printed: str) -> Any:
        """Return JSON as values, and text as lines."""
        lines = printed.splitlines()
        for parse in (lambda: json.loads(printed), lambda: [*map(json.loads, lines)]):
            with contextlib.suppress(ValueError):
                return self._normalizer.values(parse())
        return self._normalizer.lines(lines)

    def git(self, *arguments: str) -> None:
        subprocess.run(
            ["git", *arguments], cwd=self.project, env=self.environ, check=True, capture_output=True
        )

    def write(self, name: str, text: str) -> None:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def change_mission(self, **keys: Any) -> None:
        """Write other keys into mission.json, as a person does with an editor."""
        path = self.project / "coordination" / "mission.json"
        known = json.loads(path.read_text())
        path.write_text(json.dumps({**known, **keys}, indent=2) + "\n")

    def wait_for(self, done: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                if done():
                    return
            time.sleep(0.02)
        raise AssertionError("it did not happen")


def differences(expected: Any, found: Any, at: str = "") -> Iterator[str]:
    """Name where an answer differs from the one that is kept; new keys are no difference."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key, value in expected.items():
            if key not in found:
                yield f"{at}.{key} is gone"
            else:
                yield from differences(value, found[key], f"{at}.{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, f"{at}[{number}]")
    elif expected != found:
        yield f"{at}: expected {expected!r}, found {found!r}"
