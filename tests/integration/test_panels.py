"""Panels from start to merge, with scripted workers in real worktrees."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mosaic import __version__
from mosaic.machine.identity import own_identity
from mosaic.records import asdict
from tests.support.mission import Answer, MissionRepo, is_running, wait_for

WORKER = r"""
import json, os, pathlib, signal, subprocess, sys, time

name = os.environ["MISSION_WORKER"]
here = pathlib.Path.cwd()
signs = pathlib.Path(sys.argv[1])
plan = json.loads((signs / "plan.json").read_text()).get(name, {})
prompt = sys.stdin.read()
(signs / f"prompt-{name}.md").write_text(prompt)
(signs / f"pid-{name}").write_text(str(os.getpid()))
print(json.dumps({"type": "conversation", "id": f"talk-{name}"}), flush=True)
for path, text in plan.get("write", {}).items():
    (here / path).parent.mkdir(parents=True, exist_ok=True)
    (here / path).write_text(text)
if plan.get("commit"):
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "-c", "user.name=w", "-c", "user.email=w@w", "commit", "-qm", "by hand"])
if plan.get("wait"):
    while not (signs / f"go-{name}").exists():
        time.sleep(0.02)
if plan.get("exit"):
    print("it broke", file=sys.stderr)
    sys.exit(plan["exit"])
answer = {
    "role": "?", "label": "?", "status": plan.get("status", "completed"),
    "summary": plan.get("summary", f"{name} is done") + (
        " again" if "Messages for you" in prompt else ""),
    "claims": plan.get("claims", ["it holds"]), "objections": plan.get("objections", []),
    "openQuestions": [], "evidenceRefs": [], "error": plan.get("error"), "thinking": "SECRET",
}
text = plan.get("say") or json.dumps(answer)
print(json.dumps({"type": "usage", "input_tokens": 10, "output_tokens": 5, "cost_usd": 0.25}))
print(json.dumps({"type": "message", "text": text}))
"""


class Panels:
    """A mission with scripted panel workers."""

    def __init__(self, repo: MissionRepo, signs: Path) -> None:
        self.repo = repo
        self.signs = signs
        self.tell({})

    def tell(self, plan: dict[str, Any]) -> None:
        """Set what each worker does from now on."""
        (self.signs / "plan.json").write_text(json.dumps(plan))

    def go(self, worker: str) -> None:
        (self.signs / f"go-{worker}").write_text("")

    def prompt(self, worker: str) -> str:
        return (self.signs / f"prompt-{worker}.md").read_text()

    def started(self, worker: str) -> int:
        """Wait until a worker's agent runs, and return its pid."""
        return int(wait_for((self.signs / f"pid-{worker}").read_text, worker))

    def run(self, *arguments: str, **environ: str) -> Answer:
        return self.repo.run("panel", *arguments, **environ)

    def start(self, *arguments: str, **environ: str) -> Answer:
        return self.run("start", "Is it right?", *arguments, **environ)

    def show(self, panel: str = "last") -> Any:
        return self.run("show", panel, "--json").json()

    def worker(self, name: str, panel: str = "last") -> Any:
        return next(each for each in self.show(panel)["workers"] if each["name"] == name)

    def ended(self, panel: str = "last") -> Any:
        """Wait until nobody of a panel is at work, and return it."""

        def over() -> Any:
            shown = self.show(panel)
            at_work = {"running", "stop_requested"}
            starting = {"provisioning", "provisioned", "launching"}
            busy = [
                each
                for each in shown["workers"]
                if each["status"] in at_work or each["execution_state"] in starting
            ]
            return None if busy else shown

        return wait_for(over, "the end of the panel")

    def events(self, panel: str = "panel-001") -> list[str]:
        path = self.repo.state / "runs" / panel / "events.jsonl"
        return [json.loads(line)["type"] for line in path.read_text().splitlines()]

    def worktrees(self) -> int:
        return len(self.repo.git("worktree", "list", "--porcelain").split("\n\n")) - 2


