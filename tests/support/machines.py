"""Another machine: an `sshd` of ours on loopback, with a home, a shell and a name of its own.

Its login shell prints a banner, its paths have spaces, and nothing of our environment is there. The
link is cut by ending the processes that serve a connection, or by ending the whole `sshd`.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.mission import ROOT, MissionRepo, wait_for
from tests.support.shell_agent import change_mission

SSHD = shutil.which("sshd") or next(
    (place for place in ("/usr/sbin/sshd", "/usr/local/sbin/sshd") if os.path.exists(place)), None
)
SHELL = """\
#!/bin/sh
echo "Welcome to {name}. Nothing below this line is yours."
printf 'MOSAIC is not a word of ours'
exec env -i HOME="{home}" PATH="$PATH" LANG=C.UTF-8 SSH_CONNECTION="$SSH_CONNECTION" \
  sh -c "$SSH_ORIGINAL_COMMAND"
"""
PYTHON = """\
#!/bin/sh
lose="{folder}/lose"
export PYTHONPATH="{root}"
if [ -s "$lose" ]; then
  exec "{python}" "{folder}/losing.py" "$lose" "{python}" "$@"
fi
exec "{python}" "$@"
"""
"""The Python there; it loses as many answers to `go` as the file `lose` has letters."""
LOSING = """\
import os, subprocess, sys
lose = sys.argv[1]
process = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE)
while data := os.read(process.stdout.fileno(), 1 << 20):
    if b'"agent":' in data and (left := open(lose).read()):
        with open(lose, "w") as file:
            file.write(left[1:])
        process.kill()
        os._exit(255)
    os.write(1, data)
sys.exit(process.wait())
"""


def why_not() -> str:
    """Return why there can be no such machine here; empty where there can."""
    if SSHD is None or shutil.which("ssh") is None:
        return "OpenSSH is not installed"
    if os.geteuid() == 0:
        try:  # where it has no place to lock itself into, it does not start as root
            os.makedirs("/run/sshd", 0o755, exist_ok=True)
        except OSError as error:
            return f"sshd cannot be started: {error}"
    return ""


@dataclass
class Machine:
    """One machine."""

    name: str
    folder: Path
    port: int
    under: tuple[str, ...] = ()
    """A program, and words of its own, that runs the sshd."""
    address: str = "127.0.0.1"
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home of me"

    @property
    def works(self) -> Path:
        """Where everything of ours is kept there."""
        return self.home / "kept here"

    def start(self) -> None:
        """Start its sshd, and wait until it answers."""
        assert SSHD is not None
        config = str(self.folder / "sshd_config")
        with open(self.folder / "sshd.log", "ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [*self.under, SSHD, "-D", "-e", "-f", config],
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                )
            )
        wait_for(self._answers, "sshd's start")

    def _answers(self) -> bool:
        with socket.create_connection((self.address, self.port), 1):
            return True

    def go_down(self) -> None:
        """End the sshd and every connection; what was started there goes on."""
        self._server.send_signal(signal.SIGSTOP)  # it takes no further one
        self.cut()
        self._server.kill()
        self._server.wait()

    def break_down(self) -> None:
        """End everything that runs there at once, sshd and agents, as a power cut does."""
        self._server.kill()
        self._server.wait()
        # Stopped before they are killed: nobody there sees another one go.
        stopped: set[int] = set()
        while new := self._running() - stopped:
            _send(signal.SIGSTOP, new)
            stopped |= new
        while left := self._running():
            _send(signal.SIGKILL, left)

    def _running(self) -> set[int]:
        mark = f"HOME={self.home}".encode()
        return {pid for pid in _pids() if mark in _environ(pid)}

    def cut(self) -> int:
        """End the processes that serve connections, and return how many."""
        sessions = [pid for pid in _children(self._server.pid) if self._server.poll() is None]
        for pid in sessions:
            os.kill(pid, signal.SIGKILL)
        return len(sessions)

    @property
    def _server(self) -> subprocess.Popen[bytes]:
        return self.processes[-1]

    def attempts(self) -> list[Path]:
        """Return what is kept of attempts there."""
        return sorted(self.works.glob("missions/*/runs/*"))


def _send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _children(parent: int) -> list[int]:
    found = []
    for pid in _pids():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(parent) and fields[0] != "Z":
            found.append(pid)
    return found


def free_port() -> int:
    """Return a port on which nobody listens, and that is given to no outgoing connection.

    It stays free while the machine is down.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def machine(
    folder: Path, name: str = "box", *, under: tuple[str, ...] = (), address: str = "127.0.0.1"
) -> Iterator[Machine]:
    """Make and start a machine; skip the test where that cannot be.

    `under` runs the sshd, and `address` is where it listens: another one in a namespace of its own.
    """
    if why := why_not():
        pytest.skip(why)
    port = free_port()
    made = Machine(name, folder / f"machine {name}", port, under, address)
    made.home.mkdir(parents=True)
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", ""]
    for key in ("host_key", "own_key"):
        subprocess.run([*keygen, "-f", str(made.folder / key)], check=True)
    shell, python = made.folder / "login.sh", made.folder / "python here"
    shell.write_text(SHELL.format(name=name, home=made.home))
    python.write_text(PYTHON.format(root=ROOT, python=sys.executable, folder=made.folder))
    (made.folder / "losing.py").write_text(LOSING)
    for each in (shell, python):
        each.chmod(0o755)
    keys = made.folder / "keys"
    keys.write_text((made.folder / "own_key.pub").read_text())
    (made.folder / "sshd_config").write_text(
        f'Port {port}\nListenAddress {address}\nHostKey "{made.folder}/host_key"\n'
        f'AuthorizedKeysFile "{keys}"\nStrictModes no\nPidFile none\n'
        f'ForceCommand "{shell}"\nPermitRootLogin yes\nMaxStartups 100\n'
        # A bash that sshd starts reads the person's own `.bashrc`, unless it is an inner one.
        "SetEnv SHLVL=1\n"
    )
    (made.folder / "ssh_config").write_text(
        f"Host {name}\n  HostName {address}\n  Port {port}\n"
        f'  IdentityFile "{made.folder}/own_key"\n  IdentitiesOnly yes\n'
        f"  UserKnownHostsFile /dev/null\n  StrictHostKeyChecking no\n  LogLevel ERROR\n"
    )
    try:
        made.start()
        yield made
    finally:
        made.go_down()


def add_machine(repo: MissionRepo, there: Machine, **settings: object) -> None:
    """Write a machine into mission.json, and commit that."""
    hosts = dict(repo.mission().get("hosts") or {})
    hosts[there.name] = {
        "address": there.name,
        "folder": str(there.works),
        "options": ["-F", str(there.folder / "ssh_config")],
        "python": str(there.folder / "python here"),
        **settings,
    }
    change_mission(repo, hosts=hosts)
    repo.git("commit", "-qam", "A machine")


def link_of(repo: MissionRepo) -> dict[str, object]:
    """Return what is written down of the link of the last run."""
    found: dict[str, object] = json.loads((repo.run_dir() / "link.json").read_text())
    return found
