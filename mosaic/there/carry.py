"""The program that carries one attempt by a hub alone: no other machine has to reach this one.

    python -P -c 'from mosaic.there.carry import main; main()' FOLDER PATH…

It reads one line of JSON: {hub, parcel, mission, project, task, run, token, env}. It begins once
only: first it moves the claim to a commit that names it, by compare and swap. Whoever starts a
second one, such as an engine that runs its tasks again, starts nothing by that. Then it pushes what
is new under the claim, which is also how others see that it lives, and passes on a wish to stop. A
hub that is away is tried again and again, while the agent goes on. Killed at any time, it can be
started again where the attempt is kept (`adopt`).
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from mosaic.codec import dump_json
from mosaic.errors import GitError, HeldError, MissionError
from mosaic.executors.background import PACKAGE_PARENT
from mosaic.git.claims import Claim, find_claim, push_claimed
from mosaic.git.remote_refs import fetch_refs, list_refs
from mosaic.machine.disk import create_private_dir, find_bytes, write_private
from mosaic.machine.environment import outer_environment
from mosaic.machine.identity import host_name
from mosaic.machine.lock import hold_folder, is_folder_held
from mosaic.machine.removing import remove_folder
from mosaic.remote.hub import (
    ENDED,
    ENDED_NAME,
    NOW,
    ORDER_NAME,
    STOP,
    read_values,
    run_ref,
    unpack,
    write_values,
)
from mosaic.remote.record import commit_record
from mosaic.runs.checkpoint import last_seq
from mosaic.there import LARGEST_QUESTION, set_up
from mosaic.there.about import list_attempts
from mosaic.there.log_parts import LogParts
from mosaic.there.outcome import commits_of, find_end, push_commits
from mosaic.there.receive import (
    TURN_SECONDS,
    Attempt,
    claim_of,
    ensure_repo,
    find_attempt,
    home_of,
    place_below,
    remove_attempt,
    repo_of,
    run_at,
    take_in,
    write_attempt,
)
from mosaic.there.work import begin, end_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from mosaic.there.carry import main; main()"
)
PUSH_EVERY_SECONDS = 3.0
"""How often what is new is pushed, at most."""
BEAT_SECONDS = 15.0
"""How often the claim is renewed, at least."""
PAUSES_SECONDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""How long to wait before a hub is asked again that did not answer; the last for ever."""
LOOK_EVERY_SECONDS = 1.0
NAME_FILE = "carrier.json"
"""By what name this machine carries the attempt, or means to; written before it says so."""
LOG_FILE = "carry.log"
CARRIER = "carrier"
"""The folder that the process holds which carries an attempt."""
_T = TypeVar("_T")


def main() -> None:
    """Carry the attempt that a line of stdin names, as far as nobody else does."""
    folder = set_up(sys.argv[1], sys.argv[2:])
    values: dict[str, Any] = json.loads(sys.stdin.buffer.readline(LARGEST_QUESTION))
    place = create_private_dir(place_below(folder, values))
    try:
        lock = hold_folder(_lock_folder(place))
    except HeldError:
        return  # another process on this machine carries it
    with lock:
        Carrier(folder, place, values).run()


