"""What Mosaic needs: what is installed, what is locked, what takes room."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic import __version__, executors, runtimes, sources
from mosaic.app.agent_kits import find_kits
from mosaic.app.installation import ALL, EXTRAS, find_installation, missing_extras
from mosaic.app.merge_driver import find_driver
from mosaic.errors import (
    BrokenFileError,
    EditRefusedError,
    GitRefusedError,
    MissionError,
    PluginError,
)
from mosaic.executors import PROGRAMS, executor_of, list_panes
from mosaic.git.git import OLDEST_GIT, answer_of, find_repository, find_work_tree
from mosaic.machine.environment import child_environment
from mosaic.machine.identity import find_process_table
from mosaic.machine.lock import find_foreign_file_system
from mosaic.machine.paths import is_inside
from mosaic.machine.process import find_tool, install_path, list_marked
from mosaic.panels import brief
from mosaic.plan.sizes import format_size
from mosaic.records import NamedTuple
from mosaic.runs.folders import runs_in, task_folders
from mosaic.runs.record import Run
from mosaic.runtimes import BUILT_IN, get_runtime, known_runtimes
from mosaic.sessions.housekeeping import folder_bytes
from mosaic.sessions.unrecorded import find_sessions, live_or_unknown
from mosaic.sessions.worktrees import count_worktrees
from mosaic.settings import RuntimeSpec
from mosaic.store.allowance import find_allowance, name_of
from mosaic.store.consent import find_unallowed
from mosaic.store.own_settings import own_settings
from mosaic.store.reading import locate_mission, read_mission
from mosaic.store.state import Standing
from mosaic.text.frontmatter import has_libyaml
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mosaic.plugins import Plugin
    from mosaic.ports import Runtime
    from mosaic.store.consent import Command
    from mosaic.store.layout import Layout
    from mosaic.store.mission_file import MissionDocument
    from mosaic.store.tasks import Snapshot

DEMO = "demo"
"""The agent that comes with Mosaic itself."""
MUCH_BYTES = 10**9
"""Records that take more deserve a hint."""


class State(StrEnum):
    """How it is with one thing."""

    OK = "ok"
    MISSING = "missing"
    """Not there, and not everybody needs it."""
    BAD = "bad"


class Item(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    hint: str | None = None


def examine(mission: Path | None) -> Iterator[Item]:
    """Look at everything that Mosaic needs. A missing agent is not a fault; a broken lock is."""
    python = f"Python {platform.python_version()}, {platform.system()}"
    yield Item("mission", State.OK, f"{__version__}, {python}")
    yield from _installation()
    yield _program("git", "install git; without it there are no branches and no evidence")
    table = find_process_table()
    yield Item(
        "processes",
        State.OK if table else State.BAD,
        f"told apart by {table}" if table else "neither /proc nor `ps` shows any",
        "install `ps` (procps) or mount /proc; without them no session can be stopped",
    )
    yield Item(
        "yaml",
        State.OK if has_libyaml() else State.MISSING,
        "read by libyaml" if has_libyaml() else "read without libyaml: slowly, and no tabs",
        "`pip install --force-reinstall --only-binary :all: pyyaml` brings it along",
    )
    for name, (flag, hint) in PROGRAMS.items():
        yield _program(name, hint, flag)
    specs: Mapping[str, RuntimeSpec] = {}
    try:
        snapshot = read_mission(locate_mission(mission))
    except MissionError as error:
        state = State.BAD if isinstance(error, BrokenFileError) else State.MISSING
        yield Item("here", state, error.summary, error.hint)
    else:
        specs = snapshot.document.mission.runtimes
        yield from _mission_items(snapshot)
    for name in known_runtimes(specs, asked=()):
        yield _guarded(name, _runtime, name, specs)
    yield from _plugin_items(specs)


def _plugin_items(specs: Mapping[str, RuntimeSpec]) -> Iterator[Item]:
    """Look at what other packages add; each is imported, to see whether it can be used."""
    for plugins in (runtimes.PLUGINS, sources.PLUGINS, executors.PLUGINS, brief.PLUGINS):
        for each in plugins.listed():
            try:
                yield _plugin(each, specs)
            except PluginError as error:
                yield Item("plugin", State.BAD, error.summary, error.hint)


def _plugin(plugin: Plugin, specs: Mapping[str, RuntimeSpec]) -> Item:
    found = f"the {plugin.kind} `{plugin.name}` of {plugin.package}"
    if plugin.kind != runtimes.PLUGINS.kind:
        plugin.load()
        return Item("plugin", State.OK, found)
    runtime = plugin.load(specs.get(plugin.name) or RuntimeSpec(name=plugin.name))
    if _is_of_project(getattr(runtime, "program", plugin.name), is_set=False):
        return Item("plugin", State.OK, f"{found}; its program is in this project: not asked")
    item = _probed(plugin.name, runtime)
    return item._replace(name="plugin", found=f"{found}: {item.found}")


def _installation() -> Iterator[Item]:
    """Tell how it was installed, which of its extras are not, and what each of them is for."""
    how, missing = find_installation(), missing_extras()
    yield Item("installed", State.OK, how.words)
    there = ", ".join(name for name in EXTRAS if name not in missing)
    lacks = ", ".join(f"{name} ({EXTRAS[name].purpose})" for name in missing)
    yield Item(
        "extras",
        State.MISSING if missing else State.OK,
        "; ".join(filter(None, (there, lacks and f"missing: {lacks}"))),
        f"`{how.with_extra(ALL)}` brings them all" if missing else None,
    )


def _guarded(name: str, look: Callable[..., Item], *of: object) -> Item:
    """Look at one thing; what keeps us from that is bad."""
    try:
        return look(*of)
    except MissionError as error:
        return Item(name, State.BAD, error.message, error.hint)


def _runtime(name: str, specs: Mapping[str, RuntimeSpec]) -> Item:
    """Look for an agent; only a program that no repository put there is asked for its version."""
    spec = specs.get(name)
    program = spec.command[0] if spec and spec.command else name
    if name in BUILT_IN and name != DEMO and _is_of_project(program, is_set=program != name):
        found = f"`{program}`, set by this project; it is not asked for its version"
        return Item(name, State.OK, found)
    return _probed(name, get_runtime(name, specs))


def _probed(name: str, runtime: Runtime) -> Item:
    probe = runtime.probe()
    if not probe.problem:
        return Item(name, State.OK, f"{probe.version or 'version unknown'} at {probe.path}")
    at = f", at {probe.path}" if probe.path else ""
    return Item(name, State.MISSING, f"{probe.problem}{at}", probe.hint)


def _is_of_project(program: str, *, is_set: bool) -> bool:
    """Tell whether a program is one that the project here names or contains."""
    path = install_path(program)
    if is_set or path is None:
        return is_set
    here = find_work_tree(Path.cwd()) or Path.cwd()
    return not os.path.isabs(path) or is_inside(os.path.realpath(here), os.path.realpath(path))


def _program(name: str, hint: str, flag: str = "--version") -> Item:
    path = find_tool(name)
    if path is None:
        return Item(name, State.MISSING, "not on the PATH", hint)
    answer = ""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [path, flag],
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        answer = done.stdout.partition("\n")[0]
    found = f"{answer.removeprefix('git version ')} at {path}"
    numbers = re.findall(r"\d+", answer)
    if name == "git" and tuple(map(int, numbers[:2])) < OLDEST_GIT:
        oldest = ".".join(map(str, OLDEST_GIT))
        hint = "install a newer git and put it first on the PATH"
        return Item(name, State.BAD, f"{found}; {oldest} or newer is needed", hint)
    return Item(name, State.OK, found)


def _mission_items(snapshot: Snapshot) -> Iterator[Item]:
    layout, mission = snapshot.layout, snapshot.document.mission
    counts = (
        f"`{mission.name}`, {counted(len(snapshot.tasks), 'task')}, "
        f"{counted(len(mission.sessions), 'session')}, {counted(len(snapshot.problems), 'problem')}"
    )
    state = State.BAD if snapshot.problems else State.OK
    yield Item("here", state, counts, "`mission check` names them")
    yield _repository(layout.project)
    yield from _driver_items(layout)
    yield from _kit_items(layout)
    yield from _trust_items(snapshot.document)
    own = () if mission.notify else own_settings().notify
    program = next(iter(mission.notify or own), None)
    if program and not (install_path(program) or os.access(layout.project / program, os.X_OK)):
        words = f"`{program}` is not there, so nobody is called"
        hint = "name another program in mission.json"
        yield Item("notify", State.MISSING, words, "`mission config set notify …`" if own else hint)
    yield from _file_items(layout)
    yield _guarded("locks", _locks, snapshot)
    count = sum(len(runs_in(folder)) for folder in task_folders(layout.runs_dir))
    size = folder_bytes(layout.runs_dir)
    yield Item(
        "runs",
        State.OK if size < MUCH_BYTES else State.MISSING,
        f"{counted(count, 'record')}, {format_size(size)}",
        "`mission clean --older-than 30d` removes old ones",
    )
    yield from _parallel_items(snapshot)
    yield from _host_items(layout)


def _host_items(layout: Layout) -> Iterator[Item]:
    """Look what is on other machines, by what is on record here: none is called."""
    from mosaic.remote.sent import list_sent  # few missions have any
    from mosaic.sessions.away import find_away

    away = find_away(layout)
    for host in sorted({sent.host for _, sent in list_sent(layout.runs_dir)}):
        left = sum(sent.host == host for _, sent in away.left)
        unheard = sum(sent.host == host for _, sent in away.unheard)
        words = f"{counted(left, 'attempt')} still kept there" if left else "nothing is left there"
        hint = f"`mission hosts clean {host}` removes what is over"
        if unheard:
            words += f"; nothing listens to {counted(unheard, 'session')} there"
            hint = "`mission check --fix` listens again" + (f"; {hint}" if left else "")
        state = State.MISSING if left or unheard else State.OK
        yield Item(f"on {host}", state, words, hint)


def _locks(snapshot: Snapshot) -> Item:
    found = [(each.lock.session_id, each.judgement) for each in find_sessions(snapshot)]
    words = [f"{session_id} {seen.life}: {seen.because}" for session_id, seen in found]
    return Item("locks", State.OK, "; ".join(words) or "none")


def _file_items(layout: Layout) -> Iterator[Item]:
    kinds = map(find_foreign_file_system, (layout.state_dir, layout.runs_dir))
    if (kind := next(filter(None, kinds), None)) is not None:
        yield Item(
            "files",
            State.MISSING,
            f"the mission is on `{kind}`, whose locks may not work",
            "hand off from one machine only, or move the project to a local disk",
        )
    folder = layout.mission_file.parent
    if not os.access(folder, os.W_OK):
        hint = "only commands that change nothing work; `ls -ld` and `findmnt` show why"
        yield Item("files", State.BAD, f"`{folder}` may not be written", hint)


def _trust_items(document: MissionDocument) -> Iterator[Item]:
    """Look at what the mission may do, and at what would ask first."""
    state = document.layout.state
    if state.standing in (Standing.DOUBTED, Standing.CLOSED):
        refusal = state.refusal()
        yield Item(
            "state",
            State.BAD if state.standing is Standing.DOUBTED else State.MISSING,
            f"`{state.place}` is not used: {refusal.detail}",
            refusal.hint,
        )
    unallowed: tuple[Command, ...] = ()
    with contextlib.suppress(GitRefusedError):  # an item of its own
        unallowed = find_unallowed(document)
    if unallowed:
        found = f"not allowed yet: {'; '.join(each.shown for each in unallowed)}"
        yield Item("commands", State.MISSING, found, "read them, then `mission trust`")
    allowance = find_allowance(document.path)
    words = [f"may use `{place}`" for place in allowance.places]
    words += [f"may belong to {name_of(owner)}" for owner in allowance.owners]
    if words:
        yield Item("allowed", State.OK, "; ".join(words))
    # The programs that git's own settings have it run on files: we cannot avoid them.
    question = ["config", "--get-regexp", r"^filter\..*\.(clean|smudge|process)$"]
    filters: list[str] = []
    with contextlib.suppress(GitRefusedError):  # an item of its own
        lines = (answer_of(question, document.layout.project) or "").splitlines()
        filters = [f"`{line.partition(' ')[2]}`" for line in lines]
    if filters:
        found = f"git runs {', '.join(filters)} for files that `.gitattributes` names"
        yield Item("filters", State.OK, found)


def _repository(project: Path) -> Item:
    try:
        top = find_repository(project)
    except GitRefusedError as error:
        return Item("repository", State.BAD, f"`{error.path}`, and {error.detail}", error.hint)
    hint = "`git init`: plans and handoffs are read in git"
    return Item("repository", State.OK if top else State.MISSING, str(top or "none"), hint)


def _driver_items(layout: Layout) -> Iterator[Item]:
    """Look at whether git merges the mission's files by task and field, where it is meant to."""
    driver = None
    with contextlib.suppress(GitRefusedError):  # an item of its own
        driver = find_driver(layout)
    if driver is not None and driver.is_named and driver.is_registered:
        yield Item("merges", State.OK, "git merges the mission's files by task and field")
    elif driver is not None and driver.is_named:
        found = "`.gitattributes` names the merge driver, and this clone does not register it"
        yield Item("merges", State.MISSING, found, "`mission setup git`")


