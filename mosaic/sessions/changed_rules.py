"""Rules that changed while an agent worked: noted at its end, shown until a person has decided.

Each change is an event of the run, `rules_changed`, with what stood there before and after.
It counts as long as what the run left still stands there: a person who puts the rule back, or
sets another one, has settled it; so has a decision about the task. `changed-rules.json` in
the state folder says the same of the mission's settings as a whole:

    {"before": {…}, "after": {…}}     settings as `mosaic.plan.rules` names them
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from mosaic.codec import dump_json, parse_json
from mosaic.errors import MissionError
from mosaic.machine.disk import find_bytes, write_private
from mosaic.plan.rules import (
    RuleChange,
    Rules,
    changed_rules,
    changed_settings,
    rule_value,
)
from mosaic.records import dataclass, replace
from mosaic.runs.events import EventLog, EventType, read_events
from mosaic.runs.folders import run_of
from mosaic.sessions.attempts import sessions_since
from mosaic.sessions.run_rules import rules_of, settings_of
from mosaic.store.consent import ask_again
from mosaic.store.mission_file import load_mission

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mosaic.model import JsonValue, Task
    from mosaic.runs.record import Run
    from mosaic.store.layout import Layout
    from mosaic.store.mission_file import MissionDocument
    from mosaic.store.tasks import Snapshot

RECORD_NAME = "changed-rules.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class StandingChange:
    """A rule that changed while a session worked, and that nobody has settled since."""

    session_id: str
    change: RuleChange

    @property
    def words(self) -> str:
        """The change in one line, with the session."""
        return f"{self.change.words} while `{self.session_id}` worked"


def claim_rules(snapshot: Snapshot, task: Task) -> Rules:
    """Return the rules that a task is handed off with.

    A write scope that an agent left wider than it was is not what counts for the next one.
    """
    scope = scope_that_counts(snapshot, task)
    return replace(rules_of(snapshot.document, task), write_scope=scope)


def scope_that_counts(snapshot: Snapshot, task: Task) -> tuple[str, ...]:
    """Return a task's write scope as it stands, or as it stood before an agent changed it."""
    for standing in reversed(standing_changes(snapshot, task)):
        before: Any = standing.change.before
        if standing.change.key == "write_scope":
            return tuple(before or ())
    return task.write_scope


def rules_in_force(run: Run, rules: Rules) -> Rules:
    """Return the rules of a run, with the write scope that a person set while it worked."""
    scope = _persons_scope(run)
    return rules if scope is None else replace(rules, write_scope=scope)


def find_changes(
    run: Run, rules: Rules, document: MissionDocument, task: Task | None
) -> tuple[RuleChange, ...]:
    """Return how the rules of a run differ from what stands in the mission's files now."""
    held = rules_in_force(run, rules)
    now = rules_of(document, task) if task else replace(held, settings=settings_of(document))
    return changed_rules(held, now)


def note_changes(run: Run, changes: Sequence[RuleChange]) -> None:
    """Note in a run's record how its rules changed while it went on."""
    if changes:
        EventLog(run).append(
            EventType.RULES_CHANGED,
            "; ".join(change.words for change in changes),
            level="warning",
            data={
                "changes": [
                    {"key": change.key, "before": change.before, "after": change.after}
                    for change in changes
                ]
            },
        )


def note_changed_rules(
    mission_file: Path, before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]
) -> None:
    """Remember that a mission's settings changed while an agent worked.

    Commands among them need the person's consent before anything runs them. Called once a run
    has ended with a difference, with the mission lock held.

    Args:
        mission_file: path of mission.json.
        before: the settings when the run's task was claimed.
        after: the settings that the run left.
    """
    document = load_mission(mission_file)
    layout = document.layout
    with contextlib.suppress(MissionError):  # a home that may not be written
        ask_again(document)
    known = _read_record(layout)
    if known is not None and known["after"] == before:
        before = known["before"]
    with contextlib.suppress(MissionError):  # the run's own event says it too
        data = dump_json({"before": before, "after": after})
        write_private(layout.state_dir / RECORD_NAME, data, root=layout.state_dir)


def changed_since_agreed(document: MissionDocument) -> tuple[RuleChange, ...]:
    """Return what agents' runs changed of the mission's settings; nothing once that is settled."""
    known = _read_record(document.layout)
    now = settings_of(document)
    if known is None or changed_settings(known["after"], now):
        return ()
    return changed_settings(known["before"], now)


def agree_to_rules(layout: Layout) -> None:
    """Let the settings count as they stand: a person has decided."""
    with contextlib.suppress(OSError):
        (layout.state_dir / RECORD_NAME).unlink(missing_ok=True)


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
            settled = rule_value(now, change.key) != change.after
            allowed = change.key == "write_scope" and scope == now.write_scope
            if settled or allowed:
                found.pop(change.key, None)
            else:
                found[change.key] = StandingChange(session_id=session.id, change=change)
    return tuple(found.values())


def note_persons_scope(snapshot: Snapshot, task: Task) -> None:
    """Note in the record of a task's last run that a person has set its write scope."""
    sessions = snapshot.document.mission.sessions.of_task(task.id)
    if not sessions:
        return
    run = run_of(snapshot.layout.runs_dir, task.id, sessions[-1].run_id or "")
    if run.find_meta() is not None:
        EventLog(run).append(
            EventType.SCOPE_SET,
            f"a person set the write scope: {', '.join(task.write_scope) or 'none'}",
            data={"write_scope": list(task.write_scope)},
        )


def _persons_scope(run: Run) -> tuple[str, ...] | None:
    """Return the write scope that a person set last, as the run's record tells; None: none."""
    for event in reversed(read_events(run).events):
        scope = event.data.get("write_scope")
        if event.type == EventType.SCOPE_SET and isinstance(scope, list):
            return tuple(str(glob) for glob in scope)
    return None


def _changes_on_record(run: Run) -> Sequence[RuleChange]:
    found = []
    for event in read_events(run).events:
        changes = event.data.get("changes")
        if event.type != EventType.RULES_CHANGED or not isinstance(changes, list):
            continue
        found += [
            RuleChange(key=str(each["key"]), before=each.get("before"), after=each.get("after"))
            for each in changes
            if isinstance(each, dict) and "key" in each
        ]
    return found


def _read_record(layout: Layout) -> dict[str, Any] | None:
    try:
        data = find_bytes(layout.state_dir / RECORD_NAME)
        values = parse_json(data) if data is not None else None
    except (MissionError, ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    sides = (values.get("before"), values.get("after"))
    return values if all(isinstance(side, dict) for side in sides) else None
