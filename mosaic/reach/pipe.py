"""Listening to a machine that `ssh` reaches: one conversation, made again when it is cut."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionError, UnreachableError
from mosaic.git.checkpoint_store import keep_packed
from mosaic.git.git import find_work_tree
from mosaic.machine.lock import is_folder_held
from mosaic.reach.listener import Listener
from mosaic.reach.plan import PlanWatch
from mosaic.remote.link import Conversation, call
from mosaic.remote.record import MIRRORED, read_record
from mosaic.remote.sent import find_stop, is_away, list_sent, write_sent
from mosaic.remote.shell import terminal_command
from mosaic.runs.checkpoint import last_seq
from mosaic.sessions.unbegun import drop_unbegun
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from mosaic.remote.frames import Frame
    from mosaic.settings import HostSpec

STOP_POLL_SECONDS = 0.3
PLAN_POLL_SECONDS = 1.0
QUIET_SECONDS = 60.0
"""After so long without a byte the link counts as cut: a beat comes every few seconds."""


class PipeListener(Listener):
    """Listens through the pipe of one `ssh`."""

    def _where(self) -> dict[str, str]:
        sent = self._sent
        return {"mission": sent.mission, "run": self._run.id, "token": sent.token}

    def _listen(self) -> bool:
        """Listen as long as the link holds; tell whether anything was heard."""
        has_heard = False
        host = self._host()
        if self._sent.is_unbegun:
            self._end_unbegun(host)
            return True
        with Conversation(host) as conversation:
            conversation.ask(
                {
                    "op": "follow",
                    **self._where(),
                    "sizes": {name: self._run.bytes_of(name) for name in MIRRORED},
                    "has": [*self._sent.commits.values()],
                    "seq": last_seq(self._run),
                }
            )
            is_over = threading.Event()
            thread = threading.Thread(target=self._pass_words, args=(conversation, is_over))
            thread.daemon = True
            thread.start()
            try:
                for frame in conversation.answers(QUIET_SECONDS):
                    has_heard = True
                    self._note_link(None)
                    if "clock" in frame.values:
                        self._ahead_seconds = float(frame.values["clock"]) - time.time()
                    if frame.values.get("went") is False:
                        self._end_unbegun(host)
                    else:
                        self._take(frame, host)
                    if self._sent.end or not is_away(self._run):
                        return True
            finally:
                is_over.set()
                thread.join()
        if not has_heard:
            raise UnreachableError(host.name, "it said nothing")
        return has_heard

    def _pass_words(self, conversation: Conversation, is_over: threading.Event) -> None:
        """Tell what people wish and change here while the conversation goes on."""
        told, looked_at = "", 0.0
        watch = PlanWatch(Path(self._meta.mission_file))
        while True:
            # The link is cut, or somebody is saving the files: it is told later.
            with contextlib.suppress(MissionError, OSError, ValueError):
                wish = find_stop(self._run)
                if wish and wish != told:
                    told = wish
                    conversation.tell({"now": wish == "now"})
                if time.monotonic() > looked_at + PLAN_POLL_SECONDS:
                    looked_at = time.monotonic()
                    if news := watch.find_news():
                        conversation.tell(news)
            if is_over.wait(STOP_POLL_SECONDS):
                return

    def _end_unbegun(self, host: HostSpec) -> None:
        """Make sure that what was not begun never will be, and take that for its end."""
        # Noted first: where the answer is lost, nothing is left there to be asked about.
        write_sent(self._run, self._sent, is_unbegun=True)
        said = call(host, "drop", self._where()).values
        if said.get("went"):
            write_sent(self._run, self._sent, is_unbegun=False)
        else:
            stopped = bool(find_stop(self._run))
            write_sent(self._run, self._sent, end={"session": None, "stopped": stopped})

    def _take(self, frame: Frame, host: HostSpec) -> None:
        values, run = frame.values, self._run
        if "log" in values and values["log"] in MIRRORED:
            self._append(run.dir / values["log"], int(values["offset"]), frame.data)
        elif "state" in values:
            attach = terminal_command(host, values.get("screen"))
            self._take_state(dict(values["state"]), attach)
        elif "commits" in values:
            self._take_commits(dict(values["commits"]), frame.data)
        elif "ended" in values:
            end = {**dict(values["ended"]), "state": self._state}
            end["ahead_seconds"] = self._ahead_seconds
            write_sent(run, self._sent, end=end)

    def _take_commits(self, commits: dict[str, str], pack: bytes) -> None:
        run, top = self._run, find_work_tree(Path(self._meta.mission_file).parent)
        assert top is not None
        with tempfile.TemporaryDirectory(prefix="mosaic-") as folder:
            place = Path(folder, f"pack-{commits['record']}.pack")
            place.write_bytes(pack)
            refs = {f"{run.id}/{name}": commit for name, commit in commits.items()}
            keep_packed(top, place, refs)
        read_record(top, commits["record"], run)
        write_sent(run, self._sent, commits={**self._sent.commits, **commits})

    def _say_home(self) -> None:
        """Have what is kept there removed, unless it has what could not be brought."""
        if self._sent.stays_there:
            return  # `mission hosts clean` removes it
        with contextlib.suppress(MissionError):
            host = self._host()
            # Earlier ones as well: the link may have been cut, or the listener killed, just there.
            kept = list_sent(self._run.dir.parents[1], settled=False)
            for run, sent in sorted(kept, key=lambda each: each[0].dir != self._run.dir):
                if run.dir != self._run.dir and is_folder_held(run.dir):
                    continue  # its own listener is about to
                is_all_here = sent.is_left and sent.is_home and not sent.stays_there
                if sent.host == host.name and is_all_here and not sent.hub:
                    where = {"mission": sent.mission, "run": run.id, "token": sent.token}
                    said = call(host, "drop", {**where, "brought_home": True}).values
                    write_sent(run, sent, is_removed=True)
                    layout = load_mission(Path(self._meta.mission_file)).layout
                    drop_unbegun(host, layout, said.get("unbegun") or ())
