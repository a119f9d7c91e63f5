"""A mission in `services/api` of a repository: every path is one of the project."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.git import git
from tests.support.mission import MissionRepo, make_environ
from tests.support.shell_agent import calls, change_mission, go, let_agent_do, let_agent_tell
from tests.support.workers import sections_of

FILES = {
    "libs/shared.py": "shared\n",
    "services/web/Dockerfile": "FROM web\n",
    "services/api/Dockerfile": "FROM api\n",
    "services/api/deploy/Dockerfile": "FROM deploy\n",
    "services/api/src/app.py": "one\ntwo\n",
    "services/api/.gitignore": "*.log\n",
}


@pytest.fixture
def mono(tmp_path: Path) -> Iterator[MissionRepo]:
    """A repository with several services, and a mission with one task in one of them."""
    top = tmp_path / "mono"
    git(tmp_path, "init", "-q", "-b", "main", str(top))
    git(top, "config", "user.name", "Somebody")
    git(top, "config", "user.email", "somebody@example.invalid")
    for name, text in FILES.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    repo = MissionRepo(top / "services" / "api", make_environ(tmp_path))
    assert repo.run("init", "--name", "Api", "--milestone", "M1: One").exit_code == 0
    assert repo.run("add", "First", "-m", "M1", "--scope", "src/**").exit_code == 0
    change_mission(repo, runtimes={})
    (top / ".git" / "info" / "exclude").write_text("/services/telling.py\n/services/agent.sh\n")
    git(top, "add", "--all")
    git(top, "commit", "-qm", "Plan")
    yield repo
    for process in repo.started:
        process.kill()
        process.communicate()


def top_of(repo: MissionRepo) -> Path:
    return repo.path.parents[1]


def review(repo: MissionRepo, task_id: str = "T-001") -> Any:
    answer = repo.run("review", task_id, "--json")
    assert answer.exit_code == 0, answer.stderr
    return answer.json()


def work_of(found: Any) -> list[str]:
    paths = [each["path"] for each in found["evidence"]["files"]]
    return [path for path in paths if not path.startswith("coordination/")]


def told(repo: MissionRepo, *made: tuple[str, str], options: tuple[str, ...] = ()) -> Any:
    """Hand T-001 to an agent that makes these calls, and return the answer of the command."""
    command = ("next", "--headless", "--task", "T-001", "--json", *options)
    return repo.run(*command, **calls(*made))


@pytest.mark.parametrize("options", [(), ("--worktree",)])
def test_an_honest_session_passes_with_paths_of_the_project(
    mono: MissionRepo, options: tuple[str, ...]
) -> None:
    let_agent_tell(mono, qualityGates=[{"name": "app", "command": "test -f src/app.py",
                                        "scope": ["src/**"]}])  # fmt: skip
    edit = ("Bash", "echo three >>src/app.py && echo new >src/new.py")
    done = told(mono, edit, ("claim", "- `src/app.py`\n- `src/new.py` (new)"), options=options)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert mono.task_status("T-001") == "review"
    found = review(mono)
    assert found["objections"] == []
    assert work_of(found) == ["src/app.py", "src/new.py"]
    assert {each["path"]: each["standing"] for each in found["claims"]["files"]} == {
        "src/app.py": "confirmed",
        "src/new.py": "confirmed",
    }
    assert found["unclaimed"]["files"] == []
    assert [gate["words"] for gate in found["gates"]] == ["passed"]


@pytest.mark.parametrize("options", [(), ("--worktree",)])
@pytest.mark.parametrize(
    "claim",
    [
        "../web/Dockerfile, src/app.py",
        "services/web/Dockerfile and services/api/src/app.py",  # as git names them
        "{top}/services/web/Dockerfile, {top}/services/api/src/app.py",
    ],
)
def test_what_lies_outside_of_the_project_is_named_from_it_and_is_out_of_scope(
    mono: MissionRepo, options: tuple[str, ...], claim: str
) -> None:
    let_agent_tell(mono)
    edit = ("Bash", "echo x >>src/app.py; echo x >>../web/Dockerfile")
    claim = claim.format(top=top_of(mono))
    done = told(mono, edit, ("claim", claim), options=options)
    message = "it changed files outside of its write scope: `../web/Dockerfile`"
    assert message in (done.stdout + done.stderr)
    assert mono.task_status("T-001") == "in-progress"
    found = review(mono)
    assert found["out_of_scope"] == ["../web/Dockerfile"]
    assert work_of(found) == ["src/app.py", "../web/Dockerfile"]
    assert {each["standing"] for each in found["claims"]["files"]} == {"confirmed"}
    allowed = mono.run("review", "T-001", "--allow", "../web/Dockerfile")
    assert allowed.exit_code == 0, allowed.stderr
    assert review(mono)["out_of_scope"] == []


def test_a_scope_may_name_what_lies_beside_the_project(mono: MissionRepo) -> None:
    let_agent_tell(mono)
    for scope in ("../web/**", "../../libs/*.py"):
        assert mono.run("set", "T-001", f"write_scope+={scope}").exit_code == 0
    edit = ("Bash", "echo x >>../web/Dockerfile; echo x >>../../libs/shared.py")
    assert told(mono, edit, ("claim", "../web/, ../../libs/shared.py")).exit_code == 0
    assert review(mono)["objections"] == []
    assert mono.run("add", "Out", "--scope", "../../../x").exit_code != 0
    mono.run("set", "T-001", "write_scope+=../../../x")
    (problem,) = [e for e in mono.run("check", "--json").json()["findings"]
                  if e["code"] == "SCOPE_INVALID"]  # fmt: skip
    assert "leads out of the repository" in problem["message"]


def test_a_false_claim_is_still_one(mono: MissionRepo) -> None:
    let_agent_tell(mono)
    told(mono, ("Bash", "echo x >>src/app.py"), ("claim", "src/app.py, ../web/Dockerfile"))
    found = review(mono)
    assert {each["path"]: each["standing"] for each in found["claims"]["files"]} == {
        "src/app.py": "confirmed",
        "../web/Dockerfile": "contradicted",
    }


def test_a_persons_edit_beside_the_agent_and_a_change_outside_its_worktree(
    mono: MissionRepo,
) -> None:
    let_agent_tell(mono)
    done = told(mono, ("quiet", "echo a person >>../web/Dockerfile"), ("Write", "src/x"))
    assert done.exit_code == 0, done.stdout
    found = review(mono)
    assert found["evidence"]["beside"] == ["../web/Dockerfile"]
    assert found["objections"] == []
    assert any("`../web/Dockerfile`" in event["message"] for event in mono.events())


def test_a_worktree_of_an_agent_that_reaches_into_the_main_tree(mono: MissionRepo) -> None:
    let_agent_tell(mono)
    told(mono, ("Write", str(mono.path / "src" / "app.py")), options=("--worktree",))
    found = review(mono)
    assert found["evidence"]["outside"] == ["src/app.py"]
    assert "changed outside its worktree: `src/app.py`" in found["objections"]
    assert mono.run("review", "T-001", "--allow", "src/app.py").exit_code == 0
    assert review(mono)["evidence"]["outside"] == []


def test_a_remark_is_on_a_line_of_the_project_and_is_found_again(mono: MissionRepo) -> None:
    let_agent_tell(mono)
    assert told(mono, ("Bash", "echo three >>src/app.py")).exit_code == 0
    for place in ("src/app.py:3", "services/api/src/app.py:3"):  # the latter as git names it
        done = mono.run("review", "T-001", "--remark", place, "make it four")
        assert done.exit_code == 0, done.stderr
        assert "on src/app.py:3" in done.stdout
    assert mono.run("review", "T-001", "--reject", "--why", "see there").exit_code == 0
    (mono.path / "src" / "app.py").write_text("zero\none\ntwo\nthree\n")
    prompt = mono.run("next", "--print", "--task", "T-001").stdout
    assert "`src/app.py:3`" in prompt
    assert "it is line 4 now" in prompt


def test_a_plain_name_is_that_file_at_the_projects_root(mono: MissionRepo) -> None:
    let_agent_tell(mono)
    mono.run("set", "T-001", "write_scope=Dockerfile")
    told(mono, ("Bash", "echo x | tee -a Dockerfile deploy/Dockerfile ../web/Dockerfile"))
    assert review(mono)["out_of_scope"] == ["deploy/Dockerfile", "../web/Dockerfile"]


def test_an_approval_commits_the_work_inside_and_beside_the_project(mono: MissionRepo) -> None:
    let_agent_tell(mono)
    mono.run("set", "T-001", "write_scope+=../web/**")
    told(mono, ("Bash", "echo x >>src/app.py; echo x >>../web/Dockerfile"),
         ("claim", "src/app.py, ../web/Dockerfile"))  # fmt: skip
    done = mono.run("review", "T-001", "--approve", "--commit")
    assert done.exit_code == 0, done.stderr
    top = top_of(mono)
    committed = git(top, "show", "--name-only", "--format=", "HEAD").split()
    assert {"services/api/src/app.py", "services/web/Dockerfile"} <= set(committed)
    assert git(top, "status", "--porcelain") == ""


def test_from_a_scope_to_what_is_merged(mono: MissionRepo) -> None:
    let_agent_do(mono)
    mono.run("add", "Second", "-m", "M1", "-d", "T-001", "--scope", "docs/**")
    git(top_of(mono), "add", "--all")
    git(top_of(mono), "commit", "-qm", "Second")
    done = go(mono, "echo three >>src/app.py", "--worktree")
    assert done.exit_code == 0, done.stderr
    assert sections_of(mono)["result"] == "- nothing"
    listed = mono.run("checkpoint", "list", "T-001", "--json")
    assert listed.exit_code == 0, listed.stderr
    assert (mono.path / "src" / "app.py").read_text() == "one\ntwo\n"
    assert mono.run("review", "T-001", "--approve", "--force").exit_code == 0
    git(top_of(mono), "commit", "-qam", "Approved")
    merged = mono.run("merge", "T-001")
    assert merged.exit_code == 0, merged.stdout + merged.stderr
    assert (mono.path / "src" / "app.py").read_text() == "one\ntwo\nthree\n"
    assert mono.run("next", "--print").exit_code == 0
    capsule = json.loads((mono.state / "next-task.json").read_text())
    assert capsule["next_task"] == "T-002"
    assert capsule["write_scope"] == ["docs/**"]
    assert mono.run("clean", "--worktree", "T-001").exit_code == 0
    assert len(git(top_of(mono), "worktree", "list").splitlines()) == 1


def test_several_at_once_work_beside_each_other_and_come_home(mono: MissionRepo) -> None:
    let_agent_do(mono)
    for title, scope in (("Web", "../web/**"), ("Shared", "../../libs"), ("Any", "**/Dockerfile")):
        assert mono.run("add", title, "-m", "M1", "--scope", scope).exit_code == 0
    git(top_of(mono), "add", "--all")
    git(top_of(mono), "commit", "-qm", "Plan")
    assert mono.run("next", "-j", "4", "--explain", "--json").json()["ready"] == [
        f"T-00{n}" for n in range(1, 5)
    ]
    does = (
        "case $MISSION_TASK in T-001) echo x >>src/app.py;; T-002) echo x >>../web/Dockerfile;; "
        "T-003) echo x >>../../libs/shared.py;; *) echo x >>deploy/Dockerfile;; esac"
    )
    done = mono.run("next", "-j", "4", "--loop", "--json", DOES=does)
    assert done.exit_code == 0, done.stderr
    assert {each["to"] for each in done.json()["moved"].values()} == {"review"}
    for number in range(1, 5):
        task = f"T-00{number}"
        assert mono.run("review", task, "--approve", "--force").exit_code == 0
        merged = mono.run("merge", task)
        assert merged.exit_code == 0, merged.stderr
    top = top_of(mono)
    for path in ("services/api/src/app.py", "services/web/Dockerfile", "libs/shared.py",
                 "services/api/deploy/Dockerfile"):  # fmt: skip
        assert (top / path).read_text().endswith("x\n")


def test_the_landing_queue_runs_the_gates_in_the_project(mono: MissionRepo) -> None:
    gates = [
        {"name": "src", "command": "grep -q three src/app.py", "scope": ["src/**"]},
        {"name": "docs", "command": "false", "scope": ["docs/**"]},
    ]
    let_agent_do(mono, qualityGates=gates, review={"gates": "never"})
    assert go(mono, "echo three >>src/app.py", "--worktree").exit_code == 0
    assert mono.run("review", "T-001", "--approve", "--force").exit_code == 0
    (top_of(mono) / "libs" / "shared.py").write_text("changed meanwhile\n")
    git(top_of(mono), "commit", "-qam", "Approved")
    landed = mono.run("merge", "--json")
    assert landed.exit_code == 0, landed
    (task,) = landed.json()["tasks"]
    outcomes = {each["name"]: each["outcome"] for each in task["gates"]}
    assert outcomes == {"src": "passed", "docs": "skipped"}
    assert (mono.path / "src" / "app.py").read_text() == "one\ntwo\nthree\n"


def test_a_checkpoint_of_the_projects_tree_is_restored(mono: MissionRepo) -> None:
    let_agent_do(mono)
    done = go(mono, "echo three >>src/app.py; echo x >../web/extra; mission checkpoint")
    assert done.exit_code != 0  # `../web/extra` is out of scope
    (mono.path / "src" / "app.py").write_text("one\ntwo\n")
    (top_of(mono) / "services" / "web" / "extra").unlink()
    restored = mono.run("checkpoint", "restore", "T-001", "1")
    assert restored.exit_code == 0, restored.stdout + restored.stderr
    assert (mono.path / "src" / "app.py").read_text() == "one\ntwo\nthree\n"
    assert (top_of(mono) / "services" / "web" / "extra").read_text() == "x\n"
    prompt = mono.run("next", "--print", "--task", "T-001").stdout
    assert "src/app.py (changed)" in prompt
    assert "../web/extra (added)" in prompt
    assert "services/api/src/app.py" not in prompt


# What an agent in a worktree is given


def paths_in(prompt: str, base: str) -> set[str]:
    """Return the absolute paths below a folder, and the mission's own, that a prompt names."""
    words = {word.rstrip(".,;:/") for word in re.split(r"[\s`'\"()]+", prompt)}
    return {word for word in words if word.startswith((base, "coordination/"))}


