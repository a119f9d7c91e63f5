"""What all that listen do: stay until the end is recorded, note the link, keep what comes."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.codec import dump_record
from mosaic.errors import HeldError, MissionError, UnreachableError
from mosaic.machine.clock import utc_now
from mosaic.remote.hosts import get_host
from mosaic.remote.sent import ATTACH, LINK_FILE, Linked, Sent, find_link, find_sent, is_away
from mosaic.sessions.bring_home import bring_home, state_from
from mosaic.store.consent import find_unallowed
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.runs.record import Run
    from mosaic.settings import HostSpec

PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""How long to wait before the link is tried again; the last for ever."""
SEEN_SECONDS = 15.0
"""How often it is written down that the machine answers."""


class Listener(ABC):
    """Listens for one run. `run` once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._meta = run.meta()
        self._link = find_link(run)
        self._state: dict[str, Any] = {}
        self._ahead_seconds = 0.0
        """How far the clock there is ahead of that here, as far as that is known."""

    @abstractmethod
    def _listen(self) -> bool:
        """Listen as long as the link holds; tell whether anything was heard."""

    @abstractmethod
    def _say_home(self) -> None:
        """Have what is kept there removed, unless it has what could not be brought."""

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
        """Return the host as it is set now; a HeldError where it changed and was not allowed."""
        document, name = load_mission(Path(self._meta.mission_file)), self._sent.host
        host = get_host(document.mission, name)
        changed = [each.where for each in find_unallowed(document)]
        if document.mission.hosts.get(name) == host and f"hosts.{name}" in changed:
            words = f"`hosts.{name}` in mission.json has changed"
            raise HeldError(words, hint="`mission trust` allows it")
        return host

    def _take_state(self, values: dict[str, Any], attach: Sequence[str] = ()) -> None:
        """Write down where the run stands, as its machine says it.

        `attach` is what shows its screen; the machine's own words for that are never typed here.
        """
        self._state = {**values, "place": {ATTACH: [*attach]}}
        state = state_from(self._run, self._sent, self._state, self._ahead_seconds)
        # The end is written last, when it is recorded.
        if state.finished_at is None:
            self._run.write_state(state)

    def _append(self, path: Path, offset: int, data: bytes) -> None:
        with open(path, "ab") as file:
            file.write(data[max(0, file.tell() - offset) :])

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
