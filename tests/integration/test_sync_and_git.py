"""Whatever git does to the table and the task files: what people decided last stands.

`MISSION_GIT_HISTORIES=2000 pytest tests/integration/test_sync_and_git.py` is the long version.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.in_process import call

HISTORIES = int(os.environ.get("MISSION_GIT_HISTORIES", "20"))
STEPS = 25
STEP_NAMES = (
    "row row front_matter front_matter set set commit commit take_back stash pop sync back branch "
    "merge rebase"
).split()
STATUSES = ("todo", "in-progress", "review", "blocked", "cancelled")
TASK = "T-001"
UNKNOWN = "unknown"
"""Decided by nobody who is known: only that something is shown can be said."""
TABLE = "coordination/TASKS.md"


def shown(folder: Path) -> str:
    """Return the status of the task, or `conflict` where the command says that there is one."""
    answer = json.loads(call(folder, "list", "--all", "--json").stdout)
    if any(problem["code"] == "SYNC_CONFLICT" for problem in answer["problems"]):
        return "conflict"
    (task,) = answer["tasks"]
    return str(task["status"])


class Life:
    """A task with a row and a file, in a repository, and what was decided last of its status."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.now = "todo"
        self.seconds = 1_780_000_000
        self.decided: dict[str, str] = {}
        """What was decided last when a commit or a stash was made."""
        self.split: set[str] = set()
        """Commits in which row and file differ."""
        self.log: list[str] = []
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "T")
        self.git("config", "user.email", "t@example.org")
        self.do("init", "--name", "Life")
        self.do("add", "First")
        self.commit()

    def git(self, *words: str, check: bool = True) -> str:
        answer = subprocess.run(
            ["git", *words], check=False, cwd=self.folder, capture_output=True, text=True
        )
        assert not check or answer.returncode == 0, (words, answer.stderr)
        return answer.stdout.strip() if answer.returncode == 0 else "refused"

    def do(self, *words: str) -> None:
        files = self.folder / "coordination" / "tasks"
        before = [path.read_text() for path in files.glob("*.md")]
        answer = call(self.folder, *words)
        assert answer.exit_code == 0, (words, answer, self.log)
        for path in files.glob("*.md"):
            if (text := path.read_text()) not in before:
                # As if each command took its second, which is the unit of `updated_at`.
                self.seconds += 1
                at = datetime.fromtimestamp(self.seconds, tz=UTC).isoformat()
                path.write_text(re.sub(r"(?m)^updated_at:.*$", f'updated_at: "{at}"', text))

    @property
    def file(self) -> Path:
        (found,) = (self.folder / "coordination" / "tasks").glob("T-001*.md")
        return found

    def row(self, status: str) -> None:
        table = self.folder / TABLE
        text = re.sub(r"(?m)^(\| T-001 \| )[^|]+", rf"\g<1>{status} ", table.read_text())
        head = self.git("rev-parse", "HEAD")
        if head in self.split and text.strip() == self.git("show", f"HEAD:{TABLE}"):
            return  # `git checkout` of the table leaves the very same: nobody can tell
        self._edit(table, text, status)

    def front_matter(self, status: str) -> None:
        text = re.sub(r"(?m)^status:.*$", f"status: {status}", self.file.read_text())
        self._edit(self.file, text, status)

    def _edit(self, path: Path, text: str, status: str) -> None:
        # An edit that a person makes has something to say.
        if shown(self.folder) not in ("conflict", status) and text != path.read_text():
            self.do("sync")
            path.write_text(text)
            self.now = status

    def set(self, status: str) -> None:
        self.do("set", TASK, f"status={status}")
        self.now = status

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "w", check=False)
        head = self.git("rev-parse", "HEAD")
        self.decided[head] = self.now
        if self.is_split():
            self.split.add(head)

    def is_split(self) -> bool:
        """Tell whether the row and the file differ."""
        row = re.search(r"(?m)^\| T-001 \| ([\w-]+)", (self.folder / TABLE).read_text())
        return row is None or f"status: {row[1]}\n" not in self.file.read_text()

    def take_back(self) -> None:
        """Put both files back as they are in HEAD."""
        self.git("checkout", "-q", "HEAD", "--", ".")
        self.now = self.decided[self.git("rev-parse", "HEAD")]

    def stash(self) -> None:
        if self.git("status", "--porcelain"):
            is_split = self.is_split()
            self.git("stash", "-q")
            stashed = self.git("rev-parse", "stash@{0}")
            self.decided[stashed] = self.now
            if is_split:
                self.split.add(stashed)
            self.now = self.decided[self.git("rev-parse", "HEAD")]

    def pop(self) -> None:
        stashed = self.git("rev-parse", "-q", "--verify", "stash@{0}", check=False)
        if stashed in self.decided and not self.git("status", "--porcelain"):
            if self.git("stash", "pop", "-q", check=False) == "refused":
                self.git("checkout", "-q", "-f", "HEAD", "--", ".")
                self.git("stash", "drop", "-q")
                self.now = self.decided[self.git("rev-parse", "HEAD")]
            elif self.git("status", "--porcelain"):
                # They were agreed on something else since: which came last, git does not know.
                self.now = UNKNOWN if stashed in self.split else self.decided[stashed]

    def step(self) -> None:
        name = self.chance.choice(STEP_NAMES)
        status = self.chance.choice(STATUSES)
        dirty = self.git("status", "--short")
        self.log.append(f"{name} {status} (was {self.now}; {dirty!r})")
        if name in ("row", "front_matter", "set"):
            getattr(self, name)(status)
        elif name == "sync":
            self.do("sync")
        elif name in ("back", "branch", "merge", "rebase"):
            if self.git("status", "--porcelain"):
                self.commit()
            getattr(self, name)()
        else:
            getattr(self, name)()
        found = shown(self.folder)
        story = "\n".join((found, self.now, *self.log))
        assert found in (self.now, "conflict") or self.now == UNKNOWN, story
        if found == "conflict":
            side = self.chance.choice(("table", "file"))
            self.do("sync", TASK, "--prefer", side)
            found = shown(self.folder)
            self.log.append(f"prefer {side}: {found}")
        self.now = found

    def back(self) -> None:
        """Take commits back."""
        if self.git("rev-parse", "-q", "--verify", "HEAD~1", check=False) in self.decided:
            self.git("reset", "-q", "--hard", "HEAD~1")
            self.now = self.decided[self.git("rev-parse", "HEAD")]

    def branch(self) -> None:
        """Go to the other branch."""
        here = self.git("rev-parse", "--abbrev-ref", "HEAD")
        if here == "side":
            self.git("checkout", "-q", "main")
        elif self.git("checkout", "-q", "side", check=False) == "refused":
            self.git("checkout", "-q", "-b", "side")
        self.now = self.decided[self.git("rev-parse", "HEAD")]

    def merge(self) -> None:
        """Take the other branch in; where both decided, the people of the merge decide."""
        self._take_in("merge", "-q", "--no-edit")

    def rebase(self) -> None:
        self._take_in("rebase", "-q")

    def _take_in(self, command: str, *options: str) -> None:
        here = self.git("rev-parse", "--abbrev-ref", "HEAD")
        other = "main" if here == "side" else "side"
        tip = self.git("rev-parse", "-q", "--verify", other, check=False)
        base = self.git("merge-base", "HEAD", other, check=False) if tip != "refused" else ""
        if base not in self.decided:
            return
        ours, theirs, before = self.now, self.decided[tip], self.decided[base]
        split = {base, tip, self.git("rev-parse", "HEAD")} & self.split
        if self.git(command, *options, other, check=False) == "refused":
            self.git(command, "--abort")
            return
        both = ours != before and theirs not in (before, ours)
        if split or both:
            # Row and file from two sides: which is the newer, only those who decided know.
            self.now = shown(self.folder)
        else:
            self.now = theirs if ours == before else ours
        if self.now == "conflict":
            self.do("sync", TASK, "--prefer", "table")
            self.now = shown(self.folder)
        head = self.git("rev-parse", "HEAD")
        self.decided[head] = self.now
        if command == "rebase":
            for commit in self.git("rev-list", f"{base}..HEAD").split():
                self.decided.setdefault(commit, UNKNOWN)


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_what_was_decided_last_stands_or_both_are_shown(seed: int) -> None:
    with tempfile.TemporaryDirectory(prefix="git-life-") as folder:
        life = Life(Path(folder), seed)
        for _ in range(STEPS):
            life.step()


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path, 0)


