"""Machines of many kinds: each is worked on to the end, or refused before anything begins."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic import __version__
from tests.support.host_kinds import (
    BASE_PYTHON,
    GIT,
    OLD_PYTHON,
    TASK,
    Trial,
    fill,
    have_few_tools,
    have_python,
    log_in_by,
    make_wheels,
    moment,
    other_user,
    other_version,
    rewrite,
    seen_at,
    small_disk,
    small_wheel,
)
from tests.support.machines import Machine, add_machine, machine
from tests.support.mission import ROOT, MissionRepo, wait_for
from tests.support.shell_agent import change_mission, let_agent_do

ENV = ["PYTHON", "PYTHONPATH", "DOES", "NOFINISH"]
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
HOURS = 3600.0


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        yield made


@pytest.fixture
def trial(repo: MissionRepo, box: Machine) -> Trial:
    let_agent_do(repo)
    add_machine(repo, box, env=ENV, path=[str(box.folder / "first")])
    return Trial(repo, box)


def test_what_a_machine_lacks_is_said_before_anything_begins(trial: Trial, tmp_path: Path) -> None:
    box = trial.there
    install, again = (f"`mission hosts check {name}--install`" for name in ("box ", ""))

    def lacks(name: str, found: str, *refused: str) -> None:
        item = trial.check()[name]
        assert item["state"] == "bad", item
        assert found in item["found"], item
        trial.refuse(*(refused or (found,)))

    have_python(box, BASE_PYTHON)
    lacks("mission", "it is not installed", "it is not installed", install)
    have_python(box, path=other_version(tmp_path / "old", "0.0.1"))
    lacks("mission", "version 0.0.1", "version 0.0.1 of `mission`", again)
    have_python(box, path=other_version(tmp_path / "new", "99.0"))
    lacks("mission", "version 99.0", "version 99.0 of `mission`", again)
    rewrite(box.folder / "python here", OLD_PYTHON)
    lacks("python", "3.9.2; 3.11 or newer is needed")
    (box.folder / "python here").unlink()
    lacks("python", "not found", "install python there")
    have_python(box, path=ROOT)
    git = rewrite(box.folder / "first" / "git", GIT.format(version="2.20.1"))
    lacks("git", "2.20.1; 2.25 or newer", "git version 2.20.1 is too old: 2.25 or newer is needed")
    git.unlink()
    log_in_by(box, path=str(have_few_tools(box)))
    lacks("git", "not found", "on `box`: it is not on the PATH", "install git")
    log_in_by(box)
    trial.work()


def test_mission_is_installed_there_and_replaced_as_a_whole(trial: Trial, tmp_path: Path) -> None:
    box = trial.there
    made = subprocess.run(
        [BASE_PYTHON, "-c", "import ensurepip, venv"], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("the Python here makes no virtual environments")
    wheels = make_wheels(tmp_path / "wheels")
    pip = f'PIP_NO_COMPILE=1 PIP_NO_INDEX=1 PIP_FIND_LINKS="{wheels}" PIP_CONFIG_FILE=/dev/null'
    log_in_by(box, more=pip)
    have_python(box, BASE_PYTHON)
    assert trial.check("--wheel", str(small_wheel(tmp_path, "0.0.1")))["mission"]["found"] == (
        f"version 0.0.1, and {__version__} here"
    )
    first = os.readlink(box.works / "venv")
    assert trial.check("--install")["mission"]["found"] == __version__
    second = os.readlink(box.works / "venv")
    assert sorted(os.listdir(box.works / "venvs")) == sorted(
        Path(each).name for each in (first, second)
    )
    trial.work('echo "$0" >"$HOME/agent"')
    broken = tmp_path / "mosaic_mission-9.9.9-py3-none-any.whl"
    broken.write_text("not a wheel")
    refused = trial.repo.run("hosts", "check", "box", "--wheel", str(broken))
    assert refused.exit_code == 1
    assert "what was there is as it was" in refused.stderr
    cut = trial.repo.start("hosts", "check", "box", "--install")
    wait_for(lambda: len(os.listdir(box.works / "venvs")) > 2, "the install's begin")
    box.cut()
    _, errors = cut.communicate()
    assert cut.returncode == 1
    assert "Traceback" not in errors
    assert os.readlink(box.works / "venv") == second
    trial.work()


def test_paths_and_words_of_any_kind_arrive_as_they_are(trial: Trial) -> None:
    """Also a home behind a symlink, a umask that is for nobody else, a `setup`, and a `path`."""
    repo, box = trial.repo, trial.there
    odd = """it's "$(touch made-by-shell)" `x` ü ! \\n"""
    (box.folder / "odd home").symlink_to(box.home)
    works = f"~/{odd} kept"
    agent = rewrite(
        box.folder / "first" / "odd agent",
        "#!/bin/sh\ncat >prompt.txt; cp coordination/tasks/T-001-* task.txt\n"
        'printf "%s\\n" "$@" >words.txt; umask >umask.txt; pwd -P\n',
    )
    long = "\n".join([odd, *(f"ein Satz über die Zahl {number}" for number in range(20))])
    task = repo.task_file(TASK)
    task.write_text(task.read_text() + f"\n## Goal\n\n{long}\n")
    words = [odd, "two\nlines", "", "-x", "$HOME"]
    change_mission(
        repo,
        runtimes={"odd": {"command": [agent.name, *words], "prompt": "stdin"}},
        runtime="odd",
    )
    script = box.folder / "login.sh"
    rewrite(
        script,
        f'#!/bin/sh\numask 077\nexec env -i HOME="{box.folder}/odd home" PATH="$PATH" '
        'LANG=C.UTF-8 sh -c "$SSH_ORIGINAL_COMMAND"\n',
    )
    setup = ["sh", "-c", 'printf %s "$1" >setup.txt', "sh", odd]
    add_machine(repo, box, folder=works, setup=setup, path=["~/../first"])
    kept = box.home / f"{odd} kept"
    assert trial.check()["folder"]["found"] == f"`{box.folder}/odd home/{odd} kept`"
    answer = trial.hand_off()
    assert answer.exit_code == 0, answer.stderr
    session = trial.end()
    assert session["endedReason"] == "completed", session
    worktree = trial.worktree
    assert long in (worktree / "task.txt").read_text()
    assert (worktree / "prompt.txt").read_text().startswith(f"# Task {TASK}: First\n")
    assert (worktree / "words.txt").read_text() == "\n".join(words) + "\n"
    assert (worktree / "setup.txt").read_text() == odd
    assert (worktree / "umask.txt").read_text() == "0077\n"
    wait_for(lambda: not [*kept.glob("missions/*/runs/*")], "what is kept there to go")
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o700


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("hours", [7, -7])
def test_a_machine_may_have_another_clock(trial: Trial, hours: int) -> None:
    repo, began = trial.repo, datetime.now(UTC).replace(microsecond=0)
    log_in_by(trial.there, more=f'LD_PRELOAD="{FAKETIME}" FAKETIME="{hours:+}h"')
    clock = trial.check()["clock"]
    assert clock["state"] == "missing"
    apart = float(clock["found"].partition(" ")[0])
    assert abs(apart - abs(hours) * HOURS) < HOURS
    does = 'echo x >x.txt; git add x.txt; git commit -qm "Work"; date +%s >clock.txt; '
    session = trial.work(does, NOFINISH="")
    theirs = int((trial.worktree / "clock.txt").read_text())
    assert abs(theirs - began.timestamp() - hours * HOURS) < HOURS
    ended, now = moment(session["endedAt"]), datetime.now(UTC)
    assert began <= moment(session["startedAt"]) <= ended <= now
    state = repo.run_state()
    assert began <= moment(state["started_at"]) <= moment(state["finished_at"]) <= now
    assert session["durationSeconds"] < HOURS
    assert repo.task_status(TASK) == "review"


