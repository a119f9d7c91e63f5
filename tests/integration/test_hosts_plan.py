"""What people and an agent on another machine change in the mission meanwhile, put together.

The other machine is an `sshd` on loopback; see `tests.support.machines`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machines import Machine, add_machine, machine
from tests.support.mission import MissionRepo, wait_for
from tests.support.shell_agent import change_mission, let_agent_do

ENV = ["PYTHON", "PYTHONPATH", "DOES", "NOFINISH"]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        yield made


@pytest.fixture
def away(repo: MissionRepo, box: Machine) -> MissionRepo:
    """A mission with a scripted agent and that machine."""
    let_agent_do(repo, parallelWithoutScope=True)
    add_machine(repo, box, env=ENV)
    return repo


def ok(repo: MissionRepo, *words: str) -> str:
    answer = repo.run(*words)
    assert answer.exit_code == 0, answer
    return answer.stdout


def begin(repo: MissionRepo, does: str) -> None:
    """Hand a task to an agent there, and wait until it says that it waits."""
    ok_to_go = repo.run("next", "--on", "box", DOES=does)
    assert ok_to_go.exit_code == 0, ok_to_go.stderr
    wait_for((repo.path.parent / "go.waits").exists, "the agent's begin")


def until_told(repo: MissionRepo) -> str:
    return f'until_told "{repo.path.parent}/go"; '


def end(repo: MissionRepo) -> None:
    """Let the agent go on, and wait until its session's end is recorded."""
    (repo.path.parent / "go").write_text("")
    wait_for(lambda: repo.session().get("endedAt"), "the session's end")
    wait_for(lambda: not [*(repo.state / "sessions").glob("*.lock")], "the lock's end")


def text_of(repo: MissionRepo, task_id: str) -> str:
    return next((repo.path / "coordination/tasks").glob(f"{task_id}-*.md")).read_text()


def test_both_change_the_mission_meanwhile(away: MissionRepo, box: Machine) -> None:
    criteria = "## acceptance criteria\n- [ ] one\n- [ ] two\n\n## notes\n"
    two = next((away.path / "coordination/tasks").glob("T-002-*.md"))
    two.write_text(two.read_text().replace("## notes\n", criteria))
    away.git("commit", "-qam", "Criteria")
    done = away.path.parent / "done"
    does = (
        'mission add "From there" -d T-002; mission add "And more" -d T-004; '
        'sed -i "s/^- ... two/- [x] two/" "$(dirname "$MISSION_FILE")"/tasks/T-002-*; '
        'mission set T-003 status=blocked title="Third, of there" labels+=there; '
        'mission milestone add "M9: Far away"; '
        'echo "word of there" >>"$(dirname "$MISSION_FILE")/SCRATCHPAD.md"; '
        f'mission set T-001 labels+=mine; touch "{done}"; {until_told(away)}'
    )
    begin(away, does)
    wait_for(done.exists, "what the agent changes")
    box.go_down()
    (away.path.parent / "go").write_text("")
    kept = "missions/*/runs/*/home/coordination/.state"
    wait_for(lambda: not [*box.works.glob(f"{kept}/sessions/*.lock")], "its end there")
    ok(away, "add", "From here")
    ok(away, "set", "T-003", "title=Third, of here", "labels+=here")
    two.write_text(two.read_text().replace("- [ ] one", "- [x] one"))
    scratchpad = away.path / "coordination/SCRATCHPAD.md"
    scratchpad.write_text(scratchpad.read_text() + "word of here\n")
    box.start()
    end(away)
    tasks = {each["id"]: each for each in away.run("list", "--all", "--json").json()["tasks"]}
    titles = {name: each["title"] for name, each in tasks.items()}
    assert titles["T-004"] == "From here"
    assert (titles["T-005"], titles["T-006"]) == ("And more", "From there"), titles
    assert tasks["T-006"]["depends_on"] == ["T-002"]
    assert tasks["T-005"]["depends_on"] == ["T-006"]
    assert "task_id: T-006" in text_of(away, "T-006")
    assert titles["T-003"] == "Third, of here"
    assert (tasks["T-003"]["status"], tasks["T-001"]["status"]) == ("blocked", "review")
    assert {"here", "there"} <= set(tasks["T-003"]["labels"])
    assert "mine" in tasks["T-001"]["labels"]
    assert "- [x] one\n- [x] two\n" in text_of(away, "T-002")
    assert "M9" in [each["id"] for each in away.mission()["milestones"]]
    words = scratchpad.read_text()
    assert words.count("word of here") == words.count("word of there") == 1
    assert words.count(f" {away.session_id()} ") == 1
    assert len(away.mission()["sessions"]) == 1
    assert away.run("check").exit_code == 0, away.run("check").stdout
    events = (away.run_dir() / "worker.log").read_text()
    united = [json.loads(line) for line in events.splitlines() if '"plan_united"' in line]
    said = json.dumps([each["message"] for each in united])
    assert "Third, of there" in said
    assert "T-004" in said
    assert "T-003.status" not in said
    assert "T-003.title" in away.session()["endedDetail"]
    copies = [*(away.run_dir() / "artifacts/elsewhere").iterdir()]
    assert any("Third, of there" in each.read_text() for each in copies)


