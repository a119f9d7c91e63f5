"""Machines of many kinds, each made of the same one by another shell, Python, git or disk."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.support.machines import Machine
from tests.support.mission import ROOT, Answer, MissionRepo, wait_for

TASK = "T-001"
LOGIN = """\
#!/bin/sh
exec env -i HOME="{home}" PATH="{path}" LANG=C.UTF-8 {more} {shell} -c "$SSH_ORIGINAL_COMMAND"
"""
TOOLS = ("sh", "env", "mkdir", "date", "cat", "rm", "ln", "mv", "readlink", "ps")
GIT = """\
#!/bin/sh
case "$*" in *--version*) echo "git version {version}"; exit;; esac
echo "unknown option" >&2; exit 129
"""
PYTHON = '#!/bin/sh\nPYTHONPATH="{path}" exec "{python}" "$@"\n'
OLD_PYTHON = """\
#!/bin/sh
case $1 in -P) echo "Unknown option: -P" >&2; exit 2;; esac
echo 3.9.2
"""
BASE_PYTHON = Path(sys.base_prefix, "bin", f"python3.{sys.version_info[1]}")
"""A Python that has nothing of ours."""


class Trial:
    """One task that goes to a machine as often as a test likes."""

    def __init__(self, repo: MissionRepo, there: Machine) -> None:
        self.repo = repo
        self.there = there

    def hand_off(self, does: str = "", *options: str, **environ: str) -> Answer:
        """Hand the task off, to an agent that notes its begin and does something."""
        does = f'echo begun >>"{self._begun}"; {does}'
        environ = {"NOFINISH": "1", **environ}
        asked = ("next", "--task", TASK, "--on", self.there.name, *options)
        return self.repo.run(*asked, DOES=does, **environ)

    def work(self, does: str = "", **environ: str) -> Any:
        """Have the task worked on there, once and to the end, and return the session."""
        before, name = self.begun, f"made-{self.begun}.txt"
        answer = self.hand_off(f"echo made >{name}; {does}", **environ)
        assert answer.exit_code == 0, answer.stderr
        session = self.end()
        assert session["endedReason"] == "completed", session
        assert (self.worktree / name).read_text() == "made\n"
        assert self.begun == before + 1
        wait_for(lambda: not self.there.attempts(), "what is kept there to go")
        return session

    def end(self) -> Any:
        """Wait until the last session has ended, and return it."""
        wait_for(lambda: self.repo.session().get("endedAt"), "the session's end")
        wait_for(lambda: not self._locks(), "the lock's end")
        return self.repo.session()

    def refuse(self, *words: str, **environ: str) -> None:
        """Make sure that nothing begins, and why is said; that nothing is left, here and there."""
        before, listed = self.begun, len(self.repo.mission()["sessions"])
        worktrees = self.repo.git("worktree", "list")
        refused = self.hand_off(**environ)
        assert refused.exit_code == 1, refused.stdout
        for each in words:
            assert each in refused.stderr, refused.stderr
        assert self.begun == before
        assert len(self.repo.mission()["sessions"]) == listed
        assert not self._locks()
        assert self.repo.git("worktree", "list") == worktrees
        assert not self.there.attempts()

    def check(self, *options: str) -> dict[str, Any]:
        """Return what `hosts check` says of each thing."""
        said = self.repo.run("hosts", "check", self.there.name, "--json", *options)
        items = said.json()["hosts"][self.there.name]
        found = {each["name"]: each for each in items}
        assert said.exit_code == any(each["state"] == "bad" for each in items), said.stdout
        return found

    def live(self) -> str:
        """Return what is said of live sessions."""
        return self.repo.run("sessions", "--live").stdout

    def log(self) -> str:
        """Return what the agent said, as it is known here."""
        return (self.repo.run_dir() / "stdout.log").read_text()

    @property
    def begun(self) -> int:
        """How often the agent began."""
        return len(self._begun.read_text().split()) if self._begun.exists() else 0

    @property
    def worktree(self) -> Path:
        return self.repo.state / "worktrees" / TASK

    @property
    def _begun(self) -> Path:
        return self.repo.path.parent / "begun"

    def _locks(self) -> list[Path]:
        return [*(self.repo.state / "sessions").glob("*.lock")]


def log_in_by(there: Machine, shell: str = "sh", *, path: str = "", more: str = "") -> None:
    """Give the machine another login shell, PATH, or variables; `more` is shell as well."""
    script = LOGIN.format(home=there.home, path=path or "$PATH", more=more, shell=shell)
    rewrite(there.folder / "login.sh", script)


def rewrite(place: Path, script: str) -> Path:
    """Put a program in the place of another one, and return its place."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.with_suffix(".new").write_text(script)
    place.with_suffix(".new").chmod(0o755)
    return place.with_suffix(".new").rename(place)


