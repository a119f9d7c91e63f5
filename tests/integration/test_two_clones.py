"""A story: two people, two clones, three branches, sessions and edits on each; nothing is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.mission import MissionRepo

FOLDER = "coordination"


def ok(clone: MissionRepo, *words: str) -> str:
    answer = clone.run(*words)
    assert answer.exit_code == 0, (words, answer)
    return answer.stdout


def commit(clone: MissionRepo, subject: str) -> None:
    clone.git("add", "--all", "--", FOLDER)
    clone.git("commit", "-qm", subject)


def merge(clone: MissionRepo, branch: str) -> bool:
    """Merge a branch, and tell whether git could do it alone."""
    command = ["git", "merge", "-q", "--no-edit", branch]
    done = subprocess.run(command, cwd=clone.path, capture_output=True, check=False)
    return done.returncode == 0


def clone_of(repo: MissionRepo, origin: Path, name: str) -> MissionRepo:
    folder = repo.path.parent / name
    repo.git("clone", "-q", str(origin), str(folder))
    made = MissionRepo(folder, {**repo.environ, "USER": name})
    made.git("config", "user.name", name)
    made.git("config", "user.email", f"{name}@example.invalid")
    ok(made, "trust")
    return made


def work(clone: MissionRepo, task_id: str) -> str:
    """Hand a task off; return the session's id."""
    ok(clone, "next", "--headless", "--runtime", "quick", "--task", task_id)
    return str(clone.session()["sessionId"])


def note(clone: MissionRepo, words: str) -> None:
    path = clone.path / FOLDER / "SCRATCHPAD.md"
    path.write_text(f"{path.read_text()}\n{words}\n")


def edit_row(clone: MissionRepo, old: str, new: str) -> None:
    path = clone.path / FOLDER / "TASKS.md"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_nothing_is_lost_between_two_clones_and_three_branches(
    repo: MissionRepo, tmp_path: Path
) -> None:
    origin = tmp_path / "origin.git"
    repo.git("clone", "-q", "--bare", str(repo.path), str(origin))
    ana, ben = (clone_of(repo, origin, name) for name in ("ana", "ben"))
    sessions: list[str] = []

    ana.git("checkout", "-q", "-b", "parser")
    sessions.append(work(ana, "T-001"))
    ok(ana, "set", "T-001", "status=review", "labels+=parser")
    ok(ana, "review", "T-001", "--reject", "--why", "The last line is lost")
    ok(ana, "add", "Read the last line", "-d", "T-001")
    note(ana, "Ana: the reader is in src/read.py.")
    commit(ana, "parser")

    ben.git("checkout", "-q", "-b", "docs")
    sessions.append(work(ben, "T-001"))
    sessions.append(work(ben, "T-002"))
    ok(ben, "set", "T-001", "labels+=docs", "priority=high")
    ok(ben, "add", "Write the guide", "-d", "T-002")
    commit(ben, "docs")

    ben.git("checkout", "-q", "main")
    sessions.append(work(ben, "T-003"))
    edit_row(ben, "| Second |", "| Second, said better |")
    ok(ben, "sync")
    ok(ben, "block", "T-003", "--why", "which colour?")
    note(ben, "Ben: the colour is open.")
    commit(ben, "main of Ben")
    ben.git("push", "-q", "origin", "main", "docs")

    # Ana brings her branch together with what Ben pushed.
    ana.git("fetch", "-q")
    ana.git("checkout", "-q", "main")
    ana.git("merge", "-q", "--ff-only", "origin/main")
    for branch in ("parser", "origin/docs"):
        if not merge(ana, branch):
            shown = ana.run("list", "--all")
            assert "T-001" in shown.stdout
            done = ana.run("resolve", "--json")
            names = {each["name"] for each in done.json()["open"]}
            assert not {each for each in names if not each.startswith("T-00")}, names
            ok(ana, "resolve", "--theirs")
            assert ana.git("ls-files", "--unmerged") == ""
            ana.git("commit", "-q", "--no-edit")

    # Both gave T-004 to a task of their own.
    ok(ana, "renumber", next(_files(ana, "T-004-write")), "--write")
    commit(ana, "another id")
    ana.git("push", "-q", "origin", "main")

    # Ben goes on meanwhile and pulls; the next id is in use by now.
    ok(ben, "add", "Paint it", "-d", "T-003")
    note(ben, "Ben: paint comes last.")
    commit(ben, "paint")
    ben.git("fetch", "-q")
    assert not merge(ben, "origin/main")
    done = ben.run("resolve", "--json").json()
    assert (done["open"], done["twins"]) == ([], ["T-005"])
    ok(ben, "renumber", next(_files(ben, "T-005-paint")), "--write")
    ben.git("commit", "-q", "--no-edit")

    listed = {each["title"]: each for each in ben.run("list", "--all", "--json").json()["tasks"]}
    assert set(listed) == {
        "First", "Second, said better", "Third",
        "Read the last line", "Write the guide", "Paint it",
    }  # fmt: skip
    assert len({each["id"] for each in listed.values()}) == len(listed)
    assert set(listed["First"]["labels"]) == {"parser", "docs"}
    assert listed["First"]["priority"] == "high"
    assert listed["Third"]["status"] == "blocked"
    assert listed["Read the last line"]["depends_on"] == ["T-001"]
    assert listed["Write the guide"]["depends_on"] == ["T-002"]
    assert listed["Paint it"]["depends_on"] == ["T-003"]
    kept = [each["sessionId"] for each in ben.mission()["sessions"]]
    assert sorted(kept) == sorted(sessions)
    assert len(set(sessions)) == len(sessions)
    lines = (ben.path / FOLDER / "mission.json").read_text().splitlines()
    assert len([line for line in lines if '"sessionId"' in line]) == len(sessions)
    text = next((ben.path / FOLDER / "tasks").glob("T-001-*.md")).read_text()
    assert "The last line is lost" in text
    scratchpad = (ben.path / FOLDER / "SCRATCHPAD.md").read_text()
    for words in ("src/read.py", "the colour is open", "paint comes last", *sessions):
        assert words in scratchpad
    findings = ben.run("check", "--json").json()["findings"]
    assert not [each for each in findings if each["level"] == "error"]


def _files(clone: MissionRepo, begin: str) -> Iterator[str]:
    folder = clone.path / FOLDER / "tasks"
    return iter([path.name for path in folder.glob(f"{begin}*.md")])
