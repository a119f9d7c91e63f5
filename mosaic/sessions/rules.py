"""The rules that a run is judged by, and what changed of them while it went on.

`rules.json` in a run's record holds the rules from the claim, and its digest is in `meta.json`.
An agent may write in both: its supervisor holds the rules from before the agent is started, and
puts the record right when it has ended.

    {"layout_version": 1, "settings": {…}, "write_scope": ["src/**"], "has_file": true}

Each change is an event of the run, `rules_changed`. It counts as long as what the run left still
stands there: a person who puts the rule back, or sets another one, has settled it; so has a
decision about the task. `changed-rules.json` in the state folder says the same of the settings
of mission.json as a whole:

    {"before": {…}, "after": {…}}     settings as `mosaic.plan.rules` names them
"""

from __future__ import annotations

import contextlib
import os
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from mosaic.codec import dump_json, dump_record, load_record, parse_json
from mosaic.errors import MissionError, RecordError
from mosaic.machine.disk import find_bytes, find_text, write_private
from mosaic.plan.rules import (
    DECISIONS,
    OF_TASK,
    RuleChange,
    Rules,
    changed_rules,
    changed_settings,
    rule_settings,
    stands,
)
from mosaic.records import NamedTuple, replace
from mosaic.remote.sent import is_away
from mosaic.runs.events import EventLog, EventType, noted_lists
from mosaic.runs.folders import run_of, runs_of_task
from mosaic.sessions.attempt import sessions_since
from mosaic.store.layout import OUTSIDE, OUTSIDE_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.model import JsonValue, Task
    from mosaic.runs.record import Run, RunMeta
    from mosaic.store.layout import Layout
    from mosaic.store.mission_file import MissionDocument
    from mosaic.store.tasks import Snapshot

RULES_NAME = "rules.json"
CHANGED_NAME = "changed-rules.json"


class StandingChange(NamedTuple):
    """A rule that changed while a session worked, and that nobody has settled since."""

    session_id: str
    change: RuleChange

    @property
    def words(self) -> str:
        """The change in one line, with the session."""
        return f"{self.change.words} while `{self.session_id}` worked"


def settings_of(document: MissionDocument) -> dict[str, JsonValue]:
    """Return the rules in mission.json, and where it says that the mission's files are."""
    layout = document.layout
    places = {
        "projectPath": layout.project,
        "tasksFile": layout.tasks_file,
        "tasksDir": layout.tasks_dir,
        "scratchpadFile": layout.scratchpad_file,
        "orchestratorDir": layout.state_dir,
    }
    # From mission.json on: a project that is moved as a whole is the same.
    here = layout.mission_file.parent
    relative = {key: os.path.relpath(path, here) for key, path in places.items()}
    outside: dict[str, JsonValue] = {OUTSIDE_KEY: OUTSIDE} if layout.keeps_outside else {}
    return {**rule_settings(document.mission), **relative, **outside}


def rules_of(document: MissionDocument, task: Task) -> Rules:
    """Return the rules as they stand in a mission's files."""
    return Rules(
        settings=settings_of(document),
        write_scope=task.write_scope,
        has_file=task.file is not None,
        decisions=_decisions(document, task),
    )


def _decisions(document: MissionDocument, task: Task) -> tuple[str, ...]:
    file = find_text(document.layout.project / task.file) if task.file else None
    if file is None or DECISIONS not in file.text.casefold():
        return ()
    from mosaic.text.decisions import read_decisions  # start-up: mistune

    try:
        return tuple(each.identity for each in read_decisions(file.text))
    except MissionError:
        return ()  # a file that cannot be read is reported where it matters


def scope_that_counts(snapshot: Snapshot, task: Task) -> tuple[str, ...]:
    """Return a task's write scope as it stands, or as it stood before an agent changed it."""
    for standing in reversed(standing_changes(snapshot, task)):
        before: Any = standing.change.before
        if standing.change.key == "write_scope":
            return tuple(before or ())
    return task.write_scope


