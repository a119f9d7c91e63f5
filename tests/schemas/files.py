"""Every kind of file, line and message that people or other programs write and read.

What a person writes may hold more than is named here; it is kept. Keys of `mission.json` are
camelCase; snake_case is read too, and not described.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mosaic import executors, model, settings
from mosaic.cli.topics import docs_of
from mosaic.codec import JsonForm
from mosaic.prompts.capsule import SCHEMA_VERSION as CAPSULE_VERSION
from mosaic.prompts.capsule import SESSION_FORM
from mosaic.runs.checkpoint import Checkpoint
from mosaic.sessions.briefing import CHECKPOINT_KEYS
from mosaic.sessions.session_lock import PROCESS_KEYS
from mosaic.store.layout import DEFAULT_PATHS
from mosaic.store.mission_file import SCHEMA_VERSION as MISSION_VERSION
from mosaic.store.own_settings import COLOURS
from mosaic.store.session_entries import FORM as SESSION_ENTRY
from mosaic.text.fields import FIELDS, Kind
from tests.reference import MEANINGS, PATHS, camel

from .maker import Maker, Raw, Schema, Shape, as_object, one_of
from .shapes import DECISION, LISTED

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
DURATION: Schema = {"type": ["string", "integer"], "examples": ["45m", "1h30m", "90s"]}
SIZE: Schema = {"type": ["string", "number"], "examples": ["500kB", "32MB"]}
OFF: Schema = {"enum": ["off", "never", False]}
COMMAND: Schema = {"anyOf": [TEXT, {**TEXTS, "minItems": 1}]}


class File(NamedTuple):
    """A kind of file."""

    about: str
    version: int
    make: Any
    """Makes its schema, given a maker."""
    needs_all: bool = False
    form: JsonForm = JsonForm()


def task_file(_: Maker) -> Schema:
    """Return what front matter of a task file may hold."""
    properties: Schema = {}
    for each in FIELDS:
        made: Schema = {"type": ["string", "number", "null"]}
        if each.kind is Kind.LIST:
            made = {"anyOf": [{"type": ["string", "null"]}, TEXTS]}
        elif each.kind is Kind.STATUS:
            # `statuses` of mission.json may add words; editors still complete these.
            known = [word.value for word in model.Status if word is not model.Status.UNKNOWN]
            made = {"anyOf": [{"enum": known}, TEXT]}
        elif each.name == "title":
            made = {"type": ["string", "number"]}
        properties[each.name] = {**made, "description": each.meaning}
        if each.also:
            properties[each.also] = {**made, "description": f"The same as `{each.name}`"}
    made = as_object(properties, ["title", "status"])
    return {**made, "anyOf": [{"required": ["task_id"]}, {"required": ["id"]}]}


def mission_file(maker: Maker) -> Schema:
    """Return what mission.json may hold."""
    own: Schema = {
        "schemaVersion": {"const": MISSION_VERSION},
        "projectPath": {"type": "string", "description": "The project's folder"},
        "missionId": {"type": "string", "description": "The same as `id`"},
        **{key: {**TEXT, "description": f"Where {words} is"} for key, words in PATHS.items()},
        "stateFolders": {"enum": ["inside", "outside"]},
        "qualityGates": {
            "anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": gate()}]
        },
        "milestones": {"type": "array", "items": milestone(maker)},
        "sessions": {"type": "array", "items": session(maker)},
        "runtimes": {"type": "object", "additionalProperties": runtime(maker)},
        "hosts": {"type": "object", "additionalProperties": host(maker)},
        "statuses": {
            "type": "object",
            "additionalProperties": TEXT,
            "description": "The project's own status words, with what each means",
        },
        "budget": budget(),
        "imports": as_object(
            {"githubLabels": {"type": "object", "additionalProperties": TEXT}}, []
        ),
        "removedTasks": {
            "type": "array",
            "items": as_object({"id": TEXT, "title": TEXT}, ["id"]),
        },
        "runs": section(maker, "runs", settings.RunSettings),
        "review": section(maker, "review", settings.ReviewSettings),
        "worktrees": section(maker, "worktrees", settings.WorktreeSettings),
        "pullRequest": section(maker, "pullRequest", settings.PullRequestSettings),
        "maxParallel": {"type": ["integer", "null"], "minimum": 1},
    }
    assert set(DEFAULT_PATHS) == set(PATHS)
    found = section(maker, "", model.Mission, skipped=own)
    return as_object({**found["properties"], **own}, [])


def section(maker: Maker, prefix: str, kind: type, *, skipped: Schema | None = None) -> Schema:
    """Return what stands under a key of mission.json, by the record that it is read into."""
    properties: Schema = {}
    for name, meaning in docs_of(kind).items():
        key = camel(name)
        if key in (skipped or {}):
            if meaning:
                assert skipped is not None
                skipped[key].setdefault("description", meaning.replace("None:", "not set:"))
            continue
        made = value_of(maker, kind, name)
        words = meaning or MEANINGS.get(f"{prefix}.{key}" if prefix else key, "")
        words = words.replace("None:", "not set:")
        properties[key] = {**made, "description": words} if words else made
    return as_object(properties, [])


def value_of(maker: Maker, kind: type, name: str) -> Schema:
    """Return what a setting may be: a word, a number, a length of time, a size."""
    annotation = kind.__annotations__[name]
    if name.endswith("_seconds"):
        is_optional = annotation.endswith("| None")
        return {"anyOf": [DURATION, OFF]} if is_optional else DURATION
    if name.endswith("_bytes"):
        return SIZE
    if name in ("checkpoints", "ask_handoff"):
        return {"enum": [True, False, "off"]}
    if kind is settings.WorktreeSettings and name == "setup":
        return {"anyOf": [TEXT, TEXTS]}
    return maker.of(annotation, kind.__module__)


def gate() -> Schema:
    """Return one of `qualityGates`."""
    return {
        "anyOf": [
            TEXT,
            as_object(
                {
                    "command": COMMAND,
                    "name": TEXT,
                    "timeout": DURATION,
                    "scope": {"anyOf": [TEXT, TEXTS]},
                },
                ["command"],
            ),
        ]
    }


def budget() -> Schema:
    """Return what a loop may use."""
    return as_object(
        {
            "maxSessions": {"type": "number"},
            "maxCostUsd": {"type": "number"},
            "maxTime": DURATION,
            "maxAttempts": {"type": "number"},
            "retryDelay": DURATION,
        },
        [],
    )


def milestone(maker: Maker) -> Schema:
    """Return an entry of `milestones`."""
    made = section(maker, "milestones", model.Milestone)
    return {**made, "required": ["id"]}


def session(maker: Maker) -> Schema:
    """Return an entry of `sessions`: a line that Mosaic writes."""
    properties, _ = maker.fields_of(model.Session, SESSION_ENTRY)
    del properties["host"]
    properties["sessionId"] = properties.pop("id")
    return as_object(properties, ["sessionId", "runtime", "startedAt"])


def runtime(maker: Maker) -> Schema:
    """Return an entry of `runtimes`."""
    made = section(maker, "runtimes.NAME", settings.RuntimeSpec)
    del made["properties"]["name"]
    made["properties"]["prompt"]["enum"] = ["stdin", "argument", "file", None]
    made["properties"]["env"]["additionalProperties"] = {}
    return {"anyOf": [TEXTS, made]}


def host(maker: Maker) -> Schema:
    """Return an entry of `hosts`."""
    made = section(maker, "hosts.NAME", settings.HostSpec)
    del made["properties"]["name"]
    return {**made, "oneOf": [{"required": ["address"]}, {"required": ["scheduler"]}]}


def config_file(maker: Maker) -> Schema:
    """Return what a person's own config.toml may hold."""
    return as_object(
        {
            "runtime": {**TEXT, "description": "Who gets a task that names nobody"},
            "executor": {
                **TEXT,
                "examples": [*executors.BUILT_IN],
                "description": "Where `--detach` and `-j` start agents",
            },
            "editor": COMMAND,
            "pager": {"anyOf": [TEXT, TEXTS], "description": "An empty text is none"},
            "notify": COMMAND,
            "colour": {"enum": list(COLOURS)},
            "models": {
                "type": "object",
                "additionalProperties": TEXT,
                "description": "The model to ask for, by runtime",
            },
            "hosts": {
                "type": "object",
                "additionalProperties": host(maker),
                "description": "Other machines, by a name of your own",
            },
        },
        [],
    )


