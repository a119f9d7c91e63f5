"""Links that are cut where a test says: by a proxy before an `sshd`, and in a network namespace.

The proxy stands between `ssh` and `sshd` and sees bytes only. Where a cut belongs is known by the
relay, which is the Python of the other machine: it reads along what goes through the pipe of the
program there, and at the planned byte has the proxy cut that connection. `drop` closes it, `stall`
forwards nothing more in either direction and closes nothing, as when packets vanish.

The plan is a file of cuts, each of which happens once:

    {"op": "follow", "way": "down", "frame": "log", "at": 0.5, "how": "drop", "skip": 0}

`way` is `up` for what is sent there, `down` for what is answered; `frame` a key of the answer's
values, `at` a part of the message, where 1.0 is behind its last byte; `skip` passes some by.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shutil
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.machines import Machine, add_machine, machine
from tests.support.mission import ROOT, MissionRepo

QUICK = (
    "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2", "-o", "ConnectTimeout=3",
)  # fmt: skip
"""Options of a host with which a dead link is seen soon."""
BLOCK = 1 << 16
DRAIN_SECONDS = 0.1
"""What was written before a cut gets through: the link is idle for so long before it is cut."""
RELAY = """\
#!/bin/sh
export PYTHONPATH="{root}"
exec "{python}" -P -m tests.support.relay "{plan}" {control} "{python}" "$@"
"""


@dataclass
class Proxy:
    """Forwards connections to a port of loopback."""

    target: int
    stalled: bool = False
    """Whether nothing at all is forwarded, and nothing closed."""
    lost: int = 0
    """How many connections were cut."""
    _links: dict[int, Link] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._control = socket.create_server(("127.0.0.1", 0))
        for target in (self._accept, self._obey):
            threading.Thread(target=target, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def control(self) -> int:
        """The port that takes `drop PORT` or `stall PORT`, and answers when that is done."""
        return int(self._control.getsockname()[1])

    def close(self) -> None:
        for each in (self._listener, self._control):
            each.close()
        for link in [*self._links.values()]:
            link.drop()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket()
                far.bind(("127.0.0.1", 0))
                link = Link(self, near, far)
                self._links[far.getsockname()[1]] = link
                try:
                    far.connect(("127.0.0.1", self.target))
                except OSError:
                    link.drop()
                    continue
                threading.Thread(target=link.run, daemon=True).start()

    def _obey(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                asked, _ = self._control.accept()
                threading.Thread(target=self._cut, args=(asked,), daemon=True).start()

    def _cut(self, asked: socket.socket) -> None:
        with asked, contextlib.suppress(OSError):
            how, port = asked.recv(64).decode().split()
            link = self._links[int(port)]
            link.wish = how
            link.done.wait()
            self.lost += 1
            asked.sendall(b"done")


class Link:
    """One connection."""

    def __init__(self, proxy: Proxy, near: socket.socket, far: socket.socket) -> None:
        self.wish = ""
        self.done = threading.Event()
        self._proxy = proxy
        self._near, self._far = near, far

    def run(self) -> None:
        """Forward until the connection ends or is cut."""
        others = {self._near: self._far, self._far: self._near}
        with contextlib.suppress(OSError):
            while self.wish != "stall" or not self.done.is_set():
                ready, _, _ = select.select([*others], [], [], DRAIN_SECONDS)
                if self._proxy.stalled:
                    return  # nothing is closed
                if not ready and self.wish:
                    break
                for each in ready:
                    data = each.recv(BLOCK)
                    if not data:
                        self.drop()
                        self.done.set()
                        return
                    others[each].sendall(data)
        if self.wish != "stall":
            self.drop()
        self.done.set()

    def drop(self) -> None:
        """Close both sides."""
        for each in (self._near, self._far):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@dataclass
class CutMachine:
    """A machine behind a proxy."""

    there: Machine
    proxy: Proxy

    @property
    def plan(self) -> Path:
        return self.there.folder / "cuts.json"

    def cut_at(self, *cuts: dict[str, Any]) -> None:
        """Plan cuts."""
        self.plan.write_text(json.dumps(cuts))

    def planned(self) -> list[dict[str, Any]]:
        """Return the cuts that did not happen yet."""
        found: list[dict[str, Any]] = json.loads(self.plan.read_text())
        return found


@contextlib.contextmanager
def cut_machine(folder: Path, name: str = "box") -> Iterator[CutMachine]:
    """Make and start a machine whose links are cut as a plan says."""
    with machine(folder, name) as there:
        proxy = Proxy(there.port)
        made = CutMachine(there, proxy)
        made.cut_at()
        words = RELAY.format(
            root=ROOT, python=sys.executable, plan=made.plan, control=proxy.control
        )
        (there.folder / "python here").write_text(words)
        config = there.folder / "ssh_config"
        config.write_text(config.read_text().replace(f"Port {there.port}", f"Port {proxy.port}"))
        try:
            yield made
        finally:
            proxy.close()


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def why_no_namespace() -> str:
    """Return why there can be no network namespace with a link here; empty where there can."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "iptables"))):
        return "network namespaces need root, `ip` and `iptables`"
    name = f"try{secrets.token_hex(4)}"
    try:
        ip("netns", "add", name)
        try:
            ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b")
            ip("link", "del", f"{name}a")
        finally:
            ip("netns", "del", name)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"there can be no network namespace: {error}"
    return ""


