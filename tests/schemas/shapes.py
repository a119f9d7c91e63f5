"""What records say by `json_values()`, and what no record says: keys with their annotations.

See `tests.schemas.maker.Shape`. A name with dots is one of the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mosaic import errors
from mosaic.errors import MissionError
from mosaic.model import RunStatus, Status
from mosaic.ports import EndCause
from mosaic.text.fields import FIELDS, Kind

from .maker import Raw, Shape, resolve

FACTS = ("code", "message", "path", "line", "detail", "hint")
LISTED = {Kind.LIST: "tuple[str, ...]", Kind.STATUS: "model.Status", Kind.TEXT: "str | None"}


CODES = {
    each.code
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, MissionError)
}
ERROR: Shape = {
    "schema_version": Raw(const=1),
    "kind": Raw(const="error"),
    "code": Raw(enum=sorted(CODES)),
    "message": "str",
    "path": "str | None",
    "line": "int | None",
    "detail": "str | None",
    "hint": "str | None",
}
TASK_FIELDS: Shape = {
    each.name: LISTED[each.kind] for each in FIELDS if each.name not in ("task_id", "status")
}
STATUS_WORD = Raw(type="string", description="The word for its status that is not understood.")
OTHERS: Shape = {
    f"{each.name}?": LISTED[each.kind].removesuffix(" | None")
    for each in FIELDS
    if each.name in ("repo", "runs_on", "source", "imported")
}
TASK: Shape = {
    **TASK_FIELDS,
    "id": "str",
    "status": "model.Status",
    "notes": "str | None",
    "why": "str | None",
    "position": "int",
    "file": "str | None",
    "file_line": "int | None",
    "table_line": "int | None",
    "extra": "Mapping[str, JsonValue]",
    "criteria_done": "int",
    "criteria_total": "int",
    "status_word?": STATUS_WORD,
}
JUDGED: Shape = {"text": "str", "standing": "review.matching.Standing", "why": "str"}
DECISION: Shape = {
    "number": "int",
    "kind": "text.decisions.Kind",
    "date": "str",
    "by": "str",
    "text": "str",
    "place": "str",
    "quoted": "list[str]",
    "filed": "str",
    "question": "str",
    "answers": "list[str]",
    "open": "bool",
}
REVIEW: Shape = {
    "task": "app.tasks.TaskView",
    "sections": "Mapping[str, str]",
    "missing": "tuple[str, ...]",
    "claims": {
        "files": [{"path": "str", **JUDGED}],
        "commands": [{"command": "str", **JUDGED}],
    },
    "unclaimed": {
        "files": "tuple[review.matching.ChangedFile, ...]",
        "commands": "tuple[review.matching.RanCommand, ...]",
    },
    "evidence": {
        "since": "str",
        "files": "tuple[review.matching.ChangedFile, ...] | None",
        "commands": "tuple[review.matching.RanCommand, ...]",
        "knows_all_commands": "bool",
        "caveats": "tuple[str, ...]",
        "unknown": "tuple[str, ...]",
        "beside": "tuple[str, ...]",
        "outside": "list[str]",
    },
    "gates": [{"name": "str", "green": "bool", "words": "str", "run_id": "str"}],
    "decisions": [{"...": "text.decisions.Decision", "now": "str"}],
    "unchanged_since": "int | None",
    "goal": "str",
    "criteria": "tuple[review.matching.JudgedCriterion, ...]",
    "sessions": "tuple[model.Session, ...]",
    "session_hosts": "Mapping[str, str]",
    "usage": "model.Usage | None",
    "out_of_scope": "tuple[str, ...]",
    "rules_changed": "tuple[str, ...]",
    "warnings": "tuple[str, ...]",
    "stat": "str",
    "objections": "list[str]",
}
LOOP: Shape = {
    "why": "str",
    "needs_person": "bool",
    "interrupted": "bool",
    "sessions": "list[str]",
    "moved": Raw(
        type="object",
        additionalProperties={
            "type": "object",
            "properties": {"from": {"type": "string"}, "to": {"type": "string"}},
            "required": ["from", "to"],
        },
    ),
    "gave_up": "list[str]",
    "not_started": "dict[str, str]",
    "landed": "dict[str, str]",
    "not_landed": "dict[str, str]",
    "elapsed_seconds": "float",
    "usage": "model.Usage | None",
    "waiting": {"review": "list[str]", "to_merge": "list[str]", "blocked": "list[str]"},
    "questions": "dict[str, str]",
    "warnings": "dict[str, tuple[str, ...]]",
    "worktrees": Raw(
        type="object",
        additionalProperties={
            "type": "object",
            "properties": {"path": {"type": "string"}, "branch": {"type": ["string", "null"]}},
            "required": ["path", "branch"],
        },
    ),
}
PROGRESS: Shape = {
    "tasks_done": "int",
    "tasks_total": "int",
    "pct": "int",
    "tasks_to_merge": "int",
    "by_status": "Mapping[model.Status, int]",
}
CRITERION: Shape = {
    "number": "int",
    "text": "str",
    "checked": "bool",
    "state": Raw(enum=["open", "ticked", "dropped"]),
}
BY_NAME: Mapping[str, Shape] = {
    "errors.MissionError": ERROR,
    "store.tasks.Problem": {**ERROR, "task_id": "str | None"},
    "model.Task": {**TASK, **OTHERS},
    "app.tasks.TaskView": {
        **TASK,
        "ready?": "bool",
        "reason?": "plan.ready.Reason",
        "reason_detail?": "str",
        "waits_on?": "tuple[str, ...]",
        "session?": "str | None",
    },
    "text.criteria.Criterion": CRITERION,
    "text.decisions.Decision": DECISION,
    "review.matching.JudgedCriterion": {
        "...": "Criterion",
        "standing": "Standing | None",
        "why": "str",
    },
    "plan.progress.Progress": PROGRESS,
    "plan.progress.MilestoneProgress": {
        "...": "Milestone Progress",
        "current": "bool",
        "finished": "bool",
    },
    "sessions.liveness.FoundLock": {
        "session_id": "str",
        "runtime": "str",
        "task_id": "str",
        "run_id": "str",
        "pid": "int",
        "host": "str",
        "started_at": "datetime",
        "life": "Life",
        "because": "str",
        "stopped": "bool",
        "on_record": "bool",
        "way_out": "str",
    },
    "sessions.examine.GateResult": {
        "name": "str",
        "command": "str | None",
        "outcome": Raw(enum=["passed", "failed", "skipped", "stopped"]),
        "words": "str",
        "run_id": "str | None",
        "tail": "str",
    },
    "app.status.SessionView": {
        "...": "Session",
        "live": "bool",
        "life": "FoundLock | None",
        "progress": "RunProgress | None",
    },
    "app.task_work.ReviewPage": {**REVIEW, "diff?": "str"},
    "app.report.TaskHandoff": {
        **{f"{key}?": value for key, value in REVIEW.items()},
        "diff?": None,
        "task": "app.tasks.TaskView",
        "sections": "Mapping[str, str]",
        "criteria": "tuple[review.matching.JudgedCriterion, ...] | tuple[Criterion, ...]",
        "not_compared": "str | None",
    },
    "app.report.Report": {
        "...": "app.status.StatusPage",
        "tasks": "list[app.tasks.TaskView]",
        "inbox": "tuple[app.board.Waiting, ...]",
        "description": "str",
        "made_at": "datetime",
        "since": "Since | None",
        "moves": "tuple[Move, ...] | None",
        "sessions": "tuple[Session, ...]",
        "session_hosts": "Mapping[str, str]",
        "sessions_left_out": "int",
        "handoffs": "tuple[TaskHandoff, ...]",
        "handoffs_left_out": "int",
        "decisions": "tuple[TaskDecision, ...]",
        "decisions_left_out": "int",
        "spend": "Spend",
    },
    "app.hand_off.Choice": {
        "chosen": "str | None",
        "ready": "list[str]",
        "tasks": "list[TaskView]",
        "cycles": "list[list[str]]",
        "runs_alone": "list[str]",
        "problems": "tuple[Problem, ...]",
        "left_out": "str | None",
    },
    "app.mission.CleanedMission": {
        "dry_run": "bool",
        "removed": [{"run_id": "str", "dir": "Path", "size_bytes": "int"}],
        "kept": [{"run_id": "str", "size_bytes": "int", "because": "str | None"}],
        "size_bytes": "int",
        "removed_paths": [{"path": "Path", "kind": "str"}],
        "kept_paths": [{"path": "str", "because": "str"}],
        "worktrees": [
            {
                "name": "str",
                "path": "Path",
                "branch": "str | None",
                "removed": "bool",
                "branch_removed": "bool",
                "because": "str | None",
            }
        ],
    },
    "app.agent_kits.KitSetup": {
        "agent": "str",
        "files": [
            {"path": "str", "action": Raw(enum=["create", "change", "remove"]), "diff": "str"}
        ],
        "written": "bool",
    },
    "app.config.OwnConfig": {
        "path": "str | None",
        "exists": "bool",
        "settings": "tuple[Setting, ...]",
        "problems": "tuple[MissionError, ...]",
    },
    "app.hosts.ListedHost": {
        "...": "settings.HostSpec",
        "source": Raw(enum=["own", "mission", ""]),
        "sessions": "tuple[app.host_view.SessionThere, ...]",
        "seen_at": "datetime | None",
        "unreachable_since": "datetime | None",
        "problem": "str",
        "left_over": "int",
    },
    "app.config.Setting": {
        "key": "str",
        "value": "JsonValue",
        "source": Raw(enum=["environment", "mission", "own", "default"]),
        "where": "str",
    },
    "workers.report.LoopReport": LOOP,
    "app.loop.PoolStart": {**LOOP, "sessions": "list[Session]"},
    "app.panel.PanelView": {
        "panel_id": "str",
        "status": "panels.model.PanelStatus",
        "question": "str",
        "created_at": "datetime",
        "writable": "bool",
        "executor": "str",
        "base_ref": "str | None",
        "problems": "list[str]",
        "dir": "Path",
        "workers": [
            {
                "...": "WorkerPlan WorkerState",
                "launcher": None,
                "run_dir": "Path | None",
                "place": "dict[str, Any]",
            }
        ],
    },
    "app.panel.PanelResult": {
        "panel_id": "str",
        "status": "panels.model.PanelStatus",
        "results": "Mapping[str, WorkerResult]",
        "agreement": "tuple[panels.answer.Voice, ...]",
        "claims": "tuple[panels.answer.Voice, ...]",
        "objections": "tuple[panels.answer.Voice, ...]",
        "open_questions": "tuple[panels.answer.Voice, ...]",
        "evidence": "tuple[panels.answer.Voice, ...]",
        "errors": "Mapping[str, str]",
        "markdown": "str",
    },
}
STATUSES = [word.value for word in Status]
RUN_STATUSES = [word.value for word in RunStatus]
CLOSED: Mapping[str, Any] = {
    "app.decisions.DecidedTask.decision": Raw(
        enum=["approved", "rejected", "answered", "remarked", "allowed"]
    ),
    "app.hand_off.EndedSession.cause": "ports.EndCause",
    "app.hand_off.EndedSession.outcome": "model.EndReason",
    "app.hand_off.EndedSession.task_status": Raw(enum=[*STATUSES, "gone"]),
    "app.runs.RunView.status": Raw(enum=[*RUN_STATUSES, "crashed", "unreadable"]),
    "app.status.LivePanel.status": "panels.model.PanelStatus",
    "model.Session.ended_cause": Raw(
        type=["string", "null"],
        description="Why; a newer Mosaic may know more causes.",
        examples=[word.value for word in EndCause],
    ),
    "panels.answer.WorkerResult.status": Raw(enum=["completed", "blocked", "error"]),
    "runs.checkpoint.Checkpoint.trigger": "Trigger",
    "runs.checkpoint.Checkpoint.types": "tuple[CheckpointType, ...]",
    "runs.events.Event.level": Raw(enum=["info", "warn", "error"]),
    "runs.events.Event.type": "EventType",
    "runs.result.StepResult.cause": Raw(enum=["", *(word.value for word in EndCause)]),
    "runs.result.StepResult.outcome": Raw(enum=["", *RUN_STATUSES]),
    "runs.result.StepResult.reason": "model.EndReason | None",
    "workspaces.record.SeenRequest.state": Raw(enum=["open", "merged", "closed"]),
}
"""Fields that are texts to the code, and hold one of a few words."""
SHAPES: Mapping[type, Shape] = {resolve(name, ""): shape for name, shape in BY_NAME.items()}


def with_head(kind: str, shape: Any) -> Shape:
    """Return a document as `--json` prints it."""
    own = {"...": shape} if isinstance(shape, str) else shape
    return {
        "schema_version": Raw(const=1),
        "kind": Raw(const=kind),
        **own,
        "next_commands": "list[str]",
    }