@pytest.mark.parametrize(
    "words", [("checkout", "."), ("stash",), ("reset", "-q", "--hard")], ids=lambda words: words[0]
)
def test_a_committed_edit_is_not_undone_by_an_older_file(
    life: Life, words: tuple[str, ...]
) -> None:
    life.row("cancelled")
    life.commit()
    life.do("sync")  # the file has it too, in no commit
    life.git(*words)
    assert "status: todo" in life.file.read_text()
    assert shown(life.folder) == "cancelled"
    life.do("sync")
    assert "status: cancelled" in life.file.read_text()


def test_an_edit_of_what_git_put_back_counts_whatever_was_agreed_on_before(life: Life) -> None:
    life.set("review")
    life.git("stash")
    life.row("blocked")
    assert shown(life.folder) == "blocked"


def test_a_clone_knows_which_side_was_edited(life: Life, tmp_path: Path) -> None:
    life.row("cancelled")
    life.commit()
    clone = tmp_path / "clone"
    life.git("clone", "-q", ".", str(clone))
    assert shown(clone) == "cancelled"


def test_a_file_that_was_taken_back_alone_is_asked_about(life: Life) -> None:
    life.set("in-progress")
    life.git("checkout", TABLE)
    before = life.file.read_bytes()
    assert shown(life.folder) == "conflict"
    life.do("sync", TASK, "--prefer", "file")
    assert "| T-001 | in-progress |" in (life.folder / TABLE).read_text()
    assert life.file.read_bytes() == before


def test_a_file_of_another_branch_overwrites_nothing(life: Life) -> None:
    life.git("branch", "older")
    life.set("cancelled")
    life.commit()
    life.git("checkout", "older", "--", str(life.file))
    assert shown(life.folder) == "conflict"
    assert call(life.folder, "set", TASK, "title=Other").exit_code != 0
    assert "| T-001 | cancelled |" in (life.folder / TABLE).read_text()
