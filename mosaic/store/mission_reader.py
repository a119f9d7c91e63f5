"""What mission.json says, turned into values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.model import (
    GatePolicy,
    Milestone,
    MilestoneStatus,
    Mission,
    MissionStatus,
    PrivateFiles,
    ReviewSettings,
    RunSettings,
    RuntimeSpec,
    Status,
    WorktreeSettings,
)
from mosaic.plan.durations import parse_duration
from mosaic.plan.sizes import parse_size
from mosaic.plan.statuses import parse_status
from mosaic.store.json_object import Document, JsonObject
from mosaic.store.session_entries import ListedSessions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mosaic.model import JsonValue

SCHEMA_VERSION = 1


def read_mission_values(text: str, data: Mapping[str, Any]) -> Mission:
    """Return the mission that mission.json describes.

    Raises:
        MissionFileError: a key does not hold what it must; names its line.
    """
    document = Document(text, data)
    mission = JsonObject(data, document)
    _refuse_other_version(mission)
    return Mission(
        id=mission.text("id") or mission.text("missionId") or "mission",
        name=mission.text("name") or "Mission",
        description=mission.text("description") or "",
        status=mission.word("status", MissionStatus) or MissionStatus.INACTIVE,
        created_at=mission.text("createdAt"),
        task_prefix=mission.text("taskPrefix") or "T",
        quality_gates=_gates(mission),
        runtime=mission.text("runtime"),
        milestones=tuple(map(_milestone, mission.objects("milestones"))),
        sessions=ListedSessions(mission.items("sessions"), document),
        runtimes=_runtimes(mission.mapping("runtimes")),
        statuses=_statuses(mission.mapping("statuses")),
        budget=mission.mapping("budget").data,
        runs=_run_settings(mission.mapping("runs")),
        review=_review_settings(mission.mapping("review")),
        worktrees=_worktree_settings(mission.mapping("worktrees")),
        max_parallel=mission.at_least_one("maxParallel"),
        notify=mission.strings("notify"),
    )


def read_paths(text: str, data: Mapping[str, Any], keys: Iterable[str]) -> dict[str, str]:
    """Return the settings among some keys that name paths."""
    mission = JsonObject(data, Document(text, data))
    named = {key: value for key in keys if isinstance(value := mission.get(key), str)}
    for key, value in named.items():
        if "\0" in value:
            raise mission.fault(key, f"`{key}` holds a control character", "write a path")
    return named


def _refuse_other_version(mission: JsonObject) -> None:
    version = mission.get("schemaVersion")
    if version not in (None, SCHEMA_VERSION):
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        raise mission.fault(
            "schemaVersion",
            f"schema version {version!r} is not one that this Mosaic reads",
            "upgrade Mosaic" if newer else f"write `{SCHEMA_VERSION}`",
        )


def _milestone(item: JsonObject) -> Milestone:
    name = item.text("id")
    if not name:
        raise item.fault("id", "an entry of `milestones` has no `id`", "add `id`")
    return Milestone(
        id=name,
        name=item.text("name") or name,
        status=item.word("status", MilestoneStatus) or MilestoneStatus.PENDING,
    )


def _gates(mission: JsonObject) -> JsonValue:
    value: JsonValue = mission.get("qualityGates")
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(gate, str | dict) for gate in value):
        return value
    raise mission.fault(
        "qualityGates", "`qualityGates` is neither a command nor a list", "write a string"
    )


def _statuses(words: JsonObject) -> dict[str, Status]:
    found: dict[str, Status] = {}
    for word, meaning in words.data.items():
        status = parse_status(meaning) if isinstance(meaning, str) else None
        if status is None:
            raise words.fault(word, f"`{word}` stands for {meaning!r}", "name a status")
        found[word] = status
    return found


def _runtimes(runtimes: JsonObject) -> dict[str, RuntimeSpec]:
    found = {}
    for name, value in runtimes.data.items():
        if isinstance(value, list):
            found[name] = RuntimeSpec(name=name, command=runtimes.strings(name))
        elif isinstance(value, dict):
            found[name] = _runtime(name, runtimes.mapping(name))
        else:
            raise runtimes.fault(
                name, f"runtime `{name}` is not a command", "write a list of arguments"
            )
    return found


def _runtime(name: str, runtime: JsonObject) -> RuntimeSpec:
    prompt = runtime.text("prompt")
    if prompt not in (None, "stdin", "argument", "file"):
        raise runtime.fault(
            "prompt", f"`prompt` of `{name}` is {prompt!r}", "use stdin or argument"
        )
    env = runtime.mapping("env").data
    return RuntimeSpec(
        name=name,
        command=runtime.strings("command"),
        resume=runtime.strings("resume"),
        interactive=runtime.strings("interactive"),
        args=runtime.strings("args"),
        prompt=prompt,
        env={key: str(item) for key, item in env.items()},
        timeout=runtime.text("timeout"),
        model=runtime.text("model"),
        tells_commands=runtime.truth("tellsCommands"),
    )


def _run_settings(runs: JsonObject) -> RunSettings:
    usual = RunSettings()
    size = runs.measure("largestFile", parse_size)
    lines = runs.number("logTailLines")
    return RunSettings(
        checkpoint_every_seconds=_pause(runs, "checkpointEvery", usual.checkpoint_every_seconds),
        checkpoint_base=runs.text("checkpointBase"),
        largest_file_bytes=usual.largest_file_bytes if size is None else size,
        stalled_after_seconds=_pause(runs, "stalledAfter", usual.stalled_after_seconds),
        private_files=runs.word("privateFiles", PrivateFiles) or usual.private_files,
        checkpoints=runs.get("checkpoints") not in (False, "off"),
        log_tail_lines=None if lines is None else max(0, int(lines)),
    )


def _pause(runs: JsonObject, key: str, usual: float | None) -> float | None:
    """Return a length of time, None for `off`, the usual one where the key is missing."""
    if runs.get(key) in (False, "off", "never"):
        return None
    found = runs.measure(key, parse_duration)
    return usual if found is None else found


def _review_settings(review: JsonObject) -> ReviewSettings:
    return ReviewSettings(
        gates=review.word("gates", GatePolicy) or GatePolicy.FINISHED,
        allow_out_of_scope=review.truth("allowOutOfScope"),
        green_is_done=review.truth("greenIsDone"),
    )


def _worktree_settings(worktrees: JsonObject) -> WorktreeSettings:
    setup = worktrees.get("setup")
    if isinstance(setup, str):
        command: tuple[str, ...] = ("sh", "-c", setup) if setup.strip() else ()
    else:
        command = worktrees.strings("setup")
    limit = worktrees.measure("setupTimeout", parse_duration)
    return WorktreeSettings(
        setup=command,
        setup_timeout_seconds=(
            WorktreeSettings().setup_timeout_seconds if limit is None else limit
        ),
        copy=worktrees.strings("copy"),
        link=worktrees.strings("link"),
    )