SHELLS = ("csh", "fish", "zsh", "dash")
NOISY = """\
#!/bin/sh
echo "Welcome. MOSAIC 1 2 3"; echo "and to stderr too" >&2
(while kill -0 $$ 2>/dev/null; do echo; echo "MOSAIC still here"; sleep 0.3; done) &
env -i HOME="{home}" PATH="$PATH" LANG=C.UTF-8 {shell} -c "$SSH_ORIGINAL_COMMAND"
"""
GUARDED = "#!/bin/sh\ncase $- in *i*) ;; *) exit 0;; esac\n"
FAILING = '#!/bin/sh\necho "no such module: nvm" >&2\nexit 3\n'


def test_any_login_shell_will_do_that_runs_what_it_is_asked(trial: Trial) -> None:
    box = trial.there
    known = [each for each in SHELLS if shutil.which(each)]
    for each in known:
        log_in_by(box, shell=each)
        found = trial.check()
        assert found["mission"]["state"] == "ok", (each, found)
    rewrite(box.folder / "login.sh", NOISY.format(home=box.home, shell=known[0]))
    trial.work("head -c 300000 /dev/urandom >noise.bin; od noise.bin; ")
    rewrite(box.folder / "login.sh", GUARDED)
    assert "did not do what was asked" in trial.check()["ssh"]["found"]
    trial.refuse("cannot be reached", "did not do what was asked")
    rewrite(box.folder / "login.sh", FAILING)
    assert "no such module: nvm" in trial.check()["ssh"]["found"]
    trial.refuse("no such module: nvm")


