"""Reviews: an agent that lies in each way, and a person's decision."""

from __future__ import annotations

import json
import os
import signal
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo, wait_for

AGENT = """\
import json, os, pathlib, subprocess, sys
task = os.environ["MISSION_TASK"]
here = pathlib.Path.cwd()
def tell(**event):
    print(json.dumps(event), flush=True)
def ran(command):
    done = subprocess.run(command, shell=True, stdout=2)
    tell(type="command", command=command, exit_code=done.returncode)
def handoff(**sections):
    said = pathlib.Path(os.environ["MISSION_RUN_DIR"]) / "artifacts" / "said"
    for name in ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes"):
        said.write_text(sections.get(name, "none"))
        subprocess.run([sys.executable, "-m", "mosaic", "handoff", task, f"--set={name}={said}"],
                       check=True, stdout=2)
    subprocess.run([sys.executable, "-m", "mosaic", "set", task, "status=review"], stdout=2)
"""
HONEST = """\
(here / "src").mkdir(exist_ok=True)
(here / "src" / "a.py").write_text("print(1)")
ran("false; true")
ran("python3 src/a.py")
handoff(files_changed="- `src/a.py` (new)", commands_run="$ cd . && python3 src/a.py  # prints 1",
        result="- all criteria met", risks="none", next_handoff="go on")
"""


def hand_off(repo: MissionRepo, body: str, *options: str, **settings: Any) -> Any:
    """Hand T-001 to an agent that does this, and that tells every command it runs."""
    mission = repo.mission()
    mission["runtimes"]["tells"] = {
        "command": [sys.executable, "-c", AGENT + body, "{task}"],
        "tellsCommands": True,
    }
    mission.update(settings)
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))
    command = ("next", "--task", "T-001", "--runtime", "tells", "--headless", "--json")
    return repo.run(*command, *options)


def review(repo: MissionRepo, task_id: str = "T-001") -> Any:
    answer = repo.run("review", task_id, "--json")
    assert answer.exit_code == 0, answer.stderr
    return answer.json()


def standings(claims: list[dict[str, str]]) -> dict[str, str]:
    return {claim.get("path") or claim["command"]: claim["standing"] for claim in claims}


def test_an_honest_handoff_is_confirmed_and_can_be_approved(repo: MissionRepo) -> None:
    assert hand_off(repo, HONEST).exit_code == 0
    found = review(repo)
    assert standings(found["claims"]["files"]) == {"src/a.py": "confirmed"}
    assert standings(found["claims"]["commands"]) == {"python3 src/a.py": "confirmed"}
    assert found["objections"] == []
    assert found["stat"] == "1 file changed, +1 -0"
    assert [ran["command"] for ran in found["unclaimed"]["commands"]] == ["false; true"]
    assert "T-001" in repo.run("review").stdout
    assert "no objections" in repo.run("review", "T-001").stdout
    assert repo.run("review", "T-001", "--approve").exit_code == 0
    assert repo.task_status("T-001") == "done"
    assert "nothing waits for review" in repo.run("review").stdout


