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
from mosaic.git.checkpoint_store import HIDDEN_REFS, keep_tree
from mosaic.git.claims import find_claim, push_claimed, take_claim
from mosaic.git.git import common_dir, head_commit, run_git
from mosaic.git.objects import STORE, bring_back
from mosaic.git.packs import make_pack
from mosaic.git.snapshot import take_tree
from mosaic.machine.disk import create_private_dir, find_text
from mosaic.machine.identity import boot_id, host_name
from mosaic.machine.lock import hold_folder, is_folder_held
from mosaic.records import NamedTuple
from mosaic.remote.record import MIRRORED, commit_record
from mosaic.runs.checkpoint import last_seq
from mosaic.sessions.choice import Given, HandOffRequest
from mosaic.sessions.dead_sessions import recover_if_needed
from mosaic.sessions.liveness import find_locks
from mosaic.sessions.session import hand_off
from mosaic.sessions.stop import stop_session
from mosaic.store.reading import read_mission
from mosaic.there.receive import (
    RUN_REFS,
    TURN_SECONDS,
    Attempt,
    claim_of,
    get_attempt,
    home_of,
    layout_at,
    place_of,
    repo_of,
    run_at,
    write_attempt,
)
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.runs.record import Run
    from mosaic.store.layout import Layout
    from mosaic.there import Asked

POLL_SECONDS = 0.25
STOP_SECONDS = 60.0
BEAT_SECONDS = 3.0
"""How often the other side hears that the link holds, where nothing else is new."""
MOST_AT_ONCE_BYTES = 4 << 20
LARGEST_LOG_BYTES = 64 << 20
"""What a log has beyond that stays here, but for the end that the record has."""
END_REF = "end"
"""The name of the work tree as it was left, among the checkpoints of a run."""


def go(asked: Asked) -> None:
    """Begin the work, once: asked again it is only said how that went."""
    place = place_of(asked)
    with hold_folder(place, wait_seconds=TURN_SECONDS):
        attempt = get_attempt(asked)
        _claim(asked, place, attempt)
        if not attempt.went:
            write_attempt(place, attempt, went=True)
            try:
                _hand_off(asked, place, attempt)
            except (MissionError, OSError):
                if not is_folder_held(run_at(place, attempt).dir):
                    write_attempt(place, attempt)
                    raise
                # Its supervisor is at work: what failed came after, and is seen at its end.
    state = run_at(place, attempt).find_state()
    agent = dump_record(state.agent) if state and state.agent else None
    asked.answer(agent=agent, host=host_name(), boot=boot_id())


def _claim(asked: Asked, place: Path, attempt: Attempt) -> None:
    """Take the task, over attempts that who asks knows to be over, or over any."""
    home, repo = home_of(place), str(repo_of(place))
    found = find_claim(home, repo, attempt.task_id)
    is_over = found is not None and found.token in (asked.values.get("over") or ())
    over = found if is_over or asked.values.get("force") else None
    by = str(asked.values.get("by"))
    take_claim(home, repo, attempt.task_id, token=attempt.token, by=by, over=over)


def _hand_off(asked: Asked, place: Path, attempt: Attempt) -> None:
    values = asked.values
    os.environ.update({str(k): str(v) for k, v in dict(values.get("env") or {}).items()})
    request = HandOffRequest(
        task_id=attempt.task_id,
        runtime=values.get("runtime"),
        model=values.get("model"),
        timeout_seconds=values.get("timeout_seconds"),
        force=True,
        resuming=bool(values.get("resuming")),
        fresh=bool(values.get("fresh")),
        worktree=True,
        calls_person=False,
        given=Given(session_id=attempt.session_id, run_id=attempt.run_id, branch=attempt.branch),
    )
    mission_file = layout_at(place, attempt).mission_file
    hand_off(mission_file, request, get_executor("process", mission_file))


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
    """Stop the work when that is asked, and end this process when nobody asks any more."""
    while line := asked.lines.readline():
        with contextlib.suppress(ValueError, MissionError, OSError):
            said = json.loads(line)
            layout, now = layout_at(place, attempt), bool(said.get("now"))
            if not executor_of(run_at(place, attempt)).stop(now=now):
                # Its supervisor was killed, and the agent may be left.
                stop_session(layout.mission_file, attempt.session_id, now=now)
    os._exit(0)  # the main thread may wait in a write that nobody reads


