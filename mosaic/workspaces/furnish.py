"""What a new worktree needs beside what git checks out: files copied or linked, a setup command.

Files come from the project's folder and never from outside of the repository. What would
show up there as a new file is named in git's own `info/exclude`, between two marks, so that
no agent commits it; with the last worktree the marks go.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, FileAccessError, MissionError
from mosaic.git.git import answer_of, common_dir
from mosaic.git.worktrees import turn_of
from mosaic.machine.disk import find_bytes, write_atomic
from mosaic.machine.environment import child_environment
from mosaic.machine.paths import confined
from mosaic.machine.process import find_marked, send_signal, spawn
from mosaic.plan.globs import ANY_DEPTH, bad_glob, matches_segment, parse_glob
from mosaic.workspaces.record import write_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from mosaic.settings import WorktreeSettings
    from mosaic.workspaces.record import Workspace

BEGIN_MARK = b"# mosaic: linked into worktrees\n"
END_MARK = b"# mosaic: end\n"
TAIL_BYTES = 2000
MARK = "MISSION_WORKTREE"
"""The variable by which a setup command, and all that it starts, is found again."""


def bring_files(workspace: Workspace, project: Path, settings: WorktreeSettings) -> tuple[str, ...]:
    """Copy and link files of a project into a worktree; what is there already is left alone.

    Returns what was brought, relative to the worktree's top. A PathOutsideError where a glob leads
    out of the repository.
    """
    brought = []
    for globs, bring in ((settings.copy, _copy), (settings.link, os.symlink)):
        for name in matching(globs, project):
            confined(workspace.home, project / name)
            target = workspace.project / name
            confined(workspace.path, target.parent)
            if os.path.lexists(target):
                continue
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                bring(project / name, target)
            except (OSError, shutil.Error) as error:
                raise FileAccessError(
                    f"`{name}` cannot be brought into the worktree",
                    path=target,
                    detail=str(error),
                    hint="look at `worktrees` in mission.json",
                ) from None
            brought.append(target.relative_to(workspace.path).as_posix())
    _hide(workspace.path, brought)
    return tuple(brought)


def set_up(workspace: Workspace, settings: WorktreeSettings, *, waits: bool) -> Workspace:
    """Run the setup command where that was not done yet, unless it `waits`; return the record."""
    if waits or not workspace.needs_setup:
        return workspace
    run_setup(workspace, settings)
    return write_workspace(workspace, needs_setup=False)


def run_setup(workspace: Workspace, settings: WorktreeSettings) -> None:
    """Run the setup command in a worktree, with a log beside it; a FailedError where it fails."""
    if not settings.setup:
        return
    environment = {
        **child_environment(),
        "MISSION_FILE": str(workspace.mission_file),
        "MISSION_TASK": workspace.owner,
        MARK: str(workspace.path),
    }
    log, limit = workspace.setup_log, settings.setup_timeout_seconds
    with open(log, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as output:
        process = spawn(
            settings.setup,
            cwd=workspace.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output.fileno(),
            stderr=output.fileno(),
            new_session=True,
        )
    try:
        code = process.wait(timeout=limit)
        words = f"failed with exit code {code}"
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        code, words = 1, f"took longer than {limit:g} s"
    if code:
        written = b""
        with contextlib.suppress(MissionError):
            written = find_bytes(log) or b""
        raise FailedError(
            f"the setup command of the worktree {words}",
            path=log,
            detail=written[-TAIL_BYTES:].decode("utf-8", "replace").strip() or None,
            hint="`worktrees.setup` in mission.json says what is run",
        )


def end_left_setup(workspace: Workspace) -> None:
    """End the setup command that a killed launcher left: two would get in each other's way."""
    for process in find_marked(MARK, str(workspace.path)):
        send_signal(process, signal.SIGKILL)


def forget_files(home: Path) -> None:
    """Take what was brought out of git's `info/exclude` again."""
    shared = common_dir(home)
    if shared is None:
        return
    with turn_of(home):
        path = shared / "info" / "exclude"
        data = find_bytes(path) or b""
        before, _, after = _parts(data)
        if before + after != data:
            write_atomic(path, before + after, root=shared)


def ignored_by_others(top: Path) -> frozenset[str]:
    """Return the lines of git's `info/exclude` that are not ours."""
    shared = common_dir(top)
    data = (find_bytes(shared / "info" / "exclude") if shared else None) or b""
    before, _, after = _parts(data)
    lines = os.fsdecode(before + after).splitlines()
    return frozenset(line for line in lines if line.strip() and not line.startswith("#"))


def matching(globs: Iterable[str], project: Path) -> list[str]:
    """Return what globs stand for in a project, relative to it."""
    found: dict[str, None] = {}
    for glob in globs:
        if glob.startswith("/") or bad_glob(glob):
            found[glob] = None  # to be refused where it is used
            continue
        parts = parse_glob(f"/{glob.rstrip('/')}").parts[:-1]  # what is below comes by itself
        found.update(dict.fromkeys(sorted(_expanded(project, "", parts))))
    return list(found)


def _expanded(project: Path, folder: str, parts: tuple[str, ...]) -> Iterator[str]:
    """Yield the names below a folder that the segments of a glob match, relative to a project."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    is_deep = part == ANY_DEPTH
    if is_deep:
        yield from _expanded(project, folder, rest)
    try:
        entries = list(os.scandir(project / folder))
    except OSError:
        return
    for entry in entries:
        below = f"{folder}/{entry.name}" if folder else entry.name
        if is_deep and entry.is_dir(follow_symlinks=False):
            yield from _expanded(project, below, parts)
        elif not is_deep and matches_segment(part, entry.name):
            yield from _expanded(project, below, rest)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _hide(top: Path, brought: Sequence[str]) -> None:
    """Name in `info/exclude` what git would show as new."""
    open_ones = [
        name for name in brought if answer_of(["check-ignore", "-q", "--", name], top) is None
    ]
    shared = common_dir(top)
    if not open_ones or shared is None:
        return
    signs = str.maketrans({sign: f"\\{sign}" for sign in "\\*?[]! #"})
    wanted = [os.fsencode(f"/{name.translate(signs)}\n") for name in open_ones]
    path = shared / "info" / "exclude"
    with turn_of(top):
        path.parent.mkdir(exist_ok=True)
        before, lines, after = _parts(find_bytes(path) or b"")
        kept = [*lines, *(line for line in wanted if line not in lines)]
        if before and not before.endswith(b"\n"):
            before += b"\n"
        block = BEGIN_MARK + b"".join(kept) + END_MARK
        write_atomic(path, before + block + after, root=shared)


def _parts(data: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Return what stands before our marks, the lines between them, and what stands behind."""
    before, begin, rest = data.partition(BEGIN_MARK)
    if not begin:
        return data, [], b""
    inner, _, after = rest.partition(END_MARK)
    return before, inner.splitlines(keepends=True), after
