"""What this mission has on other machines, by what is on record here: none is called.

A session that was handed to another machine is one with a host.json in its run's record. While it
goes on, a process here listens to its machine (`mosaic.reach`). When it is over, what was kept of
it there is removed; where that could not be, the attempt is left there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.executors import keep_in_touch
from mosaic.machine.lock import is_folder_held
from mosaic.model import RunStatus
from mosaic.plan.check import Finding, Level
from mosaic.records import NamedTuple
from mosaic.remote.hosts import shown_hosts
from mosaic.remote.sent import find_sent, is_away, list_sent
from mosaic.sessions.worktrees import finding_of, warning
from mosaic.store.layout import HOST_FILE
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.model import Mission
    from mosaic.remote.sent import Sent
    from mosaic.runs.record import Run
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot


class AwayRuns(NamedTuple):
    """The runs of a mission that were sent to other machines and are not settled."""

    left: list[tuple[Run, Sent]]
    """Over here, and still kept there; nobody is about to remove them."""
    unheard: list[tuple[Run, Sent]]
    """They go on there, or may, and no process here listens."""


def find_away(layout: Layout) -> AwayRuns:
    """Return what is not settled of the runs that were sent; records are read, nobody is called."""
    left, unheard = [], []
    for run, sent in list_sent(layout.runs_dir, settled=False):
        if is_folder_held(run.dir):
            continue
        if sent.is_left:
            left.append((run, sent))
        elif is_away(run) and _has_begun(run):
            unheard.append((run, sent))
    return AwayRuns(left, unheard)


def _has_begun(run: Run) -> bool:
    """Tell whether a run is past its hand-off, which has nobody listen in the end."""
    try:
        state = run.find_state()
    except MissionError:
        return True
    return state is not None and state.status is not RunStatus.PREPARED


def away_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for what is left on other machines, and for sessions there that nobody listens to."""
    layout, mission = snapshot.layout, snapshot.document.mission
    yield from _unreadable(layout)
    away = find_away(layout)
    for run, sent in away.unheard:
        yield warning(
            "HOST_UNHEARD",
            f"run `{run.id}` goes on at `{sent.host}`, or may, and nothing here listens to it",
            path=layout.shown(run.dir),
            detail=_why_unknown(mission, sent.host),
            hint="`mission check --fix` listens again; so does any `mission status`",
            fixable=True,
        )
    for host in sorted({sent.host for _, sent in away.left}):
        runs = [run for run, sent in away.left if sent.host == host]
        yield warning(
            "HOST_LEFTOVERS",
            f"{counted(len(runs), 'attempt')} still kept on `{host}`: "
            + ", ".join(f"`{run.id}`" for run in runs),
            path=layout.shown(runs[0].dir),
            detail=_why_unknown(mission, host),
            hint=f"`mission hosts clean {host}` removes what is over",
        )


def _unreadable(layout: Layout) -> Iterator[Finding]:
    from mosaic.runs.record import Run

    for path in sorted(layout.runs_dir.glob(f"*/*/{HOST_FILE}")):
        try:
            find_sent(Run(dir=path.parent))
        except MissionError as error:
            yield finding_of(error, Level.WARNING)


def _why_unknown(mission: Mission, host: str) -> str | None:
    """Return that a machine is not set up any more, where that is so."""
    if host in shown_hosts(mission):
        return None
    return f"`{host}` is not set up any more: `mission hosts add {host} user@machine`"


def listen_again(layout: Layout) -> list[str]:
    """Have a process listen to each run that nobody listens to, and say which."""
    mended = []
    for run, sent in find_away(layout).unheard:
        keep_in_touch(run)
        mended.append(f"a process listens to `{sent.host}` for run `{run.id}` again")
    return mended
