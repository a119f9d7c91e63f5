"""`mission setup claude|codex|agents-md`: what agents are told in a project, and how it goes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mosaic.app.agent_kits import KITS, plan_kit, write_kit
from mosaic.app.schemas import OUTPUT
from mosaic.errors import FileChangedError
from mosaic.store.mission_file import look_at_mission
from mosaic.text.marked_section import BEGIN_MARK, END_MARK
from tests.support.command_line import calls_in, every_command
from tests.support.documents import check
from tests.support.in_process import call
from tests.support.mission import MissionRepo, make_environ
from tests.support.typing_shell import on_a_terminal

AGENTS = tuple(KITS)
SKILLS = ("mission-next", "mission-handoff", "mission-ask")
MOST_TOKENS = 400
TOKEN = re.compile(r"[^\W\d_]{1,6}|\d{1,3}|[^\w\s]|_|\n+|\s{2,}")
"""Pieces that are more than the tokens of such text: English words are split into longer ones."""
IN_BACKTICKS = re.compile(r"`(mission [^`]*)`")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    assert call(folder, "init", "--name", "Kits", "--gates", "true").exit_code == 0
    for title in ("One", "Two", "Three", "Four"):
        assert call(folder, "add", title, "--goal", "It runs", "--ac", "it is seen").exit_code == 0
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(made, folder)
    return folder


def tree(project: Path) -> dict[str, bytes | str]:
    """Return every file of a project, and where its symlinks lead; the mission's aside."""
    found: dict[str, bytes | str] = {}
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project).as_posix()
        if not name.startswith("coordination"):
            found[name] = (
                os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file()
                else "folder"
            )  # fmt: skip
    return found


def write(*files: tuple[str, bytes]) -> Callable[[Path], None]:
    def make(project: Path) -> None:
        for name, data in files:
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_bytes(data)

    return make


def link(name: str, target: str, data: bytes | None = None) -> Callable[[Path], None]:
    def make(project: Path) -> None:
        (project / name).symlink_to(target)
        if data is not None:
            (project / target).write_bytes(data)

    return make