@pytest.fixture
def panels(repo: MissionRepo, tmp_path: Path) -> Panels:
    signs = tmp_path / "signs"
    signs.mkdir()
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    call = [sys.executable, str(script), str(signs)]
    mission = repo.mission()
    mission["runtimes"]["scripted"] = {
        "command": call,
        "prompt": "stdin",
        "resume": [*call, "{runtime_session_id}"],
    }
    mission["runtime"] = "scripted"
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))
    repo.git("commit", "-qam", "Name the worker")
    return Panels(repo, signs)


# Start, result


def test_a_panel_comes_to_a_result_that_sets_its_workers_beside_each_other(panels: Panels) -> None:
    panels.tell({"critic": {"objections": ["no tests"]}})
    answer = panels.start("--role", "critic", "--role", "tester", "--wait", "--json")
    assert answer.exit_code == 0, answer.stderr
    found = answer.json()
    assert found["status"] == "completed"
    assert found["agreement"] == [{"text": "it holds", "workers": ["critic", "tester"]}]
    assert found["objections"] == [{"text": "no tests", "workers": ["critic"]}]
    assert found["results"]["critic"]["role"] == "critic"
    assert "SECRET" not in answer.stdout
    happened = panels.events()
    assert happened[0] == "run_created"
    for kind in ("worktree_provisioned", "worker_launched", "worker_completed"):
        assert happened.count(kind) == 2, kind


def test_a_worker_s_record_holds_all_that_it_was_given_and_left(panels: Panels) -> None:
    assert panels.start("--role", "critic", "--wait").exit_code == 0
    run = Path(panels.worker("critic")["run_dir"])
    for name in ("task.md", "prompt.md", "schema.json", "meta.json", "state.json", "result.json",
                 "stdout.log", "worker.log", "answer.json", "settled.json"):  # fmt: skip
        assert (run / name).is_file(), name
    assert "You object." in (run / "prompt.md").read_text()
    assert json.loads((run / "meta.json").read_text())["panel_id"] == "panel-001"
    asked = json.loads((run.parent / "panel.json").read_text())
    assert asked["tool_version"] == __version__
    logged = panels.repo.run("logs", run.name)
    assert "critic is done" in logged.stdout


def test_a_role_that_is_named_twice_gets_two_workers(panels: Panels) -> None:
    started = panels.start("--role", "critic", "--role", "critic", "--wait", "--json")
    assert list(started.json()["results"]) == ["critic-1", "critic-2"]


def test_a_project_s_own_role_is_a_template(panels: Panels) -> None:
    roles = panels.repo.path / "templates" / "roles"
    roles.mkdir(parents=True)
    (roles / "poet.md.j2").write_text("Rhyme about {{ panel.id }}.")
    assert panels.start("--role", "poet", "--wait").exit_code == 0
    assert "Rhyme about panel-001." in panels.prompt("poet")


@pytest.mark.parametrize(
    "question",
    [
        "a 'quoted' \"question\" with $(touch pwned) `touch pwned` ; touch pwned",
        "-begins with a dash",
        "line one\nline two\n\n```\nfence\n```",
        "中文问题 😀",
        # Named: pytest puts a test's name into the environment, where so long a one has no room.
        pytest.param("x" * 200_000 + " END-MARK", id="long"),
    ],
)
def test_no_question_reaches_a_shell_or_is_cut(panels: Panels, question: str) -> None:
    file = panels.signs / "question.txt"
    file.write_text(question)
    assert panels.run("start", "-f", str(file), "--role", "critic", "--wait").exit_code == 0
    assert question.strip().splitlines()[-1] in panels.prompt("critic")
    assert not list(panels.repo.path.rglob("pwned"))


@pytest.mark.parametrize("role", ["../../x", "a b", "CRITIC", "$(x)", ""])
def test_a_role_that_is_no_name_is_refused(panels: Panels, role: str) -> None:
    refused = panels.start("--role", role)
    assert refused.exit_code == 2
    assert not (panels.repo.state / "runs" / "panel-001").exists()


