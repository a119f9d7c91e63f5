"""What work that an agent calls finished still lacks, beside its handoff: scope and gates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import GitRefusedError, MissionError
from mosaic.executors.background import TerminalExecutor
from mosaic.git.diff import shown_paths
from mosaic.git.git import find_work_tree
from mosaic.machine.disk import find_text
from mosaic.model import EndReason
from mosaic.plan.gates import Gate, parse_gates
from mosaic.plan.globs import outside_scope
from mosaic.plan.rules import judged_by
from mosaic.records import NamedTuple
from mosaic.runs.checkpoint import Trigger
from mosaic.runs.events import EventLog, EventType
from mosaic.sessions.carry import RunCarrier
from mosaic.sessions.changes import (
    changed_by_agents,
    note_merged_beside,
    note_plan_edits,
    scope_violations,
    tree_pair,
)
from mosaic.sessions.collect import collect_work
from mosaic.sessions.decide import are_gates_due
from mosaic.sessions.record_end import patiently
from mosaic.sessions.rules import allowed_paths, rules_in_force
from mosaic.sessions.step import StepRequest, run_step
from mosaic.sessions.whose import (
    Surroundings,
    Watched,
    look_around,
    note_whose,
    outside_of,
    reveal,
)
from mosaic.store.project_paths import project_paths
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mosaic.model import Mission, Task
    from mosaic.ports import Started
    from mosaic.runs.record import Run
    from mosaic.runs.result import RunEnd
    from mosaic.store.tasks import Snapshot


class GateResult(NamedTuple):
    """How one gate went."""

    gate: Gate
    outcome: str
    """`passed`, `failed`, `skipped` (its scope was not touched) or `stopped`."""
    words: str
    run: Run | None = None
    tail: str = ""
    """The end of its output, where it failed."""

    @property
    def is_green(self) -> bool:
        """Whether the gate has no objection."""
        return self.outcome in ("passed", "skipped")

    def json_values(self) -> dict[str, str | None]:
        """Return it as `--json` prints it."""
        return {
            "name": self.gate.name,
            "command": self.gate.shown,
            "outcome": self.outcome,
            "words": self.words,
            "run_id": self.run.id if self.run else None,
            "tail": self.tail,
        }


class SessionCarrier(RunCarrier):
    """Carries an agent's run, and examines its work."""

    _before: Surroundings | None = None
    unknown = ""
    """Why a change cannot be said to be another's; empty where it can."""

    def start(self) -> Started:
        """Start the agent, with what is around it in mind."""
        if self.meta.session_id is not None:
            self._before = look_around(self.meta, self._layout)
        return super().start()

    def examine(self, end: RunEnd) -> tuple[str, ...]:
        """Look at an agent's work when it has ended: write scope, and gates where they are due.

        Both are those that its task was claimed with, and are noted as events of the run.
        """
        run, meta = self.run, self.meta
        self._reveal()
        collect_work(run, meta)
        try:
            snapshot = patiently(lambda: read_mission(Path(meta.mission_file)))
        except MissionError as error:
            return (f"its write scope and gates were not looked at: {error.message}",)
        entry = snapshot.find(meta.task_id)
        if entry is None:
            return ()
        task, mission = entry.task, judged_by(snapshot.document.mission, self.rules)
        try:
            note_merged_beside(run, snapshot.layout)
            self.unknown = self._note_whose(snapshot, task, end)
            changed = changed_by_agents(snapshot, task)
        except GitRefusedError as error:
            changed, lacks = None, [f"what it changed is not known: git says: {error.reason}"]
        else:
            lacks = _scope_lacks(self, snapshot, mission, task, changed)
            note_plan_edits(run, snapshot, task)
        if are_gates_due(mission.review.gates, task.status):
            if end.ended is not EndReason.STOPPED:
                lacks += _gate_lacks(self, snapshot, mission, changed)
            elif mission.quality_gates:
                lacks.append("its gates were not run: it was stopped")
        return tuple(lacks)

    def _reveal(self) -> None:
        """Let the last checkpoint have what the agent hid from git in its worktree."""
        try:
            hidden = reveal(self.meta, self._layout, self._before)
            checkpoint = self._save(Trigger.END) if hidden else None
        except MissionError as error:
            words = f"what git is told to pass by cannot be known: {error.summary}"
            EventLog(self.run).append(EventType.WORTH_A_LOOK, words)
            return
        if hidden and checkpoint is not None:
            named = [*map(project_paths(self._layout).named, hidden)]
            words = f"git was told to pass by {shown_paths(named)}; it is among its work now"
            EventLog(self.run).append(EventType.WORTH_A_LOOK, words, data={"paths": hidden})

    def _note_whose(self, snapshot: Snapshot, task: Task, end: RunEnd) -> str:
        """Note whose the changes are; return why that cannot be known."""
        is_whole = not (end.lost_output or end.unread.skipped_bytes)
        handoff = find_text(snapshot.layout.project / task.file) if task.file else None
        session = Watched(self.run, self.meta, snapshot.layout, EventLog(self.run))
        try:
            return note_whose(
                session,
                snapshot.document.mission,
                self._before,
                handoff=handoff.text if handoff else "",
                gap="" if is_whole else "its transcript is not complete",
            )
        except GitRefusedError:
            raise
        except MissionError as error:
            return error.summary