def allowed_paths(
    snapshot: Snapshot, task: Task, known: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the paths outside of a task's write scope that people accepted for it.

    Of the entries in its file those of `known` count, by identity; without, all that were not
    written by hand while an agent worked.
    """
    file = find_text(snapshot.layout.project / task.file) if task.file else None
    if file is None or " allowed by " not in file.text:
        return ()
    from mosaic.text.decisions import read_decisions  # start-up: mistune

    found = [each for each in read_decisions(file.text) if each.allowed]
    by_hand = decisions_by_hand(snapshot, task.id) if known is None else set()
    return tuple(
        each.allowed
        for each in found
        if each.identity not in by_hand and (known is None or each.identity in known)
    )


def write_rules(run: Run, rules: Rules) -> str:
    """Write rules.json, and return its digest."""
    data = dump_json(dump_record(rules))
    write_private(run.dir / RULES_NAME, data, root=run.dir)
    return sha256(data).hexdigest()


def read_rules(run: Run, meta: RunMeta) -> Rules | None:
    """Return the rules that a run began with; a RecordError where they are not what they were.

    None: it is a run of an earlier Mosaic.
    """
    if meta.rules_sha256 is None:
        return None
    path = run.dir / RULES_NAME
    data = find_bytes(path)
    if data is None or sha256(data).hexdigest() != meta.rules_sha256:
        raise RecordError(
            f"the rules that run `{run.id}` began with are not known",
            path=path,
            detail="the file is gone" if data is None else "the file was changed since",
        )
    return load_record(Rules, data, path)


def rules_in_force(run: Run, rules: Rules) -> Rules:
    """Return the rules of a run, with what a person set and decided while it worked."""
    scope = _persons_scope(run)
    rules = rules if scope is None else replace(rules, write_scope=scope)
    decided = [
        str(entry) for noted in noted_lists(run, EventType.DECIDED, "entries") for entry in noted
    ]
    return replace(rules, decisions=(*rules.decisions, *decided)) if decided else rules


def find_changes(
    run: Run, rules: Rules, document: MissionDocument, task: Task | None
) -> tuple[RuleChange, ...]:
    """Return how the rules of a run differ from what stands in the mission's files now."""
    begun = rules_in_force(run, rules)
    now = rules_of(document, task) if task else replace(begun, settings=settings_of(document))
    return changed_rules(begun, now)


def note_changes(
    run: Run, rules: Rules, changes: Sequence[RuleChange], document: MissionDocument
) -> None:
    """Note how a run's rules, as it began with them, differ now: in its record, for the mission.

    Commands among them need the person's consent before anything runs them. Called with the
    mission lock held.
    """
    if not changes:
        return
    words = "; ".join(change.words for change in changes)
    values = [dump_record(change) for change in changes]
    EventLog(run).append(EventType.RULES_CHANGED, words, data={"changes": values})
    if all(change.key in OF_TASK for change in changes):
        return
    from mosaic.store.consent import ask_again

    with contextlib.suppress(MissionError):  # a home that may not be written
        ask_again(document)
    layout, before = document.layout, rules.settings
    known = _read_changed(layout)
    if known is not None and known["after"] == before:
        before = known["before"]
    with contextlib.suppress(MissionError):  # the run's own event says it too
        data = dump_json({"before": before, "after": settings_of(document)})
        write_private(layout.state_dir / CHANGED_NAME, data, root=layout.state_dir)


def changed_since_agreed(document: MissionDocument) -> tuple[RuleChange, ...]:
    """Return what agents' runs changed of the mission's settings; nothing once that is settled."""
    known = _read_changed(document.layout)
    now = settings_of(document)
    if known is None or changed_settings(known["after"], now):
        return ()
    return changed_settings(known["before"], now)


def agree_to_rules(layout: Layout) -> None:
    """Let the settings count as they stand: a person has decided."""
    with contextlib.suppress(OSError):
        (layout.state_dir / CHANGED_NAME).unlink(missing_ok=True)


def standing_changes(snapshot: Snapshot, task: Task) -> tuple[StandingChange, ...]:
    """Return what changed of a task's rules while its agents worked and still stands so.

    Sessions from before a person's last decision about the task count no more.
    """
    now = rules_of(snapshot.document, task)
    found: dict[str, StandingChange] = {}
    for session in sessions_since(snapshot, task.id):
        run = run_of(snapshot.layout.runs_dir, task.id, session.run_id or "")
        scope = _persons_scope(run)
        for change in _changes_on_record(run):
            is_settled = not stands(change, now)
            is_allowed = change.key == "write_scope" and scope == now.write_scope
            if is_settled or is_allowed:
                found.pop(change.key, None)
            else:
                found[change.key] = StandingChange(session.id, change)
    return tuple(found.values())


def note_persons_scope(snapshot: Snapshot, task: Task) -> None:
    """Note in the record of a task's last run that a person has set its write scope.

    Of a run on another machine it is noted there: its events come from there alone.
    """
    sessions = snapshot.document.mission.sessions.of_task(task.id)
    if not sessions:
        return
    run = run_of(snapshot.layout.runs_dir, task.id, sessions[-1].run_id or "")
    if run.find_meta() is not None and not is_away(run):
        words = f"a person set the write scope: {', '.join(task.write_scope) or 'none'}"
        data = {"write_scope": list(task.write_scope)}
        EventLog(run).append(EventType.SCOPE_SET, words, data=data)


def note_decision(snapshot: Snapshot, task_id: str, entry: str) -> None:
    """Note in the record of a task's session that has not ended that a person decided this.

    Of one on another machine it is noted there, as above.
    """
    for session in snapshot.document.mission.sessions.of_task(task_id):
        run = run_of(snapshot.layout.runs_dir, task_id, session.run_id or "")
        if session.ended_at is None and run.find_meta() is not None and not is_away(run):
            EventLog(run).append(EventType.DECIDED, entry, data={"entries": [entry]})


def decisions_by_hand(snapshot: Snapshot, task_id: str) -> set[str]:
    """Return the entries that were written by hand while agents of a task worked."""
    found = set()
    for run in runs_of_task(snapshot.layout.runs_dir, task_id):
        for change in _changes_on_record(run):
            if change.key == DECISIONS:
                found |= {*change.added}
    return found


def decision_faults(snapshot: Snapshot, task: Task) -> list[str]:
    """Return what of a task's decisions was made by hand while its agents worked, in words."""
    now = _decisions(snapshot.document, task)
    by_hand = decisions_by_hand(snapshot, task.id)
    faults = [f"`{entry}` was written by hand" for entry in now if entry in by_hand]
    for standing in standing_changes(snapshot, task):
        if standing.change.key == DECISIONS:
            gone = [entry for entry in standing.change.removed if entry not in now]
            faults += [f"`{entry}` was changed or removed by hand" for entry in gone]
    return faults


def _persons_scope(run: Run) -> tuple[str, ...] | None:
    """Return the write scope that a person set last, as the run's events say; None: none."""
    scopes = noted_lists(run, EventType.SCOPE_SET, "write_scope")
    return tuple(map(str, scopes[-1])) if scopes else None


def _changes_on_record(run: Run) -> list[RuleChange]:
    return [
        RuleChange(key=str(each["key"]), before=each.get("before"), after=each.get("after"))
        for changes in noted_lists(run, EventType.RULES_CHANGED, "changes")
        for each in changes
        if isinstance(each, dict) and "key" in each
    ]


def _read_changed(layout: Layout) -> Mapping[str, Any] | None:
    try:
        values = parse_json(find_bytes(layout.state_dir / CHANGED_NAME) or b"{}")
        sides = (values.get("before"), values.get("after"))
    except (MissionError, ValueError, RecursionError, AttributeError):
        return None
    return values if all(isinstance(side, dict) for side in sides) else None