def test_what_people_say_here_reaches_the_agent_there(away: MissionRepo, box: Machine) -> None:
    until_seen = (
        'tries=0; until mission show T-002 | grep -q "Second, anew" && mission show T-004 && '
        'grep -q "Mind the gap" "$(dirname "$MISSION_FILE")"/tasks/T-002-*; do '
        "tries=$((tries + 1)); [ $tries -lt 200 ] || exit 1; sleep 0.1; done; "
        "mission show T-005 >&2; "
    )
    begin(away, f'mission add "Of there"; {until_told(away)}{until_seen}')
    ok(away, "set", "T-002", "title=Second, anew")
    ok(away, "add", "Of here")
    ok(away, "handoff", "T-002", "--append", "notes", "--text", "Mind the gap")
    end(away)
    assert away.session()["endedReason"] == "completed", away.session()
    listed = away.run("list", "--all", "--json").json()["tasks"]
    titles = {each["id"]: each["title"] for each in listed}
    assert (titles["T-004"], titles["T-005"]) == ("Of here", "Of there")
    assert text_of(away, "T-002").count("Mind the gap") == 1
    events = (away.run_dir() / "worker.log").read_text().splitlines()
    seqs = [json.loads(line)["seq"] for line in events]
    assert seqs == [*range(1, len(seqs) + 1)]
    assert any('"plan_united"' in line and "T-005" in line for line in events)


RICH = """\
chmod +x plain.sh; chmod -x tool.sh; rm gone.txt; ln -s nowhere link; ln -sfn tool.sh turned
printf 'a\\r\\nb\\n' >mixed.txt; printf 'x\\n' >crlf.txt; printf 'y\\r\\n' >new.bat
printf '\\000\\377bin' >data.bin; printf 'lfs' >big.dat; mkdir -p 'ein Ordner/tief'; : >empty
printf 'z' >"ein Ordner/tief/n\\303\\244me"; mkdir hollow; printf 'kept' >sparse.txt
git init -q nested; echo in >nested/in; git add plain.sh crlf.txt; git commit -qm 'Some'
git add data.bin; echo more >>data.bin; rm staged.txt; ln -s .. staged.txt
"""


def test_a_rich_tree_comes_home_as_it_was_left(away: MissionRepo, box: Machine) -> None:
    """Modes, links, line ends, filters, names, what is staged, and a repository within."""
    attributes = "*.bat text eol=crlf\ncrlf.txt text eol=crlf\n*.dat filter=shout\n*.bin -text\n"
    (away.path / ".gitattributes").write_text(attributes)
    for name in ("plain.sh", "tool.sh", "gone.txt", "crlf.txt", "staged.txt"):
        (away.path / name).write_text("begun\n")
    (away.path / "tool.sh").chmod(0o755)
    (away.path / "turned").symlink_to("plain.sh")
    away.git("add", "--all")
    away.git("commit", "-qm", "A rich tree")
    away.git("config", "filter.shout.clean", "tr a-z A-Z")
    show = (
        "for f in $(git ls-files -co --exclude-standard | grep -v coordination); do "
        '[ -L "$f" ] && echo "$f -> $(readlink "$f")" || { [ -x "$f" ] && x=x || x=; '
        'echo "$f $x $(cksum <"$f")"; }; done | sort'
    )
    seen = away.path.parent / "seen"
    begin(away, f'{RICH}\n{{ {show}; }} >"{seen}"; {until_told(away)}export NOFINISH=1; ')
    end(away)
    worktree = away.state / "worktrees" / "T-001"
    here = away.path.parent / "show.sh"
    here.write_text(show)
    found = subprocess.run(
        ["sh", str(here)], cwd=worktree, capture_output=True, text=True, check=True
    ).stdout
    lines = [line for line in seen.read_text().splitlines() if not line.startswith("nested")]
    assert found.splitlines() == lines
    assert "n\\303\\244me" in found or "n\xe4me" in found
    assert (worktree / "mixed.txt").read_bytes() == b"a\r\nb\n"
    assert not (worktree / "nested" / "in").exists()
    assert "nested" in (away.run_dir() / "worker.log").read_text()
    assert len(box.attempts()) == 1  # it alone is not carried, so it is kept there


def test_a_record_that_is_cut_says_so_and_setups_run_where_the_work_is(
    away: MissionRepo, box: Machine
) -> None:
    log = away.path.parent / "setups"
    change_mission(away, worktrees={"setup": ["sh", "-c", f'echo "mission $PWD" >>"{log}"']})
    add_machine(away, box, env=ENV, setup=["sh", "-c", f'echo "host $PWD" >>"{log}"'])
    lines = f'yes "$(printf %0999d 7)" | head -c {66 << 20}; '
    large = f'head -c {17 << 20} /dev/zero >"$MISSION_RUN_DIR/artifacts/large"; '
    begin(away, f"{until_told(away)}{lines}{large}export NOFINISH=1; ")
    end(away)
    assert [line.partition(" ")[0] for line in log.read_text().splitlines()] == ["mission", "host"]
    assert log.read_text().count(str(box.works)) == 2
    run = away.run_dir()
    events = [each for each in away.events() if each["type"] == "record_cut"]
    cut = {each["data"]["name"]: each["data"] for each in events}
    assert cut["stdout.log"]["offset"] == 64 << 20
    assert cut["stdout.log"]["bytes"] >= 2 << 20
    assert cut["artifacts/large"]["bytes"] == 1 << 20
    assert (run / "stdout.log").stat().st_size == 64 << 20
    assert (run / "ends" / "stdout.log").stat().st_size > 15 << 20
    shown = away.run("logs", "T-001", "--tail", "1")
    assert "stay on `box`" in shown.stdout + shown.stderr
    assert len(box.attempts()) == 1  # the rest can still be had
    assert away.run("hosts", "clean").exit_code == 0
    again = away.run("next", "--task", "T-001", "--worktree", "--headless", DOES="true")
    assert again.exit_code == 0, again
    *_, last = log.read_text().splitlines()
    assert last == f"mission {away.state / 'worktrees' / 'T-001'}"