@pytest.mark.parametrize(
    ("body", "kind", "claim", "why"),
    [
        pytest.param(
            'handoff(commands_run="- `pytest -q`: 12 passed")',
            "commands", "pytest -q", "no such command ran", id="a test it never ran",
        ),
        pytest.param(
            'ran("false")\nhandoff(commands_run="- `false`")',
            "commands", "false", "ran and failed with exit code 1", id="a command that failed",
        ),
        pytest.param(
            'handoff(files_changed="- src/never.py: rewritten")',
            "files", "src/never.py", "not touched", id="a file it never touched",
        ),
        pytest.param(
            '(here / "x.txt").write_text("1")\nhandoff(files_changed="- x.txt (deleted)")',
            "files", "x.txt", "claimed to be deleted, and it is added", id="what became of a file",
        ),
        pytest.param(
            'ran("python3 -c 1")\nhandoff(commands_run="python3 -c 2")',
            "commands", "python3 -c 2",
            "no such command ran; ran only as `python3 -c 1`", id="other arguments",
        ),
    ],
)  # fmt: skip
def test_a_lie_is_contradicted_and_stands_against_approval(
    repo: MissionRepo, body: str, kind: str, claim: str, why: str
) -> None:
    hand_off(repo, body)
    found = review(repo)
    (judged,) = found["claims"][kind]
    assert (judged.get("path") or judged["command"]) == claim
    assert (judged["standing"], judged["why"]) == ("contradicted", why)
    refused = repo.run("review", "T-001", "--approve")
    assert refused.exit_code == 1
    assert "1 claim is contradicted" in refused.stderr
    assert repo.task_status("T-001") == "review"
    overruled = repo.run("review", "T-001", "--approve", "--force")
    assert "against the evidence: 1 claim is contradicted" in overruled.stdout


def test_what_happened_without_being_claimed_is_listed(repo: MissionRepo) -> None:
    hand_off(repo, '(here / "quiet.txt").write_text("1")\nran("true")\nhandoff()')
    found = review(repo)
    assert [each["path"] for each in found["unclaimed"]["files"]] == ["quiet.txt"]
    assert [each["command"] for each in found["unclaimed"]["commands"]] == ["true"]


def test_a_placeholder_in_any_language_is_no_handoff(repo: MissionRepo) -> None:
    answer = hand_off(repo, 'handoff(risks="待填写", result="TODO")')
    assert answer.exit_code == 1
    assert "the handoff lacks `result`, `risks`" in answer.json()["summary"]
    assert repo.task_status("T-001") == "in-progress"
    missing = repo.run("handoff", "T-001", "--json").json()["missing"]
    assert missing == ["result", "risks"]


def test_a_change_outside_of_the_scope_is_shown_and_may_be_allowed(repo: MissionRepo) -> None:
    repo.run("set", "T-001", "write_scope=src/**")
    body = '(here / "README.md").write_text("1")\nhandoff(files_changed="README.md")'
    answer = hand_off(repo, body)
    assert "outside of its write scope: `README.md`" in answer.json()["summary"]
    assert review(repo)["out_of_scope"] == ["README.md"]
    allowed = hand_off(repo, body, review={"allowOutOfScope": True})
    assert allowed.exit_code == 0
    assert repo.task_status("T-001") == "review"
    assert "1 file changed outside of the write scope" in repo.run("review", "T-001").stdout


def test_gates_stand_in_the_review_with_their_output(repo: MissionRepo) -> None:
    gates = [
        {"name": "fast", "command": "true"},
        {"name": "docs", "command": "exit 9", "scope": "docs/**"},
        {"name": "slow", "command": "echo three failed; exit 1"},
    ]
    answer = hand_off(repo, HONEST, qualityGates=gates)
    assert "gate `slow` failed with exit code 1" in answer.json()["summary"]
    found = {gate["name"]: gate["green"] for gate in review(repo)["gates"]}
    assert found == {"fast": True, "slow": False}
    assert "three failed" in repo.run("review", "T-001").stdout
    by_hand = repo.run("gates", "T-001", "--json")
    assert by_hand.exit_code == 1
    assert [gate["outcome"] for gate in by_hand.json()["gates"]] == ["passed", "failed", "failed"]


def test_an_agent_that_is_stopped_after_its_word_is_not_finished(repo: MissionRepo) -> None:
    body = HONEST + '(here / "said").write_text("")\nimport time\ntime.sleep(600)\n'
    mission = repo.mission()
    mission["runtimes"]["tells"] = [sys.executable, "-c", AGENT + body, "{task}"]
    mission["qualityGates"] = "true"
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    repo.run("next", "--runtime", "tells", "--detach")
    wait_for((repo.path / "said").exists)
    assert repo.run("stop").exit_code == 0
    assert repo.task_status("T-001") == "in-progress"
    assert "its gates were not run: it was stopped" in (repo.run_dir() / "result.json").read_text()