class _Follower:
    """Tells one listener what is new."""

    def __init__(self, asked: Asked, place: Path, attempt: Attempt) -> None:
        self._asked = asked
        self._place = place
        self._attempt = attempt
        self._layout = layout_at(place, attempt)
        self._run = run_at(place, attempt)
        self._offsets = {name: int(size) for name, size in dict(asked.values["sizes"]).items()}
        self._has = [*map(str, asked.values.get("has") or ())]
        self._seq = int(asked.values.get("seq") or 0)
        self._state: dict[str, Any] = {}
        self._told_at = 0.0
        self._left_out: tuple[str, ...] = ()

    def run(self) -> None:
        """Tell until the end is told."""
        while True:
            # In this order: what is written before the end is seen is told before it.
            ended = self._find_end()
            self._tell_logs()
            self._tell_state()
            if ended is not None:
                if ended["session"] is not None:
                    self._tell_published()
                self._tell(ended={**ended, "left_out": self._left_out})
                return
            if last_seq(self._run) > self._seq:
                self._tell_published()
            if time.monotonic() > self._told_at + BEAT_SECONDS:
                self._tell(beat=True)
            time.sleep(POLL_SECONDS)

    def _tell(self, data: bytes = b"", **said: Any) -> None:
        self._asked.answer(data, clock=time.time(), **said)
        self._told_at = time.monotonic()

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
            self._tell(state=values)

    def _find_end(self) -> dict[str, Any] | None:
        """Return how the session ended, recorded now where its supervisor was killed."""
        if is_folder_held(self._run.dir):
            return None
        snapshot = read_mission(self._layout.mission_file)
        if recover_if_needed(snapshot):
            snapshot = read_mission(self._layout.mission_file)
        session = snapshot.document.mission.sessions.find(self._attempt.session_id)
        if session is None and not (find_locks(self._layout) or is_folder_held(self._place)):
            return {"session": None}  # who began it was killed before it was on record
        if session is None or session.ended_at is None:
            return None
        entry = snapshot.find(self._attempt.task_id)
        path = self._layout.project / entry.task.file if entry and entry.task.file else None
        text = find_text(path) if path else None
        return {
            "session": dump_record(session),
            "status": entry.task.status.value if entry else None,
            "why": entry.task.why if entry else None,
            "text": text.text if text else None,
        }

    def _tell_published(self) -> None:
        published = publish(self._place, self._attempt, self._layout, self._run, self._has)
        self._has = [*self._has, *published.commits.values()]
        self._seq = published.seq
        self._left_out = published.left_out
        self._tell(published.data, commits=published.commits, seq=published.seq)


class Published(NamedTuple):
    """What a run left so far, as refs of the repository on this machine, and as a pack."""

    commits: dict[str, str]
    """By name: `branch`, `record`, and the checkpoints by their numbers."""
    data: bytes
    """The pack."""
    seq: int
    left_out: tuple[str, ...] = ()
    """Files of the work that no commit has: only their owner may read them."""


def publish(place: Path, attempt: Attempt, layout: Layout, run: Run, has: list[str]) -> Published:
    """Push the branch, the record and the checkpoints of a run as refs, under its claim.

    The pack leaves out what `has` has. HeldError where the claim is lost: nothing is pushed.
    """
    folder = create_private_dir(place / "sent")
    with hold_folder(folder, wait_seconds=TURN_SECONDS):  # a listener that was cut off may linger
        home, repo, seq = home_of(place), repo_of(place), last_seq(run)
        commits, left_out = _commits_of(place, attempt, layout, run)
        refs = [f"+{oid}:{RUN_REFS}/{run.id}/{name}" for name, oid in commits.items()]
        push_claimed(home, str(repo), claim_of(place, attempt), refs)
        pack = make_pack(home, commits.values(), [attempt.head, attempt.work, *has], folder)
        data = pack.read_bytes()
        for path in folder.glob(f"{pack.stem}.*"):
            path.unlink()
    return Published(commits, data, seq, left_out)


def _commits_of(
    place: Path, attempt: Attempt, layout: Layout, run: Run
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return by name what a run has made, as commits of its copy; and what no commit can have."""
    home = home_of(place)
    left_out: tuple[str, ...] = ()
    workspace = find_workspace(layout, attempt.task_id)
    commits: dict[str, str] = {}
    if workspace is not None and workspace.is_there:
        commits["branch"] = head_commit(workspace.path) or attempt.work
        if not is_folder_held(run.dir):
            top, words = workspace.path, f"Work tree of run {run.id}"
            taken = take_tree(top, scratch=place, largest_bytes=None, keep_private=False)
            commits[END_REF] = keep_tree(home, taken, ref=f"{run.id}/{END_REF}", message=words)
            left_out = tuple(each.path for each in taken.left_out)
    shared = common_dir(home)
    if shared is not None and (shared / STORE).is_dir():
        bring_back(shared)
        prefix = f"{HIDDEN_REFS}/{run.id}/"
        command = [f"--git-dir={shared / STORE}", "for-each-ref"]
        command += ["--format=%(objectname) %(refname)", prefix]
        for line in run_git(command, home).text.splitlines():
            commit, _, name = line.partition(" ")
            commits[name.removeprefix(prefix)] = commit
    commits["record"] = commit_record(home, run)
    return commits, left_out
