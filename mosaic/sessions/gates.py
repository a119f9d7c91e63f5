"""Running the quality gates, each as a recorded step of the task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.executors.terminal import TerminalExecutor
from mosaic.plan.gates import Gate, parse_gates
from mosaic.plan.scopes import outside_scope
from mosaic.records import dataclass
from mosaic.runs.tails import output_tail
from mosaic.sessions.carry import RunCarrier
from mosaic.sessions.step import StepRequest, run_step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mosaic.ports import Order
    from mosaic.runs.record import Run
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class GateResult:
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
        """Whether nothing is held against the work."""
        return self.outcome in ("passed", "skipped")


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
    """Run all gates in their order, those after a failure too; stop only when stopped.

    Args:
        snapshot: the mission.
        task_id: whose record they belong to.
        cwd: where they run.
        gates: the gates; None: those of the mission as it stands.
        changed: the files that were changed; None: not known, so every gate counts.
        heartbeat_file: touched while they run, for the session that waits for them.
        tell: told of each as it ends.

    Raises:
        MissionFileError: the gates cannot be read.
        TaskNotFoundError: there is no such task.
    """
    results = []
    if gates is None:
        gates = parse_gates(snapshot.document.mission.quality_gates)
    for gate in gates:
        if changed is not None and gate.scope and _misses(gate, changed):
            result = GateResult(gate=gate, outcome="skipped", words="its scope was not touched")
        else:
            result = _run_gate(snapshot, task_id, gate, cwd, heartbeat_file)
        results.append(result)
        tell(result)
        if result.outcome == "stopped":
            break
    return results


def _misses(gate: Gate, changed: Sequence[str]) -> bool:
    return len(outside_scope(changed, gate.scope)) == len(changed)


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
        run = run_step(snapshot, request, TerminalExecutor(_carrier))
    except MissionError as error:
        words = "; ".join(filter(None, (error.message, error.detail)))
        return GateResult(gate=gate, outcome="failed", words=words)
    done = run.find_result()
    reason, code = done.get("reason"), done.get("exit_code")
    if done.get("outcome") == "completed":
        return GateResult(gate=gate, outcome="passed", words="passed", run=run)
    words = "took too long" if reason == "timeout" else f"failed with exit code {code}"
    outcome = "failed"
    if reason == "stopped":
        outcome, words = "stopped", "was stopped"
    return GateResult(gate=gate, outcome=outcome, words=words, run=run, tail=output_tail(run))


def _carrier(run_dir: Path, order: Order) -> RunCarrier:
    return RunCarrier(run_dir, order)
