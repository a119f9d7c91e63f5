"""An attempt at work on this machine: begun, followed, stopped, and what it leaves sent back.

The supervisor is the usual one, and so is the end that it records, in the copy of the mission that
the attempt has. `follow` tells what is new of the record as it comes, each part from the offset
that the other side has, and what the work left as soon as there is a new checkpoint, or an end.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from mosaic.codec import dump_record
from mosaic.errors import MissionError
from mosaic.executors import executor_of, get_executor
from mosaic.machine.identity import boot_id, host_name
from mosaic.machine.lock import hold_folder, is_folder_held
from mosaic.model import Mode
from mosaic.remote.record import LARGEST_LOG_BYTES, MIRRORED
from mosaic.runs.checkpoint import last_seq
from mosaic.sessions.choice import Given, HandOffRequest
from mosaic.sessions.session import hand_off
from mosaic.sessions.stop import stop_session
from mosaic.there.outcome import find_end, pack_published, publish
from mosaic.there.plan import take_plan
from mosaic.there.receive import (
    TURN_SECONDS,
    Attempt,
    get_attempt,
    layout_at,
    place_of,
    run_at,
    take_claim_of,
    write_attempt,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.there import Asked

POLL_SECONDS = 0.25
STOP_SECONDS = 60.0
BEAT_SECONDS = 3.0
"""How often the other side hears that the link holds, also while a large pack is made."""
MOST_AT_ONCE_BYTES = 4 << 20


def go(asked: Asked) -> None:
    """Begin the work, once: asked again it is only said how that went."""
    place = place_of(asked)
    with hold_folder(place, wait_seconds=TURN_SECONDS):
        attempt = get_attempt(asked)
        over = None if asked.values.get("force") else (asked.values.get("over") or ())
        take_claim_of(place, attempt, by=str(asked.values.get("by")), over=over)
        if not attempt.went:
            write_attempt(place, attempt, went=True)
            try:
                begin(asked.values, place, attempt)
            except (MissionError, OSError):
                if not is_folder_held(run_at(place, attempt).dir):
                    write_attempt(place, attempt)
                    raise
                # Its supervisor is at work: what failed came after, and is seen at its end.
    run = run_at(place, attempt)
    state = run.find_state()
    agent = dump_record(state.agent) if state and state.agent else None
    screen = executor_of(run).screen()
    asked.answer(agent=agent, screen=screen, host=host_name(), boot=boot_id())


def begin(values: Mapping[str, Any], place: Path, attempt: Attempt) -> None:
    """Have the usual supervisor begin the work; a MissionError where it could not."""
    os.environ.update({str(k): str(v) for k, v in dict(values.get("env") or {}).items()})
    request = HandOffRequest(
        task_id=attempt.task_id,
        runtime=values.get("runtime"),
        model=values.get("model"),
        mode=Mode(values.get("mode") or Mode.HEADLESS),
        timeout_seconds=values.get("timeout_seconds"),
        force=True,
        resuming=bool(values.get("resuming")),
        fresh=bool(values.get("fresh")),
        worktree=True,
        calls_person=False,
        given=Given(session_id=attempt.session_id, run_id=attempt.run_id, branch=attempt.branch),
    )
    mission_file = layout_at(place, attempt).mission_file
    executor = "tmux" if values.get("in_pane") else "process"
    hand_off(mission_file, request, get_executor(executor, mission_file))


def follow(asked: Asked) -> None:
    """Tell what comes of an attempt until it is over and was told, or nobody listens."""
    place = place_of(asked)
    attempt = get_attempt(asked)
    if not attempt.went:
        asked.answer(went=False)
        return
    threading.Thread(target=_listen, args=(asked, place, attempt), daemon=True).start()
    _Follower(asked, place, attempt).run()


def stop(asked: Asked) -> None:
    """End the work at once, for who has given it up, and say whether it is over."""
    place = place_of(asked)
    attempt = get_attempt(asked)
    run = run_at(place, attempt)
    executor_of(run).stop(now=True)
    until = time.monotonic() + STOP_SECONDS
    while is_folder_held(run.dir) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    asked.answer(over=not is_folder_held(run.dir))


def _listen(asked: Asked, place: Path, attempt: Attempt) -> None:
    """Heed what is said later, and end this process when nobody asks any more.

    That is a wish to stop, or what people changed in the mission meanwhile.
    """
    plan: dict[str, str | None] = {}
    while line := asked.lines.readline():
        with contextlib.suppress(ValueError, MissionError, OSError):
            said = json.loads(line)
            if "plan" not in said:
                end_work(place, attempt, now=bool(said.get("now")))
                continue
            plan |= said["plan"]  # with what could not be taken before
            take_plan(place, attempt, plan, int(said["at"]))
            plan = {}
    os._exit(0)  # the main thread may wait in a write that nobody reads


def end_work(place: Path, attempt: Attempt, *, now: bool) -> None:
    """Have the work stopped, or killed with `now`; its end is recorded as that of a stop here."""
    if not executor_of(run_at(place, attempt)).stop(now=now):
        # Its supervisor was killed, and the agent may be left.
        mission_file = layout_at(place, attempt).mission_file
        stop_session(mission_file, attempt.session_id, now=now)


class _Follower:
    """Tells one listener what is new."""

    def __init__(self, asked: Asked, place: Path, attempt: Attempt) -> None:
        self._asked = asked
        self._place = place
        self._attempt = attempt
        self._run = run_at(place, attempt)
        self._offsets = {name: int(size) for name, size in dict(asked.values["sizes"]).items()}
        self._has = [*map(str, asked.values.get("has") or ())]
        self._seq = int(asked.values.get("seq") or 0)
        self._state: dict[str, Any] = {}
        self._left_out: tuple[str, ...] = ()

    def run(self) -> None:
        """Tell until the end is told, and meanwhile again and again that the link holds."""
        is_over = threading.Event()
        threading.Thread(target=self._beat, args=(is_over,), daemon=True).start()
        try:
            self._run_to_end()
        finally:
            is_over.set()

    def _beat(self, is_over: threading.Event) -> None:
        with contextlib.suppress(OSError):  # nobody hears it: the next that is told fails as well
            while not is_over.wait(BEAT_SECONDS):
                self._tell(beat=True)

    def _run_to_end(self) -> None:
        while True:
            # In this order: what is written before the end is seen is told before it.
            ended = find_end(self._place, self._attempt)
            self._tell_logs()
            self._tell_state()
            if ended is not None:
                if ended["session"] is not None:
                    self._tell_published()
                self._tell(ended={**ended, "left_out": self._left_out})
                return
            if last_seq(self._run) > self._seq:
                self._tell_published()
            time.sleep(POLL_SECONDS)

    def _tell(self, data: bytes = b"", **said: Any) -> None:
        self._asked.answer(data, clock=time.time(), **said)

    def _tell_logs(self) -> None:
        for name in MIRRORED:
            while data := self._next_of(name):
                self._tell(data, log=name, offset=self._offsets[name] - len(data))

    def _next_of(self, name: str) -> bytes:
        offset = self._offsets.get(name, 0)
        room = min(MOST_AT_ONCE_BYTES, LARGEST_LOG_BYTES - offset)
        if room <= 0:
            return b""
        try:
            with open(self._run.dir / name, "rb") as file:
                file.seek(offset)
                data = file.read(room)
        except FileNotFoundError:
            return b""
        self._offsets[name] = offset + len(data)
        return data

    def _tell_state(self) -> None:
        state = self._run.find_state()
        values = dump_record(state) if state else {}
        if values and values != self._state:
            self._state = values
            self._tell(state=values, screen=executor_of(self._run).screen())

    def _tell_published(self) -> None:
        published = publish(self._place, self._attempt)
        data = pack_published(self._place, self._attempt, published, self._has)
        self._has = [*self._has, *published.commits.values()]
        self._seq = published.seq
        self._left_out = published.left_out
        self._tell(data, commits=published.commits, seq=published.seq)