def have_python(there: Machine, python: Path | str = sys.executable, path: Path | str = "") -> None:
    """Give the machine a Python that finds packages in a folder, or has what it was installed."""
    rewrite(there.folder / "python here", PYTHON.format(python=python, path=path))


def have_few_tools(there: Machine, *more: str) -> Path:
    """Return a folder with the few programs that any machine has, and some more."""
    folder = there.folder / "few tools"
    folder.mkdir()
    for name in (*TOOLS, *more):
        found = shutil.which(name)
        assert found is not None, name
        (folder / name).symlink_to(found)
    return folder


def other_version(folder: Path, version: str) -> Path:
    """Make a folder with a package of ours that says it is of another version."""
    package = folder / "mosaic"
    package.mkdir(parents=True)
    for each in (ROOT / "mosaic").iterdir():
        if each.name not in ("__init__.py", "__pycache__"):
            (package / each.name).symlink_to(each)
    text = (ROOT / "mosaic" / "__init__.py").read_text()
    own = next(line for line in text.splitlines() if line.startswith("__version__"))
    (package / "__init__.py").write_text(text.replace(own, f'__version__ = "{version}"'))
    return folder


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a small disk at a folder; skip the test where that is not allowed."""
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs"):
        yield


@contextlib.contextmanager
def seen_at(folder: Path, source: str) -> Iterator[Path]:
    """Let what a closed folder may hold be reached at another; skip where that is not allowed."""
    with _mounted(folder, "--bind", source):
        yield folder


@contextlib.contextmanager
def _mounted(folder: Path, *what: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", *what, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill the disk that a folder is on, and return the file that does."""
    place = folder / "ballast"
    with contextlib.suppress(OSError), open(place, "ab", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    with contextlib.suppress(OSError), open(place, "ab", buffering=0) as file:
        while True:
            file.write(b"0")
    return place


def moment(text: str) -> datetime:
    """Read a moment as mission.json has it."""
    return datetime.fromisoformat(text)


def make_wheels(folder: Path) -> Path:
    """Make wheels of all that `mission` needs from what is installed here, for pip to find."""
    folder.mkdir()
    wanted, seen = ["mosaic-mission"], set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        for text in found.requires or ():
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                wanted.append(need.name)
        if name != "mosaic-mission":
            _pack(found, folder)
    return folder


def _pack(found: Distribution, folder: Path) -> None:
    lines = (found.read_text("WHEEL") or "").splitlines()
    tags = [line.removeprefix("Tag:").strip() for line in lines if line.startswith("Tag:")]
    tag = next(each for each in tags if not each.startswith("py2-"))
    name = found.metadata["Name"].replace("-", "_").replace(".", "_")
    record = found.read_text("RECORD") or ""
    rows = [row for row in csv.reader(io.StringIO(record)) if not row[0].startswith((".", "/"))]
    rows = [row for row in rows if not row[0].endswith((".pyc", "INSTALLER", "REQUESTED"))]
    with zipfile.ZipFile(folder / f"{name}-{found.version}-{tag}.whl", "w") as archive:
        for path, *_ in rows:
            if not path.endswith("RECORD"):
                archive.write(str(found.locate_file(path)), path)
        place = next(row[0] for row in rows if row[0].endswith(".dist-info/RECORD"))
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        archive.writestr(place, text.getvalue())


def small_wheel(folder: Path, version: str) -> Path:
    """Make a wheel of a `mission` of another version, with next to nothing in it."""
    info = f"mosaic_mission-{version}.dist-info"
    files = {
        "mosaic/__init__.py": f'__version__ = "{version}"\n',
        "mosaic/there.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: mosaic-mission\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    place = folder / f"mosaic_mission-{version}-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return place


@contextlib.contextmanager
def other_user(name: str) -> Iterator[tuple[int, int]]:
    """Make a user of this machine, and return its numbers; skip the test where that cannot be."""
    if os.geteuid() != 0 or shutil.which("useradd") is None:
        pytest.skip("no user can be made here: it takes root and `useradd`")
    # A password that nothing fits: an account with none counts as locked, and sshd refuses it.
    command = ["useradd", "--no-create-home", "--shell", "/bin/sh", "--password", "*", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no user can be made here: {done.stderr.strip()}")
    try:
        found = subprocess.run(["id", "-u", name], capture_output=True, text=True, check=True)
        uid = int(found.stdout)
        group = subprocess.run(["id", "-g", name], capture_output=True, text=True, check=True)
        yield uid, int(group.stdout)
    finally:
        subprocess.run(["userdel", "--force", name], capture_output=True, check=False)