def start_carrier(
    folder: Path, values: Mapping[str, Any], paths: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start a carrier that outlives this process; what it has to say is in its `carry.log`.

    `paths` come first on the PATH of what it starts.
    """
    place = create_private_dir(place_below(folder, values))
    command = [sys.executable, "-P", "-c", START, PACKAGE_PARENT, str(folder), *paths]
    with open(place / LOG_FILE, "ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=outer_environment(),
        )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(json.dumps(dict(values)).encode() + b"\n")
    return process


def adopt(folder: Path, values: Mapping[str, Any], paths: Sequence[str] = ()) -> bool:
    """Have an attempt that this machine keeps carried on; tell whether it keeps it at all."""
    place = place_below(folder, values)
    if _find_name(place, str(values["token"])) is None:
        return False
    attempt = find_attempt(place)
    is_over = attempt is not None and attempt.is_over
    if not (is_over or is_folder_held(_lock_folder(place))):
        start_carrier(folder, values, paths)
    return True


def is_carried(folder: Path, values: Mapping[str, Any]) -> bool:
    """Tell whether a process on this machine carries an attempt now."""
    return is_folder_held(place_below(folder, values) / CARRIER)


def _lock_folder(place: Path) -> Path:
    return create_private_dir(place / CARRIER)


def _find_name(place: Path, token: str) -> str | None:
    data = find_bytes(place / NAME_FILE)
    known: dict[str, Any] = json.loads(data) if data else {}
    return str(known["name"]) if known.get("token") == token else None


def _say(words: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(words.split())}", flush=True)


class Carrier:
    """Carries one attempt, or finds that others do. `run` once."""

    def __init__(self, folder: Path, place: Path, values: Mapping[str, Any]) -> None:
        self._folder = folder
        self._place = place
        self._values = values
        self._hub = str(values["hub"])
        self._run_id = str(values["run"])
        self._token = str(values["token"])
        self._repo = repo_of(place)
        self._seen: object = None
        """By what the record was that was pushed last: nothing is new as long as that stays."""
        self._seq = 0
        self._record: str | None = None
        self._pushed_at = 0.0
        self._passed: set[str] = set()
        self._left_out: tuple[str, ...] = ()

    def run(self) -> None:
        """Carry it to its end."""
        claim = self._patiently(self._take)
        if claim is None:
            _say("it is carried elsewhere, or not to be carried any more")
            remove_folder(self._place.parent, self._place)
            return
        self._claim = claim
        self._sweep()
        try:
            attempt = self._begin()
        except (MissionError, OSError, ValueError, KeyError) as error:
            self._end_unbegun(getattr(error, "summary", None) or f"{type(error).__name__}: {error}")
            return
        self._parts = LogParts(home_of(self._place), run_at(self._place, attempt))
        try:
            self._claim = self._patiently(lambda: claim_of(self._place, attempt))
            self._stay(attempt)
        except HeldError as error:
            _say(f"its claim is lost, and the agent is stopped: {error.summary}")
            with contextlib.suppress(MissionError):
                end_work(self._place, attempt, now=False)
            write_attempt(self._place, attempt, is_over=True)

    def _patiently(self, ask: Callable[[], _T]) -> _T:
        """Ask the hub until it answers."""
        for pause in self._pauses():
            try:
                return ask()
            except HeldError:
                raise
            except GitError as error:
                _say(f"the hub does not answer: {error.summary}")
                time.sleep(pause)
        raise AssertionError("not reached")

    def _pauses(self) -> Iterator[float]:
        yield from PAUSES_SECONDS
        while True:
            yield PAUSES_SECONDS[-1]

    def _take(self) -> Claim | None:
        """Say in the claim that it is carried here; None where that is not so."""
        create_private_dir(self._repo.parent)
        with hold_folder(self._repo.parent, wait_seconds=TURN_SECONDS):
            ensure_repo(self._repo)
        task, project = str(self._values["task"]), str(self._values["project"])
        claim = find_claim(self._repo, self._hub, task, project)
        if claim is None or claim.token != self._token:
            return None
        name = _find_name(self._place, self._token)
        if claim.carrier:
            return claim if claim.carrier == name else None
        if name is None:
            name = f"{host_name()} {secrets.token_hex(8)}"
            known = dump_json({"token": self._token, "name": name})
            write_private(self._place / NAME_FILE, known, root=self._place)
        try:
            return push_claimed(self._repo, self._hub, claim, (), carrier=name)
        except HeldError:
            return None

    def _begin(self) -> Attempt:
        """Take the attempt in and have the work begin, as far as that was not done before."""
        with hold_folder(self._place, wait_seconds=TURN_SECONDS), self._beating():
            attempt = find_attempt(self._place)
            if attempt is None or not attempt.went:
                self._patiently(self._fetch)
                attempt = self._take_in(attempt)
                order = read_values(self._repo, str(self._values["parcel"]), ORDER_NAME)
                attempt = write_attempt(self._place, attempt, went=True)
                self._hand_off({**order, "env": self._values.get("env")}, attempt)
        return attempt

    def _hand_off(self, order: Mapping[str, Any], attempt: Attempt) -> None:
        try:
            begin(order, self._place, attempt)
        except MissionError:
            # What went wrong after the agent's start is told at its end.
            if not is_folder_held(run_at(self._place, attempt).dir):
                raise

    def _fetch(self) -> None:
        mine = run_ref(self._run_id, "*")
        with hold_folder(self._repo.parent, wait_seconds=TURN_SECONDS):
            fetch_refs(self._repo, self._hub, f"+{mine}:{mine}")

    def _take_in(self, attempt: Attempt | None) -> Attempt:
        if attempt is not None and attempt.is_ready:
            return attempt
        remove_folder(self._place, self._place / "received")
        received = create_private_dir(self._place / "received")
        order = unpack(self._repo, str(self._values["parcel"]), received)
        same = {key: self._values[key] for key in ("hub", "mission", "project", "run", "token")}
        name = _find_name(self._place, self._token) or ""
        attempt = take_in({**order, **same}, self._place, received, carrier=name)
        remove_folder(self._place, received)
        return attempt

    @contextlib.contextmanager
    def _beating(self) -> Iterator[None]:
        """Renew the claim in the `with` block, which may take long."""
        is_over = threading.Event()

        def beat() -> None:
            while not is_over.wait(BEAT_SECONDS):
                with contextlib.suppress(MissionError):  # the next one may come through
                    self._claim = push_claimed(self._repo, self._hub, self._claim, ())

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _end_unbegun(self, why: str) -> None:
        _say(f"it could not begin: {why}")
        commit = write_values(self._repo, ENDED_NAME, {"session": None, "problem": why})
        refs = [f"+{commit}:{run_ref(self._run_id, ENDED)}"]
        with contextlib.suppress(HeldError):
            self._patiently(lambda: push_claimed(self._repo, self._hub, self._claim, refs))
        remove_attempt(self._place, self._run_id)

    def _stay(self, attempt: Attempt) -> None:
        """Push what is new until the end was pushed; a HeldError where the claim is lost."""
        failures = 0
        while True:
            try:
                ended = find_end(self._place, attempt)
                self._look(attempt)
                self._push(attempt, ended)
            except HeldError:
                raise
            except (MissionError, OSError) as error:
                pause = PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS) - 1)]
                failures += 1
                _say(f"nothing was pushed: {getattr(error, 'summary', error)}")
            else:
                if ended is not None:
                    self._finish(attempt, ended)
                    return
                failures, pause = 0, LOOK_EVERY_SECONDS
            time.sleep(pause)

    def _look(self, attempt: Attempt) -> None:
        """Pass on what a person wishes, and see that the claim is still ours."""
        wishes = {run_ref(self._run_id, name): name for name in (STOP, NOW)}
        found = list_refs(home_of(self._place), self._hub, *wishes, self._claim.ref)
        if found.get(self._claim.ref) != self._claim.commit:
            now = claim_of(self._place, attempt)
            if now.carrier != self._claim.carrier:
                raise HeldError(f"`{now.carrier}` carries it")
            self._claim = now
        for ref, name in wishes.items():
            if ref in found and name not in self._passed:
                self._passed.add(name)
                end_work(self._place, attempt, now=name == NOW)

    def _push(self, attempt: Attempt, ended: dict[str, Any] | None) -> None:
        """Push what is new, or the claim alone where it is time for that."""
        run, home = run_at(self._place, attempt), home_of(self._place)
        since, seq = time.monotonic() - self._pushed_at, last_seq(run)
        seen = (self._parts.sizes(), find_bytes(run.dir / "state.json"), seq)
        is_new = seen != self._seen
        if ended is None and since < (PUSH_EVERY_SECONDS if is_new else BEAT_SECONDS):
            return
        commits: dict[str, str] = {}
        is_there = ended is None or ended["session"] is not None
        if is_there and (ended is not None or seq != self._seq):
            commits, self._left_out = commits_of(self._place, attempt)
        if is_there and (ended is not None or is_new):
            parts = self._parts.stored()
            commits["record"] = commit_record(home, run, chunks=parts, parent=self._record)
        if ended is not None:
            values = {**ended, "left_out": self._left_out}
            commits[ENDED] = write_values(home, ENDED_NAME, values)
        self._claim = push_commits(self._place, attempt, self._claim, commits)
        self._pushed_at, self._seen, self._seq = time.monotonic(), seen, seq
        self._record = commits.get("record", self._record)

    def _finish(self, attempt: Attempt, ended: dict[str, Any]) -> None:
        """Remove what is in the hub now, unless there is more here that could not be pushed."""
        write_attempt(self._place, attempt, is_over=True)
        if kept := [*self._left_out, *(cut["name"] for cut in ended.get("cut") or ())]:
            _say(f"kept here, as it could not be pushed whole: {', '.join(kept)}")
        else:
            remove_attempt(self._place, self._run_id)
        _say(f"it has ended: {ended['session'] and ended['session'].get('ended_reason')}")

    def _sweep(self) -> None:
        """Remove attempts that are over, and that nobody means to look at any more."""
        for path in list_attempts(self._folder):
            with contextlib.suppress(MissionError):
                attempt = find_attempt(path.parent)
                if attempt is None or not (attempt.hub and attempt.is_over):
                    continue
                if not list_refs(self._repo, attempt.hub, run_ref(attempt.run_id, "*")):
                    remove_attempt(path.parent, attempt.run_id)
