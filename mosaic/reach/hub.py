"""Listening to a hub for one run: whether somebody carries it, what is new of it, how it ended.

What was pushed together is seen together, as it was pushed in one transaction. That the claim is
renewed is how a carrier is known to live; only changes that are seen here count, and no clock of
another machine.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.codec import parse_json
from mosaic.errors import FailedError, GitError, MissionError, UnreachableError
from mosaic.git.checkpoint_store import SHA256_DIGITS, keep_packed
from mosaic.git.file_trees import list_files, read_files
from mosaic.git.git import common_dir, run_git
from mosaic.git.objects import borrow_objects
from mosaic.git.packs import known_commits, make_pack
from mosaic.git.remote_refs import fetch_commits
from mosaic.reach.listener import Listener
from mosaic.remote.hub import ENDED, ENDED_NAME, NOW, SENT, read_values
from mosaic.remote.record import CHUNK_BYTES, CHUNKS, MIRRORED, read_record
from mosaic.remote.sent import find_stop, hub_run, is_away, write_sent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mosaic.git.claims import Claim
    from mosaic.remote.hub import HubRun
    from mosaic.runs.record import Run

LOOK_SECONDS = (1.0, 1.0, 1.0, 1.5, 2.0, 3.0, 5.0)
"""How long to wait before the next look, by how many there were without news; the last for ever."""
WISH_SECONDS = 0.3
MISSED_SECONDS = 60.0
"""How long a claim may stay as it is before its carrier counts as not reached."""


class HubListener(Listener):
    """Looks at a hub again and again."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._claim: Claim | None = None
        self._renewed_at = time.monotonic()
        self._has: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        self._wished = ""
        self._scratch = tempfile.TemporaryDirectory(prefix="mosaic-hub-")

    def run(self) -> None:
        """Stay until the end is recorded here, or the run is given up; leave nothing behind."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        with self._scratch:
            super().run()

    def _listen(self) -> bool:
        found = hub_run(self._run)
        if found is None:
            raise FailedError("the project is no git work tree any more")
        self._top, quiet = found[0].top, 0
        there = found[0].seen_in(self._ensure_scratch(self._top))
        while is_away(self._run) and not self._sent.end:
            quiet = 0 if self._look(there) else quiet + 1
            if not self._sent.end:
                self._wait(LOOK_SECONDS[min(quiet, len(LOOK_SECONDS) - 1)])
        return True

    def _wait(self, seconds: float) -> None:
        """Wait, but not while a person wishes it to be stopped."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and find_stop(self._run) == self._wished:
            time.sleep(WISH_SECONDS)

    def _ensure_scratch(self, top: Path) -> Path:
        """Return the repository for what is fetched: most of it is soon out of date.

        In the user's it would be thousands of objects that no ref names; and a git that fails
        below the user's work tree would be taken for one that refuses the user's.
        """
        place, shared = Path(self._scratch.name), common_dir(top)
        if shared is None:
            raise FailedError(f"`{top}` is not in a git work tree any more")
        if not (place / "HEAD").exists():
            is_long = len(self._sent.work or "") == SHA256_DIGITS
            kind = ["--object-format=sha256"] if is_long else []
            run_git(["init", "--quiet", "--bare", "--template=", *kind, "."], place)
        borrow_objects(shared, place)
        return place

    def _look(self, there: HubRun) -> bool:
        """Take in what is new, and tell whether anything was."""
        was = self._claim
        with self._asking():
            refs, claim = there.look(was)
        found = {name: oid for name, oid in refs.items() if name not in SENT}
        is_new = found != self._has
        if is_new:
            new = {name: oid for name, oid in found.items() if self._has.get(name) != oid}
            self._take(there, new)
            self._has = found
        if self._sent.end:
            return True
        self._look_at(claim)
        with self._asking():
            self._pass_wish(there)
        return is_new or was != self._claim

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Ask the hub in the `with` block: where git fails, it does not answer."""
        try:
            yield
        except GitError as error:
            raise UnreachableError(self._sent.host, error.detail or error.message) from None

    def _look_at(self, claim: Claim | None) -> None:
        """See who carries it, and that they live; an UnreachableError where that is not so."""
        if claim is None or claim.token != self._sent.token:
            by = f"now: {claim.by}" if claim else "nobody has it"
            raise UnreachableError(self._sent.host, f"its claim in the hub is lost; {by}")
        if is_renewed := claim != self._claim:
            self._claim, self._renewed_at = claim, time.monotonic()
            machine = claim.carrier.partition(" ")[0]
            if machine != self._sent.carrier:
                write_sent(self._run, self._sent, carrier=machine)
        elif claim.carrier and time.monotonic() > self._renewed_at + MISSED_SECONDS:
            words = f"`{self._sent.carrier}` has not renewed its claim in the hub"
            raise UnreachableError(self._sent.host, words)
        if (is_renewed and claim.carrier) or self._link.unreachable_since:
            self._note_link(None)

    def _pass_wish(self, there: HubRun) -> None:
        wish = find_stop(self._run)
        if not wish or wish == self._wished:
            return
        sent = self._sent
        if there.withdraw(sent.token):
            write_sent(self._run, sent, end={"session": None, "stopped": True})
        else:
            there.wish_stop(now=wish == NOW, commit=sent.work or "")
        self._wished = wish

    def _take(self, there: HubRun, commits: dict[str, str]) -> None:
        """Fetch commits, and write what they tell into the record here."""
        run, sent = self._run, self._sent
        has = [*filter(None, [sent.work]), *known_commits(there.top, sent.commits.values())]
        with self._asking():
            fetch_commits(there.top, there.hub, commits.values(), has)
        brought = {name: oid for name, oid in commits.items() if name != ENDED}
        kept = _but_record(brought)  # one record takes the place of another
        if kept:
            known = [*filter(None, [sent.work]), *_but_record(sent.commits).values()]
            with tempfile.TemporaryDirectory(prefix="mosaic-") as folder:
                pack = make_pack(there.top, kept.values(), known, Path(folder))
                keep_packed(
                    self._top, pack, {f"{run.id}/{name}": oid for name, oid in kept.items()}
                )
        if record := brought.get("record"):
            self._take_record(there, record)
        sent = self._sent  # as it is now: fetching took a while
        changes: dict[str, Any] = {"commits": {**sent.commits, **brought}}
        if ended := commits.get(ENDED):
            values = read_values(there.top, ended, ENDED_NAME)
            changes["end"] = {**values, "state": self._state}
        write_sent(run, sent, **changes)

    def _take_record(self, there: HubRun, record: str) -> None:
        run, files = self._run, list_files(there.top, record)
        for log in MIRRORED:
            begin = run.bytes_of(log) // CHUNK_BYTES * CHUNK_BYTES
            names = sorted(name for name in files if name.startswith(f"{CHUNKS}{log}/"))
            new = {n: files[n] for n in names if int(n.rpartition("/")[2]) >= begin}
            for name, data in read_files(there.top, new):
                self._append(run.dir / log, int(name.rpartition("/")[2]), data)
        if oid := files.get("state.json"):
            ((_, data),) = read_files(there.top, {"state.json": oid})
            self._take_state(dict(parse_json(data)))
        read_record(there.top, record, run, self._seen)

    def _say_home(self) -> None:
        if self._sent.stays_there:
            return  # `mission hosts clean` removes it
        found = hub_run(self._run)
        if found is None:
            return
        with contextlib.suppress(MissionError):
            found[0].remove(found[1].token)
            write_sent(self._run, self._sent, is_removed=True)


def _but_record(commits: Mapping[str, str]) -> dict[str, str]:
    return {name: oid for name, oid in commits.items() if name != "record"}
