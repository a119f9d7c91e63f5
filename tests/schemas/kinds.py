"""Every kind of JSON that others may read: what it is, which command prints it, what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .maker import Raw

CARRIED = {"task_id": "str", "...": "store.sync.Carry"}


class Document(NamedTuple):
    """A document that commands print with `--json`."""

    commands: tuple[str, ...]
    shape: Any
    """A record by its name, or keys."""
    about: str = ""
    """What it is; empty: what the record's own text says."""
    has_next: bool = True
    """Whether it ends with `next_commands`; lines of a stream do not."""


LAUNCHING = ("next", "resume")
CHANGING = ("set", "done", "block", "cancel", "reopen")
DOCUMENTS: Mapping[str, Document] = {
    "agent.kit": Document(
        ("setup claude", "setup codex", "setup agents-md"), "app.agent_kits.KitSetup"
    ),
    "checkpoint.list": Document(
        ("checkpoint",),
        {
            "checkpoints": [{"...": "runs.checkpoint.Checkpoint", "dir": "str"}],
            "problems": [{"message": "str", "path": "str | None"}],
        },
        about="The checkpoints of a task",
    ),
    "checkpoint.restore_aborted": Document(
        ("checkpoint",),
        {
            "...": "sessions.restoring.RestoredTree",
            "checkpoint?": {"...": "runs.checkpoint.Checkpoint", "dir": "str"},
        },
        about="A restore that was taken back",
    ),
    "checkpoint.restored": Document(
        ("checkpoint",),
        {
            "...": "sessions.restoring.RestoredTree",
            "checkpoint?": {"...": "runs.checkpoint.Checkpoint", "dir": "str"},
        },
        about="A work tree that was set to a checkpoint",
    ),
    "checkpoint.taken": Document(
        ("checkpoint",),
        {"checkpoint": {"...": "runs.checkpoint.Checkpoint", "dir": "str"}},
        about="A checkpoint that was taken",
    ),
    "config": Document(("config",), "app.config.OwnConfig"),
    "config.changed": Document(
        ("config set", "config unset"),
        {"path": "str", "setting": "app.config.Setting"},
        about="A setting that was changed",
    ),
    "demo": Document(
        ("demo",),
        {
            "folder": "Path",
            "finished": "bool",
            "steps": [{"say": "str", "command": "list[str]", "exit_code": "int"}],
        },
        about="A mission that was played from plan to review",
    ),
    "hosts.added": Document(
        ("hosts add",), {"host": "settings.HostSpec"}, about="Another machine that was added"
    ),
    "hosts.check": Document(
        ("hosts check",),
        {"hosts": "dict[str, list[app.doctor.Item]]"},
        about="What other machines have of what is needed",
    ),
    "hosts.cleaned": Document(
        ("hosts clean",),
        {"attempts": "list[app.hosts.CleanedAttempt]"},
        about="What was still kept on other machines",
    ),
    "hosts.list": Document(
        ("hosts list",), {"hosts": "list[app.hosts.ListedHost]"}, about="Other machines"
    ),
    "fleet.connected": Document(
        ("fleet connect",),
        {"host": "settings.HostSpec", "hosts": "dict[str, list[app.doctor.Item]]"},
        about="A fleet that was added, and what was found there",
    ),
    "fleet.list": Document(
        ("fleet list",),
        {"fleets": "list[app.fleet.ListedFleet]"},
        about="Fleets, their workers, and what those run",
    ),
    "fleet.started": Document(
        ("fleet local",),
        {"host": "settings.HostSpec", "agents": "int"},
        about="A fleet that was started on this machine",
    ),
    "fleet.stopped": Document(
        ("fleet stop",),
        {"name": "str", "was_running": "bool"},
        about="A fleet on this machine that was stopped",
    ),
    "doctor": Document(
        ("doctor",),
        {"items": "list[app.doctor.Item]"},
        about="What Mosaic needs, and what is there",
    ),
    "error": Document(
        (), "errors.MissionError", has_next=False, about="What is wrong, where, and what to do next"
    ),
    "gates": Document(("gates",), "app.task_work.Gates"),
    "handoff.preview": Document(LAUNCHING, "app.hand_off.HandOffPreview"),
    "help": Document(
        ("help",),
        {
            "command": "cli.teaching.CommandHelp | None",
            "topic": "str | None",
            "text": "list[str | dict[str, str]]",
            "commands": "list[str]",
            "topics": "dict[str, str]",
        },
        about="A command or a topic, explained",
    ),
    "log.event": Document(
        ("logs",),
        {"...": "runs.events.Event", "event_id": "str"},
        has_next=False,
        about="A line each: what happened to a run",
    ),
    "log.line": Document(
        ("logs",),
        {
            "run_id": "str",
            "stream": Raw(enum=["stdout", "stderr"]),
            "offset": "int",
            "text": "str",
            "partial?": Raw(const=True),
        },
        has_next=False,
        about="A line each: what an agent wrote",
    ),
    "log.transcript": Document(
        ("logs",),
        {"event": "dict[str, Any]"},
        has_next=False,
        about="A line each: an agent's own structured events",
    ),
    "loop.ended": Document(("next",), "workers.report.LoopReport"),
    "merge": Document(("merge", "panel merge"), "workspaces.merge.Merged"),
    "merge.queue": Document(
        ("merge",),
        {"into": "str", "tasks": "tuple[workers.queue.Queued, ...]", "dry_run": "bool"},
        about="What landed, and what did not",
    ),
    "milestone.changed": Document(
        ("milestone add", "milestone rename", "milestone done", "milestone reopen", "milestone mv"),
        "app.milestones.ChangedMilestone",
    ),
    "milestone.list": Document(("milestone list",), "app.milestones.MilestoneList"),
    "mission.changed": Document(("pause", "unpause"), "app.mission.ChangedMission"),
    "mission.check": Document(("check",), "app.mission.CheckReport"),
    "mission.export": Document(("export",), "app.moving.Exported"),
    "mission.import": Document(
        ("import",),
        {
            "source": "str",
            "place": "str",
            "written": "bool",
            "new": [{"id": "str", "key": "str", "where": "str", "*": "text.fields.FieldValue"}],
            "updates": [{"id": "str", "fields": "list[str]"}],
            "conflicts": "list[sources.incoming.ImportConflict]",
            "unchanged": "int",
            "milestones": [{"id": "str", "name": "str"}],
            "gone": "list[str]",
            "kept_in_text": "dict[str, int]",
            "deleted": "int",
            "faults": "list[sources.item.Fault]",
        },
        about="What an import did, or would do",
    ),
    "mission.init": Document(("init",), "app.mission.NewlyCreated"),
    "mission.migrate": Document(
        ("migrate",),
        {
            "...": "store.migrate.Migration",
            "dry_run": "bool",
            "undo": "bool",
            "scopes": "list[plan.check.Finding]",
        },
        about="What a migration did, or would do",
    ),
    "mission.resolve": Document(("resolve",), "app.resolve.Resolution"),
    "mission.setup": Document(("setup git",), "app.merge_driver.GitSetup"),
    "mission.status": Document(("status",), "app.status.StatusPage"),
    "panel": Document(("panel show", "panel refresh"), "app.panel.PanelView"),
    "panel.list": Document(
        ("panel list",), {"panels": "list[app.panel.PanelView]"}, about="All panels"
    ),
    "panel.message": Document(
        ("panel send",),
        {"panel_id": "str", "worker": "str", "message_id": "int", "delivered": "bool"},
        about="A message that was sent to a worker",
    ),
    "panel.result": Document(("panel result",), "app.panel.PanelResult"),
    "panel.resumed": Document(("panel resume",), "app.panel.PanelView"),
    "panel.shutdown": Document(
        ("panel shutdown",),
        {
            "panel_id": "str",
            "status": "panels.model.PanelStatus",
            "workers": "dict[str, panels.life.CleanedUp]",
        },
        about="What became of the worktrees of a panel",
    ),
    "panel.started": Document(("panel start",), "app.panel.PanelView"),
    "panel.stopped": Document(("panel stop",), "app.panel.PanelView"),
    "pool.ended": Document(("next",), "workers.report.LoopReport"),
    "pool.started": Document(("next",), "app.loop.PoolStart"),
    "pr": Document(("pr", "merge"), "app.pull_request.RequestPage"),
    "pr.list": Document(("pr", "merge"), "app.pull_request.RequestList"),
    "report": Document(
        ("report",),
        {"...": "app.report.Report", "written": "list[str]"},
        about="A mission as it is sent to somebody",
    ),
    "review": Document(("review",), "app.task_work.ReviewPage"),
    "review.decided": Document(("review", "answer"), "app.decisions.DecidedTask"),
    "review.list": Document(
        ("review",), {"tasks": "list[app.tasks.TaskView]"}, about="The tasks that wait for review"
    ),
    "runs.cleaned": Document(("clean",), "app.mission.CleanedMission"),
    "schema.list": Document(
        ("schema",), {"schemas": "list[app.schemas.SchemaView]"}, about="Every schema that there is"
    ),
    "session.ended": Document(LAUNCHING, "app.hand_off.EndedSession"),
    "session.forgotten": Document(
        ("sessions",), {"session": "model.Session"}, about="A session that was given up"
    ),
    "session.list": Document(("sessions",), "app.status.SessionList"),
    "session.started": Document(LAUNCHING, "app.hand_off.StartedSession"),
    "session.stopped": Document(
        ("stop",), {"session": "model.Session"}, about="A session that was stopped"
    ),
    "step.ended": Document(
        ("exec",),
        {"...": "runs.result.StepResult", "run_dir": "Path"},
        about="A recorded command that ended",
    ),
    "step.prepared": Document(
        ("exec",),
        {"...": "runs.result.StepResult", "run_dir": "Path"},
        about="A recorded command that can be started",
    ),
    "task": Document(("show",), "app.tasks.TaskPage"),
    "task.added": Document(("add",), "app.change.ChangedTask"),
    "task.changed": Document(CHANGING, "app.change.ChangedTask"),
    "task.edited": Document(("edit",), "app.edit.EditedTask"),
    "task.graph": Document(
        ("graph",),
        {
            "nodes": [
                {"id": "str", "title": "str", "status": "model.Status", "to_merge": "str | None"}
            ],
            "edges": [{"from": "str", "to": "str"}],
            "cycles": "tuple[tuple[str, ...], ...]",
            "unknown": [{"task": "str", "depends_on": "str"}],
            "drawing": "str",
            "problems": "tuple[store.tasks.Problem, ...]",
        },
        about="What depends on what",
    ),
    "task.handoff": Document(("handoff",), "app.tasks.Handoff"),
    "task.list": Document(("list",), "app.tasks.TaskList"),
    "task.moved": Document(("mv",), "app.order.MovedTask"),
    "task.renumbered": Document(("renumber",), "store.renumber.Renumbered"),
    "task.section": Document(
        ("show",),
        {"id": "str", "section": "str", "content": "str"},
        about="One section of a task's file",
    ),
    "task.selection": Document(("next",), "app.hand_off.Choice"),
    "task.split": Document(("split",), "app.order.SplitTask"),
    "task.sync": Document(
        ("sync",),
        {
            "carried": [CARRIED],
            "problems": "list[store.tasks.Problem]",
            "titles": "list[store.retitle.OtherHeading]",
            "other_headings": "list[store.retitle.OtherHeading]",
        },
        about="What was carried between table and files",
    ),
    "tasks.changed": Document(
        CHANGING, {"tasks": "list[app.change.ChangedTask]"}, about="Several tasks after a change"
    ),
    "tasks.removed": Document(("rm",), "app.remove.RemovedTasks"),
    "trust": Document(("trust",), "app.trust.Trust"),
    "trust.forgotten": Document(
        ("trust",), {"done": "list[str]"}, about="What was allowed is taken back"
    ),
    "web": Document(("web",), "web.server.Opened"),
    "worktree.removed": Document(
        ("clean",),
        {"dry_run": "bool", "name": "str", "path": "Path", "branch": "str | None"},
        about="A worktree that was removed, or would be",
    ),
}
