"""Plain calls of hot commands are answered without Typer, and as Typer would answer them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic.cli.app import PANELS
from mosaic.cli.app import call as call_typer
from mosaic.cli.hot import FORMS, find_hot
from tests.support.in_process import Answer, call
from tests.support.mission import MissionRepo, wait_for

CALLS = (
    ("list",), ("list", "--ready"), ("list", "--all"), ("list", "-a", "--json"),
    ("list", "--ready", "--json"), ("list", "--all", "--ready"), ("status",), ("status", "--json"),
    ("show", "T-001"), ("show", "t-002"), ("show", "T-001", "--json"), ("show", "--json", "T-003"),
    ("show", "T-404"), ("set", "T-001", "status=done"), ("set", "T-001", "title=New", "labels+=x"),
    ("set", "T-001", "status=nonsense"), ("set", "T-001", "nonsense"),
    ("set", "T-001", "pr=7", "--json"),
    ("done", "T-002"), ("done", "T-002", "--json"), ("done", "T-404"),
    ("done", "1", "t2"), ("set", "1", "T-2", "pr=7"), ("next", "--print", "T-002"),
    ("next", "--print"), ("next", "--print", "--json"), ("next", "--json", "--print"),
)  # fmt: skip
OTHERS = (
    (), ("--help",), ("list", "--help"), ("list", "-h"), ("list", "--status", "done"),
    ("list", "--sort=id"), ("list", "extra"), ("list", "--red"), ("list", "--ready", "--ready"),
    ("show",), ("show", "T-001", "T-002"), ("show", "T-001", "--section", "notes"), ("show", ""),
    ("set", "T-001"), ("set",), ("set", "--", "T-001", "pr=1"), ("done",),
    ("done", "T-001", "--why", "x"), ("next", "--print", "--task", "T-001"),
    ("next", "T-001", "T-002"), ("next", "--task", "T-001"), ("next", "--explain"),
    ("next", "--headless", "-d", "--detach"), ("status", "--watch"), ("--version",),
    ("check",), ("list", "--mission", "x"),
)  # fmt: skip


@pytest.mark.parametrize("arguments", CALLS, ids=" ".join)
def test_both_ways_answer_alike(
    repo: MissionRepo, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    mission = repo.path / "coordination" / "mission.json"
    mission.write_text(mission.read_text().replace('"runtimes"', '"runtime": "quick", "runtimes"'))
    assert find_hot(arguments, {}) is not None
    answers = []
    for way in ("hot", "typer"):
        copy = repo.path.parent / way / "project"
        shutil.copytree(repo.path, copy, symlinks=True)
        if way == "typer":
            monkeypatch.setattr("mosaic.cli.hot.find_hot", lambda *_: None)
        answers.append((anonymous(call(copy, *arguments), copy), contents(copy)))
    assert answers[0] == answers[1]
    assert answers[0][0].stdout + answers[0][0].stderr


@pytest.mark.parametrize(
    "arguments",
    [("next", "--headless"), ("next", "--headless", "--json"), ("next", "-d"), ("next", "--json"),
     ("next", "--detach", "--json"), ("next",)],
    ids=" ".join,
)  # fmt: skip
def test_both_ways_launch_alike(repo: MissionRepo, arguments: tuple[str, ...]) -> None:
    mission = repo.path / "coordination" / "mission.json"
    mission.write_text(mission.read_text().replace('"runtimes"', '"runtime": "talk", "runtimes"'))
    assert find_hot(arguments, {}) is not None
    typers = (*arguments, "--mission", str(mission))
    assert find_hot(typers, {}) is None
    before = mission.read_text()
    told = []
    for call_ in (arguments, typers):
        answer = repo.run(*call_)
        wait_for(lambda: all(each.get("endedAt") for each in repo.mission()["sessions"]))
        told.append(plain(f"{answer.exit_code} {answer.stdout} {answer.stderr}"))
        repo.run("set", "T-001", "status=todo")
        mission.write_text(before)
        shutil.rmtree(repo.state / "runs")
        shutil.rmtree(repo.path / ".git" / "mosaic" / "sessions")
    assert told[0] == told[1]
    assert told[0].startswith("0 ")
    assert "RUN" in told[0]


def plain(text: str) -> str:
    """Return an answer without what differs each time: ids of runs, pids, moments."""
    text = re.sub(r"r\d{3}-[0-9a-f]{6}", "RUN", text)
    text = re.sub(r"(sess-\d{3})-\w+", r"\1", text)
    text = re.sub(r"pid \d+|\"pid\": \d+|\"\d+\"", "PID", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\dT[\d:.+Z]+", "THEN", text)
    return re.sub(r"\b\d+s\b|\"duration_seconds\": \d+", "LONG", text)


def anonymous(answer: Answer, folder: Path) -> Answer:
    """Take away the folder, the random parts of ids, and the moments."""
    texts = (answer.stdout, answer.stderr)
    here = (text.replace(str(folder), "HERE") for text in texts)
    now = (re.sub(r"\d{4}-\d\d-\d\dT[\d:]+", "NOW", text) for text in here)
    return Answer(
        answer.exit_code, *(re.sub(r"\b(r\d{3}|sess-\d{3})-\w+", r"\1", text) for text in now)
    )


def contents(folder: Path) -> dict[str, str]:
    """Return the mission's files without the moments in them."""
    paths = [
        *(folder / "coordination").glob("*.[mj]*"),
        *(folder / "coordination/tasks").glob("*.md"),
    ]
    return {
        path.name: "\n".join(
            line for line in path.read_text().splitlines() if "updated_at" not in line
        )
        for path in paths
    }


