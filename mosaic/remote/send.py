"""What is sent to another machine so that a task can be worked on there.

Commits that it has not, the mission's files as they stand, and the records of the task's earlier
runs without their logs. Nothing that git ignores or leaves out of a checkpoint, such as `.env`, and
no variable but those that the host names.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError
from mosaic.git.checkpoint_store import PLAIN_IDENTITY
from mosaic.git.git import answer_of, head_commit, run_git
from mosaic.git.packs import make_pack
from mosaic.git.snapshot import take_tree
from mosaic.machine.disk import find_bytes
from mosaic.machine.identity import host_name
from mosaic.machine.paths import safe_segment
from mosaic.remote.plan import plan_files, read_plan
from mosaic.remote.sent import find_sent
from mosaic.runs.checkpoint import last_seq
from mosaic.runs.folders import runs_of_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mosaic.settings import HostSpec
    from mosaic.store.layout import Layout
    from mosaic.workspaces.record import Workspace

NOT_SENT = (
    "sessions", "projectPath", "stateFolders", "maxParallel", "notify", "hosts", "landing",
)  # fmt: skip
"""Keys of mission.json that mean this machine, or other sessions of it."""
RECORD_NAMES = ("meta.json", "state.json", "result.json", "rules.json", "report.json")
LARGEST_PART_BYTES = 1 << 20


def mission_name(layout: Layout) -> str:
    """Return the name that a mission has on other machines: no other one has it."""
    place = os.path.realpath(layout.mission_file)
    digest = sha256(f"{host_name()}\n{place}".encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{safe_segment(layout.project.name or 'mission')[:40]}-{digest}"


def commits_to_send(workspace: Workspace) -> dict[str, str]:
    """Return by name what the work begins from: what is checked out here, and in the worktree."""
    top = workspace.path
    work = head_commit(top) or workspace.base_commit
    commits = {"head": head_commit(workspace.home) or work, "work": work}
    taken = take_tree(top, scratch=top.parent, keep_private=False)
    if taken.tree != answer_of(["rev-parse", "HEAD^{tree}"], top):
        command = ["commit-tree", taken.tree, "-p", work]
        said = b"What is not committed"
        commits["tree"] = run_git(command, top, stdin=said, env=PLAIN_IDENTITY).text
    return commits


def pack_up(
    layout: Layout,
    workspace: Workspace,
    commits: dict[str, str],
    known: Iterable[str],
    folder: Path,
) -> Path:
    """Write everything that is sent into one file below a folder, and return it."""
    pack = make_pack(workspace.home, commits.values(), known, folder)
    place = folder / "sent.tar"
    with tarfile.open(place, "w") as archive:
        archive.add(pack, f"pack/{pack.name}")
        for name, data in files_to_send(layout, workspace):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600 if name.startswith("runs/") else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return place


def files_to_send(layout: Layout, workspace: Workspace) -> Iterator[tuple[str, bytes]]:
    """Return by name what is sent beside commits: the mission's files, and earlier records."""
    yield from _mission_files(layout, workspace.home)
    yield from _records(layout, workspace)


def _mission_files(layout: Layout, home: Path) -> Iterator[tuple[str, bytes]]:
    for name, data in plan_to_send(layout, home).items():
        yield f"files/{name}", data
    for path in sorted(path for path in layout.templates_dir.rglob("*") if path.is_file()):
        template, place = find_bytes(path), Path(os.path.realpath(path))
        if template is not None and place.is_relative_to(home):
            yield f"files/{place.relative_to(home).as_posix()}", template


def plan_to_send(layout: Layout, home: Path) -> dict[str, bytes]:
    """Return the mission's files as they are to be read elsewhere, by their names in git."""
    files = read_plan(layout, home)
    own = next(n for n, path in plan_files(layout, home).items() if path == layout.mission_file)
    return {**files, own: _for_elsewhere(files[own])}


def _for_elsewhere(data: bytes) -> bytes:
    """Return mission.json as it is to be read there: without what means this machine."""
    values: dict[str, Any] = json.loads(data)
    kept = {key: value for key, value in values.items() if key not in NOT_SENT}
    listed = values.get("sessions") or []
    ended = [each for each in listed if each.get("endedAt") or each.get("ended_at")]
    return json.dumps({**kept, "sessions": ended}, indent=2).encode()


def _records(layout: Layout, workspace: Workspace) -> Iterator[tuple[str, bytes]]:
    """Return what an agent is told of earlier runs by: small files, no log."""
    for run in runs_of_task(layout.runs_dir, workspace.owner):
        if not (run.dir / "state.json").exists():
            continue
        names = [*RECORD_NAMES, *(path.name for path in run.dir.glob("handoff-*.md"))]
        # Numbers of checkpoints go on over all runs of a task, so the last one goes along.
        last = f"checkpoints/{last_seq(run):04d}"
        names += ["artifacts/report.json", f"{last}.json", f"{last}.patch"]
        for name in names:
            path = run.dir / name
            if path.is_file() and path.stat().st_size <= LARGEST_PART_BYTES:
                yield f"runs/{run.id}/{name}", path.read_bytes()


def earlier_tokens(layout: Layout, task_id: str) -> list[str]:
    """Return the tokens of a task's earlier attempts elsewhere: they are over, or are to be."""
    tokens = []
    for run in runs_of_task(layout.runs_dir, task_id):
        try:
            sent = find_sent(run)
        except MissionError:
            continue
        tokens += [sent.token] if sent else []
    return tokens


def identity_to_send(home: Path) -> dict[str, str]:
    """Return the name that commits are made in, where git knows one here."""
    found = {key: answer_of(["config", f"user.{key}"], home) for key in ("name", "email")}
    return {key: value for key, value in found.items() if value}


def variables_to_send(host: HostSpec) -> dict[str, str]:
    """Return the variables that may go there, as they are set here."""
    return {name: os.environ[name] for name in host.env if name in os.environ}