@pytest.mark.parametrize("where", ["mono", "repo"])
def test_every_path_that_an_agent_in_a_worktree_is_given_leads_somewhere(
    where: str, request: pytest.FixtureRequest
) -> None:
    repo: MissionRepo = request.getfixturevalue(where)
    let_agent_do(repo)
    last = {"mono": "T-002", "repo": "T-004"}[where]
    repo.run("set", "T-001", "status=done")  # without a handoff: its file is to be looked at
    assert repo.run("add", "Not committed", "-d", "T-001").stdout.strip() == last
    does = (
        'cp "$MISSION_RUN_DIR/prompt.md" "$MISSION_RUN_DIR/capsule.json" .; pwd >cwd; '
        f"mission show {last} >shown; mission handoff {last} >handoff; "
        "grep -o '[^ `]*tasks/T-001[^ ,;`]*' prompt.md | xargs cat >of-dependency"
    )
    for _ in range(2):  # the second one goes on where a checkpoint is
        repo.run("set", last, "status=todo")
        done = go(repo, does, "--worktree", "--task", last)
        assert done.exit_code == 0, done.stderr
        (cwd_file,) = repo.state.glob(f"worktrees/{last}/**/cwd")
        cwd = cwd_file.parent
        assert cwd_file.read_text().strip() == str(cwd)
        assert "Not committed" in (cwd / "shown").read_text()
        assert "result" in (cwd / "handoff").read_text()
        assert "First" in (cwd / "of-dependency").read_text()
        prompt, capsule = (
            (cwd / "prompt.md").read_text(),
            json.loads((cwd / "capsule.json").read_text()),
        )
        named = paths_in(prompt, str(repo.path.parent))
        assert any(f"tasks/{last}" in path for path in named)
        assert [path for path in named if not (cwd / path).exists()] == []
        own = (str(repo.path / "coordination"), str(cwd))
        assert [path for path in named if not str(cwd / path).startswith(own)] == []
        assert Path(capsule["project_path"]) == cwd
        for path in (capsule["task"]["file"], capsule["prompt_file"]):
            assert (cwd / path).is_file()
        if patch := (capsule["checkpoint"] or {}).get("patch"):
            assert (cwd / patch).is_file()


def test_a_program_in_the_main_tree_is_not_named_to_an_agent_beside_it(mono: MissionRepo) -> None:
    let_agent_do(mono)
    venv = mono.path / ".venv" / "bin"
    venv.mkdir(parents=True)
    program = venv / "mission"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mosaic "$@"\n')
    program.chmod(0o755)
    mono.environ["PATH"] = f"{venv}:{mono.environ['PATH']}"
    (top_of(mono) / ".git" / "info" / "exclude").write_text(".venv\n/services/agent.sh\n")
    done = go(mono, "command -v mission >/dev/null", "--worktree")
    assert done.exit_code == 0, done.stderr
    assert str(venv) not in (mono.run_dir() / "prompt.md").read_text()
