"""An agent that does what a test says, in shell, and then calls its task finished."""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.support.mission import MissionRepo, wait_for

AGENT = """\
cat >/dev/null
mission() { "$PYTHON" -m mosaic "$@"; }
until_told() {
  touch "$1.waits"; tries=0
  until [ -e "$1" ] || [ $tries -gt 3000 ]; do tries=$((tries + 1)); sleep 0.02; done
}
eval "$DOES"
[ -n "$NOFINISH" ] && exit 0
said=$MISSION_RUN_DIR/said; echo "- nothing" >"$said"
set --
for each in files_changed commands_run result risks next_handoff notes; do
  set -- "$@" --set "$each=$said"
done
mission handoff "$MISSION_TASK" "$@" && mission set "$MISSION_TASK" status=review
"""


def let_agent_do(repo: MissionRepo, **settings: Any) -> MissionRepo:
    """Give the mission such an agent as its runtime, and commit that."""
    agent = repo.path.parent / "agent.sh"
    agent.write_text(AGENT)
    repo.environ["PYTHON"] = sys.executable
    change_mission(
        repo,
        runtime="doing",
        runtimes={
            **repo.mission()["runtimes"],
            "doing": {"command": ["sh", str(agent)], "prompt": "stdin"},
        },
        **settings,
    )
    repo.git("commit", "-qam", "An agent")
    return repo


def change_mission(repo: MissionRepo, **settings: Any) -> None:
    """Write other settings into mission.json, as a person does with an editor."""
    path = repo.path / "coordination" / "mission.json"
    mission = json.loads(path.read_text())
    mission.update(settings)
    path.write_text(json.dumps(mission, indent=2) + "\n")


def go(repo: MissionRepo, does: str, *options: str, **environ: str) -> Any:
    """Hand a task off and stay to the end."""
    return repo.run("next", "--headless", *options, DOES=does, **environ)


def go_behind(repo: MissionRepo, does: str, *options: str) -> None:
    """Hand a task off in the background, to an agent that then waits until it is told."""
    does = f'until_told "{repo.path.parent}/go"; {does}'
    answer = repo.run("next", "--headless", "--detach", *options, DOES=does)
    assert answer.exit_code == 0, answer.stderr
    wait_for((repo.path.parent / "go.waits").exists, "the agent's begin")


def tell(repo: MissionRepo, session: int = 0) -> Any:
    """Let the agent go on, and return its session when that has ended."""
    (repo.path.parent / "go").write_text("")
    wait_for(lambda: repo.session(session).get("endedAt"), "the session's end")
    wait_for(lambda: not repo.lock.exists(), "the lock's end")
    return repo.session(session)


def by_hand(repo: MissionRepo, code: str) -> str:
    """Return shell that runs some Python, such as an agent writes to edit files by hand."""
    number = len(list(repo.path.parent.glob("edit*.py")))
    path = repo.path.parent / f"edit{number}.py"
    path.write_text(f"import json, pathlib, re\n{code}\n")
    return f'"$PYTHON" "{path}"'


def setting(repo: MissionRepo, **settings: Any) -> str:
    """Return shell that sets keys of mission.json by hand."""
    values = json.dumps(settings)
    return by_hand(
        repo,
        "path = pathlib.Path('coordination/mission.json'); known = json.loads(path.read_text())\n"
        f"known.update(json.loads({values!r})); path.write_text(json.dumps(known, indent=2))",
    )


def widening(repo: MissionRepo, scope: str, task_id: str = "T-001") -> str:
    """Return shell that writes another write scope into a task's file by hand."""
    return by_hand(
        repo,
        f"path, = pathlib.Path('coordination/tasks').glob('{task_id}*.md')\n"
        "text = re.sub(r'write_scope:.*\\n( *- .*\\n)*', '', path.read_text())\n"
        f"path.write_text(text.replace('---\\n', '---\\nwrite_scope: [\"{scope}\"]\\n', 1))",
    )


TELLING = """\
import json, os, pathlib, subprocess, sys, time
def say(**event):
    print(json.dumps(event), flush=True)
def call(name, **given):
    say(type="assistant", message={"content": [
        {"type": "tool_use", "id": "t", "name": name, "input": given}]})
def run(command):
    done = subprocess.run(["sh", "-c", command], stdout=2)
    say(type="user", message={"content": [{"type": "tool_result", "tool_use_id": "t",
        "content": f"Exit code {done.returncode}", "is_error": done.returncode != 0}]})
def mission(*arguments):
    subprocess.run([sys.executable, "-m", "mosaic", *arguments], stdout=2)
sys.stdin.read()
say(type="system", subtype="init", session_id="c1")
run_dir = pathlib.Path(os.environ["MISSION_RUN_DIR"])
said, other = run_dir / "artifacts" / "said", run_dir / "other"
claims = "none"
for tool, given in json.loads(os.environ["CALLS"]):
    if tool == "Bash":
        call("Bash", command=given)
        run(given)
    elif tool == "quiet":
        subprocess.run(["sh", "-c", given], stdout=2)
    elif tool == "wait":
        pathlib.Path(given + ".waits").write_text("")
        while not pathlib.Path(given).exists():
            time.sleep(0.02)
    elif tool == "claim":
        claims = given
    else:
        call(tool, file_path=given, content="x")
        pathlib.Path(given).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(given).write_text("x")
said.write_text(claims)
other.write_text("none")
others = ("commands_run", "result", "risks", "next_handoff", "notes")
sets = [f"--set=files_changed={said}", *(f"--set={name}={other}" for name in others)]
mission("handoff", os.environ["MISSION_TASK"], *sets)
mission("set", os.environ["MISSION_TASK"], "status=review")
say(type="result", subtype="success", is_error=False, result="done", session_id="c1")
"""
"""Makes the calls in $CALLS, and tells of them as `claude` does; `quiet` is not told."""


def let_agent_tell(repo: MissionRepo, **settings: Any) -> MissionRepo:
    """Give the mission an agent that tells every call of a tool, and commit that."""
    agent = repo.path.parent / "telling.py"
    agent.write_text(TELLING)
    claude = {"command": [sys.executable, str(agent)], "prompt": "stdin"}
    runtimes = {**repo.mission()["runtimes"], "claude": claude}
    change_mission(repo, runtime="claude", runtimes=runtimes, **settings)
    repo.git("commit", "-qam", "An agent")
    return repo


def calls(*made: tuple[str, str]) -> dict[str, str]:
    """Return what such an agent is to do."""
    return {"CALLS": json.dumps(made)}
