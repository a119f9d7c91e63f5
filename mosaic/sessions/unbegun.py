"""Attempts that were sent to another machine and never told to begin, since the link was cut.

They are on no record here. What the machine lists of them is removed where nobody hands off, or
works on, the task: the locks are read after that was listed, so what may still begin stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.remote.link import call
from mosaic.remote.send import mission_name
from mosaic.sessions.liveness import find_locks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mosaic.settings import HostSpec
    from mosaic.store.layout import Layout


def clean_unbegun(host: HostSpec, layout: Layout) -> list[str]:
    """Remove what a machine keeps of such attempts of a mission, and return their runs.

    UnreachableError: it does not answer; some may be gone.
    """
    listed = call(host, "unbegun", {"mission": mission_name(layout)}).values
    return drop_unbegun(host, layout, listed.get("unbegun") or ())


def drop_unbegun(host: HostSpec, layout: Layout, listed: Iterable[Mapping[str, Any]]) -> list[str]:
    """Do the same for those that it has listed already."""
    at_work = {found.lock.task_id for found in find_locks(layout)}
    dropped = []
    for each in listed:
        if each["task"] in at_work:
            continue
        where = {key: each[key] for key in ("mission", "run", "token")}
        if call(host, "drop", where).values.get("dropped"):
            dropped.append(str(each["run"]))
    return dropped
