"""What a cloned repository may bring: symlinks, paths and ids that lead elsewhere."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.support.in_process import call
from tests.support.mission import Answer, MissionRepo

ELSEWHERE = "../../../outside"
"""As seen from within `coordination/.state`."""
LOOKS = (("status",), ("list",), ("show", "T-001"), ("check",), ("sessions",), ("doctor",))
CHANGES = (  # the last ones start processes of their own
    ("set", "T-001", "title=Other"),
    ("next", "--headless", "--runtime", "quick"),
    ("next", "--worktree", "--headless", "--runtime", "quick"),
    ("exec", "T-001", "--step", "s", "--", "true"),
    ("checkpoint", "T-001"),
    ("panel", "start", "Why?", "--role", "critic", "--runtime", "quick"),
    ("clean", "--older-than", "0d"),
)
STRANGE_IDS = (
    "../../outside/x",
    "/etc/passwd",
    "..",
    ".",
    "a\nb",
    "$(touch pwned)",
    "-x",
    "\x1b]0;x",
)


@pytest.fixture
def outside(repo: MissionRepo) -> Path:
    folder = repo.path.parent / "outside"
    folder.mkdir(mode=0o755)
    (folder / "canary").write_text("mine\n")
    (folder / "canary").chmod(0o644)
    return folder


def look_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return what a folder holds, with its own permissions."""
    found = {".": (stat.S_IMODE(folder.stat().st_mode), b"")}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path.relative_to(folder))] = (stat.S_IMODE(status.st_mode), data)
    return found


def run(repo: MissionRepo, *arguments: str) -> Answer:
    """Run a command, in a process of its own only where it starts others anyway."""
    if arguments[0] in ("next", "exec", "panel", "resume", "stop"):
        return repo.run(*arguments)
    return call(repo.path, *arguments)


def plant(place: Path, target: str) -> None:
    if place.is_dir() and not place.is_symlink():
        os.rename(place, place.with_name(f"{place.name}-before"))
    elif os.path.lexists(place):
        place.unlink()
    place.symlink_to(target)


@pytest.mark.parametrize("arguments", [*LOOKS, *CHANGES], ids=" ".join)
def test_a_state_folder_that_leads_out_of_the_project_is_not_used(
    repo: MissionRepo, outside: Path, arguments: tuple[str, ...]
) -> None:
    plant(repo.state, "../../outside")
    before = look_of(outside)
    answer = run(repo, *arguments)
    assert look_of(outside) == before
    if arguments in CHANGES and arguments[0] != "clean":
        assert answer.exit_code != 0
        assert "leads out of" in answer.stderr
        assert "hint:" in answer.stderr


def test_check_names_a_state_folder_that_leads_out_of_the_project(
    repo: MissionRepo, outside: Path
) -> None:
    plant(repo.state, "../../outside")
    answer = run(repo, "check", "--json")
    assert answer.exit_code == 5
    assert json.loads(answer.stderr)["code"] == "PATH_OUTSIDE"
    assert "`orchestratorDir` leads out of" in answer.stderr


@pytest.mark.parametrize(
    ("name", "target"),
    [("runs", ""), ("runs/T-001", ""), ("worktrees", "/new"), ("sessions", "/new")],
)
def test_a_folder_of_the_state_that_leads_elsewhere_is_not_written_to(
    repo: MissionRepo, outside: Path, name: str, target: str
) -> None:
    place = repo.state / name
    place.parent.mkdir(parents=True, exist_ok=True)
    up = "../" * name.count("/")
    plant(place, f"{up}{ELSEWHERE}{target}")
    before = look_of(outside)
    for arguments in (*LOOKS, *CHANGES):
        run(repo, *arguments)
        assert look_of(outside) == before, arguments


@pytest.mark.parametrize(
    "name",
    ["index", "next-task.json", "session.lock", "mission.lock", "sync.json", "intent.json",
     ".gitignore", "versions.json", "attempts.json"],
)  # fmt: skip
@pytest.mark.parametrize("target", ["canary", "new"])
def test_a_file_of_the_state_that_leads_elsewhere_is_not_written_through(
    repo: MissionRepo, outside: Path, name: str, target: str
) -> None:
    plant(repo.state / name, f"{ELSEWHERE}/{target}")
    before = look_of(outside)
    for arguments in (("status",), *CHANGES[:3]):
        run(repo, *arguments)
        assert look_of(outside) == before, arguments


@pytest.mark.parametrize("name", ["TASKS.md", "tasks", "mission.json", "SCRATCHPAD.md"])
def test_a_mission_file_that_leads_out_of_the_project_is_not_written_through(
    repo: MissionRepo, outside: Path, name: str
) -> None:
    place = repo.path / "coordination" / name
    os.rename(place, outside / name)
    place.symlink_to(f"../../outside/{name}")
    before = look_of(outside)
    answers = [run(repo, *arguments) for arguments in CHANGES[:2]]
    assert look_of(outside) == before
    assert [answer.exit_code for answer in answers] == [5, 5]


