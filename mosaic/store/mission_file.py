"""mission.json: read into a `Mission`, changed in place.

camelCase is what Mosaic writes; snake_case is read as the same and left as it is (only
`mission migrate` rewrites it). Unknown keys, key order and layout survive every edit:
changes are spliced by `mosaic.text.jsondoc`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mosaic.errors import MergeConflictError, MissionError
from mosaic.machine.disk import read_text
from mosaic.model import Milestone, Mission, MissionStatus, Status
from mosaic.plan.durations import parse_duration
from mosaic.plan.hosts import host_fault
from mosaic.plan.sizes import parse_size
from mosaic.plan.statuses import parse_status
from mosaic.records import dataclass, replace
from mosaic.settings import (
    HostSpec,
    Landing,
    LandingUpdate,
    PullRequestSettings,
    ReviewSettings,
    RunSettings,
    RuntimeSpec,
    WorktreeSettings,
)
from mosaic.store.allowance import may_lead_to
from mosaic.store.journal import read_journal
from mosaic.store.json_object import JsonObject, get_key, snake_case
from mosaic.store.layout import (
    DEFAULT_PATHS,
    INSIDE,
    OUTSIDE,
    OUTSIDE_KEY,
    Layout,
    layout_of,
    project_above,
)
from mosaic.store.session_entries import ListedSessions, session_values, started_later
from mosaic.text.jsondoc import append_json, insert_json, parse_json_document, set_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.model import JsonValue, Session

SCHEMA_VERSION = 1
REMOVED = "removedTasks"


@dataclass(frozen=True, kw_only=True, slots=True)
class MissionDocument:
    """What mission.json says, and where it says that the mission's files are."""

    path: Path
    mission: Mission
    layout: Layout
    conflict: MergeConflictError | None = None
    """The merge that is not resolved in it; what both sides have is taken together then."""
    stray_project: str | None = None
    """An absolute `projectPath` that is of another place, and so is not followed."""

    @property
    def stray_words(self) -> str | None:
        """What a person should know of it."""
        if self.stray_project is None:
            return None
        project, named = self.layout.project, self.stray_project
        return f"`projectPath` names another place, `{named}`; `{project}` is used"


def load_mission(path: Path) -> MissionDocument:
    """Read a mission file.

    Raises FileAccessError, or MissionFileError, which names the line of the key.
    """
    return _load(path, read_text(path).text)


def look_at_mission(path: Path) -> MissionDocument:
    """Read a mission file to look at it, also one that git left in conflict.

    Then sessions of both sides are there, and where they disagree our side counts.
    """
    text = read_text(path).text
    try:
        return _load(path, text)
    except MergeConflictError as error:
        from mosaic.text.lines import conflict_sides
        from mosaic.text.merge3 import Merger
        from mosaic.text.merge_json import merge_json

        ours, theirs = conflict_sides(text)
        try:
            document = _load(path, merge_json(Merger(), None, ours.text, theirs.text))
        except MissionError:
            raise error from None
        return replace(document, conflict=error)


def _load(path: Path, text: str) -> MissionDocument:
    try:
        values = JsonObject.parse(text)
        mission = _mission(values)
        settings = _path_settings(values)
    except MissionError as error:
        raise error.at(path) from None
    project, stray = _project_path(path, values.get("projectPath"))
    layout = layout_of(path, project, settings)
    if isinstance(mission.sessions, ListedSessions):
        mission.sessions.put_back(read_journal(layout, mission))
    return MissionDocument(path=path, mission=mission, layout=layout, stray_project=stray)


def line_of(path: Path, key: str) -> int | None:
    """Return the line of a key in a mission file that can be read."""
    return JsonObject.parse(read_text(path).text).fault(key, "", None).line


def parse_mission(text: str) -> Mission:
    """Return the mission that a text of mission.json describes; no path in it is looked at."""
    return _mission(JsonObject.parse(text))


def with_status(text: str, status: MissionStatus) -> str:
    """Return the text with another mission status."""
    return _set(text, (), parse_json_document(text), "status", status.value)


def with_milestone(text: str, number: int, key: str, value: JsonValue) -> str:
    """Return the text with another value of a declared milestone, counted from 0."""
    entry = (parse_json_document(text).get("milestones") or [])[number]
    return _set(text, ("milestones", number), entry, key, value)


def with_removed(text: str, task_id: str, title: str) -> str:
    """Return the text with the id of a task that is removed: no other one gets it."""
    return append_json(text, (REMOVED,), {"id": task_id, "title": title}, one_line=True)


def with_session(text: str, session: Session, *, in_order: bool = False) -> str:
    """Return the text with a session added, or brought up to date if it is listed already.

    A new one comes last, whatever the clock says; `in_order` puts it where its time is.
    """
    data = parse_json_document(text)
    values = session_values(session)
    listed = data.get("sessions") or []
    for number in range(len(listed) - 1, -1, -1):
        entry = listed[number]
        if isinstance(entry, dict) and get_key(entry, "sessionId") == session.id:
            for key, value in values.items():
                if get_key(entry, key) != value:
                    text = _set(text, ("sessions", number), entry, key, value)
            return text
    if data.get("sessions", []) is None:
        text = set_json(text, ("sessions",), [])
    later = (n for n, entry in enumerate(listed) if in_order and started_later(entry, session))
    if (at := next(later, None)) is not None:
        return insert_json(text, ("sessions",), at, values, one_line=True)
    return append_json(text, ("sessions",), values, one_line=True)