def _scope_lacks(
    work: SessionCarrier,
    snapshot: Snapshot,
    mission: Mission,
    task: Task,
    changed: list[str] | None,
) -> list[str]:
    run, layout = work.run, snapshot.layout
    rules = rules_in_force(run, work.rules) if work.rules else None
    allowed = allowed_paths(snapshot, task, rules.decisions if rules else None)
    lacks = [each.words for each in outside_of(run, layout, allowed) if each.is_certain]
    scope = rules.write_scope if rules else task.write_scope
    top = find_work_tree(layout.project)
    if scope and work.begin_tree and top and tree_pair(run, top) is None:
        words = "its write scope could not be looked at: the trees that it changed are not known"
        return [*lacks, words]
    outside = scope_violations(layout, scope, changed, allowed)
    if not outside:
        return lacks
    message = f"it changed files outside of its write scope: {shown_paths(outside)}"
    if work.unknown:
        message += f"; every change counts as its own, since {work.unknown}"
    EventLog(run).append(EventType.SCOPE_VIOLATED, message, data={"paths": outside})
    return lacks if mission.review.allow_out_of_scope else [*lacks, message]


def _gate_lacks(
    work: RunCarrier, snapshot: Snapshot, mission: Mission, changed: list[str] | None
) -> list[str]:
    log = EventLog(work.run)

    def note(result: GateResult) -> None:
        name, run_id = result.gate.name, result.run.id if result.run else None
        kind = EventType.GATE_PASSED if result.is_green else EventType.GATE_FAILED
        data = {"gate": name, "outcome": result.outcome, "run_id": run_id}
        log.append(kind, f"gate `{name}` {result.words}", data=data)

    try:
        results = run_gates(
            snapshot,
            work.meta.task_id,
            cwd=Path(work.meta.cwd),
            gates=parse_gates(mission.quality_gates),
            changed=changed,
            heartbeat_file=work.order.heartbeat_file,
            tell=note,
        )
    except MissionError as error:
        return [f"its gates could not be run: {error.message}"]
    return [f"gate `{each.gate.name}` {each.words}" for each in results if not each.is_green]


def run_gates(
    snapshot: Snapshot,
    task_id: str,
    *,
    cwd: Path,
    gates: Sequence[Gate] | None = None,
    changed: Sequence[str] | None = None,
    heartbeat_file: str | None = None,
    tell: Callable[[GateResult], None] = lambda _: None,
) -> list[GateResult]:
    """Run all gates in their order, each as a recorded step; stop only when stopped.

    Args:
        gates: the gates; None: those of the mission as it stands.
        changed: the files that were changed; None: not known, so every gate counts.
        heartbeat_file: touched while they run, for the session that waits for them.
        tell: called with each result as it is known.
    """
    results = []
    configured = snapshot.document.mission.quality_gates
    folder = project_paths(snapshot.layout).folder
    for gate in parse_gates(configured) if gates is None else gates:
        if gate.scope and changed is not None and _is_untouched(gate, changed, folder):
            result = GateResult(gate, "skipped", "its scope was not touched")
        else:
            result = _run_gate(snapshot, task_id, gate, cwd, heartbeat_file)
        results.append(result)
        tell(result)
        if result.outcome == "stopped":
            break
    return results


def _is_untouched(gate: Gate, changed: Sequence[str], folder: str) -> bool:
    return outside_scope(changed, gate.scope, folder) == [*changed]


def _run_gate(
    snapshot: Snapshot, task_id: str, gate: Gate, cwd: Path, heartbeat_file: str | None
) -> GateResult:
    request = StepRequest(
        task_id=task_id,
        name=gate.step,
        kind="shell",
        argv=gate.argv,
        cwd=cwd,
        timeout_seconds=gate.timeout_seconds,
        heartbeat_file=heartbeat_file,
    )
    try:
        run = run_step(snapshot, request, TerminalExecutor(RunCarrier))
    except MissionError as error:
        return GateResult(gate, "failed", error.summary)
    done = run.find_result()
    if done.outcome == "completed":
        return GateResult(gate, "passed", "passed", run)
    outcome, words = {
        "stopped": ("stopped", "was stopped"),
        "timeout": ("failed", "took too long"),
    }.get(done.reason or "", ("failed", f"failed with exit code {done.exit_code}"))
    tail = run.output_tail()
    own = snapshot.layout.shown(snapshot.layout.state_dir)
    if outcome == "failed" and f"{own}/" in tail:
        words += f"; its output names files in `{own}`, Mosaic's own: have it leave that out"
    return GateResult(gate, outcome, words, run, tail)
