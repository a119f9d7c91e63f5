"""The one door to tmux: panes opened, looked at, typed into and closed.

Every call names one server: that of the user's own terminal when we are inside of one, the
socket that `$MISSION_TMUX_SOCKET` names, else tmux's default. Programs go in as argument
lists, so no shell reads them; a pane stays when its program ends. A pane's number means
something only together with its server, whose pid is kept beside it.

Written for tmux 3.0 and newer.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, MissionError, ProgramNotFoundError
from mosaic.machine.environment import child_environment
from mosaic.machine.process import find_tool, spawn
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OLDEST = (3, 0)
SOCKET_VARIABLE = "MISSION_TMUX_SOCKET"
TMUX_SECONDS = 15.0
PLACEHOLDER = ("sleep", "600")
"""What a pane shows until its options are set: they must be before its program begins."""
WIDTH, HEIGHT = "200", "50"
MARK = "@mosaic"
"""The pane option that holds the run of each pane of ours."""
_FACTS = "#{exit-unattached} #{pane_id} #{pid} #{session_name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pane:
    """A pane, by what tells it from every other."""

    id: str
    server_pid: int
    session: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PaneState:
    """What tmux says of a pane."""

    is_dead: bool
    """Its program has ended; the pane is kept."""
    mark: str


class Tmux:
    """A tmux server, running or not."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._socket = environ.get(SOCKET_VARIABLE) or None

    @property
    def own_pane(self) -> str | None:
        """The pane that we are in; None outside of this server."""
        inside = self._environ.get("TMUX", "").partition(",")[0]
        if not inside or (self._socket and not _same_socket(inside, self._socket)):
            return None
        return self._environ.get("TMUX_PANE") or None

    def attach_command(self, session: str) -> tuple[str, ...]:
        """Return what a person types to see a session."""
        return ("tmux", *self._server(), "attach", "-t", f"={session}")

    def open_pane(self, argv: Sequence[str], *, session: str, title: str, mark: str) -> Pane:
        """Start a program in a new pane: in the user's window, else in a session of our own.

        Args:
            session: the name of our own session, for when we are not inside of tmux.
            mark: kept with the pane, by which it is found again.
        """
        pane = self._new_pane(session)
        try:
            self._run(["set-option", "-p", "-t", pane.id, MARK, _whole(mark)])
            self._run(["set-option", "-p", "-t", pane.id, "remain-on-exit", "on"])
            self._run(["select-pane", "-t", pane.id, "-T", _whole(_plain(title))])
            self._run(["respawn-pane", "-k", "-t", pane.id, "-c", "/", "--", *map(_whole, argv)])
        except MissionError:
            self.close_pane(pane)
            raise
        return pane

    def panes(self) -> dict[str, PaneState]:
        """Return every pane of the server by id; empty where none runs."""
        form = f"#{{pane_id}} #{{pane_dead}} #{{pid}} #{{{MARK}}}"
        try:
            answer = self._run(["list-panes", "-a", "-F", form], check=False)
        except ProgramNotFoundError:
            return {}
        found = {}
        for line in answer.splitlines():
            pane, dead, server, mark = (*line.split(" ", 3), "", "", "")[:4]
            if server.isdigit():  # else it is something else than what was asked for
                found[f"{server} {pane}"] = PaneState(is_dead=dead == "1", mark=mark)
        return found

    def state_of(self, pane: Pane) -> PaneState | None:
        """Return what is with a pane; None where it is gone, or its server is another one."""
        return self.panes().get(f"{pane.server_pid} {pane.id}")

    def close_pane(self, pane: Pane) -> bool:
        """Close a pane with what still runs in it; tell whether it was there."""
        if self.state_of(pane) is None:
            return False
        self._run(["kill-pane", "-t", pane.id], check=False)
        return True

    def paste(self, pane: Pane, text: str) -> None:
        """Type a text into a pane as one paste, and press Enter.

        FailedError: the pane is gone, or its program has ended.
        """
        state = self.state_of(pane)
        if state is None or state.is_dead:
            raise FailedError(f"no program reads in pane `{pane.id}`")
        name = f"mosaic-{os.getpid()}"
        self._run(["load-buffer", "-b", name, "-"], stdin=text.encode())
        self._run(["paste-buffer", "-d", "-p", "-r", "-b", name, "-t", pane.id])
        self._run(["send-keys", "-t", pane.id, "Enter"])

    def problem(self) -> str | None:
        """Return why tmux cannot be used; None when it can."""
        if find_tool("tmux") is None:
            return "tmux is not installed"
        try:
            found = re.search(r"(?<!\d)(\d++)\.(\d+)", self._run(["-V"]))
        except MissionError:
            found = None
        if found is None:
            return "`tmux -V` does not print a version"
        if (int(found[1]), int(found[2])) < OLDEST:
            return f"tmux {int(found[1])}.{int(found[2])} is older than 3.0"
        return None

    def _new_pane(self, session: str) -> Pane:
        own = self.own_pane
        if own is None:
            create = ["new-session", "-d", "-s", session, "-x", WIDTH, "-y", HEIGHT]
            # In the same call: a user's setting would end the session with the call that made it.
            stays = [";", "set-option", "destroy-unattached", "off"]
            try:
                return self._pane(create, stays)
            except FailedError:
                if not self._has(session):
                    raise
        try:
            pane = self._pane(["split-window", "-d", "-t", own or f"={session}:"])
        except FailedError:  # no room in the window
            name = f"={session}"
            if own is not None:
                name = self._run(["display-message", "-p", "-t", own, "#{session_id}"]).strip()
            return self._pane(["new-window", "-d", "-t", f"{name}:"])
        self._run(["select-layout", "-t", pane.id, "tiled"], check=False)
        return pane

    def _pane(self, command: Sequence[str], then: Sequence[str] = ()) -> Pane:
        answer = self._run([*command, "-P", "-F", _FACTS, "--", *PLACEHOLDER, *then])
        ends, pane, server, session = answer.strip().split(" ", 3)
        if ends == "1" and self.own_pane is None:
            raise FailedError(
                "tmux would end the agents as soon as nobody looks at them",
                detail="the option `exit-unattached` is on",
                hint="`set -g exit-unattached off` in your tmux.conf, or `--executor process`",
            )
        return Pane(id=pane, server_pid=int(server), session=session)

    def _has(self, session: str) -> bool:
        names = self._run(["list-sessions", "-F", "#{session_name}"], check=False)
        return session in names.splitlines()

    def _server(self) -> tuple[str, ...]:
        if self._socket is None:
            return ()
        return ("-S" if os.sep in self._socket else "-L", self._socket)

    def _run(self, args: Sequence[str], *, stdin: bytes | None = None, check: bool = True) -> str:
        path = find_tool("tmux")
        if path is None:
            raise ProgramNotFoundError(
                "tmux", problem="it is not on the PATH", hint="install tmux, or use the background"
            )
        environ = child_environment()
        if self.own_pane is None:
            environ.pop("TMUX_PANE", None)  # another server's: tmux would act beside that one
        process = spawn(
            [path, *self._server(), *args],
            cwd="/",
            env=environ,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            new_session=False,
        )
        try:
            out, err = process.communicate(stdin, timeout=TMUX_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise FailedError(
                f"`tmux {args[0]}` took longer than {TMUX_SECONDS:g} s",
                hint="look whether its server hangs: `tmux ls`",
            ) from None
        if check and process.returncode:
            said = err.decode("utf-8", "replace").strip()
            raise FailedError(f"`tmux {args[0]}` failed", detail=said[:500] or None)
        return out.decode("utf-8", "replace")


def session_name(project: Path) -> str:
    """Return the name of our own tmux session for a project; tmux allows no `.` and no `:`."""
    from hashlib import sha256

    kept = re.sub(r"[^A-Za-z0-9_-]", "-", project.name)[:30]
    return f"mosaic-{kept}-{sha256(os.fsencode(project)).hexdigest()[:6]}"


def _same_socket(inside: str, named: str) -> bool:
    return os.path.realpath(inside) == os.path.realpath(named) or Path(inside).name == named


def _plain(title: str) -> str:
    return "".join(sign if sign.isprintable() and sign != "#" else " " for sign in title)[:80]


def _whole(argument: str) -> str:
    """Return an argument that tmux does not take for the end of a command."""
    return f"{argument[:-1]}\\;" if argument.endswith(";") else argument
