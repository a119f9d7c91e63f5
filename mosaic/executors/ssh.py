"""On another machine: what is needed is sent there, and the usual supervisor is started there.

What costs time goes ahead, while nothing is locked here but the task (`send_ahead`). Under the lock
comes one short call, `go`. Where its answer is lost it may have been heard: then the session counts
as begun, and who listens (`mosaic.reach`) finds out.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, MissionError, UnreachableError
from mosaic.executors.background import PACKAGE_PARENT, Supervised
from mosaic.machine.clock import utc_now
from mosaic.machine.environment import child_environment
from mosaic.machine.identity import host_name
from mosaic.machine.lock import is_folder_held
from mosaic.model import ProcessIdentity, RunStatus
from mosaic.ports import Started
from mosaic.records import replace
from mosaic.remote.link import call
from mosaic.remote.send import (
    commits_to_send,
    earlier_tokens,
    identity_to_send,
    mission_name,
    pack_up,
    variables_to_send,
)
from mosaic.remote.sent import Sent, is_away, wish_stop, write_sent
from mosaic.runs.record import Run, advance
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.model import JsonValue
    from mosaic.ports import Order
    from mosaic.settings import HostSpec
    from mosaic.workspaces.record import Workspace

START = "import sys; sys.path.insert(0, sys.argv[1]); from mosaic.reach import main; main()"
SEND_SECONDS = 3600.0
GO_SECONDS = 120.0
TRIES = 3


class SshExecutor:
    """Starts supervisors on one host."""

    def __init__(
        self,
        mission_file: Path,
        host: HostSpec,
        asked: Mapping[str, JsonValue],
        *,
        calls_person: bool = True,
    ) -> None:
        """Take what is asked of the hand-off there: `runtime`, `model`, `force` and the like."""
        self._mission_file = mission_file
        self._host = host
        self._asked = asked
        self._sent = Sent(
            host=host.name,
            mission=mission_name(load_mission(mission_file).layout),
            token=secrets.token_hex(16),
            calls_person=calls_person,
        )

    def send_ahead(self, workspace: Workspace, session_id: str, run_id: str) -> None:
        """Send what the work needs; nothing begins, and sent again it is left as it is."""
        layout = load_mission(self._mission_file).layout
        where = {"mission": self._sent.mission, "run": run_id}
        known = call(self._host, "known", where).values.get("known") or []
        commits = commits_to_send(workspace)
        self._sent = replace(self._sent, work=commits["work"], tree=commits.get("tree"))
        top = workspace.home
        with tempfile.TemporaryDirectory(prefix="mosaic-") as folder:
            place = pack_up(layout, workspace, commits, known, Path(folder))
            values = {
                **where,
                "token": self._sent.token,
                "task": workspace.owner,
                "session": session_id,
                "commits": commits,
                "branch": workspace.branch,
                "mission_file": layout.mission_file.resolve().relative_to(top).as_posix(),
                "user": identity_to_send(top),
                "setup": [*self._host.setup],
            }
            try:
                call(self._host, "prepare", values, place, SEND_SECONDS)
            except FailedError:  # it may have been taken in, and the answer lost
                self._take_back({**where, "token": self._sent.token})
                raise

    def start(self, run_dir: Path, order: Order) -> Started:  # noqa: ARG002 - made anew there
        """Have the work begin, and somebody here listen to it.

        ProgramNotFoundError, FailedError: it could not begin there; nothing is left behind.
        """
        run = Run(dir=run_dir)
        meta = run.meta()
        layout = load_mission(self._mission_file).layout
        sent = write_sent(run, self._sent, went=True)
        run.worker_log.unlink(missing_ok=True)  # that of there takes its place
        where = {"mission": sent.mission, "run": run.id, "token": sent.token}
        agent = None
        try:
            asked = {
                **self._asked,
                "runtime": meta.runtime,
                "timeout_seconds": meta.timeout_seconds,
                "by": f"session {meta.session_id} of `{host_name()}`",
                "over": earlier_tokens(layout, meta.task_id),
                "env": variables_to_send(self._host),
            }
            agent = self._go(where, asked).get("agent")
        except UnreachableError:
            pass  # it may have been heard: who listens finds out
        except MissionError:
            write_sent(run, sent, went=False)
            raise
        known = ProcessIdentity(**agent) if isinstance(agent, dict) else None
        identity = ProcessIdentity(
            pid=known.pid if known else 0,
            started_at=known.started_at if known else "",
            boot_id=known.boot_id if known else "",
            host=self._host.name,
        )
        place = {"executor": "ssh", "host": self._host.name}
        run.write_state(
            advance(
                run.state(),
                utc_now(),
                status=RunStatus.RUNNING,
                started_at=utc_now(),
                agent=identity,
                place=place,
            )
        )
        listen(run)
        return Started(agent=identity, supervisor_pid=0, place=place)

    def wait(self) -> bool:
        """Return at once: the supervisor goes on without this process."""
        return False

    def _go(self, where: Mapping[str, str], asked: Mapping[str, object]) -> Mapping[str, JsonValue]:
        """Have it begin; an UnreachableError where it may have begun, any other where it has not.

        What could not begin is taken back.
        """
        unheard: UnreachableError | None = None
        for left in reversed(range(TRIES)):
            try:
                return call(self._host, "go", {**where, **asked}, seconds=GO_SECONDS).values
            except UnreachableError as error:
                unheard = error
                if not left:
                    raise
            except MissionError:
                # It may have begun before, by a question whose answer was lost.
                has_begun = self._take_back(where)
                if has_begun or (has_begun is None and unheard):
                    raise unheard or UnreachableError(self._host.name, "it began") from None
                raise
        raise AssertionError("not reached")

    def _take_back(self, where: Mapping[str, str]) -> bool | None:
        """Have removed there what has not begun; tell whether it has, None where nobody says."""
        try:
            return bool(call(self._host, "drop", where).values.get("went"))
        except MissionError:
            return None


class OnHost(Supervised):
    """A run whose supervisor is on another machine; who listens to it holds the run's folder."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.words = f"on `{run.find_place().get('host')}`"

    def is_alive(self) -> bool:
        """Tell whether it goes on, or may: until its end was brought home."""
        return is_away(self.run) or is_folder_held(self.run.dir)

    def stop(self, *, now: bool = False) -> bool:
        """Leave word that it is to be stopped; who listens passes that on."""
        if not is_away(self.run):
            return False
        wish_stop(self.run, now=now)
        listen(self.run)
        return True

    def find_supervisor(self) -> ProcessIdentity | None:
        """Return None: it is not a process of this machine."""
        return None


def listen(run: Run) -> None:
    """Have a process listen to a run's machine, where none does; it outlives this one."""
    if is_folder_held(run.dir):
        return
    with open(run.dir / "supervisor.log", "ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, PACKAGE_PARENT, str(run.dir)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            cwd="/",
            env=child_environment(),
        )
    process.returncode = 0  # it goes on by itself; its next parent reaps it
