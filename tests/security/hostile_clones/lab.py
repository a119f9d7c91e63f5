"""The two people of this suite: an author elsewhere, and somebody who gets the author's work.

LAB/author/project      the author's repository, where a mission was really worked on
LAB/home/               the other person's home
LAB/home/src/clone      what they got from the author
LAB/home/src/neighbour  another repository of theirs
LAB/home/docs/          files of theirs
LAB/home/bin/           stand-ins on their PATH that note when they are called
LAB/ran/                one file for each thing that ran and should not have
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.mission import ROOT, wait_for

STARTER = "import sys\nfrom mosaic.cli import main\nsys.exit(main())\n"
"""What an installed `mission` does: unlike `python -m`, it looks for no module in the cwd."""
AGENT = """\
[ -f "$MISSION_RUN_DIR/../panel.json" ] && exit 0
echo more >>src/work.txt
for s in files_changed commands_run result risks next_handoff notes; do
  echo "- $s" | $MISSION handoff $MISSION_TASK --set $s=- >/dev/null
done
$MISSION set $MISSION_TASK status=review >/dev/null
"""
TRIPWIRES = (
    "sh", "bash", "env", "python", "python3", "touch", "id", "sleep", "make", "npm", "node", "ssh",
    "less", "vi", "curl",
)  # fmt: skip
"""Programs that nothing may start by name; a doctor may ask the agents for their version."""
STAND_INS = ("claude", "codex", "tmux")
STATE = "coordination/.state"


@dataclass(frozen=True)
class Lab:
    """The places of one author and one other person."""

    root: Path

    @property
    def project(self) -> Path:
        return self.root / "author" / "project"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def clone(self) -> Path:
        return self.home / "src" / "clone"

    @property
    def neighbour(self) -> Path:
        return self.home / "src" / "neighbour"

    @property
    def ran(self) -> Path:
        return self.root / "ran"

    @property
    def starter(self) -> Path:
        return self.root / "mission"

    def environ(self, home: Path) -> dict[str, str]:
        """Return all that a command of one of the two sees of the machine."""
        return {
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / ".local" / "state"),
            "TMPDIR": str(self.root / "tmp"),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def git(self, folder: Path, *arguments: str) -> str:
        home = self.home if folder.is_relative_to(self.home) else self.root / "author"
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=self.environ(home) | {"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"git {arguments}: {done.stderr}"
        return done.stdout

    def mission(self, folder: Path, *arguments: str, **environ: str) -> str:
        """Run a command that must go well."""
        home = self.home if folder.is_relative_to(self.home) else self.root / "author"
        done = subprocess.run(
            [sys.executable, str(self.starter), *arguments],
            cwd=folder,
            env=self.environ(home) | {"PATH": os.environ["PATH"], **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"mission {arguments}: {done.stdout}{done.stderr}"
        return done.stdout


def make_base(lab: Lab) -> None:
    """Have a mission really worked on: a run, a worktree, a panel, tasks in review."""
    (lab.project / "src").mkdir(parents=True)
    furnish(lab)
    lab.git(lab.project, "init", "--quiet")
    (lab.project / "src" / "work.txt").write_text("begun\n")
    lab.mission(lab.project, "init", "--name", "Lab", "--milestone", "M1: One")
    for title in ("First", "Second", "Third", "Fourth"):
        after = ("--depends-on", "T-001") if title == "Second" else ()
        lab.mission(lab.project, "add", title, "--milestone", "M1", *after)
    agent = {"command": ["/bin/sh", "-c", AGENT], "prompt": "file"}
    _settle(lab, runtimes={"agent": agent}, runtime="agent")
    called = f"{shlex.quote(sys.executable)} {shlex.quote(str(lab.starter))}"
    for more in (("--task", "T-001"), ("--task", "T-003", "--worktree")):
        lab.mission(lab.project, "next", "--headless", *more, MISSION=called)
        _commit(lab, lab.project)
    lab.mission(lab.project, "panel", "start", "Why?", "--role", "critic")
    wait_for(lambda: "running" not in lab.mission(lab.project, "panel", "list"), "the panel's end")
    _settle(lab, runtimes={}, runtime="claude")
    lab.git(lab.home, "init", "--quiet", str(lab.neighbour))
    (lab.neighbour / "kept.txt").write_text("kept\n")
    _commit(lab, lab.neighbour)
    lab.git(lab.neighbour, "branch", "release")
    (lab.neighbour / "staged.txt").write_text("staged\n")
    lab.git(lab.neighbour, "add", "--all")


def _settle(lab: Lab, **values: Any) -> None:
    path = lab.project / "coordination" / "mission.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}, indent=2))
    _commit(lab, lab.project)


def _commit(lab: Lab, folder: Path) -> None:
    lab.git(folder, "add", "--all")
    lab.git(folder, "commit", "--quiet", "--message", "Work")


def copy_lab(base: Lab, root: Path) -> Lab:
    """Return a lab with the same repositories in another place."""
    shutil.copytree(base.root, root, symlinks=True)
    lab = Lab(root)
    furnish(lab)
    return lab


def furnish(lab: Lab) -> None:
    """Make what names the lab's own place: both homes, the programs on the person's PATH."""
    for folder in (
        "ran",
        "tmp",
        "no-hooks",
        "author",
        "home/src",
        "home/bin",
        "home/.ssh",
        "home/.local",
    ):
        (lab.root / folder).mkdir(parents=True, exist_ok=True)
    (lab.home / "docs/thesis/chapters").mkdir(parents=True, exist_ok=True)
    lab.starter.write_text(STARTER)
    for home in (lab.root / "author", lab.home):
        (home / ".gitconfig").write_text(
            "[user]\nname = Somebody\nemail = somebody@example.invalid\n"
            f"[init]\ndefaultBranch = main\ntemplateDir = {lab.root / 'no-hooks'}\n"
        )
    for name in (".bashrc", ".profile", ".ssh/config", "docs/thesis/chapters/1.tex"):
        (lab.home / name).write_text("mine\n")
    for name in (*STAND_INS, *TRIPWIRES):
        program = lab.home / "bin" / name
        note = f'echo "$0 $*" >>{lab.ran}/{name}\n'
        if name in STAND_INS:  # no server of theirs is asked for its panes
            note = "[ $# = 1 ] || exit 1\n"
        program.write_text(f"#!/bin/sh\n{note}echo {name} 9.9.9\n")
        program.chmod(0o755)
