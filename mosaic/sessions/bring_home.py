"""The end of a session that was carried on another machine, recorded here as that of any other.

How it ended was judged there, by the same code, from the same evidence: it is taken over. Its work
comes into the worktree here, its handoff and its task's status into the mission; then the lock
goes. Each step can be taken again after a crash; what has lost its lock is not brought home.
"""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.codec import dump_record, load_record
from mosaic.errors import GitError, MissionError
from mosaic.git.git import answer_of, find_work_tree, head_commit, run_git
from mosaic.git.snapshot import take_tree
from mosaic.machine.clock import utc_now
from mosaic.machine.log_pipes import Gap, find_gaps
from mosaic.machine.log_writer import LOST_NAME, append
from mosaic.model import EndReason, Session, Status
from mosaic.plan.sizes import format_size
from mosaic.prompts.bounded import one_line
from mosaic.records import replace
from mosaic.remote.plan import changed_plan
from mosaic.remote.raw import RAW_REF, lay_raw
from mosaic.remote.sent import ATTACH, Sent, place_there, write_sent
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.record import RunState
from mosaic.sessions.alarm import Alarm, need_of
from mosaic.sessions.collect import collect_in
from mosaic.sessions.liveness import find_locks
from mosaic.sessions.record_end import LONGEST_DETAIL, note_session
from mosaic.sessions.recovery import as_recorded, end_session
from mosaic.sessions.session_lock import remove_lock
from mosaic.sessions.united import note_united, words_of
from mosaic.store.draft import changing
from mosaic.store.mission_file import load_mission
from mosaic.store.unite import unite
from mosaic.text.merge3 import OURS
from mosaic.workspaces.record import workspace_at

if TYPE_CHECKING:
    from datetime import datetime

    from mosaic.runs.record import Run, RunMeta
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.draft import Draft
    from mosaic.workspaces.record import Workspace

LOCK_SECONDS = 120.0
SHOWN_LOGS = ("stdout.log", "stderr.log", "transcript.jsonl")
"""Those of which `logs` says what is missing."""
INDEX_SECONDS = 60.0
"""How long a lock on an index is waited for."""


def bring_home(run: Run, sent: Sent) -> None:
    """Record the end of a run that `sent` has; does nothing where it was brought home, or lost."""
    meta = run.meta()
    mission_file = Path(meta.mission_file)
    document = load_mission(mission_file)
    found = _find_lock(run, meta, document.layout)
    if found is None:
        write_sent(run, sent, is_home=True)
        return
    if not sent.end.get("session"):
        _end_unbegun(run, sent, mission_file, found)
        return
    workspace = workspace_at(meta.cwd, document.layout)
    if workspace is not None and workspace.is_there:
        _bring_work(run, meta, sent, workspace)
    if left_out := sent.end.get("left_out"):
        shown = "; ".join(map(str, left_out)) if isinstance(left_out, list | tuple) else left_out
        words = f"left on `{sent.host}`, as no commit has them: {shown}"
        words += f"; `mission hosts clean {sent.host}` removes them there"
        EventLog(run).append(EventType.WORKTREE_SETTLED, words, level="warn")
    _note_cuts(run, sent)
    doing = f"recording the end of {meta.session_id} on {sent.host}"
    with changing(mission_file, doing=doing, timeout_seconds=LOCK_SECONDS, fenced=False) as draft:
        if _find_lock(run, meta, draft.layout) is None:
            return  # a person gave it up just now
        session = _session_of(run, sent)
        _record(draft, run, meta, sent, session)
        collect_in(draft, run, meta)
    state = _state_of(run, sent)
    run.write_state(state)
    write_sent(run, sent, is_home=True)
    remove_lock(found.path, run.id)
    if sent.calls_person:
        _call(meta, session, mission_file)


def state_from(run: Run, sent: Sent, values: dict[str, Any], ahead_seconds: float) -> RunState:
    """Return where a run stands as its machine says it, with that machine's name.

    Its times are turned into those of the clock here, which that of there is ahead of.
    """
    state = load_record(RunState, values, run.dir / "state.json")
    agent = replace(state.agent, host=sent.host) if state.agent else None
    place = place_there(sent.executor, sent.host, state.place.get(ATTACH))
    begun = run.meta().created_at
    return replace(
        state,
        agent=agent,
        supervisor_pid=None,
        place=place,
        started_at=_as_here(state.started_at, ahead_seconds, begun),
        updated_at=_as_here(state.updated_at, ahead_seconds, begun),
        finished_at=_as_here(state.finished_at, ahead_seconds, begun),
    )


