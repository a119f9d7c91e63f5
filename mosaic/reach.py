"""The program that listens to another machine for one run, until its end is recorded here.

python -c '… main()' RUN_DIR

It holds the run's folder, so there is one. What it hears goes into the record as it comes; a link
that is cut is made again, for as long as it takes. It may be killed at any time: the next command
that looks starts another.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.codec import dump_record
from mosaic.errors import HeldError, MissionError, UnreachableError
from mosaic.git.checkpoint_store import keep_packed
from mosaic.git.git import find_work_tree
from mosaic.machine.clock import utc_now
from mosaic.machine.lock import hold_folder
from mosaic.remote.hosts import get_host
from mosaic.remote.link import Conversation, call
from mosaic.remote.record import MIRRORED, read_record
from mosaic.remote.sent import (
    LINK_FILE,
    Linked,
    Sent,
    find_link,
    find_sent,
    find_stop,
    is_away,
    write_sent,
)
from mosaic.runs.checkpoint import last_seq
from mosaic.runs.record import Run
from mosaic.sessions.bring_home import bring_home, state_from
from mosaic.store.consent import find_unallowed
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from mosaic.remote.frames import Frame
    from mosaic.settings import HostSpec

PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""How long to wait before the link is tried again; the last for ever."""
STOP_POLL_SECONDS = 0.3
SEEN_SECONDS = 15.0
"""How often it is written down that the machine answers."""


def main() -> None:
    """Listen for the run that the last argument names."""
    run = Run(dir=Path(sys.argv[-1]))
    with contextlib.suppress(HeldError), hold_folder(run.dir):
        Listener(run).run()


class Listener:
    """Listens for one run. `run` once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._meta = run.meta()
        self._link = find_link(run)
        self._state: dict[str, Any] = {}
        self._ahead_seconds = 0.0
        """How far the clock there is ahead of that here."""

    def run(self) -> None:
        """Stay until the end is recorded here, or the run is given up."""
        failures = 0
        while is_away(self._run):
            try:
                if self._sent.end:
                    bring_home(self._run, self._sent)
                    self._say_home()
                    return
                failures = 0 if self._listen() else failures + 1
                if self._sent.end:
                    continue
            except (MissionError, OSError) as error:
                failures += 1
                self._note_link(error)
            pause = PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS) - 1)]
            # A bring-home that failed waits too: somebody may be saving the mission's files.
            time.sleep(pause)

    @property
    def _sent(self) -> Sent:
        sent = find_sent(self._run)
        assert sent is not None
        return sent

    def _host(self) -> HostSpec:
        document, name = load_mission(Path(self._meta.mission_file)), self._sent.host
        host = get_host(document.mission, name)
        changed = [each.where for each in find_unallowed(document)]
        if document.mission.hosts.get(name) == host and f"hosts.{name}" in changed:
            words = f"`hosts.{name}` in mission.json has changed"
            raise HeldError(words, hint="`mission trust` allows it")
        return host

    def _where(self) -> dict[str, str]:
        sent = self._sent
        return {"mission": sent.mission, "run": self._run.id, "token": sent.token}

    def _listen(self) -> bool:
        """Listen as long as the link holds; tell whether anything was heard."""
        has_heard = False
        host = self._host()
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
            thread = threading.Thread(target=self._pass_stops, args=(conversation, is_over))
            thread.daemon = True
            thread.start()
            try:
                for frame in conversation.answers():
                    has_heard = True
                    self._note_link(None)
                    if "clock" in frame.values:
                        self._ahead_seconds = float(frame.values["clock"]) - time.time()
                    if frame.values.get("went") is False:
                        self._end_unbegun(host)
                    else:
                        self._take(frame)
                    if self._sent.end or not is_away(self._run):
                        return True
            finally:
                is_over.set()
                thread.join()
        if not has_heard:
            raise UnreachableError(host.name, "it said nothing")
        return has_heard

    def _pass_stops(self, conversation: Conversation, is_over: threading.Event) -> None:
        told = ""
        while True:
            wish = find_stop(self._run)
            if wish and wish != told:
                with contextlib.suppress(MissionError):  # the link is cut: the next one tells it
                    conversation.tell({"now": wish == "now"})
                told = wish
            if is_over.wait(STOP_POLL_SECONDS):
                return

    def _end_unbegun(self, host: HostSpec) -> None:
        """Make sure that what was not begun never will be, and take that for its end."""
        said = call(host, "drop", self._where()).values
        if not said.get("went"):
            write_sent(self._run, self._sent, end={"session": None})

    def _take(self, frame: Frame) -> None:
        values, run = frame.values, self._run
        if "log" in values and values["log"] in MIRRORED:
            self._append(run.dir / values["log"], int(values["offset"]), frame.data)
        elif "state" in values:
            self._state = dict(values["state"])
            state = state_from(run, self._sent, self._state, self._ahead_seconds)
            # The end is written last, when it is recorded.
            if state.finished_at is None:
                run.write_state(state)
        elif "commits" in values:
            self._take_commits(dict(values["commits"]), frame.data)
        elif "ended" in values:
            end = {**dict(values["ended"]), "state": self._state}
            end["ahead_seconds"] = self._ahead_seconds
            write_sent(run, self._sent, end=end)

    def _append(self, path: Path, offset: int, data: bytes) -> None:
        with open(path, "ab") as file:
            file.write(data[max(0, file.tell() - offset) :])

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

    def _note_link(self, problem: MissionError | OSError | None) -> None:
        """Write down whether it goes on with the machine, where that is news."""
        known, now = self._link, utc_now()
        if problem is not None:
            # At the end the machine has said all that it had to: what is wrong is here.
            is_silent = isinstance(problem, UnreachableError) and not self._sent.end
            since = known.unreachable_since or now if is_silent else None
            said = problem.summary if isinstance(problem, MissionError) else str(problem)
            words = " ".join(said.split())
            new = Linked(seen_at=known.seen_at, unreachable_since=since, problem=words)
            is_news = (known.unreachable_since, known.problem) != (since, words)
        else:
            new = Linked(seen_at=now)
            is_old = known.seen_at is None or now - known.seen_at > timedelta(seconds=SEEN_SECONDS)
            is_news = is_old or known.unreachable_since is not None or bool(known.problem)
        if is_news:
            self._link = new
            with contextlib.suppress(MissionError, OSError):  # the disk here may be full
                self._run.write_json(LINK_FILE, dump_record(new))

    def _say_home(self) -> None:
        """Have what is kept there removed, unless it has what could not be brought."""
        if self._sent.end.get("left_out"):
            return  # `mission hosts clean` removes it
        with contextlib.suppress(MissionError):
            call(self._host(), "drop", {**self._where(), "brought_home": True})
            write_sent(self._run, self._sent, is_removed=True)