def _set(
    text: str, path: tuple[str | int, ...], parent: Mapping[str, Any], key: str, value: JsonValue
) -> str:
    snake = snake_case(key)
    name = snake if key not in parent and snake in parent else key
    return set_json(text, (*path, name), value)


def _project_path(mission_file: Path, setting: object) -> tuple[Path, str | None]:
    """Return the project's folder, and the setting where it is an absolute path elsewhere.

    Such a path is of another clone, or of another machine: this file's own place counts then.
    """
    above = project_above(mission_file)
    if not isinstance(setting, str) or not setting:
        return above, None
    named = above / setting
    if not os.path.isabs(setting):
        return (named if named.is_dir() else above), None
    if named.is_dir() and may_lead_to(mission_file, above, named):
        return named, None
    return above, setting


def _mission(mission: JsonObject) -> Mission:
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
        sessions=ListedSessions(mission),
        runtimes=_runtimes(mission.mapping("runtimes")),
        hosts=_hosts(mission.mapping("hosts")),
        statuses=_statuses(mission.mapping("statuses")),
        budget=mission.mapping("budget").data,
        runs=_run_settings(mission.mapping("runs")),
        review=_review_settings(mission.mapping("review")),
        worktrees=_worktree_settings(mission.mapping("worktrees")),
        landing=mission.word("landing", Landing) or Landing.MANUAL,
        pull_request=_pull_request_settings(mission.mapping("pullRequest")),
        landing_update=mission.word("landingUpdate", LandingUpdate) or LandingUpdate.MERGE,
        max_parallel=mission.at_least_one("maxParallel"),
        parallel_without_scope=mission.truth("parallelWithoutScope") or False,
        imports=mission.mapping("imports").data,
        removed_tasks={
            name: item.text("title") or ""
            for item in mission.objects(REMOVED)
            if (name := item.text("id"))
        },
        notify=mission.strings("notify"),
    )


def _path_settings(mission: JsonObject) -> dict[str, str]:
    named = {key: value for key in DEFAULT_PATHS if isinstance(value := mission.get(key), str)}
    if (place := mission.get(OUTSIDE_KEY)) not in (None, INSIDE, OUTSIDE):
        words = f"`{OUTSIDE_KEY}` is {place!r}"
        raise mission.fault(OUTSIDE_KEY, words, f"use `{OUTSIDE}` or `{INSIDE}`")
    if place == OUTSIDE:
        named[OUTSIDE_KEY] = OUTSIDE
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
    return item.record(Milestone, id=name, name=item.text("name") or name)


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


def _hosts(hosts: JsonObject) -> dict[str, HostSpec]:
    found = {}
    for name in hosts.data:
        entry = hosts.mapping(name)
        found[name] = entry.record(HostSpec, name=name, max=entry.at_least_one("max"))
        if why := host_fault(found[name]):
            raise hosts.fault(name, f"host `{name}` {why[0]}", why[1])
    return found


def _runtime(name: str, runtime: JsonObject) -> RuntimeSpec:
    prompt = runtime.text("prompt")
    if prompt not in (None, "stdin", "argument", "file"):
        raise runtime.fault(
            "prompt", f"`prompt` of `{name}` is {prompt!r}", "use stdin or argument"
        )
    env = {key: str(item) for key, item in runtime.mapping("env").data.items()}
    return runtime.record(RuntimeSpec, name=name, env=env)


def _review_settings(review: JsonObject) -> ReviewSettings:
    asks = review.get("askHandoff") not in (False, "off")
    return review.record(ReviewSettings, ask_handoff=asks)


def _run_settings(runs: JsonObject) -> RunSettings:
    usual = RunSettings()
    size = runs.measure("largestFile", parse_size)
    lines = runs.whole("logTailLines")
    return runs.record(
        RunSettings,
        checkpoint_every_seconds=_pause(runs, "checkpointEvery", usual.checkpoint_every_seconds),
        largest_file_bytes=usual.largest_file_bytes if size is None else size,
        stalled_after_seconds=_pause(runs, "stalledAfter", usual.stalled_after_seconds),
        after_result_seconds=_pause(runs, "afterResult", usual.after_result_seconds),
        background_seconds=_pause(runs, "background", usual.background_seconds),
        checkpoints=runs.get("checkpoints") not in (False, "off"),
        log_tail_lines=None if lines is None else max(0, lines),
    )


def _pause(runs: JsonObject, key: str, usual: float | None) -> float | None:
    if runs.get(key) in (False, "off", "never"):
        return None
    found = runs.measure(key, parse_duration)
    return usual if found is None else found


def _pull_request_settings(requests: JsonObject) -> PullRequestSettings:
    usual = PullRequestSettings()
    every = requests.measure("every", parse_duration)
    wait = requests.measure("wait", parse_duration)
    return requests.record(
        PullRequestSettings,
        every_seconds=usual.every_seconds if every is None else every,
        wait_seconds=usual.wait_seconds if wait is None else wait,
    )


def _worktree_settings(worktrees: JsonObject) -> WorktreeSettings:
    setup = worktrees.get("setup")
    if isinstance(setup, str):
        command: tuple[str, ...] = ("sh", "-c", setup) if setup.strip() else ()
    else:
        command = worktrees.strings("setup")
    usual = WorktreeSettings().setup_timeout_seconds
    limit = worktrees.measure("setupTimeout", parse_duration)
    return worktrees.record(
        WorktreeSettings, setup=command, setup_timeout_seconds=usual if limit is None else limit
    )
