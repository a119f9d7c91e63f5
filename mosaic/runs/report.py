"""What an agent, or a recorded command, says of its own run, and asks of the next one.

It is in `artifacts/report.json`:

    {"summary": "…", "needs_human": true, "blocked": false,
     "artifacts": [{"path": "artifacts/plan.md", "name": "plan", "kind": "document",
                    "description": "the plan"}],
     "suggested_followup": [{"step_name": "migrate", "step_kind": "shell", "reason": "…"}]}

Every key may be missing. It is what somebody claims: read with bounds, and never trusted.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from mosaic.codec import parse_json
from mosaic.errors import MissionError
from mosaic.machine.disk import find_bytes
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.model import Text
    from mosaic.runs.record import Run

REPORT_NAME = "report.json"
LARGEST_REPORT_BYTES = 1 << 20
LONGEST_TEXT = 2_000
LONGEST_OUTPUT = 2_000
MOST_GATES = 5
GATE_STEP = "gate:"
"""Begins the names of recorded steps that are quality gates."""
MOST_ENTRIES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """Something that a run left, by a path relative to its record or to the project."""

    name: Text
    kind: Text
    path: Text
    description: Text = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Followup:
    """A step that somebody suggests to run next."""

    step_name: Text
    step_kind: Text = ""
    reason: Text = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentReport:
    """What the agent or command of a run reports of it."""

    summary: Text = ""
    needs_human: bool = False
    blocked: bool = False
    artifacts: tuple[Artifact, ...] = ()
    suggested_followup: tuple[Followup, ...] = ()
    problem: Text | None = None
    """Why it cannot be understood."""


def read_report(run: Run) -> AgentReport:
    """Return what the agent reported; nothing when it did not."""
    try:
        data = find_bytes(run.artifacts / REPORT_NAME, limit_bytes=LARGEST_REPORT_BYTES)
        if data is None:
            return AgentReport()
        values = parse_json(data)
    except (MissionError, ValueError, RecursionError) as error:
        return AgentReport(problem=f"`artifacts/{REPORT_NAME}` cannot be read: {error}")
    if not isinstance(values, dict):
        return AgentReport(problem=f"`artifacts/{REPORT_NAME}` is not a JSON object")
    return AgentReport(
        summary=_text(values.get("summary")),
        needs_human=values.get("needs_human") is True,
        blocked=values.get("blocked") is True,
        artifacts=tuple(
            Artifact(
                name=_text(item.get("name")) or posixpath.basename(path),
                kind=_text(item.get("kind")) or "file",
                path=path,
                description=_text(item.get("description")),
            )
            for item in _objects(values.get("artifacts"))
            if (path := _path(run, item.get("path")))
        ),
        suggested_followup=tuple(
            Followup(
                step_name=name,
                step_kind=_text(item.get("step_kind")),
                reason=_text(item.get("reason")),
            )
            for item in _objects(values.get("suggested_followup"))
            if (name := _text(item.get("step_name")))
        ),
    )


def list_artifacts(run: Run, report: AgentReport) -> list[Artifact]:
    """Return everything that a run left, one entry a path; the agent's own words win."""
    usual = (
        ("meta", "json", "meta.json", "what was asked"),
        ("state", "json", "state.json", "where it stands"),
        ("worker log", "log", "worker.log", "events"),
        ("stdout log", "log", "stdout.log", "what it wrote to its stdout"),
        ("stderr log", "log", "stderr.log", "what it wrote to its stderr"),
        ("checkpoints", "folder", "checkpoints", "snapshots of the work tree"),
        ("artifacts", "folder", "artifacts", "what it left for people"),
    )
    entries = {
        path: Artifact(name=name, kind=kind, path=path, description=description)
        for name, kind, path, description in usual
        if (run.dir / path).exists() or path == "state.json"
    }
    files = (path for path in sorted(run.artifacts.rglob("*")) if path.is_file())
    for path in files:
        shown = path.relative_to(run.dir).as_posix()
        if not path.is_symlink() and len(entries) < MOST_ENTRIES:
            entries[shown] = Artifact(name=path.name, kind="file", path=shown)
    for artifact in report.artifacts:
        entries[artifact.path] = artifact
    return list(entries.values())


def _objects(value: object) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else []
    return [item for item in items[:MOST_ENTRIES] if isinstance(item, dict)]


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    whole = value if value.isascii() else value.encode("utf-8", "replace").decode()
    return " ".join(whole.split())[:LONGEST_TEXT]


def _path(run: Run, value: object) -> str:
    """Return a path as it is listed: relative to the record where it lies there."""
    text = posixpath.normpath(_text(value)) if _text(value) else ""
    own = f"{run.dir.as_posix()}/"
    return text.removeprefix(own)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Decisions that people were asked for, and steps that were suggested."""

    needs_human: tuple[str, ...] = ()
    followups: tuple[str, ...] = ()
    failed_gates: tuple[str, ...] = ()
    """Each with the end of what it wrote."""


def find_asked(runs: Sequence[Run]) -> Asked:
    """Return what a task's last agent asked, and every recorded step since; oldest run first."""
    needs_human: list[str] = []
    followups: list[str] = []
    gates: dict[str, str] = {}
    for run in reversed(runs):
        done = run.find_result()
        step = done.step_id
        if done.needs_human:
            words = done.report or done.summary or "it did not say what for"
            needs_human.append(f"{step}: {words}")
        for each in done.suggested_followup:
            kind = f" ({each.step_kind})" if each.step_kind else ""
            why = f": {each.reason}" if each.reason else ""
            followups.append(f"{each.step_name}{kind}{why}")
        if step.startswith(GATE_STEP) and step not in gates:
            tail = run.output_tail()[-LONGEST_OUTPUT:]
            gates[step] = "" if done.outcome == "completed" else f"{step} failed:\n{tail}"
        if done.session_id:
            break
    return Asked(
        needs_human=tuple(dict.fromkeys(needs_human)),
        followups=tuple(dict.fromkeys(followups)),
        failed_gates=tuple(reversed([text for text in gates.values() if text][:MOST_GATES])),
    )