@pytest.mark.parametrize("arguments", OTHERS, ids=" ".join)
def test_any_other_call_is_typers(arguments: tuple[str, ...]) -> None:
    assert find_hot(arguments, {}) is None


def asked(shell: str, *words: str) -> dict[str, str]:
    """Return what a shell's script hands over when the last of the words is completed."""
    return {
        "_MISSION_COMPLETE": f"complete_{shell}",
        **(
            {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
            if shell == "bash"
            else {"_TYPER_COMPLETE_ARGS": " ".join(words)}
        ),
        **({"_TYPER_COMPLETE_FISH_ACTION": "get-args"} if shell == "fish" else {}),
    }


def typers_completion(repo: MissionRepo, environ: dict[str, str]) -> str:
    program = "import sys; from mosaic.cli.app import call; sys.exit(call([]))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=repo.path,
        env={**repo.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("begun", ["", "T", "t-00", "T-002", "nothing"])
def test_both_ways_complete_ids_alike(repo: MissionRepo, shell: str, begun: str) -> None:
    repo.run("set", "T-001", 'title=It\'s `a` $HOME: "quoted" (really)')
    environ = asked(shell, "mission", "show", begun)
    assert find_hot([], environ) is not None
    hot = repo.run(**environ)
    assert (hot.exit_code, hot.stdout) == (0, typers_completion(repo, environ))
    assert ("T-002" in hot.stdout) is (begun in ("", "T", "T-002"))


@pytest.mark.parametrize("name", [name for names in PANELS.values() for name in names])
def test_ids_are_completed_where_typer_completes_them(repo: MissionRepo, name: str) -> None:
    environ = asked("bash", "mission", name, "T-00")
    is_hot = find_hot([], environ) is not None
    # Also runs and sessions, or commands of its own.
    takes_more = name in ("logs", "checkpoint", "sessions")
    completes = "T-001\nT-002\nT-003" in typers_completion(repo, environ)
    assert completes is (is_hot or takes_more)


@pytest.mark.parametrize(
    "environ",
    [
        asked("bash", "mission", "show", "--js"),
        asked("bash", "mission", "show", "T-001", ""),
        asked("bash", "mission", "sh"),
        asked("bash", "mission", "--json", "show", "T"),
        asked("bash", "mission", "show", "'T"),
        asked("bash", "mission", "next", "--task", "T"),
        asked("zsh", "mission", "show"),
        asked("zsh", "mission", "show", '"T'),
        asked("powershell", "mission", "show", "T"),
        {**asked("fish", "mission", "show", "T"), "_TYPER_COMPLETE_FISH_ACTION": "is-args"},
        {"_MISSION_COMPLETE": "source_bash"},
        {"_MISSION_COMPLETE": ""},
    ],
    ids=str,
)
def test_any_other_completion_is_typers(environ: dict[str, str]) -> None:
    assert find_hot(["list"], environ) is None


def test_no_title_escapes_what_zsh_evaluates(repo: MissionRepo, tmp_path: Path) -> None:
    zsh = shutil.which("zsh") or shutil.which("sh")
    assert zsh is not None
    for number, title in enumerate(
        (
            "'; touch pwned; '",
            "$(touch pwned)",
            "`touch pwned`",
            "\\'; touch pwned #",
            '"; touch pwned',
        )
    ):
        repo.run("set", "T-001", f"title={title}")
        answer = repo.run(**asked("zsh", "mission", "show", "T-001"))
        assert answer.stdout.startswith("_arguments ")
        script = f"_arguments() {{ :; }}\neval {shlex.quote(answer.stdout)}\n"
        subprocess.run([zsh, "-c", script], cwd=tmp_path, check=True)
        assert list(tmp_path.glob("**/pwned")) == [], number


@pytest.mark.parametrize("name", FORMS)
def test_every_flag_of_a_form_is_one_of_the_commands(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call_typer([name, "--help"])
    told = capsys.readouterr().out
    for form in FORMS[name]:
        for flag in (*form.flags, *([form.needed] if form.needed else [])):
            assert flag in told


@pytest.mark.parametrize("arguments", [("list",), ("status",), ("show", "T-001")])
def test_a_hot_call_imports_no_framework(repo: MissionRepo, arguments: tuple[str, ...]) -> None:
    program = (
        "import sys\nfrom mosaic.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'typer', 'click', 'rich', 'mistune', 'dataclasses', 'inspect'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )

    def imported() -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=repo.path,
            env=repo.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stderr.splitlines()[-1]

    # Files that were only just written are read again until their times can be believed.
    wait_for(lambda: imported() == "[]", "an answer without a framework")