def test_a_disk_that_is_full_there_loses_nothing(trial: Trial) -> None:
    box = trial.there
    box.home.mkdir(exist_ok=True)
    with small_disk(box.works, "24m"):
        ballast = fill(box.works)
        assert trial.check()["disk"]["state"] == "bad"
        trial.refuse("on `box`", "disk is full")
        os.truncate(ballast, 0)
        does = (
            'head -c 5000000 /dev/urandom >half.bin; echo "it said this"; '
            'dd if=/dev/zero of="$HOME/kept here/ballast" bs=4k 2>/dev/null; '
            'echo full >"$MISSION_RUN_DIR/artifacts/x" || echo so; '
        )
        answer = trial.hand_off(does)
        assert answer.exit_code == 0, answer.stderr
        wait_for(lambda: "so" in trial.log(), "what it says")
        wait_for(lambda: "disk is full" in trial.live(), "why it does not go on")
        os.truncate(ballast, 0)
        trial.end()
        assert (trial.worktree / "half.bin").stat().st_size == 5_000_000
        assert trial.begun == 1
        wait_for(lambda: not box.attempts(), "what is kept there to go")


def test_a_disk_that_is_full_here_loses_nothing(
    repo: MissionRepo, box: Machine, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small", "24m"):
        folder = tmp_path / "small" / "project"
        shutil.copytree(repo.path, folder, symlinks=True)
        moved = MissionRepo(folder, repo.environ)
        let_agent_do(moved)
        add_machine(moved, box, env=ENV)
        trial = Trial(moved, box)
        answer = trial.hand_off(f'until_told "{tmp_path}/go"; head -c 2000000 /dev/urandom >big')
        assert answer.exit_code == 0, answer.stderr
        wait_for((tmp_path / "go.waits").exists, "the agent's begin")
        ballast = fill(folder)
        (tmp_path / "go").write_text("")
        over = "missions/*/runs/*/home/coordination/.state/runs/*/*/result.json"
        wait_for(lambda: [*box.works.glob(over)], "the end there")
        assert not moved.session().get("endedAt")
        ballast.unlink()
        assert trial.end()["endedReason"] == "completed"
        assert (trial.worktree / "big").stat().st_size == 2000000
        assert trial.begun == 1


def test_another_user_with_another_python_and_a_folder_that_is_closed(repo: MissionRepo) -> None:
    name = f"mosaic-{os.getpid()}"
    folder = Path(tempfile.mkdtemp(prefix="mosaic-user-", dir="/tmp"))
    try:
        with other_user(name) as (uid, gid), machine(folder) as box, ExitStack() as mounts:
            python = _python_for(uid, gid)
            # The other user may not be let into the folders where these are.
            packages = [str(ROOT), *(each for each in sys.path if each.endswith("-packages"))]
            seen = [
                str(mounts.enter_context(seen_at(folder / f"packages {number}", each)))
                for number, each in enumerate(packages)
            ]
            have_python(box, python, path=os.pathsep.join(seen))
            for each in (folder, box.folder):
                each.chmod(0o755)
            (box.folder / "keys").chmod(0o644)
            os.chown(box.home, uid, gid)
            log_in_by(box)
            agent = {"command": ["sh", "-c", "id -un >who.txt; pwd -P >where.txt"]}
            change_mission(repo, runtimes={"who": agent}, runtime="who")
            add_machine(repo, box, options=["-F", str(box.folder / "ssh_config"), "-l", name])
            trial = Trial(repo, box)
            box.works.mkdir()
            assert "cannot be written" in trial.check()["folder"]["found"]
            trial.refuse("on `box`", "permission denied")
            box.works.rmdir()
            assert trial.check()["folder"]["state"] == "ok"
            assert trial.hand_off().exit_code == 0
            assert trial.end()["endedReason"] == "completed"
            assert (trial.worktree / "who.txt").read_text() == f"{name}\n"
            assert str(folder) in (trial.worktree / "where.txt").read_text()
            assert (trial.worktree / "who.txt").stat().st_uid == os.geteuid()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _python_for(uid: int, gid: int) -> Path | str:
    for each in (sys.executable, BASE_PYTHON, "/usr/bin/python3"):
        command = [each, "-c", "import sys; print(sys.version_info[:2])"]
        try:
            said = subprocess.run(command, user=uid, group=gid, capture_output=True, check=False)
        except OSError:
            continue
        if said.stdout.decode().strip() == str(sys.version_info[:2]):
            return each
    pytest.skip("no Python of this version that another user can run")


def test_connections_that_are_shared_and_machines_behind_others(
    trial: Trial, tmp_path: Path
) -> None:
    box = trial.there
    sockets = tempfile.mkdtemp(prefix="mosaic-", dir="/tmp")
    with machine(tmp_path, "jump") as jump:
        text = (box.folder / "ssh_config").read_text() + "  ProxyJump jump\n"
        text += (jump.folder / "ssh_config").read_text()
        config = tmp_path / "config"  # by a path without spaces, which `ssh` hands on as it is
        config.write_text(f"{text}Host *\n  ControlMaster auto\n  ControlPath {sockets}/%C\n")
        add_machine(trial.repo, box, env=ENV, options=["-F", str(config)])
        try:
            trial.work()
            assert os.listdir(sockets)  # what the first call made was kept for the others
            assert (jump.folder / "sshd.log").read_text().count("Accepted publickey") >= 1
        finally:
            for each in os.listdir(sockets):
                leave = ["ssh", "-O", "exit", "-o", f"ControlPath={sockets}/{each}", "box"]
                subprocess.run(leave, capture_output=True, check=False)
            shutil.rmtree(sockets, ignore_errors=True)


def test_a_conversation_goes_on_where_it_is_and_nowhere_else(
    repo: MissionRepo, box: Machine
) -> None:
    add_machine(repo, box)
    trial = Trial(repo, box)

    def said_by(*asked: str) -> str:
        answer = repo.run(*asked, "--runtime", "talk")
        assert answer.exit_code == 0, answer.stderr
        assert trial.end()["runtimeSessionId"] == "talk-1"
        return trial.log()

    assert "again" not in said_by("next", "--task", TASK, "--on", "box")
    assert "again talk-1" in said_by("resume", TASK, "--on", "box")
    assert "again" not in said_by("resume", TASK, "--headless")
