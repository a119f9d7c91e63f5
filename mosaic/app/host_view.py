"""Other machines as every face shows them: load, what they run, whether they answer.

All of it is on record here: none of them is called. A mission without any pays nothing for it.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime  # noqa: TC003 - schemas of `--json` look it up
from typing import TYPE_CHECKING

from mosaic.records import NamedTuple, dataclass, replace
from mosaic.settings import HostSpec
from mosaic.store.own_settings import own_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.remote.sent import Linked
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot


class SessionThere(NamedTuple):
    """A session that works on another machine, or may."""

    session_id: str
    task_id: str
    runtime: str
    run_id: str
    started_at: datetime
    unreachable_since: datetime | None
    """None: its machine answers, as far as is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostView:
    """Another machine: what it is, and what this mission has there."""

    name: str
    address: str
    """How it is reached; empty where it is not set up any more."""
    labels: tuple[str, ...]
    max: int | None
    """How many sessions may work there at once; None: as many as are asked for."""
    source: str
    """Who says that there is it: `own`, `mission`, or nobody any more: empty."""
    sessions: tuple[SessionThere, ...]
    seen_at: datetime | None
    """When it was heard of last, by those who listen for the sessions there."""
    unreachable_since: datetime | None
    """None: it answers, or nothing there is listened to."""
    problem: str
    """Why it does not answer."""
    left_over: int
    """How many attempts it still keeps that are over here."""

    @property
    def load_words(self) -> str:
        """How many sessions work there, and how many may."""
        count = len(self.sessions)
        return str(count) if self.max is None else f"{count} of {self.max}"

    @property
    def runs_words(self) -> str:
        """What works there: each task with its session."""
        return ", ".join(f"{each.task_id} {each.session_id}" for each in self.sessions)

    @property
    def trouble_words(self) -> str:
        """What is wrong there, and what to do; empty where nothing is."""
        words = []
        if not self.source:
            words.append(f"not set up any more: `mission hosts add {self.name} user@machine`")
        if self.unreachable_since is not None:
            since = f"{self.unreachable_since.astimezone():%Y-%m-%d %H:%M}"
            words.append(f"unreachable since {since}: {self.problem}")
        if self.left_over:
            words.append(f"{self.left_over} left there: `mission hosts clean {self.name}`")
        return "; ".join(words)

    @property
    def words(self) -> str:
        """All of it in a line: load, what works there, and what is wrong."""
        running = f"{self.load_words} at work" if self.sessions or self.max else "idle"
        with_sessions = ": ".join(filter(None, (running, self.runs_words)))
        return "; ".join(filter(None, (with_sessions, self.trouble_words)))


def view_hosts(snapshot: Snapshot, live: Sequence[FoundLock]) -> tuple[HostView, ...]:
    """Return each machine that is set up, or that sessions are on, by name.

    Args:
        snapshot: the mission.
        live: the sessions that work, or may.
    """
    own, of_mission = own_settings().hosts, snapshot.document.mission.hosts
    used = [found.judgement.host for found in live if found.judgement.host]
    if not (own or of_mission or used):
        return ()
    from mosaic.sessions.away import find_away  # start-up: few missions have any

    left = Counter(sent.host for _, sent in find_away(snapshot.layout).left)
    sources = {**dict.fromkeys(of_mission, "mission"), **dict.fromkeys(own, "own")}
    specs = {**of_mission, **own}
    views = []
    for name in sorted({*specs, *used, *left}):
        there = [found for found in live if found.judgement.host == name]
        spec = specs.get(name) or HostSpec(name=name)
        views.append(_view(spec, sources.get(name, ""), there, left[name], snapshot.layout))
    return tuple(views)


def idle_host(spec: HostSpec, source: str) -> HostView:
    """Return a machine that no mission is looked at for."""
    return HostView(
        name=spec.name,
        address=spec.where,
        labels=spec.labels,
        max=spec.max,
        source=source,
        sessions=(),
        seen_at=None,
        unreachable_since=None,
        problem="",
        left_over=0,
    )


def _view(
    spec: HostSpec, source: str, there: Sequence[FoundLock], left: int, layout: Layout
) -> HostView:
    from mosaic.remote.sent import find_link  # start-up, as above
    from mosaic.runs.folders import run_of

    locks = [found.lock for found in there]
    links = [find_link(run_of(layout.runs_dir, lock.task_id, lock.run_id)) for lock in locks]
    missed = [each for each in links if each.unreachable_since is not None]
    # One session whose link was cut a moment ago does not mean that the machine is gone.
    first = None if len(missed) < len(links) else min(missed, key=_since, default=None)
    return replace(
        idle_host(spec, source),
        sessions=tuple(
            SessionThere(
                session_id=lock.session_id,
                task_id=lock.task_id,
                runtime=lock.runtime,
                run_id=lock.run_id,
                started_at=lock.started_at,
                unreachable_since=link.unreachable_since,
            )
            for lock, link in zip(locks, links, strict=True)
        ),
        seen_at=max((each.seen_at for each in links if each.seen_at), default=None),
        unreachable_since=first.unreachable_since if first else None,
        problem=first.problem if first else "",
        left_over=left,
    )


def _since(link: Linked) -> datetime:
    assert link.unreachable_since is not None  # only those are compared
    return link.unreachable_since
