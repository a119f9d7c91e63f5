"""What a run's record here says of the other machine that it is carried on.

    host.json    where it was sent, by which token, and how it ended there; written before it begins
    link.json    when it was heard of last, and why not since; the process that listens writes it
    host.stop    `stop` or `now`: a person's wish, which is passed on as soon as that can be

A run with a host.json is never judged by what this machine sees of processes: it goes on until its
end was brought home, or a person said to forget it.
"""

from __future__ import annotations

import contextlib
from datetime import datetime  # noqa: TC003 - the codec looks it up
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.codec import JsonForm, dump_record
from mosaic.errors import MissionError
from mosaic.git.git import find_work_tree
from mosaic.machine.disk import find_bytes, write_private
from mosaic.model import FreeJson, ObjectId, Text  # noqa: TC001 - as above
from mosaic.records import dataclass, field, replace
from mosaic.remote.hub import HubRun
from mosaic.runs.record import Run, read_part
from mosaic.store.layout import HOST_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.model import JsonValue

LINK_FILE, STOP_FILE = "link.json", "host.stop"
REMOVED = b'\n  "is_removed": true'
"""How a host.json says that nothing is kept there; in a text of JSON no line ends."""
ATTACH = "attach"
"""The words that show an agent's screen on its machine, in the place of a run."""
OF_HERE = (HOST_FILE, LINK_FILE, STOP_FILE, "meta.json", "rules.json", "state.json")
"""What of a record this side has of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """host.json: a run that was sent to another machine."""

    json_form = JsonForm(version=1)
    host: str
    executor: str = "ssh"
    """Which executor sent it."""
    mission: str
    """The name of the mission there."""
    hub: Text = ""
    """The remote that carries everything, where there is no link to the machine itself."""
    project: str = ""
    """The mission's id, by which claims in the hub are told apart."""
    carrier: Text = ""
    """The machine that carries it, once one does; only with a hub."""
    token: str
    """By which the attempt is told from every other at the task."""
    went: bool = False
    """Whether it was told to begin, and may have heard."""
    is_unbegun: bool = False
    """Whether it said that it did not hear, and is being removed there."""
    work: ObjectId | None = None
    """The commit that the worktree here stood at when it was sent."""
    tree: ObjectId | None = None
    """Its files with what was not committed, as a commit; None: nothing was."""
    calls_person: bool = True
    """Whether a person is called at its end, where one is needed."""
    commits: Mapping[str, str] = field(default_factory=dict)
    """What it brought so far, by name; kept as refs of the run."""
    end: Mapping[str, FreeJson] = field(default_factory=dict)
    """How it ended there, as it said."""
    is_laying: bool = False
    """Whether its work is being written into the worktree here, which was as it was sent."""
    is_home: bool = False
    """Whether that is recorded here."""
    is_forgotten: bool = False
    """Whether a person has given it up: what it still brings is not taken."""
    is_removed: bool = False
    """Whether what was kept of it there is gone."""

    @property
    def is_waiting(self) -> bool:
        """Whether no machine has taken it yet, as far as was seen."""
        return bool(self.hub) and not (self.carrier or self.end)

    @property
    def stays_there(self) -> bool:
        """Whether its end left what could not be brought: that is kept there for a person."""
        return bool(self.end.get("left_out") or self.end.get("cut"))

    @property
    def is_left(self) -> bool:
        """Whether it is over here, and something of it is still kept there."""
        return self.went and (self.is_home or self.is_forgotten) and not self.is_removed


@dataclass(frozen=True, kw_only=True, slots=True)
class Linked:
    """link.json: whether the other machine answers."""

    json_form = JsonForm(version=1)
    seen_at: datetime | None = None
    unreachable_since: datetime | None = None
    problem: Text = ""
    """Why it does not answer, or does not go on where it does."""


def place_there(executor: str, host: str, attach: object) -> dict[str, JsonValue]:
    """Return the place of a run on a host; `attach` has the words that show its screen there."""
    words = [*map(str, attach)] if isinstance(attach, list | tuple) else []
    return {"executor": executor, "host": host, **({ATTACH: words} if words else {})}


def find_sent(run: Run) -> Sent | None:
    """Return where a run was sent; None for one that is carried here."""
    if find_bytes(run.dir / HOST_FILE) is None:
        return None
    return read_part(Sent, run.dir, HOST_FILE)


def is_away(run: Run) -> bool:
    """Tell whether a run goes on, or may, on another machine."""
    try:
        sent = find_sent(run)
    except MissionError:
        return True  # nothing is known of it but that it was sent
    return sent is not None and sent.went and not (sent.is_home or sent.is_forgotten)


def hub_run(run: Run) -> tuple[HubRun, Sent] | None:
    """Return the way to a run that a hub alone carries; None for any other."""
    sent = find_sent(run)
    if sent is None or not sent.hub:
        return None
    meta = run.meta()
    top = find_work_tree(Path(meta.mission_file).parent)
    if top is None:
        return None
    return HubRun(top, sent.hub, run.id, meta.task_id, sent.project), sent


def write_sent(run: Run, sent: Sent, **changes: Any) -> Sent:
    """Write where a run was sent, with changes, and return it."""
    sent = replace(sent, **changes)
    run.write_json(HOST_FILE, dump_record(sent))
    return sent


def find_link(run: Run) -> Linked:
    """Return whether its machine answers; nothing known where that cannot be read."""
    with contextlib.suppress(MissionError):
        return read_part(Linked, run.dir, LINK_FILE)
    return Linked()


def wish_stop(run: Run, *, now: bool) -> None:
    """Leave word that a run is to be stopped, or killed with `now`."""
    if find_stop(run) != "now":
        write_private(run.dir / STOP_FILE, b"now" if now else b"stop", root=run.dir)


def find_stop(run: Run) -> str:
    """Return what a person wishes: `stop`, `now`, or nothing."""
    return (find_bytes(run.dir / STOP_FILE) or b"").decode("utf-8", "replace").strip()


def list_sent(runs_dir: Path, *, settled: bool = True) -> list[tuple[Run, Sent]]:
    """Return the runs that were sent to other machines; what cannot be read is left out.

    Without `settled` those are left out as well, unread, of which nothing is kept there any more.
    """
    found = []
    for path in sorted(runs_dir.glob(f"*/*/{HOST_FILE}")):
        with contextlib.suppress(MissionError):
            if not settled and REMOVED in (find_bytes(path) or b""):
                continue
            run = Run(dir=path.parent)
            if sent := find_sent(run):
                found.append((run, sent))
    return found