def capsule(maker: Maker) -> Schema:
    """Return what next-task.json holds."""
    fields = {each.name: LISTED[each.kind] for each in FIELDS}
    shape: Shape = {
        "schema_version": Raw(const=CAPSULE_VERSION),
        "generated_at": "datetime",
        "runtime": "str",
        "mission_id": "str",
        "mission_name": "str",
        "project_path": "str",
        "quality_gates": "JsonValue",
        "current_milestone": {"id": "str", "name": "str"},
        "next_task": "str",
        "progress": {"tasks_done": "int", "tasks_total": "int", "pct": "int"},
        "current_branch": "str",
        "session_id": "str",
        "run_id": "str",
        "task": {
            **fields,
            "status": "str",
            "notes": "str | None",
            "file": "str | None",
            "handoff_sections_missing": "list[str]",
        },
        "depends_on": [{"id": "str", "title": "str", "status": "str", "next_handoff": "str"}],
        "write_scope": "list[str]",
        "acceptance_criteria": "tuple[text.criteria.Criterion, ...]",
        "decisions": [
            {
                **{key: DECISION[key] for key in ("number", "date", "by", "text", "question")},
                "kind": "text.decisions.Kind",
                "place": "str",
                "quoted": "list[str]",
                "now_at": "str",
            }
        ],
        "previous_session": Raw(
            **one_of([maker.of(model.Session, form=SESSION_FORM), {"type": "null"}])
        ),
        "checkpoint": checkpoint_in_capsule(maker),
        "prompt_file": "str",
    }
    return maker.of(shape)