@dataclass
class Namespace:
    """A network namespace, and the pair of interfaces between it and this one."""

    name: str
    near: str
    far: str

    @property
    def device(self) -> str:
        """The end of the link on this side."""
        return f"{self.name}a"

    def link(self, state: str) -> None:
        """Take the link down, or `up`."""
        ip("link", "set", self.device, state)

    def vanish(self, *, on: bool) -> None:
        """Have every packet of the link vanish, or not any more: nothing is reset."""
        for chain, way in (("INPUT", "-i"), ("OUTPUT", "-o")):
            words = ["iptables", "-w", "-A" if on else "-D", chain, way, self.device, "-j", "DROP"]
            subprocess.run(words, check=True, capture_output=True)


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """Make a network namespace with a link to it; skip the test where that cannot be."""
    if why := why_no_namespace():
        pytest.skip(why)
    net = f"10.{200 + secrets.randbelow(50)}.{secrets.randbelow(256)}"
    near, far = f"{net}.1", f"{net}.2"
    made = Namespace(f"mm{secrets.token_hex(4)}", near, far)
    inside = f"{made.name}b"
    ip("netns", "add", made.name)
    try:
        ip("link", "add", made.device, "type", "veth", "peer", "name", inside)
        ip("link", "set", inside, "netns", made.name)
        ip("addr", "add", f"{near}/30", "dev", made.device)
        made.link("up")
        for words in (
            ("addr", "add", f"{far}/30", "dev", inside),
            ("link", "set", inside, "up"),
            ("link", "set", "lo", "up"),
        ):
            ip("-n", made.name, *words)
        yield made
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # there are none as a rule
            made.vanish(on=False)
        ip("netns", "del", made.name)  # the pair of interfaces goes with it


BOOT = """\
mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"
"""


@dataclass
class FarMachine:
    """A machine in a network namespace, with a boot id of its own."""

    there: Machine
    net: Namespace
    boot: Path

    def reboot(self) -> None:
        """Start it again after it broke down."""
        self.boot.write_text(f"{uuid.uuid4()}\n")
        self.there.start()


@contextlib.contextmanager
def far_machine(folder: Path, name: str = "box") -> Iterator[FarMachine]:
    """Make and start a machine in a network namespace; skip the test where that cannot be."""
    with namespace() as net:
        boot = folder / f"boot of {name}"
        boot.write_text(f"{uuid.uuid4()}\n")
        under = ("ip", "netns", "exec", net.name, "sh", "-c", BOOT, "sh", str(boot))
        with machine(folder, name, address=net.far, under=under) as there:
            yield FarMachine(there, net, boot)


def add_quick(repo: MissionRepo, there: Machine, **settings: Any) -> None:
    """Write a machine into mission.json of which a dead link is seen soon."""
    options = ["-F", str(there.folder / "ssh_config"), *QUICK]
    add_machine(repo, there, options=options, **settings)
