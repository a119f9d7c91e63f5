"""What mission.json says, turned into values; every complaint names the line of its key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from mosaic.errors import MissionFileError, UsageError
from mosaic.machine.clock import read_moment
from mosaic.model import (
    EndReason,
    GatePolicy,
    Milestone,
    MilestoneStatus,
    Mission,
    MissionStatus,
    PrivateFiles,
    ReviewSettings,
    RunSettings,
    RuntimeSpec,
    Session,
    Sessions,
    Status,
    Usage,
    WorktreeSettings,
)
from mosaic.plan.durations import parse_duration
from mosaic.plan.sizes import parse_size
from mosaic.plan.statuses import parse_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from enum import StrEnum

    from mosaic.model import JsonValue

SCHEMA_VERSION = 1
LARGEST_NUMBER = 1 << 53
Word = TypeVar("Word", bound="StrEnum")
Amount = TypeVar("Amount", int, float)


def snake_case(key: str) -> str:
    """Return `missionId` as `mission_id`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", key).lower()


def get_key(data: Mapping[str, Any], key: str) -> Any:
    """Return a camelCase key's value, or that of its snake_case twin, or None."""
    return data[key] if key in data else data.get(snake_case(key))


class MissionReader:
    """Turns the parsed JSON into values; every complaint names the line of its key."""

    def __init__(self, text: str = "") -> None:
        self._text = text

    def mission(self, data: Mapping[str, Any]) -> Mission:
        """Return the mission that a parsed mission.json describes.

        Raises:
            MissionFileError: a key does not hold what it must.
        """
        version = get_key(data, "schemaVersion")
        if version is not None and version != SCHEMA_VERSION:
            newer = isinstance(version, int) and version > SCHEMA_VERSION
            raise self._error(
                "schemaVersion",
                f"schema version {version!r} is not one that this Mosaic reads",
                "upgrade Mosaic" if newer else f"write `{SCHEMA_VERSION}`",
            )
        return Mission(
            id=self._text_of(data, "id") or self._text_of(data, "missionId") or "mission",
            name=self._text_of(data, "name") or "Mission",
            description=self._text_of(data, "description") or "",
            status=self._word(data, "status", MissionStatus, MissionStatus.INACTIVE),
            created_at=self._text_of(data, "createdAt"),
            task_prefix=self._text_of(data, "taskPrefix") or "T",
            quality_gates=self._gates(get_key(data, "qualityGates")),
            runtime=self._text_of(data, "runtime"),
            milestones=tuple(self._milestone(item) for item in self._objects(data, "milestones")),
            sessions=Sessions(self.session(item) for item in self._objects(data, "sessions")),
            runtimes=self._runtimes(data),
            statuses=self._statuses(data),
            budget=self._mapping(data, "budget"),
            runs=self._run_settings(self._mapping(data, "runs")),
            review=self._review_settings(self._mapping(data, "review")),
            worktrees=self._worktree_settings(self._mapping(data, "worktrees")),
            max_parallel=self._at_least_one(data, "maxParallel"),
            notify=self._strings("notify", data, "notify"),
        )

    def paths(self, data: Mapping[str, Any], keys: Iterable[str]) -> dict[str, str]:
        """Return the settings among some keys that name paths.

        Raises:
            MissionFileError: one of them can be no path.
        """
        named = {key: value for key in keys if isinstance(value := get_key(data, key), str)}
        for key, value in named.items():
            if "\0" in value:
                raise self._error(key, f"`{key}` holds a control character", "write a path")
        return named

    def _milestone(self, item: Mapping[str, Any]) -> Milestone:
        name = self._required(item, "id", "milestones")
        return Milestone(
            id=name,
            name=self._text_of(item, "name") or name,
            status=self._word(item, "status", MilestoneStatus, MilestoneStatus.PENDING),
        )

    def session(self, item: Mapping[str, Any]) -> Session:
        """Return the session that an entry of `sessions` describes.

        Raises:
            MissionFileError: a key does not hold what it must.
        """
        session_id = self._text_of(item, "sessionId") or self._required(item, "id", "sessions")
        started = self._time(item, "startedAt")
        if started is None:
            raise self._error("sessions", f"session `{session_id}` has no `startedAt`", "add it")
        return Session(
            id=session_id,
            runtime=self._text_of(item, "runtime") or "",
            pid=self._number(item, "pid") or 0,
            host=self._text_of(item, "host") or "",
            started_at=started,
            ended_at=self._time(item, "endedAt"),
            ended_reason=self._ended_reason(item),
            duration_seconds=self._number(item, "durationSeconds"),
            milestone_id=self._text_of(item, "milestoneId"),
            last_task_id=self._text_of(item, "lastTaskId"),
            run_id=self._text_of(item, "runId"),
            runtime_session_id=self._text_of(item, "runtimeSessionId"),
            usage=self._usage(get_key(item, "usage")),
        )

    def _ended_reason(self, item: Mapping[str, Any]) -> EndReason | None:
        if get_key(item, "endedReason") is None:
            return None
        return self._word(item, "endedReason", EndReason, EndReason.CRASHED)

    def _usage(self, value: object) -> Usage | None:
        if not isinstance(value, dict):
            return None
        return Usage(
            input_tokens=self._number(value, "inputTokens") or 0,
            output_tokens=self._number(value, "outputTokens") or 0,
            cached_input_tokens=self._number(value, "cachedInputTokens") or 0,
            cost_usd=self._amount("costUsd", get_key(value, "costUsd")),
        )

    def _gates(self, value: object) -> JsonValue:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(gate, str | dict) for gate in value):
            return value
        raise self._error(
            "qualityGates", "`qualityGates` is neither a command nor a list", "write a string"
        )

    def _statuses(self, data: Mapping[str, Any]) -> dict[str, Status]:
        words: dict[str, Status] = {}
        for word, meaning in self._mapping(data, "statuses").items():
            status = parse_status(meaning) if isinstance(meaning, str) else None
            if status is None:
                raise self._error("statuses", f"`{word}` stands for {meaning!r}", "name a status")
            words[word] = status
        return words

    def _runtimes(self, data: Mapping[str, Any]) -> dict[str, RuntimeSpec]:
        return {
            name: self._runtime(name, value)
            for name, value in self._mapping(data, "runtimes").items()
        }

    def _runtime(self, name: str, value: object) -> RuntimeSpec:
        if isinstance(value, list):
            return RuntimeSpec(name=name, command=self._strings(name, {"command": value}))
        if not isinstance(value, dict):
            raise self._error(name, f"runtime `{name}` is no command", "write a list of arguments")
        prompt = self._text_of(value, "prompt")
        if prompt not in (None, "stdin", "argument", "file"):
            raise self._error(name, f"`prompt` of `{name}` is {prompt!r}", "use stdin or argument")
        env = self._mapping(value, "env")
        return RuntimeSpec(
            name=name,
            command=self._strings(name, value),
            resume=self._strings(name, value, "resume"),
            interactive=self._strings(name, value, "interactive"),
            args=self._strings(name, value, "args"),
            prompt=prompt,
            env={key: str(item) for key, item in env.items()},
            timeout=self._text_of(value, "timeout"),
            model=self._text_of(value, "model"),
            tells_commands=self._truth(value, "tellsCommands"),
        )

    def _run_settings(self, data: Mapping[str, Any]) -> RunSettings:
        usual = RunSettings()
        size = self._measure(data, "largestFile", parse_size)
        return RunSettings(
            checkpoint_every_seconds=self._pause(
                data, "checkpointEvery", usual.checkpoint_every_seconds
            ),
            checkpoint_base=self._text_of(data, "checkpointBase"),
            largest_file_bytes=usual.largest_file_bytes if size is None else size,
            stalled_after_seconds=self._pause(data, "stalledAfter", usual.stalled_after_seconds),
            private_files=self._word(data, "privateFiles", PrivateFiles, usual.private_files),
        )

    def _review_settings(self, data: Mapping[str, Any]) -> ReviewSettings:
        return ReviewSettings(
            gates=self._word(data, "gates", GatePolicy, GatePolicy.FINISHED),
            allow_out_of_scope=self._truth(data, "allowOutOfScope"),
            green_is_done=self._truth(data, "greenIsDone"),
        )

    def _worktree_settings(self, data: Mapping[str, Any]) -> WorktreeSettings:
        setup = get_key(data, "setup")
        if isinstance(setup, str):
            command: tuple[str, ...] = ("sh", "-c", setup) if setup.strip() else ()
        else:
            command = self._strings("worktrees", data, "setup")
        usual = WorktreeSettings()
        limit = self._measure(data, "setupTimeout", parse_duration)
        return WorktreeSettings(
            setup=command,
            setup_timeout_seconds=usual.setup_timeout_seconds if limit is None else limit,
            copy=self._strings("worktrees", data, "copy"),
            link=self._strings("worktrees", data, "link"),
        )

    def _at_least_one(self, data: Mapping[str, Any], key: str) -> int | None:
        value = get_key(data, key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self._error(key, f"`{key}` is {value!r}", "write a number from 1 upwards")
        return value

    def _truth(self, data: Mapping[str, Any], key: str) -> bool:
        value = get_key(data, key)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise self._error(key, f"`{key}` is {value!r}", "write `true` or `false`")

    def _pause(self, data: Mapping[str, Any], key: str, usual: float | None) -> float | None:
        """Return a length of time, None for `off`, the usual one where nothing is said."""
        if get_key(data, key) in (False, "off", "never"):
            return None
        found = self._measure(data, key, parse_duration)
        return usual if found is None else found

    def _measure(
        self, data: Mapping[str, Any], key: str, parse: Callable[[str], Amount]
    ) -> Amount | None:
        value = get_key(data, key)
        if value is None:
            return None
        try:
            return parse(str(value))
        except UsageError as error:
            raise self._error(key, f"`{key}`: {error.message}", error.hint or "") from None

    def _strings(
        self, name: str, value: Mapping[str, Any], key: str = "command"
    ) -> tuple[str, ...]:
        items = value.get(key, [])
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise self._error(name, f"`{key}` of `{name}` is no list of strings", "write a list")
        return tuple(items)

    def _objects(self, data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        value = get_key(data, key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._error(key, f"`{key}` is no list of objects", "write a list of objects")
        return value

    def _mapping(self, data: Mapping[str, Any], key: str) -> dict[str, Any]:
        value = get_key(data, key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._error(key, f"`{key}` is no object", "write `{}`")
        return value

    def _text_of(self, data: Mapping[str, Any], key: str) -> str | None:
        value = get_key(data, key)
        if value is None or isinstance(value, str):
            return value
        raise self._error(key, f"`{key}` is {value!r}, not text", "put it in double quotes")

    def _required(self, data: Mapping[str, Any], key: str, where: str) -> str:
        value = self._text_of(data, key)
        if not value:
            raise self._error(where, f"an entry of `{where}` has no `{key}`", f"add `{key}`")
        return value

    def _number(self, data: Mapping[str, Any], key: str) -> int | None:
        value = get_key(data, key)
        if value is None:
            return None
        return int(self._counted(key, value))

    def _amount(self, key: str, value: object) -> float | None:
        if not isinstance(value, int | float):
            return None
        return float(self._counted(key, value))

    def _counted(self, key: str, value: object) -> float:
        """Return a number that any program can hold."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(key, f"`{key}` is {value!r}, not a number", "write a number")
        if abs(value) > LARGEST_NUMBER:
            raise self._error(key, f"`{key}` is beyond all measure", "write a smaller number")
        return value

    def _time(self, data: Mapping[str, Any], key: str) -> datetime | None:
        value = self._text_of(data, key)
        if not value:
            return None
        try:
            return read_moment(value)
        except ValueError:
            raise self._error(
                key, f"`{key}` is {value!r}, not a time", "write it as 2026-03-21T11:41:39Z"
            ) from None

    def _word(self, data: Mapping[str, Any], key: str, words: type[Word], default: Word) -> Word:
        value = self._text_of(data, key)
        if value is None:
            return default
        try:
            return words(value.strip().lower().replace("_", "-").replace(" ", "-"))
        except ValueError:
            known = ", ".join(f"`{word}`" for word in words)
            raise self._error(key, f"`{key}` is {value!r}", f"use one of {known}") from None

    def _error(self, key: str, message: str, hint: str) -> MissionFileError:
        found = re.search(rf'"(?:{re.escape(key)}|{re.escape(snake_case(key))})"\s*:', self._text)
        line = self._text.count("\n", 0, found.start()) + 1 if found else None
        return MissionFileError(message, line=line, hint=hint)
