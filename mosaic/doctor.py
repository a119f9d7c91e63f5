"""`mission doctor`: what is installed, what is locked, what takes room."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic import __version__
from mosaic.errors import MissionError
from mosaic.machine.git import OLDEST_GIT, answer_of, find_work_tree
from mosaic.machine.identity import find_process_table
from mosaic.machine.lock import is_folder_held
from mosaic.machine.mounts import find_foreign_file_system
from mosaic.machine.orphans import list_marked
from mosaic.machine.process import install_path
from mosaic.machine.tmux import Tmux
from mosaic.plan.sizes import format_size
from mosaic.records import dataclass
from mosaic.runs.folders import runs_in, task_folders
from mosaic.runs.record import Run
from mosaic.runtimes import get_runtime, known_runtimes
from mosaic.runtimes.common import probe_program
from mosaic.sessions.housekeeping import folder_bytes
from mosaic.sessions.unrecorded import find_sessions, live_or_unknown
from mosaic.sessions.worktrees import count_worktrees
from mosaic.store.reading import locate_mission, read_mission
from mosaic.text.frontmatter import has_libyaml

if TYPE_CHECKING:
    from mosaic.store.tasks import Snapshot

MUCH_BYTES = 10**9
"""Records that take more deserve a hint."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing that was looked at."""

    name: str
    state: str
    """`ok`, `missing` (not needed by everybody) or `bad`."""
    found: str
    hint: str | None = None


def examine(mission: Path | None) -> list[Item]:
    """Look at everything that Mosaic needs. A missing agent is no fault; a broken lock is."""
    items = [
        Item(
            name="mission",
            state="ok",
            found=f"{__version__}, Python {platform.python_version()}, {platform.system()}",
        ),
        _program("git", "install git; without it there are no branches and no evidence"),
        _processes(),
        _yaml(),
        _program("tmux", "install tmux; only workers in panes need it"),
    ]
    try:
        snapshot = read_mission(locate_mission(mission))
    except MissionError as error:
        specs = {}
        items.append(Item(name="here", state="missing", found=error.message, hint=error.hint))
    else:
        specs = dict(snapshot.document.mission.runtimes)
        items += _mission_items(snapshot)
    for name in known_runtimes(specs):
        try:
            probe = get_runtime(name, specs).probe()
        except MissionError as error:
            items.append(Item(name=name, state="bad", found=error.message, hint=error.hint))
            continue
        found = f"{probe.version or 'version unknown'} at {probe.path}"
        items.append(
            Item(
                name=name,
                state="missing" if probe.problem else "ok",
                found=f"{probe.problem}, at {probe.path}"
                if probe.problem and probe.path
                else probe.problem or found,
                hint=probe.hint,
            )
        )
    return items


def _program(name: str, hint: str) -> Item:
    path = install_path(name)
    if path is None:
        return Item(name=name, state="missing", found="not on the PATH", hint=hint)
    if name == "tmux":
        version = answer_of_program([path, "-V"])
    else:
        version = probe_program(name, hint).version or ""
    found = f"{version} at {path}"
    numbers = re.findall(r"\d+", version)
    if name == "git" and tuple(map(int, numbers[:2])) < OLDEST_GIT:
        oldest = ".".join(map(str, OLDEST_GIT))
        return Item(
            name=name,
            state="bad",
            found=f"{found}; {oldest} or newer is needed",
            hint="install a newer git and put it first on the PATH",
        )
    return Item(name=name, state="ok", found=found)


def _processes() -> Item:
    found = find_process_table()
    return Item(
        name="processes",
        state="ok" if found else "bad",
        found=f"told apart by {found}" if found else "neither /proc nor `ps` shows any",
        hint="install `ps` (procps) or mount /proc; without them no session can be stopped",
    )


def _yaml() -> Item:
    return Item(
        name="yaml",
        state="ok" if has_libyaml() else "missing",
        found="read by libyaml" if has_libyaml() else "read without libyaml: slowly, and no tabs",
        hint="`pip install --force-reinstall --only-binary :all: pyyaml` brings it along",
    )


def answer_of_program(argv: list[str]) -> str:
    """Return the first line that a program prints."""
    import subprocess

    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout.splitlines() or [""])[0]


