"""The rules of a mission: what its settings let programs run, and how they judge work.

A hand-off is judged by the rules that stood when its task was claimed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mosaic.codec import JsonForm, dump_record
from mosaic.records import dataclass, replace
from mosaic.settings import GatePolicy, Landing, ReviewSettings

if TYPE_CHECKING:
    from mosaic.model import FreeJson, JsonValue, Mission, Text
    from mosaic.settings import RuntimeSpec

LONGEST_VALUE = 120
DECISIONS = "decisions"
OF_TASK = ("write_scope", DECISIONS)
"""Rules of the task itself; the others are settings of the mission."""
CAMEL = JsonForm(is_camel=True, leaves_out=("name",))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What one hand-off is judged by: rules.json."""

    json_form = JsonForm(version=1)
    settings: Mapping[str, FreeJson]
    """Those of the mission: see `rule_settings`."""
    write_scope: tuple[Text, ...] = ()
    """The task's own."""
    has_file: bool = True
    """Whether the task has a file, whose handoff sections must be filled."""
    decisions: tuple[Text, ...] = ()
    """What people decided on the task: `Decision.identity` of each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleChange:
    """One rule that is not what it was."""

    key: str
    """As mission.json names it, with dots: `review.greenIsDone`; or one of `OF_TASK`."""
    before: JsonValue
    """None: it was not set."""
    after: JsonValue

    @property
    def words(self) -> str:
        """The change in one line."""
        if self.key == DECISIONS:
            found = [f"{_shown(entry)} was written by hand" for entry in self.added]
            found += [f"{_shown(entry)} was changed or removed by hand" for entry in self.removed]
            return "; ".join(found) or "the decisions on the task were put in another order"
        return f"`{self.key}` changed from {_shown(self.before)} to {_shown(self.after)}"

    @property
    def added(self) -> list[str]:
        """The entries of a list that were not there before."""
        return _without(self.after, self.before)

    @property
    def removed(self) -> list[str]:
        """The entries of a list that are not there any more."""
        return _without(self.before, self.after)


def stands(change: RuleChange, now: Rules) -> bool:
    """Tell whether a change still stands; of decisions, each entry counts by itself."""
    if change.key != DECISIONS:
        return rule_value(now, change.key) == change.after
    added, removed = set(change.added), set(change.removed)
    return not added.isdisjoint(now.decisions) or not removed.issubset(now.decisions)


def rule_settings(mission: Mission) -> dict[str, JsonValue]:
    """Return the settings that name commands or judge work, with the defaults filled in.

    Values of a runtime's `env` are given as digests: they may be keys, and records hold none.
    """
    trees = mission.worktrees
    return {
        "qualityGates": mission.quality_gates,
        "review": dump_record(mission.review, CAMEL),
        # Runs from before there was this setting began without it.
        "landing": None if mission.landing is Landing.MANUAL else mission.landing.value,
        "pullRequest": {
            "program": mission.pull_request.program,
            "remote": mission.pull_request.remote,
        },
        "notify": list(mission.notify),
        "runtime": mission.runtime,
        "runtimes": {name: _runtime(spec) for name, spec in mission.runtimes.items()},
        "worktrees": {
            "setup": list(trees.setup),
            "setupTimeout": trees.setup_timeout_seconds,
            "copy": list(trees.copy),
            "link": list(trees.link),
            "submodules": trees.submodules,
        },
        "runs": {
            "checkpointBase": mission.runs.checkpoint_base,
            "largestFile": mission.runs.largest_file_bytes,
        },
        "statuses": {word: status.value for word, status in mission.statuses.items()},
    }


def changed_settings(
    before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]
) -> tuple[RuleChange, ...]:
    """Return how settings differ, key by key."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return tuple(
        RuleChange(key=key, before=old.get(key), after=new.get(key))
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key)
    )


def changed_rules(before: Rules, after: Rules) -> tuple[RuleChange, ...]:
    """Return how the rules of a hand-off differ, key by key."""
    old, new = (
        {"write_scope": list(rules.write_scope), DECISIONS: list(rules.decisions)}
        for rules in (before, after)
    )
    return changed_settings(before.settings, after.settings) + changed_settings(old, new)


def rule_value(rules: Rules, key: str) -> JsonValue:
    """Return one rule by its key, as a `RuleChange` holds it."""
    if key == "write_scope":
        return list(rules.write_scope) or None
    return dict(_leaves(rules.settings)).get(key)


def judged_by(mission: Mission, rules: Rules | None) -> Mission:
    """Return a mission whose gates and review settings are those that a hand-off began with."""
    if rules is None:
        return mission
    values = rules.settings
    review: Any = values["review"]
    return replace(
        mission,
        quality_gates=values["qualityGates"],
        review=ReviewSettings(
            gates=GatePolicy(review["gates"]),
            allow_out_of_scope=review["allowOutOfScope"] is True,
            green_is_done=review["greenIsDone"] is True,
        ),
    )


def _runtime(spec: RuntimeSpec) -> dict[str, JsonValue]:
    from hashlib import sha256  # start-up: only a hand-off and its end need it

    digests = {
        name: f"sha256:{sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
        for name, value in spec.env.items()
    }
    return {**dump_record(spec, CAMEL), "env": digests}


def _leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Return every value that is set, under its whole name; an empty one is not set."""
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            yield from _leaves(value, f"{name}.")
        elif value not in (None, [], ""):
            yield name, value


def _without(value: JsonValue, other: JsonValue) -> list[str]:
    ours, others = (each if isinstance(each, list) else [] for each in (value, other))
    return [str(each) for each in ours if each not in others]


def _shown(value: JsonValue) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return f"`{text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + '…'}`"
