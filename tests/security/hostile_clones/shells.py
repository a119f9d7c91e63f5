"""Real shells in which TAB is pressed behind a `mission` line, under strace where it is there.

bash and zsh run on a terminal of their own, with Typer's script as people install it; fish is
asked through `complete --do-complete`, which is what its TAB asks.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.security.hostile_clones.forms import Shell
from tests.security.hostile_clones.lab import Lab
from tests.security.hostile_clones.repository import Arrival
from tests.security.hostile_clones.strace import (
    Trace,
    find_strace,
    read_trace,
    run_to_end,
    trace_argv,
)
from tests.security.hostile_clones.watching import (
    Leave,
    bad_changes,
    leave_of,
    look_of,
    real_path,
)
from tests.support.mission import PATIENCE_SECONDS

CLEAR = "\x15"
"""Control-U: what stands in the line is taken away."""
SETTINGS = {
    "bash": "PS1='READY> '\nbind 'set completion-query-items 0'\nbind 'set page-completions off'\n",
    "zsh": (
        "PS1='READY> '; LISTMAX=100000; unsetopt ALWAYS_LAST_PROMPT\n"
        "autoload -Uz compinit; compinit -D -u\n"
    ),
    "fish": "",
}
SECONDS_OF_FISH = 180
STARTS = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}


def press_tab(arrival: Arrival, shell: Shell, lines: Sequence[str]) -> list[str]:
    """Press TAB in a shell behind each line, and name what happened that may not.

    Args:
        arrival: the clone; the shell stands in it.
        shell: which one; it must be installed.
        lines: what stands behind `mission`.
    """
    lab, leave = arrival.lab, leave_of(arrival)
    program = shutil.which(shell)
    assert program is not None
    out = lab.root / "out"
    out.mkdir(exist_ok=True)
    command = lab.root / "commands" / "mission"
    command.parent.mkdir(exist_ok=True)
    python = f"{shlex.quote(sys.executable)} {shlex.quote(str(lab.starter))}"
    command.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    command.chmod(0o755)
    environ = lab.environ(lab.home) | {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "TERM": "dumb",
        "HISTFILE": "/dev/null",
        **{f"XDG_{name}_HOME": str(out) for name in ("CONFIG", "DATA", "CACHE")},
        **arrival.environ,
    }
    script = lab.root / f"completion.{shell}"
    script.write_text(SETTINGS[shell] + lab.mission(lab.home, _MISSION_COMPLETE=f"source_{shell}"))
    before = look_of(lab)
    traced = lab.root / f"trace-{shell}"
    argv = [] if find_strace() is None else trace_argv(traced)
    if shell == "fish":
        asked = "".join(
            f"complete --do-complete {shlex.quote(f'mission {line}')}\n" for line in lines
        )
        argv += [program, "--no-config", "-c", f"source {script}\n{asked}"]
        said = run_to_end(argv, cwd=arrival.cwd, environ=environ, seconds=SECONDS_OF_FISH)
    else:
        said = _type([*argv, program, *STARTS[shell]], script, lines, arrival.cwd, environ)
    (out / f"said.{shell}").write_text(said)
    found = [f"{shell} ran `{path.name}`: {path.read_text()}" for path in lab.ran.iterdir()]
    if traced.exists():
        found += _bad_deeds(shell, read_trace(traced, arrival.cwd), leave, {program, str(command)})
    found += bad_changes(before, look_of(lab), leave)
    return [each.replace(str(lab.root), "LAB") for each in dict.fromkeys(found)]


def said_in(lab: Lab, shell: Shell) -> str:
    """Return what a shell's terminal showed."""
    return (lab.root / "out" / f"said.{shell}").read_text().replace("\a", "")


def _bad_deeds(shell: Shell, trace: Trace, leave: Leave, own: set[str]) -> list[str]:
    """Name what neither the shell nor the command does for a completion."""
    programs = {*own, sys.executable, "/bin/sh", shutil.which("env")}
    found = []
    for deed in trace.deeds:
        if deed.kind == "started":
            if deed.what not in programs and deed.what not in leave.programs:
                found.append(f"TAB in {shell} started {deed.what} as `{' '.join(deed.argv)}`")
        elif deed.kind in ("wrote", "removed"):
            own_place = str(leave.lab.root / "out")
            if not (
                leave.permits_file(deed.what, changes=False) or deed.what.startswith(own_place)
            ):
                found.append(f"TAB in {shell} {deed.kind} {real_path(deed.what)}")
    return found


def _type(
    argv: Sequence[str], script: Path, lines: Sequence[str], cwd: Path, environ: dict[str, str]
) -> str:
    """Type lines with a TAB behind each into a shell, and return what its terminal showed."""
    tabs = "\t\t" if argv[-1] in STARTS["zsh"] and "-f" in argv else "\t"
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        argv, cwd=cwd, env=environ, stdin=follower, stdout=follower, stderr=follower,
        start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    said = ""
    try:
        # The mark is put together by the shell, so that the echo of its line is not it.
        for number, line in enumerate(("", *lines)):
            first = (
                f". {shlex.quote(str(script))}\n" if number == 0 else f"mission {line}{tabs}{CLEAR}"
            )
            os.write(leader, f"{first}printf '%s%s\\n' MA RK{number}\n".encode())
            # With the prompt the shell has its terminal back, and takes TABs for what they are.
            said += _read_until(leader, rf"MARK{number}\b(?s:.)*READY>")
        os.write(leader, b"exit\n")
        process.wait(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    return said


def _read_until(leader: int, mark: str) -> str:
    """Read a terminal until a mark comes."""
    said = b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while re.search(mark.encode(), said) is None:
        left = deadline - time.monotonic()
        assert left > 0, f"{mark} did not come: {said[-500:]!r}"
        if select.select([leader], [], [], left)[0]:
            said += os.read(leader, 65536)
    return said.decode("utf-8", "replace")