def _as_here(moment: Any, ahead_seconds: float, earliest: datetime) -> Any:
    """Return a moment of another clock as that of here has it, between the begin and now."""
    if moment is None:
        return None
    return max(earliest, min(utc_now(), moment - timedelta(seconds=ahead_seconds)))


def _find_lock(run: Run, meta: RunMeta, layout: Any) -> FoundLock | None:
    """Return the session's lock as long as it is this run's."""
    locks = (each for each in find_locks(layout) if each.lock.session_id == meta.session_id)
    return next((each for each in locks if each.lock.run_id == run.id), None)


def _end_unbegun(run: Run, sent: Sent, mission_file: Path, found: FoundLock) -> None:
    """Record the end of a session that never began on its machine, and never will."""
    why, unseen = sent.end.get("problem"), EndReason.CRASHED
    words = f"it never began on `{sent.host}`" + (f": {why}" if why else "")
    if sent.end.get("stopped"):
        unseen, words = EndReason.STOPPED, f"it was stopped before it began on `{sent.host}`"
    EventLog(run).append(EventType.WORKER_EXITED, words)
    with changing(
        mission_file, doing=f"recording that {found.lock.session_id} never began", fenced=False
    ) as draft:
        write_sent(run, sent, is_home=True)
        end_session(draft, found, unseen=unseen, holds_run=True)


def _bring_work(run: Run, meta: RunMeta, sent: Sent, workspace: Workspace) -> None:
    """Bring what was changed into the worktree, as it was left: commits, and what is not."""
    tip = sent.commits.get("branch")
    if tip is None or sent.work is None:
        return
    top = workspace.path
    begin, end = sent.tree or sent.work, sent.commits.get("end", tip)
    try:
        if not sent.is_laying:
            _refuse_changed(top, sent, tip)
            # From here on it is half ours, and a look after a crash would say that it was changed.
            write_sent(run, sent, is_laying=True)
        run_git(["read-tree", begin], top)
        run_git(["update-ref", "-m", f"{run.id} on {sent.host}", "HEAD", tip], top)
        run_git(["read-tree", "--reset", "-u", end], top, timeout_seconds=300)
        run_git(["reset", "--quiet"], top)
        if raw := sent.commits.get(RAW_REF):
            lay_raw(top, raw)
    except GitError as error:
        if _is_index_taken(top):
            raise  # by git of a listener that was killed, perhaps: it is tried again
        name = f"{meta.branch or 'mission'}-{run.id}"
        run_git(["branch", "--force", name, end], top)
        words = f"its work is on branch `{name}` alone: {error.message}"
        data = {"branch": name}
        EventLog(run).append(EventType.WORKTREE_SETTLED, words, level="warn", data=data)


def _is_index_taken(top: Path) -> bool:
    """Tell whether somebody writes the index of a worktree; not for ever, if it was killed."""
    lock = Path(top, answer_of(["rev-parse", "--git-path", "index.lock"], top) or "index.lock")
    try:
        return time.time() - lock.stat().st_mtime < INDEX_SECONDS
    except OSError:
        return False


def _note_cuts(run: Run, sent: Sent) -> None:
    """Note what of the record stayed there; of the output also where `logs` looks for gaps."""
    cuts: Any = sent.end.get("cut") or ()
    gaps = find_gaps(run.dir)
    for cut in cuts:
        name, offset, count = str(cut["name"]), int(cut["offset"]), int(cut["bytes"])
        what = f"of `{name}` " if name else ""
        words = f"{what}{format_size(count)} from byte {offset} on stay on `{sent.host}`: "
        words += f"{cut['why']}; `mission hosts clean {sent.host}` removes them there"
        EventLog(run).append(EventType.RECORD_CUT, words, level="warn", data=dict(cut))
        stream = name.partition(".")[0]
        reason = f"they stay on `{sent.host}`, from byte {offset} on: {cut['why']}"
        gap = Gap(stream=stream, offset=offset, bytes=count, reason=reason)
        if name in SHOWN_LOGS and gap not in gaps:
            append(str(run.dir), LOST_NAME, dump_record(gap))