def test_a_supervisor_killed_in_its_gates_leaves_work_that_is_not_finished(
    repo: MissionRepo,
) -> None:
    mission = repo.mission()
    mission["runtimes"]["tells"] = [sys.executable, "-c", AGENT + HONEST, "{task}"]
    mission["qualityGates"] = "touch gating; sleep 600"
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    process = repo.start("next", "--runtime", "tells", "--headless")
    wait_for((repo.path / "gating").exists)
    (gate,) = (repo.state / "runs" / "T-001").glob("r002*")
    group = wait_for(lambda: json.loads((gate / "state.json").read_text())["agent"])["pid"]
    process.kill()
    process.communicate()
    os.killpg(group, signal.SIGKILL)
    repo.run("status")
    assert repo.task_status("T-001") == "in-progress"
    result = json.loads((repo.run_dir(0) / "result.json").read_text())
    assert "its gates were not run to their end" in result["summary"]
    assert repo.run("check", "--fix").exit_code == 0
    assert json.loads((gate / "state.json").read_text())["status"] == "failed"


def test_a_rejection_sends_it_back_with_the_reason(repo: MissionRepo) -> None:
    hand_off(repo, HONEST)
    assert repo.run("review", "T-001", "--reject").exit_code == 2
    assert repo.run("review", "T-001", "--reject", "--why", "no tests").exit_code == 0
    assert repo.task_status("T-001") == "todo"
    prompt = repo.run("next", "--task", "T-001", "--runtime", "quick", "--print").stdout
    head, _, rest = prompt.partition("## What happened before")
    assert rest
    assert "Sent back by " in head
    assert "\nno tests\n" in head
    assert repo.run("review", "T-001", "--approve").exit_code == 3


def test_a_commit_holds_the_work_and_its_trailers_and_nothing_else(repo: MissionRepo) -> None:
    hand_off(repo, HONEST)
    (repo.path / "mine.txt").write_text("not yet")
    repo.git("add", "mine.txt")
    answer = repo.run("review", "T-001", "--approve", "--commit", "--json")
    assert answer.exit_code == 0, answer.stderr
    shown = repo.git("show", "--name-only", "--format=%B", answer.json()["commit"])
    assert "Approve T-001: First" in shown
    assert "Mission-Task: T-001" in shown
    assert "Mission-Session: sess-001" in shown
    assert f"Mission-Run: {repo.session()['runId']}" in shown
    assert "src/a.py" in shown
    assert "coordination/TASKS.md" in shown
    assert "mine.txt" not in shown
    assert repo.git("status", "--porcelain") == "A  mine.txt\n"


def test_an_agent_cannot_review(repo: MissionRepo) -> None:
    hand_off(repo, HONEST)
    refused = repo.run("review", "T-001", "--approve", MISSION_SESSION="sess-001")
    assert refused.exit_code == 2
    assert "an agent cannot review" in refused.stderr