def _kit_items(layout: Layout) -> Iterator[Item]:
    """Look at whether agents are told in the project what this version tells them."""
    try:
        kits = list(find_kits(layout))
    except EditRefusedError as error:
        yield Item("kits", State.MISSING, f"{error.path}:{error.line}: {error.message}", error.hint)
        return
    for agent, _, old in kits:
        if old:
            found = f"{', '.join(f'`{name}`' for name in old)}: not as this version writes it"
            yield Item(
                "kits", State.MISSING, found, f"`mission setup {agent}` shows the difference"
            )
    if kits and not any(old for _, _, old in kits):
        found = f"{', '.join(agent for agent, _, _ in kits)}: told how to work on the mission"
        yield Item("kits", State.OK, found)


def _parallel_items(snapshot: Snapshot) -> Iterator[Item]:
    """Look at what workers leave: worktrees, panes, processes."""
    layout = snapshot.layout
    try:
        census = count_worktrees(snapshot)
    except MissionError as error:
        yield Item("worktrees", State.BAD, error.message, error.hint)
        return
    if census.counted or census.unknown or census.broken:
        words = [f"{each.workspace.name} {each.standing.value}" for each in census.counted]
        words += [f"{path.name} unknown" for path in census.unknown]
        yield Item(
            "worktrees",
            State.BAD if census.unknown or census.broken else State.OK,
            f"{', '.join(words)}; {format_size(folder_bytes(layout.worktrees_dir))}",
            "`mission check` says what to do with each",
        )
    panes = list_panes(layout.runs_dir)
    if panes:
        yield Item("panes", State.OK, ", ".join(panes), "`tmux kill-pane`")
    if orphans := _orphans(snapshot):
        hint = "processes of runs that have ended; look at them, then end them by pid"
        yield Item("orphans", State.BAD, "; ".join(orphans), hint)


def _orphans(snapshot: Snapshot) -> list[str]:
    """Return the processes that carry the mark of a run that no supervisor carries any more."""
    found = []
    live = {each.lock.run_id for each in live_or_unknown(snapshot)}
    for identity, value in list_marked("MISSION_RUN_DIR", under=f"{snapshot.layout.runs_dir}/"):
        run = Run(dir=Path(value))
        if run.id in live or executor_of(run).is_alive():
            continue
        with contextlib.suppress(MissionError):  # a record that is gone has ended too
            if run.state().finished_at is None:
                continue
        found.append(f"pid {identity.pid} of run {run.id}")
    return found