def _refuse_changed(top: Path, sent: Sent, tip: str) -> None:
    """Make sure that the worktree is as it was sent, or that this was begun before."""
    head = head_commit(top)
    if head == tip != sent.work:
        return
    now = take_tree(top, scratch=top.parent, keep_private=False).tree
    was = answer_of(["rev-parse", f"{sent.tree or sent.work}^{{tree}}"], top)
    if head != sent.work or now != was:
        raise GitError("the worktree here was changed meanwhile")


def _session_of(run: Run, sent: Sent) -> Session:
    values: Any = sent.end["session"]
    session = load_record(Session, dict(values), run.dir / "host.json")
    ended = _as_here(session.ended_at, _ahead_of(sent), run.meta().created_at)
    return replace(session, host=sent.host, ended_at=ended)


def _state_of(run: Run, sent: Sent) -> RunState:
    values: Any = sent.end.get("state") or {}
    return state_from(run, sent, dict(values), _ahead_of(sent))


def _ahead_of(sent: Sent) -> float:
    """Return how far the clock there was ahead when it told the end."""
    found = sent.end.get("ahead_seconds")
    return float(found) if isinstance(found, int | float) else 0.0


def _record(draft: Draft, run: Run, meta: RunMeta, sent: Sent, session: Session) -> None:
    """Draft the session's end, and what its copy of the mission has that this one has not.

    What was changed here meanwhile stays.
    """
    known = draft.snapshot.document.mission.sessions.find(session.id)
    if known is not None and known.ended_at is not None:
        return
    if known is not None:
        session = replace(session, started_at=known.started_at, milestone_id=known.milestone_id)
    status = Status(str(sent.end.get("status") or Status.IN_PROGRESS.value))
    if words := _unite(draft, run, meta, sent, status):
        detail = "; ".join(filter(None, (session.ended_detail, words)))
        session = replace(session, ended_detail=one_line(detail, LONGEST_DETAIL))
    draft.put_session(session)
    outcome = as_recorded(session, draft.snapshot.find(meta.task_id)).outcome
    note_session(draft, session, outcome, status)
    draft.save()


def _unite(draft: Draft, run: Run, meta: RunMeta, sent: Sent, status: Status) -> str:
    """Draft what the copy of the mission has there; return what a person should look at."""
    top = find_work_tree(draft.layout.project)
    if top is None or "plan" not in sent.commits:
        return ""
    try:
        others = changed_plan(draft.layout, top, sent.commits["plan"])
        united = unite(draft, others, task_id=meta.task_id, here=OURS)
        note_united(run, united, others, here=OURS)
    except MissionError as error:  # the session's end is recorded all the same
        draft.start_over()
        _set_status(draft, meta, status)
        words = f"what it changed in the mission is not taken over: {error.summary}"
        data = {"commit": sent.commits["plan"]}
        EventLog(run).append(EventType.PLAN_UNITED, words, level="warn", data=data)
        return words
    return words_of(united)


def _set_status(draft: Draft, meta: RunMeta, status: Status) -> None:
    entry = draft.snapshot.find(meta.task_id)
    if entry is not None and entry.task.status is Status.IN_PROGRESS is not status:
        with contextlib.suppress(MissionError):  # the session's end is recorded all the same
            draft.edit_task(meta.task_id, {"status": status.value}, utc_now())


def _call(meta: RunMeta, session: Session, mission_file: Path) -> None:
    """Call a person where one is needed; what comes of that does not matter to the run."""
    from mosaic.store.reading import read_mission

    with contextlib.suppress(MissionError):
        entry = read_mission(mission_file).find(meta.task_id)
        settled = as_recorded(session, entry)
        need = need_of(settled.outcome, settled.task_status)
        if need is not None:
            alarm = Alarm(load_mission(mission_file))
            alarm.call(need, settled.outcome.summary, session_id=session.id, task_id=meta.task_id)
