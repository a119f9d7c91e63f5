"""What all runs on other machines have in common here: how they are put on record and reached.

What costs time goes ahead, while nothing is locked here but the task (`send_ahead`). Under the lock
comes one short step, `start`. Who listens (`mosaic.reach`) then finds out what becomes of it.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
from typing import TYPE_CHECKING

from mosaic.executors.background import PACKAGE_PARENT, Supervised
from mosaic.machine.clock import utc_now
from mosaic.machine.environment import child_environment
from mosaic.machine.identity import host_name
from mosaic.machine.lock import is_folder_held
from mosaic.model import ProcessIdentity, RunStatus
from mosaic.ports import Started
from mosaic.remote.send import identity_to_send, mission_name
from mosaic.remote.sent import ATTACH, Sent, hub_run, is_away, place_there, wish_stop
from mosaic.runs.record import Run, advance
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mosaic.model import JsonValue
    from mosaic.runs.record import RunMeta
    from mosaic.settings import HostSpec
    from mosaic.workspaces.record import Workspace

START = "import sys; sys.path.insert(0, sys.argv[1]); from mosaic.reach import main; main()"


class AwayExecutor:
    """Starts supervisors on other machines."""

    name: str
    """What the record calls it."""

    def __init__(
        self,
        mission_file: Path,
        host: HostSpec,
        asked: Mapping[str, JsonValue],
        *,
        calls_person: bool = True,
    ) -> None:
        """Take what is asked of the hand-off there: `model`, `force`, `resuming`, `fresh`."""
        self._mission_file = mission_file
        self._host = host
        self._asked = asked
        document = load_mission(mission_file)
        self._project = document.mission.id
        self._sent = Sent(
            host=host.name,
            executor=self.name,
            mission=mission_name(document.layout),
            token=secrets.token_hex(16),
            calls_person=calls_person,
        )

    def close(self) -> None:
        """Let go of what was kept open to have the run begin."""

    def wait(self) -> bool:
        """Return at once: the supervisor goes on without this process."""
        return False

    def _order(
        self, workspace: Workspace, session_id: str, run_id: str, commits: Mapping[str, str]
    ) -> dict[str, JsonValue]:
        """Return what the other side needs to take the attempt in."""
        layout, top = load_mission(self._mission_file).layout, workspace.home
        return {
            "mission": self._sent.mission,
            "project": self._project,
            "run": run_id,
            "token": self._sent.token,
            "task": workspace.owner,
            "session": session_id,
            "commits": dict(commits),
            "branch": workspace.branch,
            "mission_file": layout.mission_file.resolve().relative_to(top).as_posix(),
            "user": dict(identity_to_send(top)),
            "setup": [*self._host.setup],
        }

    def _by(self, meta: RunMeta) -> str:
        """Return in words who has a task."""
        return f"session {meta.session_id} of `{host_name()}`"

    def _record_start(
        self, run: Run, known: ProcessIdentity | None = None, attach: Sequence[str] = ()
    ) -> Started:
        """Put on record that the run goes on elsewhere, and have somebody here listen to it.

        `attach` is what shows its agent's screen there, where it has one.
        """
        identity = ProcessIdentity(
            pid=known.pid if known else 0,
            started_at=known.started_at if known else "",
            boot_id=known.boot_id if known else "",
            host=self._host.name,
        )
        place = place_there(self.name, self._host.name, [*attach])
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


class OnHost(Supervised):
    """A run whose supervisor is on another machine; who listens to it holds the run's folder."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        place = run.find_place()
        words = place.get(ATTACH)
        self._attach = tuple(map(str, words)) if isinstance(words, list) else ()
        self.words = f"{'in a tmux pane ' if self._attach else ''}on `{place.get('host')}`"

    def attach(self) -> tuple[str, ...]:
        """Return what a person types to see the run: its pane there, or its log."""
        return self._attach or super().attach()

    def screen(self) -> tuple[str, ...]:
        """Return what shows its pane there; empty where it has none."""
        return self._attach

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

    def keep_in_touch(self) -> None:
        """Have somebody listen, where it goes on and nobody does."""
        if is_away(self.run):
            listen(self.run)

    def give_up(self) -> None:
        """Take its claim away where a hub has that: nobody begins it then, or brings anything."""
        if found := hub_run(self.run):
            found[0].give_up(found[1].token)

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
