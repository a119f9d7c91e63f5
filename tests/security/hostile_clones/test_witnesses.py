"""The witnesses can fail: what is planted is named, by strace and without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic.cli.app import PANELS
from tests.security.hostile_clones import watching
from tests.security.hostile_clones.catalogue import ENTRIES
from tests.security.hostile_clones.forms import (
    ACTS,
    CHANGES,
    LOOKS,
    PANEL_ACTS,
    PANEL_LOOKS,
    Call,
    looks,
)
from tests.security.hostile_clones.lab import STATE, Lab
from tests.security.hostile_clones.repository import Arrival, Repository, arrive
from tests.security.hostile_clones.strace import (
    Deed,
    Kind,
    find_strace,
    read_trace,
    run_to_end,
    trace_argv,
)
from tests.security.hostile_clones.watching import answer, leave_of, watch

needs_strace = pytest.mark.skipif(
    find_strace() is None, reason="strace is not here, or may not trace: files are compared only"
)
LINES = r"""
execve("/usr/bin/git", ["git", "-c", "a\"b\n\303\251"], 0x7ffc /* 3 vars */) = 0
execve("/missing", ["missing"], 0x7ffc /* 3 vars */) = -1 ENOENT (No such file or directory)
openat(AT_FDCWD</lab>, "read", O_RDONLY|O_CLOEXEC) = 3</lab/read>
openat(AT_FDCWD</lab>, "written", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3</lab/real>
openat(AT_FDCWD</lab>, "refused", O_RDWR) = -1 EACCES (Permission denied)
openat(5</lab/below>, "new", O_WRONLY|O_CREAT|O_EXCL, 0600) = 6</lab/below/new>
vfork()                                 = 12
chdir("below")                          = 0
rename("a", "../b")                     = 0
fchdir(3</other>)                       = 0
unlink("c d")                           = 0
unlinkat(4</lab/x>, "y", AT_REMOVEDIR)  = 0
symlink("../target", "link")            = 0
linkat(AT_FDCWD</other>, "one", 7</lab>, "two", 0) = 0
mkdir("exists", 0777)                   = -1 EEXIST (File exists)
fchmod(8</lab/mode>, 0600)              = 0
utimensat(9</lab/time>, NULL, NULL, 0)  = 0
kill(4242, 0)                           = 0
kill(4243, SIGTERM)                     = 0
connect(5<socket:[1]>, {sa_family=AF_UNIX, sun_path="/x"}, 110) = 0
connect(5<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80)}, 16) = -1 EINPROGRESS (Operation)
+++ exited with 0 +++
"""
CHILD = """
creat("made", 0600) = 3</lab/made>
+++ killed by SIGKILL +++
"""


def test_the_lines_of_a_trace_are_read_as_deeds(tmp_path: Path) -> None:
    (tmp_path / "trace.11").write_text(LINES)
    (tmp_path / "trace.12").write_text(CHILD)
    trace = read_trace(tmp_path, Path("/lab"))
    own = [(deed.kind.name, deed.what) for deed in trace.deeds if deed.pid == 11]
    assert own == [
        ("START", "/usr/bin/git"),
        ("WRITE", "/lab/real"),
        ("WRITE", "/lab/below/new"),
        ("WRITE", "/lab/below/a"),
        ("WRITE", "/lab/below/../b"),
        ("REMOVE", "/other/c d"),
        ("REMOVE", "/lab/x/y"),
        ("WRITE", "/other/link"),
        ("WRITE", "/lab/two"),
        ("WRITE", "/lab/mode"),
        ("WRITE", "/lab/time"),
        ("SIGNAL", "4243"),
        ("CONNECT", "{sa_family=AF_INET, sin_port=htons(80)}, 16"),
    ]
    assert trace.deeds[0].argv == ("git", "-c", 'a"b\né')
    assert [deed for deed in trace.deeds if deed.pid == 12] == [
        Deed(pid=12, kind=Kind.WRITE, what="/lab/made")
    ]
    assert list(trace.ancestors(12)) == [12, 11]


@needs_strace
def test_what_a_program_and_its_children_do_is_seen(tmp_path: Path) -> None:
    program = (
        "import os, socket, subprocess, threading\n"
        "os.chdir('below')\n"
        "threading.Thread(target=lambda: open('by a thread', 'w')).start()\n"
        "subprocess.run(['/bin/sh', '-c', 'cd / && : >$OLDPWD/by-a-shell && exec true x'])\n"
        "folder = os.open('.', os.O_RDONLY)\n"
        "os.mkdir('made', dir_fd=folder); os.rename('made', 'moved'); os.rmdir('moved')\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))\n"
    )
    (tmp_path / "below").mkdir()
    argv = [*trace_argv(tmp_path / "trace"), sys.executable, "-B", "-c", program]
    run_to_end(argv, cwd=tmp_path, environ={"PATH": os.environ["PATH"]}, seconds=60)
    trace = read_trace(tmp_path / "trace", tmp_path)
    seen = {(deed.kind.name, os.path.normpath(deed.what)) for deed in trace.deeds}
    below = f"{tmp_path}/below"
    assert {
        ("START", "/bin/sh"),
        ("WRITE", f"{below}/by a thread"),
        ("WRITE", f"{below}/by-a-shell"),
        ("WRITE", f"{below}/made"),
        ("WRITE", f"{below}/moved"),
        ("REMOVE", f"{below}/moved"),
    } <= seen
    assert {deed.argv for deed in trace.deeds if deed.what.endswith("/true")} == {("true", "x")}
    assert [deed.kind for deed in trace.deeds if deed.kind is Kind.CONNECT] == [Kind.CONNECT]


@pytest.fixture
def well(lab: Lab) -> Arrival:
    return arrive(Repository(lab), "clone")


def plant(arrival: Arrival, text: str) -> None:
    """Have the `mission` of a test do one thing more than it should."""
    arrival.lab.starter.write_text(
        f"import os, subprocess\n{text}\n{arrival.lab.starter.read_text()}"
    )


PLANTS = {
    "subprocess.run(['/bin/ls'])": "`mission list` started /bin/ls as `/bin/ls`",
    "subprocess.run(['claude', '--version'])": "`mission list` started LAB/home/bin/claude",
    "os.rmdir('../../docs/new')": "`mission list` removed LAB/home/docs/new",
    "open('../../docs/passing', 'w'); os.unlink('../../docs/passing')":
        "`mission list` wrote LAB/home/docs/passing",
    "os.utime('../../.bashrc')": "`mission list` wrote LAB/home/.bashrc",
    "os.kill(os.getppid(), 28)": None,
    "os.kill(stranger, 28)": "`mission list` sent a signal to",
    "open('/dev/null', 'w')": None,
    "os.open('.git/index', os.O_RDWR)": "`mission list` wrote LAB/home/src/clone/.git/index",
    "os.makedirs('coordination/.state'); open('coordination/.state/index', 'w')": None,
}  # fmt: skip
"""What a command does, and how it is named; None: that is allowed."""


@needs_strace
@pytest.mark.parametrize(("plant_", "named"), PLANTS.items(), ids=list(PLANTS))
def test_a_planted_deed_is_named(well: Arrival, plant_: str, named: str | None) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (well.lab.home / "docs" / "new").mkdir()
        plant(well, plant_.replace("stranger", str(stranger.pid)))
        found = watch(well, [Call(("list",))], fresh=True)
    finally:
        stranger.kill()
        stranger.wait()
    if named is None:
        assert found == []
    else:
        assert any(each.startswith(named) for each in found), found


@pytest.mark.parametrize(
    ("plant_", "named"),
    [
        ("subprocess.run(['touch', 'x'])", "something ran `touch`: "),
        ("open('new', 'w')", "new afterwards: LAB/home/src/clone/new"),
        ("os.unlink('../../.bashrc')", "gone afterwards: LAB/home/.bashrc"),
        (
            "open('.git/config', 'a').write('#')",
            "changed afterwards: LAB/home/src/clone/.git/config",
        ),
        ("os.chmod('../neighbour', 0o711)", "changed afterwards: LAB/home/src/neighbour"),
        ("os.symlink('x', '../../docs/x')", "new afterwards: LAB/home/docs/x"),
        ("os._exit(77)", "`mission list` ended with 77: "),
        ("raise ValueError('planted')", "`mission list` ended with a traceback: "),
        ("os.kill(os.getpid(), 9)", "`mission list` ended with -9: "),
    ],
)
def test_without_strace_what_is_left_behind_is_named(
    well: Arrival, monkeypatch: pytest.MonkeyPatch, plant_: str, named: str
) -> None:
    monkeypatch.setattr(watching, "find_strace", lambda: None)
    plant(well, plant_)
    found = watch(well, [Call(("list",))], fresh=True)
    assert any(each.startswith(named) for each in found), found


def test_in_a_folder_of_state_that_was_brought_nothing_may_be_written(lab: Lab) -> None:
    repository = Repository(lab)
    repository.bring("versions.json", {})
    arrival = arrive(repository, "clone")
    place = str(lab.clone / STATE / "index")
    assert not leave_of(arrival).permits_file(place, changes=False)
    (lab.home / "link").symlink_to(lab.clone / STATE)
    assert not leave_of(arrival).permits_file(str(lab.home / "link" / "index"), changes=False)


def test_a_link_out_of_the_state_leads_to_where_nothing_may_be_written(well: Arrival) -> None:
    state = well.lab.clone / STATE
    state.mkdir()
    (state / "runs").symlink_to(well.lab.home / "docs")
    assert leave_of(well).permits_file(str(state / "new"), changes=False)
    assert not leave_of(well).permits_file(str(state / "runs" / "new"), changes=False)


def test_every_command_looks_or_acts() -> None:
    commands = {name for panel in PANELS.values() for name in panel}
    assert commands - {*LOOKS, *ACTS} == set(), "put it into LOOKS or ACTS of forms.py"
    assert {form.split()[0] for form in CHANGES} <= ACTS
    assert set(LOOKS) <= commands


def test_every_command_of_a_panel_looks_or_acts() -> None:
    from mosaic.cli.panel import panel_app

    commands = {command.name for command in panel_app.registered_commands}
    assert commands - {*PANEL_LOOKS, *PANEL_ACTS} == set(), "put it into forms.py"
    assert {form.split()[0] for form in LOOKS["panel"]} == PANEL_LOOKS


def test_every_form_is_one_that_the_command_line_knows(lab: Lab) -> None:
    arrival = arrive(Repository(lab), "clone")
    watch(arrival, looks())
    said = {str(call): answer(lab, number) for number, call in enumerate(looks())}
    wrong = {call: text for call, text in said.items() if "is called\n" in text}
    assert wrong == {}
    assert "T-001" in said["TAB in zsh behind `mission show `"]
    assert "First" in said["`mission list`"]


def test_an_entry_of_the_catalogue_takes_five_lines() -> None:
    from tests.security.hostile_clones import catalogue

    text = catalogue.__doc__ or ""
    shown = text[text.index("    @hostile\n") :].partition("\n\n")[0].splitlines()
    assert len(shown) <= 5
    scope = {"hostile": catalogue.hostile, "Repository": Repository}
    try:
        exec("\n".join(line[4:] for line in shown), scope)
        assert "the_milestone_is_a_command" in ENTRIES
    finally:
        ENTRIES.pop("the_milestone_is_a_command", None)
