"""On another machine: what is needed is sent there, and the usual supervisor is started there.

Under the lock comes one short call, `go`. Where its answer is lost it may have been heard: then the
session counts as begun, and who listens finds out.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import FailedError, MissionError, UnreachableError
from mosaic.executors.away import AwayExecutor
from mosaic.git.remote_refs import address_of
from mosaic.model import ProcessIdentity
from mosaic.records import replace
from mosaic.remote.link import CALL_SECONDS, Conversation, call
from mosaic.remote.send import commits_to_send, earlier_tokens, pack_up, variables_to_send
from mosaic.remote.sent import write_sent
from mosaic.remote.shell import terminal_command
from mosaic.runs.record import Run
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.model import JsonValue
    from mosaic.ports import Order, Started
    from mosaic.workspaces.record import Workspace

SEND_SECONDS = 3600.0
GO_SECONDS = 120.0
TRIES = 3
TRIES_SECONDS = 20.0
"""The mission is locked meanwhile: after so long, who listens finds out what became of it."""


class SshExecutor(AwayExecutor):
    """Starts supervisors on one host."""

    name = "ssh"
    _talk: Conversation | None = None
    """What was asked for the hand-off is asked by it; the next one goes on with it."""

    def send_ahead(self, workspace: Workspace, session_id: str, run_id: str) -> None:
        """Send what the work needs; nothing begins, and sent again it is left as it is."""
        layout = load_mission(self._mission_file).layout
        remote = self._host.remote
        hub = address_of(workspace.home, remote) if remote else ""
        asked = {"mission": self._sent.mission, "run": run_id, "hub": hub}
        seconds = SEND_SECONDS if hub else CALL_SECONDS
        known = self._ask("known", asked, seconds=seconds).get("known") or []
        commits = commits_to_send(workspace)
        self._sent = replace(self._sent, work=commits["work"], tree=commits.get("tree"))
        with tempfile.TemporaryDirectory(prefix="mosaic-") as folder:
            place = pack_up(layout, workspace, commits, known, Path(folder))
            values = {**self._order(workspace, session_id, run_id, commits), "hub": hub}
            try:
                self._ask("prepare", values, place, SEND_SECONDS)
            except FailedError:  # it may have been taken in, and the answer lost
                where = {"mission": self._sent.mission, "run": run_id}
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
        said: Mapping[str, Any] = {}
        try:
            asked = {
                **self._asked,
                "runtime": meta.runtime,
                "timeout_seconds": meta.timeout_seconds,
                "by": self._by(meta),
                "over": earlier_tokens(layout, meta.task_id),
                "env": variables_to_send(self._host),
            }
            said = self._go(where, asked)
        except UnreachableError:
            pass  # it may have been heard: who listens finds out
        except MissionError:
            write_sent(run, sent, went=False)
            raise
        agent = said.get("agent")
        known = ProcessIdentity(**agent) if isinstance(agent, dict) else None
        return self._record_start(run, known, terminal_command(self._host, said.get("screen")))

    def _go(self, where: Mapping[str, str], asked: Mapping[str, object]) -> Mapping[str, JsonValue]:
        """Have it begin; an UnreachableError where it may have begun, any other where it has not.

        What could not begin is taken back.
        """
        unheard: UnreachableError | None = None
        until = time.monotonic() + TRIES_SECONDS
        for left in reversed(range(TRIES)):
            try:
                return self._ask("go", {**where, **asked}, seconds=GO_SECONDS)
            except UnreachableError as error:
                unheard = error
                if not left or time.monotonic() > until:
                    raise
            except MissionError:
                # It may have begun before, by a question whose answer was lost.
                has_begun = self._take_back(where)
                if has_begun or (has_begun is None and unheard):
                    raise unheard or UnreachableError(self._host.name, "it began") from None
                raise
        raise AssertionError("not reached")

    def close(self) -> None:
        """End the call by which it was begun."""
        if self._talk is not None:
            self._talk.close()
            self._talk = None

    def _ask(
        self,
        op: str,
        values: Mapping[str, object],
        data: bytes | Path = b"",
        seconds: float = CALL_SECONDS,
    ) -> Mapping[str, Any]:
        """Ask by the call that is open, or by a new one where there is none, or that has failed."""
        if self._talk is None:
            self._talk = Conversation(self._host)
        try:
            return self._talk.call(op, values, data, seconds).values
        except BaseException:
            self.close()
            raise

    def _take_back(self, where: Mapping[str, str]) -> bool | None:
        """Have removed there what has not begun; tell whether it has, None where nobody says."""
        try:
            return bool(call(self._host, "drop", where).values.get("went"))
        except MissionError:
            return None
