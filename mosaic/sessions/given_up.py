"""Sessions on machines that cannot be reached: given up by a person, and ended there later.

What such a session still brings is not taken: its lock is gone, and another attempt's token counts.
Its agent may be at work all the same, and its work stays there until `mission hosts clean`.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, HeldError, MissionError, UnreachableError
from mosaic.executors import executor_of
from mosaic.machine.identity import find_holder
from mosaic.machine.lock import hold_folder
from mosaic.machine.process import send_signal
from mosaic.model import EndReason
from mosaic.plan.session_ids import sessions_called
from mosaic.remote.hosts import get_host
from mosaic.remote.link import call
from mosaic.remote.sent import Sent, find_sent, list_sent, write_sent
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.folders import run_of
from mosaic.sessions.liveness import Life, is_run_held
from mosaic.sessions.recovery import end_session
from mosaic.sessions.stop import find_live, wait_until
from mosaic.sessions.supervisor import TERMINATE_GRACE_SECONDS
from mosaic.store.draft import changing
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import Session
    from mosaic.runs.record import Run

LISTENER_SECONDS = 10.0


def forget_session(mission_file: Path, session_id: str) -> Session:
    """Give a session up whose machine cannot be reached, and return it with its end.

    Raises:
        HeldError: its machine answers, or it is on this one.
    """
    snapshot = read_mission(mission_file)
    found = find_live(snapshot, session_id)
    lock, host = found.lock, found.judgement.host
    if not host or found.judgement.life is not Life.UNKNOWN:
        where = f"`{host}` answers" if host else "it is a session of this machine"
        raise HeldError(
            f"session `{lock.session_id}` is not given up: {where}",
            hint=f"`mission stop {lock.session_id}` ends it",
        )
    run = run_of(snapshot.layout.runs_dir, lock.task_id, lock.run_id)
    _note_forgotten(run)  # nobody begins to listen any more
    if listener := find_holder(os.path.realpath(run.dir)):
        send_signal(listener, signal.SIGTERM)
    wait_until(lambda: not is_run_held(run.dir), TERMINATE_GRACE_SECONDS)
    with hold_folder(run.dir, wait_seconds=LISTENER_SECONDS):
        _note_forgotten(run)  # who listened may just have written what it knew before
    with contextlib.suppress(MissionError):  # the next attempt takes the claim over, too
        executor_of(run).give_up()
    words = f"a person gave it up; {found.judgement.because}"
    data = {"reason": EndReason.CRASHED.value, "cause": "cut", "words": words}
    with contextlib.suppress(MissionError, OSError):
        EventLog(run).append(EventType.WORKER_EXITED, words, data=data)
    with changing(mission_file, doing=f"giving up {lock.session_id}") as draft:
        return end_session(draft, found).session


def _note_forgotten(run: Run) -> None:
    sent = find_sent(run)
    if sent is not None and not sent.is_forgotten:
        write_sent(run, sent, is_forgotten=True)


def stop_given_up(mission_file: Path, name: str) -> Session | None:
    """End the agent of a session that was given up, and return the session; None: none was.

    Its end stays as it is on record, and its work stays on its machine.

    Raises:
        FailedError: its machine or its hub does not answer still, or the agent would not end.
    """
    snapshot = read_mission(mission_file)
    sessions = snapshot.document.mission.sessions
    kept = list_sent(snapshot.layout.runs_dir, settled=False)
    left = {run.dir.name: (run, sent) for run, sent in kept}
    given_up = {key: each for key, each in left.items() if _is_given_up(each[1])}
    listed = [each for each in sessions if each.run_id in given_up]
    task_id = snapshot.meant(name)
    ids = sessions_called(name, [each.id for each in listed])
    meant = [each for each in listed if each.id in ids or name == each.run_id]
    meant = meant or [each for each in listed if each.last_task_id == task_id]
    if not meant:
        return None
    session = meant[-1]
    run, sent = given_up[str(session.run_id)]
    if sent.hub:
        executor_of(run).give_up()  # its carrier ends the agent as soon as it sees that
        return session
    if sent.hub:
        raise FailedError(
            f"session `{session.id}` was given up, and `{sent.host}` is reached by a remote alone",
            detail="who carries it there ends its agent when it sees that the claim is gone",
            hint="`mission hosts clean` has its copy there removed",
        )
    where = {"mission": sent.mission, "run": run.id, "token": sent.token}
    try:
        host = get_host(snapshot.document.mission, sent.host)
        is_over = call(host, "stop", where).values.get("over")
    except UnreachableError as error:
        raise FailedError(
            f"session `{session.id}` was given up, and `{sent.host}` does not answer",
            detail=f"its agent may still be at work there; {error.detail}",
            hint=f"`mission stop {session.id}` ends it when `{sent.host}` answers again",
        ) from None
    if not is_over:
        raise FailedError(
            f"the agent of `{session.id}`, which was given up, would not end on `{sent.host}`",
            hint=f"end it by hand on `{sent.host}`",
        )
    return session


def _is_given_up(sent: Sent) -> bool:
    return sent.went and sent.is_forgotten and not sent.is_removed