class Tags(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        assert not any(name.startswith("on") for name, _ in attrs)


def test_the_page_and_the_terminal_obey_nothing_that_an_agent_wrote(
    repo: MissionRepo, tmp_path: Path
) -> None:
    evil = (
        "<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror=alert(1)> "
        "\\x1b]0;owned\\x07\\x1b[2J\\n\\n[ok](https://example.com/) [no](data:text/html,x)"
    )
    hand_off(repo, f'handoff(result="{evil}", risks="{evil}", next_handoff="{evil}")')
    page = tmp_path / "review.html"
    answer = repo.run("review", "T-001", "--html", str(page))
    assert answer.exit_code == 0
    assert "\x1b" not in answer.stdout
    tags = Tags()
    tags.feed(page.read_text())
    assert not tags.seen & {"script", "img", "iframe", "object", "form", "link"}
    assert {link for link in tags.links if not link.startswith("#")} == {"https://example.com/"}
    assert "&lt;script&gt;" in page.read_text()


def commit(repo: MissionRepo, path: str, text: str = "x") -> None:
    (repo.path / path).write_text(text)
    repo.git("add", path)
    repo.git("commit", "-qm", path)


def test_a_branch_is_compared_with_where_it_left_its_base(repo: MissionRepo) -> None:
    repo.run("set", "T-001", "branch=work", "base_ref=main", "status=review")
    repo.git("commit", "-qam", "Plan")
    repo.git("checkout", "-qb", "work")
    commit(repo, "mine.py")
    repo.git("checkout", "-q", "main")
    commit(repo, "theirs.py")
    repo.git("checkout", "-q", "work")
    repo.git("merge", "-q", "--no-edit", "main")
    (repo.path / "loose.py").write_text("x")
    found = review(repo)["evidence"]
    assert {each["path"] for each in found["files"]} == {"mine.py", "loose.py"}
    assert found["since"] == "where the work left `main`"
    (repo.path / "loose.py").unlink()
    repo.git("checkout", "-q", "main")
    from_elsewhere = review(repo)["evidence"]
    assert {each["path"] for each in from_elsewhere["files"]} == {"mine.py"}
    assert any("only its commits are seen" in caveat for caveat in from_elsewhere["caveats"])


def test_a_rebased_branch_is_compared_with_its_new_fork(repo: MissionRepo) -> None:
    repo.run("set", "T-001", "branch=work", "base_ref=main", "status=review")
    repo.git("commit", "-qam", "Plan")
    repo.git("checkout", "-qb", "work")
    commit(repo, "mine.py")
    repo.git("mv", "mine.py", "ours.py")
    repo.git("commit", "-qm", "Rename")
    repo.git("checkout", "-q", "main")
    commit(repo, "theirs.py")
    repo.git("checkout", "-q", "work")
    repo.git("rebase", "-q", "main")
    found = review(repo)["evidence"]
    assert [(each["path"], each["kind"]) for each in found["files"]] == [("ours.py", "added")]


def test_a_shallow_clone_says_what_it_cannot_know(repo: MissionRepo) -> None:
    repo.run("set", "T-001", "branch=work", "base_ref=origin/main", "status=review")
    repo.git("commit", "-qam", "Plan")
    repo.git("checkout", "-qb", "work")
    for number in range(3):
        commit(repo, f"w{number}.py")
    clone = repo.path.parent / "shallow"
    repo.git("clone", "-q", "--depth", "1", "--no-single-branch", "-b", "work",
             repo.path.as_uri(), str(clone))  # fmt: skip
    found = review(MissionRepo(clone, repo.environ))["evidence"]
    assert any("shallow" in caveat for caveat in found["caveats"])


def test_without_base_or_run_only_what_is_not_committed_is_seen_and_said(
    repo: MissionRepo,
) -> None:
    repo.run("set", "T-001", "status=review")
    repo.git("commit", "-qam", "Plan")
    (repo.path / "loose.py").write_text("x")
    found = review(repo)["evidence"]
    assert [each["path"] for each in found["files"]] == ["loose.py"]
    assert any("names no `base_ref`" in caveat for caveat in found["caveats"])


def test_two_tasks_in_one_tree_are_told_apart(repo: MissionRepo) -> None:
    hand_off(repo, '(here / "one.txt").write_text("1")\nhandoff(files_changed="one.txt")')
    body = '(here / "two.txt").write_text("1")\nhandoff(files_changed="two.txt")'
    mission = repo.mission()
    mission["runtimes"]["tells"]["command"] = [sys.executable, "-c", AGENT + body, "{task}"]
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    repo.run("next", "--task", "T-002", "--runtime", "tells", "--headless")
    for task_id, name in (("T-001", "one.txt"), ("T-002", "two.txt")):
        found = review(repo, task_id)
        assert standings(found["claims"]["files"]) == {name: "confirmed"}
        assert found["unclaimed"]["files"] == []
