"""Where a task is worked on: here, or on which of the other machines."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mosaic.errors import HostsFullError, MissionError, UnreachableError, UsageError
from mosaic.plan.hosts import RUNS_ON, fitting_hosts, freest_host, wanted_words
from mosaic.records import replace
from mosaic.sessions.choice import choose_task
from mosaic.sessions.dead_sessions import recover_if_needed
from mosaic.sessions.liveness import Life, find_locks
from mosaic.store.consent import require_uses
from mosaic.store.mission_file import load_mission
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.settings import HostSpec
    from mosaic.store.layout import Layout
    from mosaic.store.mission_file import MissionDocument

_TURN = threading.Lock()
_BEGINNING: Counter[str] = Counter()
"""Sessions that this process is about to begin on each machine: no lock speaks of them yet."""
_UNREACHABLE_UNTIL: dict[str, float] = {}
"""Machines that did not answer this process: until when others are tried first."""
AVOIDED_SECONDS = 30.0


@contextmanager
def placing(
    mission_file: Path, request: HandOffRequest
) -> Iterator[tuple[HandOffRequest, HostSpec | None]]:
    """Choose the machine for what is asked, and count it as taken until the `with` block ends.

    None is this one. The request then names its task, which may depend on the machine. One that
    does not answer is chosen only where no other has room. Raises HostsFullError where none has
    room, UsageError where none fits, ConsentNeededError where a task of a clone chooses one of the
    person's own.
    """
    snapshot = read_mission(mission_file)
    if not (request.hosts or any(RUNS_ON in task.more for task in snapshot.tasks)):
        yield request, None
        return
    if recover_if_needed(snapshot) is not None:
        snapshot = read_mission(mission_file)
    task = choose_task(snapshot, request)
    specs = _that_fit(snapshot.document, request, task)
    if not specs:
        yield request, None
        return
    with _TURN:
        load, silent = _load(snapshot.layout)
        answering = [each for each in specs if each.name not in silent]
        host = freest_host(answering, load) or freest_host(specs, load)
        if host is None:
            raise HostsFullError(task.id, {each.name: load[each.name] for each in specs})
        _BEGINNING[host.name] += 1
    try:
        yield replace(request, task_id=task.id), host
    except UnreachableError:
        with _TURN:
            _UNREACHABLE_UNTIL[host.name] = time.monotonic() + AVOIDED_SECONDS
        raise
    else:
        with _TURN:
            _UNREACHABLE_UNTIL.pop(host.name, None)
    finally:
        with _TURN:
            _BEGINNING[host.name] -= 1


def room_on_hosts(mission_file: Path, names: tuple[str, ...]) -> int | None:
    """Return how many sessions the named machines take together; None: as many as are asked for."""
    from mosaic.remote.hosts import get_host  # start-up: few missions have any

    if not names:
        return None
    mission = load_mission(mission_file).mission
    most = [_room_of(get_host(mission, name)) for name in names]
    return None if None in most else sum(filter(None, most))


def _room_of(host: HostSpec) -> int | None:
    """Return how many sessions a host takes at once: a fleet as many as its workers have agents."""
    if not host.scheduler:
        return host.max
    from mosaic.remote.fleet import look_at_fleet  # start-up, as above

    agents = 0
    with suppress(MissionError):  # whoever hands the first task to it says why
        agents = look_at_fleet(host).agents
    return min((most for most in (agents, host.max) if most), default=None)


def _that_fit(document: MissionDocument, request: HandOffRequest, task: Task) -> list[HostSpec]:
    """Return the machines that will do; none: it is worked on here."""
    from mosaic.remote.hosts import get_host, known_hosts, uses_of  # start-up, as above

    mission, words = document.mission, wanted_words(task)
    if not (request.hosts or words):
        return []
    named = [get_host(mission, name) for name in request.hosts]
    known = known_hosts(mission)
    fitting = fitting_hosts(named or known.values(), words)
    if fitting:
        # Who names a host means it; a task may come from anybody.
        require_uses(document, () if named else uses_of(fitting))
        return fitting
    asked = ", ".join(f"`{each}`" for each in words)
    raise UsageError(
        f"`{task.id}` runs on {asked}, and no host that may be used is that",
        detail=f"hosts: {', '.join(f'`{each}`' for each in known) or 'none'}",
        hint=f"`mission hosts list` shows their labels; `mission set {task.id} runs_on=` clears it",
    )


def _load(layout: Layout) -> tuple[Counter[str], set[str]]:
    """Return how many sessions work on each machine, or are about to, and which do not answer."""
    judged = [found.judgement for found in find_locks(layout) if found.judgement.host]
    live = Counter(each.host for each in judged)
    silent = {each.host for each in judged if each.life is Life.UNKNOWN}
    silent |= {name for name, until in _UNREACHABLE_UNTIL.items() if until > time.monotonic()}
    return live + _BEGINNING, silent