def _mission_items(snapshot: Snapshot) -> list[Item]:
    layout = snapshot.layout
    mission = snapshot.document.mission
    items = [
        Item(
            name="here",
            state="bad" if snapshot.problems else "ok",
            found=f"`{mission.name}`, {len(snapshot.tasks)} tasks, "
            f"{len(mission.sessions)} sessions, {len(snapshot.problems)} problems",
            hint="`mission check` names them",
        ),
        Item(
            name="repository",
            state="ok" if find_work_tree(layout.project) else "missing",
            found=answer_of(["rev-parse", "--show-toplevel"], layout.project) or "none",
            hint="`git init`: plans and handoffs are read in git",
        ),
    ]
    if (kind := find_foreign_file_system(layout.state_dir)) is not None:
        items.append(
            Item(
                name="files",
                state="missing",
                found=f"the mission lies on `{kind}`, whose locks may not hold",
                hint="hand off from one machine only, or move the project to a local disk",
            )
        )
    if not os.access(layout.mission_file.parent, os.W_OK):
        items.append(
            Item(
                name="files",
                state="bad",
                found=f"`{layout.mission_file.parent}` may not be written",
                hint="only commands that look work; `ls -ld` and `findmnt` say why",
            )
        )
    try:
        locks = find_sessions(snapshot)
    except MissionError as error:
        items.append(Item(name="locks", state="bad", found=error.message, hint=error.hint))
    else:
        words = [f"{f.lock.session_id} {f.judgement.life}: {f.judgement.because}" for f in locks]
        items.append(Item(name="locks", state="ok", found="; ".join(words) or "none"))
    items.append(_runs_item(layout.runs_dir))
    items += _parallel_items(snapshot)
    return items


def _parallel_items(snapshot: Snapshot) -> list[Item]:
    """Look at what workers leave: worktrees, panes, processes."""
    layout = snapshot.layout
    items = []
    try:
        census = count_worktrees(snapshot)
    except MissionError as error:
        return [Item(name="worktrees", state="bad", found=error.message, hint=error.hint)]
    if census.counted or census.unknown or census.broken:
        words = [f"{each.workspace.name} {each.standing.value}" for each in census.counted]
        words += [f"{path.name} known to nobody" for path in census.unknown]
        items.append(
            Item(
                name="worktrees",
                state="bad" if census.unknown or census.broken else "ok",
                found=f"{', '.join(words)}; {format_size(folder_bytes(layout.worktrees_dir))}",
                hint="`mission check` says what to do with each",
            )
        )
    panes = [
        f"{name.partition(' ')[2]} of {Path(state.mark).name}{' (ended)' if state.is_dead else ''}"
        for name, state in Tmux().panes().items()
        if state.mark.startswith(f"{layout.runs_dir}/")
    ]
    if panes:
        items.append(
            Item(name="panes", state="ok", found=", ".join(panes), hint="`tmux kill-pane`")
        )
    orphans = _orphans(snapshot)
    if orphans:
        items.append(
            Item(
                name="orphans",
                state="bad",
                found="; ".join(orphans),
                hint="what a run left that has ended; look at them, then end them by pid",
            )
        )
    return items


def _orphans(snapshot: Snapshot) -> list[str]:
    """Return the processes that carry the mark of a run that nobody carries any more."""
    found = []
    live = {each.lock.run_id for each in live_or_unknown(snapshot)}
    for identity, value in list_marked("MISSION_RUN_DIR", under=f"{snapshot.layout.runs_dir}/"):
        run = Run(dir=Path(value))
        if run.id in live:
            continue
        try:
            over = run.state().finished_at is not None and not is_folder_held(run.dir)
        except MissionError:
            over = not is_folder_held(run.dir)
        if over:
            found.append(f"pid {identity.pid} of run {run.id}")
    return found


def _runs_item(runs_dir: Path) -> Item:
    runs = sum(len(runs_in(folder)) for folder in task_folders(runs_dir))
    size = folder_bytes(runs_dir)
    return Item(
        name="runs",
        state="ok" if size < MUCH_BYTES else "missing",
        found=f"{runs} records, {format_size(size)}",
        hint="`mission clean --older-than 30d` removes old ones",
    )
