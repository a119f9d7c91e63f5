"""A `.state` that the repository brings: locks, notes, caches, and links in its place."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from tests.security.hostile_clones.catalogue.registry import hostile
from tests.security.hostile_clones.lab import STATE
from tests.security.hostile_clones.repository import Repository, Way

BOTH: tuple[Way, ...] = ("clone", "pull")
PULLED_FIRST: tuple[Way, ...] = ("pull", "clone")
HOME = "src/clone/coordination/"
"""The mission's folder as seen from the person's home."""


def lock(repo: Repository, **values: Any) -> dict[str, Any]:
    """Return a session lock of a machine that nobody can ask, with words for a shell file."""
    return {
        "session_id": "sess-001", "runtime": f"x\n{repo.payload} #", "pid": 4,
        "pid_started_at": "1", "boot_id": "x", "host": "elsewhere", "supervisor_pid": 4,
        "started_at": "2026-01-01T00:00:00Z", "project_path": "/x", "task_id": "T-001",
        "run_id": "r001-abcdef", "milestone_id": None, **values,
    }  # fmt: skip


@hostile(ways=BOTH)
def a_stale_lock_whose_end_is_noted_in_the_persons_home(repo: Repository) -> None:
    """`projectPath` leads up, and the scratchpad is a file that a shell runs."""
    repo.settings(
        projectPath="../..", tasksFile=f"{HOME}TASKS.md", tasksDir=f"{HOME}tasks",
        orchestratorDir=f"{HOME}.state", manifestFile=f"{HOME}M.md", scratchpadFile=".bashrc",
    )  # fmt: skip
    repo.bring("session.lock", lock(repo))


@hostile(ways=BOTH)
def a_stale_lock_whose_end_is_noted_in_a_file_that_programs_obey(repo: Repository) -> None:
    """The scratchpad is the repository's own Makefile."""
    repo.write("Makefile", "all:\n\ttrue\n")
    repo.settings(scratchpadFile="Makefile")
    repo.bring("session.lock", lock(repo))


@hostile(ways=BOTH, is_variant=True)
def a_stale_lock_whose_end_is_noted_at_an_absolute_path(repo: Repository) -> None:
    """The scratchpad is absolute."""
    repo.settings(scratchpadFile=str(repo.lab.home / ".profile"))
    repo.bring("session.lock", lock(repo))


@hostile(ways=BOTH, is_variant=True)
def a_stale_lock(repo: Repository) -> None:
    """A lock in the usual place, of another machine, long without a heartbeat."""
    repo.bring("session.lock", lock(repo))


@hostile(ways=PULLED_FIRST)
def a_stale_lock_of_a_worktree(repo: Repository) -> None:
    """The same for a session with a work tree of its own."""
    repo.bring("sessions/sess-001.lock", lock(repo, session_id="sess-001"))


@hostile
def a_lock_that_names_a_process_of_the_person(repo: Repository) -> None:
    """A lock with the right host, boot and start: to stop that session is to kill a stranger."""
    known = repo.stranger()
    start = known.pop("started_at")
    own = {**known, "pid_started_at": start, "supervisor_pid": known["pid"]}
    repo.bring("session.lock", lock(repo, **own, project_path=str(repo.lab.clone)))


def removal(target: str, text: str) -> dict[str, Any]:
    """Return the note of a change that removes a file of known content."""
    known = hashlib.sha256(text.encode()).hexdigest()
    file = {"target": target, "temporary": None, "old_sha256": known, "new_sha256": None}
    return {"version": 1, "files": [file]}


@hostile(ways=BOTH)
def a_begun_change_that_removes_git_s_own_file(repo: Repository) -> None:
    """Every command that changes something would finish it."""
    repo.bring("intent.json", removal(".git/HEAD", "ref: refs/heads/main\n"))


@hostile(ways=BOTH)
def a_begun_change_that_removes_a_file_of_the_home(repo: Repository) -> None:
    """`projectPath` is the whole disk."""
    repo.settings(projectPath="/")
    repo.bring("intent.json", removal(str(repo.lab.home / ".profile")[1:], "mine\n"))


@hostile(ways=BOTH, is_variant=True)
def a_begun_change_that_removes_the_source(repo: Repository) -> None:
    """A file of the project that is none of the mission's; with a lock that ends first."""
    repo.write("LICENSE", "free\n")
    repo.bring("intent.json", removal("LICENSE", "free\n"))
    repo.bring("session.lock", lock(repo))