def test_a_planted_run_that_is_a_symlink_is_no_run(repo: MissionRepo, outside: Path) -> None:
    run(repo, "exec", "T-001", "--step", "s", "--", "true")
    (record,) = repo.state.glob("runs/T-001/r001-*")
    os.rename(record, outside / record.name)
    record.symlink_to(outside / record.name)
    before = look_of(outside)
    assert run(repo, "show", "T-001", "--json").json()["runs"] == []
    assert run(repo, "clean", "--older-than", "0d").exit_code == 0
    run(repo, "check", "--fix")
    assert look_of(outside) == before


def test_state_that_git_tracks_is_named(repo: MissionRepo) -> None:
    (repo.state / "next-task.json").write_text("{}")
    repo.git("add", "--force", "coordination/.state/next-task.json")
    codes = [each["code"] for each in run(repo, "check", "--json").json()["findings"]]
    assert "STATE_NOT_OURS" in codes


@pytest.mark.parametrize("strange", STRANGE_IDS)
def test_a_strange_id_is_answered_in_words_and_makes_nothing(
    repo: MissionRepo, outside: Path, strange: str
) -> None:
    before, inside = look_of(outside), set(repo.path.rglob("*"))
    for command in (
        "show", "done", "handoff", "logs", "merge", "checkpoint", "review", "resume", "stop",
    ):  # fmt: skip
        answer = run(repo, command, "--", strange)
        assert answer.exit_code in (1, 2), (command, answer)
        assert "\x1b" not in answer.stderr
    assert run(repo, "panel", "show", "--", strange).exit_code in (1, 2)
    assert run(repo, "next", f"--task={strange}").exit_code in (1, 2)
    assert look_of(outside) == before
    new = {path.name for path in set(repo.path.rglob("*")) - inside}
    assert new <= {"index", "mission.lock", "session.lock"}


@pytest.mark.parametrize("strange", ["../../../outside/x", "a/b", "a b\\nc", "x' $(touch pwned) '"])
def test_a_task_file_with_a_strange_id_leads_nowhere(
    repo: MissionRepo, outside: Path, strange: str
) -> None:
    (repo.path / "coordination/tasks/T-009-x.md").write_text(
        f'---\ntask_id: "{strange}"\ntitle: Strange\nstatus: todo\npriority: high\n---\n'
    )
    before = look_of(outside)
    word = strange.replace("\\n", "\n")
    for arguments in (
        ("status",),
        ("check",),
        ("next", "--headless", "--runtime", "quick", f"--task={word}"),
        ("next", "--worktree", "--headless", "--runtime", "quick", f"--task={word}"),
        ("exec", word, "--step", "../s", "--", "true"),
        ("checkpoint", word),
    ):
        run(repo, *arguments)
    assert look_of(outside) == before
    assert not list(repo.path.parent.rglob("pwned"))


@pytest.mark.parametrize(
    "branch",
    ["--upload-pack=touch pwned", "-x", "../../x", "a..b", "x y", "refs/heads/main", "@{-1}"],
)
def test_a_hostile_branch_is_refused_in_words(
    repo: MissionRepo, outside: Path, branch: str
) -> None:
    (task,) = (repo.path / "coordination/tasks").glob("T-001*.md")
    task.write_text(task.read_text().replace("status:", f"branch: '{branch}'\nstatus:", 1))
    before = look_of(outside)
    answer = run(repo, "next", "--worktree", "--headless", "--runtime", "quick")
    assert answer.exit_code != 0
    assert answer.stderr.startswith("error:"), answer.stderr
    assert repo.task_status("T-001") == "todo"
    assert look_of(outside) == before
    assert not list(repo.path.parent.rglob("pwned"))
    assert repo.git("branch", "--format=%(refname:short)").split() == ["main"]


@pytest.mark.parametrize("way", ["copy", "link"])
@pytest.mark.parametrize("name", ["../outside/canary", "../outside/*", "/etc/hostname", "door/*"])
def test_nothing_from_outside_is_brought_into_a_worktree(
    repo: MissionRepo, outside: Path, way: str, name: str
) -> None:
    (repo.path / "door").symlink_to("../outside")
    mission = repo.mission()
    mission["worktrees"] = {way: [name]}
    (repo.path / "coordination/mission.json").write_text(json.dumps(mission))
    run(repo, "next", "--worktree", "--headless", "--runtime", "quick")
    brought = [
        path
        for path in (repo.state / "worktrees").rglob("*")
        if path.name in ("canary", "hostname") and not str(path).count("door/")
    ]
    assert brought == []
    assert (outside / "canary").read_text() == "mine\n"