def checkpoint_in_capsule(maker: Maker) -> Raw:
    """Return the part of a checkpoint that the capsule has."""
    properties, _ = maker.fields_of(Checkpoint)
    kept = {key: properties[key] for key in CHECKPOINT_KEYS} | {
        "patch": {"type": ["string", "null"]}
    }
    return Raw(**one_of([as_object(kept, [*kept]), {"type": "null"}]))


def event(maker: Maker) -> Schema:
    """Return one line of worker.log."""
    shape = {
        "...": "runs.events.Event",
        "event_id": "str",
        "created_at": "datetime",
    }
    return maker.of(shape)


def lock(maker: Maker) -> Schema:
    """Return session.lock."""
    shape = {"...": "model.SessionLock", "process": None}
    identity, _ = maker.fields_of(model.ProcessIdentity)
    made = maker.of(shape)
    made["properties"] |= {key: identity[name] for key, name in PROCESS_KEYS.items()}
    return made


def notify(maker: Maker) -> Schema:
    """Return what the `notify` command gets on its stdin."""
    return maker.of(
        {
            "mission": "str",
            "kind": "sessions.alarm.Need",
            "task_id": "str | None",
            "session_id": "str | None",
            "why": "str",
            "waiting": {"review?": "list[str]", "blocked?": "list[str]"},
        }
    )


def report(maker: Maker) -> Schema:
    """Return artifacts/report.json, as an agent may write it."""
    return maker.of(
        {
            "summary?": "str",
            "needs_human?": "bool",
            "blocked?": "bool",
            "artifacts?": [{"path": "str", "name?": "str", "kind?": "str", "description?": "str"}],
            "suggested_followup?": [{"step_name": "str", "step_kind?": "str", "reason?": "str"}],
        }
    )


def record(name: str) -> Any:
    """Return what makes the schema of a file that is one record."""
    return lambda maker: maker.of({"...": name})


SECONDS = JsonForm(times="seconds")
FILES: Mapping[str, File] = {
    "mission": File("mission.json: milestones, settings, sessions", MISSION_VERSION, mission_file),
    "task": File("the front matter of a task file", 1, task_file),
    "config": File("your own settings, `config.toml`", 1, config_file),
    "capsule": File(
        "next-task.json: the next task for a program", CAPSULE_VERSION, capsule, needs_all=True
    ),
    "agent-report": File("artifacts/report.json: what an agent reports of its run", 1, report),
    "run": File("meta.json of a run: what was asked", 1, record("runs.record.RunMeta")),
    "run-state": File("state.json of a run: where it stands", 1, record("runs.record.RunState")),
    "run-host": File("host.json of a run: where it was sent", 1, record("remote.sent.Sent")),
    "result": File("result.json of a run: how it ended", 1, record("runs.result.StepResult")),
    "event": File("a line of worker.log: what happened to a run", 1, event),
    "checkpoint": File("the record of a checkpoint", 1, record("runs.checkpoint.Checkpoint")),
    "session-lock": File("session.lock: who works in a work tree", 1, lock, form=SECONDS),
    "notify": File("what the `notify` command gets on stdin", 1, notify, needs_all=True),
}
