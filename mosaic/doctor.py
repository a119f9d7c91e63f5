"""`mission doctor`: what is installed, what is locked, what takes room."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic import __version__
from mosaic.errors import BrokenFileError, GitRefusedError, MissionError
from mosaic.executors import PROGRAMS, list_panes
from mosaic.git.git import OLDEST_GIT, answer_of, find_repository, find_work_tree
from mosaic.machine.environment import child_environment
from mosaic.machine.identity import find_process_table
from mosaic.machine.lock import find_foreign_file_system, is_folder_held
from mosaic.machine.paths import is_inside
from mosaic.machine.process import find_tool, install_path, list_marked
from mosaic.plan.sizes import format_size
from mosaic.records import dataclass
from mosaic.runs.folders import runs_in, task_folders
from mosaic.runs.record import Run
from mosaic.runtimes import BUILT_IN, get_runtime, known_runtimes
from mosaic.sessions.housekeeping import folder_bytes
from mosaic.sessions.unrecorded import find_sessions, live_or_unknown
from mosaic.sessions.worktrees import count_worktrees
from mosaic.store.allowance import find_allowance
from mosaic.store.consent import find_unallowed
from mosaic.store.owners import name_of
from mosaic.store.reading import locate_mission, read_mission
from mosaic.store.trust import Standing
from mosaic.text.frontmatter import has_libyaml

if TYPE_CHECKING:
    from mosaic.model import RuntimeSpec
    from mosaic.store.consent import Command
    from mosaic.store.mission_file import MissionDocument
    from mosaic.store.tasks import Snapshot

DEMO = "demo"
"""The agent that comes with Mosaic itself."""
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
        *(_program(name, hint, flag) for name, (flag, hint) in PROGRAMS.items()),
    ]
    try:
        snapshot = read_mission(locate_mission(mission))
    except MissionError as error:
        specs = {}
        is_bad = isinstance(error, BrokenFileError)
        found = "; ".join(filter(None, (error.message, error.detail)))
        items.append(
            Item(name="here", state="bad" if is_bad else "missing", found=found, hint=error.hint)
        )
    else:
        specs = dict(snapshot.document.mission.runtimes)
        items += _mission_items(snapshot)
    return [*items, *(_runtime_item(name, specs) for name in known_runtimes(specs))]


def _runtime_item(name: str, specs: dict[str, RuntimeSpec]) -> Item:
    """Look for an agent; only a program that no repository put there is asked for its version."""
    spec = specs.get(name)
    program = spec.command[0] if spec and spec.command else name
    if name in BUILT_IN and name != DEMO and _is_of_project(program, is_set=program != name):
        return Item(
            name=name,
            state="ok",
            found=f"`{program}`, set by this project; it is not asked for its version",
        )
    try:
        probe = get_runtime(name, specs).probe()
    except MissionError as error:
        return Item(name=name, state="bad", found=error.message, hint=error.hint)
    found = f"{probe.version or 'version unknown'} at {probe.path}"
    return Item(
        name=name,
        state="missing" if probe.problem else "ok",
        found=f"{probe.problem}, at {probe.path}"
        if probe.problem and probe.path
        else probe.problem or found,
        hint=probe.hint,
    )


def _is_of_project(program: str, *, is_set: bool) -> bool:
    """Tell whether a program is one that the project here names or holds."""
    path = install_path(program)
    if is_set or path is None:
        return is_set
    here = find_work_tree(Path.cwd()) or Path.cwd()
    return not os.path.isabs(path) or is_inside(os.path.realpath(here), os.path.realpath(path))


def _program(name: str, hint: str, flag: str = "--version") -> Item:
    path = find_tool(name)
    if path is None:
        return Item(name=name, state="missing", found="not on the PATH", hint=hint)
    said = answer_of_program([path, flag])
    found = f"{said.removeprefix('git version ')} at {path}"
    numbers = re.findall(r"\d+", said)
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

    env = child_environment()
    try:
        done = subprocess.run(
            argv, env=env, capture_output=True, text=True, timeout=10, check=False
        )
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
        _repository(layout.project),
    ]
    items += _trust_items(snapshot.document)
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


def _trust_items(document: MissionDocument) -> list[Item]:
    """Look at what the mission may do, and at what would ask first."""
    items = []
    state = document.layout.state
    if state.standing in (Standing.DOUBTED, Standing.CLOSED):
        refusal = state.refusal()
        is_bad = state.standing is Standing.DOUBTED
        items.append(
            Item(
                name="state",
                state="bad" if is_bad else "missing",
                found=f"`{state.place}` is not used: {refusal.detail}",
                hint=refusal.hint,
            )
        )
    unallowed: tuple[Command, ...] = ()
    with contextlib.suppress(GitRefusedError):  # an item of its own
        unallowed = find_unallowed(document)
    if unallowed:
        items.append(
            Item(
                name="commands",
                state="missing",
                found=f"not allowed yet: {'; '.join(each.shown for each in unallowed)}",
                hint="read them, then `mission trust`",
            )
        )
    allowance = find_allowance(document.path)
    words = [f"may use `{place}`" for place in allowance.places]
    words += [f"may belong to {name_of(owner)}" for owner in allowance.owners]
    if words:
        items.append(Item(name="allowed", state="ok", found="; ".join(words)))
    if filters := _filters(document.layout.project):
        items.append(
            Item(
                name="filters",
                state="ok",
                found=f"git runs {', '.join(filters)} for files that `.gitattributes` names",
            )
        )
    return items


def _filters(project: Path) -> list[str]:
    """Return the programs that git's own settings have it run on files: we cannot avoid them."""
    question = ["config", "--get-regexp", r"^filter\..*\.(clean|smudge|process)$"]
    try:
        said = answer_of(question, project)
    except GitRefusedError:
        return []  # an item of its own
    return [f"`{line.partition(' ')[2]}`" for line in (said or "").splitlines()]


def _repository(project: Path) -> Item:
    try:
        top = find_repository(project)
    except GitRefusedError as error:
        found = f"`{error.path}`, and {error.detail}"
        return Item(name="repository", state="bad", found=found, hint=error.hint)
    return Item(
        name="repository",
        state="ok" if top else "missing",
        found=str(top or "none"),
        hint="`git init`: plans and handoffs are read in git",
    )


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
    panes = list_panes(layout.runs_dir)
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
