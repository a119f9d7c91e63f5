"""The author's repository while it is made hostile, and its way to the other person."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mosaic.machine.identity import identify
from tests.security.hostile_clones.lab import STATE, Lab

Way = Literal["clone", "pull", "copy"]
LONG_AGO_SECONDS = 3600


@dataclass(frozen=True)
class Repository:
    """The author's repository while it is made hostile."""

    lab: Lab
    forced: list[str] = field(default_factory=list)
    """What is committed although git was to ignore it."""
    victim_environ: dict[str, str] = field(default_factory=dict)
    """Variables of the other person, such as a PATH with the working directory in it."""
    allowed: list[str] = field(default_factory=list)
    """Programs that git itself starts because the person has set it up so."""
    afterwards: list[Callable[[], object]] = field(default_factory=list)
    """What happens to the clone once it is there, where git cannot carry it."""
    start_in: list[str] = field(default_factory=list)
    """The folder of the clone that commands are called in; its top if there is none."""
    bystanders: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """Processes of the person's that have nothing to do with the mission."""

    @property
    def path(self) -> Path:
        return self.lab.project

    @property
    def payload(self) -> str:
        """A shell command that leaves a trace where it is run."""
        return f"/usr/bin/touch {shlex.quote(str(self.lab.ran / 'payload'))}"

    def path_of_person(self) -> str:
        """Return the PATH that the person has otherwise."""
        return self.lab.environ(self.lab.home)["PATH"]

    def write(self, name: str, content: object) -> None:
        """Write a file of the repository: text, bytes, or what becomes JSON."""
        path = self.path / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str | bytes):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def program(self, name: str) -> str:
        """Write a program that leaves a trace where it is run, and return its relative path."""
        self.write(name, f"#!/bin/sh\n{self.payload}\necho 9.9.9\n")
        (self.path / name).chmod(0o755)
        return f"./{name}"

    def settings(self, **values: Any) -> None:
        """Set keys of mission.json."""
        self.write("coordination/mission.json", {**self.mission(), **values})

    def mission(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.path / "coordination/mission.json").read_text())
        return found

    def task(self, task_id: str, **values: str) -> None:
        """Set lines of a task's front matter to what YAML text is given."""
        (file,) = (self.path / "coordination" / "tasks").glob(f"{task_id}-*.md")
        lines = [
            line
            for line in file.read_text().splitlines()
            if line.partition(":")[0] not in values or not line.partition(":")[1]
        ]
        lines[1:1] = [f"{key}: {value}" for key, value in values.items()]
        file.write_text("\n".join(lines) + "\n")

    def bring(self, name: str, content: object = None) -> None:
        """Have the clone bring a file of `.state`: a new one, or the author's own one."""
        if content is not None:
            self.write(f"{STATE}/{name}", content)
        self.forced.append(f"{STATE}/{name}")

    def find_state(self, name: str) -> Path:
        """Return the path in `.state` of the one file that a pattern fits."""
        (path,) = (self.path / STATE).glob(name)
        return path.relative_to(self.path / STATE)

    def stranger(self) -> dict[str, Any]:
        """Start a process that is none of the mission's, and return what identifies it."""
        process = subprocess.Popen(["sleep", "600"], start_new_session=True)
        self.bystanders.append(process)
        known = identify(process.pid)
        assert known is not None
        names = ("pid", "started_at", "boot_id", "host")
        return {name: getattr(known, name) for name in names}

    def state(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the author's `.state`; `*` in the name stands for anything."""
        path = self.path / STATE / self.find_state(name)
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def change_state(self, name: str, **values: Any) -> None:
        """Have the clone bring a record of the author's `.state`, with other values."""
        self.bring(str(self.find_state(name)), {**self.state(name), **values})

    def link(self, name: str, target: str) -> None:
        """Put a symlink in the repository, tracked, in place of what stands there."""
        path = self.path / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
        self.forced.append(name)

    def commit(self) -> None:
        self.lab.git(self.path, "add", "--all")
        if self.forced:
            self.lab.git(self.path, "add", "--all", "--force", *self.forced)
        self.lab.git(self.path, "commit", "--quiet", "--allow-empty", "--message", "More")


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A clone that lies with the other person."""

    lab: Lab
    cwd: Path
    environ: Mapping[str, str]
    allowed: tuple[str, ...]
    """Programs that git starts because the person has set it up so."""
    has_foreign_state: bool
    """Whether the state folder, or anything in it, is not of this person's own making."""
    bystanders: tuple[subprocess.Popen[bytes], ...]
    """Processes of the person's that have nothing to do with the mission."""


def arrive(repository: Repository, way: Way) -> Arrival:
    """Have the author's work arrive at the other person, and lie there for a while.

    Args:
        repository: what the author made.
        way: `clone`; `pull` into a clone that the person has worked in; `copy` of the whole
            folder, as an archive or a shared disk brings it, with what git does not carry.
    """
    lab = repository.lab
    if way == "pull":
        lab.git(lab.home, "clone", "--quiet", str(lab.project), str(lab.clone))
        lab.mission(lab.clone, "next", "--print")
        repository.commit()
        lab.git(lab.clone, "pull", "--quiet", "--ff-only")
    elif way == "clone":
        repository.commit()
        lab.git(lab.home, "clone", "--quiet", str(lab.project), str(lab.clone))
    else:
        repository.commit()
        shutil.copytree(lab.project, lab.clone, symlinks=True)
    is_foreign = os.path.lexists(lab.clone / STATE)
    if way == "pull":  # there the folder is the person's own, unless git tracks something in it
        is_foreign = bool(lab.git(lab.clone, "ls-files", "--", STATE))
    for path in lab.ran.iterdir():
        path.unlink()  # what our own git ran by the author's settings
    for after in repository.afterwards:
        after()
    # Heartbeats are judged by age: what the clone brought looks as if it had waited.
    for path in lab.clone.rglob("*"):
        if ".git" not in path.parts:
            then = path.lstat().st_mtime - LONG_AGO_SECONDS
            os.utime(path, (then, then), follow_symlinks=False)
    return Arrival(
        lab=lab,
        cwd=lab.clone.joinpath(*repository.start_in),
        environ=repository.victim_environ,
        allowed=tuple(repository.allowed),
        has_foreign_state=is_foreign,
        bystanders=tuple(repository.bystanders),
    )
