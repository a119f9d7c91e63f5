"""What sessions took: time, tokens and money, by runtime, model and milestone."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mosaic.codec import parse_json
from mosaic.machine.paths import safe_segment
from mosaic.model import sum_usage
from mosaic.plan.ends import seconds_taken
from mosaic.records import NamedTuple
from mosaic.runs.record import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mosaic.model import Session, Usage
    from mosaic.store.tasks import Snapshot

MODEL_OPTIONS = ("--model", "-m")
FIRST_BYTES = 32_768
"""Of a transcript: an agent names its model in its first events."""
NOT_KNOWN = "not known"
NO_MILESTONE = "no milestone"


class Share(NamedTuple):
    """What some of the sessions took."""

    name: str
    sessions: int
    seconds: int
    """Of those that have ended."""
    usage: Usage | None


class Spend(NamedTuple):
    """What sessions took together, and by what; the dearest first."""

    total: Share
    runtimes: tuple[Share, ...]
    models: tuple[Share, ...]
    milestones: tuple[Share, ...]


def spend_of(snapshot: Snapshot, sessions: Sequence[Session]) -> Spend:
    """Return what sessions took.

    The model is the one that the agent named, or that it was launched with; of a session whose
    record is not here it is not known. The milestone is that of its start, else of its task.
    """
    by_id = snapshot.by_id

    def milestone_of(session: Session) -> str:
        task = by_id.get(session.last_task_id or "")
        return session.milestone_id or (task.milestone if task else None) or NO_MILESTONE

    def model_of(session: Session) -> str:
        return _model(snapshot, session) or NOT_KNOWN

    return Spend(
        total=_share("all", sessions),
        runtimes=_shares(sessions, lambda session: session.runtime or NOT_KNOWN),
        models=_shares(sessions, model_of),
        milestones=_shares(sessions, milestone_of),
    )


def _shares(sessions: Sequence[Session], name_of: Callable[[Session], str]) -> tuple[Share, ...]:
    groups: dict[str, list[Session]] = {}
    for session in sessions:
        groups.setdefault(name_of(session), []).append(session)
    shares = [_share(name, group) for name, group in groups.items()]
    return tuple(sorted(shares, key=_rank))


def _share(name: str, sessions: Sequence[Session]) -> Share:
    seconds = sum(seconds_taken(each) or 0 for each in sessions)
    return Share(name, len(sessions), seconds, sum_usage(each.usage for each in sessions))


def _rank(share: Share) -> tuple[float, int, str]:
    usage = share.usage
    cost = (usage.cost_usd if usage else None) or 0.0
    tokens = usage.input_tokens + usage.output_tokens if usage else 0
    return -cost, -tokens, share.name


def _model(snapshot: Snapshot, session: Session) -> str | None:
    if not session.run_id or not session.last_task_id:
        return None
    folder = snapshot.layout.runs_dir / safe_segment(session.last_task_id)
    run = Run(dir=folder / safe_segment(session.run_id))
    return _named_by_agent(run) or _launched_with(run)


def _named_by_agent(run: Run) -> str | None:
    try:
        with run.transcript.open("rb") as file:
            lines = file.read(FIRST_BYTES).split(b"\n")
    except OSError:
        return None
    for line in lines:
        if b'"model"' not in line:
            continue
        try:
            event: Any = parse_json(line)
        except (ValueError, RecursionError):
            continue
        model = event.get("model") if isinstance(event, dict) else None
        if isinstance(model, str) and model:
            return model
    return None


def _launched_with(run: Run) -> str | None:
    meta = run.find_meta()
    argv = meta.argv if meta else ()
    for option, value in pairwise(argv):
        if option in MODEL_OPTIONS:
            return value
    return None