BEFORE: dict[str, Callable[[Path], None]] = {
    "nothing": write(),
    "both, CRLF, no final newline": write(
        ("CLAUDE.md", b"# Mine\r\n\r\nmy words"), ("AGENTS.md", b"# Ours\r\nours\r\n")
    ),
    "empty, and a byte order mark": write(("CLAUDE.md", b""), ("AGENTS.md", b"\xef\xbb\xbf# A\n")),
    "one leads to the other": link("AGENTS.md", "CLAUDE.md", b"# One\n\n"),
    "one leads to a file that is not there": link("CLAUDE.md", "AGENTS.md"),
    "skills of others": write(
        (".claude/skills/mine/SKILL.md", b"mine"), (".agents/skills/x/SKILL.md", b"x")
    ),
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("agent", AGENTS)
def test_a_kit_comes_and_goes_and_leaves_every_byte(project: Path, agent: str, before: str) -> None:
    BEFORE[before](project)
    was = tree(project)
    shown = call(project, "setup", agent)
    assert shown.exit_code == 0
    assert f"mission setup {agent} --yes" in shown.stdout
    assert tree(project) == was
    done = call(project, "setup", agent, "--yes", "--json").json()
    assert (done["agent"], done["written"]) == (agent, True)
    check(f"{OUTPUT}agent.kit", done)
    has = tree(project)
    assert {each["path"] for each in done["files"]} == {
        name for name in has if has[name] != was.get(name) and has[name] != "folder"
    }
    kit = KITS[agent]
    text = (project / kit.instructions).read_bytes()
    newline = b"\r\n" if b"\r\n" in text else b"\n"
    assert newline.join((BEGIN_MARK.encode(), b"## Working on the mission")) in text
    for name, data in was.items():
        if isinstance(data, bytes):
            assert (project / name).read_bytes().startswith(data)
    folders = {path.parent.name for path in (project / (kit.skills or "none")).glob("*/SKILL.md")}
    assert folders >= (set(SKILLS) if kit.skills else set())
    assert call(project, "setup", agent, "--yes", "--json").json()["files"] == []
    assert call(project, "setup", agent, "--remove", "--yes").exit_code == 0
    assert tree(project) == was
    assert call(project, "setup", agent, "--remove", "--json").json()["files"] == []


def texts(project: Path) -> dict[str, str]:
    """Set up claude, and return what it then reads: the section and each skill."""
    assert call(project, "setup", "claude", "--yes").exit_code == 0
    files = {"section": project / "CLAUDE.md"}
    files |= {name: project / ".claude/skills" / name / "SKILL.md" for name in SKILLS}
    return {name: path.read_text() for name, path in files.items()}


def test_each_text_is_short_and_a_skill_says_what_it_is_for(project: Path) -> None:
    for name, text in texts(project).items():
        assert len(TOKEN.findall(text)) < MOST_TOKENS, name
        if name != "section":
            head = yaml.safe_load(text.split("---\n")[1])
            assert head["name"] == name
            assert 40 < len(head["description"]) < 200
    assert call(project, "setup", "codex", "--yes").exit_code == 0
    for name in SKILLS:
        one, other = (project / kind / "skills" / name for kind in (".claude", ".agents"))
        assert (one / "SKILL.md").read_bytes() == (other / "SKILL.md").read_bytes()


def test_every_command_that_the_texts_name_does_what_they_say(project: Path) -> None:
    assert call(project, "trust").exit_code == 0  # the gates
    names = {path for path, _ in every_command()}
    named = 0
    for number, text in enumerate(texts(project).values(), 1):
        for line in IN_BACKTICKS.findall(text):
            if line in names:
                continue  # what it must not call, by its name alone
            made = line.replace("ID", f"T-00{number}").replace("FIELD=VALUE", "labels+=x")
            (words,) = calls_in(made)
            answer = call(project, *words)
            assert answer.exit_code == 0, f"{line}: {answer.stderr}"
            named += 1
    assert named >= 15
    # The section's task was blocked last, the second was taken, the third handed over, and the
    # question of the fourth has been answered.
    listed = {each["id"]: each for each in call(project, "list", "--json").json()["tasks"]}
    found = [listed[f"T-00{number}"]["status"] for number in range(1, 5)]
    assert found == ["blocked", "in-progress", "review", "todo"]
    assert "7 days" in call(project, "show", "T-004").stdout
    handoff = call(project, "handoff", "T-003", "--json").json()
    assert handoff["sections"]["result"] == "All criteria are met."


BROKEN = f"# A\n\n{BEGIN_MARK}\ntext\n".encode()
SKILL = ".claude/skills/mission-next/SKILL.md"


@pytest.mark.parametrize(
    ("make", "agent", "says"),
    [
        (write(("CLAUDE.md", BROKEN)), "claude", "CLAUDE.md:3"),
        (write(("AGENTS.md", f"{END_MARK}\n".encode())), "codex", "AGENTS.md:1"),
        (link("AGENTS.md", "CLAUDE.md", BROKEN), "agents-md", "CLAUDE.md:3"),
        (write(("CLAUDE.md", b"a\n\xff\n")), "claude", "CLAUDE.md:2"),
        (link("CLAUDE.md", "../outside.md"), "claude", "leads out of the mission"),
        (link(".claude", ".."), "claude", "leads out of the mission"),
        (write((".claude", b"a file")), "claude", ".claude"),
        (write((SKILL, b"my own\n")), "claude", f"{SKILL}:1"),
    ],
)
def test_what_cannot_be_set_up_is_refused_and_left(
    project: Path, make: Callable[[Path], None], agent: str, says: str
) -> None:
    make(project)
    was = tree(project)
    for more in (("--yes",), ("--remove", "--yes"), ("--dry-run",)):
        answer = call(project, "setup", agent, *more)
        assert answer.exit_code == 5, answer
        assert says in answer.stderr
        assert tree(project) == was
    assert call(project, "doctor").exit_code == 0


def test_a_skill_that_a_person_has_edited_is_kept(project: Path) -> None:
    texts(project)
    path = project / SKILL
    path.write_text(path.read_text().replace("Look:", "Look well:"))
    was = tree(project)
    for more in ((), ("--remove",)):
        answer = call(project, "setup", "claude", "--yes", *more)
        assert answer.exit_code == 5
        assert "was edited" in answer.stderr
        assert f"{SKILL}:" in answer.stderr
        assert tree(project) == was
    # What git has given other newlines was not edited.
    path.write_bytes(path.read_bytes().replace(b"Look well:", b"Look:").replace(b"\n", b"\r\n"))
    assert call(project, "setup", "claude", "--json").json()["files"] == []
    assert call(project, "setup", "claude", "--remove", "--yes").exit_code == 0
    assert tree(project) == {}


def test_all_files_are_written_or_none(project: Path) -> None:
    layout = look_at_mission(project / "coordination" / "mission.json").layout
    (project / "CLAUDE.md").write_text("mine")
    planned = plan_kit(layout, "claude")
    write((SKILL, b"it was just made"))(project)
    was = tree(project)
    with pytest.raises(FileChangedError):
        write_kit(layout, planned)
    assert tree(project) == was
    (project / SKILL).unlink()
    (project / "CLAUDE.md").write_text("mine, edited")
    with pytest.raises(FileChangedError):
        write_kit(layout, planned)
    assert tree(project).keys() == was.keys() - {SKILL}


def test_a_folder_that_may_not_be_written_is_named(project: Path) -> None:
    as_others = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere")
    closed = project / ".claude"
    closed.mkdir()
    closed.chmod(0o555)
    was = tree(project)
    done = subprocess.run(
        [*(as_others if os.geteuid() == 0 else []), sys.executable, "-m", "mosaic",
         "setup", "claude", "--yes"],
        cwd=project, env=make_environ(project.parent), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 5, done
    assert str(closed) in done.stderr
    assert tree(project) == was


def test_one_section_is_enough_where_one_file_has_the_other_read(project: Path) -> None:
    write(("CLAUDE.md", b"See @AGENTS.md\n"), ("AGENTS.md", b"# Ours\n"))(project)
    assert call(project, "setup", "claude", "--yes").exit_code == 0
    assert (project / "CLAUDE.md").read_bytes() == b"See @AGENTS.md\n"
    assert BEGIN_MARK in (project / "AGENTS.md").read_text()


def test_init_tells_agents_and_leaves_nothing_where_it_cannot(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write(("AGENTS.md", BROKEN))(folder)
    answer = call(folder, "init", "--agents")
    assert (answer.exit_code, "AGENTS.md:3" in answer.stderr) == (5, True)
    assert list(tree(folder)) == ["AGENTS.md"]
    write(("AGENTS.md", b"# A"), ("CLAUDE.md", b"# B\n"))(folder)
    made = call(folder, "init", "--agents", "--json").json()
    assert made["agents_files"] == ["AGENTS.md", "CLAUDE.md"]
    assert "mission setup claude" in made["next_commands"]
    for agent in ("claude", "codex"):
        assert call(folder, "setup", agent, "--remove", "--yes").exit_code == 0
    assert tree(folder) == {"AGENTS.md": b"# A", "CLAUDE.md": b"# B\n"}


def test_doctor_says_when_a_kit_is_older(project: Path) -> None:
    def kits() -> list[tuple[str, str]]:
        items = call(project, "doctor", "--json").json()["items"]
        return [(each["state"], each["found"]) for each in items if each["name"] == "kits"]

    assert kits() == []
    for agent in ("claude", "codex"):
        assert call(project, "setup", agent, "--yes").exit_code == 0
    assert [state for state, _ in kits()] == ["ok"]
    # An older version had other words.
    write(("templates/kits/ask.md.j2", b"---\nname: mission-ask\n---\n\nOther words.\n"))(project)
    assert [(state, "mission-ask" in found) for state, found in kits()] == [("missing", True)] * 2
    (project / "CLAUDE.md").write_text("")
    (project / "AGENTS.md").write_bytes(BROKEN)
    assert [found.partition(": ")[0] for _, found in kits()] == ["AGENTS.md:3"]


def test_a_person_decides_what_agents_are_told(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = MissionRepo(project, make_environ(project.parent))
    said = on_a_terminal(repo, ["setup", "agents-md"], "n\n")
    assert "+## Working on the mission" in said
    assert "Change it?" in said
    assert tree(project) == {}
    assert "created AGENTS.md" in on_a_terminal(repo, ["setup", "agents-md"], "y\n")
    was = tree(project)
    monkeypatch.setenv("MISSION_SESSION", "sess-001")
    answer = call(project, "setup", "agents-md", "--remove", "--yes")
    assert (answer.exit_code, "an agent cannot" in answer.stderr) == (2, True)
    assert tree(project) == was