LINKS = {
    "runs": (
        "../../../../docs", "/HOME/docs", "../../..", "..", "../../.git", "/HOME/src/neighbour",
    ),
    "runs/T-001": ("../../../../../docs", "../../../..", "/HOME/docs"),
    "worktrees": ("../../../../docs", "/HOME/src/neighbour"),
    "sessions": ("../../../../docs",),
    ".": ("../../../docs", "..", "../.git", "../src", "/HOME/docs", "/HOME/src/neighbour/.git"),
}  # fmt: skip
"""Where in `.state`, and where the link leads; `.` is the folder itself."""
FILE_LINKS = {
    "index": "../../.git/index",
    "sync.json": "../../.git/config",
    "mission.lock": "/HOME/.bashrc",
    "session.lock": "/HOME/.profile",
    "next-task.json": "../../.git/HEAD",
    "preview": "/HOME/.bashrc",
    "versions.json": "../TASKS.md",
    "intent.json": "/HOME/docs/new",
    ".gitignore": "/HOME/.ssh/config",
}


def add_link(name: str, target: str, *, is_variant: bool) -> None:
    """Add a clone in which a part of the state is a link."""

    def link(repo: Repository) -> None:
        place = STATE if name == "." else f"{STATE}/{name}"
        repo.link(place, target.replace("/HOME", str(repo.lab.home)))

    hostile(name=f"{name} of the state is a link to {target}", is_variant=is_variant)(link)


@hostile(ways=BOTH)
def every_file_of_the_state_is_a_link(repo: Repository) -> None:
    """Caches, locks and notes lead into git's own files and into the person's home."""
    for name, target in FILE_LINKS.items():
        repo.link(f"{STATE}/{name}", target.replace("/HOME", str(repo.lab.home)))


for where, targets in LINKS.items():
    for number, leads_to in enumerate(targets):
        add_link(where, leads_to, is_variant=number > (1 if where == "." else 0))


@hostile(ways=("clone", "copy"))
def fifos_in_place_of_state_files(repo: Repository) -> None:
    """Who reads one waits for ever."""

    def make() -> None:
        folder = repo.lab.clone / STATE
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("session.lock", "index", "sync.json", "next-task.json", "intent.json"):
            (folder / name).unlink(missing_ok=True)
            os.mkfifo(folder / name)

    repo.bring("versions.json", {})
    repo.afterwards.append(make)


@hostile(ways=BOTH)
def state_files_that_are_folders(repo: Repository) -> None:
    """Each holds a file, so that nothing can replace it."""
    for name in ("session.lock", "index", "preview", "sync.json", "next-task.json", "intent.json"):
        (repo.path / STATE / name).unlink(missing_ok=True)
        repo.bring(f"{name}/kept", "kept")


@hostile(ways=BOTH)
def state_files_that_are_deep_or_huge(repo: Repository) -> None:
    """JSON that a recursive reader falls over, and a megabyte of nothing."""
    deep = "[" * 100_000
    for name in ("session.lock", "sessions/sess-009.lock", "worktrees/.x.json", "versions.json"):
        repo.bring(name, deep)
    for name in ("index", "sync.json", "intent.json", "preview", "next-task.json"):
        repo.bring(name, b"\x00" * 1_000_000)


@hostile(ways=BOTH)
def caches_that_say_other_things(repo: Repository) -> None:
    """The author's own caches, and a last agreed state that would change every task."""
    tasks = {f"T-00{n}": {"title": "x", "status": "done", "milestone": "", "depends_on": [],
                          "pr": ""} for n in range(1, 5)}  # fmt: skip
    repo.bring("sync.json", {"version": 1, "tasks": tasks})
    for name in ("index", "next-task.json"):
        repo.bring(name)


@hostile(ways=PULLED_FIRST)
def leftovers_of_killed_processes(repo: Repository) -> None:
    """Names that cleaning looks for, of folders full of somebody's work."""
    for name in (".new-r001-abcdef", ".gone-r001-abcdef", "rebuilt.1", "index.1.2"):
        repo.bring(f"runs/T-001/{name}/work.txt", "work")
        repo.bring(f"{name}/work.txt", "work")
    repo.bring(f".{'0' * 16}.mission-tmp", "work")