def test_an_answer_that_is_no_result_is_an_error_and_no_crash(panels: Panels) -> None:
    panels.tell({"critic": {"say": "I think it is fine."}})
    answer = panels.start("--role", "critic", "--role", "tester", "--wait", "--json")
    assert answer.exit_code == 1
    found = answer.json()
    assert found["status"] == "degraded"
    assert found["results"]["critic"]["status"] == "error"
    assert "I think it is fine" in found["errors"]["critic"]


def test_a_worker_that_fails_or_is_blocked_is_told_apart(panels: Panels) -> None:
    panels.tell({"critic": {"exit": 3}, "tester": {"status": "blocked", "summary": "no database"}})
    panels.start("--role", "critic", "--role", "tester", "--wait")
    assert panels.worker("critic")["status"] == "failed"
    assert panels.worker("tester")["status"] == "blocked"
    assert {"worker_failed", "worker_blocked"} <= set(panels.events())


# Before the start


def test_everything_that_is_missing_is_named_at_once_and_nothing_is_started(
    panels: Panels,
) -> None:
    refused = panels.start(
        "--role", "critic", "--role", "nobody", "--role", "tester=missing",
        "--executor", "tmux", "--base", "no-such-ref", PATH=empty_path(panels),
    )  # fmt: skip
    assert refused.exit_code == 1
    for words in ("no-such-ref", "tmux is not installed", "no-such-agent-anywhere", "`nobody`"):
        assert words in refused.stderr, words
    shown = panels.show()
    assert shown["status"] == "failed"
    assert {w["execution_state"] for w in shown["workers"]} == {"preflight_failed"}
    assert panels.events() == ["run_created", "preflight_failed"]
    assert panels.worktrees() == 0


def empty_path(panels: Panels) -> str:
    """Return a PATH with git and nothing else."""
    folder = panels.signs / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "git").symlink_to(str(shutil.which("git")))
    return str(folder)


def test_a_runtime_that_is_too_old_is_named(panels: Panels) -> None:
    path = empty_path(panels)
    old = Path(path) / "claude"
    old.write_text("#!/bin/sh\necho '1.0.9 (Claude Code)'\n")
    old.chmod(0o755)
    refused = panels.start("--role", "critic=claude", PATH=f"{path}:/usr/bin:/bin")
    assert refused.exit_code == 1
    assert "version 1.0.9 is older than 2.1" in refused.stderr


def test_a_panel_that_could_not_begin_is_resumed_when_it_can(panels: Panels) -> None:
    assert panels.start("--role", "poet").exit_code == 1
    roles = panels.repo.path / "templates" / "roles"
    roles.mkdir(parents=True)
    (roles / "poet.md.j2").write_text("Rhyme.")
    assert panels.run("resume", "last", "--wait").exit_code == 0
    assert panels.show()["status"] == "completed"


def test_a_worktree_that_cannot_be_made_fails_that_worker_alone(panels: Panels) -> None:
    place = panels.repo.state / "worktrees" / "panel-001-critic"
    place.mkdir(parents=True)
    (place / "in-the-way").write_text("mine")
    panels.start("--role", "critic", "--role", "tester", "--wait")
    critic = panels.worker("critic")
    assert (critic["status"], critic["execution_state"]) == ("failed", "provision_failed")
    assert panels.worker("tester")["status"] == "completed"
    assert (place / "in-the-way").read_text() == "mine"


def test_an_agent_that_cannot_be_started_fails_that_worker_alone(panels: Panels) -> None:
    mission = panels.repo.mission()
    program = panels.signs / "vanishing"
    program.write_text("no program at all")
    program.chmod(0o755)
    mission["runtimes"]["broken"] = {"command": [str(program)], "prompt": "stdin"}
    (panels.repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    panels.start("--role", "critic=broken", "--role", "tester", "--wait")
    critic = panels.worker("critic")
    assert (critic["status"], critic["execution_state"]) == ("failed", "launch_failed")
    assert "not a program" in critic["error"]
    assert panels.worker("tester")["status"] == "completed"


def test_without_git_a_panel_says_so(tmp_path: Path, panels: Panels) -> None:
    bare = MissionRepo(tmp_path / "bare", panels.repo.environ)
    bare.path.mkdir()
    assert bare.run("init", "--name", "Bare").exit_code == 0
    refused = bare.run("panel", "start", "x", "--role", "critic", "--runtime", "demo")
    assert refused.exit_code == 1
    assert "not in a git work tree" in refused.stderr


# Looking only, writing


def test_a_panel_that_looks_only_reports_and_drops_what_was_changed(panels: Panels) -> None:
    panels.tell(
        {"critic": {"write": {"new.txt": "x", "coordination/TASKS.md": "gone"}, "commit": True}}
    )
    panels.start("--role", "critic", "--wait")
    critic = panels.worker("critic")
    assert set(critic["dropped"]) == {"new.txt", "coordination/TASKS.md"}
    assert critic["branch"] is None
    assert panels.repo.git("-C", critic["worktree"], "status", "--porcelain") == ""
    assert "changes_dropped" in panels.events()
    assert "new.txt" not in panels.repo.git("ls-files")
    assert panels.run("shutdown", "last").exit_code == 0
    assert panels.worktrees() == 0


def test_a_writable_worker_s_work_is_committed_in_the_user_s_name(panels: Panels) -> None:
    panels.tell({"implementer": {"write": {"src/a.py": "1\n", "coordination/TASKS.md": "gone\n"}}})
    panels.start("--role", "implementer", "--writable", "--wait")
    worker = panels.worker("implementer")
    assert worker["branch"] == "mission/panel-001/implementer"
    author = panels.repo.git("log", "-1", "--format=%an <%ae>", worker["branch"]).strip()
    assert author == "Somebody <somebody@example.invalid>"
    assert worker["commit"] == panels.repo.git("rev-parse", worker["branch"]).strip()
    changed = panels.repo.git("diff", "--name-only", f"main...{worker['branch']}").split()
    assert changed == ["src/a.py"]


@pytest.mark.parametrize("way", [[], ["--no-ff"], ["--squash"], ["--ff-only"]])
def test_a_branch_is_brought_home_and_its_worktree_goes(panels: Panels, way: list[str]) -> None:
    panels.tell({"implementer": {"write": {"a.py": "1\n"}}})
    panels.start("--role", "implementer", "--writable", "--wait")
    merged = panels.run("merge", "last", "implementer", *way)
    assert merged.exit_code == 0, merged.stderr
    assert (panels.repo.path / "a.py").read_text() == "1\n"
    assert panels.run("shutdown", "last").exit_code == 0
    assert panels.worktrees() == 0
    assert "mission/" not in panels.repo.git("branch", "--list")
    assert panels.repo.run("check").exit_code == 0


def test_a_conflict_is_left_to_the_user_with_the_commands_to_go_on(panels: Panels) -> None:
    panels.tell({name: {"write": {"same.txt": f"{name}\n"}} for name in ("implementer", "tester")})
    panels.start("--role", "implementer", "--role", "tester", "--writable", "--wait")
    assert panels.run("merge", "last", "implementer").exit_code == 0
    conflict = panels.run("merge", "last", "tester")
    assert conflict.exit_code == 3
    assert "same.txt" in conflict.stderr
    assert "git merge --continue" in conflict.stderr
    assert "git merge --abort" in conflict.stderr
    (panels.repo.path / "same.txt").write_text("both\n")
    panels.repo.git("add", "same.txt")
    panels.repo.git("-c", "core.editor=true", "merge", "--continue")
    assert panels.run("shutdown", "last").exit_code == 0
    assert panels.worktrees() == 0


def test_work_that_is_merged_nowhere_is_kept_unless_forced(panels: Panels) -> None:
    panels.tell({"implementer": {"write": {"a.py": "1\n"}}})
    panels.start("--role", "implementer", "--writable", "--wait")
    kept = panels.run("shutdown", "last", "--json").json()
    assert kept["workers"]["implementer"]["cleanup"] == "retained"
    assert panels.worktrees() == 1
    forced = panels.run("shutdown", "last", "--force", "--json").json()
    assert forced["workers"]["implementer"]["cleanup"] == "removed"
    assert panels.worktrees() == 0
    assert "mission/" not in panels.repo.git("branch", "--list")
    assert {"worktree_retained", "worktree_removed"} <= set(panels.events())


def test_a_cleanup_that_fails_is_on_record_and_can_be_tried_again(panels: Panels) -> None:
    panels.start("--role", "critic", "--role", "tester", "--wait")
    known = panels.repo.path / ".git" / "worktrees" / "panel-001-critic"
    hidden = panels.signs / "hidden"
    known.rename(hidden)
    failed = panels.run("shutdown", "last", "--json")
    assert failed.exit_code == 1
    assert failed.json()["workers"]["critic"]["cleanup"] == "failed"
    assert failed.json()["workers"]["tester"]["cleanup"] == "removed"
    assert panels.worker("critic")["execution_state"] == "cleanup_failed"
    assert "cleanup_failed" in panels.events()
    known.parent.mkdir(exist_ok=True)
    hidden.rename(known)
    assert panels.run("shutdown", "last").exit_code == 0
    assert panels.worker("critic")["cleanup"] == "removed"


def test_cleaning_keeps_a_panel_that_never_came_to_a_run(panels: Panels) -> None:
    assert panels.start("--role", "poet").exit_code == 1
    assert panels.repo.run("clean").exit_code == 0
    assert panels.show()["status"] == "failed"
    assert panels.repo.run("clean", "--older-than", "0d").exit_code == 0
    assert panels.run("show", "panel-001").exit_code == 2


def test_status_shows_panels_until_they_are_shut_down(panels: Panels) -> None:
    panels.start("--role", "critic", "--wait")
    told = panels.repo.run("status", "--json").json()["panels"]
    assert told == [{"panel_id": "panel-001", "status": "completed"}]
    assert panels.run("shutdown", "last").exit_code == 0
    assert panels.repo.run("status", "--json").json()["panels"] == []


# Stop, resume, crashes


def test_stop_interrupts_and_resume_goes_on_with_the_unfinished_alone(panels: Panels) -> None:
    panels.tell({"critic": {"wait": True}})
    panels.start("--role", "critic", "--role", "tester")
    pid = panels.started("critic")
    wait_for(lambda: panels.worker("tester")["status"] == "completed", "the tester's end")
    stopped = panels.run("stop", "last", "--json").json()
    assert stopped["status"] == "stopped"
    assert not is_running(pid)
    assert panels.worker("critic")["status"] == "stopped"
    first = panels.worker("tester")["run_id"]
    panels.go("critic")
    assert panels.run("resume", "last", "--wait").exit_code == 0
    assert panels.show()["status"] == "completed"
    assert panels.worker("tester")["run_id"] == first
    assert len(panels.worker("critic")["runs"]) == 2
    assert {"stop_requested", "worker_stopped", "resume_requested"} <= set(panels.events())


def test_a_supervisor_that_is_killed_is_found_out_and_its_agent_ended(panels: Panels) -> None:
    panels.tell({"critic": {"wait": True}})
    panels.start("--role", "critic")
    pid = panels.started("critic")
    run = Path(panels.worker("critic")["run_dir"])
    os.kill(json.loads((run / "state.json").read_text())["supervisor_pid"], signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    shown = panels.ended()
    assert shown["status"] == "resumable"
    panels.go("critic")
    assert panels.run("resume", "last", "--wait").exit_code == 0


def test_stop_ends_an_agent_whose_supervisor_is_gone(panels: Panels) -> None:
    panels.tell({"critic": {"wait": True}})
    panels.start("--role", "critic")
    pid = panels.started("critic")
    run = Path(panels.worker("critic")["run_dir"])
    os.kill(json.loads((run / "state.json").read_text())["supervisor_pid"], signal.SIGKILL)
    assert panels.run("stop", "last").exit_code == 0
    assert not is_running(pid)
    assert panels.show()["status"] == "stopped"


@pytest.mark.parametrize("is_supervised", [True, False])
def test_a_copy_of_the_project_ends_no_worker_of_the_original(
    panels: Panels, tmp_path: Path, *, is_supervised: bool
) -> None:
    panels.tell({"critic": {"wait": True}})
    assert panels.start("--role", "critic").exit_code == 0
    pid = panels.started("critic")
    if not is_supervised:
        wait_for(lambda: panels.repo.run_state()["agent"], "the worker's record")
        os.kill(panels.repo.run_state()["supervisor_pid"], signal.SIGKILL)
    just_written = shutil.ignore_patterns("*.mission-tmp")  # they may be gone when they are copied
    shutil.copytree(panels.repo.path, tmp_path / "copy", symlinks=True, ignore=just_written)
    copy = Panels(MissionRepo(tmp_path / "copy", panels.repo.environ), tmp_path)
    assert "copied from" in copy.worker("critic")["error"]
    assert copy.run("stop", "last").exit_code == 0
    assert is_running(pid)
    assert panels.worker("critic")["status"] == "running"
    assert panels.run("stop", "last", "--now").exit_code == 0
    assert not is_running(pid)


def test_a_launcher_that_is_killed_leaves_nothing_unknown(panels: Panels) -> None:
    mission = panels.repo.mission()
    begun = panels.signs / "setup-begun"
    mission["worktrees"] = {"setup": f"echo $$ >> '{begun}'; exec sleep 600"}
    (panels.repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    launcher = panels.repo.start("panel", "start", "x", "--role", "critic", "--role", "tester")
    wait_for(begun.exists, "the setup command")
    launcher.kill()
    launcher.wait()
    assert panels.show()["status"] == "resumable"
    del mission["worktrees"]
    (panels.repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    assert panels.run("resume", "last", "--wait").exit_code == 0
    left = [int(pid) for pid in begun.read_text().split() if is_running(int(pid))]
    assert left == []
    assert panels.run("shutdown", "last").exit_code == 0
    assert panels.worktrees() == 0


def test_two_panels_at_once_do_not_meet(panels: Panels) -> None:
    panels.tell({"critic": {"write": {"a.txt": "x"}}, "tester": {"write": {"b.txt": "x"}}})
    both = [
        panels.repo.start("panel", "start", "x", "--role", "critic", "--role", "tester",
                          "--writable", "--wait")
        for _ in range(2)
    ]  # fmt: skip
    for process in both:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    shown = [panels.show(name) for name in ("panel-001", "panel-002")]
    branches = [worker["branch"] for panel in shown for worker in panel["workers"]]
    worktrees = [worker["worktree"] for panel in shown for worker in panel["workers"]]
    assert len(set(branches)) == len(set(worktrees)) == 4
    assert panels.repo.run("check").exit_code == 0


# Messages


def test_a_message_to_one_at_work_is_told_when_its_turn_has_ended_and_once(
    panels: Panels,
) -> None:
    panels.tell({"critic": {"wait": True}})
    panels.start("--role", "critic")
    panels.started("critic")
    sent = panels.run("send", "last", "critic", "Also $(touch pwned) look at `b`.", "--json").json()
    assert sent["delivered"] is False
    panels.go("critic")
    wait_for(lambda: len(panels.worker("critic")["runs"]) == 2, "the second turn")
    panels.ended()
    assert "Also $(touch pwned) look at `b`." in panels.prompt("critic")
    result = panels.run("result", "last", "--json").json()["results"]["critic"]
    assert result["summary"] == "critic is done again"
    panels.run("refresh", "last")
    assert len(panels.worker("critic")["runs"]) == 2
    mailbox = panels.repo.state / "runs" / "panel-001" / "mailbox-critic.jsonl"
    message = json.loads(mailbox.read_text())
    assert message["how"] == "turn"
    assert message["run_id"] == panels.worker("critic")["run_id"]
    assert panels.events().count("message_delivered") == 1


@pytest.mark.parametrize("stage", ["provisioning", "provisioned"])
def test_a_turn_that_is_just_being_started_is_not_taken_for_the_one_before(
    panels: Panels, stage: str
) -> None:
    """Whoever looked in that moment ended the turn to come with the result of the last one."""
    panels.start("--role", "critic", "--wait")
    before = panels.worker("critic")
    place = panels.repo.state / "runs" / "panel-001" / "state.json"
    state = json.loads(place.read_text())
    state["workers"]["critic"] |= {
        "status": "pending",
        "execution_state": stage,
        "launcher": asdict(own_identity()),
    }
    place.write_text(json.dumps(state))
    during = panels.worker("critic")
    assert (during["status"], during["execution_state"]) == ("pending", stage)
    assert during["run_id"] == before["run_id"]
    state["workers"]["critic"]["launcher"]["started_at"] = "1"
    place.write_text(json.dumps(state))
    after = panels.worker("critic")
    assert (after["status"], after["execution_state"]) == ("pending", "not_started")


def test_a_message_to_nobody_is_refused(panels: Panels) -> None:
    panels.start("--role", "critic", "--wait")
    assert panels.run("send", "last", "nobody", "hello").exit_code == 2
    assert panels.run("send", "last", "critic", "  ").exit_code == 2
    assert panels.run("send", "panel-999", "critic", "hello").exit_code == 2
    assert panels.run("send", "last", "critic", "hello", "--paste").exit_code == 3


def test_the_cost_of_a_continued_conversation_is_each_turn_s_own(panels: Panels) -> None:
    panels.start("--role", "critic", "--wait")
    panels.run("send", "last", "critic", "again")
    wait_for(lambda: len(panels.worker("critic")["runs"]) == 2, "the second turn")
    panels.ended()
    run = Path(panels.worker("critic")["run_dir"])
    assert json.loads((run / "result.json").read_text())["usage"]["cost_usd"] == 0.25


# Panes


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[dict[str, str]]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    socket = str(tmp_path / "tmux")
    yield {"MISSION_TMUX_SOCKET": socket}
    subprocess.run(["tmux", "-S", socket, "kill-server"], check=False, capture_output=True)


def capture(tmux: dict[str, str], pane: str) -> str:
    command = ["tmux", "-S", tmux["MISSION_TMUX_SOCKET"], "capture-pane", "-p", "-t", pane]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_workers_in_panes_are_the_same_workers(panels: Panels, tmux: dict[str, str]) -> None:
    started = panels.run(
        "start", "Is it right?", "--role", "critic", "--role", "tester", "--executor", "tmux",
        "--wait", **tmux,
    )  # fmt: skip
    assert started.exit_code == 0, started.stderr
    shown = panels.run("show", "last", "--json", **tmux).json()
    panes = {worker["place"]["pane"] for worker in shown["workers"]}
    assert len(panes) == 2
    screens = "".join(capture(tmux, pane) for pane in panes)
    assert "completed" in screens
    assert panels.run("shutdown", "last", **tmux).exit_code == 0
    left = capture(tmux, panes.pop())
    assert left == ""


def test_a_message_is_pasted_into_the_pane_of_an_agent_that_listens(
    panels: Panels, tmux: dict[str, str]
) -> None:
    heard = panels.signs / "heard"
    listener = panels.signs / "listener.sh"
    listener.write_text(f'#!/bin/sh\necho ready\nread -r line\nprintf %s "$line" > "{heard}"\n')
    listener.chmod(0o755)
    mission = panels.repo.mission()
    mission["runtimes"]["listener"] = {"command": [str(listener)], "prompt": "file"}
    (panels.repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    started = panels.run(
        "start", "x", "--role", "critic=listener", "--executor", "tmux", "--interactive", **tmux
    )
    assert started.exit_code == 0, started.stderr
    pane = panels.run("show", "last", "--json", **tmux).json()["workers"][0]["place"]["pane"]
    wait_for(lambda: "ready" in capture(tmux, pane), "the listener")
    text = "it's $(touch pwned); `x` \\ 中文"
    sent = panels.run("send", "last", "critic", text, "--paste", "--json", **tmux)
    assert sent.json()["delivered"] is True, sent.stderr
    assert wait_for(lambda: heard.exists() and heard.read_text(), "the message") == text
